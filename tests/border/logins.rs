//! A broker that misuses PAM helpers: as an oracle, as a way to keep the spawner busy, as a way to root.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::logins::Logins;
use system_tests::wait::within;
use system_tests::{procfs, wait_for};

/// What the spawner grants: so many at once, and one more every so many milliseconds.
const BURST: u64 = 5;
const EVERY: u64 = 200;
/// The most helpers at a time.
const AT_ONCE: usize = 2;
/// Longer than a helper lives, less than two.
const LIFE: Duration = Duration::from_secs(55);

fn start(part: &str) -> Logins {
    let logins = Logins::start(&Dist::hooks(), part);
    logins.played();
    logins
}

fn quiet(logins: &Logins) {
    wait_for("the helpers to end", || logins.helpers().is_empty());
}

#[test]
fn a_flood_gets_no_more_than_the_bound() {
    let logins = start("flood");
    let said = logins.said();
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [granted, refused, other, took] = numbers[..] else { panic!("{said}") };
    // From above alone: a busy machine makes it fewer.
    assert!(granted <= BURST + took / EVERY, "{said}");
    assert!(granted > 0 && refused > 0, "{said}");
    assert_eq!(other, 0, "{said}");
    quiet(&logins);
    assert_eq!(logins.said(), said);
}

#[test]
fn nonsense_ends_the_helper_and_nobody_else() {
    let logins = start("nonsense");
    assert_eq!(logins.said(), "done\n");
    quiet(&logins);
    let descriptors = procfs::descriptor_count(logins.daemon.pid);
    logins.again("nonsense");
    logins.played();
    assert_eq!(logins.said(), "done\n");
    quiet(&logins);
    assert_eq!(procfs::descriptor_count(logins.daemon.pid), descriptors);
}

#[test]
fn what_is_not_read_stays_bounded() {
    let logins = start("unread");
    let said = logins.said();
    let granted: usize = said.trim_start_matches("unread ").trim().parse().expect("a number");
    assert!(granted <= AT_ONCE, "{said}");
    quiet(&logins);
    let descriptors = procfs::descriptor_count(logins.daemon.pid);
    logins.again("unread");
    logins.played();
    quiet(&logins);
    assert_eq!(procfs::descriptor_count(logins.daemon.pid), descriptors);
}

/// One by its own clock, and one that cannot even end itself by the spawner's.
#[test]
fn helpers_that_are_told_nothing_end_in_time() {
    let mut logins = start("hold");
    assert_eq!(logins.said(), "held\n");
    let helpers = logins.helpers();
    assert_eq!(helpers.len(), AT_ONCE);
    let begun = Instant::now();
    assert!(procfs::signal(helpers[0], Signal::SIGSTOP));
    within(LIFE, || logins.helpers().is_empty().then_some(()))
        .unwrap_or_else(|| panic!("still there after {:?}", begun.elapsed()));
    // The spawner serves on.
    assert_eq!(logins.daemon.stop(), 0);
}

#[test]
fn helpers_go_with_their_broker() {
    let logins = start("hold");
    assert_eq!(logins.helpers().len(), AT_ONCE);
    let descriptors = procfs::descriptor_count(logins.daemon.pid);
    logins.again("once");
    logins.played();
    assert_eq!(logins.said().lines().count(), 1);
    quiet(&logins);
    // A helper is a pidfd.
    assert_eq!(procfs::descriptor_count(logins.daemon.pid), descriptors - AT_ONCE);
}

#[test]
fn helpers_go_with_the_daemon() {
    let logins = start("hold");
    let helpers = logins.helpers();
    assert_eq!(helpers.len(), AT_ONCE);
    assert!(procfs::signal(logins.daemon.pid, Signal::SIGKILL));
    wait_for("the helpers to end", || !helpers.iter().any(|pid| procfs::alive(*pid)));
}

#[test]
fn who_has_no_pam_server_gets_no_helper() {
    let logins = Logins::of(&Dist::hooks(), "once", false, |_| {});
    logins.played();
    assert_eq!(logins.said(), "Err(EPERM)\n");
    assert_eq!(logins.helpers(), []);
    assert_eq!(logins.brokers(), 1);
}

/// A broker that keeps asking is no worse off, and gets none, until a reading brings the server back.
#[test]
fn a_reading_without_pam_takes_the_helpers_away() {
    let logins = Logins::start(&Dist::hooks(), "readings");
    let heard = |words: &str| wait_for(words, || logins.said().ends_with(words));
    heard("granted\n");
    quiet(&logins);
    logins.reconfigure(false);
    heard("read 0\nErr(EPERM)\nErr(EPERM)\n");
    assert_eq!(logins.helpers(), []);
    logins.reconfigure(true);
    heard("read 0\ngranted\ngranted\n");
    logins.played();
    quiet(&logins);
    assert_eq!(logins.brokers(), 1);
}

#[test]
fn a_helper_that_is_not_installed_is_said_when_it_is_asked_for() {
    let logins = Logins::of(&Dist::hooks(), "once", true, |dist| {
        std::fs::remove_file(dist.helper("supervisor-pam")).expect("the helper");
    });
    logins.played();
    assert_eq!(logins.said(), "Err(ENOENT)\n");
}
