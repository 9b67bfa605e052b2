//! Tests: groups that come and go, whole trees, sockets of FastCGI groups, shutdowns that may not take long.

use privsep::reply::Stage;
use privsep::request::{End, Instance, Request, Slot, Whom};

use super::world::{World, alone, failure, moment, program, settings};
use super::{Input, Kept, State, Trouble};
use crate::config::settings::{Group, Of, Process, Settings};

fn spawn(slot: Slot) -> Request {
    Request::Spawn { slot }
}

fn ack(slot: Slot, instance: Instance) -> Request {
    Request::Ack { slot, instance }
}

fn signal(slot: Slot, instance: Instance, signo: u8, whom: Whom) -> Request {
    Request::Signal { slot, instance, signo, whom }
}

/// Settings with one group in these slots.
fn group_at(name: &str, priority: i64, slots: &[Slot]) -> Settings {
    let mut settings = settings(Vec::new());
    for slot in slots {
        let process = Process { group: name.to_owned(), ..program(&format!("{name}{slot}")) };
        settings.processes.insert(*slot, process);
    }
    let (name, slots) = (name.to_owned(), slots.to_vec());
    settings.groups.push(Group { name, priority, of: Of::Programs, slots });
    settings
}

#[test]
fn an_added_group_starts_what_starts_by_itself_as_listed() {
    let mut world = World::running(alone(program("a")));
    let mut latest = group_at("late", 5, &[9, 3, 4]);
    latest.processes.get_mut(&3).unwrap().autostart = false;
    world.add(&latest, "late");
    assert_eq!(world.take_asks(), [spawn(9), spawn(4)]);
    assert_eq!(world.state(3), State::Stopped);
    assert_eq!(world.state(0), State::Running);
    world.send(Input::SetOut { slots: vec![9, 3, 4, 77] });
    assert_eq!(world.take_asks(), [], "once");
    world.spawned(9, 1);
    world.until(world.ms + 1_001);
    assert_eq!(world.state(9), State::Running);
}

#[test]
fn a_group_is_removed_when_all_of_it_is_stopped() {
    let mut world = World::running(settings(vec![("g", 5, vec![program("a"), program("b")])]));
    assert_eq!(world.remove("x"), Err(Kept::Unknown));
    world.stop(1, &[0], true);
    world.exited(0, 1, 15);
    assert_eq!(world.remove("g"), Err(Kept::Running));
    world.stop(2, &[1], false);
    assert_eq!(world.remove("g"), Err(Kept::Running), "STOPPING is not stopped");
    world.exited(1, 1, 15);
    world.forget();
    assert_eq!(world.remove("g"), Ok(vec![0, 1]));
    assert_eq!(world.take_asks(), []);
    assert_eq!((world.heart.state(0), world.heart.next()), (None, None));
    assert!(world.heart.is_free(0));
    world.stop(3, &[0], true);
    assert!(matches!(world.take_replies()[0].1[0], (0, Err(Trouble::Failed(_)))));
}

#[test]
fn alarms_and_waiting_starts_go_with_the_group() {
    let mut world = World::new(settings(vec![("g", 5, vec![program("a")])]));
    for _ in 0..4 {
        world.spawn_failed(0, Stage::Fork, 11);
        world.until(world.ms + 3_000);
    }
    assert_eq!(world.state(0), State::Fatal);
    world.start(1, &[0], true);
    assert_eq!(world.take_replies(), []);
    world.remove("g").unwrap();
    let replies = world.take_replies();
    assert!(matches!(replies[0].1[0], (0, Err(Trouble::Failed(_)))), "{replies:?}");
    world.probed(0);
    assert_eq!(world.heart.next(), None);
}

#[test]
fn a_slot_that_is_used_again_has_no_past() {
    let mut world = World::running(settings(vec![("g", 5, vec![program("a")])]));
    world.exited(0, 1, 0x300);
    world.spawned(0, 2);
    world.stop(1, &[0], true);
    world.exited(0, 2, 15);
    world.remove("g").unwrap();
    world.forget();
    world.add(&group_at("h", 1, &[0]), "h");
    assert_eq!(world.take_asks(), [spawn(0)]);
    let info = world.info(0);
    assert_eq!((info.stop, info.exitstatus, info.spawnerr.as_str()), (None, None, ""));
    // The spawner goes on counting.
    world.spawned(0, 3);
    assert_eq!(world.info(0).pid, 103);
    world.die();
    world.heart.adopt(0, 3, 103);
    world.send(Input::Begin);
    assert_eq!(world.state(0), State::Starting);
    assert_eq!(world.asks, []);
}

