//! The broker's end of the audit log: what it says goes into a pipe at once, whole, and cannot be taken back.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use link::bytes;
use nix::errno::Errno;
use nix::unistd::write;
use policy::audit::Record;

use super::denials::Denials;

/// How much waits here for room in the pipe.
const QUEUE: usize = 1 << 20;
/// How soon a full pipe is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long there is no room before that is said.
const LONG: Duration = Duration::from_secs(5);
const STUCK: &str = "the audit log takes nothing, or not as fast as there is something to say: what would change \
                     something is refused; is its disk full, and does supervisor-audit run?";
const GOES_ON: &str = "the audit log takes records again";
/// No smaller than a page of a pipe is taken to be.
const PAGE: usize = 4 << 10;
/// Bytes that must be free for something to be begun: what is under way already finds room for its records.
const ROOM: usize = 64 << 10;

/// Says what is to be in the audit log.
pub(super) struct Mouth {
    pipe: Option<OwnedFd>,
    writer: Option<i32>,
    broker: u32,
    said: RefCell<Said>,
    denials: RefCell<Denials>,
}

#[derive(Default)]
struct Said {
    n: u64,
    /// What the pipe has not taken yet.
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
    /// What found no room here either.
    lost: u64,
    again_at: Option<Instant>,
    /// Since when there is no room for anything new.
    stuck: Option<Instant>,
    /// That was said.
    complained: bool,
    complaint: Option<&'static str>,
}

impl Mouth {
    /// Without a pipe there is no audit log. `writer` is who had its other end when this began; `broker` counts the
    /// brokers of this daemon.
    pub(super) fn new(pipe: Option<OwnedFd>, writer: Option<i32>, broker: u32) -> Mouth {
        Mouth { pipe, writer, broker, said: RefCell::default(), denials: RefCell::default() }
    }

    /// The process id of the writer, as far as that is known: another may have come meanwhile.
    pub(super) fn writer(&self) -> Option<i32> {
        self.writer
    }

    /// Says it: now, or as soon as there is room. Where there is none for long it is lost, and that is said then. Of many
    /// denials only their number is said. Logins are counted where they fail.
    pub(super) fn say(&self, record: &Record) {
        if self.pipe.is_none() {
            return;
        }
        let mut denials = self.denials.borrow_mut();
        match record.event {
            "login" => self.put(record),
            _ if record.decision == Some("deny") => {
                if let Some(record) = denials.take(record, Instant::now()) {
                    self.put(&record);
                }
            }
            // It may be the last that is said.
            "lifecycle" => {
                denials.told(None).iter().for_each(|counted| self.put(counted));
                self.put(record);
            }
            _ => self.put(record),
        }
    }

    fn put(&self, record: &Record) {
        let Some(pipe) = &self.pipe else { return };
        let mut said = self.said.borrow_mut();
        said.push(record, self.broker);
        said.flush(pipe, self.broker);
    }

    /// Says what has been counted, and tries again to say what waits.
    pub(super) fn again(&self) {
        let now = Instant::now();
        let counted = self.denials.borrow_mut().told(Some(now));
        counted.iter().for_each(|record| self.put(record));
        let due = self.said.borrow().again_at.is_some_and(|at| at <= now);
        if let Some(pipe) = self.pipe.as_ref().filter(|_| due) {
            self.said.borrow_mut().flush(pipe, self.broker);
        }
    }

    /// When something that waits is to be said, or tried again.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let dues = [self.said.borrow().again_at, self.denials.borrow().due_at()];
        dues.into_iter().flatten().min()
    }

    /// Whether the pipe has room for what is about to be said. Two records that are neighbours have more than a page
    /// together, or the second were in the page of the first: twice the bytes are as many pages as there can be.
    pub(super) fn ready(&self) -> bool {
        let Some(pipe) = &self.pipe else { return true };
        let there = bytes::waiting(pipe.as_fd()).unwrap_or(usize::MAX);
        let room = bytes::capacity(pipe.as_fd()).unwrap_or(0);
        let free = room.saturating_sub(there.saturating_mul(2).saturating_add(PAGE));
        let ready = self.said.borrow().queue.is_empty() && free >= ROOM.min(room / 2);
        self.said.borrow_mut().found(ready, Instant::now());
        ready
    }

    /// What is to be in the activity log of a pipe that has had no room for long, or has again.
    pub(super) fn complaint(&self) -> Option<&'static str> {
        self.said.borrow_mut().complaint.take()
    }
}

impl Said {
    /// Takes note of whether there is room.
    fn found(&mut self, ready: bool, now: Instant) {
        let stuck = if ready { None } else { Some(*self.stuck.get_or_insert(now)) };
        self.stuck = stuck;
        let long = stuck.is_some_and(|since| now.saturating_duration_since(since) >= LONG);
        if long && !self.complained {
            (self.complained, self.complaint) = (true, Some(STUCK));
        } else if ready && self.complained {
            (self.complained, self.complaint) = (false, Some(GOES_ON));
        }
    }

