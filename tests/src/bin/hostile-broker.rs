//! In the broker's place: each run does something else that a broker must not do.
//!
//! Beside it lies a directory `runs`. `count` has a byte for each run so far; while there are fewer than the number in
//! `limit`, a run attacks and ends, later ones behave and stay. Whatever succeeds that must not is a line in `breach`.
//!
//! Where there is a file `victim`, runs start, end and retire the process in slot 1 instead, as often as it says.
#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::exit;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use nix::unistd::{Pid, getppid};
use privsep::journal;
use privsep::reply::{Reply, SIZE as REPLY_SIZE};
use privsep::request::{End, Mode, Request, SIZE, Whom};
use privsep::start::SOCKET;

/// The slot of the one program that the first run starts.
const CANARY: u32 = 0;
/// The slot of one that is started and retired again and again.
const VICTIM: u32 = 1;
const QUIET: Duration = Duration::from_millis(30);

type Attack = fn(&mut Broker);

/// What each run does, in turn.
const ATTACKS: [(&str, Attack); 42] = [
    ("leave at once", |_| {}),
    ("nothing but zero bytes long", |b| b.raw(&[])),
    ("one byte", |b| b.raw(&[0x53])),
    ("one byte short", |b| b.raw(&[0x53; SIZE - 1])),
    ("one byte long", |b| b.altered(|bytes| bytes.push(0))),
    ("64 KiB", |b| b.raw(&[0xff; 65_536])),
    ("200 KB", |b| b.raw(&[0; 200_000])),
    ("another magic number", |b| b.altered(|bytes| bytes[0] ^= 1)),
    ("another version", |b| b.altered(|bytes| bytes[2] ^= 1)),
    ("operation 0", |b| b.altered(|bytes| bytes[operation()] = 0)),
    ("operation 13", |b| b.altered(|bytes| bytes[operation()] = 13)),
    ("operation 255", |b| b.altered(|bytes| bytes[operation()] = 255)),
    ("a field that is not used", |b| b.altered(|bytes| bytes[SIZE - 1] = 1)),
    ("ready twice", |b| b.ask(Request::Ready)),
    ("a slot that is not there", |b| {
        for slot in [1, 2, 1000, u32::MAX] {
            b.must_fail("started slot", Request::Spawn { slot });
        }
    }),
    ("a probe of a slot that is not there", |b| b.ask(Request::Probe { slot: u32::MAX })),
    ("a second instance", |b| {
        b.must_fail("started a second instance", Request::Spawn { slot: CANARY })
    }),
    ("a later instance", |b| b.stale(999)),
    ("no instance", |b| b.stale(0)),
    ("the last instance there can be", |b| b.stale(u32::MAX)),
    ("a signal to a slot that is not there", |b| {
        b.must_fail("signalled", signal(77, 1, 9));
    }),
    ("signal 0 and signal 65", |b| {
        for number in [0, 65, 255] {
            b.altered(|bytes| *bytes = patched_signal(number));
        }
    }),
    ("a signal to nobody in particular", |b| {
        b.altered(|bytes| {
            *bytes = patched_signal(9);
            bytes[place(signal(0, 1, 9), to_group())] = 3;
        })
    }),
    ("a log that is not there", |b| {
        for mode in [Mode::Read, Mode::Write, Mode::Reopen] {
            b.must_fail("opened", Request::OpenLog { log: 9999, mode });
        }
        b.must_fail("rotated", Request::RotateLog { log: u32::MAX });
        b.must_fail("cleared", Request::ClearLog { log: 3 });
    }),
    ("rotation below the limit", |b| {
        for log in 0..3 {
            b.must_fail("rotated below the limit", Request::RotateLog { log });
        }
    }),
    ("a log without end", |b| b.flood(|n| Request::OpenLog { log: n % 3, mode: Mode::Reopen })),
    ("readings without end", |b| b.flood(|_| Request::Reread)),
    ("retirement of what runs, and of what is not there", |b| {
        for _ in 0..1_000 {
            b.ask(Request::Reread);
            b.ask(Request::Retire { slot: CANARY });
        }
        b.must_fail("started a second instance", Request::Spawn { slot: CANARY });
        b.ask(Request::Retire { slot: 999 });
    }),
    ("an exit that was not", |b| {
        b.ask(Request::Ack { slot: CANARY, instance: 1 });
        b.ask(Request::Ack { slot: 5, instance: 7 });
        b.ask(Request::AckSignal { signo: 15 });
    }),
    ("one descriptor", |b| b.with_descriptors(1, 1)),
    ("253 descriptors, a hundred times", |b| b.with_descriptors(100, 253)),
    ("descriptors and no bytes", |b| b.descriptors(&[], 253)),
    ("a flood", |b| b.flood(|n| Request::Probe { slot: n % 2 })),
    ("a flood that is garbage in the end", |b| {
        b.flood(|_| Request::Probe { slot: CANARY });
        b.raw(&[0xee; SIZE]);
    }),
    ("a flood of readings", |b| b.flood(|_| Request::Reread)),
    ("what runs is retired", |b| {
        b.flood(|_| Request::Retire { slot: CANARY });
        b.must_fail("started a second instance", Request::Spawn { slot: CANARY });
        let (instance, _) = b.canary.unwrap_or_default();
        b.ask(Request::Ack { slot: CANARY, instance });
        b.ask(Request::Retire { slot: CANARY });
    }),
    ("readings and retirements", |b| {
        b.flood(|n| if n % 2 == 0 { Request::Reread } else { Request::Retire { slot: CANARY } });
    }),
    ("slots that are not there are retired", |b| {
        for slot in [1, 1000, u32::MAX] {
            b.ask(Request::Retire { slot });
        }
    }),
    ("the journal", Broker::journal),
    ("the settings", Broker::settings),
    ("other processes", Broker::others),
    ("a socket that is shut and a child that stays", |_| {
        let _ = std::process::Command::new("/bin/sleep").arg("1").spawn();
        let _ = shutdown(SOCKET, Shutdown::Both);
        let _ = nix::unistd::close(SOCKET);
        std::thread::sleep(Duration::from_secs(30));
    }),
];