#[test]
fn what_belongs_to_no_group_is_killed_and_acknowledged() {
    let mut world = World::before(alone(program("a")));
    world.heart.adopt(7, 4, 104);
    world.send(Input::Begin);
    assert_eq!(world.take_asks(), [signal(7, 4, 9, Whom::Tree), spawn(0)]);
    let line = "WARN killing process 104 with SIGKILL: it belongs to no group any more";
    assert_eq!(world.take_lines(), [line]);
    assert!(!world.heart.is_free(7));
    // A start that a former broker had asked for comes to something.
    world.spawned(8, 1);
    assert_eq!(world.take_asks(), [signal(8, 1, 9, Whom::Tree)]);
    // Its slot is used again before it is gone: that waits.
    world.add(&group_at("h", 1, &[7]), "h");
    assert_eq!(world.take_asks(), []);
    assert_eq!(world.state(7), State::Starting);
    world.exited(7, 4, 9);
    assert_eq!(world.take_asks(), [ack(7, 4), spawn(7)]);
    world.exited(8, 1, 9);
    assert_eq!(world.take_asks(), [ack(8, 1)]);
    assert!(world.heart.is_free(8));
}

#[test]
fn an_unknown_process_does_not_keep_its_group() {
    let mut world = World::running(settings(vec![("g", 5, vec![program("a")])]));
    world.stop(1, &[0], false);
    world.send(Input::SignalFailed { slot: 0, instance: 1, errno: 1 });
    assert_eq!(world.state(0), State::Unknown);
    world.forget();
    world.remove("g").unwrap();
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Tree)]);
    assert!(!world.heart.is_free(0));
    world.send(Input::SignalFailed { slot: 0, instance: 1, errno: 1 });
    world.exited(0, 1, 0);
    assert_eq!(world.take_asks(), [ack(0, 1)]);
    assert!(world.heart.is_free(0));
}

#[test]
fn groups_added_later_come_after_their_equals() {
    let mut world =
        World::running(settings(vec![("b", 5, vec![program("b")]), ("c", 9, vec![program("c")])]));
    world.add(&group_at("a", 5, &[2]), "a");
    world.spawned(2, 1);
    world.forget();
    world.send(Input::Shutdown);
    assert_eq!(world.take_asks(), [signal(1, 1, 15, Whom::Process)]);
    assert_eq!(world.take_lines(), ["INFO waiting for b, a2, c to die"]);
    world.exited(1, 1, 0);
    let (first, second) = (signal(2, 1, 15, Whom::Process), signal(0, 1, 15, Whom::Process));
    assert_eq!(world.take_asks(), [ack(1, 1), first, second], "the last of them first");
}

#[test]
fn a_pool_starts_before_everything_else() {
    let mut all = settings(vec![("a", 999, vec![program("a")]), ("l", -1, vec![program("l")])]);
    let (buffer_size, events) = (10, vec!["TICK_5".to_owned()]);
    all.groups[1].of = Of::Pool { buffer_size, events, result_handler: String::new() };
    let mut world = World::new(all);
    assert_eq!(world.take_asks(), [spawn(1), spawn(0)]);
}

fn tree() -> Process {
    Process { killtree: true, ..program("a") }
}

#[test]
fn a_stop_of_the_tree_leaves_no_descendant() {
    let mut world = World::running(alone(tree()));
    world.stop(1, &[0], true);
    assert_eq!(world.take_asks(), [signal(0, 1, 15, Whom::Process)]);
    world.exited(0, 1, 15);
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Tree), ack(0, 1)]);
    assert_eq!(world.state(0), State::Stopped);
    // Nothing was left.
    world.send(Input::SignalFailed { slot: 0, instance: 1, errno: 3 });
    assert_eq!(world.state(0), State::Stopped);
    let mut world = World::running(alone(tree()));
    world.stop(1, &[0], true);
    world.until(world.ms + 9_999);
    world.forget();
    world.until(world.ms + 1);
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Tree)]);
}

#[test]
fn an_end_of_its_own_leaves_the_tree_alone() {
    let mut world = World::running(alone(tree()));
    world.exited(0, 1, 0);
    assert_eq!(world.take_asks(), [ack(0, 1)]);
}

#[test]
fn a_successor_kills_the_tree_that_was_to_be() {
    let mut world = World::running(alone(tree()));
    world.stop(1, &[0], true);
    world.exited(0, 1, 15);
    // The former broker wrote its journal and died before it had asked for anything.
    world.die();
    world.heart.adopt(0, 1, 101);
    world.send(Input::Begin);
    world.exited(0, 1, 15);
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Tree), ack(0, 1)]);
}

