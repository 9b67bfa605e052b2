//! Tests: text and events into real pipes.

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};

use super::*;

struct Bed {
    inputs: Inputs,
    watch: Rc<Watch>,
    reader: Option<OwnedFd>,
}

impl Bed {
    fn new() -> Bed {
        let watch = Rc::new(Watch::new().unwrap());
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut inputs = Inputs::new(Rc::clone(&watch));
        inputs.attach((7, 1), writer, None);
        Bed { inputs, watch, reader: Some(reader) }
    }

    /// Fills the pipe and a little more.
    fn fill(&mut self) -> Vec<u8> {
        let text: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        self.inputs.write(7, &text).unwrap();
        assert!(self.inputs.waiting > 0);
        text
    }

    /// All that comes, the loop's part being played.
    async fn read_all(&mut self) -> Vec<u8> {
        let (mut all, mut bytes) = (Vec::new(), [0; 5_000]);
        loop {
            while let Ok(n) = read(self.reader.as_ref().unwrap(), &mut bytes) {
                all.extend_from_slice(&bytes[..n]);
            }
            if self.inputs.waiting == 0 {
                return all;
            }
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        let mut tokens = Vec::new();
        let ready = self.watch.ready(&mut tokens);
        tokio::time::timeout(std::time::Duration::from_secs(20), ready).await.unwrap().unwrap();
        assert_eq!(tokens, [token(7)]);
        self.inputs.ready(slot_of(tokens[0]).unwrap());
    }
}

#[test]
fn tokens_name_their_slots() {
    assert_eq!(slot_of(token(0)), Some(0));
    assert_eq!(slot_of(token(u32::MAX)), Some(u32::MAX));
    assert_eq!(slot_of(u64::from(u32::MAX) * 2 + 1), None, "a log");
    assert_eq!(slot_of(4), None, "a log");
    assert_eq!(slot_of(link::watch::PAUSE), None);
}

#[tokio::test]
async fn what_finds_no_room_comes_later_and_in_order() {
    let mut bed = Bed::new();
    let mut expected = bed.fill();
    bed.inputs.write(7, b"and more").unwrap();
    expected.extend_from_slice(b"and more");
    assert!(bed.read_all().await == expected);
    bed.inputs.write(7, b"at once").unwrap();
    assert_eq!(bed.inputs.waiting, 0);
    expected = bed.fill();
    expected.splice(..0, *b"at once");
    assert!(bed.read_all().await == expected, "once more");
}

#[tokio::test]
async fn over_the_limit_nothing_of_a_call_is_written() {
    let mut bed = Bed::new();
    let mut expected = bed.fill();
    let waiting = bed.inputs.waiting;
    let rest = vec![b'x'; MOST - waiting];
    assert_eq!(bed.inputs.write(7, &vec![b'y'; MOST]), Err(Unwritten::Full { waiting }));
    assert_eq!(bed.inputs.write(7, &rest), Ok(()));
    assert_eq!(bed.inputs.write(7, b"y"), Err(Unwritten::Full { waiting: MOST }));
    expected.extend(rest);
    assert!(bed.read_all().await == expected);
    assert_eq!(bed.inputs.write(7, b"y"), Ok(()));
}

#[tokio::test]
async fn all_programs_together_have_a_limit() {
    let mut bed = Bed::new();
    let mut readers = Vec::new();
    for slot in 0..16 {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
        readers.push(reader);
        bed.inputs.attach((slot, 1), writer, None);
        bed.inputs.write(slot, &[0; 1 << 16]).unwrap();
        bed.inputs.write(slot, &vec![0; MOST]).unwrap();
    }
    let (_reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
    bed.inputs.attach((99, 1), writer, None);
    let much = vec![0; ASSURED + 1];
    assert_eq!(bed.inputs.write(99, &much), Err(Unwritten::Full { waiting: 0 }));
    // A little is always taken, in the pipe and beside it.
    assert_eq!(bed.inputs.write(99, b"x"), Ok(()));
    assert_eq!(bed.inputs.write(99, &[0; ASSURED]), Ok(()));
    let rest = ASSURED - bed.inputs.inputs[&99].waiting.len();
    assert_eq!(bed.inputs.write(99, &vec![0; rest]), Ok(()));
    assert_eq!(bed.inputs.write(99, b"x"), Err(Unwritten::Full { waiting: ASSURED }));
    bed.inputs.ended(3, 1);
    bed.inputs.ended(4, 1);
    assert_eq!(bed.inputs.write(99, &much), Ok(()));
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_is_closed() {
    let mut bed = Bed::new();
    bed.fill();
    bed.reader = None;
    bed.turn().await;
    assert_eq!(bed.inputs.write(7, b"x"), Err(Unwritten::Closed));
    assert_eq!(bed.inputs.waiting, 0);
    let mut bed = Bed::new();
    bed.reader = None;
    assert_eq!(bed.inputs.write(7, b""), Ok(()), "nobody can tell yet");
    assert_eq!(bed.inputs.write(7, b"x"), Err(Unwritten::Closed));
    assert_eq!(bed.inputs.write(7, b""), Err(Unwritten::Closed));
    assert_eq!(bed.inputs.write(8, b"x"), Err(Unwritten::Closed));
}

#[tokio::test]
async fn an_end_takes_what_waits_with_it() {
    let mut bed = Bed::new();
    bed.fill();
    bed.inputs.ended(7, 2);
    assert!(bed.inputs.waiting > 0, "another life's end");
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
    bed.inputs.attach((7, 2), writer, None);
    assert_eq!(bed.inputs.waiting, 0);
    bed.inputs.ended(7, 1);
    assert_eq!(bed.inputs.write(7, b"new"), Ok(()));
    let mut bytes = [0; 10];
    assert_eq!(read(&reader, &mut bytes), Ok(3));
    bed.inputs.ended(7, 2);
    assert_eq!(bed.inputs.write(7, b"x"), Err(Unwritten::Closed));
}

/// With a pipe for events.
fn listening() -> Bed {
    let mut bed = Bed::new();
    let (reader, to_listener) = pipe2(OFlag::O_NONBLOCK).unwrap();
    let (from, to) = pipe2(OFlag::O_NONBLOCK).unwrap();
    bed.inputs.attach((7, 1), to_listener, Some(Staging { reader: from, writer: to }));
    bed.reader = Some(reader);
    bed
}

fn read_some(bed: &Bed) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    let n = read(bed.reader.as_ref().unwrap(), &mut bytes).unwrap_or(0);
    bytes.truncate(n);
    bytes
}

#[tokio::test]
async fn an_event_is_staged_before_it_is_moved() {
    let mut bed = listening();
    assert_eq!(bed.inputs.stage(7, 2, b"x"), Err(Errno::EPIPE), "another life");
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Ok(5));
    assert_eq!((bed.inputs.staged(7), read_some(&bed)), (5, vec![]));
    assert!(bed.inputs.sent().is_empty());
    assert_eq!(bed.inputs.splice(7, 1), Moved::All(1));
    assert_eq!((bed.inputs.sent(), bed.inputs.sent()), (vec![7], vec![]));
    assert_eq!((bed.inputs.staged(7), read_some(&bed)), (0, b"event".to_vec()));
    // A broker that takes over finds some there and moves that alone.
    let staging = bed.inputs.inputs[&7].staging.as_ref().unwrap();
    write(&staging.writer, b"rest").unwrap();
    bed.inputs.inputs.get_mut(&7).unwrap().staged = None;
    assert_eq!(bed.inputs.staged(7), 4);
    assert_eq!(bed.inputs.splice(7, 1), Moved::All(1));
    assert_eq!(read_some(&bed), b"rest");
    assert_eq!(bed.inputs.splice(7, 1), Moved::All(1), "nothing was left");
}

#[tokio::test]
async fn text_waits_for_the_end_of_an_event_and_an_event_for_the_end_of_text() {
    let mut bed = listening();
    assert_eq!(bed.inputs.stage(7, 1, b"<half"), Ok(5));
    bed.inputs.write(7, b"text").unwrap();
    assert_eq!(bed.inputs.splice(7, 1), Moved::All(1));
    assert_eq!(bed.inputs.stage(7, 1, b" event>"), Ok(7));
    assert_eq!(bed.inputs.splice(7, 1), Moved::All(1));
    assert_eq!(read_some(&bed), b"<half event>");
    bed.inputs.event_ended(7);
    assert_eq!(read_some(&bed), b"text");
    assert_eq!(bed.inputs.waiting, 0);
    let mut expected = bed.fill();
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Ok(5));
    assert_eq!(bed.inputs.splice(7, 1), Moved::Later);
    expected.extend_from_slice(b"event");
    let (mut all, mut tokens) = (Vec::new(), Vec::new());
    while all.len() < expected.len() {
        all.extend(read_some(&bed));
        let ready = bed.watch.ready(&mut tokens);
        let soon = std::time::Duration::from_millis(200);
        if tokio::time::timeout(soon, ready).await.is_ok() {
            for _ in tokens.drain(..) {
                bed.inputs.ready(7);
            }
        }
    }
    assert!(all == expected);
}

