//! Tests: messages between tags, sequences of terminals, and what of them outlives a broker.

use super::*;

fn captured(text: &str) -> Event {
    Event::Captured(0, Output::Stdout, text.as_bytes().to_vec())
}

fn chunk(text: &str) -> Event {
    Event::Chunk(0, Output::Stdout, text.as_bytes().to_vec())
}

fn capturing(most: usize) -> Route {
    let wants = Route { chunks: true, messages: true, strip: true, ..to(Some(0)) };
    Route { capture: Some(most), ..wants }
}

#[tokio::test]
async fn messages_are_events_and_sequences_are_gone() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let out = rig.attach_to(capturing(100));
    for part in [
        "a\x1b[1mb<!--XSUPER",
        "VISOR:BEGIN-->one\x1b[",
        "0m two<!--XSUP",
        "ERVISOR:END",
        "-->c\x1b",
    ] {
        put(&out, part);
        rig.settle().await;
    }
    assert_eq!(rig.text("log"), "abc");
    assert_eq!(rig.logs.events(), [chunk("ab"), captured("one two"), chunk("c")]);
    assert_eq!(rig.logs.deadline(), None, "what waits for more wakes nobody");
    rig.logs.finish(0, 1, Instant::now());
    assert_eq!(rig.text("log"), "abc\x1b", "nothing that was withheld is lost");
    assert_eq!(rig.logs.events(), [chunk("\x1b"), Event::Drained(0, 1)]);
}

#[tokio::test]
async fn a_long_message_keeps_its_end_and_the_pipe_its_room() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let out = rig.attach_to(capturing(10));
    put(&out, &format!("a{BEGIN}"));
    for n in 0..100 {
        put(&out, &format!("{n:04}{}", "x".repeat(4_000)));
        rig.settle().await;
    }
    put(&out, &format!("0123456{END}b{BEGIN}short{END}"));
    rig.settle().await;
    assert_eq!(rig.text("log"), "ab");
    assert_eq!(
        rig.logs.events(),
        [chunk("a"), captured("xxx0123456"), chunk("b"), captured("short")]
    );
    assert_eq!(link::bytes::waiting(rig.logs.streams[&0].pipe.as_fd()), Ok(0));
}

#[tokio::test]
async fn text_short_of_a_tag_is_in_the_log_at_once() {
    let mut rig = rig(&[0]);
    rig.open(0, 0, "log");
    let out = rig.attach_to(Route { chunks: false, messages: false, ..capturing(10) });
    put(&out, "hi\n");
    rig.settle().await;
    assert_eq!(rig.text("log"), "hi\n");
    put(&out, &format!("{BEGIN}gone"));
    rig.settle().await;
    rig.logs.finish(0, 1, Instant::now());
    assert_eq!(rig.text("log"), "hi\n");
    assert_eq!(rig.logs.events(), [Event::Drained(0, 1)]);
}

fn journal(dir: &Path) -> Rc<Journal> {
    let path = dir.join("journal");
    File::from(open(&path)).set_len(u64::try_from(privsep::journal::SIZE).unwrap()).unwrap();
    let memory = OpenOptions::new().read(true).write(true).open(path).unwrap();
    Rc::new(Journal::map(memory.as_fd()).unwrap())
}

/// What a chain of brokers makes of these bytes when each of them dies after a few turns.
async fn brokers(bytes: &[u8], size: usize) -> String {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path());
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK).unwrap();
    let mut text = Vec::new();
    for (n, part) in bytes.chunks(size).enumerate() {
        let watch = Rc::new(Watch::new().unwrap());
        let mut logs = logs(&watch, Some(journal.clone()), &[0]);
        logs.opened(0, 0, open(&dir.path().join("log")), Instant::now());
        let route = Route { chunks: false, messages: false, ..capturing(10) };
        let end = (0, 7, Output::Stdout);
        logs.attach(end, reader.try_clone().unwrap(), route, n == 0);
        assert_eq!(write(&writer, part), Ok(part.len()));
        let mut tokens = Vec::new();
        watch.ready(&mut tokens).await.unwrap();
        logs.ready(tokens[0], Instant::now());
        if (n + 1) * size >= bytes.len() {
            logs.finish(0, 7, Instant::now());
        }
        text = std::fs::read(dir.path().join("log")).unwrap();
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn what_is_half_in_a_tag_outlives_the_broker() {
    let message = "m".repeat(60_000);
    let bytes = format!("one{BEGIN}{message}{END}two\x1b[1m{BEGIN}short{END}three");
    for size in [7, 20_011, 40_000] {
        let size = if size == 7 { size * 1_000 } else { size };
        assert_eq!(brokers(bytes.as_bytes(), size).await, "onetwothree", "{size}");
    }
    let bytes = format!("one{BEGIN}m{END}two\x1b[1m{BEGIN}short{END}three");
    for size in 1..30 {
        assert_eq!(brokers(bytes.as_bytes(), size).await, "onetwothree", "{size}");
    }
}
