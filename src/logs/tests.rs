//! Pipelines on real pipes and files.

mod captured;
mod ears;
mod syslogs;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, write};

use super::*;
use crate::config::settings::{self, ActivityLog, Kind, Level, Zone};
use crate::process::world::log_file;

const BEGIN: &str = "<!--XSUPERVISOR:BEGIN-->";
const END: &str = "<!--XSUPERVISOR:END-->";

struct Rig {
    logs: Logs,
    watch: Rc<Watch>,
    dir: tempfile::TempDir,
}

fn rig(limits: &[u64]) -> Rig {
    let watch = Rc::new(Watch::new().unwrap());
    Rig { logs: logs(&watch, None, limits), watch, dir: tempfile::tempdir().unwrap() }
}

/// Files with these limits; the number after the last of them is the system's log.
fn logs(watch: &Rc<Watch>, journal: Option<Rc<Journal>>, limits: &[u64]) -> Logs {
    let mut logs = Logs::new(tools(watch), journal, Clock::new(&Zone::Utc));
    let file = |limit: &u64| settings::LogFile { maxbytes: *limit, ..log_file("log") };
    let syslog = settings::LogFile { kind: Kind::Syslog, ..log_file("syslog") };
    let files = limits.iter().map(file).chain([syslog]);
    logs.configure(&(0..).zip(files).collect(), None);
    logs
}

/// To a log, as it is.
fn to(log: Option<Log>) -> Route {
    Route { caller: syslog::caller("p", None), log, ..Route::default() }
}

fn tools(watch: &Rc<Watch>) -> Tools {
    Tools {
        watch: watch.clone(),
        scratch: Scratch::new().unwrap(),
        null: OpenOptions::new().write(true).open("/dev/null").unwrap(),
    }
}

fn open(path: &Path) -> OwnedFd {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(path).unwrap().into()
}

impl Rig {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn open(&mut self, log: Log, same: Log, name: &str) {
        let fd = open(&self.path(name));
        self.logs.opened(log, same, fd, Instant::now());
    }

    fn attach(&mut self, slot: Slot, output: Output, log: Option<Log>) -> OwnedFd {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
        self.logs.attach((slot, 1, output), reader, to(log), true);
        writer
    }

    fn attach_to(&mut self, route: Route) -> OwnedFd {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
        self.logs.attach((0, 1, Output::Stdout), reader, route, true);
        writer
    }

    /// Serves what is ready until nothing is for a while.
    async fn settle(&mut self) {
        let mut tokens = Vec::new();
        let quiet = Duration::from_millis(20);
        while tokio::time::timeout(quiet, self.watch.ready(&mut tokens)).await.is_ok() {
            for token in tokens.drain(..) {
                self.logs.ready(token, Instant::now());
            }
        }
    }
}

fn put(writer: &OwnedFd, text: &str) {
    assert_eq!(write(writer, text.as_bytes()), Ok(text.len()));
}

#[tokio::test]
async fn a_number_that_was_given_up_is_free_for_another_file() {
    let mut rig = rig(&[0, 0]);
    rig.open(0, 0, "old");
    rig.open(1, 0, "old");
    let err = rig.attach(5, Output::Stderr, Some(1));
    rig.logs.forget(0);
    assert!(!rig.logs.is_open(0));
    rig.logs.add(0, &log_file("new"));
    rig.open(0, 0, "new");
    let out = rig.attach(6, Output::Stdout, Some(0));
    put(&out, "for the new one\n");
    put(&err, "for the old one\n");
    rig.settle().await;
    assert_eq!(
        (rig.text("new"), rig.text("old")),
        ("for the new one\n".into(), "for the old one\n".into())
    );
    rig.logs.forget(1);
    rig.logs.forget(0);
    assert_eq!(rig.logs.open_logs(), [0; 0]);
    assert!(rig.logs.files.is_empty());
}

