//! The programs that people know beside Supervisor: the sample configuration, `pidproxy`, and the event listeners of
//! superlance 2.0. One binary; the name it is called by says which of them it is.
//!
//! All of them run as whoever starts them and have no privilege. The listeners speak the protocol of
//! [`listener`] with any daemon that has it.

mod batch;
mod clock;
mod crashmail;
mod crashmailbatch;
mod crashsms;
mod echo;
mod fatalmailbatch;
mod fetch;
mod httpok;
mod listener;
mod mail;
mod memmon;
mod memory;
mod options;
mod pidfile;
mod pidproxy;
mod rpc;
mod smtp;
mod tls;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::config::getopt::Opt;
use crate::config::text;

/// What the binary itself is called; its first argument is then the name of a tool.
const ALL_IN_ONE: &str = "supervisor-tools";

/// One of the programs.
pub struct Tool {
    /// The name it is called by.
    pub name: &'static str,
    /// What it does, in a few words without a full stop.
    pub summary: &'static str,
    /// What follows its name.
    pub synopsis: &'static str,
    /// What there is to know, a paragraph each.
    pub details: &'static [&'static str],
    /// Its options.
    pub options: &'static [Opt],
    /// Its exit statuses.
    pub exits: &'static [(u8, &'static str)],
    /// Sections of a configuration, or commands, that show its use.
    pub example: &'static [&'static str],
    run: fn(&Tool, &Start) -> u8,
}

/// All of them.
pub const TOOLS: [&Tool; 8] = [
    &echo::TOOL,
    &pidproxy::TOOL,
    &memmon::TOOL,
    &httpok::TOOL,
    &crashmail::TOOL,
    &crashmailbatch::TOOL,
    &fatalmailbatch::TOOL,
    &crashsms::TOOL,
];

/// What a tool is started with.
struct Start {
    /// Its arguments; bytes that are no text as [`text::from_bytes`] has them.
    args: Vec<String>,
}

impl Start {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| text::from_bytes(&value.into_vec()))
    }
}

/// Runs the tool whose name this program is called by; the exit status.
pub fn run() -> u8 {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let mut args: Vec<String> = words.map(|word| text::from_bytes(&word.into_vec())).collect();
    let mut name = stem(&called);
    if name == ALL_IN_ONE && args.first().is_some_and(|word| word == "--list") {
        TOOLS.iter().for_each(|tool| print(&format!("{}\n", tool.name)));
        return 0;
    }
    if name == ALL_IN_ONE && !args.is_empty() {
        name = args.remove(0);
    }
    match TOOLS.iter().find(|tool| tool.name == name) {
        Some(tool) => (tool.run)(tool, &Start { args }),
        None => {
            say(&format!(
                "{ALL_IN_ONE} is called by one of these names, or has it as its first argument:\n"
            ));
            TOOLS.iter().for_each(|tool| say(&format!("  {:<20} {}\n", tool.name, tool.summary)));
            2
        }
    }
}

/// The file's name; existing configurations may say `memmon.py`.
fn stem(called: &OsStr) -> String {
    let name = Path::new(called).file_name().unwrap_or_default();
    let name = text::from_bytes(name.as_bytes());
    name.strip_suffix(".py").map(str::to_owned).unwrap_or(name)
}

/// Writes to standard error, where a listener's words go. Nobody is there to be told when that fails.
fn say(words: &str) {
    let _ = std::io::stderr().write_all(&text::bytes(words));
}

/// Writes to standard output.
fn print(words: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(&text::bytes(words)).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(stem(OsStr::new("/usr/bin/memmon")), "memmon");
        assert_eq!(stem(OsStr::new("httpok.py")), "httpok");
        assert_eq!(stem(OsStr::new("")), "");
        let mut names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOOLS.len());
    }
}
