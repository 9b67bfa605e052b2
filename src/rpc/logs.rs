//! Reading, tailing and clearing logs. Offsets and lengths count bytes of the file.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use policy::access::{Action, Permit};

use super::control::result;
use super::fault::{Code, Fault};
use super::guard::{Attempt, Guard, Refusal};
use super::names;
use super::office::Office;
use super::room::{self, Room};
use super::table::Stream;
use super::xml::{Value, written};
use crate::config::settings::{Kind, Level, LogFile, Settings};

/// The most bytes that one call gives: from the start of what was asked for, or from its end where the end was asked
/// for. A client gets the rest of a larger file by further calls.
pub(super) const MOST: u64 = 16 << 20;

/// The number of a process's log, and the proof that the caller may read it.
pub(super) fn of(
    guard: &Guard<'_, impl Office>,
    name: &str,
    stream: Stream,
) -> Result<(Option<u32>, Permit), Fault> {
    let settings = guard.office().settings();
    let (slot, process, permit) = guard.process(&settings, Action::Log, name)?;
    let [stdout, stderr] = guard.logs(slot, process);
    let log = match stream {
        Stream::Stdout => stdout,
        Stream::Stderr => stderr,
    };
    Ok((log, permit))
}

/// `readLog` and its kind: `length` 0 is to the end; a negative `offset` counts from the end.
pub(super) async fn read(
    office: &impl Office,
    room: &dyn Room,
    (log, permit): (Option<u32>, &Permit),
    offset: i64,
    length: i64,
) -> Result<Value, Fault> {
    let Some(log) = log else {
        return Err(Fault::new(Code::NoFile));
    };
    let file = office.open_log(permit, log).await.map_err(|error| {
        let settings = office.settings();
        match (error.kind(), settings.logs.get(&log)) {
            (ErrorKind::NotFound, Some(log)) => Fault::new(Code::NoFile).with(&log.path),
            _ => Fault::new(Code::Failed),
        }
    })?;
    let failed = |_| Fault::new(Code::Failed);
    let size = office.log_size(&file).map_err(failed)?;
    let (start, end) = range(size, offset, length).ok_or(Fault::new(Code::BadArguments))?;
    text(room, &file, start, end)?.map(Value::Str).map_err(failed)
}

/// The bytes that a read is about, or nothing where the parameters make no sense.
fn range(size: u64, offset: i64, length: i64) -> Option<(u64, u64)> {
    let length = u64::try_from(length).ok()?;
    if offset < 0 {
        let start = size.saturating_sub(offset.unsigned_abs().min(MOST));
        return (length == 0).then_some((start, size));
    }
    let start = offset.unsigned_abs().min(size);
    let length = if length == 0 { MOST } else { length.min(MOST) };
    Some((start, start.saturating_add(length).min(size)))
}

/// `tailProcessStdoutLog` and its kind: text, the offset to go on from, and whether something was left out.
pub(super) async fn tail(
    office: &impl Office,
    room: &dyn Room,
    (log, permit): (Option<u32>, &Permit),
    offset: i64,
    length: i64,
) -> Result<Value, Fault> {
    let nothing = |offset: i64| (String::new(), offset, false);
    let (text, next, overflow) = match log {
        None => nothing(0),
        Some(log) => match office.open_log(permit, log).await {
            Ok(file) => read_tail(office, room, &file, offset, length)?.unwrap_or(nothing(offset)),
            Err(error) if error.kind() == ErrorKind::NotFound => nothing(0),
            Err(_) => nothing(offset),
        },
    };
    // The interface has 32 bits for it.
    let next = next.clamp(i32::MIN.into(), i32::MAX.into());
    Ok(Value::Array(vec![Value::Str(text), Value::Int(next), Value::Bool(overflow)]))
}

fn read_tail(
    office: &impl Office,
    room: &dyn Room,
    file: &File,
    offset: i64,
    length: i64,
) -> Result<io::Result<(String, i64, bool)>, Fault> {
    let size = match office.log_size(file) {
        Ok(size) => size,
        Err(error) => return Ok(Err(error)),
    };
    let (start, overflow) = tail_range(size, offset, length);
    let next = i64::try_from(size).unwrap_or(i64::MAX);
    Ok(text(room, file, start, size)?.map(|text| (text, next, overflow)))
}

/// Where a tail begins, and whether bytes after `offset` are left out. It goes on from `offset` where `length` reaches
/// the end from there, and gives the last `length` bytes otherwise.
fn tail_range(size: u64, offset: i64, length: i64) -> (u64, bool) {
    let end = i128::from(offset) + i128::from(length);
    let length = u64::try_from(length).unwrap_or(0).min(MOST);
    let last = size.saturating_sub(length);
    if i128::from(size) > end {
        return (last, true);
    }
    let offset = u64::try_from(offset).unwrap_or(0);
    (offset.min(size).max(last), false)
}

/// The bytes from `start` to `end` as text, where there is room for them and for what they become in an answer.
fn text(room: &dyn Room, file: &File, start: u64, end: u64) -> Result<io::Result<String>, Fault> {
    let length = usize::try_from(end.saturating_sub(start).min(MOST)).unwrap_or(0);
    room::check(room, length)?;
    let text = bytes(file, start, length).map(|bytes| {
        String::from_utf8(bytes)
            .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
    });
    room::check(room, text.as_ref().map_or(0, |text| written(text)))?;
    Ok(text)
}

