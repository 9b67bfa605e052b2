//! Tests: what listeners are told, one a row of the table of events.

use privsep::reply::Stage;
use privsep::request::{Request, Whom};

use super::world::{World, alone, program, settings};
use super::{Event, Fact, Input, State};
use crate::config::settings::{Autorestart, Process};

use State::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping, Unknown};

fn state(from: State, to: State, fact: Fact) -> Event {
    Event::State { slot: 0, from, to, fact }
}

fn quick(process: Process) -> Process {
    Process { startsecs: 0, ..process }
}

const PID: Fact = Fact::Pid(101);

#[test]
fn a_life_that_ends_by_itself() {
    for (status, expected) in [(0, true), (0x100, false), (9, false)] {
        let autorestart = Autorestart::Never;
        let mut world = World::new(alone(Process { autorestart, ..program("a") }));
        world.spawned(0, 1);
        world.until(2_000);
        world.exited(0, 1, status);
        assert_eq!(
            world.take_events(),
            [
                state(Stopped, Starting, Fact::Tries(0)),
                state(Starting, Running, PID),
                state(Running, Exited, Fact::Exit { expected, pid: 101 }),
            ]
        );
    }
}

#[test]
fn a_start_after_an_end_is_told_in_order() {
    let mut world = World::new(alone(quick(program("a"))));
    world.spawned(0, 1);
    world.forget();
    world.exited(0, 1, 0x100);
    world.spawned(0, 2);
    let exit = Fact::Exit { expected: false, pid: 101 };
    let again = [
        state(Running, Exited, exit),
        state(Exited, Starting, Fact::Tries(0)),
        state(Starting, Running, Fact::Pid(102)),
    ];
    assert_eq!(world.take_events(), again);
}

#[test]
fn tries_are_counted_up_to_one_more_than_the_retries() {
    let mut world = World::new(alone(Process { startretries: 1, ..program("a") }));
    world.spawned(0, 1);
    world.exited(0, 1, 0);
    world.until(1_100);
    world.spawn_failed(0, Stage::Pipes, 24);
    assert_eq!(
        world.take_events(),
        [
            state(Stopped, Starting, Fact::Tries(0)),
            state(Starting, Backoff, Fact::Tries(1)),
            state(Backoff, Starting, Fact::Tries(1)),
            state(Starting, Backoff, Fact::Tries(2)),
            state(Backoff, Fatal, Fact::None),
        ]
    );
}

#[test]
fn an_end_before_anybody_looked_was_a_run_all_the_same() {
    let mut world = World::new(alone(Process { autorestart: Autorestart::Never, ..program("a") }));
    world.spawned(0, 1);
    world.forget();
    // The deadline has passed; the exit is told first.
    world.ms = 5_000;
    world.exited(0, 1, 0);
    let exit = Fact::Exit { expected: true, pid: 101 };
    assert_eq!(world.take_events(), [state(Starting, Running, PID), state(Running, Exited, exit)]);
}

#[test]
fn a_stop_has_the_process_id_to_the_end() {
    let mut world = World::running(alone(program("a")));
    world.stop(1, &[0], true);
    world.until(20_000);
    world.exited(0, 1, 9);
    let stop = [state(Running, Stopping, PID), state(Stopping, Stopped, PID)];
    assert_eq!(world.take_events(), stop, "SIGKILL is no event");
}

#[test]
fn a_stop_in_backoff_is_stopped_at_once() {
    let mut world = World::new(alone(program("a")));
    world.spawned(0, 1);
    world.exited(0, 1, 0);
    world.forget();
    world.stop(1, &[0], true);
    assert_eq!(world.take_events(), [state(Backoff, Stopped, Fact::Pid(0))]);
}

#[test]
fn a_stop_before_the_start_is_answered_is_told_with_its_process_id() {
    let mut world = World::new(alone(program("a")));
    world.forget();
    world.stop(1, &[0], true);
    assert_eq!(world.take_events(), []);
    world.die();
    world.send(Input::Begin);
    world.spawned(0, 1);
    world.exited(0, 1, 15);
    let told = [state(Starting, Stopping, PID), state(Stopping, Stopped, PID)];
    assert_eq!(world.take_events(), told);

    let mut world = World::new(alone(program("a")));
    world.forget();
    world.stop(1, &[0], true);
    world.spawn_failed(0, Stage::Pipes, 24);
    let told = [state(Starting, Backoff, Fact::Tries(1)), state(Backoff, Stopped, Fact::Pid(0))];
    assert_eq!(world.take_events(), told, "as if it had been told a moment later");
}

