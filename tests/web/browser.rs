//! A real browser: Chromium sees the pages, presses the buttons, and runs nothing.

use system_tests::Room;
pub use system_tests::browser::not_tested;

use crate::client::Site;
use crate::hostile;

/// Runs a scenario of `browser.py` against a site.
fn look(scenario: &str, site: &Site) -> bool {
    look_at(scenario, &site.url())
}

/// Runs a scenario of `browser.py` at an address. Says whether there was a browser to do it.
pub fn look_at(scenario: &str, url: &str) -> bool {
    system_tests::browser::look("web/browser.py", scenario, &[url])
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
