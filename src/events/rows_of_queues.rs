//! Tests: what waits, what comes back, what finds no room.

use std::time::Duration;

use super::bed::{Bed, event, pool};
use super::{Change, Event, Exchange, Input, Now, Output};
use crate::config::settings::Level;

const OK: &str = "RESULT 2\nOKREADY\n";
const FAIL: &str = "RESULT 4\nFAILREADY\n";

#[test]
fn a_rejected_event_comes_again_later_and_later_and_nothing_overtakes_it() {
    let mut bed = Bed::new(&[pool("p", 10, "REMOTE_COMMUNICATION", &[1])]);
    bed.up(1);
    bed.happen(0..3);
    for wait in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
        assert_eq!(bed.numbers(), [(1, 0)]);
        bed.lines.clear();
        bed.say(1, 1, FAIL);
        let expected = ["W l1: event was rejected".to_owned()];
        assert_eq!(bed.said(Level::Warn), expected);
        assert_eq!((bed.numbers(), bed.due()), (vec![], Some(wait)));
        bed.pass(wait as u64 - 1);
        bed.put(Input::Timer);
        assert_eq!(bed.numbers(), []);
        bed.pass(1);
        bed.put(Input::Timer);
        assert_eq!(bed.due(), None, "nobody is free");
    }
    assert_eq!(bed.numbers(), [(1, 0)]);
    bed.say(1, 1, OK);
    assert_eq!(bed.numbers(), [(1, 1)]);
    bed.say(1, 1, FAIL);
    assert_eq!(bed.due(), Some(100), "another event, another delay");
}

