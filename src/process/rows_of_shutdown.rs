//! Tests: going down, one a row.

use privsep::reply::Stage;
use privsep::request::{End, Request, Whom};

use super::rows::{EXIT_1, ack, signal};
use super::world::{World, alone, program, settings};
use super::{Input, State, Trouble};
use crate::config::settings::Process;

#[test]
fn shutdown_goes_down_by_group_priority_equal_ones_side_by_side() {
    let at = |name, priority| Process { priority, ..program(name) };
    let mut world = World::running(settings(vec![
        ("low", 1, vec![at("l", 1)]),
        ("x", 5, vec![at("x1", 1), at("x2", 2)]),
        ("y", 5, vec![at("y1", 7)]),
        ("top", 9, vec![at("t", 1)]),
    ]));
    world.send(Input::Shutdown);
    let term = |slot| signal(slot, 1, 15, Whom::Process);
    assert_eq!(world.take_asks(), [term(4)]);
    assert_eq!(world.take_lines(), ["INFO waiting for l, x1, x2, y1, t to die"]);
    world.until(5_000);
    assert_eq!(world.take_lines(), ["INFO waiting for l, x1, x2, y1, t to die"]);
    world.send(Input::Shutdown);
    world.exited(4, 1, 15);
    assert_eq!(world.take_asks(), [ack(4, 1), term(3), term(2), term(1)]);
    world.exited(2, 1, 15);
    world.exited(3, 1, 15);
    world.forget();
    world.exited(1, 1, 15);
    assert_eq!(world.take_asks(), [ack(1, 1), term(0)]);
    world.exited(0, 1, 15);
    assert_eq!(world.take_asks(), [ack(0, 1), Request::End(End::Exit)]);
    assert_eq!(world.heart.next(), None);
}

#[test]
fn shutdown_starts_nothing_and_gives_up_what_waits() {
    let mut world = World::new(settings(vec![
        ("a", 1, vec![program("backoff"), program("exits")]),
        ("b", 2, vec![program("stays")]),
    ]));
    world.spawn_failed(0, Stage::Fork, 12);
    world.spawned(1, 1);
    world.spawned(2, 1);
    world.until(500);
    world.start(1, &[0], true);
    world.forget();
    world.send(Input::Shutdown);
    assert_eq!(world.take_replies(), [(1, vec![(0, Err(Trouble::ShuttingDown))])]);
    world.until(2_600);
    assert_eq!(world.state(0), State::Backoff);
    world.exited(1, 1, EXIT_1);
    assert_eq!(world.state(1), State::Exited);
    world.forget();
    world.start(2, &[1], true);
    assert_eq!(world.take_replies(), [(2, vec![(1, Err(Trouble::ShuttingDown))])]);
    world.exited(2, 1, 0);
    assert_eq!(world.state(0), State::Fatal);
    assert_eq!(world.take_asks(), [ack(2, 1), Request::End(End::Exit)]);
    assert_eq!(world.take_lines().len(), 1, "no line for what is given up");
}

#[test]
fn what_turns_up_during_a_shutdown_is_stopped_too() {
    let programs = vec![program("a"), program("b")];
    let mut world = World::running(settings(vec![("g", 1, programs)]));
    world.exited(0, 1, 0);
    world.send(Input::Shutdown);
    world.forget();
    world.spawned(0, 2);
    assert_eq!(world.take_asks(), [signal(0, 2, 15, Whom::Process)]);
    world.exited(1, 1, 0);
    world.exited(0, 2, 0);
    assert_eq!(world.asks.last(), Some(&Request::End(End::Exit)));
}

#[test]
fn an_empty_house_ends_at_once() {
    let mut world = World::new(alone(Process { autostart: false, ..program("a") }));
    world.send(Input::Shutdown);
    assert_eq!(world.take_asks(), [Request::End(End::Exit)]);
    assert_eq!(world.lines, [""; 0]);
    world.send(Input::Shutdown);
    assert_eq!(world.asks, []);
}