    fn push(&mut self, record: &Record, broker: u32) {
        self.n = self.n.saturating_add(1);
        let line = record.encode(broker, self.n);
        if self.bytes.saturating_add(line.len()) > QUEUE {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(line.len());
        self.queue.push_back(line);
    }

    fn flush(&mut self, pipe: &OwnedFd, broker: u32) {
        loop {
            while let Some(line) = self.queue.front() {
                match write(pipe, line) {
                    Err(Errno::EINTR) => {}
                    // The spawner keeps the other end: nothing else than that it is full can be the matter.
                    Err(_) => {
                        self.again_at = Some(Instant::now() + AGAIN);
                        return;
                    }
                    // Whole: no record is longer than what a pipe takes in one piece.
                    Ok(_) => {
                        self.bytes = self.bytes.saturating_sub(line.len());
                        self.queue.pop_front();
                    }
                }
            }
            self.again_at = None;
            if self.lost == 0 {
                return;
            }
            let detail = format!("{} records found no room", std::mem::take(&mut self.lost));
            self.push(&Record { event: "lost", detail: Some(detail), ..Record::default() }, broker);
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::unistd::{pipe2, read};
    use policy::audit::Told;

    use super::*;

    fn told(from: &OwnedFd) -> Vec<Told> {
        let (mut all, mut bytes) = (Vec::new(), vec![0; 1 << 16]);
        while let Ok(n @ 1..) = read(from, &mut bytes) {
            all.extend_from_slice(&bytes[..n]);
        }
        let lines = all.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| Told::decode(line.strip_suffix(b"\n").unwrap()).unwrap()).collect()
    }

    fn record(text: &str) -> Record {
        Record { event: "access", detail: Some(text.to_owned()), ..Record::default() }
    }

    #[test]
    fn without_a_log_nothing_is_said_and_everything_may_begin() {
        let mouth = Mouth::new(None, None, 0);
        mouth.say(&record("x"));
        assert!(mouth.ready() && mouth.due_at().is_none());
    }

    #[test]
    fn what_is_begun_finds_room_whatever_the_length_of_records() {
        for length in [10, 1_000, 1_900, 2_100, 3_000, 3_800] {
            let (_from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
            fcntl(&to, FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
            let mouth = Mouth::new(Some(to), None, 0);
            while mouth.ready() {
                mouth.say(&record(&"x".repeat(length)));
            }
            for _ in 0..ROOM / 4_000 {
                mouth.say(&record(&"x".repeat(length)));
                assert!(mouth.due_at().is_none(), "{length}");
            }
        }
    }

    #[test]
    fn that_nothing_is_taken_is_said_once_and_so_is_its_end() {
        let mut said = Said::default();
        let begin = Instant::now();
        let mut told = Vec::new();
        for (seconds, ready) in [(0, false), (4, false), (5, true), (6, false), (10, false)] {
            said.found(ready, begin + Duration::from_secs(seconds));
            assert_eq!(said.complaint.take(), None, "{seconds}");
        }
        for (seconds, ready) in [(11, false), (12, false), (60, false), (61, true), (62, true)] {
            said.found(ready, begin + Duration::from_secs(seconds));
            told.extend(said.complaint.take());
        }
        assert_eq!(told, [STUCK, GOES_ON]);
    }

    #[test]
    fn what_finds_the_pipe_full_is_said_later_in_order_and_what_is_lost_is_counted() {
        let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        fcntl(&to, FcntlArg::F_SETPIPE_SZ(1 << 16)).unwrap();
        let mouth = Mouth::new(Some(to), Some(7), 4);
        assert!(mouth.ready());
        let text = "x".repeat(3_000);
        let many = 2 * QUEUE / 3_000;
        let mut refused_at = None;
        for n in 0..many {
            if !mouth.ready() {
                refused_at.get_or_insert(n);
            }
            mouth.say(&record(&text));
        }
        assert!(refused_at.is_some_and(|n| n > 3 && n <= 8), "{refused_at:?}");
        assert!(mouth.said.borrow().bytes <= QUEUE && mouth.due_at().is_some());
        let mut all = Vec::new();
        loop {
            let some = told(&from);
            if some.is_empty() {
                break;
            }
            all.extend(some);
            std::thread::sleep(AGAIN);
            mouth.again();
        }
        assert!(mouth.ready() && mouth.due_at().is_none());
        let last = all.pop().unwrap();
        let lost = many - all.len();
        assert_eq!(last.detail, Some(format!("{lost} records found no room")));
        assert!(lost > 0 && all.iter().all(|told| told.broker == 4));
        let numbers: Vec<u64> = all.iter().map(|told| told.n).collect();
        assert_eq!(numbers, (1..=u64::try_from(all.len()).unwrap()).collect::<Vec<_>>());
        assert_eq!(last.n, u64::try_from(many).unwrap() + 1);
    }

    #[test]
    fn a_flood_of_denials_leaves_the_log_its_room() {
        let (from, to) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        fcntl(&to, FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
        let mouth = Mouth::new(Some(to), None, 1);
        let of = |event, who: &str, decision| {
            let who = Some(who.to_owned());
            Record { event, who, decision: Some(decision), ..Record::default() }
        };
        for n in 0..100_000 {
            mouth.say(&of("access", &format!("unix:{}", n % 3), "deny"));
        }
        assert!(mouth.ready() && mouth.due_at().is_some());
        mouth.say(&of("access", "user:alice", "allow"));
        mouth.say(&of("login", "unknown", "deny"));
        mouth.say(&of("lifecycle", "user:alice", "allow"));
        let said = told(&from);
        assert!(said.len() <= 3 * 201 + 3, "{}", said.len());
        let counted = |told: &Told| told.detail.as_deref()?.split(' ').next()?.parse::<u64>().ok();
        let denials = said.iter().filter(|told| told.event == "access");
        let denials = denials.filter(|told| told.decision.as_deref() == Some("deny"));
        assert_eq!(denials.map(|told| counted(told).unwrap_or(1)).sum::<u64>(), 100_000);
        assert!(said.last().is_some_and(|told| told.event == "lifecycle"));
        assert!(mouth.due_at().is_none());
    }
}
