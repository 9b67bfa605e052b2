//! Tests: one a row of the transition tables.

use privsep::reply::Stage;
use privsep::request::{Request, Slot, Whom};

use super::world::{World, alone, failure, millis, moment, program, settings};
use super::{Command, Input, State, Trouble};
use crate::config::settings::{Autorestart, Process};

pub(super) fn spawn(slot: Slot) -> Request {
    Request::Spawn { slot }
}

pub(super) fn ack(slot: Slot, instance: u32) -> Request {
    Request::Ack { slot, instance }
}

pub(super) fn signal(slot: Slot, instance: u32, signo: u8, whom: Whom) -> Request {
    Request::Signal { slot, instance, signo, whom }
}

pub(super) const EXIT_1: i32 = 0x100;

#[test]
fn autostart_starts_what_was_never_started_in_group_then_listed_order() {
    let high = Process { priority: 1, ..program("b") };
    let not = Process { autostart: false, ..program("c") };
    let mut world = World::before(settings(vec![
        ("late", 999, vec![program("z")]),
        ("early", 5, vec![program("a"), high, not]),
    ]));
    assert_eq!(world.asks, []);
    world.send(Input::Begin);
    assert_eq!(world.take_asks(), [spawn(1), spawn(2), spawn(0)]);
    assert_eq!(world.state(3), State::Stopped);
    assert_eq!(world.state(1), State::Starting);
    world.send(Input::Begin);
    assert_eq!(world.take_asks(), []);
}

#[test]
fn starting_becomes_running_strictly_after_startsecs() {
    let mut world = World::new(alone(program("a")));
    world.ms = 3;
    world.spawned(0, 1);
    assert_eq!(world.take_lines(), ["INFO spawned: 'a' with pid 101"]);
    let due = moment(1_003).mono + std::time::Duration::from_nanos(1);
    assert_eq!(world.heart.next(), Some(due));
    world.ms = 1_003;
    world.send(Input::Timer);
    assert_eq!(world.state(0), State::Starting);
    world.until(1_004);
    assert_eq!(world.state(0), State::Running);
    let success = "INFO success: a entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)";
    assert_eq!(world.take_lines(), [success]);
    assert_eq!(world.heart.next(), None, "nothing is due while all is well");
    world.ms = 4_003;
    let info = world.info(0);
    assert_eq!((info.pid, info.uptime), (101, millis(4_000)));
}

#[test]
fn no_startsecs_is_running_at_once() {
    for startsecs in [0, -5] {
        let mut world = World::new(alone(Process { startsecs, ..program("a") }));
        world.spawned(0, 1);
        assert_eq!(world.state(0), State::Running);
        world.exited(0, 1, 0);
        assert_eq!(world.state(0), State::Exited);
        assert!(world.lines[1].contains(&format!("> than {startsecs} seconds")));
        assert_eq!(world.lines[2], "INFO exited: a (exit status 0; expected)");
    }
}

#[test]
fn quick_exits_back_off_linearly_and_give_up() {
    let mut world = World::new(alone(program("a")));
    let mut tries = Vec::new();
    for instance in 1..=4u32 {
        assert_eq!(world.take_asks().pop(), Some(spawn(0)));
        tries.push(world.ms);
        world.spawned(0, instance);
        world.forget();
        world.exited(0, instance, 0);
        assert_eq!(world.lines[0], "WARN exited: a (exit status 0; not expected)");
        assert_eq!(world.take_asks(), [ack(0, instance)]);
        if instance < 4 {
            assert_eq!(world.state(0), State::Backoff);
            let wait = u64::from(instance) * 1_000;
            world.until(world.ms + wait - 1);
            assert_eq!(world.asks, []);
            world.until(world.ms + 1);
        }
    }
    assert_eq!(tries, [0, 1_000, 3_000, 6_000]);
    assert_eq!(world.state(0), State::Fatal);
    assert_eq!(
        world.lines[1],
        "INFO gave up: a entered FATAL state, too many start retries too quickly"
    );
    let info = world.info(0);
    assert_eq!(info.spawnerr, "Exited too quickly (process log may have details)");
    assert_eq!(info.exitstatus, None);
    assert_eq!(world.heart.next(), None);
}

#[test]
fn no_startretries_is_one_try() {
    for startretries in [0, -1] {
        let mut world = World::new(alone(Process { startretries, ..program("a") }));
        world.spawn_failed(0, Stage::Fork, 11);
        assert_eq!(world.state(0), State::Fatal);
        let text = "Too many processes in process table to spawn 'a'";
        assert_eq!(world.lines[0], format!("INFO spawnerr: {text}"));
        assert_eq!(world.info(0).spawnerr, text);
    }
}

