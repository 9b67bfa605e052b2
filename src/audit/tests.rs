//! Whatever is killed when: each record is in the log once, and the log is a chain.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use link::bytes::Scratch;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, write};
use policy::audit::{Anchor, Head, Record, Report, Source, verify};
use privsep::audit::{ANCHOR, Deed, HEAD, Note, SIZE};
use serde_json::Value;
use tempfile::TempDir;

use super::compose::decoded;
use super::file::{self, Log};
use super::state::{PLACE, State};
use super::writer::Writer;

/// A log and a head that outlive writers.
struct Bed {
    dir: TempDir,
    memory: File,
}

impl Bed {
    fn new(limit: u64) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        Bed { dir, memory: memory(&[0; ANCHOR], limit) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.path("log")).unwrap()
    }

    fn text(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_default()
    }

    /// A writer from its start to its end, which has these in its pipes: the spawner's and the broker's.
    fn run(&self, spawner: &[u8], broker: &[u8]) -> [OwnedFd; 2] {
        let [spawner, broker] = [spawner, broker].map(pipe);
        self.run_on([&spawner, &broker]);
        [spawner, broker]
    }

    fn run_on(&self, pipes: [&OwnedFd; 2]) {
        self.run_with(pipes, None);
    }

    fn run_with(&self, pipes: [&OwnedFd; 2], syslog: Option<OwnedFd>) {
        let pipes = pipes.map(|pipe| pipe.try_clone().unwrap());
        let log = Log::lock(self.log().into()).unwrap();
        let head = file::Head::new(self.memory.try_clone().unwrap().into());
        let mut writer = Writer::new(log, head, pipes, Scratch::new().unwrap(), syslog).unwrap();
        writer.begin(&[]).unwrap();
        writer.run().unwrap();
    }

    fn anchor(&self) -> Anchor {
        let mut both = [0; 2 * ANCHOR];
        self.memory.read_exact_at(&mut both, 0).unwrap();
        assert_eq!(both[..ANCHOR], both[ANCHOR..]);
        Anchor::read(&both[..ANCHOR]).unwrap()
    }

    /// Checks the log against its own anchor.
    fn check(&self) -> (Report, Vec<Value>) {
        let (old, new) = (self.text("log.1"), self.text("log"));
        let report = verify([("log.1", &old[..]), ("log", &new[..])], Some(&self.anchor()));
        let lines = old.split(|b| *b == b'\n').chain(new.split(|b| *b == b'\n'));
        (report, lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

fn memory(anchor: &[u8], limit: u64) -> File {
    let memory = tempfile::tempfile().unwrap();
    memory.set_len(u64::try_from(HEAD).unwrap()).unwrap();
    memory.write_all_at(anchor, 0).unwrap();
    memory.write_all_at(anchor, ANCHOR as u64).unwrap();
    memory.write_all_at(&limit.to_le_bytes(), 2 * ANCHOR as u64).unwrap();
    memory
}

/// The same beside a file that was rotated.
fn memory_after_rotation(anchor: &[u8]) -> File {
    let memory = memory(anchor, 0);
    memory.write_all_at(&[1], 2 * ANCHOR as u64 + 8).unwrap();
    memory
}

/// A pipe with these bytes, of which nobody has the other end.
fn pipe(bytes: &[u8]) -> OwnedFd {
    let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    nix::fcntl::fcntl(&to, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    assert_eq!(write(&to, bytes), Ok(bytes.len()));
    from
}

fn waiting(pipe: &OwnedFd) -> usize {
    link::bytes::waiting(std::os::fd::AsFd::as_fd(pipe)).unwrap()
}

fn said(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let record = |n| {
        let target = Some(format!("web:nginx{n}"));
        Record { event: "access", who: Some("user:é\n\"".to_owned()), target, ..Record::default() }
    };
    numbers.flat_map(|n| record(n).encode(0, n)).collect()
}

fn noted(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let note = |n| Note { n, lost: 0, name: b"web:nginx".to_vec(), deed: Deed::Signal(15) };
    numbers.flat_map(|n| note(n).encode()).collect()
}

/// The numbers that a source has in the log.
fn numbers(lines: &[Value], source: &str) -> Vec<u64> {
    lines.iter().filter(|line| line["source"] == source).filter_map(|l| l["n"].as_u64()).collect()
}

fn expect(bed: &Bed, spawner: u64, broker: u64) -> Vec<Value> {
    let (report, lines) = bed.check();
    assert!(report.intact(), "{:?}", report.problems);
    assert_eq!(report.unanchored, 0);
    assert_eq!(numbers(&lines, "spawner"), (1..=spawner).collect::<Vec<_>>());
    assert_eq!(numbers(&lines, "broker"), (1..=broker).collect::<Vec<_>>());
    lines
}

#[test]
fn what_is_said_is_in_the_log_in_its_order() {
    let bed = Bed::new(0);
    let pipes = bed.run(&noted(1..200), &said(1..300));
    assert_eq!(pipes.each_ref().map(waiting), [0, 0]);
    let lines = expect(&bed, 199, 299);
    assert_eq!(lines.len(), 498);
    let line = lines.iter().find(|line| line["source"] == "broker").unwrap();
    assert_eq!((&line["who"], &line["target"]), (&"user:é\n\"".into(), &"web:nginx1".into()));
    // The next writer, and the next daemon's, go on.
    bed.run(&noted(200..201), b"");
    expect(&bed, 200, 299);
    let next = Bed { memory: memory(bed.anchor().text(ANCHOR).as_bytes(), 0), ..bed };
    next.run(b"", &said(300..303));
    expect(&next, 200, 302);
}

#[test]
fn a_writer_that_is_killed_anywhere_leaves_each_record_once() {
    let bed = Bed::new(0);
    bed.run(&noted(1..3), &said(1..4));
    let before = (bed.text("log"), content(&bed.memory));
    let (now, more) = (said(4..7), said(7..9));
    bed.run(b"", &now);
    let (text, after) = (bed.text("log"), content(&bed.memory));
    let added = text.len() - before.0.len();
    let both = [now, more.clone()].concat();
    // It was killed before it kept what it was about to append, or while it did.
    for torn in [false, true] {
        restore(&bed, &before);
        if torn {
            let place = privsep::audit::STATE_AT + newest(&after) * PLACE;
            bed.memory.write_all_at(&after[place..place + 100], place as u64).unwrap();
        }
        bed.run(b"", &both);
        expect(&bed, 2, 8);
    }
    // Or after that, with so much of it in the log.
    for there in 0..=added {
        for taken in [false, true].into_iter().take(if there == added { 2 } else { 1 }) {
            restore(&bed, &(text[..before.0.len() + there].to_vec(), after.clone()));
            bed.run(b"", if taken { &more } else { &both });
            expect(&bed, 2, 8);
        }
    }
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Which place has the newest state.
fn newest(memory: &[u8]) -> usize {
    let at = privsep::audit::STATE_AT;
    let serial = |n: usize| State::decode(&memory[at + n * PLACE..][..PLACE]).map(|s| s.serial);
    usize::from(serial(1) > serial(0))
}

fn restore(bed: &Bed, (text, memory): &(Vec<u8>, Vec<u8>)) {
    std::fs::write(bed.path("log"), text).unwrap();
    bed.memory.write_all_at(memory, 0).unwrap();
}

#[test]
fn a_log_that_is_torn_anywhere_is_closed_by_the_next_daemon() {
    let bed = Bed::new(0);
    bed.run(&noted(1..2), b"");
    let anchor = bed.anchor().text(ANCHOR);
    let begin = bed.text("log").len();
    bed.run(b"", &said(1..3));
    let text = bed.text("log");
    let ends = text.len() - 3..=text.len();
    for cut in (begin..text.len()).step_by(7).chain(ends) {
        let fresh = || memory(anchor.as_bytes(), 0);
        let next = Bed { memory: fresh(), dir: tempfile::tempdir().unwrap() };
        std::fs::write(next.path("log"), &text[..cut]).unwrap();
        next.run(b"", &said(3..4));
        let (report, lines) = next.check();
        assert!(report.intact(), "{cut}: {:?}", report.problems);
        let whole = text[..cut].iter().filter(|b| **b == b'\n').count();
        let whole = whole + usize::from(text.get(cut) == Some(&b'\n'));
        let torn = text[cut - 1] != b'\n' && text[cut] != b'\n';
        assert_eq!((report.torn, report.lines), (torn.into(), whole as u64 + u64::from(torn) + 1));
        assert_eq!(numbers(&lines, "broker").last(), Some(&3), "{cut}");
        // Killed again while it closed that.
        if torn && cut > text.len() - 7 {
            let closed = next.text("log");
            for again in (cut..closed.len()).step_by(9).chain([closed.len() - 1]) {
                let third = Bed { memory: fresh(), dir: tempfile::tempdir().unwrap() };
                std::fs::write(third.path("log"), &closed[..again]).unwrap();
                third.run(b"", b"");
                let report = third.check().0;
                assert!(report.intact(), "{cut} {again}: {:?}", report.problems);
            }
        }
    }
}

#[test]
fn a_file_that_is_full_is_left_and_the_next_one_goes_on() {
    let bed = Bed::new(2_000);
    let broker = pipe(&said(1..2_000));
    let (spawner, living) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    bed.run_on([&spawner, &broker]);
    assert!(waiting(&broker) > 0 && bed.text("log").len() >= 2_000);
    std::fs::rename(bed.path("log"), bed.path("log.1")).unwrap();
    let more = Bed { memory: bed.memory.try_clone().unwrap(), ..bed };
    more.memory.write_all_at(&0u64.to_le_bytes(), 2 * ANCHOR as u64).unwrap();
    drop(living);
    more.run_on([&spawner, &broker]);
    let lines = expect(&more, 0, 1_999);
    let first: Value =
        serde_json::from_slice(more.text("log").split(|byte| *byte == b'\n').next().unwrap())
            .unwrap();
    assert_eq!((&first["event"], &first["source"]), (&"continued".into(), &"audit".into()));
    assert_eq!(lines.len(), 2_000);
    // Without the older file, too.
    std::fs::remove_file(more.path("log.1")).unwrap();
    assert!(more.check().0.intact());
}

#[test]
fn a_log_that_does_not_go_with_its_anchor_is_said_for_ever() {
    let bed = Bed::new(0);
    bed.run(&noted(1..6), b"");
    let (text, anchor) = (bed.text("log"), bed.anchor().text(ANCHOR));
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let found = |text: &[u8], anchor: &str| {
        let next = Bed { memory: memory(anchor.as_bytes(), 0), dir: tempfile::tempdir().unwrap() };
        std::fs::write(next.path("log"), text).unwrap();
        next.run(&noted(6..7), b"");
        let (report, lines) = next.check();
        let said = lines.iter().any(|l| l["event"] == "mismatch" && l["source"] == "audit");
        assert_eq!(report.intact(), !said, "{:?}", report.problems);
        said
    };
    assert!(!found(&text, &anchor));
    assert!(!found(&text, ""), "there was none yet");
    assert!(found(&lines[..3].concat(), &anchor), "cut");
    assert!(found(b"nonsense\n", &anchor));
    let other = Anchor { head: Head { seq: 3, hash: [7; 32] }, time: "T".to_owned() };
    assert!(found(&text, &other.text(ANCHOR)), "made anew");
    let third = Head { seq: 3, ..verify([("", &lines[..3].concat()[..])], None).head.unwrap() };
    let good = Anchor { head: third, time: "T".to_owned() };
    assert!(!found(&text, &good.text(ANCHOR)), "not the last line");
    assert!(found(b"", &anchor), "emptied");
    // The file was rotated, and whoever did that was killed.
    let next =
        Bed { memory: memory_after_rotation(anchor.as_bytes()), dir: tempfile::tempdir().unwrap() };
    std::fs::write(next.path("log.1"), &text).unwrap();
    next.run(&noted(6..7), b"");
    expect_whole(&next);
    // That is no excuse where the rotated file does not end there.
    let next =
        Bed { memory: memory_after_rotation(anchor.as_bytes()), dir: tempfile::tempdir().unwrap() };
    std::fs::write(next.path("log.1"), lines[..3].concat()).unwrap();
    next.run(&noted(6..7), b"");
    assert!(!next.check().0.intact());
}

fn expect_whole(bed: &Bed) {
    let (report, lines) = bed.check();
    assert!(report.intact(), "{:?}", report.problems);
    assert!(lines.iter().all(|line| line["event"] != "mismatch"));
}

#[test]
fn nonsense_is_one_line_however_many_pieces_it_has() {
    let bed = Bed::new(0);
    bed.run(b"", &[b"\n".repeat(9_000), said(1..2), b"{\n".repeat(500), said(2..3)].concat());
    let lines = expect(&bed, 0, 2);
    let bytes: Vec<_> = lines.iter().filter_map(|line| line["bytes"].as_u64()).collect();
    assert_eq!(bytes, [9_000, 1_000]);
}

#[test]
fn a_broker_that_says_more_than_it_may_is_not_listened_to_while_the_spawner_is() {
    let bed = Bed::new(0);
    bed.run(b"", &said(1..2));
    // The next writer knows how much was left.
    let state = State { left: 1, ..state_of(&bed) };
    let place = privsep::audit::STATE_AT + newest(&content(&bed.memory)) * PLACE;
    bed.memory.write_all_at(&state.encode().unwrap(), place as u64).unwrap();
    let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    nix::fcntl::fcntl(&to, nix::fcntl::FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    let (notes, notes_to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    write(&to, &said(2..2_000)).unwrap();
    write(&notes_to, &noted(1..20)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| bed.run_on([&notes, &from]));
        let begin = std::time::Instant::now();
        while waiting(&notes) > 0 {
            assert!(begin.elapsed().as_secs() < 20);
            std::thread::yield_now();
        }
        assert!(waiting(&from) > 50_000, "{}", waiting(&from));
        drop((to, notes_to));
    });
    expect(&bed, 19, 1_999);
}

fn state_of(bed: &Bed) -> State {
    let memory = content(&bed.memory);
    let place = privsep::audit::STATE_AT + newest(&memory) * PLACE;
    State::decode(&memory[place..place + PLACE]).unwrap()
}

#[test]
fn that_the_system_s_log_is_gone_is_said_once() {
    let bed = Bed::new(0);
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
    drop(theirs);
    bed.run_with([&pipe(&noted(1..9)), &pipe(&said(1..3))], Some(ours.into()));
    let lines = expect(&bed, 8, 2);
    assert_eq!(lines.iter().filter(|line| line["event"] == "syslog").count(), 1);
}

#[test]
fn a_full_file_is_gone_on_with_when_nobody_can_rotate_it() {
    let bed = Bed::new(2_000);
    bed.run(&noted(1..50), &said(1..2_000));
    expect(&bed, 49, 1_999);
}

#[test]
fn what_the_broker_says_stays_within_its_line() {
    let bed = Bed::new(0);
    let forged = concat!(
        r#"{"broker":0,"n":1,"event":"access","seq":7}"#,
        "\n",
        r#"{"broker":0,"n":1,"event":"x","hash":"00"}"#,
        "\n",
        r#"{"broker":0,"n":1,"event":"x"},"source":"spawner"}"#,
        "\n\n",
        r#"{"broker":0,"n":1,"event":"continued","prev":"0000"}"#,
        "\n",
        r#"{"broker":0,"n":1,"event":"torn\n{\"seq\":1}","detail":"\u0000\u2028"}"#,
        "\n",
        "{\"seq\":1,\"time\":\"",
    );
    let long = "x".repeat(9_000);
    bed.run(&noted(1..2), &[forged.as_bytes(), b"\xff\xfe\n", long.as_bytes()].concat());
    let (report, lines) = bed.check();
    assert!(report.intact(), "{:?}", report.problems);
    let malformed = lines.iter().filter(|line| line["event"] == "malformed");
    let bytes: u64 = malformed.clone().filter_map(|line| line["bytes"].as_u64()).sum();
    assert!(malformed.clone().all(|line| line["source"] == "broker"));
    assert_eq!(malformed.count(), 5);
    assert!(bytes > 9_000);
    let whole = lines.iter().find(|line| line["n"] == 1 && line["source"] == "broker").unwrap();
    assert_eq!(whole["event"], "torn\n{\"seq\":1}");
}

#[test]
fn the_spawner_s_notes_are_told_in_words() {
    use privsep::reply::{Cause, Failure, Stage};
    use privsep::request::{End, Request, Whom};
    let failure = Failure { stage: Stage::Exec, errno: 2 };
    let signal = Request::Signal { slot: 1, instance: 2, signo: 15, whom: Whom::Group };
    let cases = [
        (Deed::Began(2), r#""event":"lifecycle","action":"start","target":"a:b","detail":"run 2""#),
        (Deed::BrokerEnded(Some(Cause::Died), 9), r#""outcome":"SIGKILL","detail":"it died""#),
        (Deed::Asked(signal), r#""instance":2,"detail":"SIGTERM to its process group""#),
        (Deed::Asked(Request::End(End::Restart)), r#""event":"lifecycle","action":"restart""#),
        (Deed::Asked(Request::Authenticate), r#""event":"login","action":"pam-helper""#),
        (Deed::Spawned(1, 3), r#""action":"start","target":"a:b","pid":3"#),
        (Deed::Failed(1, failure), r#""outcome":"ENOENT at Exec""#),
        (
            Deed::Exited(1, 3, 256),
            r#""action":"exit","target":"a:b","pid":3,"outcome":"exit status 1""#,
        ),
        (Deed::Read(3, false), r#""outcome":"refused","detail":"reading 3 is in force""#),
    ];
    for (deed, words) in cases {
        let note = Note { n: 5, lost: 2, name: b"a:b".to_vec(), deed };
        let text = decoded(Source::Spawner, &note.encode());
        assert!(text.starts_with(r#""n":5,"lost":2,"#) && text.contains(words), "{text}");
    }
    assert!(decoded(Source::Spawner, &[0; SIZE]).contains("malformed"));
}

#[test]
fn any_bytes_are_a_state_or_nothing() {
    let state = State::new(7, Head { seq: 3, hash: [9; 32] }, b"line\n".to_vec(), None);
    let bytes = state.encode().unwrap();
    assert_eq!(State::decode(&bytes), Some(state));
    for at in 0..bytes.len() {
        assert_eq!(State::decode(&bytes[..at]), None);
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_eq!(State::decode(&other), None, "{at}");
    }
    let long = State::new(1, Head::default(), vec![b'x'; PLACE], None);
    assert_eq!(long.encode(), None);
}

#[test]
fn a_second_writer_waits_for_the_first() {
    let bed = Bed::new(0);
    let first = Log::lock(bed.log().into()).unwrap();
    let second = bed.log();
    assert!(second.as_raw_fd() >= 0 && second.try_lock().is_err());
    drop(first);
    assert!(Log::lock(second.into()).is_ok());
}
