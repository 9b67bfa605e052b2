//! The loop against a spawner that speaks the wire format.

mod reread;
mod stdin;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use link::bytes::Scratch;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair,
};
use nix::unistd::{pipe, write};
use privsep::reply::{Cause, STDOUT};
use privsep::request::{End, Mode, Request, Whom};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};

use super::*;
use crate::config::settings::{ActivityLog, Autorestart, Level, LogFile, Process, Settings};
use crate::logs::Tools;
use crate::process::world::{self, log_file, program, stream};

fn settings() -> Settings {
    let process = Process {
        autorestart: Autorestart::Always,
        startsecs: 0,
        redirect_stderr: true,
        stdout: stream(Some(1)),
        ..program("p")
    };
    let mut settings = world::settings(vec![("p", 999, vec![process])]);
    settings.activity = ActivityLog { log: Some(0), level: Level::Info, stdout: false };
    settings.notes = vec![(Level::Warn, "a note".into())];
    settings.logs.insert(0, log_file("activity"));
    settings.logs.insert(1, LogFile { maxbytes: 10, backups: 1, ..log_file("out") });
    settings
}

/// The spawner's side.
struct Fake {
    socket: OwnedFd,
    dir: tempfile::TempDir,
}

impl Fake {
    fn tell(&self, reply: Reply, fds: &[RawFd]) {
        let rights = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights[..] };
        let bytes = reply.encode();
        let iov = [std::io::IoSlice::new(&bytes)];
        sendmsg::<()>(self.socket.as_raw_fd(), &iov, control, MsgFlags::empty(), None).unwrap();
    }

    async fn hear(&self) -> (u32, Request) {
        let wait = async {
            loop {
                let mut bytes = [0; 64];
                match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                    Ok(n) => return Request::decode(&bytes[..n]).unwrap(),
                    Err(Errno::EAGAIN) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(e) => panic!("{e}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("a request")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn journal(&self) -> File {
        let file = self.file("journal");
        file.set_len(u64::try_from(privsep::journal::SIZE).unwrap()).unwrap();
        file
    }

    fn greet(&self, predecessors: u32, cause: Cause) {
        self.greet_with(predecessors, cause, &settings());
    }

    fn greet_with(&self, predecessors: u32, cause: Cause, settings: &Settings) {
        let memory = memory(&settings.encode().unwrap());
        let (epoch, listeners, detail, stdout, audit) = (1, 0, 9, false, None);
        let hello = Reply::Hello { epoch, listeners, predecessors, cause, detail, stdout, audit };
        self.tell(hello, &[memory.as_raw_fd(), self.journal().as_raw_fd()]);
    }

    /// Answers a request for a reading.
    async fn reads(&self, status: u8, written: &[u8]) {
        let (seq, request) = self.hear().await;
        assert_eq!(request, Request::Reread);
        self.has_read(seq, status, written);
    }

    fn has_read(&self, seq: u32, status: u8, written: &[u8]) {
        self.tell(Reply::Reading { seq, epoch: 2, status }, &[memory(written).as_raw_fd()]);
    }

    /// Opens what it is asked for.
    async fn opens(&self, log: u32, mode: Mode, name: &str) {
        let (seq, request) = self.hear().await;
        assert_eq!(request, Request::OpenLog { log, mode });
        let reply = Reply::Opened { seq, log, same: log };
        self.tell(reply, &[self.file(name).as_raw_fd()]);
    }

    fn spawned(&self, seq: u32, instance: u32) -> OwnedFd {
        let (reader, writer) = pipe().unwrap();
        let arg = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&reader, arg).unwrap();
        let pid = 100 + i32::try_from(instance).unwrap();
        let reply = Reply::Spawned { seq, slot: 0, instance, pid, failure: None, pipes: STDOUT };
        self.tell(reply, &[reader.as_raw_fd()]);
        writer
    }

    fn exits(&self, instance: u32, status: i32) {
        let at = u64::try_from(clock::now().mono.as_nanos()).unwrap();
        self.tell(Reply::Exited { slot: 0, instance, status, at, cpu: 0, maxrss: 0 }, &[]);
    }

    async fn shows(&self, name: &str, text: &str) {
        for _ in 0..4_000 {
            if self.path(name).exists() && self.text(name).contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{name} has no {text:?}: {}", self.text(name));
    }
}

fn memory(bytes: &[u8]) -> File {
    let mut memory = tempfile::tempfile().unwrap();
    memory.write_all(bytes).unwrap();
    memory
}

fn tools() -> Tools {
    Tools {
        watch: Rc::new(Watch::new().unwrap()),
        scratch: Scratch::new().unwrap(),
        null: OpenOptions::new().write(true).open("/dev/null").unwrap(),
    }
}

/// A broker and its spawner; the sandbox itself is for the whole-system tests.
fn start(dir: tempfile::TempDir) -> (Fake, JoinHandle<io::Result<()>>) {
    let (fake, _, task) = launch(dir);
    (fake, task)
}

type Task = JoinHandle<io::Result<()>>;

/// The same, with the broker itself as soon as it serves.
fn launch(dir: tempfile::TempDir) -> (Fake, oneshot::Receiver<Rc<Broker>>, Task) {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
    let link = Spawner::new(ours).unwrap();
    let (sender, receiver) = oneshot::channel();
    let task = tokio::task::spawn_local(async {
        match start::prepare(link, tools(), 42, &[]).await? {
            Some((broker, _)) => {
                let _ = sender.send(Rc::clone(&broker));
                start::ended(broker.run().await)
            }
            None => Ok(()),
        }
    });
    (Fake { socket: theirs, dir }, receiver, task)
}

#[tokio::test]
async fn a_life_from_start_to_end() {
    LocalSet::new().run_until(life()).await;
}

async fn life() {
    let (fake, broker) = start(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await, (1, Request::Ready));
    fake.greet(0, Cause::Start);
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    // Its log first, then the program.
    fake.opens(1, Mode::Reopen, "out").await;
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::Spawn { slot: 0 });
    let out = fake.spawned(seq, 1);
    fake.shows("activity", "INFO spawned: 'p' with pid 101\n").await;
    let text = fake.text("activity");
    assert!(text.contains("WARN a note\n"), "{text}");
    assert!(text.contains("INFO supervisord started with pid 42\n"), "{text}");
    // Over its limit: it is rotated, and the rest comes after.
    write(&out, b"0123456789").unwrap();
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::RotateLog { log: 1 });
    write(&out, b"rest").unwrap();
    std::fs::rename(fake.path("out"), fake.path("out.1")).unwrap();
    // An exit waits for its bytes.
    fake.exits(1, 9);
    fake.tell(Reply::Opened { seq, log: 1, same: 1 }, &[fake.file("out").as_raw_fd()]);
    let (_, request) = fake.hear().await;
    assert_eq!(request, Request::Ack { slot: 0, instance: 1 });
    assert_eq!((fake.text("out.1"), fake.text("out")), ("0123456789".into(), "rest".into()));
    // Somebody may have moved the file meanwhile: it is opened by its name.
    std::fs::rename(fake.path("out"), fake.path("moved")).unwrap();
    fake.opens(1, Mode::Reopen, "out").await;
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::Spawn { slot: 0 }, "it is started again");
    let _out = fake.spawned(seq, 2);
    stop(&fake).await;
    drop(fake);
    assert!(broker.await.unwrap().is_ok(), "the spawner's end is no failure");
}