#[tokio::test]
async fn two_streams_share_one_file() {
    let mut rig = rig(&[0, 0]);
    rig.open(0, 0, "log");
    rig.open(1, 0, "log");
    let out = rig.attach(0, Output::Stdout, Some(0));
    let err = rig.attach(0, Output::Stderr, Some(1));
    put(&out, "a\n");
    rig.settle().await;
    put(&err, "b\n");
    rig.settle().await;
    put(&out, "c\n");
    rig.settle().await;
    assert_eq!(rig.text("log"), "a\nb\nc\n");
    assert_eq!(rig.logs.events(), []);
}

#[tokio::test]
async fn a_full_file_is_held_until_it_is_rotated_and_nothing_is_lost() {
    let mut rig = rig(&[10]);
    rig.open(0, 0, "log");
    let out = rig.attach(0, Output::Stdout, Some(0));
    put(&out, "0123456789");
    rig.settle().await;
    assert_eq!(rig.logs.events(), [Event::Rotate(0)]);
    put(&out, "waits\n");
    rig.settle().await;
    assert_eq!(rig.text("log"), "0123456789");
    std::fs::rename(rig.path("log"), rig.path("log.1")).unwrap();
    rig.open(0, 0, "log");
    rig.settle().await;
    assert_eq!((rig.text("log.1"), rig.text("log")), ("0123456789".into(), "waits\n".into()));
    // Below its limit after all: goes on in the same file.
    put(&out, "over the limit");
    rig.settle().await;
    assert_eq!(rig.logs.events(), [Event::Rotate(0)]);
    put(&out, "!");
    rig.logs.release(0, Err(Errno::EAGAIN), Instant::now());
    rig.settle().await;
    assert_eq!(rig.text("log"), "waits\nover the limit!");
}

#[tokio::test]
async fn an_exit_waits_for_the_bytes_and_not_for_grandchildren() {
    let mut rig = rig(&[0]);
    let out = rig.attach(3, Output::Stdout, Some(0));
    let err = rig.attach(3, Output::Stderr, None);
    put(&out, "last words\n");
    put(&err, "nobody keeps this");
    rig.logs.finish(3, 1, Instant::now());
    assert_eq!(rig.logs.events(), [], "the log is not open yet");
    rig.open(0, 0, "log");
    assert_eq!(rig.logs.events(), [Event::Drained(3, 1)]);
    assert_eq!(rig.text("log"), "last words\n");
    assert_eq!(write(&out, b"x"), Err(Errno::EPIPE));
    rig.logs.finish(9, 4, Instant::now());
    assert_eq!(rig.logs.events(), [Event::Drained(9, 4)], "no pipes at all");
}

