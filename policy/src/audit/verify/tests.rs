//! Whatever is done to a log afterwards shows.

use super::super::chain::{Continued, Torn, members};
use super::*;

const TIME: &str = "2026-01-02T03:04:05.000006Z";

/// Numbers that look random, the same ones every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// Lines as the writer makes them, and where the chain stands after each.
fn lines(head: Head, count: usize) -> (Vec<String>, Vec<Head>) {
    let (mut head, mut all, mut heads) = (head, Vec::new(), Vec::new());
    for n in 0..count {
        let said =
            format!(r#""event":"access","who":"user:é{n}","detail":"{}""#, "x".repeat(n % 7));
        let source = if n % 3 == 0 { Source::Spawner } else { Source::Broker };
        let (line, next) = head.next(TIME, source, &said);
        head = next;
        all.push(line);
        heads.push(head);
    }
    (all, heads)
}

fn anchor(head: Head) -> Anchor {
    Anchor { head, time: TIME.to_owned() }
}

fn one(text: &[u8], anchor: Option<&Anchor>) -> Report {
    verify([("audit.log", text)], anchor)
}

#[test]
fn an_untouched_log_is_intact() {
    let (all, heads) = lines(Head::default(), 20);
    let text = all.concat();
    let report = one(text.as_bytes(), None);
    assert!(report.intact(), "{:?}", report.problems);
    assert_eq!((report.lines, report.first, report.head), (20, Some(1), Some(heads[19])));
    assert_eq!((report.anchored, report.unanchored), (None, 20));
    for head in heads {
        let (report, seq) = (one(text.as_bytes(), Some(&anchor(head))), head.seq);
        assert!(report.intact(), "{:?}", report.problems);
        assert_eq!((report.anchored, report.unanchored), (Some(seq), 20 - seq));
    }
    let report = one(b"", Some(&anchor(Head::default())));
    assert!(report.intact() && report.head.is_none());
}

#[test]
fn every_change_of_one_byte_shows() {
    let (all, heads) = lines(Head::default(), 5);
    let text = all.concat().into_bytes();
    let end = anchor(heads[4]);
    for at in 0..text.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut other = text.clone();
            other[at] ^= flip;
            assert!(!one(&other, Some(&end)).intact(), "byte {at}, {flip}");
        }
        let mut other = text.clone();
        other.remove(at);
        assert!(!one(&other, Some(&end)).intact(), "byte {at} removed");
        let mut other = text.clone();
        other.insert(at, b' ');
        assert!(!one(&other, Some(&end)).intact(), "a blank before byte {at}");
    }
}

#[test]
fn every_deletion_and_every_change_of_order_shows() {
    let (all, heads) = lines(Head::default(), 12);
    let end = anchor(heads[11]);
    for from in 0..all.len() {
        for to in from + 1..=all.len() {
            let mut other = all.clone();
            other.drain(from..to);
            assert!(!one(other.concat().as_bytes(), Some(&end)).intact(), "{from}..{to}");
            // Without an anchor what is cut from the end does not show, and nothing else is forgiven.
            let cut = to == all.len();
            assert_eq!(one(other.concat().as_bytes(), None).intact(), cut, "{from}..{to}");
        }
        for to in 0..all.len() {
            let mut other = all.clone();
            other.swap(from, to);
            assert_eq!(one(other.concat().as_bytes(), None).intact(), from == to, "{from} {to}");
            let mut other = all.clone();
            other.insert(to, all[from].clone());
            assert!(!one(other.concat().as_bytes(), None).intact(), "{from} again at {to}");
        }
    }
}

#[test]
fn a_cut_anywhere_shows_against_the_anchor() {
    let (all, heads) = lines(Head::default(), 6);
    let text = all.concat().into_bytes();
    for n in 0..text.len() {
        let report = one(&text[..n], Some(&anchor(heads[5])));
        assert!(!report.intact(), "cut to {n}");
    }
    let report = one(&text[..text.len() - 1], None);
    assert!(report.intact() && report.unfinished > 0);
}