#[tokio::test]
async fn an_event_that_finds_no_room_goes_on_when_there_is_some() {
    let mut bed = listening();
    let text = vec![b'x'; 1 << 16];
    bed.inputs.write(7, &text).unwrap();
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Ok(5));
    assert_eq!(bed.inputs.splice(7, 1), Moved::Later);
    assert_eq!(read_some(&bed), text);
    let mut tokens = Vec::new();
    bed.watch.ready(&mut tokens).await.unwrap();
    assert_eq!(bed.inputs.ready(7), Moved::All(1));
    assert_eq!(read_some(&bed), b"event");
}

#[tokio::test]
async fn an_event_for_nobody_is_told_so() {
    let mut bed = listening();
    bed.reader = None;
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Ok(5));
    assert_eq!(bed.inputs.splice(7, 1), Moved::Never(1, Errno::EPIPE));
    assert_eq!(bed.inputs.stage(7, 1, b"next"), Err(Errno::EPIPE));
}

#[tokio::test]
async fn an_event_behind_text_that_nobody_reads_is_told_of() {
    let mut bed = listening();
    bed.fill();
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Ok(5));
    assert_eq!(bed.inputs.splice(7, 1), Moved::Later);
    bed.reader = None;
    let mut tokens = Vec::new();
    bed.watch.ready(&mut tokens).await.unwrap();
    assert_eq!(bed.inputs.ready(7), Moved::Never(1, Errno::EPIPE));
    assert_eq!(bed.inputs.waiting, 0);
    assert_eq!(bed.inputs.ready(7), Moved::Later, "once");
}