#[tokio::test]
async fn what_no_file_takes_is_given_up_after_a_while() {
    let mut rig = rig(&[0]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    rig.logs.opened(0, 0, full.into(), Instant::now());
    let out = rig.attach(1, Output::Stdout, Some(0));
    put(&out, "no room");
    rig.settle().await;
    assert_eq!(rig.logs.events(), [Event::Trouble(0, Errno::ENOSPC)]);
    let retry = rig.logs.deadline().unwrap();
    rig.logs.due(retry);
    assert_eq!(rig.logs.events(), [], "said once");
    let now = Instant::now();
    rig.logs.finish(1, 1, now);
    rig.logs.due(now + PATIENCE / 2);
    assert_eq!(rig.logs.events(), []);
    rig.logs.due(now + PATIENCE);
    assert_eq!(rig.logs.events(), [Event::Drained(1, 1)]);
    // Told with what else was dropped, when it works again.
    rig.open(0, 0, "log");
    let out = rig.attach(2, Output::Stdout, Some(0));
    put(&out, "room");
    rig.settle().await;
    assert_eq!(rig.logs.events(), [Event::Works(0, 7)]);
}

#[tokio::test]
async fn a_file_that_refuses_splice_gets_every_byte() {
    let mut rig = rig(&[0]);
    let path = rig.path("log");
    let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    rig.logs.opened(0, 0, file.into(), Instant::now());
    let out = rig.attach(0, Output::Stdout, Some(0));
    let mut expected = String::new();
    for n in 0..3_000 {
        let line = format!("{n:05} {}\n", "x".repeat(73));
        put(&out, &line);
        expected.push_str(&line);
        if n % 500 == 0 {
            rig.settle().await;
        }
    }
    rig.settle().await;
    assert_eq!(rig.text("log"), expected);
}

fn noted(at: usize, wrote: &str, left: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, wrote).unwrap();
    let memory = File::from(open(&dir.path().join("journal")));
    memory.set_len(u64::try_from(privsep::journal::SIZE).unwrap()).unwrap();
    let memory =
        OpenOptions::new().read(true).write(true).open(dir.path().join("journal")).unwrap();
    let journal = Rc::new(Journal::map(memory.as_fd()).unwrap());
    let note = append::Note::of(7, at, b"twelve bytes");
    journal.patch(1, JOURNAL_STREAMS_AT, &note);
    let watch = Rc::new(Watch::new().unwrap());
    let mut logs = logs(&watch, Some(journal.clone()), &[0]);
    let file = OpenOptions::new().append(true).open(&path).unwrap();
    logs.opened(0, 0, file.into(), Instant::now());
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
    put(&writer, left);
    logs.attach((0, 7, Output::Stdout), reader, to(Some(0)), false);
    logs.finish(0, 7, Instant::now());
    let cell = journal.read(1).unwrap();
    assert_eq!(append::Note::decode(&cell, Output::Stdout), None);
    std::fs::read_to_string(&path).unwrap()
}

#[tokio::test]
async fn a_chunk_that_a_broker_died_over_arrives_exactly_once() {
    let chunk = "twelve bytes";
    assert_eq!(noted(4, "old ", chunk), "old twelve bytes", "nothing was appended");
    assert_eq!(noted(4, "old twelv", chunk), "old twelve bytes", "a part was");
    assert_eq!(noted(4, "old twelve bytes", chunk), "old twelve bytes", "all was");
    let next = "another text";
    assert_eq!(
        noted(4, "old twelve bytes", next),
        "old twelve bytesanother text",
        "it was consumed too"
    );
}

#[tokio::test]
async fn a_file_that_somebody_trims_keeps_every_byte_and_gets_no_hole() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let out = rig.attach(0, Output::Stdout, Some(0));
    let mut seen = String::new();
    let mut written = String::new();
    for n in 0..40 {
        for m in 0..50 {
            let line = format!("{n} {m}\n");
            put(&out, &line);
            written.push_str(&line);
        }
        rig.settle().await;
        // What copytruncate does while nobody writes.
        seen.push_str(&rig.text("log"));
        File::options().write(true).open(rig.path("log")).unwrap().set_len(0).unwrap();
    }
    assert_eq!(seen, written);
    let file = rig.logs.file_mut(0).unwrap();
    assert!(!file.plain(), "from then on it is appended to under the file's lock");
}

#[tokio::test]
async fn a_busy_pipe_rests_and_an_idle_one_does_not_wait() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let out = rig.attach(0, Output::Stdout, Some(0));
    put(&out, "first");
    let mut tokens = Vec::new();
    rig.watch.ready(&mut tokens).await.unwrap();
    rig.logs.ready(tokens[0], Instant::now());
    assert_eq!(rig.text("log"), "first", "at once");
    assert!(rig.logs.resting.is_empty());
    put(&out, "second");
    rig.logs.ready(tokens[0], Instant::now());
    assert_eq!(rig.logs.resting, [tokens[0]], "busy now");
    put(&out, "third");
    rig.settle().await;
    assert_eq!(rig.text("log"), "firstsecondthird");
    assert!(rig.logs.resting.is_empty());
    assert_eq!(rig.logs.deadline(), None, "nothing to wake up for");
}

