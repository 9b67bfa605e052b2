//! Entering the sandbox: capabilities, Landlock, seccomp, and the proof that it holds.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use caps::CapSet;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use nix::sys::prctl;

use crate::error::Error;
use crate::filter::{self, Role};
use crate::{probe, sys};

/// The newest Landlock asked for: file system, TCP, devices, and scopes of signals and abstract sockets.
const LANDLOCK: ABI = ABI::V6;

/// The proof that this process is in its sandbox. Whatever serves asks for it.
#[derive(Debug)]
pub struct LockedDown {
    missing: Vec<&'static str>,
}

impl LockedDown {
    /// Layers that this system does not offer: `seccomp`, `Landlock`. Empty when all is in force.
    pub fn missing(&self) -> &[&'static str] {
        &self.missing
    }
}

/// No new privileges, and no look into this process by others of its user id. First thing in every helper; one that
/// cannot have it must end.
pub fn harden() -> Result<(), Error> {
    let failed = |what| move |e: nix::errno::Errno| Error::Harden { what, why: e.into() };
    let no_new_privs = "no_new_privs";
    prctl::set_no_new_privs().map_err(failed(no_new_privs))?;
    let dumpable = "non-dumpable";
    prctl::set_dumpable(false).map_err(failed(dumpable))?;
    let set = prctl::get_no_new_privs().map_err(failed(no_new_privs))?;
    let clear = !prctl::get_dumpable().map_err(failed(dumpable))?;
    for (held, what) in [(set, no_new_privs), (clear, dumpable)] {
        if !held {
            let why = io::Error::other("the system does not report it as set");
            return Err(Error::Harden { what, why });
        }
    }
    Ok(())
}

/// Shuts the broker in. To be called once all that it needs exists (loop, descriptors), before any thread exists and
/// before it serves anybody. With `required` a missing layer is an error, otherwise [`LockedDown::missing`] names it.
pub fn broker_lockdown(required: bool) -> Result<LockedDown, Error> {
    lockdown(Role::Broker, required)
}

/// Shuts the reader's parser half in, before it reads a byte of the configuration. It is short-lived and gone before
/// anything is served, so a missing layer is reported, never fatal.
pub fn parser_lockdown() -> Result<LockedDown, Error> {
    lockdown(Role::Parser, false)
}

/// Threads that have shut themselves in.
static SHUT_IN: AtomicUsize = AtomicUsize::new(0);

/// Shuts the calling thread in, as [`broker_lockdown`] does the one that serves: for a thread that has to be made before
/// the sandbox, since none can be made in it. What the kernel restricts it restricts by thread, so that each must ask for
/// itself. A missing layer is not told here: the thread that serves finds the same one missing.
pub fn worker_lockdown() -> Result<(), Error> {
    harden()?;
    enter(Role::Broker)?;
    SHUT_IN.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Shuts the audit writer in, before it reads a byte of what others say. It has no way out of its descriptors in any
/// case, so a missing layer is reported, never fatal.
pub fn audit_lockdown() -> Result<LockedDown, Error> {
    lockdown(Role::Audit, false)
}

fn lockdown(role: Role, required: bool) -> Result<LockedDown, Error> {
    harden()?;
    let most = SHUT_IN.load(Ordering::SeqCst).saturating_add(1);
    if let Some(n) = sys::threads().filter(|n| *n > most) {
        return Err(Error::Threads(n));
    }
    let missing = enter(role)?;
    if required && !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    Ok(LockedDown { missing })
}

/// Puts every layer in force for the calling thread, and tells which ones the system does not offer.
fn enter(role: Role) -> Result<Vec<&'static str>, Error> {
    drop_capabilities()?;
    let mut missing = Vec::new();
    if !shut_files_and_network() {
        missing.push("Landlock");
    } else if std::fs::File::open("/").is_ok() {
        return Err(Error::Passed("opening a file under Landlock"));
    }
    if filter::enforce(role).is_err() {
        missing.push("seccomp");
    } else if let Some(act) = probe::first_passed(role) {
        return Err(Error::Passed(act));
    }
    Ok(missing)
}

/// Every set is emptied. The bounding set needs a capability to be changed and means nothing under no_new_privs: it
/// goes where it can.
pub(crate) fn drop_capabilities() -> Result<(), Error> {
    let failed = |e: caps::errors::CapsError| Error::Capabilities(e.to_string());
    if caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).map_err(failed)? {
        caps::clear(None, CapSet::Bounding).map_err(failed)?;
    }
    // Inheritable and ambient follow from the permitted set, the effective one goes before it.
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(failed)?;
        let left = caps::read(None, set).map_err(failed)?;
        if !left.is_empty() {
            return Err(Error::Capabilities(format!("{} are left in {set:?}", left.len())));
        }
    }
    Ok(())
}

/// No right to any file, no TCP, no signal and no abstract socket out of here. False where the system has no Landlock:
/// the crate's best effort says Ok then, and only the status tells.
pub(crate) fn shut_files_and_network() -> bool {
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        let status = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            .restrict_self()?;
        Ok(status.ruleset)
    };
    matches!(restrict(), Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced))
}
