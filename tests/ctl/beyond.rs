//! Patterns, waiting, updates that are foretold, work in parallel, colour.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::procfs;
use system_tests::wait::poll_until;

use crate::client::World;

const SLEEP: &str = "/bin/sleep 1000";
const OFF: &str = "autostart=false\nstartsecs=0";

#[test]
fn names_may_be_patterns() {
    let world = World::new(|_, config| {
        let five = "numprocs=5\nprocess_name=worker_%(process_num)d\nautostart=false\nstartsecs=0";
        config
            .program("web-1", SLEEP, OFF)
            .program("web-2", SLEEP, OFF)
            .program("pool", SLEEP, five)
            .program("ab", SLEEP, OFF)
    });
    let said = |line: &str| world.ctl(line);
    let text = |exit, text: &str| (exit, text.to_owned());
    assert_eq!(said("start web-*"), text(0, "web-1: started\nweb-2: started\n"));
    assert_eq!(said("pid web-* nope-*").0, 1);
    assert_eq!(said("signal WINCH web-[12]"), text(0, "web-1: signalled\nweb-2: signalled\n"));
    assert_eq!(said("clear web-? ab"), text(0, "web-1: cleared\nweb-2: cleared\nab: cleared\n"));
    let restarted = "web-2: stopped\nab: ERROR (not running)\nweb-2: started\nab: started\n";
    assert_eq!(said("restart *-2 a?"), text(0, restarted));
    assert_eq!(
        said("start *:worker_[0-1]"),
        text(0, "pool:worker_0: started\npool:worker_1: started\n")
    );
    assert_eq!(
        said("stop *:worker_0 worker_0 worker_1"),
        text(
            1,
            "pool:worker_0: stopped\nworker_0: ERROR (no such process)\nworker_1: ERROR (no such process)\n"
        )
    );
    let (exit, shown) = said("status p*:*_[34] web* nope-*");
    let names: Vec<&str> = shown.lines().filter_map(|line| line.split([' ', ':']).next()).collect();
    assert_eq!((exit, names), (3, vec!["nope-*", "pool", "pool", "web-1", "web-2"]));
    assert_eq!(said("start nope-*"), text(1, "nope-*: ERROR (no such process)\n"));
    assert_eq!(said("stop nope-*"), text(1, "nope-*: ERROR (no such process)\n"));
    assert_eq!(said("status nope-*"), text(4, "nope-*: ERROR (no such process)\n"));
    assert_eq!(said("pid nope-*"), text(1, "No such process nope-*\n"));
}

#[test]
fn a_start_is_waited_for_until_it_runs_or_the_time_is_over() {
    let world = World::new(|_, config| {
        config
            .program("soon", SLEEP, "startsecs=1")
            .program("late", SLEEP, "autostart=false\nstartsecs=3600")
            .program("sick", "/bin/false", "autostart=false\nstartsecs=5\nstartretries=1")
            .program("off", SLEEP, OFF)
    });
    let (exit, text) = world.ctl("start --wait-running off soon off");
    assert_eq!(exit, 0, "{text}");
    assert!(text.starts_with("off: started\nsoon: "), "{text}");
    assert_eq!(world.daemon.state("soon"), "RUNNING");
    let late = "late: ERROR (not running after 0.5 seconds)\n".to_owned();
    assert_eq!(world.ctl("start --timeout 0.5 late"), (7, late));
    assert_eq!(world.daemon.state("late"), "STARTING");
    // Its one retry is waited for, too.
    let sick = "sick: ERROR (abnormal termination)\n".to_owned();
    assert_eq!(world.ctl("start sick --wait-running"), (7, sick));
    assert_eq!(world.daemon.state("sick"), "FATAL");
    assert_eq!(world.ctl("start --wait-running nope x:*").0, 1);
}

#[test]
fn several_are_stopped_at_the_same_time_and_told_in_order() {
    const WAIT: u64 = 4;
    let world = World::new(|room, config| {
        let script =
            room.file("stubborn.sh", "trap '' TERM\necho ready\nwhile :; do sleep 0.1; done\n");
        let command = format!("/bin/sh {}", script.display());
        let keys = format!("startsecs=0\nstopwaitsecs={WAIT}");
        ["a", "b", "c", "d", "e", "f"]
            .iter()
            .fold(config, |c, name| c.program(name, &command, &keys))
    });
    for name in ["a", "b", "c", "d", "e", "f"] {
        poll_until("a program that is ready", || {
            world.ctl(&format!("tail {name}")).1.contains("ready").then_some(())
        });
    }
    let began = Instant::now();
    let (exit, text) = world.ctl("stop f e d c b a");
    assert_eq!(
        (exit, text.as_str()),
        (0, "f: stopped\ne: stopped\nd: stopped\nc: stopped\nb: stopped\na: stopped\n")
    );
    let took = began.elapsed().as_secs();
    assert!(took < 4 * WAIT, "one after the other: {took} s");
}

