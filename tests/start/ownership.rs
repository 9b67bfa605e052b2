//! A configuration that others could write is refused when started as root.

use std::os::unix::fs::symlink;

use system_tests::dist::Dist;
use system_tests::{Config, Launch, NOBODY, Outcome, Room};

fn start(room: &Room, file: &std::path::Path) -> Outcome {
    Launch::new(room, Dist::plain().supervisord()).args(&["-n"]).config(file).run()
}

/// Refused with status 2, naming the path and each of the words; nothing ran.
fn assert_refused(room: &Room, outcome: &Outcome, path: &str, words: &[&str]) {
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains(path), "no word of {path}: {outcome:?}");
    for word in words {
        assert!(outcome.stderr.contains(word), "no word of {word}: {outcome:?}");
    }
    assert!(!room.path("ran").exists(), "a program ran");
    assert!(!room.path("supervisord.pid").exists());
    assert_eq!(room.processes(), []);
}

fn config(room: &Room) -> Config {
    Config::new(room).program(
        "p",
        &format!("/bin/touch {}", room.text("ran")),
        "startsecs=0\nautorestart=false",
    )
}

#[test]
fn a_file_that_others_can_write() {
    for mode in [0o666, 0o662, 0o620] {
        let room = Room::new();
        let file = config(&room).write(&room);
        room.mode("supervisord.conf", mode);
        let outcome = start(&room, &file);
        assert_refused(&room, &outcome, &room.text("supervisord.conf"), &[&format!("{mode:o}")]);
    }
}

#[test]
fn a_file_of_somebody_else() {
    let room = Room::new();
    let file = config(&room).write(&room);
    room.give("supervisord.conf", NOBODY);
    let outcome = start(&room, &file);
    assert_refused(&room, &outcome, &room.text("supervisord.conf"), &["65534"]);
}

#[test]
fn a_directory_that_others_can_write() {
    let room = Room::new();
    room.directory("etc/deeper");
    let file = config(&room).write_as(&room, "etc/deeper/s.conf");
    room.mode("etc", 0o777);
    let outcome = start(&room, &file);
    assert_refused(&room, &outcome, &room.text("etc"), &["777"]);
}

#[test]
fn a_directory_of_somebody_else() {
    let room = Room::new();
    room.directory_of(NOBODY, "home");
    let file = config(&room).write_as(&room, "home/s.conf");
    let outcome = start(&room, &file);
    assert_refused(&room, &outcome, &room.text("home"), &["65534"]);
}

#[test]
fn a_link_that_somebody_else_can_turn() {
    let room = Room::new();
    config(&room).write(&room);
    let home = room.directory_of(NOBODY, "home");
    symlink(room.path("supervisord.conf"), home.join("s.conf")).expect("a link");
    let outcome = start(&room, &home.join("s.conf"));
    assert_refused(&room, &outcome, &room.text("home"), &[]);
}

#[test]
fn an_included_file_that_others_can_write() {
    let room = Room::new();
    room.directory("conf.d");
    room.file("conf.d/a.conf", &format!("[program:q]\ncommand=/bin/touch {}\n", room.text("ran")));
    room.mode("conf.d/a.conf", 0o666);
    let file = Config::new(&room).section("[include]\nfiles=conf.d/*.conf").write(&room);
    let outcome = start(&room, &file);
    assert_refused(&room, &outcome, &room.text("conf.d/a.conf"), &["666"]);
}

#[test]
fn an_include_directory_of_somebody_else() {
    let room = Room::new();
    room.directory_of(NOBODY, "conf.d");
    room.file("conf.d/a.conf", &format!("[program:q]\ncommand=/bin/touch {}\n", room.text("ran")));
    let file = Config::new(&room).section("[include]\nfiles=conf.d/*.conf").write(&room);
    let outcome = start(&room, &file);
    assert_refused(&room, &outcome, &room.text("conf.d"), &["65534"]);
}

#[test]
fn a_sticky_directory_is_safe_for_a_file_of_root() {
    let room = Room::new();
    room.directory("tmp");
    room.mode("tmp", 0o1777);
    let file = config(&room).write_as(&room, "tmp/s.conf");
    let mut daemon = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    daemon.wait_state("p", "EXITED");
    assert_eq!(daemon.stop(), 0);
    assert!(room.path("ran").exists());
}

#[test]
fn a_mode_that_only_root_can_read_is_enough() {
    let room = Room::new();
    let file = config(&room).write(&room);
    room.mode("supervisord.conf", 0o600);
    let mut daemon = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn root_takes_no_configuration_from_the_current_directory() {
    let room = Room::new();
    config(&room).write(&room);
    let outcome = Launch::new(&room, Dist::plain().copy(&room).supervisord())
        .args(&["-n"])
        .cwd(room.dir())
        .run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(!room.path("ran").exists());
    assert_eq!(room.processes(), []);
}