#[test]
fn a_refused_signal_is_unknown() {
    let mut world = World::running(alone(program("a")));
    world.stop(1, &[0], true);
    world.send(Input::SignalFailed { slot: 0, instance: 1, errno: 1 });
    let told = [state(Running, Stopping, PID), state(Stopping, Unknown, Fact::None)];
    assert_eq!(world.take_events(), told);
}

#[test]
fn a_shutdown_is_told_before_what_it_stops() {
    let mut world = World::running(alone(program("a")));
    world.send(Input::Shutdown);
    assert_eq!(world.take_events(), [Event::Stopping, state(Running, Stopping, PID)]);
    world.send(Input::Shutdown);
    world.die();
    world.heart.adopt(0, 1, 101);
    world.send(Input::Begin);
    assert_eq!(world.take_events(), [], "a successor repeats nothing");
    world.exited(0, 1, 15);
    assert_eq!(world.take_events(), [state(Stopping, Stopped, PID)]);
}

#[test]
fn a_successor_tells_what_it_alone_has_seen() {
    let mut world = World::running(alone(program("a")));
    world.die();
    world.heart.adopt(0, 1, 101);
    world.send(Input::Begin);
    assert_eq!(world.take_events(), []);
    world.exited(0, 1, 0);
    let exit = Fact::Exit { expected: true, pid: 101 };
    assert_eq!(world.take_events(), [state(Running, Exited, exit)]);
}

#[test]
fn groups_come_and_go() {
    let never = Process { autostart: false, ..program("b") };
    let latest = settings(vec![("h", 1, vec![never])]);
    let mut world = World::new(settings(vec![]));
    world.add(&latest, "h");
    world.remove("h").unwrap();
    let told = [Event::GroupAdded("h".into()), Event::GroupRemoved("h".into())];
    assert_eq!(world.take_events(), told);
}

fn renewed() -> World {
    let mut world = World::running(alone(program("a")));
    world.send(Input::Renew { slot: 0, instance: 1 });
    assert_eq!(world.state(0), Stopping);
    assert!(world.heart.comes_back(0));
    world
}

#[test]
fn what_is_renewed_stops_and_starts_again() {
    for dies in [false, true] {
        let mut world = renewed();
        let stop = Request::Signal { slot: 0, instance: 1, signo: 15, whom: Whom::Process };
        assert_eq!(world.take_asks(), [stop]);
        world.send(Input::Renew { slot: 0, instance: 1 });
        if dies {
            world.die();
            world.heart.adopt(0, 1, 101);
            world.send(Input::Begin);
        }
        world.exited(0, 1, 15);
        let asks = [Request::Ack { slot: 0, instance: 1 }, Request::Spawn { slot: 0 }];
        assert_eq!(world.take_asks(), asks);
        assert_eq!(
            world.take_events(),
            [
                state(Running, Stopping, PID),
                state(Stopping, Stopped, PID),
                state(Stopped, Starting, Fact::Tries(0)),
            ]
        );
        assert!(!world.heart.comes_back(0));
    }
}

#[test]
fn only_the_life_that_was_meant_is_renewed() {
    let mut world = World::running(alone(program("a")));
    world.send(Input::Renew { slot: 0, instance: 2 });
    assert_eq!((world.state(0), world.take_asks()), (Running, vec![]));
    world.stop(1, &[0], false);
    world.forget();
    world.send(Input::Renew { slot: 0, instance: 1 });
    world.exited(0, 1, 15);
    assert_eq!(world.state(0), Stopped, "somebody has stopped it");
}

#[test]
fn a_stop_or_a_shutdown_prevails_over_a_renewal() {
    let mut world = renewed();
    world.stop(1, &[0], true);
    assert_eq!(world.take_replies(), [], "it is waited for");
    world.exited(0, 1, 15);
    assert_eq!(world.take_replies(), [(1, vec![(0, Ok(()))])]);
    assert_eq!(world.state(0), Stopped);

    let mut world = renewed();
    world.send(Input::Shutdown);
    world.exited(0, 1, 15);
    assert_eq!(world.state(0), Stopped);
}
