//! Tests: what the next broker makes of a tape.

use privsep::journal::PAYLOAD;

use super::bed::{Bed, event, pool};
use super::{Exchange, Input, Kept, Output};

const KEPT: Kept = Kept { slot: 1, instance: 1, running: true, staged: 0 };

/// An event is on its way to the first listener of a pool, another one waits.
fn sending() -> (Bed, usize) {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1, 2])]);
    bed.up(1);
    bed.happen(0..2);
    let Some(Output::Send { event, from: 0, .. }) = bed.outputs.pop() else { panic!() };
    (bed, event.len())
}

fn from(bed: &mut Bed) -> usize {
    let Some(Output::Send { from, slot: 1, .. }) = bed.outputs.pop() else {
        panic!("{:?}", bed.outputs);
    };
    assert_eq!(bed.outputs, []);
    from
}

#[test]
fn what_was_not_written_is_written() {
    let (mut bed, _) = sending();
    for _ in 0..3 {
        bed.replace(&[KEPT]);
        assert_eq!(from(&mut bed), 0);
    }
}

#[test]
fn what_was_written_is_not_written_again() {
    let (mut bed, length) = sending();
    // All of it, or as much as found room, and nobody said so; then it is said, and the broker dies again.
    for staged in [length, 10] {
        let mut bed = Bed { tape: bed.tape.clone(), ..sending().0 };
        bed.replace(&[Kept { staged, ..KEPT }]);
        let splice = Output::Splice { slot: 1, instance: 1 };
        assert_eq!(std::mem::take(&mut bed.outputs), std::slice::from_ref(&splice));
        bed.replace(&[Kept { staged: 4, ..KEPT }]);
        assert_eq!(bed.outputs, [splice]);
        bed.outputs.clear();
        // All has gone when the next one looks.
        bed.replace(&[KEPT]);
        if staged == 10 {
            assert_eq!(from(&mut bed), 10);
        }
        assert_eq!(bed.outputs, []);
        bed.say(1, 1, "RESULT 2\nOKREADY\n");
        assert_eq!(bed.outputs.len(), usize::from(staged == length));
    }
    bed.put(Input::Staged { slot: 1, instance: 1, done: 10 });
    bed.put(Input::Spliced { slot: 1, instance: 1 });
    bed.outputs.clear();
    // The second round: 5 bytes of it are there.
    bed.replace(&[Kept { staged: 5, ..KEPT }]);
    bed.put(Input::Spliced { slot: 1, instance: 1 });
    bed.outputs.remove(0);
    assert_eq!(from(&mut bed), 15);
}

#[test]
fn listeners_that_are_gone_give_their_events_back() {
    let (mut bed, _) = sending();
    bed.spawn(2, 1);
    bed.say(2, 1, "READY\n");
    bed.replace(&[Kept { slot: 2, ..KEPT }]);
    assert_eq!(bed.numbers(), [(2, 0)]);
    // Another life of it, whose start nobody saw.
    bed.replace(&[Kept { slot: 2, ..KEPT }, Kept { instance: 2, ..KEPT }]);
    bed.say(1, 2, "READY\n");
    assert_eq!(bed.numbers(), [(1, 1)]);
}

#[test]
fn nothing_is_handed_to_who_does_not_run_any_more() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1, 2, 3])]);
    (1..=3).for_each(|slot| bed.up(slot));
    bed.happen(0..1);
    bed.outputs.clear();
    // 1 has gone with its event, 2 is being stopped.
    let kept = [Kept { slot: 2, running: false, ..KEPT }, Kept { slot: 3, ..KEPT }];
    bed.replace(&kept);
    assert_eq!(bed.numbers(), [(3, 0)]);
}

