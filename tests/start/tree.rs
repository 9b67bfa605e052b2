//! What a stop leaves behind: nothing with `killtree`, as much as with the reference without; and how long the stop of
//! everything takes at most.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::{Dist, reference};
use system_tests::{Config, Daemon, Launch, NOBODY, Room, poll_until, procfs, wait_for};

/// A program that leaves a child in its group, one in a session of its own and one of that again, all of which ignore
/// TERM. They write their process ids to files.
fn family(room: &Room) -> String {
    room.directory_of(NOBODY, "pids");
    let pids = room.text("pids");
    let stay = "while :; do sleep 1000; done";
    room.file(
        "grandchild.sh",
        &format!("trap '' TERM\nsetsid sh -c \"echo \\$\\$ > {pids}/deepest.part; mv {pids}/deepest.part {pids}/deepest; {stay}\" &\necho $$ > {pids}/grandchild\n{stay}\n"),
    );
    room.file("child.sh", &format!("trap '' TERM\necho $$ > {pids}/child\n{stay}\n"));
    let (child, grandchild) = (room.text("child.sh"), room.text("grandchild.sh"));
    let script = format!(
        "sh {child} &\nsetsid sh {grandchild} &\necho $$ > {pids}/program\nexec sleep 100000\n"
    );
    format!("/bin/sh {}", room.file("program.sh", &script).display())
}

const FAMILY: [&str; 4] = ["program", "child", "grandchild", "deepest"];

fn pid(room: &Room, who: &str) -> i32 {
    poll_until(&format!("the process id of {who}"), || {
        fs::read_to_string(room.path("pids").join(who)).ok()?.trim().parse().ok()
    })
}

fn pids(room: &Room) -> [i32; 4] {
    FAMILY.map(|who| pid(room, who))
}

fn start(binary: PathBuf, room: &Room, lines: &str) -> Daemon {
    let lines = format!("startsecs=0\nuser=nobody\n{lines}");
    let config = Config::new(room).program("family", &family(room), &lines);
    let daemon = Launch::new(room, binary).config(&config.write(room)).ready();
    daemon.wait_running("family");
    daemon
}

/// A cgroup v2 directory in which this test could make others, which is what the daemon needs.
fn cgroup() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mount = mounts.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        back.starts_with("cgroup2 ").then(|| front.split(' ').nth(4))?
    })?;
    let own = fs::read_to_string("/proc/self/cgroup").expect("cgroups");
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let dir = PathBuf::from(format!("{mount}{own}"));
    let probe = dir.join(format!("tests-{}-{:?}", std::process::id(), std::thread::current().id()));
    fs::create_dir(&probe).ok()?;
    let kill = probe.join("cgroup.kill").exists();
    fs::remove_dir(&probe).expect("an empty cgroup");
    kill.then_some(dir)
}

/// Says why a test cannot be run here.
fn without_cgroup() -> bool {
    let none = cgroup().is_none();
    if none {
        eprintln!("skipped: there is no cgroup v2 here that could be written to");
    }
    none
}

#[test]
fn killtree_leaves_nobody() {
    if without_cgroup() {
        return;
    }
    let room = Room::new();
    let daemon = start(Dist::plain().supervisord(), &room, "killtree=true\nstopwaitsecs=30");
    let family = pids(&room);
    let began = Instant::now();
    daemon.ask("supervisor.stopProcess", &["family".into(), true.into()]);
    // The program itself obeys TERM; nobody else of it is waited for.
    assert!(began.elapsed() < Duration::from_secs(15), "it took {:?}", began.elapsed());
    wait_for("all of them to end", || !family.into_iter().any(procfs::alive));
    assert_eq!(daemon.state("family"), "STOPPED");
    // Its cgroup goes too, once the last of them has been reaped.
    let name = format!("supervisor-{}-", daemon.pid);
    let dir = cgroup().expect("a cgroup");
    daemon.ask("supervisor.startProcess", &["family".into(), true.into()]);
    daemon.ask("supervisor.stopProcess", &["family".into(), true.into()]);
    let left = || {
        let all = fs::read_dir(&dir).expect("a cgroup").flatten();
        all.filter(|e| e.file_name().to_string_lossy().starts_with(&name)).count()
    };
    assert!(left() <= 2, "{} cgroups are left", left());
}

