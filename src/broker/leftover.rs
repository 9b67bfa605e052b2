//! Who lives on after a stop with `killtree` that had no cgroup to reach everybody: named in the activity log, once each.
//!
//! Whoever left a program's process group becomes a child of the spawner when its parent is gone. So does nobody else but
//! programs, brokers and helpers of a moment: who is there twice, a while apart, and is none of these was left behind. The
//! while is longer than a PAM helper lives where one was there at the first look.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::Broker;
use crate::config::settings::Level;
use crate::logs::clock;
use crate::process::{Info, State};

/// How far the two looks are apart, and the first from the stop.
const PACE: Duration = Duration::from_millis(700);
/// The same where a PAM helper may have been there at the first: the spawner ends it after 30 seconds, and reaps it.
const HELPED: Duration = Duration::from_secs(32);
/// How often a look is put off because the spawner may have helpers at work.
const PATIENCE: u32 = 20;
/// The most that are named after one look.
const MOST: usize = 64;
/// More of the list than this is not read.
const LIST: usize = 1 << 20;

/// What is known of the spawner's children.
#[derive(Default)]
pub(super) struct Leftover {
    /// Their process ids in decimal, each followed by a blank; no file where the system has none or hides it.
    children: Option<File>,
    /// Looks that are still to be taken, and when the next is.
    looks: u32,
    at: Option<Instant>,
    put_off: u32,
    /// When the spawner last gave a PAM helper.
    helped: Option<Instant>,
    /// Who was there at the look before.
    seen: BTreeSet<i32>,
    /// Who was named and has not ended since.
    named: BTreeSet<i32>,
}

/// Opens the list of the children of this process, our parent. Only before the sandbox; what is open stays readable.
pub(super) fn children_of(pid: i32) -> Option<File> {
    File::open(format!("/proc/{pid}/task/{pid}/children")).ok()
}

impl Leftover {
    pub(super) fn new(children: Option<File>) -> Leftover {
        Leftover { children, ..Leftover::default() }
    }

    /// A stop may have left somebody behind.
    fn begin(&mut self, now: Instant) {
        if self.children.is_some() {
            (self.looks, self.put_off) = (2, 0);
            self.at = self.at.or(Some(now + PACE));
        }
    }

    /// The spawner has given a PAM helper, whose process id nobody is told.
    pub(super) fn helped(&mut self, now: Instant) {
        self.helped = Some(now);
    }

    /// When it is time for a look.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.at
    }

    /// Puts a look off, unless that was done too often: then there is none.
    fn put_off(&mut self, now: Instant) {
        self.put_off += 1;
        self.at = Some(now + PACE).filter(|_| self.put_off < PATIENCE);
    }

    /// Whether the spawner has this child.
    fn is_there(&self, pid: i32) -> bool {
        self.children.as_ref().is_some_and(|children| list(children).contains(&pid))
    }

    /// Takes a look: who was there at the last one too, is not `known` and was not named yet.
    fn look(&mut self, known: &BTreeSet<i32>, now: Instant) -> Vec<i32> {
        let there = self.children.as_ref().map(list).unwrap_or_default();
        self.named.retain(|pid| there.contains(pid));
        let left = there.intersection(&self.seen).filter(|pid| !known.contains(pid));
        let left: Vec<i32> =
            left.filter(|pid| !self.named.contains(pid)).take(MOST).copied().collect();
        self.named.extend(&left);
        self.looks = self.looks.saturating_sub(1);
        let helper = self.helped.is_some_and(|at| now < at + HELPED);
        let pace = if helper { HELPED } else { PACE };
        self.at = Some(now + pace).filter(|_| self.looks > 0);
        self.seen = if self.looks > 0 { there } else { BTreeSet::new() };
        left
    }
}

/// The numbers in the list. It comes in pieces that end where a number does.
fn list(children: &File) -> BTreeSet<i32> {
    let (mut text, mut piece) = (Vec::new(), [0; 8192]);
    while let Ok(n @ 1..) = children.read_at(&mut piece, u64::try_from(text.len()).unwrap_or(0)) {
        text.extend(piece.iter().take(n));
        if text.len() > LIST {
            break;
        }
    }
    let words = text.split(|byte| *byte == b' ').filter_map(|word| str::from_utf8(word).ok());
    words.filter_map(|word| word.parse().ok()).collect()
}

impl Broker {
    /// Takes the answer to a signal: one to a tree that reached the process group alone was a success so far.
    pub(super) fn after_signal(&self, errno: i32) -> i32 {
        if errno != Errno::ENOTSUP as i32 {
            return errno;
        }
        self.state.borrow_mut().leftover.begin(Instant::now());
        0
    }

