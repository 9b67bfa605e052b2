//! The main file and what it includes.

use std::collections::BTreeMap;

use privsep::files::Answer;

use super::expand::{Names, expand};
use super::files::{Denied, Files, Listing};
use super::glob::{is_magic, matches};
use super::host::{Kind, Who};
use super::ini::{Remark, Syntax};
use super::path::{absolute, basename, dirname, join};
use super::reading::{Reading, Scope};
use super::text::strip;

const RUN: &str = "change what is run";

/// Reads the main file, found by `given` or by the search path, and all that it includes. Gives the INFO lines about
/// included files, or nothing when there is nothing to go on with: the errors say why.
pub fn read(
    r: &mut Reading<'_>,
    files: &mut dyn Files,
    given: Option<&str>,
    program: &str,
    names: &Names<'_>,
) -> Option<Vec<String>> {
    let bytes = match given {
        Some(path) => {
            r.config = path.to_owned();
            named(r, files, path)?
        }
        None => search(r, files, program)?,
    };
    r.here = absolute(&r.facts.cwd, dirname(&r.config));
    let config = r.config.clone();
    let read = r.doc.read(&config, &bytes);
    syntax(r, &config, read);
    let notes = included(r, files, names);
    remarks(r);
    r.problems.errors.is_empty().then_some(notes)
}

fn syntax(r: &mut Reading<'_>, file: &str, read: Result<(), Syntax>) {
    if let Err(error) = read {
        let details = error.lines.iter().map(|n| format!("{file}:{n}"));
        r.problems.quoting(error.text, error.told, details.collect());
    }
}

/// What an answer says about a file, for people. `danger` is what those who can write to it could do.
pub fn denied(r: &mut Reading<'_>, path: &str, denied: &Denied, danger: &str) -> Vec<String> {
    match denied {
        Denied::Answer(Answer::Unsafe { upto, uid, mode }) => {
            let part = usize::try_from(*upto)
                .ok()
                .and_then(|n| path.get(..n))
                .filter(|p| !p.is_empty())
                .unwrap_or(path)
                .to_owned();
            let owner = match r.host.account(&Who::Id(*uid)) {
                Some(account) => format!("{} (uid {uid})", account.name),
                None => format!("uid {uid}"),
            };
            let trusted_owner = [0, r.facts.start.uid].contains(uid);
            let trusted = if r.facts.start.uid == 0 { "root" } else { "you and root" };
            vec![
                format!(
                    "{part} belongs to {owner} and has mode {:04o}: others than {trusted} could {danger}",
                    mode & 0o7777
                ),
                match trusted_owner {
                    true => format!("put it right with: chmod go-w {part}"),
                    false => format!("put it right with: chown root: {part} && chmod go-w {part}"),
                },
            ]
        }
        Denied::Answer(Answer::Errno(errno)) => {
            let errno = nix::errno::Errno::from_raw(*errno);
            vec![format!("{path}: {}", errno.desc())]
        }
        Denied::Answer(Answer::Kind) => vec![format!("{path} is not a regular file")],
        Denied::Answer(_) => {
            vec![format!("{path} is beyond the limits of what a configuration may consist of")]
        }
        Denied::Unreadable(why) => vec![format!("{path}: {why}")],
    }
}

/// Whether there is no such file.
pub fn is_missing(denied: &Denied) -> bool {
    let missing = |errno: i32| {
        let errno = nix::errno::Errno::from_raw(errno);
        matches!(errno, nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR)
    };
    matches!(denied, Denied::Answer(Answer::Errno(errno)) if missing(*errno))
}

fn named(r: &mut Reading<'_>, files: &mut dyn Files, path: &str) -> Option<Vec<u8>> {
    let full = join(&r.facts.cwd, path);
    match files.main(&full) {
        Ok(bytes) => Some(bytes),
        Err(why) if is_missing(&why) => {
            r.problems.error(format!("could not find config file {path}"), vec![]);
            None
        }
        Err(why) => {
            let details = denied(r, &full, &why, RUN);
            r.problems.error(format!("could not read config file {path}"), details);
            None
        }
    }
}

/// The default paths, in order. As root, none that depends on the current directory is looked at.
fn search(r: &mut Reading<'_>, files: &mut dyn Files, program: &str) -> Option<Vec<u8>> {
    let base = dirname(dirname(program));
    let paths = [
        join(base, "etc/supervisord.conf"),
        join(base, "supervisord.conf"),
        "supervisord.conf".to_owned(),
        "etc/supervisord.conf".to_owned(),
        "/etc/supervisord.conf".to_owned(),
        "/etc/supervisor/supervisord.conf".to_owned(),
    ];
    let root = r.facts.start.uid == 0;
    for path in &paths {
        if root && !path.starts_with('/') {
            continue;
        }
        let full = join(&r.facts.cwd, path);
        match files.main(&full) {
            Ok(bytes) => {
                r.config = path.clone();
                return Some(bytes);
            }
            Err(why) if is_missing(&why) => {}
            // What the caller cannot even see does not exist for the search.
            Err(Denied::Answer(Answer::Errno(_)))
                if !root && matches!(r.host.kind(&full), Kind::Hidden | Kind::Missing) => {}
            Err(why) => {
                let details = denied(r, &full, &why, RUN);
                r.problems.error(format!("could not read config file {path}"), details);
                return None;
            }
        }
    }
    let mut details = Vec::new();
    if root && paths.iter().any(|p| !p.starts_with('/')) {
        details.push(
            "started by root, relative paths are not looked at: anyone could have put a file there"
                .to_owned(),
        );
    }
    r.problems.error(
        format!(
            "No config file found at default paths ({}); use the -c option to specify a config file at a different \
             path",
            paths.join(", ")
        ),
        details,
    );
    None
}

