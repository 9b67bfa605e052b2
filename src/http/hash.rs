//! The thread that hashes passwords.
//!
//! A hash is made to be slow: on the loop's thread each try to log in would hold up everybody else. The thread is made
//! before the sandbox, in which none can be made, and shuts itself in. There is one, so that a flood of tries takes one
//! processor at most and one block of memory, and what waits for it is bounded.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Passwords that wait for the thread.
const QUEUE: usize = 8;
/// For which the memory of the last hash is kept for the next one.
const KEEP: Duration = Duration::from_secs(10);
/// Bytes of its stack.
const STACK: usize = 256 << 10;

/// The most that a stored hash may ask for: KiB of memory, passes, lanes. The configuration refuses more.
const MEMORY: u32 = 64 << 10;
const PASSES: u32 = 4;
const LANES: u32 = 4;

/// A stored hash: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc {
    params: Params,
    salt: Vec<u8>,
    sum: Vec<u8>,
}

impl Phc {
    /// Reads one; `None` for another form, or one that would take more than is allowed.
    pub fn read(text: &str) -> Option<Phc> {
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let (costs, salt, sum) = (parts.next()?, parts.next()?, parts.next()?);
        let mut costs = costs.split(',');
        let mut cost = |name: &str, most: u32| {
            let digits = costs.next()?.strip_prefix(name)?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|n: &u32| plain && (1..=most).contains(n))
        };
        let (memory, passes, lanes) =
            (cost("m=", MEMORY)?, cost("t=", PASSES)?, cost("p=", LANES)?);
        let bytes = |text: &str, least: usize| {
            let bytes = BASE64_STANDARD_NO_PAD.decode(text).ok()?;
            (least..=64).contains(&bytes.len()).then_some(bytes)
        };
        let (salt, sum) = (bytes(salt, 8)?, bytes(sum, 16)?);
        let params = Params::new(memory, passes, lanes, Some(sum.len())).ok()?;
        (parts.next().is_none() && costs.next().is_none()).then_some(Phc { params, salt, sum })
    }

    /// How much work it is, to compare.
    pub(super) fn cost(&self) -> u64 {
        u64::from(self.params.m_cost()).saturating_mul(self.params.t_cost().into())
    }

    /// One that takes the same work and is nobody's.
    pub(super) fn like(&self) -> Phc {
        Phc {
            params: self.params.clone(),
            salt: vec![0; self.salt.len()],
            sum: vec![0; self.sum.len()],
        }
    }

    /// The memory that it takes, in blocks.
    const fn blocks(&self) -> usize {
        self.params.block_count()
    }

    /// Whether it is this password's. There is as much memory as it takes.
    fn is_of(&self, password: &[u8], memory: &mut [Block]) -> bool {
        let mut sum = vec![0; self.sum.len()];
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let done = hash.hash_password_into_with_memory(password, &self.salt, &mut sum, memory);
        done.is_ok() && bool::from(sum.ct_eq(&self.sum))
    }
}

/// Lets the memory grow to so many blocks; nothing where the system does not have them.
fn grow(memory: &mut Vec<Block>, blocks: usize) -> Option<()> {
    if memory.len() < blocks {
        // First without the old block: both at once would be held otherwise.
        *memory = Vec::new();
        memory.try_reserve_exact(blocks).ok()?;
        memory.resize(blocks, Block::default());
    }
    Some(())
}

struct Job {
    password: Zeroizing<Vec<u8>>,
    stored: Arc<Phc>,
    answer: oneshot::Sender<bool>,
}

/// Why a password was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// The way to the thread. The thread ends when this is dropped.
pub struct Hasher(SyncSender<Job>);

impl Hasher {
    /// Makes the thread and waits until it has done what it has to do before it may work.
    pub fn start(prepare: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Hasher> {
        let (sender, jobs) = sync_channel(QUEUE);
        let (say, ready) = sync_channel(1);
        thread::Builder::new().name("hash".to_owned()).stack_size(STACK).spawn(move || {
            let prepared = prepare();
            let good = prepared.is_ok();
            if say.send(prepared).is_ok() && good {
                work(&jobs);
            }
        })?;
        ready.recv().map_err(io::Error::other)??;
        Ok(Hasher(sender))
    }

    /// One whose thread never comes to anything, while what is beside it is kept.
    #[cfg(test)]
    pub(super) fn asleep() -> (Hasher, impl Sized) {
        let (sender, jobs) = sync_channel(QUEUE);
        (Hasher(sender), jobs)
    }

    /// The thread as a broker has it: shut in, and behind the loop.
    pub fn shut_in() -> io::Result<Hasher> {
        Hasher::start(|| {
            // Without it the loop waits longer at times, and nothing else.
            let _ = link::thread::stand_back();
            policy::worker_lockdown().map_err(|e| io::Error::other(e.to_string()))
        })
    }

    /// Whether the stored hash is this password's.
    pub(super) async fn check(&self, password: &[u8], stored: &Arc<Phc>) -> Result<bool, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = Job { password: password.to_owned().into(), stored: Arc::clone(stored), answer };
        match self.0.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Busy),
        }
    }
}

impl Job {
    /// Answers, unless there is no memory to tell: who waits is told then that nobody has looked.
    fn done(
        self,
        memory: &mut Vec<Block>,
        grow: impl FnOnce(&mut Vec<Block>, usize) -> Option<()>,
    ) {
        if grow(memory, self.stored.blocks()).is_some() {
            let _ = self.answer.send(self.stored.is_of(&self.password, memory));
        }
    }
}

