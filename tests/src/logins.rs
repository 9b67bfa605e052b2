//! A daemon that has `auth=pam`, and in its broker's place one that misuses what it gets by that.

use std::fs;
use std::path::PathBuf;

use crate::config::broker_user;
use crate::wait::wait_for;
use crate::{Config, Daemon, Dist, Launch, Room, dist, procfs};

/// A daemon with such a broker. Nothing but its broker, and PAM helpers, are children of it.
#[derive(Debug)]
pub struct Logins {
    /// Where it lives.
    pub room: Room,
    /// The daemon.
    pub daemon: Daemon,
}

const RUNS: &str = "dist/libexec/supervisor/runs";

impl Logins {
    /// Starts it; the broker plays this part of `login-broker`.
    pub fn start(tree: &Dist, part: &str) -> Logins {
        Logins::of(tree, part, true, |_| {})
    }

    /// The same, with `auth=pam` or without, of a tree that is changed first.
    pub fn of(tree: &Dist, part: &str, pam: bool, change: impl FnOnce(&Dist)) -> Logins {
        let room = Room::new();
        let dist = tree.copy(&room);
        dist.replace("supervisor-broker", &dist::helper("login-broker"));
        change(&dist);
        room.directory(RUNS);
        room.mode(RUNS, 0o777);
        room.file(&format!("{RUNS}/what"), part);
        let file = configure(&room, pam);
        let daemon = Launch::new(&room, dist.supervisord()).args(&["-n"]).config(&file).start();
        Logins { room, daemon }
    }

    /// Waits until the broker has played its part.
    pub fn played(&self) {
        wait_for("the broker to have played its part", || {
            assert!(procfs::alive(self.daemon.pid), "it has ended: {}", self.daemon.stderr());
            self.room.path(&format!("{RUNS}/staying")).exists()
        });
    }

    /// What the broker has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.room.path(&format!("{RUNS}/said"))).unwrap_or_default()
    }

    /// How many brokers there were.
    pub fn brokers(&self) -> u64 {
        fs::metadata(self.room.path(&format!("{RUNS}/count"))).map_or(0, |file| file.len())
    }

    /// Has another broker play a part.
    pub fn again(&self, part: &str) {
        let _ = fs::remove_file(self.room.path(&format!("{RUNS}/staying")));
        let _ = fs::remove_file(self.room.path(&format!("{RUNS}/said")));
        self.room.file(&format!("{RUNS}/what"), part);
        self.daemon.kill_broker();
    }

    /// Changes the configuration, and lets a broker that waits for that go on.
    pub fn reconfigure(&self, pam: bool) {
        configure(&self.room, pam);
        self.room.file(&format!("{RUNS}/changed"), "");
    }

    /// The helpers that are there, those included that have not become one yet.
    pub fn helpers(&self) -> Vec<i32> {
        let other = |pid: i32| {
            let words = procfs::arguments(pid);
            let word = words.first().map_or("", String::as_str);
            ["supervisor-broker", "supervisor-audit"].contains(&word)
        };
        let children = procfs::children(self.daemon.pid).into_iter();
        children.filter(|pid| !other(*pid) && procfs::alive(*pid)).collect()
    }
}

/// Writes the configuration, with `auth=pam` or without.
fn configure(room: &Room, pam: bool) -> PathBuf {
    let lines = format!("broker_user={}\naudit_logfile=none", broker_user());
    let text = Config::new(room).daemon(&lines).text();
    let auth = if pam { ".sock\nauth=pam\n" } else { ".sock\n" };
    room.file("supervisord.conf", &text.replacen(".sock\n", auth, 1))
}
