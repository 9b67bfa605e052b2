//! Tests: who hears what programs write, when, and that nobody hears it twice.

use std::cell::RefCell;

use super::*;

/// Notes what it is told, and how much was in the pipe then; knows the number of the last chunk.
#[derive(Default)]
struct Notes {
    heard: RefCell<Vec<(u32, Vec<Said>, usize)>>,
    pipe: RefCell<Option<OwnedFd>>,
    last: std::cell::Cell<u32>,
}

impl Ear for Notes {
    fn hear(&self, _: Source, turn: u32, said: Vec<Said>) {
        // As whoever keeps numbers does: the last once more is a repeat.
        if turn != self.last.replace(turn) {
            let waiting = self
                .pipe
                .borrow()
                .as_ref()
                .map_or(0, |pipe| link::bytes::waiting(pipe.as_fd()).unwrap());
            self.heard.borrow_mut().push((turn, said, waiting));
        }
    }

    fn turn(&self, _: Source) -> u32 {
        self.last.get()
    }
}

impl Notes {
    fn said(&self) -> Vec<Said> {
        self.heard.borrow_mut().drain(..).flat_map(|(_, said, _)| said).collect()
    }
}

const ALL: Wants = Wants { text: true, messages: true, protocol: false };

fn wanting(log: Option<Log>, wants: Wants) -> Route {
    Route { capture: Some(1_000), wants, ..to(log) }
}

fn text(text: &str) -> Said {
    Said::Text(text.as_bytes().to_vec())
}

fn message(text: &str) -> Said {
    Said::Message(text.as_bytes().to_vec())
}

fn listening(rig: &mut Rig) -> Rc<Notes> {
    let notes = Rc::new(Notes::default());
    rig.logs.listen(Rc::<Notes>::clone(&notes));
    notes
}

/// A stream of this route whose pipe the notes look into.
fn attach(rig: &mut Rig, notes: &Notes, route: Route) -> OwnedFd {
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
    *notes.pipe.borrow_mut() = Some(reader.try_clone().unwrap());
    rig.logs.attach((0, 1, Output::Stdout), reader, route, true);
    writer
}

#[tokio::test]
async fn it_is_told_before_it_leaves_the_pipe_and_with_numbers() {
    for log in [None, Some(0)] {
        let mut rig = rig(&[0]);
        rig.open(0, 0, "log");
        let notes = listening(&mut rig);
        let out = attach(&mut rig, &notes, wanting(log, ALL));
        let first = format!("one {BEGIN}two{END}three\n");
        put(&out, &first);
        rig.settle().await;
        put(&out, "four\n");
        rig.settle().await;
        let heard = notes.heard.take();
        let expected = [
            (1, vec![text("one "), message("two"), text("three\n")], first.len()),
            (2, vec![text("four\n")], 5),
        ];
        assert_eq!(heard, expected);
        if log.is_some() {
            assert_eq!(rig.text("log"), "one three\nfour\n");
        }
    }
}

#[tokio::test]
async fn only_what_is_wanted_is_told() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let notes = listening(&mut rig);
    let out = attach(&mut rig, &notes, wanting(Some(0), Wants::default()));
    put(&out, &format!("a{BEGIN}1{END}"));
    rig.settle().await;
    assert_eq!(notes.said(), []);
    // Somebody listens from now on, to a stream that runs.
    let messages = Wants { messages: true, ..Wants::default() };
    rig.logs.rewire(0, Output::Stdout, wanting(Some(0), messages));
    put(&out, &format!("b{BEGIN}2{END}"));
    rig.settle().await;
    assert_eq!(notes.said(), [message("2")]);
    rig.logs.rewire(0, Output::Stdout, wanting(Some(0), Wants::default()));
    put(&out, &format!("c{BEGIN}3{END}"));
    rig.settle().await;
    assert_eq!(notes.said(), []);
    assert_eq!(rig.text("log"), "abc");
}

