//! The listeners of examples/listeners, which docs/events.md shows: each hears of programs that fail.

use std::fs;
use std::path::{Path, PathBuf};

use system_tests::{Config, Room, dist, wait_for};

use crate::launch;

fn script(room: &Room, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/listeners").join(name);
    let path = room.path(name);
    fs::copy(&from, &path).expect("an example");
    room.mode(name, 0o755);
    path
}

/// Runs it as somebody who may do nothing, beside a program that fails, one that gives up and one that ends well.
fn hears_of_failures(room: &Room, listener: &Path) {
    let log = room.text("told");
    let section = format!(
        "[eventlistener:failures]\ncommand={}\nuser=nobody\n\
         events=PROCESS_STATE_EXITED,PROCESS_STATE_FATAL\nbuffer_size=100\nstderr_logfile={log}\n",
        listener.display()
    );
    let once = "startsecs=0\nautorestart=false";
    let config = Config::new(room)
        .section(&section)
        .program("well", "/bin/sh -c 'sleep 0.3; exit 0'", once)
        .program("gr\u{fc}n", "/bin/sh -c 'sleep 0.3; exit 3'", once)
        .program("gone", "/nonexistent/program", "startretries=0");
    let mut daemon = launch(room, &config);
    let told = || fs::read_to_string(room.path("told")).unwrap_or_default();
    wait_for("both failures, to their ends", || told().matches('\n').count() == 2);
    let mut lines: Vec<String> = told().lines().map(str::to_owned).collect();
    lines.sort();
    let expected =
        ["gone:gone ended, PROCESS_STATE_FATAL", "gr\u{fc}n:gr\u{fc}n ended, PROCESS_STATE_EXITED"];
    assert_eq!(lines, expected);
    assert!(!daemon.activity().contains("UNKNOWN state"), "{}", daemon.activity());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn the_listener_in_python() {
    let room = Room::new();
    hears_of_failures(&room, &script(&room, "listener.py"));
}

#[test]
fn the_listener_in_shell() {
    let room = Room::new();
    hears_of_failures(&room, &script(&room, "listener.sh"));
}

#[test]
fn the_listener_in_rust() {
    let room = Room::new();
    let path = room.path("listener");
    fs::copy(dist::helper("example-listener"), &path).expect("an example that was built");
    hears_of_failures(&room, &path);
}

#[test]
fn the_documentation_shows_them_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/events.md")).expect("docs/events.md");
    for name in ["listener.py", "listener.sh", "listener.rs"] {
        let link = format!("](../examples/listeners/{name})");
        assert!(text.contains(&link), "docs/events.md does not name {name}");
    }
}