/// Attacks of a broker that does not say that it is ready first.
const EARLY: [(&str, Attack); 5] = [
    ("a start before being ready", |b| b.must_fail("started early", Request::Spawn { slot: 0 })),
    ("the end before being ready", |b| b.ask(Request::End(End::Exit))),
    ("descriptors before being ready", |b| b.with_descriptors(3, 200)),
    ("bytes before being ready", |b| b.raw(&[1; SIZE])),
    ("death before being ready", |_| {}),
];

fn main() {
    let runs = runs();
    let before = fs::metadata(runs.join("count")).map_or(0, |m| m.len());
    let counted = OpenOptions::new()
        .create(true)
        .append(true)
        .open(runs.join("count"))
        .and_then(|mut f| f.write_all(b"."));
    if counted.is_err() {
        exit(99);
    }
    let limit = fs::read_to_string(runs.join("limit")).unwrap_or_default();
    let limit: u64 = limit.trim().parse().unwrap_or(0);
    let mut broker = Broker::default();
    if let Ok(times) = fs::read_to_string(runs.join("victim")) {
        broker.victim(before, times.trim().parse().unwrap_or(0));
    }
    if before >= limit {
        broker.serve();
    }
    let turn = usize::try_from(before).unwrap_or(0) % (ATTACKS.len() + EARLY.len());
    let (name, attack) = match ATTACKS.get(turn) {
        Some(pair) => {
            broker.name = pair.0;
            broker.handshake();
            if broker.canary.is_none() {
                broker.start_canary();
            }
            pair
        }
        None => &EARLY[turn - ATTACKS.len()],
    };
    broker.name = name;
    attack(&mut broker);
    broker.listen();
    exit(0);
}

fn runs() -> PathBuf {
    let own = fs::read_link("/proc/self/exe").unwrap_or_default();
    own.parent().map(|dir| dir.join("runs")).unwrap_or_default()
}

fn signal(slot: u32, instance: u32, signo: u8) -> Request {
    Request::Signal { slot, instance, signo, whom: Whom::Tree }
}

fn to_group() -> Request {
    Request::Signal { slot: 0, instance: 1, signo: 9, whom: Whom::Group }
}

/// Where two requests begin to differ.
fn place(a: Request, b: Request) -> usize {
    let (a, b) = (a.encode(1), b.encode(1));
    a.iter().zip(b).position(|(a, b)| *a != b).unwrap_or(0)
}

/// Where the operation stands.
fn operation() -> usize {
    place(Request::Spawn { slot: 1 }, Request::Probe { slot: 1 })
}

/// A signal to the canary with any number.
fn patched_signal(number: u8) -> Vec<u8> {
    let mut bytes = signal(CANARY, 1, 9).encode(7).to_vec();
    bytes[place(signal(0, 1, 9), signal(0, 1, 10))] = number;
    bytes
}

#[derive(Default)]
struct Broker {
    name: &'static str,
    seq: u32,
    /// Settings, journal and perhaps more, in the order of arrival.
    given: Vec<RawFd>,
    canary: Option<(u32, i32)>,
}

impl Broker {
    fn breach(&self, what: &str) {
        let line = format!("{}: {what}\n", self.name);
        let file = OpenOptions::new().create(true).append(true).open(runs().join("breach"));
        if file.and_then(|mut f| f.write_all(line.as_bytes())).is_err() {
            exit(98);
        }
    }

