//! What a program starts with, as /proc tells it from outside, beside what the reference gives it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use system_tests::dist::{Dist, reference};
use system_tests::procfs::{self, Stat, Status};
use system_tests::{Config, Daemon, Launch, NOBODY, Room, poll_until};

/// Everything about a program that its starter decides.
#[derive(Debug)]
struct Seen {
    uid: Vec<u32>,
    gid: Vec<u32>,
    groups: Vec<u32>,
    umask: String,
    capabilities: [u64; 4],
    signals: [u64; 3],
    descriptors: Vec<u32>,
    arguments: Vec<String>,
    environment: Vec<String>,
    directory: PathBuf,
    limits: Vec<String>,
    stat: Stat,
    pid: i32,
}

fn look(daemon: &Daemon, name: &str) -> Seen {
    let pid = daemon.wait_running(name);
    // Until sleep(1) sleeps it may still have a file of its own open.
    poll_until("the program to rest", || {
        (procfs::arguments(pid).iter().any(|a| a == "100000") && procfs::stat(pid)?.state == 'S')
            .then_some(())
    });
    let status = Status::of(pid);
    let mut groups = status.numbers("Groups");
    groups.sort_unstable();
    Seen {
        uid: status.numbers("Uid"),
        gid: status.numbers("Gid"),
        groups,
        umask: status.text("Umask").to_owned(),
        capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd"].map(|f| status.mask(f)),
        signals: ["SigBlk", "SigIgn", "SigCgt"].map(|f| status.mask(f)),
        descriptors: procfs::descriptors(pid).into_keys().collect(),
        arguments: procfs::arguments(pid),
        environment: procfs::environment(pid),
        directory: procfs::directory(pid),
        limits: procfs::limits(pid),
        stat: procfs::stat(pid).expect("a process that runs"),
        pid,
    }
}

/// Runs the configuration under the reference, then under ours, in the same room and by the same wrapper.
fn both(room: &Room, config: &Config, wrapper: &[&str], names: &[&str]) -> Vec<(Seen, Seen)> {
    let file = config.write(room);
    let mut seen = [reference("supervisord"), Dist::plain().supervisord()].map(|binary| {
        let mut daemon = Launch::new(room, binary).through(wrapper).config(&file).ready();
        let seen: Vec<Seen> = names.iter().map(|n| look(&daemon, n)).collect();
        assert_eq!(daemon.stop(), 0);
        seen
    });
    let ours = std::mem::take(&mut seen[1]);
    std::mem::take(&mut seen[0]).into_iter().zip(ours).collect()
}

/// Clean in every way in which the reference is not, and the same in all others.
fn assert_clean(reference: &Seen, ours: &Seen) {
    assert_eq!(ours.uid, reference.uid);
    assert_eq!(ours.gid, reference.gid);
    assert_eq!(ours.groups, reference.groups);
    assert_eq!(ours.umask, reference.umask);
    assert_eq!(ours.arguments, reference.arguments);
    assert_eq!(ours.environment, reference.environment);
    assert_eq!(ours.directory, reference.directory);
    assert_eq!(ours.limits, reference.limits);
    assert_eq!(ours.capabilities, reference.capabilities);
    assert_eq!(ours.descriptors, [0, 1, 2], "exactly the three descriptors");
    assert_eq!(ours.signals, [0, 0, 0], "blocked, ignored, caught signals");
    assert_eq!(ours.stat.session, ours.pid, "a session of its own");
    assert_eq!(ours.stat.pgrp, ours.pid, "a process group of its own");
    assert_eq!(ours.stat.tty, 0, "no terminal");
}

#[test]
fn a_program_of_nobody_is_exactly_nobody() {
    let room = Room::new();
    let config = Config::new(&room)
        .daemon("environment=ONE=\"1\",BOTH=\"daemon\"")
        .program(
            "plain",
            "/bin/sleep 100000",
            "user=nobody\numask=027\ndirectory=/usr\nenvironment=TWO=\"a,b\",BOTH=\"program\"",
        )
        .program("bare", "sleep 100000", "user=nobody");
    // The caller's own dispositions, mask, umask, descriptors and limit must not reach the program.
    let wrapper = [
        "env",
        "--block-signal=USR1,WINCH",
        "sh",
        "-c",
        "trap '' PIPE HUP USR2 XFSZ; umask 037; exec 7</etc/passwd 8>/dev/null 9</; exec \"$@\"",
        "sh",
    ];
    for (reference, ours) in both(&room, &config, &wrapper, &["plain", "bare"]) {
        assert_clean(&reference, &ours);
        assert_eq!(ours.uid, [NOBODY; 4]);
        assert_eq!(ours.gid, [NOBODY; 4]);
        assert_eq!(ours.groups, [NOBODY]);
        assert_eq!(ours.capabilities[..3], [0, 0, 0]);
    }
}