#[test]
fn a_line_that_is_made_anew_does_not_fit() {
    let (all, heads) = lines(Head::default(), 6);
    for at in 0..5 {
        let before = if at == 0 { Head::default() } else { heads[at - 1] };
        let (line, _) = before.next(TIME, Source::Broker, r#""event":"access","who":"nobody""#);
        let mut other = all.clone();
        other[at] = line;
        assert!(!one(other.concat().as_bytes(), None).intact(), "line {at}");
    }
    // The whole log made anew has another head.
    let (_, others) = lines(heads[0], 6);
    let report = one(all.concat().as_bytes(), Some(&anchor(Head { seq: 3, ..others[2] })));
    assert!(!report.intact());
    assert_eq!(report.wrong, 1, "{:?}", report.problems);
}

fn two_files() -> (String, String, Vec<Head>) {
    let (old, mut heads) = lines(Head::default(), 4);
    let said = members(&Continued::new(&heads[3]));
    let (first, head) = heads[3].next(TIME, Source::Audit, &said);
    let (rest, more) = lines(head, 3);
    heads.push(head);
    heads.extend(more);
    (old.concat(), first + &rest.concat(), heads)
}

#[test]
fn a_chain_goes_on_over_files() {
    let (old, new, heads) = two_files();
    let both = |old: &str, new: &str, anchor: Option<&Anchor>| {
        verify([("audit.log.1", old.as_bytes()), ("audit.log", new.as_bytes())], anchor)
    };
    let end = anchor(heads[7]);
    let report = both(&old, &new, Some(&end));
    assert!(report.intact(), "{:?}", report.problems);
    assert_eq!((report.lines, report.first, report.anchored), (8, Some(1), Some(8)));
    // Older files go in time; the first that is left says what it continues.
    let report = one(new.as_bytes(), Some(&end));
    assert!(report.intact(), "{:?}", report.problems);
    assert_eq!(report.first, Some(5));
    assert!(one(new.as_bytes(), Some(&anchor(heads[3]))).intact(), "anchored at the rotation");
    assert!(!one(new.as_bytes(), Some(&anchor(Head { seq: 4, ..heads[0] }))).intact());
    assert!(!one(new.as_bytes(), Some(&anchor(heads[1]))).intact(), "not there");
    // Its beginning is not to be cut, and neither is the end of the file before.
    let cut = new.split_once('\n').unwrap().1;
    assert!(!one(cut.as_bytes(), Some(&end)).intact());
    let shorter = old.rsplit_once("{\"seq\":4").unwrap().0;
    assert!(!both(shorter, &new, Some(&end)).intact());
    assert!(!both(old.trim_end(), &new, Some(&end)).intact());
    assert!(!both(&new, &old, Some(&end)).intact(), "in their order");
}

#[test]
fn a_line_that_was_torn_is_explained_by_the_writer_and_by_nobody_else() {
    let (all, heads) = lines(Head::default(), 4);
    let torn = r#"{"seq":3,"time":"20"#;
    let make = |source, text: &str| {
        let (line, head) = heads[1].next(TIME, source, &members(&Torn::new(text.as_bytes())));
        let (rest, more) = lines(head, 2);
        let text = [&all[..2].concat(), torn, "\n", &line, &rest.concat()].concat();
        (text, anchor(more[1]))
    };
    let (text, end) = make(Source::Audit, torn);
    let report = one(text.replacen(torn, "x\ny", 1).as_bytes(), None);
    assert_eq!(report.wrong, 1, "{:?}", report.problems);
    let twice = make(Source::Audit, &format!("{torn}\n{{"));
    let report = one(twice.0.replacen(torn, &format!("{torn}\n{{"), 1).as_bytes(), None);
    assert!(report.intact(), "{:?}", report.problems);
    let report = one(text.as_bytes(), Some(&end));
    assert!(report.intact(), "{:?}", report.problems);
    assert_eq!((report.torn, report.lines), (1, 5));
    for (source, said) in [(Source::Broker, torn), (Source::Audit, "{")] {
        let (text, end) = make(source, said);
        assert!(!one(text.as_bytes(), Some(&end)).intact());
    }
    for at in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[at] ^= 1;
        assert!(!one(&other, Some(&end)).intact(), "byte {at}");
    }
}

#[test]
fn what_the_writer_found_is_said() {
    let (all, heads) = lines(Head::default(), 2);
    let (line, _) = heads[1].next(TIME, Source::Audit, r#""event":"mismatch""#);
    let report = one((all.concat() + &line).as_bytes(), None);
    assert_eq!(report.wrong, 1, "{:?}", report.problems);
    let (line, _) = heads[1].next(TIME, Source::Broker, r#""event":"mismatch""#);
    assert!(one((all.concat() + &line).as_bytes(), None).intact());
}

#[test]
fn random_harm_shows() {
    let mut random = Random(7);
    for _ in 0..3_000 {
        let (old, new, heads) = two_files();
        let last = anchor(heads[7]);
        let text = (old + &new).into_bytes();
        let mut other = text.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(other.len());
            let upto = at + random.below(other.len() - at);
            match random.below(4) {
                0 => drop(other.drain(at..upto)),
                1 => other[at..=upto].reverse(),
                2 => other.insert(at, u8::try_from(random.below(256)).unwrap()),
                _ => {
                    let piece = other[at..upto].to_vec();
                    other.splice(at..at, piece);
                }
            }
        }
        assert_eq!(one(&other, Some(&last)).intact(), other == text);
    }
}

#[test]
fn anything_can_be_given_to_it() {
    let mut random = Random(9);
    let (old, ..) = two_files();
    for _ in 0..2_000 {
        let text: Vec<u8> = (0..random.below(300))
            .map(|_| match random.below(3) {
                0 => b"{}\",:\n"[random.below(6)],
                1 => old.as_bytes()[random.below(old.len())],
                _ => u8::try_from(random.below(256)).unwrap(),
            })
            .collect();
        let report = one(&text, None);
        assert!(report.intact() <= !text.contains(&b'\n'), "{text:?}");
    }
    let nonsense = ("x".repeat(TORN + 1) + "\n").repeat(1_000);
    let report = one(nonsense.as_bytes(), None);
    assert_eq!((report.problems.len(), report.wrong), (MOST, 1_000));
}