/// Reads what `[include]` names.
fn included(r: &mut Reading<'_>, files: &mut dyn Files, names: &Names<'_>) -> Vec<String> {
    const SECTION: &str = "include";
    if !r.doc.has(SECTION) {
        return Vec::new();
    }
    let here = r.here.clone();
    let node = r.facts.node.clone();
    r.doc.expand_here(&here);
    r.unknown_keys(SECTION);
    let names = Names::over(names).text("here", &here).text("host_node_name", &node);
    let scope = Scope::plain(SECTION, &names);
    let Some(raw) = r.raw(SECTION, "files") else {
        let text = ".ini file has [include] section, but no files setting".to_owned();
        r.check::<()>(scope, "files", Err(text));
        return Vec::new();
    };
    let patterns = expand(&raw, &names, "include.files", false);
    let Some(patterns) = r.check(scope, "files", patterns) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    let mut finder = Finder { files, known: BTreeMap::new() };
    for pattern in patterns.split(super::text::is_space).map(strip) {
        if pattern.is_empty() {
            continue;
        }
        let pattern = join(&here, pattern);
        let found = finder.find(r, &pattern);
        if found.is_empty() {
            r.problems.warning(format!("No file matches via include \"{pattern}\""));
        }
        for path in found {
            notes.push(format!("Included extra file \"{path}\" during parsing"));
            if let Some(bytes) = finder.file(r, &path) {
                let read = r.doc.read(&path, &bytes);
                syntax(r, &path, read);
            }
            r.doc.expand_here(&absolute(&here, dirname(&path)));
        }
    }
    notes
}

/// Directories asked for so far.
struct Finder<'f> {
    files: &'f mut dyn Files,
    known: BTreeMap<String, Option<(u16, Listing)>>,
}

impl Finder<'_> {
    /// The directory, if it is there and may be read; one that others may write is an error.
    fn directory(&mut self, r: &mut Reading<'_>, path: &str) -> Option<&(u16, Listing)> {
        if !self.known.contains_key(path) {
            let found = match self.files.directory(path) {
                Ok(found) => Some(found),
                Err(Denied::Answer(Answer::Errno(_) | Answer::Kind)) => None,
                Err(why) => {
                    refuse(r, path, &why);
                    None
                }
            };
            self.known.insert(path.to_owned(), found);
        }
        self.known.get(path)?.as_ref()
    }

    /// A file that an include names; one that cannot be read is skipped, as the reference does.
    fn file(&mut self, r: &mut Reading<'_>, path: &str) -> Option<Vec<u8>> {
        let (number, _) = self.directory(r, parent(path))?;
        let number = *number;
        match self.files.file(number, basename(path)) {
            Ok(bytes) => Some(bytes),
            Err(Denied::Answer(Answer::Errno(_) | Answer::Kind)) => None,
            Err(why) => {
                refuse(r, path, &why);
                None
            }
        }
    }

    /// All paths that match, sorted.
    fn find(&mut self, r: &mut Reading<'_>, pattern: &str) -> Vec<String> {
        let mut found = Vec::new();
        for dir in self.directories(r, dirname(pattern)) {
            let name = basename(pattern);
            if let Some((_, listing)) = self.directory(r, if dir.is_empty() { "/" } else { &dir }) {
                found.extend(
                    (listing.iter()).filter(|(n, _)| fits(name, n)).map(|(n, _)| join(&dir, n)),
                );
            }
        }
        found.sort();
        found
    }

    /// The directories that a pattern for directories names, level by level.
    fn directories(&mut self, r: &mut Reading<'_>, pattern: &str) -> Vec<String> {
        if !is_magic(pattern) {
            return vec![pattern.to_owned()];
        }
        let name = basename(pattern).to_owned();
        let mut found = Vec::new();
        for dir in self.directories(r, dirname(pattern)) {
            if !is_magic(&name) {
                found.push(join(&dir, &name));
                continue;
            }
            if let Some((_, listing)) = self.directory(r, &dir) {
                let names = listing.iter().filter(|(n, d)| *d && fits(&name, n));
                found.extend(names.map(|(n, _)| join(&dir, n)));
            }
        }
        found
    }
}

fn parent(path: &str) -> &str {
    match dirname(path) {
        "" => "/",
        dir => dir,
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    if is_magic(pattern) { matches(pattern, name) } else { pattern == name }
}

fn refuse(r: &mut Reading<'_>, path: &str, why: &Denied) {
    let mut details = denied(r, path, why, RUN);
    details.push(r.locate("include", "files"));
    r.problems.error(format!("could not read config file {path}"), details);
}

/// Lines that are read as the rules say, but perhaps not as they were meant.
fn remarks(r: &mut Reading<'_>) {
    for (place, remark) in r.doc.remarks.clone() {
        let place = r.place(place);
        r.problems.advice(match remark {
            Remark::Rules => format!(
                "{place}: Python releases before 3.13 find another comment on this line; put comments on lines of \
                 their own"
            ),
            Remark::Quotes => format!(
                "{place}: a comment begins inside quotes here, the rest of the line is lost; leave out the space \
                 before the ; or #"
            ),
        });
    }
}