#[test]
fn a_restart_that_was_asked_for_is_asked_for_again() {
    let (mut bed, length) = sending();
    bed.put(Input::Staged { slot: 1, instance: 1, done: length });
    bed.outputs.clear();
    bed.say(1, 1, "!\n");
    assert_eq!(bed.outputs, [Output::Restart { slot: 1, instance: 1 }]);
    bed.replace(&[KEPT]);
    assert_eq!(bed.outputs[1..], [Output::Restart { slot: 1, instance: 1 }]);
    bed.outputs.clear();
    bed.replace(&[Kept { instance: 2, ..KEPT }]);
    assert_eq!(bed.outputs, []);
}

#[test]
fn cells_go_with_their_step() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    let (one, two) = ((3, [1; PAYLOAD]), (usize::MAX, [2; PAYLOAD]));
    let step = |bed: &mut Bed, n: usize, cells: &[_]| {
        bed.exchange.handle(bed.now, Input::Happened(vec![event(n)]), &mut Vec::new());
        bed.exchange.commit_cells(cells);
        let unit = bed.exchange.records();
        // It may be that the tape starts over instead.
        let over = Exchange::restore("supervisor", &bed.exchange.snapshot());
        assert_eq!(over.redo(), cells);
        bed.tape.extend(&unit);
        assert_eq!(Exchange::restore("supervisor", &bed.tape).redo(), cells);
        unit
    };
    step(&mut bed, 0, &[one, two]);
    step(&mut bed, 1, &[]);
    let last = step(&mut bed, 2, &[two]);
    // Cells alone are a step, too.
    bed.exchange.commit_cells(&[one]);
    assert!(!bed.exchange.records().is_empty());
    assert!(bed.exchange.records().is_empty(), "nothing changed");
    assert_eq!(bed.exchange.redo(), [one]);
    // A unit that is not whole is not there at all.
    for cut in 1..=last.len() {
        let before = Exchange::restore("supervisor", &bed.tape[..bed.tape.len() - cut]);
        assert_eq!((before.serial(), before.redo()), (2, &[][..]));
    }
}

#[test]
fn a_tape_that_starts_over_is_the_same() {
    let (mut bed, _) = sending();
    bed.tape = bed.exchange.snapshot();
    bed.happen(2..4);
    bed.replace(&[KEPT]);
    assert_eq!(from(&mut bed), 0);
    let serial = Exchange::restore("supervisor", &Exchange::new("x", 77).snapshot()).serial();
    assert_eq!(serial, 77);
    assert_eq!(Exchange::restore("supervisor", b"").serial(), 0);
}

#[test]
fn forged_tapes_are_read_as_far_as_they_go() {
    let (mut bed, _) = sending();
    bed.tape = bed.exchange.snapshot();
    bed.say(1, 1, "RESULT 2");
    let tape = bed.tape.clone();
    for at in 0..tape.len() {
        for bit in [0x01, 0x80] {
            let mut forged = tape.clone();
            forged[at] ^= bit;
            let mut exchange = Exchange::restore("supervisor", &forged);
            exchange.resume(bed.now, &[KEPT], &mut Vec::new());
            exchange.handle(bed.now, Input::Timer, &mut Vec::new());
        }
    }
}

#[test]
fn a_listener_that_the_tape_does_not_know_is_adopted_with_its_pool() {
    let pools = [pool("p", 10, "EVENT", &[1])];
    let mut bed = Bed::new(&[]);
    bed.replace(&[KEPT]);
    bed.put(Input::Pools(pools.to_vec()));
    let mut out = Vec::new();
    bed.exchange.adopt(bed.now, &[KEPT], &mut out);
    bed.tape.extend(bed.exchange.records());
    assert_eq!(out, []);
    bed.say(1, 1, "READY\n");
    bed.happen(0..1);
    assert_eq!(bed.numbers(), [(1, 0)]);
}

#[test]
fn cells_before_a_broken_unit_are_not_written_again() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.exchange.commit_cells(&[(3, [1; PAYLOAD])]);
    bed.tape.extend(bed.exchange.records());
    assert_eq!(Exchange::restore("supervisor", &bed.tape).redo().len(), 1);
    for broken in [&[1][..], &[1, 0, 0, 0, 99], &[9, 0, 0, 0, 13]] {
        let tape = [&bed.tape, broken].concat();
        assert_eq!(Exchange::restore("supervisor", &tape).redo(), []);
    }
    let tape = [bed.tape, Exchange::nothing_to_redo()].concat();
    assert_eq!(Exchange::restore("supervisor", &tape).redo(), []);
}

