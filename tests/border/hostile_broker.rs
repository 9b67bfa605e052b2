//! A thousand brokers that do all that the border forbids.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::{self, Dist};
use system_tests::net;
use system_tests::procfs::{self, Status};
use system_tests::wait::within;
use system_tests::{Config, Daemon, Launch, NOBODY, Room, wait_for};

/// Every attack once or twice, so that the daemon has met them all before it is measured.
const WARM: u64 = 94;
const BROKERS: u64 = 1_000;
/// Resident memory may move by a few pages without growing.
const SLACK_KIB: u32 = 256;

struct Siege {
    room: Room,
    daemon: Daemon,
    runs: String,
}

impl Siege {
    fn start() -> Siege {
        let room = Room::new();
        let dist = Dist::hooks().copy(&room);
        dist.replace("supervisor-broker", &dist::helper("hostile-broker"));
        let runs = "dist/libexec/supervisor/runs".to_owned();
        room.directory(&runs);
        room.mode(&runs, 0o777);
        room.file(&format!("{runs}/limit"), &WARM.to_string());
        room.file("witness", "untouched");
        let config = Config::new(&room).program(
            "canary",
            "/bin/sleep 100000",
            "user=nobody\nautostart=false\nautorestart=false\nstdout_logfile=%(here)s/canary.log",
        );
        let daemon = Launch::new(&room, dist.supervisord())
            .args(&["-n"])
            .config(&config.write(&room))
            .start();
        Siege { room, daemon, runs }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.room.path(&format!("{}/{name}", self.runs))).unwrap_or_default()
    }

    fn count(&self) -> u64 {
        fs::metadata(self.room.path(&format!("{}/count", self.runs))).map_or(0, |m| m.len())
    }

    /// Waits until one broker after so many has come and behaves.
    fn wait_staying(&self, runs: u64) -> i32 {
        let found = within(Duration::from_secs(150), || {
            assert!(procfs::alive(self.daemon.pid), "the spawner died\n{}", self.daemon.stderr());
            let pid: i32 = self.read("staying").trim().parse().ok()?;
            (self.count() > runs && procfs::alive(pid)).then_some(pid)
        });
        found.unwrap_or_else(|| panic!("only {} of {runs} brokers ran", self.count()))
    }

    /// Lets so many more attack.
    fn go_on(&self, more: u64) {
        let staying = self.wait_staying(0);
        let limit = self.count() + more;
        self.room.file(&format!("{}/limit", self.runs), &limit.to_string());
        fs::remove_file(self.room.path(&format!("{}/staying", self.runs)))
            .expect("a broker that stays");
        assert!(procfs::signal(staying, Signal::SIGKILL));
        self.wait_staying(limit);
    }

    fn canary(&self) -> i32 {
        let own = |pid: &i32| {
            procfs::alive(*pid) && procfs::arguments(*pid).iter().any(|a| a == "100000")
        };
        let found: Vec<i32> = procfs::children(self.daemon.pid).into_iter().filter(own).collect();
        assert_eq!(found.len(), 1, "exactly one instance of the only program");
        found[0]
    }

    /// The children that brokers left behind end after a second.
    fn wait_quiet(&self) {
        wait_for("only broker and program to be left", || {
            procfs::children(self.daemon.pid).len() == 2
        });
    }

    /// Everything in the room but what the harness and the brokers write: inode, size, owner and mode.
    fn files(&self) -> BTreeMap<String, (u64, u64, u32, u32)> {
        let mut files = BTreeMap::new();
        list(self.room.dir(), &mut files);
        files.retain(|name, _| !name.contains("/runs") && !name.contains("/std"));
        files
    }
}

fn list(dir: &Path, into: &mut BTreeMap<String, (u64, u64, u32, u32)>) {
    for entry in fs::read_dir(dir).expect("a directory of the room").flatten() {
        let meta = entry.metadata().expect("a file of the room");
        if meta.is_dir() {
            list(&entry.path(), into);
        }
        // What the spawner itself may add to the activity log is no attack.
        let size = if entry.path().ends_with("supervisord.log") || meta.is_dir() {
            0
        } else {
            meta.size()
        };
        into.insert(
            entry.path().display().to_string(),
            (meta.ino(), size, meta.uid(), meta.mode()),
        );
    }
}

