//! The audit log: whether there is one, and where.

use privsep::table::{self, Sink, Table};

use super::daemon::{backups, limit};
use super::model::{Audit, AuditPlace, Daemon};
use super::path::{absolute, dirname, join, normalise};
use super::reading::{Reading, Scope};
use super::settings::AuditLog;
use super::text::{bytes, from_bytes, repr, shown};
use super::values::{self, Read};

const FILE: &str = "audit_logfile";
/// What stands beside the activity log where nothing is said.
const NAME: &str = "audit.log";
/// The smallest size at which a log is rotated, in bytes.
const LEAST: i64 = 64 << 10;

/// The keys of `[supervisord]`.
pub fn read(r: &mut Reading<'_>, scope: Scope<'_>) -> Audit {
    let place = r.get(scope, FILE, place).unwrap_or_default();
    let maxbytes = r.plain(scope, "audit_logfile_maxbytes", size);
    let kept = r.plain(scope, "audit_logfile_backups", kept).unwrap_or(10);
    let syslog = r.plain(scope, "audit_syslog", values::boolean).unwrap_or(false);
    Audit { place, maxbytes: limit(maxbytes.unwrap_or(50 << 20)), backups: backups(kept), syslog }
}

/// Size of a file. One that is full at once would be rotated all the time, and what it held be gone as fast.
fn size(text: &str) -> Read<i64> {
    match values::byte_size(text)? {
        size @ 1..LEAST => Err(format!(
            "Invalid audit_logfile_maxbytes value {}: {size} bytes are too few; give {}KB or more, or 0 for no rotation",
            repr(text),
            LEAST >> 10
        )),
        size => Ok(size),
    }
}

/// How many rotated files are kept. Without one a rotation would empty the log.
fn kept(text: &str) -> Read<i64> {
    match values::integer(text)? {
        ..1 => Err(format!(
            "Invalid audit_logfile_backups value {}: a rotation would empty the audit log; give 1 or more, or \
             audit_logfile_maxbytes=0 for no rotation",
            repr(text)
        )),
        count => Ok(count),
    }
}

fn place(r: &mut Reading<'_>, text: &str) -> Read<AuditPlace> {
    let why = match text {
        _ if text.eq_ignore_ascii_case("none") => return Ok(AuditPlace::None),
        "" => "it is empty",
        "syslog" => {
            "audit_syslog=true has the system's log as a second witness; the log itself is a file"
        }
        _ if text.ends_with('/') => "it names a directory",
        _ if text.chars().any(char::is_control) => "it has a control character",
        _ => {
            let path = r.existing_parent(text)?;
            let path = r.normal_path(&path);
            if in_devices(&path) {
                return Err(wrong(text, "it is to be a file of its own, not a device or a stream"));
            }
            return Ok(AuditPlace::Path(path));
        }
    };
    Err(wrong(text, why))
}

fn wrong(text: &str, why: &str) -> String {
    format!("Invalid {FILE} value {}: {why}; give a path, or none", repr(text))
}

fn in_devices(path: &str) -> bool {
    path.starts_with("/dev/") || path.starts_with("/proc/")
}

/// The audit log that there is to be: where one is asked for, and where there is somebody to be told apart (`asked`:
/// there are users or roles).
pub fn log(r: &mut Reading<'_>, daemon: &Daemon, asked: bool) -> Option<AuditLog> {
    let Audit { place, maxbytes, backups, syslog } = daemon.audit.clone();
    let path = match place {
        AuditPlace::None => None,
        AuditPlace::Path(path) => Some(path),
        AuditPlace::Standard if !asked => None,
        AuditPlace::Standard => beside(r, daemon),
    };
    if daemon.audit.place == AuditPlace::None && syslog {
        let place = r.locate("supervisord", "audit_syslog");
        r.problems.advice(format!("{place} has no effect: there is no audit log"));
    }
    r.defaulted("supervisord", FILE, path.as_deref().unwrap_or("none"));
    let path = path?;
    let most = table::MAX_PATH;
    let details = vec![r.locate("supervisord", FILE)];
    if shown(&path) != path {
        r.problems.error("the audit log's path has bytes that are no text", details);
    } else if bytes(&path).len() > most {
        r.problems.error(
            format!("the audit log's path is longer than the limit of {most} bytes"),
            details,
        );
    }
    Some(AuditLog { path: shown(&path), maxbytes, backups, syslog })
}