#[tokio::test]
async fn a_stream_that_nobody_kept_is_heard_when_somebody_wants_it() {
    let mut rig = rig(&[]);
    let notes = listening(&mut rig);
    let out = attach(&mut rig, &notes, wanting(None, Wants::default()));
    put(&out, "for nobody");
    rig.settle().await;
    rig.logs.rewire(0, Output::Stdout, wanting(None, ALL));
    put(&out, "for somebody");
    rig.settle().await;
    assert_eq!(notes.said(), [text("for somebody")]);
}

#[tokio::test]
async fn a_stream_is_plain_again_when_nobody_wants_it_any_more() {
    for log in [None, Some(0)] {
        let mut rig = rig(&[0]);
        rig.open(0, 0, "log");
        let notes = listening(&mut rig);
        let route = |wants| Route { wants, ..to(log) };
        let out = attach(&mut rig, &notes, route(ALL));
        write(&out, b"1 \xe2\x82").unwrap();
        rig.settle().await;
        assert_eq!(notes.said(), [text("1 ")], "half a character waits");
        rig.logs.rewire(0, Output::Stdout, route(Wants::default()));
        assert!(rig.logs.streams[&0].work.is_none());
        assert_eq!(link::bytes::waiting(rig.logs.streams[&0].pipe.as_fd()), Ok(0));
        put(&out, " 2 ");
        rig.settle().await;
        assert_eq!(notes.said(), []);
        rig.logs.rewire(0, Output::Stdout, route(ALL));
        put(&out, "3");
        rig.settle().await;
        assert_eq!(notes.heard.take(), [(2, vec![text("3")], 1)], "its numbers go on");
        if log.is_some() {
            assert_eq!(std::fs::read(rig.path("log")).unwrap(), b"1 \xe2\x82 2 3");
        }
    }
}

#[tokio::test]
async fn a_message_is_finished_before_its_stream_is_plain_again() {
    let mut rig = rig(&[]);
    let notes = listening(&mut rig);
    let out = attach(&mut rig, &notes, wanting(None, ALL));
    // It is long enough to leave the pipe before its end.
    put(&out, &format!("{BEGIN}{}", "m".repeat(40_000)));
    rig.settle().await;
    let none = || wanting(None, Wants::default());
    rig.logs.rewire(0, Output::Stdout, none());
    assert!(rig.logs.streams[&0].work.is_some());
    rig.logs.rewire(0, Output::Stdout, wanting(None, ALL));
    put(&out, &format!("{END}text"));
    rig.settle().await;
    assert_eq!(notes.said(), [message(&"m".repeat(1_000)), text("text")]);
    rig.logs.rewire(0, Output::Stdout, none());
    assert!(rig.logs.streams[&0].work.is_none());
}

#[tokio::test]
async fn no_character_is_cut() {
    let mut rig = rig(&[]);
    let notes = listening(&mut rig);
    let out = attach(&mut rig, &notes, wanting(None, ALL));
    let whole = "aé€😀".as_bytes();
    for byte in whole {
        write(&out, &[*byte]).unwrap();
        rig.settle().await;
    }
    assert_eq!(notes.said(), ["a", "é", "€", "😀"].map(text));
    // What is no UTF-8 does not wait for what would make it so.
    write(&out, b"\xe4\xffx\xe4").unwrap();
    rig.settle().await;
    assert_eq!(notes.said(), [Said::Text(b"\xe4\xffx\xe4".to_vec())]);
    // Half a character at the end of all is what it is.
    write(&out, b"end\xe2\x82").unwrap();
    rig.settle().await;
    assert_eq!(notes.said(), [text("end")]);
    rig.logs.finish(0, 1, Instant::now());
    assert_eq!(notes.said(), [Said::Text(b"\xe2\x82".to_vec())]);
}

#[tokio::test]
async fn a_listener_is_heard_as_it_speaks() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let notes = listening(&mut rig);
    let wants = Wants { protocol: true, ..Wants::default() };
    let route = Route { strip: true, wants, ..to(Some(0)) };
    let out = attach(&mut rig, &notes, route);
    for part in ["READY\n", "\x1b[1mRESULT 2\n", "OK\x1b["] {
        put(&out, part);
        rig.settle().await;
    }
    let protocol = |text: &str| Said::Protocol(text.as_bytes().to_vec());
    let parts = ["READY\n", "\x1b[1mRESULT 2\n", "OK\x1b["].map(protocol);
    assert_eq!(notes.said(), parts, "at once, and nothing is taken out");
    assert_eq!(rig.text("log"), "READY\nRESULT 2\nOK\x1b[");
    assert!(rig.logs.resting.is_empty());
}

