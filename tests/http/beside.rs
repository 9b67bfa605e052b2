//! What must stay as it is while others do their worst: answers, memory, descriptors.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use system_tests::procfs::{self, Status};
use system_tests::wait::{PATIENCE, within};
use system_tests::{Config, Daemon, Dist, Launch, Room, wait_for};

use crate::wire::{Place, call};

/// The most KiB of memory that the broker may ever have had: less than one of the bodies that it is sent.
const MEMORY: u32 = 40 << 10;

/// A daemon without programs and with one TCP listener beside the unix socket.
pub fn daemon(room: &Room, more: &str) -> (Daemon, Place, Place) {
    let address = Place::free("127.0.0.1");
    let config = Config::new(room).section(&format!("[inet_http_server]\nport={address}\n{more}"));
    let daemon = Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready();
    (daemon, Place::unix(&room.path("supervisord.sock")), Place::Tcp(address))
}

/// A client that asks for the state again and again on one connection, and what the broker had when it began.
pub struct Beside {
    broker: i32,
    descriptors: BTreeMap<u32, PathBuf>,
    over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Beside {
    pub fn begin(daemon: &Daemon, place: &Place) -> Beside {
        let broker = daemon.broker();
        // It may answer before it has its log.
        wait_for("the log", || daemon.activity().contains("supervisord started with pid"));
        let descriptors = procfs::descriptors(broker);
        let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (place, end, count) = (place.clone(), Arc::clone(&over), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            let mut wire = place.connect().expect("a connection");
            while !end.load(Ordering::Relaxed) {
                wire.send(&call("supervisor.getState", "")).expect("a question");
                let (head, body) = wire.answer().expect("an answer");
                assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
                assert!(body.contains("<string>RUNNING</string>"), "{body}");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let beside = Beside { broker, descriptors, over, answers, thread };
        beside.more();
        beside
    }

    /// Waits for some more answers: nothing that happens now holds them back.
    pub fn more(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        wait_for("answers beside the others", || {
            assert!(!self.thread.is_finished(), "the client beside the others has failed");
            self.answers.load(Ordering::Relaxed) > before + 10
        });
    }

    /// It was the same broker all the time, it never took much memory, and nothing is left open.
    pub fn end(self, daemon: &Daemon) {
        self.more();
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a client that was always answered");
        assert_eq!(daemon.broker(), self.broker, "the broker was replaced");
        let mut now = BTreeMap::new();
        let closed = within(PATIENCE, || {
            now = procfs::descriptors(self.broker);
            (now.len() <= self.descriptors.len()).then_some(())
        });
        assert!(closed.is_some(), "left open: {now:?}, before: {:?}", self.descriptors);
        let most = Status::of(self.broker).numbers("VmHWM")[0];
        assert!(most < MEMORY, "the broker had {most} KiB");
        let errors: Vec<String> =
            daemon.activity().lines().filter(|l| l.contains(" CRIT ")).map(str::to_owned).collect();
        let expected = |l: &String| l.contains("without any HTTP") || l.contains("running as root");
        assert!(errors.iter().all(expected), "{errors:?}");
    }
}