#[tokio::test]
async fn a_description_per_file_is_kept_when_logs_part() {
    let mut rig = rig(&[0, 0]);
    rig.open(0, 0, "log");
    rig.open(1, 0, "log");
    let out = rig.attach(0, Output::Stdout, Some(1));
    rig.open(1, 1, "other");
    put(&out, "x");
    rig.settle().await;
    assert_eq!((rig.text("log"), rig.text("other")), (String::new(), "x".into()));
    assert_eq!(rig.logs.open_logs(), [0, 1]);
}

#[tokio::test]
async fn followers_hear_of_growth() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let out = rig.attach(0, Output::Stdout, Some(0));
    let notify = rig.logs.follow(0);
    let heard = notify.notified();
    put(&out, "x");
    rig.settle().await;
    assert!(tokio::time::timeout(Duration::from_secs(5), heard).await.is_ok());
}

#[tokio::test]
async fn activity_lines_have_the_reference_form_and_stay_one_line() {
    let mut rig = rig(&[0]);
    let settings = ActivityLog { log: Some(0), level: Level::Info, stdout: true };
    let (far, near) = pipe2(OFlag::O_NONBLOCK).unwrap();
    let clock = clock::Clock::new(&Zone::Posix("JST-9".into()));
    let mut activity = activity::Activity::new(&settings, Some(near), clock);
    let wall = Duration::from_millis(1_780_000_000_042);
    activity.line(&mut rig.logs, Level::Info, "spawned: 'a' with pid 7", wall);
    activity.line(&mut rig.logs, Level::Debug, "not at this level", wall);
    activity.line(&mut rig.logs, Level::Warn, "two\nlines \x1b[0m", wall);
    let expected = "2026-05-29 05:26:40,042 INFO spawned: 'a' with pid 7\n\
                    2026-05-29 05:26:40,042 WARN two\\nlines \\u{1b}[0m\n";
    rig.open(0, 0, "log");
    activity.flush(&mut rig.logs);
    assert_eq!(rig.text("log"), expected);
    let mut copy = [0; 1000];
    let n = nix::unistd::read(&far, &mut copy).unwrap();
    assert_eq!(&copy[..n], expected.as_bytes());
}

#[test]
fn a_note_is_any_bytes_or_none() {
    let mut payload = [0xff; privsep::journal::PAYLOAD];
    assert_eq!(append::Note::decode(&payload, Output::Stderr), None);
    payload.fill(0);
    assert_eq!(append::Note::decode(&payload, Output::Stdout), None);
    let note = append::Note::of(1, 2, b"x");
    (&mut payload[JOURNAL_STREAMS_AT + 24..]).write_all(&note).unwrap();
    assert!(append::Note::decode(&payload, Output::Stderr).is_some());
}

impl Rig {
    /// Serves for so long, timers too.
    async fn run(&mut self, length: Duration) {
        let end = Instant::now() + length;
        let mut tokens = Vec::new();
        while Instant::now() < end {
            let wait = self.logs.deadline().unwrap_or(end).min(end);
            let ready = self.watch.ready(&mut tokens);
            if tokio::time::timeout_at(wait.into(), ready).await.is_ok() {
                for token in tokens.drain(..) {
                    self.logs.ready(token, Instant::now());
                }
            } else {
                self.logs.due(Instant::now());
            }
        }
    }
}

