//! `echo_supervisord_conf`: a sample that both daemons take, with all that the reference's shows.

use std::collections::BTreeMap;
use std::process::Command;

use system_tests::dist::{Dist, reference};
use system_tests::{Launch, Room, wait_for};

use crate::both;

/// What `[section] key` is set to; `None` where it is shown and not in force.
type Settings = BTreeMap<(String, String), Option<String>>;

fn sample(which: usize) -> String {
    let output = Command::new(&both("echo_supervisord_conf")[which])
        .args(["--anything", "x"])
        .output()
        .expect("the program");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("text")
}

fn settings(text: &str) -> Settings {
    let mut settings = Settings::new();
    let mut section = String::new();
    for line in text.lines() {
        let (line, active) = line.strip_prefix(';').map_or((line, true), |rest| (rest, false));
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(' ')) {
            let value = value.split(" ;").next().unwrap_or_default().trim();
            let name = (section.clone(), key.trim().to_owned());
            let value = active.then(|| value.to_owned());
            settings
                .entry(name)
                .and_modify(|old| *old = old.take().or(value.clone()))
                .or_insert(value);
        }
    }
    settings
}

#[test]
fn it_shows_what_the_references_shows() {
    let (ours, theirs) = (settings(&sample(0)), settings(&sample(1)));
    assert!(theirs.len() > 90);
    for (name, value) in &theirs {
        assert_eq!(ours.get(name), Some(value), "{name:?}");
    }
    let active = |settings: &Settings| settings.values().flatten().count();
    assert_eq!(active(&ours), active(&theirs));
}

#[test]
fn both_daemons_start_with_it() {
    for binary in [Dist::plain().supervisord(), reference("supervisord")] {
        let room = Room::new();
        let text = sample(0).replace("/tmp/", &format!("{}/", room.text("")));
        let text = text.replace("supervisor.sock", "supervisord.sock");
        let config = room.file("sample.conf", &text);
        let daemon = Launch::new(&room, binary).config(&config).ready();
        // A daemon may answer before its log says so.
        wait_for("the start in the log", || {
            daemon.activity().contains("supervisord started with pid")
        });
        assert!(!daemon.activity().contains("WARN Unknown"), "{}", daemon.activity());
    }
}

#[test]
fn the_daemons_own_check_finds_nothing() {
    let room = Room::new();
    let config = room.file("sample.conf", &sample(0));
    let outcome =
        Launch::new(&room, Dist::plain().supervisord()).config(&config).args(&["--check"]).run();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
}
