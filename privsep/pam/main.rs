//! The PAM helper: reads one attempt from its socket, asks PAM, says one verdict and ends.
//!
//! Room: root, as far as the password files need it. It trusts the system's PAM modules, and of the broker's bytes
//! nothing: they are a name and a password of bounded length. It says nothing but the verdict, on any way.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod confine;
mod ffi;

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{Gid, User, getgrouplist};
use privsep::login::{Attempt, MAX_ATTEMPT, MAX_GROUPS, Verdict};
use privsep::start::SOCKET;

use crate::ffi::{Answers, Pam};

/// The service's name.
const SERVICE: &CStr = c"supervisor";
/// Where PAM looks for it. What `other` lets in was not let in here by anybody.
const FILES: [&str; 2] = ["/etc/pam.d/supervisor", "/usr/lib/pam.d/supervisor"];

fn main() -> ExitCode {
    let done = confine::confine().ok().and_then(|()| {
        let socket = ffi::socket(SOCKET).ok()?;
        let verdict = judge(&mut hear(&socket)?);
        send(socket.as_raw_fd(), &verdict.seal(), MsgFlags::MSG_NOSIGNAL).ok()
    });
    if done.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits for one attempt; `None` when there is none, or anything else.
fn hear(socket: &OwnedFd) -> Option<Attempt> {
    let mut bytes = [0; MAX_ATTEMPT];
    // With this flag the length is that of what was sent.
    let length = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_TRUNC).ok();
    let attempt = length.and_then(|n| Attempt::read(bytes.get(..n)?).ok());
    ffi::wipe(&mut bytes);
    attempt
}

/// Wipes a secret when it goes.
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        ffi::wipe(&mut self.0);
    }
}

/// Asks PAM. The password is gone afterwards.
fn judge(attempt: &mut Attempt) -> Verdict {
    if !FILES.iter().any(|file| Path::new(file).exists()) {
        ffi::wipe(&mut attempt.password);
        return Verdict::Unusable;
    }
    let mut password = Secret(Vec::with_capacity(attempt.password.len() + 1));
    password.0.extend_from_slice(&attempt.password);
    password.0.push(0);
    ffi::wipe(&mut attempt.password);
    let (Ok(name), Ok(password)) =
        (CString::new(attempt.name.as_slice()), CStr::from_bytes_with_nul(&password.0))
    else {
        return Verdict::Refused;
    };
    ask(&Answers { name: &name, password })
}

/// Both phases, and then who it is.
fn ask(answers: &Answers<'_>) -> Verdict {
    let Some(mut pam) = Pam::start(SERVICE, answers) else {
        return Verdict::Unusable;
    };
    if pam.authenticate() && pam.account() && pam.is_about(answers.name) {
        account(answers.name).unwrap_or(Verdict::Refused)
    } else {
        Verdict::Refused
    }
}

/// The numbers of this account. `None` for one that the name service does not know by this very name, has no number of
/// its own, or has more groups than count: roles may take away, so that none may be left out.
fn account(name: &CStr) -> Option<Verdict> {
    let text = name.to_str().ok()?;
    let user = User::from_name(text).ok()?.filter(|user| user.name == text)?;
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let groups = getgrouplist(name, user.gid).ok()?;
    let groups: Vec<u32> = groups.into_iter().map(Gid::as_raw).collect();
    let sound = uid != u32::MAX && gid != u32::MAX && groups.len() <= MAX_GROUPS;
    sound.then_some(Verdict::Accepted { uid, gid, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_the_name_service_s() {
        let Some(Verdict::Accepted { uid: 0, gid: 0, groups }) = account(c"root") else {
            panic!("no root");
        };
        assert!(groups.contains(&0));
        for nobody in [c"no-such-account-here", c"", c"\xff\xfe", c"ROOT"] {
            assert_eq!(account(nobody), None);
        }
    }

    #[test]
    fn secrets_are_wiped() {
        let mut bytes = *b"hunter2";
        ffi::wipe(&mut bytes);
        assert_eq!(bytes, [0; 7]);
        ffi::wipe(&mut []);
    }
}