#[tokio::test]
async fn of_a_full_pipe_the_older_half_is_dropped_in_whole_lines() {
    let mut rig = rig(&[0]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    rig.logs.opened(0, 0, full.into(), Instant::now());
    let out = rig.attach(0, Output::Stdout, Some(0));
    let line = |n: usize| format!("{n:06} {}\n", "x".repeat(72));
    let mut n = 0;
    // A pipe holds 819 of these, and its last page is begun with the 769th.
    while n < 760 {
        put(&out, &line(n));
        n += 1;
    }
    rig.run(Duration::from_millis(250)).await;
    assert_eq!(rig.logs.events(), [Event::Trouble(0, Errno::ENOSPC)]);
    let there = link::bytes::waiting(rig.logs.streams[&0].pipe.as_fd());
    assert_eq!(there, Ok(760 * 80), "nothing is dropped before it has to be");
    let end = Instant::now() + Duration::from_secs(20);
    while n < 20_000 {
        assert!(Instant::now() < end, "the program waits for the disk");
        match write(&out, line(n).as_bytes()) {
            Ok(80) => n += 1,
            Err(Errno::EAGAIN) => rig.run(Duration::from_millis(5)).await,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.logs.events(), [], "said once");
    rig.open(0, 0, "log");
    rig.run(Duration::from_millis(50)).await;
    let text = rig.text("log");
    let first: usize = text[1..7].parse().unwrap();
    let expected: String = (first..n).map(line).collect();
    let expected = format!("\n{expected}");
    assert!(text == expected, "the rest is not whole");
    assert!(first > 19_000);
    let dropped = u64::try_from(first * 80).unwrap();
    assert_eq!(rig.logs.events(), [Event::Works(0, dropped)]);
    assert_eq!(rig.logs.deadline(), None);
}

#[tokio::test]
async fn a_fifo_without_a_reader_is_tried_again_and_one_that_is_full_holds_back_its_own() {
    let mut rig = rig(&[0, 0]);
    let path = rig.path("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let mut options = OpenOptions::new();
    let options = std::os::unix::fs::OpenOptionsExt::custom_flags(
        options.read(true),
        OFlag::O_NONBLOCK.bits(),
    );
    let reader = options.open(&path).unwrap();
    rig.open(0, 0, "fifo");
    rig.open(1, 1, "log");
    let (out, other) =
        (rig.attach(0, Output::Stdout, Some(0)), rig.attach(1, Output::Stdout, Some(1)));
    put(&out, "first\n");
    rig.settle().await;
    let mut bytes = vec![0; 100_000];
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(6));
    drop(reader);
    put(&out, "second\n");
    rig.run(Duration::from_millis(30)).await;
    assert_eq!(rig.logs.events(), [Event::Trouble(0, Errno::EPIPE)]);
    let reader = options.open(&path).unwrap();
    rig.run(Duration::from_millis(500)).await;
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(7));
    assert_eq!(rig.logs.events(), [Event::Works(0, 0)]);
    // Nobody reads: 64 KiB fit into the FIFO, 64 KiB into the pipe, and the program waits.
    while write(&out, &[b'x'; 4_096]).is_ok() {
        rig.settle().await;
    }
    put(&other, "goes on\n");
    rig.run(Duration::from_millis(300)).await;
    assert_eq!(write(&out, b"xxxx"), Err(Errno::EAGAIN), "nothing is dropped");
    assert_eq!(rig.text("log"), "goes on\n");
    assert_eq!(rig.logs.events(), [], "a slow reader is no trouble");
    let mut got = 0;
    while got < 2 * (64 << 10) {
        got += nix::unistd::read(&reader, &mut bytes).unwrap_or(0);
        rig.run(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn two_numbers_that_come_to_be_one_file_have_one_description() {
    let mut rig = rig(&[0, 0]);
    rig.open(0, 0, "log");
    rig.open(1, 0, "log");
    let (a, b) = (rig.attach(0, Output::Stdout, Some(0)), rig.attach(1, Output::Stdout, Some(1)));
    std::fs::rename(rig.path("log"), rig.path("moved")).unwrap();
    // Opened again, the higher number first: its number is the lowest of the new file for a moment.
    rig.open(1, 1, "log");
    rig.open(0, 0, "log");
    assert_eq!(rig.logs.files.len(), 1);
    put(&a, "a\n");
    rig.settle().await;
    put(&b, "b\n");
    rig.settle().await;
    assert_eq!((rig.text("moved"), rig.text("log")), (String::new(), "a\nb\n".into()));
}
