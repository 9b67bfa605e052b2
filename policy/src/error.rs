//! Why a sandbox was not entered.

use std::fmt;
use std::io;

/// Why a helper must not go on.
#[derive(Debug)]
pub enum Error {
    /// A protection that is never optional could not be set.
    Harden {
        /// Which.
        what: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// There is more than one thread: Landlock and seccomp would hold for one of them alone.
    Threads(usize),
    /// Capabilities are left.
    Capabilities(String),
    /// `sandbox=required`, and these layers are not to be had here.
    Missing(Vec<&'static str>),
    /// The self-check: this forbidden act was not refused.
    Passed(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Harden { what, why } => write!(f, "could not set {what}: {why}"),
            Error::Threads(n) => write!(f, "could not enter the sandbox with {n} threads running"),
            Error::Capabilities(why) => write!(f, "could not drop all capabilities: {why}"),
            Error::Missing(layers) => write!(
                f,
                "sandbox=required, but this system offers no {}; use a kernel with it or set sandbox=auto",
                layers.join(" and no ")
            ),
            Error::Passed(act) => write!(
                f,
                "the sandbox does not hold: {act} was not refused; nothing is served like this"
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_what_to_do() {
        let text = Error::Missing(vec!["seccomp", "Landlock"]).to_string();
        assert!(text.contains("no seccomp and no Landlock"), "{text}");
        assert!(text.contains("sandbox=auto"), "{text}");
        assert!(Error::Passed("opening a file").to_string().contains("opening a file"));
    }
}
