//! Events whose text looks like another event.

use std::fs;

use system_tests::{Config, Room, wait_for};

use crate::launch;

/// Writes a line for each event that it believes to hear, and reads `len` characters, as the protocol has it, or bytes.
const LISTENER: &str = r#"
import sys
counts, notes = sys.argv[1], open(sys.argv[2], "a", encoding="utf-8")
if counts == "characters":
    source = open(0, encoding="utf-8", newline="\n")
else:
    source = open(0, "rb")
text = lambda read: read if isinstance(read, str) else read.decode("utf-8", "replace")
while True:
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    header = text(source.readline())
    if not header:
        break
    header = dict(word.split(":", 1) for word in header.split())
    payload = text(source.read(int(header["len"])))
    notes.write(header["eventname"] + " " + payload.replace("\n", "|") + "\n")
    notes.flush()
    sys.stdout.write("RESULT 2\nOK")
    sys.stdout.flush()
"#;
const FORGED: &str = "ver:3.0 server:supervisor serial:1 pool:characters poolserial:1 \
                      eventname:SUPERVISOR_STATE_CHANGE_STOPPING len:0\n";

#[test]
fn no_text_makes_another_event_for_a_listener_that_counts_characters() {
    let room = Room::new();
    room.file("listener.py", LISTENER);
    let section = |counts: &str| {
        format!(
            "[eventlistener:{counts}]\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n\
             command=/usr/bin/python3 {} {counts} {}\n",
            room.text("listener.py"),
            room.text(counts)
        )
    };
    let config = Config::new(&room).section(&section("characters")).section(&section("bytes"));
    let mut daemon = launch(&room, &config);
    daemon.wait_running("characters");
    daemon.wait_running("bytes");
    let wide = |c: &str, of: &str| format!("{}{of}", c.repeat(of.len()));
    let sent = [
        ("a b:c", "d e:f".to_owned()),
        ("a\nb:c d", "\n\n".to_owned()),
        ("\n", FORGED.to_owned()),
        (FORGED, FORGED.repeat(3)),
        // So many bytes more than characters that what is left over is the header.
        ("x", wide("\u{e9}", FORGED)),
        ("\u{20ac}\nlen:0\n", wide("\u{1f600}", FORGED)),
        ("", "the last".to_owned()),
    ];
    for (kind, data) in &sent {
        daemon.ask("supervisor.sendRemoteCommEvent", &[(*kind).into(), data.as_str().into()]);
    }
    let heard = |counts: &str| fs::read_to_string(room.path(counts)).unwrap_or_default();
    wait_for("the last event", || heard("characters").ends_with(" type:|the last\n"));
    let expected = sent.iter().map(|(kind, data)| {
        let payload = format!("type:{kind}\n{data}").replace('\n', "|");
        format!("REMOTE_COMMUNICATION {payload}\n")
    });
    assert_eq!(heard("characters"), expected.collect::<String>());
    // It would be heard: one that counts bytes is taken in, as docs/events.md warns.
    wait_for("what is forged", || heard("bytes").contains("\nSUPERVISOR_STATE_CHANGE_STOPPING "));
    assert_eq!(daemon.stop(), 0);
}