    fn raw(&self, bytes: &[u8]) {
        self.descriptors(bytes, 0);
    }

    fn descriptors(&self, bytes: &[u8], count: usize) {
        let fds = vec![SOCKET; count];
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if count == 0 { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let _ = sendmsg::<()>(SOCKET, &[IoSlice::new(bytes)], control, flags, None);
    }

    fn with_descriptors(&mut self, times: usize, count: usize) {
        for _ in 0..times {
            self.descriptors(&Request::Probe { slot: CANARY }.encode(1), count);
        }
    }

    fn altered(&mut self, alter: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Request::Probe { slot: CANARY }.encode(1).to_vec();
        alter(&mut bytes);
        self.raw(&bytes);
    }

    fn ask(&mut self, request: Request) {
        self.seq += 1;
        self.raw(&request.encode(self.seq));
    }

    fn flood(&mut self, request: impl Fn(u32) -> Request) {
        for n in 0..20_000 {
            self.ask(request(n));
        }
    }

    /// Waits for the next message; `None` at the end or after a while of silence.
    fn hear(&mut self, patience: Duration) -> Option<Reply> {
        let end = Instant::now() + patience;
        let mut bytes = [0; REPLY_SIZE];
        let mut space = nix::cmsg_space!([RawFd; 8]);
        loop {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            match recvmsg::<()>(SOCKET, &mut iov, Some(&mut space), MsgFlags::MSG_DONTWAIT) {
                Ok(message) if message.bytes == 0 => return None,
                Ok(message) => {
                    for control in message.cmsgs().into_iter().flatten() {
                        if let ControlMessageOwned::ScmRights(fds) = control {
                            self.given.extend(fds);
                        }
                    }
                    return Reply::decode(&bytes).ok();
                }
                Err(Errno::EAGAIN | Errno::EINTR) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(_) => return None,
            }
        }
    }

    fn handshake(&mut self) {
        self.ask(Request::Ready);
        loop {
            match self.hear(Duration::from_secs(10)) {
                Some(Reply::Complete) => return,
                Some(Reply::Spawned { slot: CANARY, instance, pid, .. }) => {
                    self.canary = Some((instance, pid))
                }
                Some(_) => {}
                None => exit(97),
            }
        }
    }

    fn start_canary(&mut self) {
        self.ask(Request::Spawn { slot: CANARY });
        loop {
            match self.hear(Duration::from_secs(10)) {
                Some(Reply::Spawned { instance, pid, .. }) => {
                    self.canary = Some((instance, pid));
                    return;
                }
                Some(_) => {}
                None => exit(96),
            }
        }
    }

    /// Asks for something; any answer but a refusal is a breach.
    fn must_fail(&mut self, what: &str, request: Request) {
        self.ask(request);
        let seq = self.seq;
        match self.hear(QUIET) {
            Some(Reply::Done { seq: s, errno: 0 }) if s == seq => self.breach(what),
            Some(Reply::Spawned { seq: s, .. } | Reply::Opened { seq: s, .. }) if s == seq => {
                self.breach(what)
            }
            _ => {}
        }
    }

    fn stale(&mut self, instance: u32) {
        for signo in [9, 15, 19] {
            self.must_fail("signalled a stale instance", signal(CANARY, instance, signo));
        }
    }

    /// Waits for an answer that `wanted` takes; anything else that is said is passed over.
    fn await_reply<T>(&mut self, what: &str, wanted: impl Fn(Reply) -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(found) = self.hear(Duration::from_secs(20)).and_then(&wanted) {
                return found;
            }
        }
        self.breach(&format!("there was no {what}"));
        exit(95)
    }

    /// Has the configuration read; what came of it. Descriptors that come with it are dropped.
    fn read(&mut self) {
        self.ask(Request::Reread);
        let status = self.await_reply("reading", |reply| match reply {
            Reply::Reading { status, .. } => Some(i32::from(status)),
            Reply::Done { errno, .. } if errno != 0 => Some(-errno),
            _ => None,
        });
        if status != 0 {
            self.breach(&format!("a reading came to {status}"));
        }
    }