#[test]
fn the_time_of_the_exit_decides_not_the_time_it_is_heard_of() {
    // The timer came first, the exit was earlier: it never was up.
    let mut world = World::new(alone(program("a")));
    world.spawned(0, 1);
    world.exited(0, 1, 0);
    world.until(1_000);
    world.spawned(0, 2);
    world.until(3_000);
    assert_eq!(world.state(0), State::Running);
    let at = moment(1_500).mono;
    world.send(Input::Exited { slot: 0, instance: 2, status: 0, at });
    assert_eq!(world.state(0), State::Backoff);
    assert_eq!(world.heart.next(), Some(at + millis(2_000)), "second try");
    // Exactly startsecs is not too quick.
    let mut world = World::new(alone(program("a")));
    world.spawned(0, 1);
    world.ms = 1_000;
    world.exited(0, 1, 0);
    assert_eq!(world.state(0), State::Exited);
}

#[test]
fn exits_restart_by_rule() {
    for (rule, status, restarts) in [
        (Autorestart::Never, EXIT_1, false),
        (Autorestart::Unexpected, 0, false),
        (Autorestart::Unexpected, EXIT_1, true),
        (Autorestart::Unexpected, 9, true),
        (Autorestart::Always, 0, true),
    ] {
        let mut world = World::running(alone(Process { autorestart: rule, ..program("a") }));
        world.exited(0, 1, status);
        let mut asks = vec![ack(0, 1)];
        asks.extend(restarts.then_some(spawn(0)));
        assert_eq!(world.take_asks(), asks, "{rule:?} {status}");
    }
}

#[test]
fn unexpected_exits_leave_their_status() {
    let mut world =
        World::running(alone(Process { autorestart: Autorestart::Never, ..program("a") }));
    world.exited(0, 1, 9);
    assert_eq!(world.lines, ["WARN exited: a (terminated by SIGKILL; not expected)"]);
    let info = world.info(0);
    assert_eq!(info.state, State::Exited);
    assert_eq!(info.exitstatus, Some(-1));
    assert_eq!(info.spawnerr, "Bad exit code -1");
    assert_eq!((info.pid, info.stop), (0, Some(moment(2_000).wall)));
}

#[test]
fn stop_waits_reports_and_kills_again_and_again() {
    let mut world =
        World::running(alone(Process { stopwaitsecs: 3, killasgroup: true, ..program("a") }));
    world.stop(7, &[0], true);
    assert_eq!(world.take_asks(), [signal(0, 1, 15, Whom::Process)]);
    assert_eq!(world.take_lines(), ["INFO waiting for a to stop"]);
    assert_eq!(world.state(0), State::Stopping);
    world.until(4_999);
    assert_eq!(world.take_lines(), ["INFO waiting for a to stop"]);
    assert_eq!(world.asks, []);
    world.until(5_000);
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Group)]);
    assert_eq!(world.take_lines(), ["WARN killing 'a' (101) with SIGKILL"]);
    world.until(8_000);
    assert_eq!(world.take_asks(), [signal(0, 1, 9, Whom::Group)]);
    assert_eq!(world.replies, []);
    world.forget();
    world.exited(0, 1, 9);
    assert_eq!(world.lines, ["WARN stopped: a (terminated by SIGKILL)"]);
    assert_eq!(world.replies, [(7, vec![(0, Ok(()))])]);
    assert_eq!(world.state(0), State::Stopped);
    assert_eq!(world.info(0).exitstatus, Some(-1));
    assert_eq!(world.heart.next(), None);
}

#[test]
fn stop_without_waiting_is_answered_at_once() {
    let mut world = World::running(alone(Process { stopasgroup: true, ..program("a") }));
    world.stop(7, &[0], false);
    assert_eq!(world.take_asks(), [signal(0, 1, 15, Whom::Group)]);
    assert_eq!(world.lines, [""; 0]);
    assert_eq!(world.take_replies(), [(7, vec![(0, Ok(()))])]);
    // A second stop finds it not running.
    world.stop(8, &[0], true);
    assert_eq!(world.take_replies(), [(8, vec![(0, Err(Trouble::NotRunning))])]);
    world.exited(0, 1, 0);
    assert_eq!(world.lines, ["INFO stopped: a (exit status 0)"]);
}

#[test]
fn stop_in_backoff_is_at_once_and_forgets_the_count() {
    let mut world = World::new(alone(program("a")));
    world.spawn_failed(0, Stage::Fork, 12);
    assert_eq!(world.state(0), State::Backoff);
    world.stop(1, &[0], true);
    assert_eq!(world.take_replies(), [(1, vec![(0, Ok(()))])]);
    assert_eq!(world.state(0), State::Stopped);
    assert_eq!(world.heart.next(), None);
    world.start(2, &[0], true);
    world.probed(0);
    world.spawn_failed(0, Stage::Fork, 12);
    assert_eq!(world.heart.next(), Some(moment(1_000).mono), "first try anew");
    assert_eq!(world.take_replies(), [(2, vec![(0, Err(Trouble::SpawnError))])]);
}

