//! Tests: restarts as one act, over the end of a broker too.

use privsep::request::Request;

use super::State::{Running, Starting, Stopped, Stopping};
use super::world::{World, program, settings};
use super::{Command, Input, Trouble};
use crate::config::settings::Process;

/// `a` and `b` run, `c` never did.
fn three() -> World {
    let c = Process { autostart: false, ..program("c") };
    let groups =
        vec![("one", 1, vec![program("a")]), ("two", 2, vec![program("b")]), ("three", 3, vec![c])];
    let mut world = World::new(settings(groups));
    world.spawned(0, 1);
    world.spawned(1, 1);
    world.until(2_000);
    world.forget();
    world
}

fn restart(world: &mut World, slots: &[u32], wait: bool) {
    world.command(7, Command::Restart { slots: slots.to_vec(), wait });
}

fn spawns(world: &mut World) -> Vec<u32> {
    let asks = world.take_asks().into_iter();
    let spawned = asks.filter_map(|ask| match ask {
        Request::Spawn { slot } => Some(slot),
        _ => None,
    });
    spawned.collect()
}

#[test]
fn all_are_stopped_before_any_is_started() {
    let mut world = three();
    restart(&mut world, &[2, 0, 1], true);
    assert_eq!([0, 1].map(|slot| world.state(slot)), [Stopping; 2]);
    world.exited(1, 1, 15);
    assert_eq!((world.state(1), spawns(&mut world)), (Stopped, vec![]));
    assert!([0, 1, 2].into_iter().all(|slot| world.heart.comes_back(slot)));
    world.exited(0, 1, 15);
    // The first in line holds the others up.
    world.probed(0);
    world.probed(1);
    assert_eq!(spawns(&mut world), [0; 0]);
    world.probed(2);
    assert_eq!(spawns(&mut world), [2, 0, 1]);
    assert!(![0, 1, 2].into_iter().any(|slot| world.heart.comes_back(slot)));
    for (slot, instance) in [(2, 1), (0, 2), (1, 2)] {
        world.spawned(slot, instance);
    }
    assert_eq!(world.take_replies(), []);
    world.until(4_000);
    let outcomes = [0, 1, 2, 0, 1].map(|slot| (slot, Ok(()))).to_vec();
    assert_eq!(world.take_replies(), [(7, outcomes)], "stops, then starts");
}

#[test]
fn a_successor_goes_on_with_it() {
    // Before anything has ended, when one has, and when all have.
    for ended in 0..3 {
        let mut world = three();
        restart(&mut world, &[2, 0, 1], true);
        for slot in 0..ended {
            world.exited(slot, 1, 15);
        }
        assert_eq!(spawns(&mut world), [0; 0]);
        world.die();
        for slot in ended..2 {
            world.heart.adopt(slot, 1, 101);
        }
        world.send(Input::Begin);
        for slot in ended..2 {
            assert_eq!(world.state(slot), Stopping);
            world.exited(slot, 1, 15);
        }
        let mut started = spawns(&mut world);
        started.sort_unstable();
        assert_eq!(started, [0, 1, 2], "{ended}");
        assert!(![0, 1, 2].into_iter().any(|slot| world.heart.comes_back(slot)));
    }
}

#[test]
fn a_start_in_flight_is_restarted_by_a_successor_too() {
    let mut world = World::new(settings(vec![("one", 1, vec![program("a")])]));
    restart(&mut world, &[0], true);
    assert_eq!(world.state(0), Stopping);
    world.die();
    world.send(Input::Begin);
    assert_eq!(spawns(&mut world), [0; 0]);
    world.until(2_500);
    assert_eq!((world.state(0), spawns(&mut world)), (Starting, vec![0]));
}

#[test]
fn a_stop_in_the_midst_prevails() {
    // While it stops, and while it waits for another.
    for ended in [false, true] {
        let mut world = three();
        restart(&mut world, &[0, 1], false);
        if ended {
            world.exited(0, 1, 15);
        }
        world.stop(8, &[0], false);
        assert_eq!(world.take_replies(), [(8, vec![(0, Ok(()))])]);
        if !ended {
            world.exited(0, 1, 15);
        }
        world.exited(1, 1, 15);
        world.probed(0);
        world.probed(1);
        assert_eq!((world.state(0), spawns(&mut world)), (Stopped, vec![1]));
        world.spawned(1, 2);
        let stopped = Err(Trouble::AbnormalTermination);
        let mut outcomes = vec![(0, Ok(())), (1, Ok(()))];
        outcomes.extend([(0, stopped), (1, Ok(()))]);
        assert_eq!(world.take_replies(), [(7, outcomes)]);
        world.die();
        world.heart.adopt(1, 2, 102);
        world.send(Input::Begin);
        assert_eq!(spawns(&mut world), [0; 0], "nor does a successor start it");
    }
}

#[test]
fn a_shutdown_prevails() {
    let mut world = three();
    restart(&mut world, &[0], true);
    world.send(Input::Shutdown);
    world.exited(0, 1, 15);
    let outcomes = vec![(0, Ok(())), (0, Err(Trouble::ShuttingDown))];
    assert_eq!(world.take_replies(), [(7, outcomes)]);
    assert_eq!(spawns(&mut world), [0; 0]);
}

#[test]
fn it_is_the_last_word_over_a_stop_that_goes_on() {
    let mut world = three();
    world.stop(8, &[0], true);
    restart(&mut world, &[0], false);
    world.exited(0, 1, 15);
    world.probed(0);
    assert_eq!(spawns(&mut world), [0]);
    world.spawned(0, 2);
    world.until(4_000);
    assert_eq!(world.state(0), Running);
    let both = vec![(0, Ok(())), (0, Ok(()))];
    assert_eq!(world.take_replies(), [(8, vec![(0, Ok(()))]), (7, both)]);
}

#[test]
fn what_has_become_another_is_not_started() {
    let mut world = three();
    restart(&mut world, &[2, 0], true);
    world.remove("three").unwrap();
    let c = Process { autostart: false, ..program("c") };
    let mut latest = settings(vec![("other", 3, vec![c])]);
    let process = latest.processes.remove(&0).unwrap();
    latest.processes.insert(2, process);
    latest.groups[0].slots = vec![2];
    world.add(&latest, "other");
    world.exited(0, 1, 15);
    world.probed(2);
    world.probed(0);
    assert_eq!(spawns(&mut world), [0]);
}