    /// Names who was left behind, when it is time for that.
    pub(super) fn name_leftover(&self) {
        let now = Instant::now();
        if self.state.borrow().leftover.due_at().is_none_or(|at| at > now) {
            return;
        }
        let mono = clock::now();
        let settings = self.settings();
        let mut state = self.state.borrow_mut();
        let infos = settings.processes.keys().filter_map(|slot| state.heart.info(*slot, mono));
        let infos: Vec<Info> = infos.collect();
        // Between fork and exec nobody has told us of a program yet.
        let starting = infos.iter().any(|info| info.state == State::Starting && info.pid == 0);
        if starting || !state.pending.is_empty() {
            return state.leftover.put_off(now);
        }
        let own = i32::try_from(std::process::id()).ok();
        let writer = self.audit.writer();
        let known = infos.iter().map(|info| info.pid).chain(own).chain(writer).collect();
        let mut left = state.leftover.look(&known, now);
        if writer.is_some_and(|pid| !state.leftover.is_there(pid)) {
            // One of them is the next audit writer: likely the youngest.
            left.pop();
        }
        drop(state);
        for pid in left {
            let text = format!(
                "pid {pid} lives on, left behind by a program, perhaps by one just stopped with killtree=true; it is \
                 in no process group of a program, and without a writable cgroup v2 nothing tells whose it is"
            );
            self.line(Level::Warn, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    /// The list of a spawner whose children come and go.
    struct Children(File);

    impl Children {
        fn are(&mut self, pids: &[i32]) {
            let text: String = pids.iter().map(|pid| format!("{pid} ")).collect();
            self.0.set_len(0).unwrap();
            self.0.seek(SeekFrom::Start(0)).unwrap();
            self.0.write_all(text.as_bytes()).unwrap();
        }
    }

    fn leftover() -> (Leftover, Children) {
        let file = tempfile::tempfile().unwrap();
        (Leftover::new(Some(file.try_clone().unwrap())), Children(file))
    }

    /// A stop, and the two looks after it with these children.
    fn stop(of: &mut Leftover, children: &mut Children, first: &[i32], then: &[i32]) -> Vec<i32> {
        let known = BTreeSet::from([1, 2]);
        let now = Instant::now();
        of.begin(now);
        assert_eq!(of.due_at(), Some(now + PACE));
        children.are(first);
        assert!(of.look(&known, now).is_empty());
        assert!(of.due_at().is_some());
        children.are(then);
        let left = of.look(&known, now);
        assert_eq!(of.due_at(), None);
        left
    }

    #[test]
    fn who_is_there_twice_is_named_once() {
        let (mut of, mut children) = leftover();
        assert_eq!(stop(&mut of, &mut children, &[1, 2, 30, 31], &[1, 2, 30, 32]), [30]);
        assert_eq!(stop(&mut of, &mut children, &[30, 32], &[30, 32]), [32]);
        assert!(stop(&mut of, &mut children, &[], &[30]).is_empty());
        // Its number may be another's once it was gone.
        assert_eq!(stop(&mut of, &mut children, &[30], &[30]), [30]);
        assert!(stop(&mut of, &mut children, &[1, 2], &[1, 2]).is_empty());
    }

    #[test]
    fn a_stop_between_the_looks_has_two_of_its_own() {
        let (mut of, mut children) = leftover();
        let now = Instant::now();
        of.begin(now);
        children.are(&[5]);
        assert!(of.look(&BTreeSet::new(), now).is_empty());
        of.begin(now);
        children.are(&[5, 6]);
        assert_eq!(of.look(&BTreeSet::new(), now), [5]);
        assert_eq!(of.look(&BTreeSet::new(), now), [6]);
        assert_eq!(of.due_at(), None);
    }

    #[test]
    fn the_looks_are_further_apart_than_a_helper_lives() {
        let (mut of, mut children) = leftover();
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        children.are(&[5, 6]);
        of.helped(now);
        of.begin(now + second);
        let first = now + 2 * second;
        assert!(of.look(&BTreeSet::new(), first).is_empty());
        assert_eq!(of.due_at(), Some(first + HELPED));
        // Another stop does not bring the look forward, nor does a helper that was not there at the first.
        of.begin(first + second);
        of.helped(first + second);
        assert_eq!(of.due_at(), Some(first + HELPED));
        children.are(&[5, 7]);
        assert_eq!(of.look(&BTreeSet::new(), first + HELPED), [5]);
        // That of the second stop: the last helper was there at the first one of it.
        assert_eq!(of.due_at(), Some(first + 2 * HELPED));
        assert_eq!(of.look(&BTreeSet::new(), first + 2 * HELPED), [7]);
        // Nobody has been helped for long.
        of.begin(first + 4 * HELPED);
        assert!(of.look(&BTreeSet::new(), first + 4 * HELPED).is_empty());
        assert_eq!(of.due_at(), Some(first + 4 * HELPED + PACE));
    }

    #[test]
    fn a_look_is_not_put_off_for_ever() {
        let (mut of, _children) = leftover();
        let now = Instant::now();
        of.begin(now);
        (1..PATIENCE).for_each(|_| of.put_off(now));
        assert!(of.due_at().is_some());
        of.put_off(now);
        assert_eq!(of.due_at(), None);
        of.begin(now);
        assert!(of.due_at().is_some());
    }

    #[test]
    fn without_a_list_there_is_no_look() {
        let mut of = Leftover::new(children_of(-1));
        of.begin(Instant::now());
        assert_eq!(of.due_at(), None);
    }

    #[test]
    fn a_long_list_is_read_whole() {
        let (mut of, mut children) = leftover();
        let all: Vec<i32> = (100_000..104_000).collect();
        children.are(&all);
        assert_eq!(list(of.children.as_ref().unwrap()).into_iter().collect::<Vec<_>>(), all);
        assert_eq!(stop(&mut of, &mut children, &all, &all).len(), MOST);
        // The real one has a child of ours.
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let own = format!("/proc/self/task/{}/children", nix::unistd::gettid());
        let there = list(&File::open(own).unwrap());
        assert!(there.contains(&i32::try_from(child.id()).unwrap()), "{there:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
