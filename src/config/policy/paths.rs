//! Files and directories that others than those who run them could change.

use std::collections::BTreeMap;

use privsep::table::{Entry, Sink, Socket};

use super::super::host::{Part, Who};
use super::super::path::{absolute, dirname};
use super::super::reading::Reading;
use super::super::text::{from_bytes, strip};
use super::report::{Kind, Program, Report, Weak};
use super::{Subject, clean};

/// The most words of one command that are looked at.
const MAX_WORDS: usize = 16;

/// What can be changed, by what is wrong with it: the text, and what it is about.
type Found = BTreeMap<(u32, String), Vec<String>>;

/// Adds all such paths; what cannot be looked at is named apart.
pub fn find(r: &mut Reading<'_>, s: &Subject<'_>, report: &mut Report) {
    let mut found = Found::new();
    let slots = s.settings.groups.iter().flat_map(|group| &group.slots);
    let entries: Vec<&Entry> = slots.filter_map(|slot| s.table.entry(*slot)).collect();
    let mut unseen = Vec::new();
    for (program, entry) in report.programs.iter().zip(entries) {
        let gid = program.groups.first().copied().filter(|_| program.user.uid != 0);
        let (uids, gids) = ([0, s.own, program.user.uid], [0, gid.unwrap_or(0)]);
        let trust = Trust { uids: &uids, gids: &gids };
        for path in executed(r, entry, trust, &mut unseen) {
            if let Some(why) = changed(r, &path, trust) {
                let text = format!("{} is run as {}; {why}", clean(&path), program.user);
                found.entry((program.user.uid, text)).or_default().push(program.full());
            }
        }
    }
    for (what, path) in own(r, s) {
        let uids = [0, s.own];
        if let Some(why) = changed(r, &path, Trust { uids: &uids, gids: &[0] }) {
            let text = format!("{} is {what}; {why}", clean(&path));
            found.entry((0, text)).or_default().push(what.to_owned());
        }
    }
    // What root runs comes first.
    report.weak.extend(found.into_iter().map(|((_, text), about)| weak(text, &about)));
    unseen.sort();
    unseen.dedup();
    report.unseen = unseen;
}

fn weak(text: String, about: &[String]) -> Weak {
    let about = match about {
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    };
    Weak { kind: Kind::WritablePath, about, text, place: None }
}

#[derive(Clone, Copy)]
struct Trust<'t> {
    uids: &'t [u32],
    gids: &'t [u32],
}

/// Files that a process runs, as far as its command shows: the program, and words that are absolute paths of files.
fn executed(
    r: &mut Reading<'_>,
    entry: &Entry,
    trust: Trust<'_>,
    unseen: &mut Vec<String>,
) -> Vec<String> {
    let mut all = Vec::new();
    let base = r.facts.cwd.clone();
    for path in &entry.executables {
        let path = absolute(&base, &from_bytes(path));
        let look = r.host.look(&path, trust.uids, trust.gids);
        if look.hidden {
            unseen.push(clean(&path));
        }
        let there = look.last.is_some_and(|part| !part.directory);
        // A directory where others could put the program counts, too.
        if there || look.by.is_some() {
            all.push(path);
        }
        if there || look.hidden {
            break;
        }
    }
    for word in entry.argv.iter().skip(1).take(MAX_WORDS) {
        let word = from_bytes(word);
        let special = word.starts_with("/dev/") || word.starts_with("/proc/");
        if word.starts_with('/') && !special {
            let look = r.host.look(&word, trust.uids, trust.gids);
            if look.by.is_some() && look.last.is_some_and(|part| !part.directory) {
                all.push(word);
            }
        }
    }
    all
}

/// Our own files that others rely on.
fn own(r: &Reading<'_>, s: &Subject<'_>) -> Vec<(&'static str, String)> {
    let below = |path: &[u8]| absolute(&r.facts.cwd, &from_bytes(path));
    let mut all = Vec::new();
    if let Some(Sink::File(log)) = s.table.log(0).filter(|_| s.table.activity_log) {
        all.push(("the activity log", below(&log.path)));
    }
    all.extend(s.settings.audit.iter().map(|audit| ("the audit log", audit.path.clone())));
    all.extend(s.table.pidfile.iter().map(|path| ("the pidfile", below(path))));
    for socket in &s.table.sockets {
        if let Socket::Unix { path, .. } = socket {
            // The socket's own mode is for who may connect.
            all.push(("the directory of a server's socket", below(path)));
        }
    }
    let directory = |(what, path): (&'static str, String)| match what {
        "the directory of a server's socket" => (what, dirname(&path).to_owned()),
        _ => (what, path),
    };
    all.into_iter().map(directory).collect()
}

/// Why others could change it.
fn changed(r: &mut Reading<'_>, path: &str, trust: Trust<'_>) -> Option<String> {
    let part = r.host.look(path, trust.uids, trust.gids).by?;
    Some(because(r, &part, trust))
}

fn because(r: &mut Reading<'_>, part: &Part, trust: Trust<'_>) -> String {
    let path = clean(&part.path);
    let what = if part.directory { "files in it" } else { "it" };
    if !trust.uids.contains(&part.uid) {
        let owner = match r.host.account(&Who::Id(part.uid)) {
            Some(account) => clean(&account.name),
            None => format!("uid {}", part.uid),
        };
        return format!("{path} belongs to {owner}, who could change {what}");
    }
    let mode = part.mode;
    match mode & 0o002 {
        0 => format!("{path} has mode {mode:04o}: the group {} could change {what}", part.gid),
        _ => format!("{path} has mode {mode:04o}: everybody could change {what}"),
    }
}

/// Who else can read the file that a value stands in.
pub fn readers(r: &mut Reading<'_>, section: &str, key: &str) -> Option<String> {
    let place = r.doc.get(section, key)?.place;
    let file = absolute(&r.facts.cwd, r.doc.file(place));
    let mode = r.host.look(&file, &[0], &[0]).last?.mode;
    match (mode & 0o004, mode & 0o040) {
        (0, 0) => None,
        (0, _) => Some(format!("{} can be read by its group", clean(&file))),
        _ => Some(format!("{} can be read by everybody", clean(&file))),
    }
}

/// Who else than its owner can read the key of a server's certificate.
pub fn key_readers(r: &mut Reading<'_>, section: &str) -> Option<String> {
    let path = r.raw(section, "tls_key")?.replace("%(here)s", &r.here.clone());
    if path.contains('%') {
        return None;
    }
    let file = absolute(&r.facts.cwd, strip(&path));
    let mode = r.host.look(&file, &[0], &[0]).last?.mode;
    match (mode & 0o004, mode & 0o040) {
        (0, 0) => None,
        (0, _) => Some(format!("the key {} can be read by its group", clean(&file))),
        _ => Some(format!("the key {} can be read by everybody", clean(&file))),
    }
}

/// Programs that differ in their number alone are one weak point.
pub fn runs(programs: &[Program]) -> Vec<&[Program]> {
    programs.chunk_by(Program::alike).collect()
}