#[test]
fn an_update_is_foretold() {
    let world = World::new(|_, config| {
        config.program("same", SLEEP, "").program("gone", SLEEP, "").program("changed", SLEEP, "")
    });
    world.daemon.wait_running("changed");
    world.daemon.wait_running("gone");
    assert_eq!(world.ctl("update --dry-run"), (0, String::new()));
    let before = world.daemon.program("changed");
    world.rewrite(|config| {
        config
            .program("same", SLEEP, "")
            .program("changed", "/bin/sleep 1001", "")
            .program("new", SLEEP, "")
    });
    let foretold = "gone: would be removed, stopping gone\nchanged: would be updated, restarting changed\n\
                    new: would be added\n";
    assert_eq!(world.ctl("update --dry-run"), (10, foretold.to_owned()));
    assert_eq!(world.ctl("update new --dry-run"), (10, "new: would be added\n".to_owned()));
    assert_eq!(world.ctl("update same --dry-run"), (0, String::new()));
    assert_eq!(world.ctl("update --dry-run nope").0, 1);
    assert_eq!(world.daemon.program("changed"), before, "nothing was done");
    assert_eq!(world.ctl("update").0, 0);
    assert_eq!(world.ctl("update --dry-run"), (0, String::new()));
}

#[test]
fn restart_with_update_restarts_once() {
    let world = World::new(|room, config| programs(config, &room.text("starts"), "old"));
    let starts = || fs::read_to_string(world.room.path("starts")).unwrap_or_default();
    let count = |text: &str| {
        poll_until("starts", || (starts().matches('\n').count() == 3).then(&starts))
            .matches(text)
            .count()
    };
    assert_eq!(count("old"), 3);
    let other = world.daemon.wait_running("other");
    fs::write(world.room.path("starts"), "").expect("cannot empty a file");
    world.rewrite(|config| programs(config, &world.room.text("starts"), "new"));
    let (exit, text) = world.ctl("restart --update changed");
    assert_eq!(
        (exit, text.as_str()),
        (0, "changed: stopped\nchanged: updated process group\nchanged: started\n")
    );
    let (exit, text) = world.ctl("restart --update pair:left same");
    let expected = "pair: stopped\npair: updated process group\npair:left: started\nsame: ERROR (not running)\nsame: started\n";
    assert_eq!((exit, text.as_str()), (0, expected));
    poll_until("all starts", || (starts().matches('\n').count() >= 4).then_some(()));
    for line in ["changed new\n", "left new\n", "right new\n", "same\n"] {
        assert_eq!(starts().matches(line).count(), 1, "{line:?} in {:?}", starts());
    }
    assert_eq!(world.daemon.program("other"), other, "what was not named is left alone");
    assert_eq!(
        world.ctl("update --dry-run"),
        (10, "other: would be updated, restarting other\n".to_owned())
    );
    assert_eq!(world.ctl("restart --update nope").0, 1);
}

/// Programs that write down their starts; all but `same` change with the word.
fn programs(
    config: system_tests::config::Config,
    starts: &str,
    word: &str,
) -> system_tests::config::Config {
    let command = |name: &str, word: &str| {
        format!("/bin/sh -c 'echo {name} {word} >> {starts}; exec sleep 1000'")
    };
    let same = format!("/bin/sh -c 'echo same >> {starts}; exec sleep 1000'");
    let keys = "startsecs=0";
    config
        .program("changed", &command("changed", word), keys)
        .program("left", &command("left", word), keys)
        .program("right", &command("right", word), keys)
        .section("[group:pair]\nprograms=left,right\n")
        .program("same", &same, "startsecs=0\nautostart=false")
        .program("other", SLEEP, &format!("environment=WORD=\"{word}\""))
}

#[test]
fn colour_is_for_terminals_and_changes_no_width() {
    let world = World::new(|_, config| config.program("one", SLEEP, ""));
    world.daemon.wait_running("one");
    let green = "one                              \x1b[32mRUNNING\x1b[0m   pid ";
    let has = |shown: &[u8]| String::from_utf8_lossy(shown).contains(green);
    let any = |shown: &[u8]| shown.contains(&0x1b);
    assert!(has(&world.on_terminal("status", &[])));
    assert!(!any(&world.on_terminal("status", &[("NO_COLOR", "1")])));
    assert!(!any(&world.on_terminal("--color never status", &[])));
    assert!(!any(&world.run("status").stdout));
    assert!(has(&world.run("--color=always status").stdout));
    assert!(has(&world.run("status --color=always").stdout));
    assert_eq!(world.ctl("--color=red status").0, 2);
}

#[test]
fn an_interrupt_ends_the_wait_for_a_daemon_that_never_answers() {
    let room = system_tests::room::Room::new();
    let path = room.path("silent.sock");
    let listener = UnixListener::bind(&path).expect("cannot bind");
    let url = format!("unix://{}", path.display());
    let mut command = Command::new(Dist::plain().supervisorctl());
    command.args(["-s", &url, "status"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.current_dir(room.dir()).spawn().expect("cannot start the client");
    let (mut stream, _) = listener.accept().expect("cannot accept");
    let mut question = [0; 16];
    stream.read_exact(&mut question).expect("no question");
    let pid = i32::try_from(child.id()).expect("a process id");
    assert!(procfs::signal(pid, Signal::SIGINT));
    let began = Instant::now();
    let status = child.wait().expect("cannot wait");
    assert!(!status.success());
    assert!(began.elapsed().as_secs() < 30);
}
