//! What broker and spawner say to the audit writer, and the log that anybody may have changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::audit::{Anchor, Head, Line, Source, verify};
use privsep::audit::Note;

fuzz_target!(|bytes: &[u8]| {
    // Whatever is said becomes one line, which says who said it and fits the chain.
    let mut text = String::new();
    let mut head = Head::default();
    for source in [Source::Broker, Source::Spawner] {
        let (line, next) = head.next("T", source, &supervisor::audit::decoded(source, bytes));
        let read = line.strip_suffix('\n').and_then(|line| Line::read(line.as_bytes()));
        let read = read.expect("a line");
        assert_eq!((read.seq, read.source, read.head()), (next.seq, source, Some(next)));
        text.push_str(&line);
        head = next;
    }
    let report = verify([("log", text.as_bytes())], None);
    assert!(report.intact() && report.head == Some(head));
    // Anything can be checked, and nothing but lines is good.
    let report = verify([("log", bytes)], None);
    assert!(!report.intact() || report.lines > 0 || !bytes.contains(&b'\n'));
    if let Some(anchor) = Anchor::read(bytes) {
        assert!(anchor.text(bytes.len()).len() >= bytes.len());
    }
    if let Ok(note) = Note::decode(bytes) {
        assert_eq!(note.encode(), bytes);
    }
});
