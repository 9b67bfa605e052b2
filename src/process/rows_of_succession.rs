//! Tests: the broker dies and the next one goes on, one a row.

use privsep::reply::Stage;
use privsep::request::{End, Request, Whom};

use super::rows::{EXIT_1, ack, signal, spawn};
use super::world::{World, alone, moment, program, settings};
use super::{Input, State};
use crate::config::settings::{Autorestart, Process};

/// The broker dies with one process in each state; the next one goes on exactly as before.
#[test]
fn a_new_broker_goes_on_as_before() {
    let names = ["run", "start", "back", "stopping", "stopped", "fatal", "exited", "never"];
    let programs = names.map(|name| Process {
        startretries: if name == "fatal" { 0 } else { 3 },
        startsecs: if name == "start" { 10 } else { 1 },
        autostart: name != "never",
        ..program(name)
    });
    let mut world = World::new(settings(vec![("g", 1, programs.to_vec())]));
    for slot in [0, 1, 2, 3, 4, 6] {
        world.spawned(slot, 1);
    }
    world.until(500);
    world.exited(2, 1, 0);
    world.spawn_failed(5, Stage::Find, 2);
    world.until(2_500);
    world.exited(6, 1, 0);
    world.stop(1, &[3, 4], false);
    world.exited(4, 1, 0);
    let before: Vec<_> = (0..8).map(|slot| world.info(slot)).collect();
    world.die();
    world.ms = 4_000;
    for slot in [0, 1, 3] {
        world.heart.adopt(slot, 1, before[slot as usize].pid);
    }
    world.send(Input::Begin);
    assert_eq!(world.take_asks(), [], "a spawn is in doubt, all else as it was");
    world.ms = 2_500;
    let after: Vec<_> = (0..8).map(|slot| world.info(slot)).collect();
    assert_eq!(before, after);
    // The retry of slot 2 was due at 1,500 and was asked for then: nobody knows what came of it.
    world.ms = 4_000;
    world.until(6_000);
    assert_eq!(world.take_asks(), [spawn(2)]);
    world.until(10_000);
    assert_eq!(world.state(1), State::Starting);
    world.until(10_001);
    assert_eq!(world.state(1), State::Running, "ten seconds after its start");
    world.until(12_500);
    assert_eq!(world.take_asks(), [signal(3, 1, 9, Whom::Process)]);
}

#[test]
fn a_retry_comes_on_time_in_the_next_broker() {
    let mut world = World::new(alone(program("a")));
    world.spawn_failed(0, Stage::Fork, 12);
    world.until(400);
    world.die();
    world.send(Input::Begin);
    world.until(999);
    assert_eq!(world.asks, []);
    world.until(1_000);
    assert_eq!(world.take_asks(), [spawn(0)]);
    world.spawn_failed(0, Stage::Fork, 12);
    assert_eq!(world.heart.next(), Some(moment(3_000).mono), "the second wait");
}

#[test]
fn exits_while_no_broker_was_there_count() {
    for adopt in [false, true] {
        let mut world = World::running(alone(program("a")));
        world.die();
        if adopt {
            world.heart.adopt(0, 1, 101);
        }
        world.exited(0, 1, EXIT_1);
        assert_eq!(world.asks, []);
        world.send(Input::Begin);
        assert_eq!(world.take_asks(), [ack(0, 1), spawn(0)]);
        assert_eq!(world.lines, ["WARN exited: a (exit status 1; not expected)"]);
    }
}

#[test]
fn an_end_that_was_noted_but_not_acknowledged_is_told_once_more() {
    let mut world = World::running(alone(program("a")));
    world.exited(0, 1, EXIT_1);
    // It was started again in the journal; neither the ack nor the spawn was sent.
    world.die();
    world.heart.adopt(0, 1, 101);
    world.send(Input::Begin);
    assert_eq!(world.asks, [], "not beside the one that is not acknowledged");
    world.exited(0, 1, EXIT_1);
    assert_eq!(world.take_asks(), [ack(0, 1), spawn(0)]);
    assert_eq!(world.lines, [""; 0], "it was logged before");
}

#[test]
fn what_the_last_start_came_to_is_taken_over() {
    let mut world = World::new(alone(program("a")));
    world.die();
    world.ms = 3_000;
    world.heart.adopt(0, 1, 101);
    world.send(Input::Begin);
    assert_eq!(world.take_lines(), ["INFO spawned: 'a' with pid 101"]);
    world.until(3_000);
    assert_eq!(world.state(0), State::Running, "it has been up for three seconds");
    // Later than the beginning works too.
    let mut world = World::new(alone(program("a")));
    world.die();
    world.send(Input::Begin);
    world.spawned(0, 1);
    world.until(60_000);
    assert_eq!((world.state(0), world.take_asks()), (State::Running, vec![]));
}

#[test]
fn what_vanished_is_started_by_rule() {
    for (rule, asks) in [(Autorestart::Never, vec![]), (Autorestart::Always, vec![spawn(0)])] {
        let mut world = World::running(alone(Process { autorestart: rule, ..program("a") }));
        world.die();
        world.send(Input::Begin);
        assert_eq!(world.take_asks(), asks);
        assert_eq!(world.info(0).pid, 0);
    }
}

#[test]
fn a_shutdown_goes_on_in_the_next_broker() {
    let mut world =
        World::running(settings(vec![("a", 1, vec![program("a")]), ("b", 2, vec![program("b")])]));
    world.send(Input::Shutdown);
    world.die();
    world.heart.adopt(0, 1, 101);
    world.exited(1, 1, 15);
    world.send(Input::Begin);
    assert!(world.heart.shutting_down());
    assert_eq!(world.take_asks(), [ack(1, 1), signal(0, 1, 15, Whom::Process)]);
    world.exited(0, 1, 15);
    assert_eq!(world.take_asks(), [ack(0, 1), Request::End(End::Exit)]);
}

#[test]
fn the_spawner_is_right_and_the_journal_is_not() {
    // It says that this one was stopped; the spawner hands it back and tells of no end.
    let mut world = World::running(alone(program("a")));
    world.stop(1, &[0], false);
    world.exited(0, 1, 0);
    world.die();
    world.heart.adopt(0, 1, 101);
    world.send(Input::Begin);
    world.until(12_000);
    assert_eq!(world.state(0), State::Stopping, "the last word was a stop");
    // A life that it does not know.
    let mut world = World::running(alone(program("a")));
    world.die();
    world.heart.adopt(0, 7, 107);
    world.send(Input::Begin);
    assert_eq!((world.state(0), world.info(0).pid), (State::Starting, 107));
    world.until(3_001);
    assert_eq!(world.state(0), State::Running);
}
