//! What /proc says about the audit writer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use system_tests::dist::Dist;
use system_tests::procfs::{self, Status};
use system_tests::{Config, Daemon, Launch, NOBODY, Room, poll_until, wait_for};

fn start(room: &Room, keys: &str) -> Daemon {
    let keys = format!("audit_logfile={}\n{keys}", room.text("audit.log"));
    let config = Config::new(room).daemon(&keys).program("p", "/bin/sleep 100000", "user=nobody");
    Launch::new(room, Dist::plain().supervisord())
        .env("SECRET", "in the caller's environment")
        .config(&config.write(room))
        .ready()
}

/// The writer, once it is in its sandbox.
fn writer(daemon: &Daemon) -> i32 {
    let is_it = |pid: &i32| {
        procfs::arguments(*pid).first().is_some_and(|word| word.ends_with("supervisor-audit"))
    };
    let pid = poll_until("a writer", || procfs::children(daemon.pid).into_iter().find(is_it));
    wait_for("its sandbox", || Status::of(pid).text("Seccomp") == "2");
    pid
}

#[test]
fn the_writer_is_nobody_else_and_can_nothing() {
    let room = Room::new();
    let daemon = start(&room, "");
    let pid = writer(&daemon);
    let status = Status::of(pid);
    let uid = status.numbers("Uid");
    assert_eq!(uid, [uid[0]; 4]);
    let others = [0, NOBODY, Status::of(daemon.broker()).numbers("Uid")[0]];
    assert!(!others.contains(&uid[0]), "uid {}", uid[0]);
    let gid = status.numbers("Gid");
    assert_eq!(gid, [gid[0]; 4]);
    assert!(gid[0] != 0 && !status.numbers("Groups").contains(&0));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status.mask(set), 0, "{set}");
    }
    assert_eq!((status.text("NoNewPrivs"), status.text("Threads")), ("1", "1"));
    assert_eq!(procfs::environment(pid), Vec::<String>::new());
    assert_eq!(fs::metadata(format!("/proc/{pid}/fd")).expect("a process").uid(), 0);
}

#[test]
fn the_writer_has_its_log_and_nothing_else() {
    let room = Room::new();
    let daemon = start(&room, "");
    let pid = writer(&daemon);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for path in procfs::descriptors(pid).into_values() {
        let path = path.display().to_string();
        let kind = path.split([':', '[', ' ']).next().unwrap_or_default().to_owned();
        *kinds.entry(if path.starts_with("/memfd:") { path } else { kind }).or_default() += 1;
    }
    assert_eq!(kinds.remove("/dev/null"), Some(2));
    assert_eq!(kinds.remove(&room.text("audit.log")), Some(1));
    assert_eq!(kinds.remove("/memfd:audit (deleted)"), Some(1));
    // Two to read, and both ends of its own.
    assert_eq!(kinds.remove("pipe"), Some(4));
    let error: Vec<String> = kinds.into_keys().collect();
    assert!(error.len() == 1 && error[0].starts_with(&room.text("std")), "{error:?}");
    // Nobody but root can read the log, or the anchor.
    for name in ["audit.log", "audit.log.anchor"] {
        let metadata = fs::metadata(room.path(name)).expect("a file");
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o600), "{name}");
    }
}

#[test]
fn without_a_log_there_is_no_writer() {
    let room = Room::new();
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "user=nobody");
    let daemon =
        Launch::new(&room, Dist::plain().supervisord()).config(&config.write(&room)).ready();
    daemon.wait_running("p");
    let named = |pid: &i32| procfs::arguments(*pid).concat().contains("supervisor-audit");
    assert!(!procfs::children(daemon.pid).iter().any(named));
}
