//! The PAM helper. What it gives up before it reads a byte: everything but what the password files need.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{alarm, chdir};

/// How long it may live, in seconds. The spawner ends it after the same time.
const LIFE: u32 = 30;
/// The password files belong to root, and some systems let not even root read them without the first. PAM notes each
/// login in the kernel's audit log, and lets nobody in as root where it may not: the second.
const KEPT: [Capability; 2] = [Capability::CAP_DAC_READ_SEARCH, Capability::CAP_AUDIT_WRITE];

/// Gives up what is not needed, in this process and in all that modules start. An error means that something is left.
pub fn confine() -> Result<(), Failed> {
    prctl::set_no_new_privs()?;
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    umask(Mode::from_bits_truncate(0o077));
    chdir("/")?;
    alarm::set(LIFE);
    capabilities()?;
    let sure = prctl::get_no_new_privs()? && !prctl::get_dumpable()?;
    if sure { Ok(()) } else { Err(Failed) }
}

fn capabilities() -> Result<(), Failed> {
    let has = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|cap| has.contains(cap)).collect();
    if has.contains(&Capability::CAP_SETPCAP) {
        caps::set(None, CapSet::Effective, &has)?;
        for cap in caps::runtime::thread_all_supported() {
            if !KEPT.contains(&cap) {
                caps::drop(None, CapSet::Bounding, cap)?;
            }
        }
    }
    for set in [CapSet::Ambient, CapSet::Inheritable] {
        caps::clear(None, set)?;
    }
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept)?;
        if caps::read(None, set)? != kept {
            return Err(Failed);
        }
    }
    Ok(())
}

/// Something that it has to give up is left. There is nobody to tell more.
#[derive(Debug)]
pub struct Failed;

impl From<nix::errno::Errno> for Failed {
    fn from(_: nix::errno::Errno) -> Failed {
        Failed
    }
}

impl From<caps::errors::CapsError> for Failed {
    fn from(_: caps::errors::CapsError) -> Failed {
        Failed
    }
}
