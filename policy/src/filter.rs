//! The compiled filters, and how they are put in force.

use seccompiler::{BpfProgram, apply_filter, sock_filter};

include!(concat!(env!("OUT_DIR"), "/filters.rs"));

/// Which list of allowed calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `broker.json`
    Broker,
    /// `parser.json`
    Parser,
    /// `audit.json`
    Audit,
}

/// Puts both filters of a role in force for this thread: first the calls that end the process, then the list of what
/// is allowed, which also ends the adding of filters.
pub(crate) fn enforce(role: Role) -> Result<(), seccompiler::Error> {
    let allowed = match role {
        Role::Broker => BROKER,
        Role::Parser => PARSER,
        Role::Audit => AUDIT,
    };
    let pid = std::process::id();
    apply_filter(&program(NEVER, pid))?;
    apply_filter(&program(allowed, pid))
}

/// The instructions, with the own process id where its place is held.
fn program(compiled: &[(u16, u8, u8, u32)], pid: u32) -> BpfProgram {
    let own = |k| if k == OWN_PID { pid } else { k };
    compiled.iter().map(|&(code, jt, jf, k)| sock_filter { code, jt, jf, k: own(k) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_pid_is_put_in_everywhere() {
        // tkill and tgkill; a filter may test a word of a condition once only, so the count is exact.
        for (compiled, places) in [(BROKER, 2), (PARSER, 2), (AUDIT, 2), (NEVER, 2)] {
            let held = |p: &[sock_filter], k| p.iter().filter(|i| i.k == k).count();
            let before = program(compiled, OWN_PID);
            let after = program(compiled, 4_000_000_123);
            assert_eq!(held(&before, OWN_PID), places);
            assert_eq!(held(&after, OWN_PID), 0);
            assert_eq!(held(&after, 4_000_000_123), places);
        }
    }

    #[test]
    fn filters_fit_what_the_kernel_takes() {
        for compiled in [BROKER, PARSER, AUDIT, NEVER] {
            assert!((20..4096).contains(&compiled.len()));
        }
    }
}