    /// One life of the victim, which is retired at every moment of it, the last time for good.
    fn live_and_die(&mut self) -> u32 {
        let retire = Request::Retire { slot: VICTIM };
        self.ask(Request::Spawn { slot: VICTIM });
        self.ask(retire);
        let instance = self.await_reply("start", |reply| match reply {
            Reply::Spawned { slot: VICTIM, instance, .. } => Some(instance),
            _ => None,
        });
        self.ask(retire);
        self.must_fail("started what runs", Request::Spawn { slot: VICTIM });
        for stale in [instance - 1, instance + 1, 0] {
            self.must_fail("signalled a stale instance", signal(VICTIM, stale, 9));
            self.ask(Request::Ack { slot: VICTIM, instance: stale });
        }
        self.ask(signal(VICTIM, instance, 9));
        self.await_reply("exit", |reply| match reply {
            Reply::Exited { slot: VICTIM, instance: told, .. } => (told == instance).then_some(()),
            _ => None,
        });
        // Its end is on record.
        self.ask(retire);
        self.must_fail("started what is on record", Request::Spawn { slot: VICTIM });
        self.ask(Request::Ack { slot: VICTIM, instance });
        self.ask(retire);
        self.close_given();
        instance
    }

    fn close_given(&mut self) {
        for fd in self.given.drain(..) {
            let _ = nix::unistd::close(fd);
        }
    }

    /// The victim lives and is retired so many times. The first runs end with what a retired slot forbids.
    fn victim(&mut self, turn: u64, times: u32) -> ! {
        self.name = "victim";
        self.handshake();
        if self.canary.is_none() {
            self.start_canary();
        }
        self.read();
        let mut last = 0;
        for _ in 0..times {
            let instance = self.live_and_die();
            if instance <= last {
                self.breach("an instance came twice");
            }
            last = instance;
            self.must_fail("signalled a retired slot", signal(VICTIM, instance, 9));
            self.ask(Request::Ack { slot: VICTIM, instance });
            self.ask(Request::Retire { slot: VICTIM });
            if turn < 5 {
                break;
            }
            self.read();
        }
        match turn {
            0 => self.must_fail("started a retired slot", Request::Spawn { slot: VICTIM }),
            1..4 => {
                let mode = Mode::Write;
                let log = [3, 4, u32::MAX][usize::try_from(turn - 1).unwrap_or(0)];
                self.must_fail("opened a retired log", Request::OpenLog { log, mode });
            }
            4 => self.ask(Request::Probe { slot: VICTIM }),
            _ => {
                // What the configuration still has is there again, and can be started.
                self.live_and_die();
                self.read();
                self.stay();
            }
        }
        self.listen();
        exit(0)
    }

    fn journal(&mut self) {
        let Some(fd) = self.given.get(1) else {
            return self.breach("no journal was given");
        };
        let Ok(file) = File::options().write(true).open(format!("/proc/self/fd/{fd}")) else {
            return;
        };
        let size = file.metadata().map_or(0, |m| m.len());
        if file.set_len(0).is_ok() || file.set_len(size + 4096).is_ok() {
            self.breach("changed the size of the journal");
        }
        // Its cells and the texts behind them, then the head of the tape and the beginning of both halves.
        let tape = journal::TAPE_AT;
        for (at, bytes) in [(0, tape), (tape - (1 << 16), 1 << 20), (tape + journal::TAPE, 1 << 20)]
        {
            let _ = file.write_all_at(&vec![0xa5; bytes], u64::try_from(at).unwrap_or(0));
        }
    }

    fn settings(&mut self) {
        let Some(fd) = self.given.first() else {
            return self.breach("no settings were given");
        };
        let Ok(file) = File::options().write(true).open(format!("/proc/self/fd/{fd}")) else {
            return;
        };
        if file.write_all_at(b"evil", 0).is_ok() || file.set_len(0).is_ok() {
            self.breach("changed the settings");
        }
    }

    fn others(&mut self) {
        let canary = self.canary.map_or(1, |(_, pid)| pid);
        for pid in [getppid(), Pid::from_raw(canary)] {
            if kill(pid, Signal::SIGCONT).is_ok() {
                self.breach("signalled another process");
            }
        }
        for path in ["/etc/shadow", "/proc/1/environ"] {
            if File::open(path).is_ok() {
                self.breach(&format!("opened {path}"));
            }
        }
        if nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).is_ok() {
            self.breach("became root");
        }
    }

    /// Takes what is still said, and ends soon.
    fn listen(&mut self) {
        for _ in 0..1000 {
            if self.hear(QUIET).is_none() {
                break;
            }
        }
    }

    /// Behaves for as long as the daemon lives.
    fn serve(&mut self) -> ! {
        self.handshake();
        if self.canary.is_none() {
            self.start_canary();
        }
        self.stay()
    }

    fn stay(&mut self) -> ! {
        let _ = fs::write(runs().join("staying"), std::process::id().to_string());
        loop {
            match self.hear(Duration::from_secs(600)) {
                Some(Reply::SignalReceived { signo }) => {
                    self.ask(Request::AckSignal { signo });
                    self.ask(Request::End(End::Exit));
                }
                Some(Reply::Exited { slot, instance, .. }) => {
                    self.ask(Request::Ack { slot, instance })
                }
                Some(_) => {}
                None => exit(0),
            }
        }
    }
}