#[test]
fn a_thousand_hostile_brokers_change_nothing() {
    let siege = Siege::start();
    siege.wait_staying(WARM);
    siege.wait_quiet();
    let (canary, files) = (siege.canary(), siege.files());
    let (rss, descriptors) =
        (Status::of(siege.daemon.pid).rss(), procfs::descriptor_count(siege.daemon.pid));
    assert_eq!(Status::of(canary).numbers("Uid"), [NOBODY; 4]);

    let start = Instant::now();
    siege.go_on(BROKERS);
    siege.wait_quiet();
    println!("{BROKERS} brokers in {:?}", start.elapsed());

    assert_eq!(siege.read("breach"), "");
    assert_eq!(siege.canary(), canary, "the program was restarted");
    assert_eq!(procfs::stat(canary).map(|s| s.state), Some('S'), "the program was signalled");
    assert_eq!(siege.files(), files, "files were made, renamed or changed");
    assert_eq!(procfs::descriptor_count(siege.daemon.pid), descriptors);
    let now = Status::of(siege.daemon.pid).rss();
    assert!(now <= rss + SLACK_KIB, "{rss} KiB before, {now} KiB after");
}

#[test]
fn after_all_of_it_the_daemon_still_obeys_a_signal() {
    let mut siege = Siege::start();
    siege.wait_staying(WARM);
    let canary = siege.canary();
    assert_eq!(siege.daemon.stop(), 0);
    assert!(!procfs::alive(canary));
    assert!(!siege.room.path("supervisord.pid").exists());
    assert_eq!(siege.read("breach"), "");
}

/// Runs of the broker that retires, up to the first that stays.
const RETIRING: u64 = 5;

/// A program that is started and retired so many times by each of these brokers.
fn retired(times: &str) -> Siege {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    dist.replace("supervisor-broker", &dist::helper("hostile-broker"));
    let runs = "dist/libexec/supervisor/runs".to_owned();
    room.directory(&runs);
    room.mode(&runs, 0o777);
    room.file(&format!("{runs}/victim"), times);
    let log = |name: &str| {
        format!("stdout_logfile=%(here)s/{name}.log\nstderr_logfile=%(here)s/{name}.err")
    };
    let lines = "user=nobody\nautostart=false\nautorestart=false";
    let socket = net::address();
    let config = Config::new(&room)
        .program("canary", "/bin/sleep 100000", &format!("{lines}\n{}", log("canary")))
        .program(
            "victim",
            "/bin/sleep 200000",
            &format!("{lines}\n{}\nsockets=tcp://{socket}:8001", log("victim")),
        );
    let daemon =
        Launch::new(&room, dist.supervisord()).args(&["-n"]).config(&config.write(&room)).start();
    Siege { room, daemon, runs }
}

#[test]
fn what_is_retired_is_out_of_reach_and_leaves_nothing() {
    let siege = retired("25");
    let staying = siege.wait_staying(RETIRING);
    siege.wait_quiet();
    let canary = siege.canary();
    let files = siege.files();
    let size = || (Status::of(siege.daemon.pid).rss(), procfs::descriptor_count(siege.daemon.pid));
    let before = size();

    siege.room.file(&format!("{}/victim", siege.runs), "250");
    fs::remove_file(siege.room.path(&format!("{}/staying", siege.runs))).expect("its file");
    assert!(procfs::signal(staying, Signal::SIGKILL));
    siege.wait_staying(RETIRING + 1);
    siege.wait_quiet();
    assert_eq!(siege.read("breach"), "");
    assert_eq!(siege.canary(), canary, "the program was restarted");
    assert_eq!(siege.files(), files, "files were made, renamed or changed");
    let after = size();
    assert_eq!(after.1, before.1, "descriptors");
    assert!(after.0 <= before.0 + SLACK_KIB, "{} KiB before, {} KiB after", before.0, after.0);
}
