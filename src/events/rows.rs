//! Tests: what is sent to whom, when, and what the log says of it.

use super::bed::{Bed, event, pool};
use super::{About, Became, Change, Channel, Event, Input, Kind, Output, Phase};
use crate::config::settings::Level;
use crate::process::State;

const ABOUT: About<'_> = About { process: "cat", group: "pets" };
const OK: &str = "RESULT 2\nOKREADY\n";

#[test]
fn payloads_are_to_the_letter() {
    let state = |from, became| Event::state(ABOUT, from, became);
    let rows = [
        (
            state(State::Stopped, Became::Starting { tries: 0 }),
            "PROCESS_STATE_STARTING",
            "processname:cat groupname:pets from_state:STOPPED tries:0",
        ),
        (
            state(State::Starting, Became::Backoff { tries: 4 }),
            "PROCESS_STATE_BACKOFF",
            "processname:cat groupname:pets from_state:STARTING tries:4",
        ),
        (
            state(State::Starting, Became::Running { pid: 7 }),
            "PROCESS_STATE_RUNNING",
            "processname:cat groupname:pets from_state:STARTING pid:7",
        ),
        (
            state(State::Running, Became::Stopping { pid: 7 }),
            "PROCESS_STATE_STOPPING",
            "processname:cat groupname:pets from_state:RUNNING pid:7",
        ),
        (
            state(State::Backoff, Became::Stopped { pid: 0 }),
            "PROCESS_STATE_STOPPED",
            "processname:cat groupname:pets from_state:BACKOFF pid:0",
        ),
        (
            state(State::Running, Became::Exited { expected: false, pid: 7 }),
            "PROCESS_STATE_EXITED",
            "processname:cat groupname:pets from_state:RUNNING expected:0 pid:7",
        ),
        (
            state(State::Running, Became::Exited { expected: true, pid: 7 }),
            "PROCESS_STATE_EXITED",
            "processname:cat groupname:pets from_state:RUNNING expected:1 pid:7",
        ),
        (
            state(State::Backoff, Became::Fatal),
            "PROCESS_STATE_FATAL",
            "processname:cat groupname:pets from_state:BACKOFF",
        ),
        (
            state(State::Stopping, Became::Unknown),
            "PROCESS_STATE_UNKNOWN",
            "processname:cat groupname:pets from_state:STOPPING",
        ),
        (
            Event::log(ABOUT, Channel::Stdout, 7, b"a\nb\n"),
            "PROCESS_LOG_STDOUT",
            "processname:cat groupname:pets pid:7 channel:stdout\na\nb\n",
        ),
        (
            Event::log(ABOUT, Channel::Stderr, 7, b"\xff"),
            "PROCESS_LOG_STDERR",
            "processname:cat groupname:pets pid:7 channel:stderr\nUndecodable: b'\\xff'",
        ),
        (
            Event::communication(ABOUT, Channel::Stdout, 7, b""),
            "PROCESS_COMMUNICATION_STDOUT",
            "processname:cat groupname:pets pid:7\n",
        ),
        (
            Event::communication(ABOUT, Channel::Stderr, 7, b"it's\xc3"),
            "PROCESS_COMMUNICATION_STDERR",
            "processname:cat groupname:pets pid:7\nUndecodable: b\"it's\\xc3\"",
        ),
        (Event::remote("a b:c", "x\ny"), "REMOTE_COMMUNICATION", "type:a b:c\nx\ny"),
        (Event::supervisor(Phase::Running), "SUPERVISOR_STATE_CHANGE_RUNNING", ""),
        (Event::supervisor(Phase::Stopping), "SUPERVISOR_STATE_CHANGE_STOPPING", ""),
        (Event::group("pets", Change::Added), "PROCESS_GROUP_ADDED", "groupname:pets\n"),
        (Event::group("pets", Change::Removed), "PROCESS_GROUP_REMOVED", "groupname:pets\n"),
        (Event::tick(Kind::Tick5, 1_795_226_180), "TICK_5", "when:1795226180"),
    ];
    for (event, name, payload) in rows {
        assert_eq!((event.kind().name(), event.payload()), (name, payload));
    }
}