fn fcgi() -> Settings {
    let programs = vec![program("a"), program("b")];
    let mut settings = settings(vec![("f", 5, programs)]);
    settings.groups[0].of = Of::FastCgi { socket: "tcp://localhost:9000".into() };
    settings
}

const OPENS: &str = "INFO Creating socket tcp://localhost:9000";
const CLOSES: &str = "INFO Closing socket tcp://localhost:9000";

#[test]
fn the_socket_of_a_group_lives_from_the_first_start_to_the_last_end() {
    let mut world = World::new(settings(Vec::new()));
    world.add(&fcgi(), "f");
    assert_eq!(world.take_lines(), [OPENS, CLOSES, OPENS], "tried once, as the reference does");
    world.spawned(0, 1);
    world.spawned(1, 1);
    world.until(2_000);
    world.forget();
    world.exited(0, 1, 0);
    assert_eq!(world.take_lines(), ["INFO exited: a (exit status 0; expected)"]);
    world.exited(1, 1, 0x100);
    let again = ["WARN exited: b (exit status 1; not expected)", CLOSES, OPENS];
    assert_eq!(world.take_lines(), again);
    let busy = failure(Stage::Socket, 98);
    world.send(Input::SpawnFailed { slot: 1, failure: busy });
    let text = "INFO spawnerr: could not create a socket of 'b': EADDRINUSE";
    assert_eq!(world.take_lines(), [text, CLOSES]);
}

#[test]
fn a_successor_does_not_open_the_socket_again() {
    let mut world = World::new(fcgi());
    world.spawned(0, 1);
    world.spawned(1, 1);
    world.until(2_000);
    world.die();
    world.heart.adopt(0, 1, 101);
    world.heart.adopt(1, 1, 101);
    world.send(Input::Begin);
    assert_eq!(world.take_lines(), [""; 0]);
    world.stop(1, &[0, 1], true);
    world.exited(0, 1, 0);
    world.exited(1, 1, 0);
    assert_eq!(world.take_lines().pop().as_deref(), Some(CLOSES));
}

fn hurried() -> Settings {
    let slow = |name| Process { stopwaitsecs: 600, ..program(name) };
    let group = Process { killasgroup: true, ..slow("b") };
    let mut settings = settings(vec![
        ("low", 1, vec![slow("a"), Process { killtree: true, ..slow("c") }]),
        ("high", 9, vec![group]),
    ]);
    settings.shutdown_timeout = Some(8_000);
    settings
}

#[test]
fn a_shutdown_that_may_not_take_long_kills_what_is_left() {
    let mut world = World::running(hurried());
    world.send(Input::Shutdown);
    assert_eq!(world.take_asks(), [signal(2, 1, 15, Whom::Process)]);
    world.until(world.ms + 7_999);
    assert_eq!(world.take_asks(), []);
    world.forget();
    world.until(world.ms + 1);
    let asks = world.take_asks();
    for kill in
        [signal(2, 1, 9, Whom::Group), signal(1, 1, 9, Whom::Tree), signal(0, 1, 9, Whom::Process)]
    {
        assert!(asks.contains(&kill), "{asks:?}");
    }
    assert!(world.lines.contains(&"WARN killing 'a' (101) with SIGKILL".to_owned()));
    for slot in 0..3 {
        world.exited(slot, 1, 9);
    }
    assert_eq!(world.take_asks().pop(), Some(Request::End(End::Exit)));
}

#[test]
fn a_successor_has_no_more_time_than_was_left() {
    let mut world = World::running(hurried());
    world.send(Input::Shutdown);
    world.until(world.ms + 5_000);
    world.die();
    for slot in 0..3 {
        world.heart.adopt(slot, 1, 101);
    }
    world.send(Input::Begin);
    world.forget();
    let late = moment(2_000 + 8_000).mono;
    assert_eq!(world.heart.next().map(|at| at.min(late)), world.heart.next());
    world.until(9_999);
    assert!(world.take_asks().iter().all(|ask| !matches!(ask, Request::Signal { signo: 9, .. })));
    world.until(10_000);
    assert!(world.take_asks().contains(&signal(0, 1, 9, Whom::Process)));
    // A start that is still on its way is not given the stop signal's time either.
    let mut world = World::new(hurried());
    world.send(Input::Shutdown);
    world.until(8_000);
    world.forget();
    world.spawned(0, 1);
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Process)]);
}
