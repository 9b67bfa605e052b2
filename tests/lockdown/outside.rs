//! What /proc says about the spawner and the broker.

use std::fs;
use std::os::unix::fs::MetadataExt;

use system_tests::dist::Dist;
use system_tests::procfs::{self, Status};
use system_tests::{Config, Daemon, Launch, NOBODY, Room};

fn start(room: &Room, config: Config) -> Daemon {
    let daemon = Launch::new(room, Dist::plain().supervisord())
        .env("SECRET", "in the caller's environment")
        .config(&config.write(room))
        .ready();
    daemon.wait_running("p");
    daemon
}

fn config(room: &Room) -> Config {
    Config::new(room).program("p", "/bin/sleep 100000", "user=nobody\nstartsecs=0")
}

#[test]
fn the_broker_is_nobody_else_and_can_nothing() {
    let room = Room::new();
    let daemon = start(&room, config(&room));
    for _ in 0..2 {
        let broker = daemon.broker();
        let status = Status::of(broker);
        let uid = status.numbers("Uid");
        assert_eq!(uid, [uid[0]; 4]);
        assert!(uid[0] != 0 && uid[0] != NOBODY, "uid {}", uid[0]);
        let gid = status.numbers("Gid");
        assert_eq!(gid, [gid[0]; 4]);
        assert_ne!(gid[0], 0);
        assert!(!status.numbers("Groups").contains(&0));
        // The loop, and the thread that hashes passwords: the kernel shuts in one thread at a time.
        assert_eq!(status.text("Threads"), "2");
        for task in fs::read_dir(format!("/proc/{broker}/task")).expect("threads") {
            let id = task.expect("a thread").file_name().to_string_lossy().parse();
            let status = Status::of(id.expect("a number"));
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status.mask(set), 0, "{set}");
            }
            assert_eq!(status.numbers("Uid"), uid);
            assert_eq!(status.text("NoNewPrivs"), "1");
            assert_eq!(status.text("Seccomp"), "2");
        }
        assert_eq!(procfs::environment(broker), Vec::<String>::new());
        // The directory of a process that is not dumpable belongs to root.
        assert_eq!(fs::metadata(format!("/proc/{broker}/fd")).expect("a process").uid(), 0);
        daemon.replace_broker();
    }
}

#[test]
fn the_broker_has_the_user_that_the_configuration_names() {
    let room = Room::new();
    let daemon = start(&room, config(&room).daemon("broker_user=games"));
    let games = fs::read_to_string("/etc/passwd").expect("the passwd file");
    let uid = games.lines().find_map(|l| l.strip_prefix("games:")?.split(':').nth(1)?.parse().ok());
    let uid: u32 = uid.expect("a user games");
    assert_eq!(Status::of(daemon.broker()).numbers("Uid"), [uid; 4]);
}

#[test]
fn a_broker_user_that_runs_programs_is_refused() {
    for user in ["nobody", "root"] {
        let room = Room::new();
        let file = config(&room).daemon(&format!("broker_user={user}")).write(&room);
        let outcome =
            Launch::new(&room, Dist::plain().supervisord()).args(&["-n"]).config(&file).run();
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert_eq!(room.processes(), []);
    }
    let room = Room::new();
    let file = config(&room)
        .daemon("broker_user=games")
        .program("q", "/bin/sleep 100000", "user=games")
        .write(&room);
    let outcome = Launch::new(&room, Dist::plain().supervisord()).args(&["-n"]).config(&file).run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert_eq!(room.processes(), []);
}

#[test]
fn the_broker_can_write_to_no_file_but_logs() {
    let room = Room::new();
    let daemon = start(&room, config(&room));
    for (n, path) in procfs::descriptors(daemon.broker()) {
        let path = path.display().to_string();
        let harmless = ["/dev/null", "socket:", "pipe:", "anon_inode:", "/memfd:"];
        let log = path.starts_with(&room.text("auto/")) || path == room.text("supervisord.log");
        let own = path.starts_with(&room.text("std"));
        // The list of the spawner's children, which can be read and no more.
        let list = path == format!("/proc/{0}/task/{0}/children", daemon.pid);
        assert!(
            log || own || list || harmless.iter().any(|h| path.starts_with(h)),
            "descriptor {n} is {path}"
        );
    }
}

#[test]
fn the_spawner_has_given_up_what_it_does_not_need() {
    let room = Room::new();
    let daemon = start(&room, config(&room));
    let status = Status::of(daemon.pid);
    let has = status.mask("CapEff") | status.mask("CapPrm");
    let unneeded = [
        (12, "NET_ADMIN"),
        (13, "NET_RAW"),
        (16, "SYS_MODULE"),
        (17, "SYS_RAWIO"),
        (19, "SYS_PTRACE"),
        (21, "SYS_ADMIN"),
        (22, "SYS_BOOT"),
        (25, "SYS_TIME"),
        (27, "MKNOD"),
        (39, "BPF"),
    ];
    for (bit, name) in unneeded {
        assert_eq!(has >> bit & 1, 0, "the spawner still has CAP_{name}");
    }
    // A program of root gets what the caller had all the same.
    assert_eq!(status.mask("CapBnd"), Status::of(std::process::id().cast_signed()).mask("CapBnd"));
}
