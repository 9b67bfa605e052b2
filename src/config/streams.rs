//! What a program section says about standard output and standard error.

use super::expand::expand;
use super::model::{Channel, Ownership, Stream};
use super::reading::{Reading, Scope};
use super::values::{self, LogTarget, Read, boolean, byte_size, integer};

/// What is read once a section. `which` is `stdout` or `stderr`.
pub fn channel(r: &mut Reading<'_>, scope: Scope<'_>, which: &str) -> Channel {
    let capture = r.plain(scope, &format!("{which}_capture_maxbytes"), byte_size);
    let events = r.plain(scope, &format!("{which}_events_enabled"), boolean);
    Channel {
        capture: capture.unwrap_or(0),
        events: events.unwrap_or(false),
        owner: ownership(r, scope, &format!("{which}_logfile")),
    }
}

/// `KEY_owner` and `KEY_mode`.
pub fn ownership(r: &mut Reading<'_>, scope: Scope<'_>, key: &str) -> Ownership {
    let owner_key = format!("{key}_owner");
    let owner = r.get(scope, &owner_key, |r, text| {
        r.owner(text).map_err(|why| format!("Invalid {owner_key} value {text}: {why}"))
    });
    let mode_key = format!("{key}_mode");
    let mode = r.plain(scope, &mode_key, |text| match values::octal(text) {
        Ok(mode) if mode <= 0o777 && mode & 0o111 == 0 => Ok(mode),
        _ => Err(format!("Invalid {mode_key} value {text}: it is an octal mode such as 0640, without execute bits")),
    });
    Ownership { uid: owner.map(|(uid, _)| uid), gid: owner.and_then(|(_, gid)| gid), mode }
}

/// What is read for each process, in the reference's order.
pub fn stream(r: &mut Reading<'_>, scope: Scope<'_>, which: &str, channel: &Channel) -> Stream {
    let section = scope.section;
    let file_key = format!("{which}_logfile");
    let target = r.get(scope, &file_key, |r, text| {
        // Expanded a second time, under another name, as the reference does.
        let text = expand(text, scope.names, &file_key, false)?;
        log_target(r, &text)
    });
    let mut target = target.unwrap_or(LogTarget::Auto);
    let backups = r.plain(scope, &format!("{which}_logfile_backups"), integer).unwrap_or(10);
    let maxbytes = r.plain(scope, &format!("{which}_logfile_maxbytes"), byte_size);
    let maxbytes = maxbytes.unwrap_or(50 << 20);
    let syslog_key = format!("{which}_syslog");
    let mut syslog = r.plain(scope, &syslog_key, boolean).unwrap_or(false);
    if target == LogTarget::Syslog {
        r.problems.warning(format!(
            "For [{section}], {file_key}=syslog but this is deprecated and will be removed.  Use {syslog_key}=true to \
             enable syslog instead."
        ));
        target = LogTarget::None;
        syslog = true;
    }
    if target == LogTarget::Auto && maxbytes == 0 {
        r.problems.warning(format!(
            "For [{section}], AUTO logging used for {file_key} without rollover, set maxbytes > 0 to avoid filling up \
             filesystem unintentionally"
        ));
    }
    Stream {
        target,
        maxbytes,
        backups,
        owner: channel.owner,
        capture: channel.capture,
        events: channel.events,
        syslog,
    }
}

fn log_target(r: &mut Reading<'_>, text: &str) -> Read<LogTarget> {
    match values::log_target(text) {
        LogTarget::Path(path) => {
            let path = r.existing_parent(&path)?;
            if path.ends_with('/') {
                return Err(format!("The path {path} names a directory, not a log file"));
            }
            Ok(LogTarget::Path(path))
        }
        other => Ok(other),
    }
}