#[test]
fn headers_are_to_the_letter() {
    let mut bed = Bed::new(&[pool("p", 10, "REMOTE_COMMUNICATION", &[3])]);
    bed.up(3);
    // The length is in code points.
    bed.put(Input::Happened(vec![Event::remote("typ", "dätä")]));
    let expected = "ver:3.0 server:supervisor serial:0 pool:p poolserial:0 eventname:REMOTE_COMMUNICATION len:13\n\
                    type:typ\ndätä";
    assert_eq!(bed.deliver(), [(3, expected.to_owned())]);
    bed.say(3, 1, OK);
    bed.put(Input::Happened(vec![Event::remote("", "")]));
    let sent = bed.deliver();
    assert!(
        sent[0].1.ends_with(
            "serial:1 pool:p poolserial:1 eventname:REMOTE_COMMUNICATION len:6\ntype:\n"
        )
    );
}

#[test]
fn serials_count_what_some_pool_takes() {
    let pools = [pool("a", 10, "PROCESS_GROUP", &[1]), pool("b", 10, "EVENT", &[2])];
    let mut bed = Bed::new(&pools[..1]);
    bed.up(1);
    assert!(bed.exchange.wants(Kind::ProcessGroupAdded) && !bed.exchange.wants(Kind::Tick5));
    bed.happen(0..3);
    assert_eq!(bed.exchange.serial(), 0, "nobody asked");
    bed.put(Input::Pools(pools.to_vec()));
    bed.up(2);
    bed.happen(0..2);
    bed.put(Input::Happened(vec![Event::group("g", Change::Added)]));
    bed.deliver();
    bed.say(2, 1, OK);
    bed.deliver();
    bed.say(2, 1, OK);
    let sent = bed.deliver();
    assert!(sent[0].1.starts_with("ver:3.0 server:supervisor serial:2 pool:b poolserial:2 "));
    bed.put(Input::Happened(vec![Event::group("g", Change::Added)]));
    bed.say(1, 1, OK);
    let sent = bed.deliver();
    assert!(sent[0].1.starts_with("ver:3.0 server:supervisor serial:3 pool:a poolserial:1 "));
}

#[test]
fn overlapping_subscriptions_deliver_once() {
    let mut bed = Bed::new(&[pool("p", 10, "REMOTE_COMMUNICATION,EVENT", &[1])]);
    bed.up(1);
    bed.happen(0..1);
    assert_eq!(bed.numbers(), [(1, 0)]);
    bed.say(1, 1, OK);
    assert_eq!(bed.numbers(), []);
}

#[test]
fn the_first_that_runs_and_is_ready_is_sent_the_oldest() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[5, 4, 6])]);
    for slot in [4, 5, 6] {
        bed.spawn(slot, 1);
    }
    // Ready before it runs: remembered.
    bed.say(5, 1, "READY\n");
    bed.happen(0..4);
    assert_eq!(bed.numbers(), []);
    bed.running(4, 1, true);
    bed.running(6, 1, true);
    bed.say(6, 1, "READY\n");
    assert_eq!(bed.numbers(), [(6, 0)]);
    bed.running(5, 1, true);
    assert_eq!(bed.numbers(), [(5, 1)]);
    bed.say(4, 1, "REA");
    bed.say(4, 1, "DY\n");
    assert_eq!(bed.numbers(), [(4, 2)]);
    bed.say(6, 1, OK);
    assert_eq!(bed.numbers(), [(6, 3)]);
    bed.say(4, 1, OK);
    bed.say(5, 1, OK);
    bed.happen(4..5);
    assert_eq!(bed.numbers(), [(5, 4)]);
    bed.running(4, 1, false);
    bed.happen(5..6);
    assert_eq!(bed.numbers(), []);
}

