//! A reader that asks for more than its rules allow, or does not behave at all.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use system_tests::dist::{self, Dist};
use system_tests::{Config, Launch, NOBODY, Outcome, Room, procfs, wait_for};

fn room() -> Room {
    let room = Room::new();
    Config::new(&room).program("p", &format!("/bin/touch {}", room.text("ran")), "").write(&room);
    room.directory("conf.d/sub");
    room.mode("conf.d", 0o755);
    for name in ["good", "writable", "foreign"] {
        room.file(&format!("conf.d/{name}.conf"), "");
    }
    room.mode("conf.d/writable.conf", 0o666);
    room.give("conf.d/foreign.conf", NOBODY);
    mkfifo(&room.path("conf.d/fifo.conf"), Mode::from_bits_truncate(0o644)).expect("a FIFO");
    room.directory_of(NOBODY, "users");
    room.file("users/theirs.conf", "");
    symlink(room.path("users/theirs.conf"), room.path("conf.d/turned.conf")).expect("a link");
    room.file("secret", "");
    room.directory("named");
    room.mode("named", 0o755);
    for name in ["named", "exposed", "theirs"] {
        room.file(&format!("named/{name}"), "");
    }
    room.mode("named/named", 0o600);
    room.mode("named/exposed", 0o660);
    room.give("named/theirs", NOBODY);
    mkfifo(&room.path("named/fifo"), Mode::from_bits_truncate(0o600)).expect("a FIFO");
    symlink(room.path("users/theirs.conf"), room.path("named/turned")).expect("a link");
    room
}

fn run(room: &Room, how: &str) -> Outcome {
    let dist = Dist::plain().copy(room);
    dist.replace("supervisor-reader", &dist::helper("hostile-reader"));
    let outcome = Launch::new(room, dist.supervisord())
        .args(&["-n"])
        .env("HOSTILE", how)
        .config(&room.path("supervisord.conf"))
        .run();
    assert!(!room.path("ran").exists(), "{how}: a program ran");
    assert!(!room.path("supervisord.pid").exists(), "{how}: a pidfile is left");
    assert!(!room.path("supervisord.sock").exists(), "{how}: a socket is left");
    assert_eq!(room.processes(), [], "{how}");
    wait_for("the reader to end", || procfs::with_argument("987654321").is_empty());
    outcome
}

#[test]
fn it_gets_what_its_rules_allow_and_no_more() {
    let room = room();
    let outcome = run(&room, "asks");
    assert_eq!(outcome.code(), 3, "the status that the reader gave: {outcome:?}");
    let answer = |label: &str| {
        let line = outcome.stdout.lines().find_map(|l| l.strip_prefix(label)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{label} was not answered: {outcome:?}")).to_owned()
    };
    for label in ["main", "directory", "good"] {
        assert_eq!(answer(label), "Some(Granted)", "{label}");
    }
    for label in ["file without a directory", "second main", "another directory"] {
        assert_eq!(answer(label), "Some(Refused)", "{label}");
    }
    assert!(answer("foreign directory").contains("Unsafe { upto: "), "{outcome:?}");
    assert!(answer("foreign directory").contains("uid: 65534"), "{outcome:?}");
    let mode = 0o100_666;
    assert!(answer("writable.conf").contains(&format!("uid: 0, mode: {mode} ")), "{outcome:?}");
    assert!(answer("foreign.conf").contains("uid: 65534"), "{outcome:?}");
    assert_eq!(answer("fifo.conf"), "Some(Kind)");
    assert_eq!(answer("sub"), "Some(Kind)");
    assert_eq!(answer("missing.conf"), "Some(Errno(2))");
    // What it names itself is granted by the same rules, and not before the main file is.
    assert_eq!(answer("named before the main file"), "Some(Refused)");
    assert_eq!(answer("named named"), "Some(Granted)");
    assert!(answer("named exposed").contains("uid: 0, mode: "), "{outcome:?}");
    assert!(answer("named theirs").contains("uid: 65534"), "{outcome:?}");
    assert_eq!(answer("named fifo"), "Some(Kind)");
    assert_eq!(answer("named directory"), "Some(Kind)");
    assert_eq!(answer("named nowhere"), "Some(Errno(2))");
    for label in ["turned.conf", "no directory", "named turned"] {
        assert!(!answer(label).contains("Granted"), "{label}: {outcome:?}");
    }
}

#[test]
fn the_number_of_files_that_it_names_is_bounded() {
    let outcome = run(&room(), "named");
    assert_eq!(outcome.code(), 3, "{outcome:?}");
    assert!(outcome.stdout.contains("granted: 256\n"), "{outcome:?}");
}

#[test]
fn the_number_of_directories_is_bounded() {
    let outcome = run(&room(), "directories");
    assert_ne!(outcome.code(), 0);
    let granted =
        outcome.stdout.lines().find_map(|l| l.strip_prefix("granted: ")?.parse::<u16>().ok());
    // It may also have been ended when it asked for too many.
    if let Some(granted) = granted {
        assert_eq!(granted, privsep::files::MAX_DIRS);
    }
}

/// Every way to misbehave ends the start with a reason and an error, and nothing runs.
fn each_fails(ways: &[&str]) {
    for how in ways {
        let outcome = run(&room(), how);
        assert!(matches!(outcome.code(), 1 | 2), "{how}: {outcome:?}");
        assert!(!outcome.stderr.trim().is_empty(), "{how}: no reason: {outcome:?}");
    }
}

#[test]
fn requests_that_no_reader_makes() {
    each_fails(&[
        "slash",
        "dots",
        "relative",
        "named-relative",
        "nul",
        "garbage",
        "empty",
        "huge",
        "descriptors",
        "flood",
    ]);
}

#[test]
fn tables_that_no_reader_writes() {
    each_fails(&["accept-nothing", "accept-garbage", "accept-short", "accept-root"]);
}

#[test]
fn more_bytes_than_a_table_may_have() {
    each_fails(&["fill"]);
}

#[test]
fn a_reader_that_dies() {
    each_fails(&["silent", "abort", "close"]);
}

#[test]
fn a_reader_that_never_ends() {
    each_fails(&["hang"]);
}

#[test]
fn a_reader_that_spins() {
    each_fails(&["spin"]);
}

#[test]
fn a_reader_that_leaves_children() {
    each_fails(&["fork"]);
}

#[test]
fn a_reader_that_takes_memory_without_end() {
    let outcome = run(&room(), "memory");
    assert!(matches!(outcome.code(), 1 | 2), "{outcome:?}");
    assert!(!outcome.stdout.contains("memory: 8192 MiB"), "no limit held it");
}

#[test]
fn it_cannot_signal_the_spawner() {
    let outcome = run(&room(), "kill");
    assert_eq!(outcome.stdout, "kill: Err(EPERM)\nkill: Err(EPERM)\n", "{outcome:?}");
    assert_eq!(outcome.code(), 3);
}

#[test]
fn the_reader_sees_no_environment_of_its_own() {
    // The variable HOSTILE reaches it as data; if it came any other way too, these would differ.
    let outcome = run(&room(), "");
    assert_ne!(outcome.code(), 0);
    assert!(outcome.stderr.contains("hostile-reader: what is \"\"?"), "{outcome:?}");
    assert!(fs::read_dir("/proc/self/fd").is_ok());
}