#[test]
fn rejected_events_keep_their_order() {
    let mut bed = Bed::new(&[pool("p", 10, "REMOTE_COMMUNICATION", &[1, 2, 3])]);
    (1..=3).for_each(|slot| bed.up(slot));
    bed.happen(0..5);
    assert_eq!(bed.numbers(), [(1, 0), (2, 1), (3, 2)]);
    bed.lines.clear();
    bed.say(1, 1, FAIL);
    let expected = [
        "D 'l1' stdout output:\nb'RESULT 4\\nFAILREADY\\n'",
        "W l1: event was rejected",
        "D l1: BUSY -> ACKNOWLEDGED",
        "D rebuffering event 0 for pool p (buf size=2, max=10)",
        "D l1: ACKNOWLEDGED -> READY",
    ];
    assert_eq!(bed.said(Level::Debug), expected);
    bed.pass(50);
    bed.say(3, 1, FAIL);
    bed.say(2, 1, FAIL);
    bed.pass(50);
    bed.put(Input::Timer);
    assert_eq!(bed.numbers(), [(1, 0)]);
    bed.say(1, 1, OK);
    assert_eq!((bed.numbers(), bed.due()), (vec![], Some(50)), "1 is not due, 3 waits for it");
    bed.pass(50);
    bed.put(Input::Timer);
    assert_eq!(bed.numbers(), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn a_rejected_event_is_its_own_pools_alone() {
    let pools = [pool("a", 10, "EVENT", &[1]), pool("b", 10, "EVENT", &[2])];
    let mut bed = Bed::new(&pools);
    bed.up(1);
    bed.up(2);
    bed.happen(0..1);
    assert_eq!(bed.numbers(), [(1, 0), (2, 0)]);
    bed.say(2, 1, OK);
    bed.say(1, 1, FAIL);
    bed.pass(100);
    bed.put(Input::Timer);
    assert_eq!(bed.numbers(), [(1, 0)]);
}

#[test]
fn overflow_names_what_is_lost_and_says_how_much_it_was() {
    let mut bed = Bed::new(&[pool("p", 4, "EVENT", &[1])]);
    bed.up(1);
    bed.happen(0..5);
    assert_eq!(bed.said(Level::Warn), [""; 0]);
    bed.happen(5..8);
    let lost = |n| format!("E pool p event buffer overflowed, discarding event {n}");
    assert_eq!(bed.said(Level::Warn), [lost(1), lost(2), lost(3)]);
    // One that comes back pushes out the oldest, though it is older.
    assert_eq!(bed.numbers(), [(1, 0)]);
    bed.say(1, 1, "RESULT 1\nx");
    assert_eq!(bed.said(Level::Error), [lost(4)]);
    bed.pass(100);
    bed.say(1, 1, "READY\n");
    assert_eq!(bed.numbers(), [(1, 0)]);
    bed.say(1, 1, OK);
    let sum = "W pool p event buffer has room again, 4 events were discarded, serials 1 to 4";
    assert_eq!((bed.numbers(), bed.said(Level::Warn)), (vec![(1, 5)], vec![sum.to_owned()]));
    for n in [6, 7] {
        bed.say(1, 1, OK);
        assert_eq!((bed.numbers(), bed.said(Level::Warn)), (vec![(1, n)], vec![]));
    }
}

#[test]
fn what_comes_before_the_first_listener_is_ready_is_kept() {
    let mut bed = Bed::new(&[pool("p", 2, "EVENT", &[1])]);
    bed.happen(0..10);
    bed.spawn(1, 1);
    bed.say(1, 1, "READY\n");
    bed.happen(10..12);
    bed.running(1, 1, true);
    assert_eq!(bed.numbers(), [(1, 0)]);
    // From here on it counts, beside those that came too early.
    bed.happen(12..15);
    let lost = "E pool p event buffer overflowed, discarding event 12";
    assert_eq!(bed.said(Level::Error), [lost]);
    // An early one that comes back pushes nothing out.
    bed.say(1, 1, FAIL);
    bed.pass(100);
    bed.put(Input::Timer);
    for n in (0..12).chain(13..15) {
        assert_eq!(bed.numbers(), [(1, n)]);
        bed.say(1, 1, OK);
    }
    assert_eq!(bed.numbers(), []);
}

#[test]
fn what_comes_too_early_has_a_limit() {
    let lost = |n| format!("E pool p event buffer overflowed, discarding event {n}");
    // Nobody ever comes.
    let mut bed = Bed::new(&[pool("p", 2, "EVENT", &[1])]);
    bed.put(Input::Happened((0..1_004).map(event).collect()));
    assert_eq!(bed.said(Level::Warn), [lost(0), lost(1)]);
    // Or few events are large.
    let mut bed = Bed::new(&[pool("p", 2, "EVENT", &[1])]);
    bed.put(Input::Happened(vec![Event::remote("t", &"x".repeat(1 << 18)); 6]));
    assert_eq!(bed.said(Level::Warn), [lost(0), lost(1)]);
    assert!(bed.exchange.snapshot().len() < 5 << 18);
}

#[test]
fn what_comes_when_all_listeners_have_ended_counts() {
    let mut bed = Bed::new(&[pool("p", 2, "EVENT", &[1, 2])]);
    bed.happen(0..4);
    (1..=2).for_each(|slot| bed.spawn(slot, 1));
    bed.put(Input::Ended { slot: 2, instance: 1 });
    bed.happen(4..8);
    assert_eq!(bed.said(Level::Warn), [""; 0], "one is left");
    bed.put(Input::Ended { slot: 1, instance: 1 });
    bed.happen(8..12);
    let lost = |n| format!("E pool p event buffer overflowed, discarding event {n}");
    assert_eq!(bed.said(Level::Warn), [lost(8), lost(9)]);
    bed.spawn(1, 2);
    bed.running(1, 2, true);
    bed.say(1, 2, "READY\n");
    for n in (0..8).chain(10..12) {
        assert_eq!(bed.numbers(), [(1, n)]);
        bed.say(1, 2, OK);
    }
    assert_eq!(bed.numbers(), []);
}

#[test]
fn one_event_has_a_limit() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.up(1);
    let most = "x".repeat((4 << 20) - "type:t\n".len());
    bed.put(Input::Happened(vec![Event::remote("t", &most)]));
    assert_eq!((bed.said(Level::Warn), bed.deliver().len()), (vec![], 1));
    let before = bed.tape.len();
    // Characters of several bytes, wherever the cut falls.
    for more in ["é", "€", "😀"] {
        bed.put(Input::Happened(vec![Event::remote(
            "t",
            &(most[1..].to_owned() + more).repeat(20),
        )]));
    }
    assert!(bed.tape.len() - before < 13 << 20, "the tape has to take it");
    let lost = |n| {
        format!("E pool p event buffer overflowed, discarding event {n}, it takes more than 4 MiB")
    };
    assert_eq!(bed.said(Level::Warn), [lost(1), lost(2), lost(3)]);
    bed.happen(4..5);
    bed.say(1, 1, OK);
    assert_eq!(bed.numbers(), [(1, 4)]);
}

#[test]
fn who_never_answers_starves_nobody() {
    let slots: Vec<u32> = (1..=13).collect();
    let pools = [pool("a", 1_000, "PROCESS_GROUP", &slots), pool("b", 1_000, "EVENT", &[99])];
    // Without the bench, which would read all of it again at each step.
    let mut exchange = Exchange::new("supervisor", 0);
    let mut put = |input| {
        let mut out = Vec::new();
        exchange.handle(Now { mono: Duration::ZERO, wall: Duration::ZERO }, input, &mut out);
        let sent = out.iter().filter(|output| matches!(output, Output::Send { .. })).count();
        let lost = |output: &&Output| matches!(output, Output::Log(Level::Error, _));
        (sent, out.iter().filter(lost).count())
    };
    put(Input::Pools(pools.to_vec()));
    for slot in slots.into_iter().chain([99]) {
        put(Input::Spawned { slot, instance: 1 });
        put(Input::Running { slot, instance: 1, running: true });
        put(Input::Heard { slot, instance: 1, turn: 1, bytes: b"READY\n".to_vec() });
    }
    let big = Event::group(&"x".repeat((4 << 20) - 20), Change::Added);
    let done = (0..13).map(|_| put(Input::Happened(vec![big.clone()])));
    let done = done.fold((0, 0), |sum, (sent, lost)| (sum.0 + sent, sum.1 + lost));
    assert_eq!(done, (13 + 1, 12 - 2), "12 MiB wait, less what goes with each event");
    // What comes now is kept.
    assert_eq!(put(Input::Happened(vec![event(0)])), (0, 0));
}

#[test]
fn memory_has_a_limit() {
    let pools = [pool("a", 1_000, "EVENT", &[1]), pool("b", 1_000, "TICK,PROCESS_GROUP", &[2])];
    let mut bed = Bed::new(&pools);
    // From here on what waits counts.
    for slot in [1, 2] {
        bed.spawn(slot, 1);
        bed.put(Input::Ended { slot, instance: 1 });
    }
    bed.happen(0..1);
    let big = "x".repeat(1 << 20);
    bed.put(Input::Happened(vec![Event::remote("t", &big); 47]));
    assert_eq!(bed.said(Level::Warn), [""; 0]);
    bed.put(Input::Happened(vec![Event::remote("t", &big)]));
    let lost = |n| {
        format!(
            "E pool a event buffer overflowed, discarding event {n}, all events together take more than 48 MiB"
        )
    };
    assert_eq!(bed.said(Level::Warn), [lost(0), lost(1)]);
    // Whoever holds most gives, whoever asks.
    bed.put(Input::Happened(vec![Event::group(&big, Change::Added)]));
    assert_eq!(bed.said(Level::Warn), [lost(2), lost(3)]);
    // What waits fits the tape with room to spare.
    let snapshot = bed.exchange.snapshot().len();
    assert!(snapshot < 49 << 20, "{snapshot}");
    bed.put(Input::Pools(pools[1..].to_vec()));
    let expected = [
        "W pool a is removed with 46 events that no listener has taken",
        "W pool a event buffer has room again, 4 events were discarded, serials 0 to 3",
    ];
    assert_eq!(bed.said(Level::Warn), expected);
}
