//! The tools beside those that they stand in for: the same events, the same mails, restarts, words and exit statuses.

mod command_lines;
mod drive;
mod fake;
mod fixed;
mod installed;
mod pidproxy;
mod sample;
mod side_by_side;
mod smtp;
mod tls;
mod under_daemons;

use std::path::PathBuf;

use system_tests::dist::{Dist, reference};

/// One of our tools, and what it stands in for.
pub fn both(name: &str) -> [PathBuf; 2] {
    [Dist::plain().tool(name), reference(name)]
}

/// One of our tools.
pub fn ours(name: &str) -> PathBuf {
    Dist::plain().tool(name)
}