#[test]
fn lines_of_a_good_listener() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.up(1);
    bed.happen(0..1);
    bed.deliver();
    bed.say(1, 1, OK);
    let expected = [
        "D 'l1' stdout output:\nb'READY\\n'",
        "D l1: ACKNOWLEDGED -> READY",
        "D event 0 sent to listener l1",
        "D 'l1' stdout output:\nb'RESULT 2\\nOKREADY\\n'",
        "D l1: event was processed",
        "D l1: BUSY -> ACKNOWLEDGED",
        "D l1: ACKNOWLEDGED -> READY",
    ];
    assert_eq!(bed.said(Level::Debug), expected);
    bed.exchange.log_from(Level::Info);
    bed.happen(1..2);
    assert_eq!(bed.said(Level::Debug), [""; 0]);
}

#[test]
fn what_a_dead_listener_had_goes_to_the_next_at_once() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1, 2])]);
    bed.up(1);
    bed.up(2);
    bed.happen(0..3);
    assert_eq!(bed.numbers(), [(1, 0), (2, 1)]);
    bed.lines.clear();
    bed.put(Input::Ended { slot: 1, instance: 1 });
    let again = "D rebuffering event 0 for pool p (buf size=1, max=10)";
    assert_eq!(bed.said(Level::Debug), [again]);
    bed.say(2, 1, OK);
    assert_eq!(bed.numbers(), [(2, 0)]);
    // Its next life begins anew; what the last one said is too late.
    bed.say(1, 1, OK);
    bed.spawn(1, 2);
    bed.running(1, 2, true);
    bed.say(1, 2, "READY\n");
    assert_eq!(bed.numbers(), [(1, 2)]);
    bed.running(1, 1, false);
    bed.put(Input::Ended { slot: 1, instance: 1 });
    bed.say(1, 2, "RESULT 2\nOK");
    bed.lines.clear();
    bed.say(1, 2, "READY\n");
    assert_eq!(bed.said(Level::Debug).len(), 2, "still there");
}

#[test]
fn a_standard_input_that_nobody_reads() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1, 2])]);
    bed.up(1);
    bed.up(2);
    bed.happen(0..2);
    let sends = std::mem::take(&mut bed.outputs);
    assert!(matches!(sends[..], [Output::Send { slot: 1, .. }, Output::Send { slot: 2, .. }]));
    bed.put(Input::Staged { slot: 1, instance: 1, done: 3 });
    bed.lines.clear();
    bed.put(Input::Broken { slot: 1, instance: 1 });
    let expected = [
        "D epipe occurred while sending event 0 to listener l1, listener state unchanged",
        "D rebuffering event 0 for pool p (buf size=0, max=10)",
    ];
    assert_eq!(bed.said(Level::Debug), expected);
    bed.outputs.clear();
    bed.put(Input::Staged { slot: 2, instance: 1, done: 1_000 });
    bed.put(Input::Spliced { slot: 2, instance: 1 });
    bed.outputs.clear();
    bed.say(2, 1, OK);
    assert_eq!(bed.numbers(), [(2, 0)]);
    // It is ready, says the reference, but never sent anything again in this life.
    bed.say(2, 1, "RESULT 2\nOK");
    bed.happen(2..3);
    assert_eq!(bed.numbers(), []);
    bed.spawn(1, 2);
    bed.running(1, 2, true);
    bed.say(1, 2, "READY\n");
    assert_eq!(bed.numbers(), [(1, 2)]);
}

