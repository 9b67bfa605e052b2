//! In the broker's place: uses the staging pipe of the listener in slot 0, dies over it twice and goes on.
//!
//! Beside it lies a directory `runs`. `count` has a byte for each run so far, `breach` what went wrong, and `staying` is
//! there when the last run has done its part.
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use link::{Spawner, bytes, inherited};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use privsep::reply::{Reply, STAGING, STDERR, STDIN, STDOUT};
use privsep::request::{End, Request, Slot, Whom};

const LISTENER: Slot = 0;
const OTHER: Slot = 1;
const SIGKILL: u8 = 9;

type Done<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::from(99) };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let file = OpenOptions::new().create(true).append(true).open(runs().join("breach"));
            let written = file.and_then(|mut file| file.write_all(format!("{why}\n").as_bytes()));
            ExitCode::from(if written.is_ok() { 98 } else { 99 })
        }
    }
}

fn runs() -> PathBuf {
    let own = fs::read_link("/proc/self/exe").unwrap_or_default();
    own.parent().map(|dir| dir.join("runs")).unwrap_or_default()
}

fn failed<E: std::fmt::Display>(what: &str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

async fn run() -> Done {
    let count = runs().join("count");
    let turn = fs::metadata(&count).map_or(0, |m| m.len());
    let file = OpenOptions::new().create(true).append(true).open(count);
    file.and_then(|mut file| file.write_all(b".")).map_err(failed("count"))?;
    let socket = inherited::socket().ok_or("no socket")?;
    let link = Spawner::new(socket).map_err(failed("link"))?;
    link.send(Request::Ready);
    if turn == 0 {
        hear(&link, |reply| (reply == Reply::Complete).then_some(())).await?;
        link.send(Request::Spawn { slot: LISTENER });
        return handed_over(&link).await?.stage("half of ");
    }
    let ends = handed_over(&link).await?;
    if turn == 1 {
        ends.arrives("half of ")?;
        return ends.stage("it");
    }
    ends.arrives("it")?;
    ends.stage("for nobody")?;
    end_and_start(&link, ends).await?.arrives("")?;
    link.send(Request::Spawn { slot: OTHER });
    hear(&link, |reply| matches!(reply, Reply::Spawned { slot: OTHER, .. }).then_some(())).await?;
    stay(&link).await
}

/// The next message that `wanted` takes, within a while.
async fn hear<T>(link: &Spawner, wanted: impl Fn(Reply) -> Option<T>) -> Done<T> {
    hear_whole(link, |reply, _| wanted(reply)).await
}

async fn hear_whole<T>(
    link: &Spawner,
    wanted: impl Fn(Reply, &mut Vec<OwnedFd>) -> Option<T>,
) -> Done<T> {
    let wait = async {
        loop {
            let (reply, mut ends) = link.recv().await.map_err(failed("the spawner"))?;
            if let Some(found) = wanted(reply, &mut ends) {
                return Ok(found);
            }
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(20), wait).await;
    heard.unwrap_or_else(|_| Err("something was not said in time".into()))
}

/// A listener's instance and the ends of its pipes that a broker has.
struct Ends {
    instance: u32,
    stdin: OwnedFd,
    stdout: OwnedFd,
    from: OwnedFd,
    to: OwnedFd,
}

async fn handed_over(link: &Spawner) -> Done<Ends> {
    let (instance, mask, ends) = hear_whole(link, |reply, ends| match reply {
        Reply::Spawned { slot: LISTENER, instance, pipes, .. } => {
            Some((instance, pipes, std::mem::take(ends)))
        }
        _ => None,
    })
    .await?;
    let Ok([stdin, stdout, _stderr, from, to]) = <[OwnedFd; 5]>::try_from(ends) else {
        return Err("not five ends".into());
    };
    if mask != STDIN | STDOUT | STDERR | STAGING {
        return Err(format!("pipes {mask}"));
    }
    for (end, access) in [(&from, OFlag::O_RDONLY), (&to, OFlag::O_WRONLY)] {
        let flags = fcntl(end, FcntlArg::F_GETFL).map_err(failed("flags"))?;
        let flags = OFlag::from_bits_retain(flags);
        if flags & OFlag::O_ACCMODE != access || !flags.contains(OFlag::O_NONBLOCK) {
            return Err(format!("an end with {flags:?}"));
        }
    }
    Ok(Ends { instance, stdin, stdout, from, to })
}

impl Ends {
    fn stage(&self, text: &str) -> Done {
        let n = write(&self.to, text.as_bytes()).map_err(failed("staging"))?;
        if n == text.len() { Ok(()) } else { Err(format!("{n} bytes staged")) }
    }

    /// This very text is in the staging pipe, no more and no less, and the program gets it.
    fn arrives(&self, text: &str) -> Done {
        let waiting = bytes::waiting(self.from.as_fd()).map_err(failed("waiting"))?;
        if waiting != text.len() {
            return Err(format!("{waiting} bytes were staged, not {text:?}"));
        }
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        let moved = || splice(&self.from, None, &self.stdin, None, 1 << 16, flags);
        if waiting > 0 && moved() != Ok(waiting) {
            return Err(format!("{text:?} was not moved at once"));
        }
        if moved() != Err(Errno::EAGAIN) {
            return Err("the staging pipe is not empty, or has ended".into());
        }
        let mut told: Vec<u8> = Vec::new();
        while told.len() < text.len() {
            let mut fds = [PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN)];
            let mut piece = [0; 64];
            poll(&mut fds, PollTimeout::from(20_000u16)).map_err(failed("poll"))?;
            let n = read(&self.stdout, &mut piece).map_err(failed("the program's output"))?;
            told.extend(piece.iter().take(n));
        }
        if told == text.as_bytes() { Ok(()) } else { Err(format!("{told:?} arrived")) }
    }
}

/// Ends the listener's instance, which takes with it what is staged, and starts the next.
async fn end_and_start(link: &Spawner, ends: Ends) -> Done<Ends> {
    let Ends { instance, .. } = ends;
    let (slot, whom) = (LISTENER, Whom::Process);
    link.send(Request::Signal { slot, instance, signo: SIGKILL, whom });
    hear(link, |reply| matches!(reply, Reply::Exited { slot: LISTENER, .. }).then_some(())).await?;
    drop(ends);
    link.send(Request::Ack { slot, instance });
    link.send(Request::Spawn { slot });
    handed_over(link).await
}

/// Behaves for as long as the daemon lives.
async fn stay(link: &Spawner) -> Done {
    let own = std::process::id().to_string();
    fs::write(runs().join("staying"), own).map_err(failed("staying"))?;
    while let Ok((reply, _)) = link.recv().await {
        if let Reply::SignalReceived { signo } = reply {
            link.send(Request::AckSignal { signo });
            link.send(Request::End(End::Exit));
        }
    }
    Ok(())
}