async fn stop(fake: &Fake) {
    fake.shows("activity", "with pid 102\n").await;
    fake.tell(Reply::SignalReceived { signo: 1 }, &[]);
    // The configuration is looked at before anything is stopped.
    let (reading, request) = fake.hear().await;
    assert_eq!(request, Request::Reread);
    assert_eq!(fake.hear().await.1, Request::AckSignal { signo: 1 });
    fake.has_read(reading, 0, &settings().encode().unwrap());
    let (seq, request) = fake.hear().await;
    let whom = Whom::Process;
    assert_eq!(request, Request::Signal { slot: 0, instance: 2, signo: 15, whom });
    fake.tell(Reply::Done { seq, errno: 0 }, &[]);
    fake.exits(2, 15);
    assert_eq!(fake.hear().await.1, Request::Ack { slot: 0, instance: 2 });
    assert_eq!(fake.hear().await.1, Request::End(End::Restart));
    fake.shows("activity", "WARN received SIGHUP indicating restart request\n").await;
}

#[tokio::test]
async fn a_successor_goes_on_where_it_was() {
    LocalSet::new().run_until(succession()).await;
}

async fn succession() {
    let (fake, broker) = start(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet(0, Cause::Start);
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    fake.opens(1, Mode::Reopen, "out").await;
    let (seq, _) = fake.hear().await;
    let out = fake.spawned(seq, 1);
    fake.shows("activity", "with pid 101\n").await;
    broker.abort();
    let _ = broker.await;
    let Fake { dir, .. } = fake;
    let (fake, _broker) = start(dir);
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet(1, Cause::Died);
    fake.opens(0, Mode::Write, "activity").await;
    drop(out);
    let out = fake.spawned(0, 1);
    fake.opens(1, Mode::Write, "out").await;
    fake.tell(Reply::Complete, &[]);
    write(&out, b"on\n").unwrap();
    fake.shows("out", "on\n").await;
    fake.shows("activity", "WARN the broker was replaced (terminated by SIGKILL)").await;
    assert_eq!(fake.text("activity").matches("a note").count(), 1, "notes are written once");
    fake.tell(Reply::SignalReceived { signo: 15 }, &[]);
    let (_, request) = fake.hear().await;
    assert!(matches!(request, Request::Signal { instance: 1, .. }), "{request:?}");
    assert_eq!(fake.hear().await.1, Request::AckSignal { signo: 15 });
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_fails_the_start() {
    LocalSet::new().run_until(unwritable()).await;
}

async fn unwritable() {
    let (fake, _broker) = start(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet(0, Cause::Start);
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::OpenLog { log: 1, mode: Mode::Reopen });
    fake.tell(Reply::Done { seq, errno: Errno::EACCES as i32 }, &[]);
    fake.shows("activity", "unknown error making dispatchers for 'p': EACCES\n").await;
    // The next try asks for the log again.
    fake.opens(1, Mode::Reopen, "out").await;
    assert_eq!(fake.hear().await.1, Request::Spawn { slot: 0 });
}

#[tokio::test]
async fn what_a_file_system_does_not_support_was_not_done() {
    let test = async {
        let (fake, broker, _task) = launch(tempfile::tempdir().unwrap());
        assert_eq!(fake.hear().await.1, Request::Ready);
        fake.greet(0, Cause::Start);
        fake.opens(0, Mode::Write, "activity").await;
        fake.tell(Reply::Complete, &[]);
        let (seq, _) = fake.hear().await;
        // Of a signal it means that its process was reached, and perhaps not all who left its group.
        let errno = Errno::EOPNOTSUPP as i32;
        fake.tell(Reply::Done { seq, errno }, &[]);
        fake.shows("activity", "unknown error making dispatchers for 'p': EOPNOTSUPP\n").await;
        let broker = broker.await.unwrap();
        let (client, cleared) = oneshot::channel();
        broker.clear(7, client);
        let seq = loop {
            if let (seq, Request::ClearLog { log: 7 }) = fake.hear().await {
                break seq;
            }
        };
        fake.tell(Reply::Done { seq, errno }, &[]);
        let error = cleared.await.unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_fifo_that_nobody_reads_fails_no_start() {
    LocalSet::new().run_until(unread()).await;
}

async fn unread() {
    let (fake, _broker) = start(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet(0, Cause::Start);
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    let (seq, _) = fake.hear().await;
    fake.tell(Reply::Done { seq, errno: Errno::ENXIO as i32 }, &[]);
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::Spawn { slot: 0 });
    let out = fake.spawned(seq, 1);
    write(&out, b"waits").unwrap();
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::OpenLog { log: 1, mode: Mode::Write });
    fake.tell(Reply::Done { seq, errno: Errno::ENXIO as i32 }, &[]);
    // By itself.
    fake.opens(1, Mode::Write, "out").await;
    fake.shows("out", "waits").await;
    fake.shows("activity", "can be written to again\n").await;
    assert_eq!(fake.text("activity").matches("could not open").count(), 1);
}

#[tokio::test]
async fn logs_that_are_on_their_way_are_opened_again_too() {
    LocalSet::new().run_until(on_their_way()).await;
}

async fn on_their_way() {
    let (fake, _broker) = start(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet(0, Cause::Start);
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    let (first, _) = fake.hear().await;
    fake.tell(Reply::SignalReceived { signo: 12 }, &[]);
    let mode = Mode::Reopen;
    let (activity, request) = fake.hear().await;
    assert_eq!(request, Request::OpenLog { log: 0, mode });
    let (second, request) = fake.hear().await;
    assert_eq!(request, Request::OpenLog { log: 1, mode });
    assert_eq!(fake.hear().await.1, Request::AckSignal { signo: 12 });
    let opened = |seq, log, file: File| {
        fake.tell(Reply::Opened { seq, log, same: log }, &[file.as_raw_fd()]);
    };
    opened(activity, 0, fake.file("activity"));
    opened(first, 1, fake.file("old"));
    // The spawner is busy with that log: it is asked again.
    fake.tell(Reply::Done { seq: second, errno: Errno::EBUSY as i32 }, &[]);
    let (seq, _) = fake.hear().await;
    let out = fake.spawned(seq, 1);
    let (seq, request) = fake.hear().await;
    assert_eq!(request, Request::OpenLog { log: 1, mode });
    opened(seq, 1, fake.file("out"));
    // What is written before the message is read still goes to the old file.
    let new = async {
        while fake.text("out").is_empty() {
            write(&out, b"x").unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), new).await.expect("the new file");
}