#[test]
fn a_stop_while_the_start_is_under_way_follows_it() {
    let mut world = World::new(alone(program("a")));
    world.forget();
    world.stop(1, &[0], true);
    assert_eq!((world.state(0), world.take_asks()), (State::Stopping, vec![]));
    world.ms = 500;
    world.spawned(0, 1);
    assert_eq!(world.take_asks(), [signal(0, 1, 15, Whom::Process)]);
    assert_eq!(world.replies, []);
    world.exited(0, 1, 15);
    assert_eq!(world.take_replies(), [(1, vec![(0, Ok(()))])]);
    // Or there is nothing to follow.
    world.start(2, &[0], true);
    world.probed(0);
    world.stop(3, &[0], true);
    world.spawn_failed(0, Stage::Fork, 12);
    assert_eq!(world.state(0), State::Stopped);
    assert_eq!(
        world.take_replies(),
        [(2, vec![(0, Err(Trouble::AbnormalTermination))]), (3, vec![(0, Ok(()))])]
    );
}

#[test]
fn start_tests_the_executable_before_the_state() {
    let mut world = World::running(alone(program("a")));
    for (errno, trouble) in [
        (2, Trouble::NoFile("can't find command '/bin/a'".into())),
        (21, Trouble::NotExecutable("command at '/bin/a' is a directory".into())),
        (8, Trouble::NotExecutable("command at '/bin/a' is not executable".into())),
        (13, Trouble::NotExecutable("no permission to run command '/bin/a'".into())),
    ] {
        world.start(1, &[0], true);
        assert_eq!(world.take_asks(), [Request::Probe { slot: 0 }]);
        let failure = Some(failure(Stage::Find, errno));
        world.send(Input::Probed { slot: 0, failure });
        assert_eq!(world.take_replies(), [(1, vec![(0, Err(trouble))])]);
    }
    world.start(2, &[0], true);
    world.probed(0);
    assert_eq!(world.take_replies(), [(2, vec![(0, Err(Trouble::AlreadyStarted))])]);
}

#[test]
fn a_wrong_command_is_known_without_asking() {
    let text = "can't parse command '\"': No closing quotation";
    let mut world = World::new(alone(Process {
        command_error: Some(text.into()),
        startretries: 1,
        ..program("a")
    }));
    assert_eq!(world.asks, []);
    assert_eq!(world.take_lines(), [format!("INFO spawnerr: {text}")]);
    assert_eq!(world.state(0), State::Backoff);
    world.start(1, &[0], true);
    let trouble = Trouble::NotExecutable(text.into());
    assert_eq!(world.take_replies(), [(1, vec![(0, Err(trouble))])]);
    world.until(1_000);
    assert_eq!(world.state(0), State::Fatal);
    assert_eq!(world.info(0).spawnerr, text);
    assert_eq!(world.asks, []);
}

#[test]
fn start_waits_for_the_outcome() {
    let manual = Process { autostart: false, ..program("a") };
    let ok = |world: &mut World| {
        world.start(1, &[0], true);
        world.probed(0);
        assert_eq!(world.take_asks().pop(), Some(spawn(0)));
        world.spawned(0, 1);
        assert_eq!(world.replies, []);
    };
    let mut world = World::new(alone(manual.clone()));
    ok(&mut world);
    world.until(1_001);
    assert_eq!(world.take_replies(), [(1, vec![(0, Ok(()))])]);

    let mut world = World::new(alone(manual.clone()));
    ok(&mut world);
    world.exited(0, 1, 0);
    assert_eq!(world.take_replies(), [(1, vec![(0, Err(Trouble::SpawnError))])]);
    assert_eq!(world.state(0), State::Backoff, "retries go on");

    let mut world = World::new(alone(manual.clone()));
    ok(&mut world);
    world.stop(2, &[0], false);
    let replies = world.take_replies();
    assert_eq!(replies[0], (1, vec![(0, Err(Trouble::AbnormalTermination))]));

    let mut world = World::new(alone(manual));
    world.start(1, &[0], false);
    world.probed(0);
    assert_eq!(world.replies, []);
    world.spawned(0, 1);
    assert_eq!(world.take_replies(), [(1, vec![(0, Ok(()))])]);
}