#[tokio::test]
async fn an_event_whose_room_cannot_be_waited_for_is_told_of() {
    let mut bed = listening();
    bed.inputs.write(7, &[b'x'; 1 << 16]).unwrap();
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Ok(5));
    // The watch refuses a pipe that it knows.
    bed.watch.add_for_room(bed.inputs.inputs[&7].pipe.as_fd(), 1).unwrap();
    assert!(matches!(bed.inputs.splice(7, 1), Moved::Never(1, _)));
    assert_eq!(bed.inputs.write(7, b"x"), Err(Unwritten::Closed));
}

#[tokio::test]
async fn text_does_not_wait_for_an_event_that_could_not_be_staged() {
    let stray = |bed: &Bed| {
        let staging = bed.inputs.inputs[&7].staging.as_ref().unwrap();
        while write(&staging.writer, &[0; 4_096]).is_ok() {}
    };
    let mut bed = listening();
    stray(&bed);
    assert_eq!(bed.inputs.stage(7, 1, b"event"), Err(Errno::EAGAIN));
    bed.inputs.write(7, b"text").unwrap();
    assert_eq!(read_some(&bed), b"text");
    // After half an event nothing else may come.
    let mut bed = listening();
    assert_eq!(bed.inputs.stage(7, 1, b"<half"), Ok(5));
    assert_eq!(bed.inputs.splice(7, 1), Moved::All(1));
    stray(&bed);
    bed.inputs.write(7, b"text").unwrap();
    assert_eq!(bed.inputs.stage(7, 1, b" event>"), Err(Errno::EAGAIN));
    assert_eq!((read_some(&bed), bed.inputs.waiting), (b"<half".to_vec(), 0));
    assert_eq!(bed.inputs.write(7, b"text"), Err(Unwritten::Closed));
}