#[test]
fn a_listener_that_breaks_the_protocol_is_named_and_restarted() {
    let mut bed = Bed::new(&[pool("p", 10, "REMOTE_COMMUNICATION", &[1])]);
    let unknown = "W l1: has entered the UNKNOWN state and will no longer receive events, this usually indicates the \
                   process violated the eventlistener protocol";
    bed.up(1);
    bed.happen(0..1);
    bed.deliver();
    bed.lines.clear();
    bed.say(1, 1, "FOOBAR 2\nOK");
    let expected = [
        "D 'l1' stdout output:\nb'FOOBAR 2\\nOK'",
        "W l1: bad result line: 'FOOBAR 2'",
        "D l1: BUSY -> UNKNOWN",
        unknown,
        "W l1: is stopped and started again now",
        "D rebuffering event 0 for pool p (buf size=0, max=10)",
    ];
    assert_eq!(bed.said(Level::Debug), expected);
    assert_eq!(bed.outputs, [Output::Restart { slot: 1, instance: 1 }]);
    bed.outputs.clear();
    bed.say(1, 1, "READY\n");
    assert_eq!(bed.said(Level::Debug), [""; 0], "nobody listens any more");
    let mut instance = 1;
    for (wait, text) in [
        (1, "in 1 second"),
        (2, "in 2 seconds"),
        (4, "in 4 seconds"),
        (8, "in 8 seconds"),
        (16, "in 16 seconds"),
        (32, "in 32 seconds"),
        (60, "in 60 seconds"),
        (60, "in 60 seconds"),
    ] {
        bed.put(Input::Ended { slot: 1, instance });
        instance += 1;
        bed.spawn(1, instance);
        bed.running(1, instance, true);
        bed.lines.clear();
        bed.say(1, instance, "hello, world\n");
        let again = format!("W l1: is stopped and started again {text}");
        assert_eq!(bed.said(Level::Warn), [unknown, &*again]);
        assert_eq!((bed.outputs.len(), bed.due()), (0, Some(wait * 1_000)));
        bed.pass(wait as u64 * 1_000);
        bed.put(Input::Timer);
        assert_eq!(bed.outputs, [Output::Restart { slot: 1, instance }]);
        assert_eq!(bed.due(), None);
        bed.outputs.clear();
    }
    // An end that comes first needs no restart; after two quiet minutes all is forgiven.
    bed.spawn(1, 77);
    bed.say(1, 77, "hello, world\n");
    bed.put(Input::Ended { slot: 1, instance: 77 });
    assert_eq!(bed.due(), None);
    bed.pass(120_001);
    bed.spawn(1, 78);
    bed.say(1, 78, "READY\n!");
    assert_eq!(bed.outputs, [Output::Restart { slot: 1, instance: 78 }]);
}

#[test]
fn a_long_event_goes_in_rounds() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.up(1);
    bed.put(Input::Happened(vec![Event::remote("t", &"x".repeat(100)), event(7)]));
    let (slot, instance) = (1, 1);
    let Some(Output::Send { event, from: 0, .. }) = bed.outputs.pop() else { panic!() };
    for done in [50, 120] {
        bed.put(Input::Staged { slot, instance, done });
        assert_eq!(bed.outputs, [Output::Splice { slot, instance }]);
        bed.put(Input::Staged { slot, instance, done: done + 1 });
        assert_eq!(bed.outputs.len(), 1, "it was said already");
        bed.outputs.clear();
        bed.put(Input::Spliced { slot, instance });
        let expected = Output::Send { slot, instance, event: event.clone(), from: done };
        assert_eq!(bed.outputs, [expected]);
        bed.outputs.clear();
        bed.put(Input::Spliced { slot, instance });
        assert_eq!(bed.outputs, []);
    }
    // It answers before it has read all: the next event waits for the rest of this one.
    bed.say(1, 1, OK);
    assert_eq!(bed.outputs, []);
    bed.put(Input::Staged { slot, instance, done: event.len() });
    assert_eq!(bed.outputs, [Output::Splice { slot, instance }]);
    bed.outputs.clear();
    bed.put(Input::Spliced { slot, instance });
    assert_eq!(bed.numbers(), [(1, 7)]);
}