fn work(jobs: &Receiver<Job>) {
    let mut memory = Vec::new();
    loop {
        let job = match jobs.recv_timeout(KEEP) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                memory = Vec::new();
                let Ok(job) = jobs.recv() else { return };
                job
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Nobody waits for what a client that left has asked.
        if !job.answer.is_closed() {
            job.done(&mut memory, grow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `password`; from the tests of the reference implementation.
    const KNOWN: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn known() -> Phc {
        Phc::read(KNOWN).expect("a hash")
    }

    #[test]
    fn the_right_password_is_known_with_memory_of_any_size() {
        let mut memory = Vec::new();
        grow(&mut memory, known().blocks()).expect("memory");
        assert!(known().is_of(b"password", &mut memory));
        assert_eq!(memory.len(), 256);
        memory.resize(300, Block::default());
        assert!(known().is_of(b"password", &mut memory), "what is left of another hash");
        for wrong in [&b""[..], b"Password", b"password ", b"passwor", b"password\0", &[b'x'; 5000]]
        {
            assert!(!known().is_of(wrong, &mut memory));
        }
    }

    #[test]
    fn what_is_like_a_hash_costs_the_same_and_is_nobody_s() {
        let like = known().like();
        assert_eq!((like.cost(), like.blocks()), (512, 256));
        let mut memory = vec![Block::default(); like.blocks()];
        assert!(!like.is_of(b"password", &mut memory) && !like.is_of(b"", &mut memory));
    }

    #[test]
    fn without_memory_nothing_is_said_about_a_password() {
        assert_eq!(grow(&mut Vec::new(), usize::MAX), None);
        for (room, told) in [(Some(()), Ok(true)), (None, Err(()))] {
            let (answer, mut answered) = oneshot::channel();
            let job =
                Job { password: b"password".to_vec().into(), stored: Arc::new(known()), answer };
            job.done(&mut Vec::new(), |memory, blocks| room.and_then(|()| grow(memory, blocks)));
            assert_eq!(answered.try_recv().map_err(|_| ()), told);
        }
    }

    #[test]
    fn what_asks_for_too_much_or_is_no_hash_is_refused() {
        let with = |costs: &str| KNOWN.replace("m=256,t=2,p=1", costs);
        for good in ["m=65536,t=4,p=4", "m=8,t=1,p=1", "m=32,t=1,p=4"] {
            assert!(Phc::read(&with(good)).is_some(), "{good}");
        }
        for costs in [
            "m=65537,t=1,p=1",
            "m=256,t=5,p=1",
            "m=256,t=2,p=5",
            "m=256,t=0,p=1",
            "m=7,t=1,p=1",
            "m=16,t=1,p=4",
            "m=4294967296,t=1,p=1",
            "m=+256,t=2,p=1",
            "t=2,m=256,p=1",
            "m=256,t=2",
            "m=256,t=2,p=1,",
            "m=256,t=2,p=1,keyid=AA",
            "",
        ] {
            assert!(Phc::read(&with(costs)).is_none(), "{costs}");
        }
        for text in [
            "",
            "$argon2id$v=19$",
            &KNOWN.replace("argon2id", "argon2i"),
            &KNOWN.replace("v=19", "v=16"),
            &format!("{KNOWN}$"),
            &format!("{KNOWN}="),
            &format!(" {KNOWN}"),
            &KNOWN.replace("c29tZXNhbHQ", "c29t"),
            &KNOWN[..KNOWN.len() - 30],
            &KNOWN.replace("nf65", "nf6!"),
        ] {
            assert!(Phc::read(text).is_none(), "{text}");
        }
    }

    #[tokio::test]
    async fn the_thread_answers_and_what_it_cannot_take_is_refused() {
        let hasher = Hasher::start(|| Ok(())).expect("thread");
        let stored = Arc::new(known());
        assert_eq!(hasher.check(b"password", &stored).await, Ok(true));
        assert_eq!(hasher.check(b"wrong", &stored).await, Ok(false));
        // A thread that is busy for long: the dearest hash that there may be.
        let dear = KNOWN.replace("m=256,t=2,p=1", "m=65536,t=4,p=1");
        let dear = Arc::new(Phc::read(&dear).expect("a hash"));
        let jobs: Vec<_> = (0..QUEUE + 4)
            .map(|_| {
                let mut job = Box::pin(hasher.check(b"x", &dear));
                let waker = std::task::Waker::noop();
                let state = job.as_mut().poll(&mut std::task::Context::from_waker(waker));
                (job, state)
            })
            .collect();
        let refused =
            jobs.iter().filter(|(_, state)| *state == std::task::Poll::Ready(Err(Busy))).count();
        assert!((3..=4).contains(&refused), "{refused}");
        // All of them leave: nothing is done for them, and the next one has its answer.
        drop(jobs);
        let mut answer = Err(Busy);
        while answer == Err(Busy) {
            answer = hasher.check(b"password", &stored).await;
        }
        assert_eq!(answer, Ok(true));
    }

    #[test]
    fn a_thread_that_cannot_be_prepared_is_an_error() {
        let failed = Hasher::start(|| Err(io::Error::other("no")));
        assert_eq!(failed.err().expect("an error").to_string(), "no");
    }
}