#[test]
fn who_has_stray_bytes_before_the_next_event_gets_none() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1, 2])]);
    (1..=2).for_each(|slot| bed.up(slot));
    bed.replace(&[Kept { staged: 7, ..KEPT }, Kept { slot: 2, ..KEPT }]);
    bed.happen(0..2);
    assert_eq!(bed.numbers(), [(2, 0)]);
}

#[test]
fn listeners_of_whom_nothing_is_believed_are_started_again() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.exchange.adopt(bed.now, &[KEPT], &mut Vec::new());
    let mut out = Vec::new();
    bed.exchange.doubt(&[KEPT], &mut out);
    assert_eq!(out[0], Output::Restart { slot: 1, instance: 1 });
    assert!(!bed.exchange.records().is_empty());
    bed.tape = bed.exchange.snapshot();
    bed.say(1, 1, "OKREADY\n");
    bed.happen(0..1);
    assert_eq!((bed.outputs.len(), out.len()), (0, 2));
    // The next broker knows it.
    bed.replace(&[KEPT]);
    assert_eq!(bed.outputs, [Output::Restart { slot: 1, instance: 1 }]);
}

#[test]
fn numbers_of_chunks_may_start_over() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.up(1);
    bed.turn = u32::MAX - 1;
    bed.say(1, 1, "");
    assert_eq!(bed.exchange.turn(1, super::Channel::Stdout, 1), u32::MAX);
    bed.happen(0..2);
    assert_eq!(bed.numbers(), [(1, 0)]);
    bed.turn = 0;
    bed.say(1, 1, "RESULT 2\nOKREADY\n");
    assert_eq!(bed.numbers(), [(1, 1)]);
    let told = |turn| Input::Told {
        slot: 9,
        instance: 1,
        channel: super::Channel::Stderr,
        turn,
        events: vec![event(2)],
    };
    for (turn, serial) in [(u32::MAX, 3), (u32::MAX, 3), (1, 4), (1, 4)] {
        bed.put(told(turn));
        assert_eq!(bed.exchange.serial(), serial);
    }
}

#[test]
fn a_tape_may_not_say_too_much() {
    // Pools without end: 4 of their records would be compared with each other.
    let pools = |count: usize| {
        (0..count).map(|n| pool(&n.to_string(), 1, "EVENT", &[])).collect::<Vec<_>>()
    };
    for (count, kept) in [(16_384, 16_384), (16_385, 0)] {
        let mut exchange = Exchange::new("supervisor", 0);
        let now = Bed::new(&[]).now;
        exchange.handle(now, Input::Pools(pools(count)), &mut Vec::new());
        let (tape, unit) = (exchange.snapshot(), exchange.records());
        for tape in [tape, unit] {
            let mut read = Exchange::restore("supervisor", &tape);
            read.handle(now, Input::Pools(pools(kept)), &mut Vec::new());
            assert_eq!(read.records(), b"", "what is known already");
        }
    }
    // Events, slots.
    let mut exchange = Exchange::new("supervisor", 0);
    let now = Bed::new(&[]).now;
    exchange.handle(now, Input::Pools(vec![pool("p", 1, "EVENT", &[1])]), &mut Vec::new());
    exchange.handle(now, Input::Happened(vec![event(0); 70_000]), &mut Vec::new());
    assert_eq!(Exchange::restore("supervisor", &exchange.records()).serial(), 0);
    exchange.handle(now, Input::Pools(vec![pool("p", 1, "EVENT", &[16_385])]), &mut Vec::new());
    assert!(!Exchange::restore("supervisor", &exchange.snapshot()).wants(super::Kind::Tick5));
}