#[test]
fn without_a_cgroup_survivors_are_named() {
    const USER: u32 = 61_024;
    let room = Room::new();
    room.give("", USER);
    room.give("auto", USER);
    room.directory_of(USER, "pids");
    let pids = room.text("pids");
    let stay = "exec sleep 100000";
    let apart = format!("setsid sh -c 'echo $$ > {pids}/apart; {stay}' &");
    let beside = format!("sh -c 'echo $$ > {pids}/beside; {stay}' &");
    let script = room.file("program.sh", &format!("{apart}\n{beside}\n{stay}\n"));
    let command = format!("/bin/sh {}", script.display());
    let config = Config::new(&room).program("p", &command, "startsecs=0\nkilltree=true");
    let binary = Dist::plain().copy(&room).supervisord();
    let daemon = Launch::new(&room, binary).user(USER).config(&config.write(&room)).ready();
    let program = daemon.wait_running("p");
    let (apart, beside) = (pid(&room, "apart"), pid(&room, "beside"));
    daemon.ask("supervisor.stopProcess", &["p".into(), true.into()]);
    wait_for("the group to end", || ![program, beside].into_iter().any(procfs::alive));
    assert!(procfs::alive(apart));
    let named = |pid: i32| daemon.activity().matches(&format!("pid {pid} lives on")).count();
    wait_for("the survivor to be named", || named(apart) == 1);
    // Once: at the next stop it is no news.
    fs::remove_file(room.path("pids").join("apart")).expect("the file of a number");
    daemon.ask("supervisor.startProcess", &["p".into(), true.into()]);
    let next = pid(&room, "apart");
    daemon.ask("supervisor.stopProcess", &["p".into(), true.into()]);
    wait_for("the next survivor to be named", || named(next) == 1);
    assert_eq!([apart, beside, program, daemon.broker()].map(named), [1, 0, 0, 0]);
    procfs::signal(next, Signal::SIGKILL);
    procfs::signal(apart, Signal::SIGKILL);
}

#[test]
fn killtree_leaves_nobody_of_a_program_that_ignores_term() {
    if without_cgroup() {
        return;
    }
    let room = Room::new();
    room.directory("pids");
    let stay = "while :; do sleep 1000; done";
    let orphan = room.file(
        "orphan.sh",
        &format!("trap '' TERM\necho $$ > {}/orphan\n{stay}\n", room.text("pids")),
    );
    let script = format!("trap '' TERM\nsetsid sh {} &\necho ready\n{stay}\n", orphan.display());
    let command = format!("/bin/sh {}", room.file("program.sh", &script).display());
    let lines = "startsecs=0\nstopwaitsecs=1\nkilltree=true";
    let config = Config::new(&room).program("p", &command, lines);
    let daemon =
        Launch::new(&room, Dist::plain().supervisord()).config(&config.write(&room)).ready();
    let program = daemon.wait_running("p");
    let orphan = pid(&room, "orphan");
    daemon.ask("supervisor.stopProcess", &["p".into(), true.into()]);
    wait_for("both to end", || !procfs::alive(program) && !procfs::alive(orphan));
}

#[test]
fn killtree_leaves_nobody_when_the_daemon_ends() {
    if without_cgroup() {
        return;
    }
    for broker in [true, false] {
        let room = Room::new();
        let dist = Dist::hooks().copy(&room);
        let switch = dist.flaky();
        let mut daemon = start(dist.supervisord(), &room, "killtree=true");
        let family = pids(&room);
        if !broker {
            switch.down();
            daemon.kill_broker();
        }
        assert_eq!(daemon.stop(), 0);
        wait_for("all of them to end", || !family.into_iter().any(procfs::alive));
    }
}

#[test]
fn killtree_leaves_nobody_when_the_broker_dies_in_the_middle_of_the_stop() {
    if without_cgroup() {
        return;
    }
    let room = Room::new();
    let daemon = start(Dist::hooks().supervisord(), &room, "killtree=true");
    let family = pids(&room);
    daemon.ask("supervisor.stopProcess", &["family".into(), false.into()]);
    daemon.replace_broker();
    daemon.wait_state("family", "STOPPED");
    wait_for("all of them to end", || !family.into_iter().any(procfs::alive));
}

#[test]
fn an_exit_by_itself_leaves_the_family_alone() {
    let room = Room::new();
    let lines = "killtree=true\nautorestart=false";
    let daemon = start(Dist::plain().supervisord(), &room, lines);
    let [program, rest @ ..] = pids(&room);
    procfs::signal(program, Signal::SIGTERM);
    daemon.wait_state("family", "EXITED");
    assert!(rest.into_iter().all(procfs::alive), "killtree is about stops");
}

