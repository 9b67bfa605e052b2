//! In the broker's place: misuses the PAM helpers that the spawner starts for it.
//!
//! Beside it lies a directory `runs`. `what` says which part to play; what it saw is a line each in `said`, and `count` has
//! a byte for each run. Afterwards it stays, a well-behaved broker otherwise, and `staying` is there.
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::exit;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recv, recvmsg, send, sendmsg,
};
use nix::unistd::close;
use privsep::frame::Wire;
use privsep::login::{Attempt, MAX_SECRET, VERDICT_SIZE, Verdict};
use privsep::reply::{Reply, SIZE as REPLY_SIZE};
use privsep::request::Request;
use privsep::start::SOCKET;

/// Longer than a helper that was told something takes, less than one lives.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let what = fs::read_to_string(runs().join("what")).unwrap_or_default();
    note("count", ".");
    let mut broker = Broker { seq: 0 };
    broker.handshake();
    let mut kept = Vec::new();
    match what.trim() {
        "flood" => broker.flood(),
        "nonsense" => broker.nonsense(),
        "hold" => kept.extend(broker.hold()),
        "unread" => broker.unread(),
        "readings" => broker.readings(),
        "once" => {
            let granted = broker.helper();
            say(&format!("{:?}", granted.map(drop)));
        }
        other => say(&format!("what is {other:?}?")),
    }
    if fs::write(runs().join("staying"), "").is_err() {
        exit(99);
    }
    broker.stay()
}

fn runs() -> PathBuf {
    let own = fs::read_link("/proc/self/exe").unwrap_or_default();
    own.parent().map(|dir| dir.join("runs")).unwrap_or_default()
}

fn say(what: &str) {
    note("said", &format!("{what}\n"));
}

fn note(name: &str, text: &str) {
    let file = OpenOptions::new().create(true).append(true).open(runs().join(name));
    if file.and_then(|mut file| file.write_all(text.as_bytes())).is_err() {
        exit(98);
    }
}

/// The other end of a helper's socket.
struct Helper(RawFd);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = close(self.0);
    }
}

impl Helper {
    fn tell(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(self.0, bytes, MsgFlags::MSG_NOSIGNAL)
    }

