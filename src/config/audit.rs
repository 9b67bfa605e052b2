//! The audit log: whether there is one, and where.

use privsep::table::{Sink, Table};

use super::daemon::{backups, limit};
use super::model::{Audit, AuditPlace, Daemon};
use super::path::{dirname, join};
use super::reading::{Reading, Scope};
use super::settings::AuditLog;
use super::text::{bytes, from_bytes, repr, shown};
use super::values::{self, Read};

const FILE: &str = "audit_logfile";
/// What stands beside the activity log where nothing is said.
const NAME: &str = "audit.log";

/// The keys of `[supervisord]`.
pub fn read(r: &mut Reading<'_>, scope: Scope<'_>) -> Audit {
    let place = r.get(scope, FILE, place).unwrap_or_default();
    let maxbytes = r.plain(scope, "audit_logfile_maxbytes", values::byte_size);
    let kept = r.plain(scope, "audit_logfile_backups", values::integer).unwrap_or(10);
    let syslog = r.plain(scope, "audit_syslog", values::boolean).unwrap_or(false);
    Audit { place, maxbytes: limit(maxbytes.unwrap_or(50 << 20)), backups: backups(kept), syslog }
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
    let path = path?;
    r.defaulted("supervisord", FILE, &path);
    let most = privsep::table::MAX_PATH;
    if bytes(&path).len() > most {
        let details = vec![r.locate("supervisord", FILE)];
        r.problems.error(
            format!("the audit log's path is longer than the limit of {most} bytes"),
            details,
        );
    }
    Some(AuditLog { path: shown(&path), maxbytes, backups, syslog })
}

fn beside(r: &mut Reading<'_>, daemon: &Daemon) -> Option<String> {
    match &daemon.logfile {
        Some(log) if !in_devices(log) => Some(join(dirname(log), NAME)),
        _ => {
            r.problems.advice(
                "there is no audit log: the activity log is no file beside which it could be; set audit_logfile in \
                 [supervisord], or audit_logfile=none"
                    .to_owned(),
            );
            None
        }
    }
}

/// Nobody else writes to that file, or to what it becomes when it is rotated, and no rotation makes it.
pub fn alone(r: &mut Reading<'_>, audit: Option<&AuditLog>, table: &Table) {
    let Some(audit) = audit.map(|audit| bytes(&audit.path)) else {
        return;
    };
    let logs = table.logs.iter().flatten().filter_map(|sink| match sink {
        Sink::File(file) => Some(&file.path),
        _ => None,
    });
    if let Some(path) = logs.chain(&table.pidfile).find(|path| meet(path, &audit)) {
        let path = shown(&from_bytes(path));
        let text = format!("the audit log cannot be where {path} is; give it a file of its own");
        let details = vec![r.locate("supervisord", FILE)];
        r.problems.error(text, details);
    }
}

/// Whether one is the other, or a rotated one of it.
fn meet(a: &[u8], b: &[u8]) -> bool {
    let rotated = |path: &[u8], of: &[u8]| {
        let rest = path.strip_prefix(of).and_then(|rest| rest.strip_prefix(b"."));
        rest.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
    };
    a == b || rotated(a, b) || rotated(b, a)
}