#[test]
fn the_configured_values_are_the_program_s() {
    let room = Room::new();
    let config = Config::new(&room).program(
        "p",
        "/bin/sleep 100000",
        "user=nobody\numask=027\ndirectory=/usr\nenvironment=TWO=\"a,b\",SUPERVISOR_GROUP_NAME=\"mine\"",
    );
    let file = config.write(&room);
    let daemon = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    let seen = look(&daemon, "p");
    assert_eq!(seen.umask, "0027");
    assert_eq!(seen.directory, PathBuf::from("/usr"));
    let mut expected = vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        "LANG=C.UTF-8".to_owned(),
        "HOME=/".to_owned(),
        room.mark(),
        "SUPERVISOR_ENABLED=1".to_owned(),
        format!("SUPERVISOR_SERVER_URL=unix://{}", room.text("supervisord.sock")),
        "SUPERVISOR_PROCESS_NAME=p".to_owned(),
        "SUPERVISOR_GROUP_NAME=mine".to_owned(),
        "TWO=a,b".to_owned(),
    ];
    expected.sort_unstable();
    assert_eq!(seen.environment, expected);
    let status = Status::of(seen.pid);
    assert_eq!(status.text("NoNewPrivs"), "0");
    assert_eq!(status.text("Seccomp"), "0");
}

#[test]
fn a_program_of_root_keeps_what_the_caller_had() {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let (reference, ours) = both(&room, &config, &[], &["p"]).remove(0);
    assert_clean(&reference, &ours);
    assert_eq!(ours.uid, [0; 4]);
    assert_eq!(ours.capabilities, {
        let own = Status::of(std::process::id().cast_signed());
        ["CapInh", "CapPrm", "CapEff", "CapBnd"].map(|f| own.mask(f))
    });
}

#[test]
fn limits_are_those_the_reference_gives() {
    for limit in [
        "ulimit -S -n 300",
        "ulimit -S -n 1500",
        "ulimit -S -u 5000",
        "ulimit -c 0; ulimit -S -s 4096",
    ] {
        let room = Room::new();
        let config = Config::new(&room).program("p", "/bin/sleep 100000", "user=nobody");
        let script = format!("{limit}; exec \"$@\"");
        let (reference, ours) =
            both(&room, &config, &["bash", "-c", &script, "bash"], &["p"]).remove(0);
        assert_eq!(ours.limits, reference.limits, "after {limit}");
    }
}

#[test]
fn minfds_raises_the_limit_as_in_the_reference() {
    let room = Room::new();
    let config =
        Config::new(&room).daemon("minfds=3000").program("p", "/bin/sleep 100000", "user=nobody");
    let wrapper = ["bash", "-c", "ulimit -S -n 1100; exec \"$@\"", "bash"];
    let (reference, ours) = both(&room, &config, &wrapper, &["p"]).remove(0);
    assert_eq!(ours.limits, reference.limits);
    assert!(ours.limits.iter().any(|l| l.contains("Max open files") && l.contains(" 3000 ")));
}

#[test]
fn supplementary_groups_are_those_of_the_user() {
    let room = Room::new();
    let user = TestUser::new(&["games", "adm"]);
    let config =
        Config::new(&room).program("p", "/bin/sleep 100000", &format!("user={}", user.name));
    let (reference, ours) = both(&room, &config, &[], &["p"]).remove(0);
    assert_clean(&reference, &ours);
    let id = |flag: &str| user.id(flag);
    assert_eq!(vec![ours.uid[0]], id("-u"));
    assert_eq!(ours.groups, id("-G"));
    assert_eq!(ours.groups.len(), 3);
}

#[test]
fn the_daemon_keeps_nothing_open_that_it_inherited() {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let file = config.write(&room);
    let mut daemon = Launch::new(&room, Dist::plain().supervisord())
        .through(&["sh", "-c", "exec 7</etc/passwd 9</usr; exec \"$@\"", "sh"])
        .config(&file)
        .ready();
    daemon.wait_running("p");
    for pid in [daemon.pid, daemon.broker()] {
        for (n, path) in procfs::descriptors(pid) {
            let path = path.display().to_string();
            assert!(path != "/etc/passwd" && path != "/usr", "descriptor {n} of {pid} is {path}");
        }
    }
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_end(), 0);
}

/// A user made for one test.
struct TestUser {
    name: String,
}

impl TestUser {
    fn new(groups: &[&str]) -> TestUser {
        let name = format!("svtest{}", std::process::id());
        let done = Command::new("useradd")
            .args(["-M", "-U", "-s", "/bin/false", "-G", &groups.join(","), &name])
            .output()
            .expect("useradd (package passwd) is needed");
        assert!(done.status.success(), "useradd: {}", String::from_utf8_lossy(&done.stderr));
        TestUser { name }
    }

    fn id(&self, flag: &str) -> Vec<u32> {
        let done = Command::new("id").args([flag, &self.name]).output().expect("id(1) is needed");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let mut ids: Vec<u32> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        ids.sort_unstable();
        ids
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        // A program of this user may still be ending.
        for _ in 0..50 {
            let done = Command::new("userdel").arg(&self.name).output();
            if done.is_ok_and(|d| d.status.success()) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let _ = fs::remove_dir(format!("/home/{}", self.name));
    }
}
