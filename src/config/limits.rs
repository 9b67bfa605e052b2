//! `minfds` and `minprocs`: the limits that programs get.

use privsep::table::{Limit, Table};

use super::model::Daemon;
use super::reading::Reading;

/// Puts the limits into the table; gives the INFO lines about those that are raised. `own` is the daemon's user id.
pub fn apply(r: &mut Reading<'_>, daemon: &Daemon, own: u32, table: &mut Table) -> Vec<String> {
    let start = &r.facts.start;
    let (nofile, nproc) = (start.nofile, start.nproc);
    let ceiling = r.facts.descriptors.unwrap_or(u64::MAX);
    let mut raised = Vec::new();
    // The spawner raises its own, so programs get theirs back in any case.
    table.nofile = Some(nofile);
    match raise(nofile, daemon.minfds, own == 0, ceiling) {
        Raise::Enough => {}
        Raise::To(limit) => {
            table.nofile = Some(limit);
            raised.push(format!("Increased RLIMIT_NOFILE limit to {}", daemon.minfds));
        }
        Raise::Impossible => {
            let text = format!(
                "The minimum number of file descriptors required to run this process is {} as per the \"minfds\" \
                 command-line argument or config file setting. The current environment will only allow you to open \
                 {} file descriptors.  Either raise the number of usable file descriptors in your environment (see \
                 README.rst) or lower the minfds setting in the config file to allow the process to start.",
                daemon.minfds,
                nofile.1.min(ceiling)
            );
            let details = vec![r.locate("supervisord", "minfds")];
            r.problems.error(text, details);
        }
    }
    match raise(nproc, daemon.minprocs, own == 0, u64::MAX) {
        Raise::Enough => {}
        Raise::To(limit) => {
            table.nproc = Some(limit);
            raised.push(format!("Increased RLIMIT_NPROC limit to {}", daemon.minprocs));
        }
        Raise::Impossible => {
            let text = format!(
                "The minimum number of available processes required to run this program is {} as per the \"minprocs\" \
                 command-line argument or config file setting. The current environment will only allow you to open \
                 {} processes.  Either raise the number of usable processes in your environment (see README.rst) or \
                 lower the minprocs setting in the config file to allow the program to start.",
                daemon.minprocs, nproc.1
            );
            let details = vec![r.locate("supervisord", "minprocs")];
            r.problems.error(text, details);
        }
    }
    raised
}

#[derive(Debug, PartialEq, Eq)]
enum Raise {
    Enough,
    To(Limit),
    Impossible,
}

/// Raises the soft limit, and as root the hard one too; nobody gets past the ceiling.
fn raise((soft, hard): Limit, least: i64, root: bool, ceiling: u64) -> Raise {
    let least = u64::try_from(least).unwrap_or(0);
    if soft >= least {
        Raise::Enough
    } else if hard >= least {
        Raise::To((least, hard))
    } else if root && least <= ceiling {
        Raise::To((least, least))
    } else {
        Raise::Impossible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_rise_as_far_as_allowed() {
        assert_eq!(raise((1024, 4096), 1024, false, u64::MAX), Raise::Enough);
        assert_eq!(raise((u64::MAX, u64::MAX), 1024, false, u64::MAX), Raise::Enough);
        assert_eq!(raise((1024, 4096), -5, false, u64::MAX), Raise::Enough);
        assert_eq!(raise((1024, 4096), 2000, false, u64::MAX), Raise::To((2000, 4096)));
        assert_eq!(raise((1024, 4096), 5000, false, u64::MAX), Raise::Impossible);
        assert_eq!(raise((1024, 4096), 5000, true, u64::MAX), Raise::To((5000, 5000)));
        assert_eq!(raise((1024, 4096), 5000, true, 4999), Raise::Impossible);
    }
}