#[tokio::test]
async fn a_listener_is_heard_though_its_log_takes_nothing() {
    let mut rig = rig(&[0]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    rig.logs.opened(0, 0, full.into(), Instant::now());
    let notes = listening(&mut rig);
    let wants = Wants { protocol: true, ..Wants::default() };
    let out = attach(&mut rig, &notes, Route { wants, ..to(Some(0)) });
    for part in ["READY\n", "RESULT 2\nOK"] {
        put(&out, part);
        let end = Instant::now() + Duration::from_secs(10);
        while notes.heard.borrow().is_empty() && Instant::now() < end {
            rig.settle().await;
            rig.logs.due(Instant::now());
        }
        assert_eq!(notes.said(), [Said::Protocol(part.as_bytes().to_vec())]);
    }
    let lost = |event: &Event| matches!(event, Event::Works(0, 17));
    rig.open(0, 0, "log");
    put(&out, "READY\n");
    rig.settle().await;
    assert_eq!(rig.text("log"), "\nREADY\n");
    assert!(rig.logs.events().iter().any(lost), "it is counted");
}

#[tokio::test]
async fn nobody_waits_for_a_log_that_takes_nothing() {
    // One that is in trouble, and one that could not be opened and has been waited for.
    for opens in [true, false] {
        let mut rig = rig(&[0]);
        if opens {
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            rig.logs.opened(0, 0, full.into(), Instant::now());
        } else {
            rig.logs.not_opened(0, Errno::EACCES, Instant::now());
        }
        let notes = listening(&mut rig);
        let wants = Wants { protocol: true, ..Wants::default() };
        let out = attach(&mut rig, &notes, Route { wants, ..to(Some(0)) });
        put(&out, "READY\n");
        assert_eq!(hears(&mut rig, &notes, 6, Duration::from_secs(10)).await, 6);
        // What comes from now on is heard as it is reported, without any look by the clock.
        for _ in 0..100 {
            put(&out, "RESULT 2\nOK");
            let mut tokens = Vec::new();
            assert!(rig.watch.poll(&mut tokens), "it is reported");
            tokens.drain(..).for_each(|token| rig.logs.ready(token, Instant::now()));
            assert_eq!(notes.said(), [Said::Protocol(b"RESULT 2\nOK".to_vec())]);
            rig.logs.asked(0);
        }
        rig.settle().await;
        let looks = rig.logs.streams.values().filter(|stream| stream.look.is_some());
        assert_eq!(looks.count(), 0, "nothing is looked at while nothing comes");
        rig.open(0, 0, "log");
        put(&out, "READY\n");
        rig.settle().await;
        assert_eq!(rig.text("log"), "\nREADY\n");
    }
}

/// A listener whose log is a pipe that takes one page, and what reads it.
async fn listener_with_a_small_log() -> (Rig, Rc<Notes>, OwnedFd, OwnedFd) {
    let mut rig = rig(&[0]);
    let (reader, log) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
    nix::fcntl::fcntl(&log, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4_096)).unwrap();
    rig.logs.opened(0, 0, log, Instant::now());
    let notes = listening(&mut rig);
    let wants = Wants { protocol: true, ..Wants::default() };
    let out = attach(&mut rig, &notes, Route { wants, ..to(Some(0)) });
    put(&out, "READY\n");
    rig.settle().await;
    assert_eq!(notes.said(), [Said::Protocol(b"READY\n".to_vec())]);
    (rig, notes, out, reader)
}

/// How much is heard until this much is, or for so long.
async fn hears(rig: &mut Rig, notes: &Notes, count: usize, length: Duration) -> usize {
    let (mut heard, end) = (0, Instant::now() + length);
    while heard < count && Instant::now() < end {
        rig.settle().await;
        if rig.logs.deadline().is_some_and(|at| at <= Instant::now()) {
            rig.logs.due(Instant::now());
        }
        for said in notes.said() {
            let Said::Protocol(bytes) = said else { panic!("{said:?}") };
            heard += bytes.len();
        }
    }
    heard
}

