//! A real browser: Chromium sees the pages, presses the buttons, and runs nothing.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

use system_tests::Room;
use system_tests::wait::within;

use crate::client::Site;
use crate::hostile;

/// Where the browser is; `None` where there is none to be had.
fn chromium() -> Option<String> {
    match env::var("SUPERVISOR_CHROMIUM") {
        Ok(path) if path.is_empty() || path == "none" => None,
        Ok(path) => Some(path),
        Err(_) => {
            let places =
                ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
            let found = places.into_iter().find(|path| std::path::Path::new(path).exists());
            let found = found.map(str::to_owned);
            Some(found.expect("no Chromium here: tools/chromium.sh installs it, or says `none`"))
        }
    }
}

/// Says so past the harness, which keeps what successful tests print to itself.
pub fn not_tested(what: &str) {
    let _ = std::io::stderr().write_all(format!("*** NOT TESTED {what} ***\n").as_bytes());
}

/// Runs a scenario of `browser.py` against a site.
fn look(scenario: &str, site: &Site) -> bool {
    look_at(scenario, &site.url())
}

/// Runs a scenario of `browser.py` at an address. Says whether there was a browser to do it.
pub fn look_at(scenario: &str, url: &str) -> bool {
    let Some(chromium) = chromium() else {
        not_tested(&format!("in a browser, there is no Chromium: {scenario}"));
        return false;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/web/browser.py");
    let mut child = Command::new("python3")
        .args(["-B", script, &chromium, scenario, url])
        .stdin(Stdio::null())
        .spawn()
        .expect("python3");
    let limit = std::time::Duration::from_secs(600);
    let status = within(limit, || child.try_wait().expect("the script's end"));
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = status.expect("the browser hangs");
    assert!(status.success(), "{scenario}: {status}");
    true
}

#[test]
fn a_person_looks_and_presses_buttons() {
    let room = Room::new();
    let site = crate::client::with_sleeper(&room, "");
    if look("person", &site) {
        assert_eq!(site.daemon.state("a"), "STOPPED");
    }
}

#[test]
fn the_page_works_below_any_path_of_a_proxy() {
    let room = Room::new();
    let site = crate::client::with_sleeper(&room, "");
    if look("proxied", &site) {
        assert_eq!(site.daemon.state("a"), "STOPPED");
    }
}

#[test]
fn logs_are_shown_as_they_are_written() {
    let room = Room::new();
    let site = crate::client::with_echo(&room, "");
    if look("followed", &site) {
        assert_eq!(site.daemon.state("other"), "STOPPED");
    }
}

#[test]
fn nothing_hostile_runs() {
    let room = Room::new();
    let site = hostile::site(&room);
    look("hostile", &site);
    assert_eq!(site.daemon.state("log"), "RUNNING");
}