#[test]
fn start_while_stopping_does_nothing() {
    let mut world = World::running(alone(program("a")));
    world.stop(1, &[0], false);
    world.forget();
    world.start(2, &[0], true);
    world.probed(0);
    world.start(3, &[0], false);
    world.probed(0);
    assert_eq!(
        world.take_replies(),
        [(2, vec![(0, Err(Trouble::AbnormalTermination))]), (3, vec![(0, Ok(()))])]
    );
    assert_eq!(world.lines[0], "WARN process 'a' already running");
}

#[test]
fn several_start_in_order_whatever_order_the_answers_have() {
    let manual = |name| Process { autostart: false, startsecs: 0, ..program(name) };
    let programs = vec![manual("a"), manual("b"), manual("c")];
    let mut world = World::new(settings(vec![("g", 1, programs)]));
    world.start(1, &[2, 0, 1], true);
    let probe = |slot| Request::Probe { slot };
    assert_eq!(world.take_asks(), [probe(2), probe(0), probe(1)]);
    world.probed(1);
    world.probed(0);
    assert_eq!(world.asks, []);
    world.probed(2);
    assert_eq!(world.take_asks(), [spawn(2), spawn(0), spawn(1)]);
    world.ms = 1;
    world.spawned(0, 1);
    world.ms = 2;
    world.spawn_failed(1, Stage::Pipes, 24);
    assert_eq!(world.lines[2], "INFO spawnerr: too many open files to spawn 'b'");
    world.ms = 3;
    world.spawned(2, 1);
    // With nothing to wait for, they are told in the order of the request.
    let outcomes = vec![(2, Ok(())), (0, Ok(())), (1, Err(Trouble::SpawnError))];
    assert_eq!(world.take_replies(), [(1, outcomes)]);
}

#[test]
fn two_requests_share_one_look_at_the_executable() {
    let mut world = World::new(alone(Process { autostart: false, startsecs: 0, ..program("a") }));
    world.start(1, &[0], true);
    world.start(2, &[0, 0], true);
    assert_eq!(world.take_asks(), [Request::Probe { slot: 0 }]);
    world.probed(0);
    world.spawned(0, 1);
    let again = Err(Trouble::AlreadyStarted);
    assert_eq!(
        world.take_replies(),
        [(2, vec![(0, again.clone()), (0, again)]), (1, vec![(0, Ok(()))])]
    );
}

#[test]
fn signals_go_to_the_process_alone() {
    let mut world = World::running(alone(Process { stopasgroup: true, ..program("a") }));
    let command = |signo| Command::Signal { slots: vec![0], signo };
    world.command(1, command(1));
    assert_eq!(world.take_asks(), [signal(0, 1, 1, Whom::Process)]);
    assert_eq!(world.take_replies(), [(1, vec![(0, Ok(()))])]);
    assert_eq!(world.state(0), State::Running);
    world.command(2, command(0));
    assert_eq!((world.take_asks(), world.take_replies().len()), (vec![], 1));
    world.stop(3, &[0], false);
    world.exited(0, 1, 0);
    world.forget();
    world.command(4, command(1));
    assert_eq!(world.take_replies(), [(4, vec![(0, Err(Trouble::NotRunning))])]);
}

#[test]
fn a_refused_signal_makes_the_state_unknown_until_it_ends() {
    let refused = |errno| Input::SignalFailed { slot: 0, instance: 1, errno };
    let mut world = World::running(alone(program("a")));
    world.stop(1, &[0], true);
    world.send(refused(3));
    assert_eq!(world.state(0), State::Stopping, "it is gone already");
    world.forget();
    world.send(refused(1));
    assert_eq!(world.state(0), State::Unknown);
    let text = "unknown problem killing a (101):EPERM";
    assert_eq!(world.take_lines(), [format!("CRIT {text}")]);
    let failed = Err(Trouble::Failed(text.into()));
    assert_eq!(world.take_replies(), [(1, vec![(0, failed)])]);
    world.start(2, &[0], true);
    world.probed(0);
    world.stop(3, &[0], true);
    assert_eq!(
        world.take_replies(),
        [(2, vec![(0, Err(Trouble::Unknown))]), (3, vec![(0, Err(Trouble::NotRunning))])]
    );
    world.exited(0, 1, 0);
    assert_eq!(world.state(0), State::Stopped);
}

#[test]
fn stale_and_unknown_exits_change_nothing() {
    let mut world = World::running(alone(program("a")));
    world.exited(0, 9, 0);
    assert_eq!(world.take_asks(), [ack(0, 9)]);
    assert_eq!(world.state(0), State::Running);
    world.exited(77, 1, 0);
    assert_eq!(world.take_asks(), [ack(77, 1)], "a slot that nobody has is not waited for");
    world.start(1, &[77], true);
    world.stop(2, &[], true);
    assert_eq!(world.take_replies().len(), 2);
}