/// As many bytes from `start` on, or as there are.
fn bytes(file: &File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..)
        && !rest.is_empty()
    {
        let at = start.saturating_add(u64::try_from(done).unwrap_or(0));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(n) => done = done.saturating_add(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// `clearLog`: empties the activity log. As in the reference a line tells of it that is gone with the rest, but for the
/// copy on the daemon's standard output.
pub(super) async fn clear_main(
    guard: &Guard<'_, impl Office>,
    permit: &Permit,
) -> Result<Value, Fault> {
    let result = empty_main(guard.office(), permit).await;
    guard.record_on_daemon(permit, &result);
    result.map(|()| Value::Bool(true))
}

async fn empty_main(office: &impl Office, permit: &Permit) -> Result<(), Fault> {
    let log = office.settings().activity.log.ok_or_else(|| Fault::new(Code::NoFile))?;
    let cannot = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => Fault::new(Code::NoFile),
        _ => Fault::new(Code::Failed),
    };
    // Else a file that is missing would be made.
    office.open_log(permit, log).await.map_err(cannot)?;
    office.note(Level::Info, "reopening log file".to_owned());
    office.clear_log(permit, log).await.map_err(cannot)
}

/// `clearProcessLogs`: empties the process's logs, whether it runs or not.
pub(super) async fn clear(guard: &Guard<'_, impl Office>, name: &str) -> Result<Value, Fault> {
    let settings = guard.office().settings();
    let (slot, process, permit) = guard.process(&settings, Action::Clear, name)?;
    let logs = guard.logs(slot, process);
    let result = clear_process(guard.office(), &permit, (&settings, logs), name).await;
    guard.record(
        Attempt { action: Action::Clear, target: &names::full(process) },
        &permit,
        &result,
    );
    result.map(|()| Value::Bool(true))
}

/// `clearAllProcessLogs`.
pub(super) async fn clear_all(guard: &Guard<'_, impl Office>) -> Value {
    let settings = guard.office().settings();
    let (mut results, mut records) = (Vec::new(), Vec::new());
    let slots = guard.seen(&settings, names::all_by_priority(&settings));
    for (slot, process) in
        slots.into_iter().filter_map(|slot| Some((slot, settings.process(slot)?)))
    {
        let outcome = match guard.weigh(Action::Clear, slot, process) {
            Ok(permit) => {
                let name = names::short(&process.group, &process.name);
                let logs = guard.logs(slot, process);
                let outcome =
                    clear_process(guard.office(), &permit, (&settings, logs), &name).await;
                let what = Attempt { action: Action::Clear, target: &names::full(process) };
                records.push(guard.effect(what, &permit, &outcome));
                outcome
            }
            Err(Refusal { fault, record }) => {
                records.push(*record);
                Err(fault)
            }
        };
        results.push(result(process, outcome));
    }
    guard.record_all(records);
    Value::Array(results)
}

/// Empties the logs that a process has, as far as they still are what these settings say.
async fn clear_process(
    office: &impl Office,
    permit: &Permit,
    (settings, [stdout, stderr]): (&Settings, [Option<u32>; 2]),
    name: &str,
) -> Result<(), Fault> {
    let stderr = stderr.filter(|n| stdout != Some(*n));
    for log in stdout.into_iter().chain(stderr) {
        let now = office.settings();
        let same = |file: &&LogFile| settings.logs.get(&log).is_some_and(|l| l.path == file.path);
        let file = now.logs.get(&log).filter(same);
        match if file.is_some_and(|file| file.kind == Kind::File) {
            office.clear_log(permit, log).await
        } else {
            Ok(())
        } {
            Err(error) if !holds_nothing(&error) => {
                return Err(Fault::new(Code::Failed).with(name));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether there is no file, or what is there is a device or a FIFO.
fn holds_nothing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    error.kind() == ErrorKind::NotFound || matches!(errno, Some(Errno::EINVAL | Errno::ENXIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_ranges_are_the_reference_s() {
        for (offset, length, expected) in [
            (0, 0, Some((0, 10))),
            (4, 0, Some((4, 10))),
            (4, 3, Some((4, 7))),
            (4, 100, Some((4, 10))),
            (100, 0, Some((10, 10))),
            (-4, 0, Some((6, 10))),
            (-100, 0, Some((0, 10))),
            (-4, 2, None),
            (0, -1, None),
            (-1, -1, None),
            (i64::MIN, 0, Some((0, 10))),
            (i64::MAX, i64::MAX, Some((10, 10))),
        ] {
            assert_eq!(range(10, offset, length), expected, "{offset}, {length}");
        }
    }

    #[test]
    fn large_reads_are_cut() {
        let size = 5 * MOST;
        assert_eq!(range(size, 0, 0), Some((0, MOST)));
        assert_eq!(range(size, 7, i64::MAX), Some((7, 7 + MOST)));
        assert_eq!(range(size, i64::MIN, 0), Some((size - MOST, size)));
        assert_eq!(tail_range(size, 0, i64::MAX), (size - MOST, false));
        assert_eq!(tail_range(u64::MAX, i64::MIN, i64::MIN), (u64::MAX, true));
    }

    #[test]
    fn tails_go_on_from_the_offset() {
        for (offset, length, expected) in [
            (0, 0, (10, true)),
            (0, 5, (5, true)),
            (0, 10, (0, false)),
            (0, 11, (0, false)),
            (0, 100, (0, false)),
            (5, 3, (7, true)),
            (5, 5, (5, false)),
            (5, 100, (5, false)),
            (10, 5, (10, false)),
            (12, 5, (10, false)),
            (-3, 5, (5, true)),
            (-20, 5, (5, true)),
            (-20, 100, (0, false)),
            (0, -5, (10, true)),
            (20, -5, (10, false)),
        ] {
            assert_eq!(tail_range(10, offset, length), expected, "{offset}, {length}");
        }
        assert_eq!(tail_range(0, 0, 5), (0, false));
    }
}