#[test]
fn chunks_that_come_again_are_dropped() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1])]);
    bed.up(1);
    let told = |instance, turn, n| Input::Told {
        slot: 9,
        instance,
        channel: Channel::Stderr,
        turn,
        events: vec![event(n)],
    };
    for input in [told(4, 1, 0), told(4, 1, 1), told(4, 3, 2), told(4, 3, 3), told(3, 9, 4)] {
        bed.put(input);
    }
    assert_eq!(bed.exchange.turn(9, Channel::Stderr, 4), 3);
    assert_eq!(bed.exchange.turn(9, Channel::Stdout, 4), 0);
    assert_eq!(bed.exchange.turn(9, Channel::Stderr, 5), 0);
    bed.put(told(5, 1, 5));
    assert_eq!(bed.exchange.turn(9, Channel::Stderr, 5), 1);
    for n in [0, 2, 5] {
        assert_eq!(bed.numbers(), [(1, n)]);
        let turn = bed.turn;
        bed.put(Input::Heard { slot: 1, instance: 1, turn, bytes: b"!".to_vec() });
        bed.say(1, 1, OK);
    }
    assert_eq!(bed.numbers(), []);
    assert!(bed.exchange.turn(1, Channel::Stdout, 1) > 1);
}

#[test]
fn ticks_come_to_those_who_ask() {
    let ticks = [pool("p", 10, "TICK_5,TICK_60", &[1]), pool("q", 10, "PROCESS_STATE", &[2])];
    let mut bed = Bed::new(&ticks[1..]);
    assert_eq!(bed.due(), None);
    bed.put(Input::Pools(ticks.to_vec()));
    bed.up(1);
    assert_eq!(bed.due(), Some(4_000));
    bed.put(Input::Timer);
    assert_eq!(bed.deliver(), []);
    bed.pass(4_010);
    bed.put(Input::Timer);
    let sent = bed.deliver();
    assert!(sent[0].1.ends_with("poolserial:0 eventname:TICK_5 len:15\nwhen:1795226185"));
    assert_eq!(bed.due(), Some(4_990));
    bed.say(1, 1, OK);
    bed.pass(600_000);
    bed.put(Input::Timer);
    assert!(bed.deliver()[0].1.ends_with("TICK_5 len:15\nwhen:1795226785"));
    bed.say(1, 1, OK);
    assert!(bed.deliver()[0].1.ends_with("TICK_60 len:15\nwhen:1795226760"));
    bed.say(1, 1, OK);
    assert_eq!(bed.deliver(), []);
    bed.put(Input::Pools(ticks[1..].to_vec()));
    assert_eq!(bed.due(), None);
}

#[test]
fn pools_that_change() {
    let mut bed = Bed::new(&[pool("p", 10, "EVENT", &[1, 2]), pool("q", 10, "EVENT", &[3])]);
    (1..=3).for_each(|slot| bed.up(slot));
    bed.happen(0..3);
    assert_eq!(bed.numbers(), [(1, 0), (3, 0), (2, 1)]);
    // 1 goes and 4 comes: what 1 had waits, 2 goes on with what it has.
    bed.put(Input::Pools(vec![pool("p", 9, "EVENT", &[4, 2])]));
    let gone = "W pool q is removed with 2 events that no listener has taken";
    assert_eq!(bed.said(Level::Warn), [gone]);
    assert_eq!(bed.numbers(), []);
    bed.say(1, 1, OK);
    bed.say(2, 1, OK);
    assert_eq!(bed.numbers(), [(2, 0)]);
    bed.up(4);
    assert_eq!(bed.numbers(), [(4, 2)]);
    // The same again changes nothing, and a pool that comes again begins anew.
    let length = bed.tape.len();
    bed.put(Input::Pools(vec![pool("p", 9, "EVENT", &[4, 2])]));
    assert_eq!(bed.tape.len(), length);
    bed.put(Input::Pools(vec![pool("q", 10, "EVENT", &[5])]));
    bed.up(5);
    bed.happen(3..4);
    assert!(bed.deliver()[0].1.contains(" serial:3 pool:q poolserial:0 "));
}