#[tokio::test]
async fn what_a_listener_s_log_has_no_room_for_is_looked_at_when_there_is_some() {
    let (mut rig, notes, out, reader) = listener_with_a_small_log().await;
    let mut bytes = [0; 10_000];
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(6));
    put(&out, &"x".repeat(5_000));
    // One turn: the log takes a part of it. Then there is room again before anything is tried once more.
    let mut tokens = Vec::new();
    rig.watch.ready(&mut tokens).await.unwrap();
    tokens.drain(..).for_each(|token| rig.logs.ready(token, Instant::now()));
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(4_096));
    assert_eq!(hears(&mut rig, &notes, 5_000, Duration::from_secs(10)).await, 5_000);
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(904));
}

#[tokio::test]
async fn a_listener_is_heard_though_nobody_reads_its_log() {
    let (mut rig, notes, out, reader) = listener_with_a_small_log().await;
    let mut bytes = [0; 10_000];
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(6));
    for _ in 0..3 {
        put(&out, &"x".repeat(8_192));
        assert_eq!(hears(&mut rig, &notes, 8_192, Duration::from_secs(10)).await, 8_192);
    }
    assert_eq!(rig.logs.events(), [], "a slow reader is no trouble");
    assert_eq!(nix::unistd::read(&reader, &mut bytes), Ok(4_096));
    let end = Instant::now() + Duration::from_secs(10);
    while rig.logs.events.is_empty() && Instant::now() < end {
        put(&out, "READY\n");
        hears(&mut rig, &notes, 6, Duration::from_millis(50)).await;
    }
    assert!(
        matches!(rig.logs.events()[..], [Event::Works(0, 20_480..)]),
        "what was dropped is told"
    );
}

/// What a successor tells that finds this note and these bytes in the pipe, where the last that was heard has this
/// number; and what is in the log then.
fn succeeds(log: Option<Log>, wrote: &str, left: &str, heard: u32) -> (Vec<Said>, String) {
    succeeds_at(3, log, (wrote, left), heard)
}

/// The same where what was in the pipe has this number.
fn succeeds_at(
    turn: u32,
    log: Option<Log>,
    (wrote, left): (&str, &str),
    heard: u32,
) -> (Vec<Said>, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, wrote).unwrap();
    let memory = dir.path().join("journal");
    File::create(&memory).unwrap().set_len(privsep::journal::SIZE as u64).unwrap();
    let memory = OpenOptions::new().read(true).write(true).open(memory).unwrap();
    let journal = Rc::new(Journal::map(memory.as_fd()).unwrap());
    let at = if log.is_some() { 4 } else { usize::MAX };
    let note = append::Note::turned(1, at, left.as_bytes(), turn);
    journal.patch(1, JOURNAL_STREAMS_AT, &note);
    let watch = Rc::new(Watch::new().unwrap());
    let mut logs = logs(&watch, Some(journal.clone()), &[0]);
    let notes = Rc::new(Notes::default());
    notes.last.set(heard);
    logs.listen(Rc::<Notes>::clone(&notes));
    logs.opened(0, 0, open(&path), Instant::now());
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
    put(&writer, left);
    logs.attach((0, 1, Output::Stdout), reader, wanting(log, ALL), false);
    logs.finish(0, 1, Instant::now());
    assert_eq!(append::Note::decode(&journal.read(1).unwrap(), Output::Stdout), None);
    (notes.said(), std::fs::read_to_string(&path).unwrap())
}

