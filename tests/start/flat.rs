//! Many readings leave nothing behind: 10,000 where READINGS says so, fewer in an ordinary run.

use system_tests::dist::Dist;
use system_tests::procfs::{self, Status};
use system_tests::{Config, Daemon, Launch, Room, Value, poll_until, wait_for};

const WARM: u32 = 300;
/// Resident memory may move by a few pages without growing.
const SLACK_KIB: u32 = 256;

fn readings() -> u32 {
    let wanted = std::env::var("READINGS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(1_500)
}

/// Fifty processes; what a reading may find different comes last.
fn config(room: &Room, more: &str) -> Config {
    let lines = "numprocs=50\nprocess_name=p%(process_num)02d\nstartsecs=0";
    Config::new(room)
        .program("many", "/bin/sleep 100000", lines)
        .program("other", "/bin/sleep 100000", "startsecs=0\nstdout_logfile=NONE")
        .section(more)
}

fn extra(room: &Room, n: u32) -> String {
    let dir = room.dir().display();
    format!(
        "[program:extra]\ncommand=/bin/sleep {n}\nautostart=false\nnumprocs=5\n\
         process_name=e%(process_num)d\nstdout_logfile={dir}/extra.%(process_num)d.log\n\
         sockets=unix://{dir}/extra.sock\nenvironment=N=\"{n}\"\n"
    )
}

fn reload(daemon: &Daemon) -> Value {
    let lists = daemon.client.call("supervisor.reloadConfig", &[]).expect("a reading");
    lists.array()[0].clone()
}

#[derive(Debug, PartialEq, Eq)]
struct Size {
    rss: [u32; 2],
    descriptors: [usize; 2],
}

fn size(daemon: &Daemon) -> Size {
    let pids = [daemon.pid, daemon.broker()];
    let descriptors = || pids.map(procfs::descriptor_count);
    // A connection of the question itself may still be closing.
    let mut last = descriptors();
    let mut same = 0;
    let descriptors = poll_until("a steady number of descriptors", || {
        let now = descriptors();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same >= 5).then_some(now)
    });
    Size { rss: pids.map(|pid| Status::of(pid).rss()), descriptors }
}

fn assert_flat(daemon: &Daemon, before: &Size) {
    let after = size(daemon);
    println!("{before:?} before, {after:?} after");
    assert_eq!(after.descriptors, before.descriptors, "descriptors of spawner and broker");
    for (before, after) in before.rss.into_iter().zip(after.rss) {
        assert!(after <= before + SLACK_KIB, "{before} KiB before, {after} KiB after");
    }
}

/// The readers that are to come have ended.
fn wait_quiet(daemon: &Daemon, programs: usize) {
    wait_for("the last reader to be reaped", || procfs::children(daemon.pid).len() == programs + 1);
}

#[test]
fn of_the_same_configuration() {
    let room = Room::new();
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .config(&config(&room, "").write(&room))
        .ready();
    daemon.wait_running("other");
    let pid = daemon.program("other");
    for _ in 0..WARM {
        reload(&daemon);
    }
    wait_quiet(&daemon, 51);
    let before = size(&daemon);
    for _ in 0..readings() {
        reload(&daemon);
    }
    wait_quiet(&daemon, 51);
    assert_flat(&daemon, &before);
    assert_eq!(daemon.program("other"), pid);
}

#[test]
fn of_configurations_that_differ() {
    let room = Room::new();
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .config(&config(&room, "").write(&room))
        .ready();
    daemon.wait_running("other");
    let pid = daemon.program("other");
    let mut n = 0;
    let mut turn = || {
        n += 1;
        // A group that was never in force comes, changes and goes, then one that is.
        config(&room, &extra(&room, n)).write(&room);
        assert_eq!(reload(&daemon).array()[0], Value::Array(vec!["extra".into()]));
        config(&room, &extra(&room, n + 100_000)).write(&room);
        reload(&daemon);
        daemon.client.call("supervisor.addProcessGroup", &["extra".into()]).expect("a group");
        config(&room, "").write(&room);
        assert_eq!(reload(&daemon).array()[2], Value::Array(vec!["extra".into()]));
        daemon.client.call("supervisor.removeProcessGroup", &["extra".into()]).expect("a group");
    };
    for _ in 0..WARM / 3 {
        turn();
    }
    wait_quiet(&daemon, 51);
    let before = size(&daemon);
    for _ in 0..readings() / 3 {
        turn();
    }
    wait_quiet(&daemon, 51);
    assert_flat(&daemon, &before);
    assert_eq!(daemon.program("other"), pid);
    assert!(!room.path("extra.sock").exists(), "a socket of a program that never ran");
}

#[test]
fn of_wrong_configurations() {
    let room = Room::new();
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .config(&config(&room, "").daemon("logfile_maxbytes=100KB\nlogfile_backups=1").write(&room))
        .ready();
    daemon.wait_running("other");
    config(&room, "[program:bad]\ncommand=/bin/true\nstartsecs=no\n").write(&room);
    let refused = || {
        let answer = daemon.client.call("supervisor.reloadConfig", &[]);
        assert!(matches!(answer, Err(system_tests::Error::Fault(92, _))), "{answer:?}");
    };
    for _ in 0..WARM {
        refused();
    }
    wait_quiet(&daemon, 51);
    let before = size(&daemon);
    for _ in 0..readings() / 2 {
        refused();
    }
    wait_quiet(&daemon, 51);
    assert_flat(&daemon, &before);
}