    /// Whether it ends within a while, and what it said before.
    fn end(&self) -> Option<Vec<u8>> {
        let until = Instant::now() + PATIENCE;
        let (mut bytes, mut said) = ([0; 4_096], Vec::new());
        while Instant::now() < until {
            match recv(self.0, &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Some(said),
                Ok(n) => said.extend_from_slice(bytes.get(..n).unwrap_or_default()),
                // It has left something unread, which is said once; what it said is still there.
                Err(Errno::ECONNRESET) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        None
    }
}

struct Broker {
    seq: u32,
}

impl Broker {
    fn ask(&mut self, request: Request) -> u32 {
        self.seq += 1;
        let bytes = request.encode(self.seq);
        while send(SOCKET, &bytes, MsgFlags::MSG_NOSIGNAL) == Err(Errno::EAGAIN) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.seq
    }

    /// The next message and its descriptors; `None` at the end.
    fn hear(&self) -> Option<(Reply, Vec<RawFd>)> {
        let mut bytes = [0; REPLY_SIZE];
        let mut space = nix::cmsg_space!([RawFd; 8]);
        loop {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            match recvmsg::<()>(SOCKET, &mut iov, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
                Ok(message) if message.bytes == 0 => return None,
                Ok(message) => {
                    let controls = message.cmsgs().into_iter().flatten();
                    let rights = controls.filter_map(|control| match control {
                        ControlMessageOwned::ScmRights(fds) => Some(fds),
                        _ => None,
                    });
                    let fds = rights.flatten().collect();
                    return Some((Reply::decode(&bytes).ok()?, fds));
                }
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    fn handshake(&mut self) {
        self.ask(Request::Ready);
        while let Some((reply, _)) = self.hear() {
            if reply == Reply::Complete {
                return;
            }
        }
        exit(97)
    }

    /// What is answered to a request for a helper.
    fn answered(&self, asked: u32) -> Result<Helper, Errno> {
        loop {
            match self.hear() {
                Some((Reply::Helper { seq }, fds)) if seq == asked => match *fds {
                    [one] => return Ok(Helper(one)),
                    _ => say(&format!("a helper with {} descriptors", fds.len())),
                },
                Some((Reply::Done { seq, errno }, _)) if seq == asked => {
                    return Err(Errno::from_raw(errno));
                }
                Some(_) => {}
                None => exit(96),
            }
        }
    }

    fn helper(&mut self) -> Result<Helper, Errno> {
        let asked = self.ask(Request::Authenticate);
        self.answered(asked)
    }

    /// Asks until there is one. The spawner's bound passes by itself.
    fn patient(&mut self) -> Helper {
        loop {
            match self.helper() {
                Ok(helper) => return helper,
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(5)),
                Err(errno) => {
                    say(&format!("refused with {errno:?}"));
                    exit(95)
                }
            }
        }
    }

    /// Asks as fast as it can, uses each at once, and counts.
    fn flood(&mut self) {
        let (begun, mut granted, mut refused, mut other) = (Instant::now(), 0, 0, 0);
        while granted < 20 && begun.elapsed() < Duration::from_secs(60) {
            match self.helper() {
                Ok(helper) => {
                    granted += 1;
                    if helper.tell(b"garbage").is_err() || helper.end().is_none() {
                        other += 1;
                    }
                }
                Err(Errno::EAGAIN) => refused += 1,
                Err(_) => other += 1,
            }
        }
        // Whole milliseconds, up: what the spawner counted is no longer than what we did.
        let took = begun.elapsed().as_millis() + 1;
        say(&format!("flood {granted} {refused} {other} {took}"));
    }

    /// Whatever is no attempt ends the helper without a word.
    fn nonsense(&mut self) {
        let of = |name: &[u8], password: &[u8]| {
            Attempt { name: name.to_vec(), password: password.to_vec() }.encode()
        };
        let long = vec![b'x'; MAX_SECRET + 1];
        let nul = [&[3, 0, 0, 0], &b"a\0b"[..], &[1, 0, 0, 0], b"p"].concat();
        let more = [of(b"root", b"x"), vec![0]].concat();
        let count = [&u32::MAX.to_le_bytes()[..], b"root"].concat();
        let all: [(&str, Vec<u8>); 13] = [
            ("a path", of(b"../root", b"x")),
            ("an option", of(b"-root", b"x")),
            ("two lines", of(b"root\nroot", b"x")),
            ("nothing", Vec::new()),
            ("garbage", vec![0xff; 100]),
            ("zeros", vec![0; 1_032]),
            ("64 KiB", vec![1; 65_536]),
            ("an empty name", of(b"", b"x")),
            ("an empty password", of(b"root", b"")),
            ("a long name", of(&long, b"x")),
            ("a NUL", nul),
            ("a byte more", more),
            ("a count", count),
        ];
        for (name, bytes) in all {
            let helper = self.patient();
            let sent = helper.tell(&bytes);
            match (sent, helper.end()) {
                (Ok(_), Some(said)) if said.is_empty() => {}
                (sent, end) => say(&format!("{name}: sent {sent:?}, ended with {end:?}")),
            }
        }
        let helper = self.patient();
        self.descriptors(&helper);
        match helper.end().as_deref().map(Verdict::unseal) {
            Some(Ok(Verdict::Refused | Verdict::Unusable)) => {}
            end => say(&format!("descriptors: {end:?}")),
        }
        // One attempt a process: the second is never read.
        let helper = self.patient();
        let attempt = of(b"no-such-account-here", b"x");
        let _ = helper.tell(&attempt).and_then(|_| helper.tell(&attempt));
        match helper.end() {
            Some(said) if said.len() == VERDICT_SIZE => {}
            end => say(&format!("two attempts: {:?} bytes", end.map(|said| said.len()))),
        }
        say("done");
    }

    /// A good attempt with descriptors on it.
    fn descriptors(&self, helper: &Helper) {
        let attempt = Attempt { name: b"no-such-account-here".to_vec(), password: b"x".to_vec() };
        let fds = [SOCKET; 100];
        let rights = [ControlMessage::ScmRights(&fds)];
        let bytes = attempt.encode();
        let flags = MsgFlags::MSG_NOSIGNAL;
        let sent = sendmsg::<()>(helper.0, &[IoSlice::new(&bytes)], &rights, flags, None);
        if sent.is_err() {
            say("descriptors could not be sent");
        }
    }

    /// Has all that it can get and says nothing. Then there is no more.
    fn hold(&mut self) -> Vec<Helper> {
        let held = vec![self.patient(), self.patient()];
        say("held");
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            match self.helper() {
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(5)),
                other => say(&format!("a third: {:?}", other.map(drop))),
            }
        }
        held
    }

    /// Whether there is a helper, at the start and twice after each of two readings of a changed configuration.
    fn readings(&mut self) {
        self.perhaps();
        for _ in 0..2 {
            while fs::remove_file(runs().join("changed")).is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let asked = self.ask(Request::Reread);
            loop {
                match self.hear() {
                    Some((Reply::Reading { seq, status, .. }, _)) if seq == asked => {
                        say(&format!("read {status}"));
                        break;
                    }
                    Some((Reply::Done { seq, errno }, _)) if seq == asked => {
                        say(&format!("no reading: {:?}", Errno::from_raw(errno)));
                        break;
                    }
                    Some(_) => {}
                    None => exit(94),
                }
            }
            self.perhaps();
            self.perhaps();
        }
    }

    /// Asks until the bound is none, and says what came of it.
    fn perhaps(&mut self) {
        loop {
            match self.helper() {
                Ok(_) => return say("granted"),
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(5)),
                Err(errno) => return say(&format!("Err({errno:?})")),
            }
        }
    }

    /// Asks without ever taking what is answered, as far as the spawner listens, and then takes it.
    fn unread(&mut self) {
        let first = self.seq + 1;
        for _ in 0..400 {
            self.seq += 1;
            let bytes = Request::Authenticate.encode(self.seq);
            let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
            if send(SOCKET, &bytes, flags).is_err() {
                self.seq -= 1;
                break;
            }
        }
        let asked = first..=self.seq;
        // Kept to the end: who goes makes room for another.
        let granted: Vec<Helper> = asked.filter_map(|seq| self.answered(seq).ok()).collect();
        say(&format!("unread {}", granted.len()));
    }

    /// Serves as far as the spawner looks.
    fn stay(&mut self) -> ! {
        loop {
            match self.hear() {
                Some((Reply::SignalReceived { signo }, _)) => {
                    self.ask(Request::AckSignal { signo });
                    self.ask(Request::End(privsep::request::End::Exit));
                }
                Some(_) => {}
                None => exit(0),
            }
        }
    }
}