#[tokio::test]
async fn an_answer_that_repeats_the_one_before_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let memory = dir.path().join("journal");
    File::create(&memory).unwrap().set_len(privsep::journal::SIZE as u64).unwrap();
    let memory = OpenOptions::new().read(true).write(true).open(memory).unwrap();
    let journal = Rc::new(Journal::map(memory.as_fd()).unwrap());
    let answer = "RESULT 2\nOKREADY\n";
    let note = append::Note::turned(1, 4, answer.as_bytes(), 3);
    let wants = Wants { protocol: true, ..Wants::default() };
    // The one before was told, and consumed or not; the log is not open yet.
    for left in [answer, ""] {
        journal.patch(1, JOURNAL_STREAMS_AT, &note);
        let watch = Rc::new(Watch::new().unwrap());
        let mut logs = logs(&watch, Some(journal.clone()), &[0]);
        let notes = Rc::new(Notes::default());
        notes.last.set(3);
        logs.listen(Rc::<Notes>::clone(&notes));
        logs.take_over();
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        put(&writer, left);
        let route = Route { wants, ..to(Some(0)) };
        logs.attach((0, 1, Output::Stdout), reader, route, false);
        put(&writer, answer);
        logs.begin(Instant::now());
        logs.opened(0, 0, open(&dir.path().join("log")), Instant::now());
        logs.finish(0, 1, Instant::now());
        assert_eq!(notes.said(), [Said::Protocol(answer.as_bytes().to_vec())]);
    }
}

#[tokio::test]
async fn what_a_broker_died_over_is_heard_exactly_once() {
    let left = format!("x{BEGIN}m{END}");
    let said = || vec![text("x"), message("m")];
    let told = |heard| if heard < 3 { said() } else { vec![] };
    // The file has it or not; it was told after that, or not.
    assert_eq!(succeeds(Some(0), "old ", &left, 2), (told(2), "old x".into()));
    assert_eq!(succeeds(Some(0), "old x", &left, 2), (told(2), "old x".into()));
    assert_eq!(succeeds(Some(0), "old x", &left, 3), (told(3), "old x".into()));
    // Nothing keeps it: the number alone decides.
    assert_eq!(succeeds(None, "", &left, 2).0, told(2));
    assert_eq!(succeeds(None, "", &left, 3).0, told(3));
}

#[tokio::test]
async fn the_numbers_of_chunks_begin_anew_after_the_last() {
    let mut rig = rig(&[]);
    let notes = listening(&mut rig);
    notes.last.set(u32::MAX - 1);
    let out = attach(&mut rig, &notes, wanting(None, ALL));
    for part in ["a", "b", "c"] {
        put(&out, part);
        rig.settle().await;
    }
    let numbers: Vec<u32> = notes.heard.take().into_iter().map(|(turn, ..)| turn).collect();
    assert_eq!(numbers, [u32::MAX, 1, 2]);
    // A successor too knows what was told and what was not.
    let at = |turn, heard| succeeds_at(turn, Some(0), ("old ", "x"), heard);
    assert_eq!(at(u32::MAX, u32::MAX - 1), (vec![text("x")], "old x".into()));
    assert_eq!(at(1, u32::MAX), (vec![text("x")], "old x".into()));
    assert_eq!(at(1, 1), (vec![], "old ".into()), "its file has it, whatever became of that");
}

#[tokio::test]
async fn a_listener_that_babbles_rests_and_one_that_was_asked_does_not() {
    let mut rig = rig(&[]);
    let notes = listening(&mut rig);
    let wants = Wants { protocol: true, ..Wants::default() };
    let out = attach(&mut rig, &notes, Route { wants, ..to(None) });
    let now = Instant::now();
    let babble = |rig: &mut Rig, asked: bool| {
        for _ in 0..200 {
            if asked {
                rig.logs.asked(0);
            }
            put(&out, "x");
            rig.logs.ready(0, now);
        }
        let chunks = notes.heard.borrow().len();
        (chunks, rig.logs.resting.len())
    };
    assert_eq!(babble(&mut rig, true), (200, 0));
    assert_eq!(notes.said().len(), 200);
    let (chunks, resting) = babble(&mut rig, false);
    assert!(chunks < 40 && resting == 1, "{chunks} {resting}");
    assert_eq!(hears(&mut rig, &notes, 200, Duration::from_secs(10)).await, 200);
    assert!(rig.logs.resting.is_empty());
    // It is heard at once after a while.
    put(&out, "READY\n");
    assert_eq!(hears(&mut rig, &notes, 6, Duration::from_secs(10)).await, 6);
    assert!(rig.logs.resting.is_empty());
}