fn survivors(binary: PathBuf, lines: &str) -> Vec<&'static str> {
    let room = Room::new();
    let daemon = start(binary, &room, lines);
    let family = pids(&room);
    daemon.ask("supervisor.stopProcess", &["family".into(), true.into()]);
    assert_eq!(daemon.state("family"), "STOPPED");
    wait_for("the program's own end", || !procfs::alive(family[0]));
    let left = FAMILY.into_iter().zip(family).filter(|(_, pid)| procfs::alive(*pid));
    left.map(|(who, _)| who).collect()
}

#[test]
fn without_killtree_as_many_survive_as_with_the_reference() {
    for lines in ["", "stopasgroup=true", "killasgroup=true\nstopwaitsecs=1"] {
        let ours = survivors(Dist::plain().supervisord(), lines);
        assert_eq!(ours, ["child", "grandchild", "deepest"], "{lines}");
        assert_eq!(ours, survivors(reference("supervisord"), lines), "{lines}");
    }
}

/// Two programs that ignore TERM and would be waited for.
fn stubborn(room: &Room) -> Config {
    let stay = "trap '' TERM; echo ready; while :; do sleep 1000; done";
    let command = format!("/bin/sh -c \"{stay}\"");
    let mut config = Config::new(room).daemon("shutdown_timeout=2");
    for (name, priority) in [("first", 1), ("second", 2)] {
        let log = room.text(&format!("{name}.log"));
        let lines = format!(
            "startsecs=0\nstopwaitsecs=60\npriority={priority}\nkillasgroup=true\nstdout_logfile={log}"
        );
        config = config.program(name, &command, &lines);
    }
    config
}

/// Starts it; both traps are set.
fn start_stubborn(room: &Room, dist: &Dist) -> (Daemon, [i32; 2]) {
    let config = stubborn(room).write(room);
    let daemon = Launch::new(room, dist.supervisord()).config(&config).ready();
    let pids = ["first", "second"].map(|name| {
        let log = room.path(&format!("{name}.log"));
        wait_for("the trap", || fs::read_to_string(&log).is_ok_and(|text| text == "ready\n"));
        daemon.wait_running(name)
    });
    (daemon, pids)
}

/// It ended about two seconds after `began`, well and with all that it ran.
fn assert_in_time(mut daemon: Daemon, began: Instant, pids: [i32; 2]) {
    assert_eq!(daemon.wait_end(), 0);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_800), "it did not wait: {took:?}");
    assert!(took < Duration::from_secs(7), "it took {took:?}");
    assert!(!pids.into_iter().any(procfs::alive), "programs are left");
}

#[test]
fn a_shutdown_is_over_in_its_time() {
    let room = Room::new();
    let (daemon, pids) = start_stubborn(&room, &Dist::plain());
    let began = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_in_time(daemon, began, pids);
}

#[test]
fn a_shutdown_by_a_client_is_over_in_its_time() {
    let room = Room::new();
    let (daemon, pids) = start_stubborn(&room, &Dist::plain());
    let began = Instant::now();
    daemon.client.call("supervisor.shutdown", &[]).expect("a shutdown");
    assert_in_time(daemon, began, pids);
}

#[test]
fn a_shutdown_without_a_broker_is_over_in_its_time() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let switch = dist.flaky();
    let (daemon, pids) = start_stubborn(&room, &dist);
    switch.down();
    daemon.kill_broker();
    let began = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_in_time(daemon, began, pids);
}

#[test]
fn a_shutdown_is_over_in_its_time_though_the_broker_dies_over_it() {
    let room = Room::new();
    let (daemon, pids) = start_stubborn(&room, &Dist::hooks());
    let began = Instant::now();
    daemon.signal(Signal::SIGTERM);
    wait_for("the stop to begin", || daemon.activity().contains("SIGTERM indicating exit"));
    daemon.kill_broker();
    assert_in_time(daemon, began, pids);
}

#[test]
fn a_shutdown_is_over_in_its_time_though_the_broker_is_gone_for_good_over_it() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let switch = dist.flaky();
    let (daemon, pids) = start_stubborn(&room, &dist);
    let began = Instant::now();
    daemon.signal(Signal::SIGTERM);
    wait_for("the stop to begin", || daemon.activity().contains("SIGTERM indicating exit"));
    switch.down();
    daemon.kill_broker();
    assert_in_time(daemon, began, pids);
}