/// What the spawner is told. Who the writer is comes later.
pub fn entry(log: &AuditLog) -> table::Audit {
    table::Audit {
        identity: None,
        log: table::LogFile {
            path: bytes(&log.path),
            maxbytes: log.maxbytes,
            backups: log.backups,
            // For the owner's eyes: it has everybody's names and addresses.
            mode: 0o600,
            exact: true,
            uid: None,
            gid: None,
            auto: false,
        },
        syslog: log.syslog,
    }
}

/// What the broker is told of a log that is in force.
pub fn described(audit: &table::Audit) -> AuditLog {
    AuditLog {
        path: shown(&from_bytes(&audit.log.path)),
        maxbytes: audit.log.maxbytes,
        backups: audit.log.backups,
        syslog: audit.syslog,
    }
}

fn beside(r: &mut Reading<'_>, daemon: &Daemon) -> Option<String> {
    let why = match &daemon.logfile {
        Some(log) if !in_devices(log) => {
            let path = join(dirname(log), NAME);
            match open_to(r, daemon, &path) {
                None => return Some(path),
                Some(part) => {
                    format!("others could make or change {path}, as {part} is theirs to write")
                }
            }
        }
        _ => "the activity log is no file beside which it could be".to_owned(),
    };
    r.problems.advice(format!(
        "there is no audit log: {why}; set audit_logfile in [supervisord], or audit_logfile=none"
    ));
    None
}

/// What on the way to a path somebody else could write to: its owner, or everybody. Groups are trusted with what root
/// gave them, as many systems have it with /var/log.
fn open_to(r: &mut Reading<'_>, daemon: &Daemon, path: &str) -> Option<String> {
    let user = daemon.user.as_ref().map_or(0, |user| user.uid);
    let uids = [0, r.facts.start.uid, user];
    let path = absolute(&r.facts.cwd, path);
    let part = r.host.look(&path, &uids, &[0]).by?;
    (part.mode & 0o002 != 0 || !uids.contains(&part.uid)).then_some(part.path)
}

/// Nobody else writes to that file, or to what it becomes when it is rotated, and no rotation makes it.
pub fn alone(r: &mut Reading<'_>, audit: Option<&AuditLog>, table: &Table) {
    if let Some(path) = taken(audit, table) {
        let text = format!("the audit log cannot be where {path} is; give it a file of its own");
        let details = vec![r.locate("supervisord", FILE)];
        r.problems.error(text, details);
    }
}

/// The same for the audit log in force, whatever the configuration says of the next one.
pub fn still_alone(r: &mut Reading<'_>, audit: Option<&AuditLog>, table: &Table) {
    if let Some((path, audit)) = taken(audit, table).zip(audit) {
        let text = format!(
            "{path} cannot be used: until the daemon is restarted, {} is its audit log; give the log another file",
            audit.path
        );
        r.problems.error(text, vec![]);
    }
}

fn taken(audit: Option<&AuditLog>, table: &Table) -> Option<String> {
    let audit = normalise(&audit?.path);
    let logs = table.logs.iter().flatten().filter_map(|sink| match sink {
        Sink::File(file) => Some(&file.path),
        _ => None,
    });
    let mut paths = logs.chain(&table.pidfile).map(|path| shown(&from_bytes(path)));
    paths.find(|path| meet(&normalise(path), &audit))
}

/// Whether the path of a log is that of the audit log, of its anchor or of a rotated one, or the other way round.
fn meet(log: &str, audit: &str) -> bool {
    let rotated = |path: &str, of: &str| {
        let rest = path.strip_prefix(of).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let anchor = log.strip_suffix(".anchor") == Some(audit);
    log == audit || anchor || rotated(log, audit) || rotated(audit, log)
}
