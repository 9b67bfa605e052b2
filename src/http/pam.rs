//! Passwords that PAM checks: one attempt to a helper that the spawner starts for it, one verdict back.
//!
//! The spawner starts few of them. Attempts wait here in order, not many and not many of one source, and who finds no place
//! comes again: a flood costs a bounded number of helpers, whoever floods.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv, send};
use policy::access::{Principal, Proof, Who};
use privsep::frame::Wire;
use privsep::login::{self, Attempt, MAX_ATTEMPT, VERDICT_SIZE, Verdict};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use zeroize::{Zeroize, Zeroizing};

use super::Site;
use super::auth::Credentials;
use super::limits::Source;
use super::places::Places;
use crate::config::settings::Level;

/// Attempts that wait, those that a helper has included; and of one source.
const WAITING: usize = 8;
const OF_ONE_SOURCE: usize = 4;
/// Helpers at once: the spawner starts no more.
const AT_ONCE: usize = 2;
/// For which an attempt waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// For which the spawner is asked again while it starts no helper, and how often.
const START: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(100);
/// For which a helper may work on an attempt.
const VERDICT: Duration = Duration::from_secs(30);
/// Between two lines of the log that say that PAM is of no use.
const COMPLAIN: Duration = Duration::from_secs(60);

/// Nobody knows whether the password is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown {
    /// Whether a helper had the attempt.
    pub(super) asked: bool,
}

/// The way to PAM.
pub(super) struct Pam {
    places: Places,
    turns: Semaphore,
    complained: Cell<Option<Instant>>,
}

impl Default for Pam {
    fn default() -> Pam {
        Pam {
            places: Places::new(WAITING, OF_ONE_SOURCE),
            turns: Semaphore::new(AT_ONCE),
            complained: Cell::default(),
        }
    }
}

/// Whether PAM is asked about a name. All others are nobody's: its helper would end without a word.
pub(super) fn takes_name(name: &[u8]) -> bool {
    login::is_name(name)
}

/// Whether PAM is asked about a name and a password.
pub(super) fn takes(given: &Credentials) -> bool {
    login::is_secret(&given.password) && !given.is_token() && takes_name(&given.name)
}

impl Pam {
    /// The account whose name and password these are, if they are.
    pub(super) async fn ask<S: Site>(
        &self,
        site: &Rc<S>,
        source: Source,
        given: &Credentials,
    ) -> Result<Option<Rc<Principal>>, Unknown> {
        let unasked = Unknown { asked: false };
        let _place = self.places.take(source).ok_or(unasked)?;
        let turn = timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or(unasked)?;
        let helper = match timeout(START, self.helper(site)).await {
            Ok(Ok(helper)) => helper,
            Ok(Err(e)) => {
                self.complain(site, &format!("no helper could be started: {e}"));
                return Err(unasked);
            }
            Err(_) => return Err(unasked),
        };
        let verdict = timeout(VERDICT, exchange(helper, given)).await;
        let lost = |why: &str| {
            self.complain(site, why);
            Err(Unknown { asked: true })
        };
        match verdict {
            Ok(Ok(Verdict::Accepted { uid, gid, groups })) => {
                Ok(account(&given.name, uid, gid, groups))
            }
            Ok(Ok(Verdict::Refused)) => Ok(None),
            Ok(Ok(Verdict::Unusable)) => {
                let why = "PAM cannot be used; the system's log says why, /etc/pam.d/supervisor is what it needs";
                self.complain(site, why);
                Err(unasked)
            }
            Ok(Err(e)) => lost(&format!("the helper gave no verdict: {e}")),
            Err(_) => lost(&format!("the helper gave no verdict within {} s", VERDICT.as_secs())),
        }
    }

    /// One end of a socket to a helper, as soon as the spawner starts one.
    async fn helper<S: Site>(&self, site: &Rc<S>) -> io::Result<OwnedFd> {
        loop {
            match site.helper().await {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => sleep(AGAIN).await,
                helper => return helper,
            }
        }
    }

    fn complain<S: Site>(&self, site: &Rc<S>, why: &str) {
        let now = Instant::now();
        if self.complained.get().is_none_or(|last| now >= last + COMPLAIN) {
            self.complained.set(Some(now));
            site.log(Level::Error, format!("could not have PAM check a password: {why}"));
        }
    }
}

fn account(name: &[u8], uid: u32, gid: u32, groups: Vec<u32>) -> Option<Rc<Principal>> {
    let mut groups: Vec<u32> = [gid].into_iter().chain(groups).collect();
    groups.sort_unstable();
    groups.dedup();
    let name = str::from_utf8(name).ok()?.into();
    let who = Who::Account { name, uid, groups: groups.into() };
    Some(Rc::new(Principal::new(who, Proof::Pam)))
}

/// Gives an attempt to a helper and takes its verdict.
async fn exchange(helper: OwnedFd, given: &Credentials) -> io::Result<Verdict> {
    // It is a SEQPACKET socket: each call below is one message.
    let socket = UnixStream::from_std(StdUnixStream::from(helper))?;
    let name = given.name.clone();
    let mut attempt = Attempt { name, password: given.password.to_vec() };
    // Never grown, which would leave a copy behind.
    let mut message = Zeroizing::new(Vec::with_capacity(MAX_ATTEMPT));
    attempt.put(&mut message);
    attempt.password.zeroize();
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    when(&socket, Interest::WRITABLE, || Ok(send(socket.as_raw_fd(), &message, flags)?)).await?;
    drop(message);
    // One byte more than a verdict has, so that a longer one shows.
    let mut bytes = [0; VERDICT_SIZE + 1];
    let flags = MsgFlags::MSG_DONTWAIT;
    let mut take = || Ok(recv(socket.as_raw_fd(), &mut bytes, flags)?);
    let length = when(&socket, Interest::READABLE, &mut take).await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let verdict = Verdict::unseal(bytes.get(..length).unwrap_or_default());
    verdict.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
}

/// Does something as soon as the socket is ready for it.
async fn when<T>(
    socket: &UnixStream,
    interest: Interest,
    mut act: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        socket.ready(interest).await?;
        match socket.try_io(interest, &mut act) {
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            done => return done,
        }
    }
}
