//! The command line of `supervisord`.

use super::getopt::{self, Opt, Takes};
use super::keys;
use super::reading::Reading;
use super::settings::Level;
use super::text::repr;
use super::values;

/// The version that `-v` prints: scripts compare it, so it is the one we stand in for.
pub const VERSION: &str = "4.3.0";

/// The options, in the order in which the help shows them.
pub const OPTIONS: &[Opt] = &[
    getopt::CONFIGURATION,
    Opt {
        short: Some('n'),
        long: "nodaemon",
        value: None,
        help: "stay in the foreground",
        own: false,
    },
    Opt {
        short: Some('s'),
        long: "silent",
        value: None,
        help: "in the foreground, do not copy the log to stdout",
        own: false,
    },
    getopt::HELP,
    Opt {
        short: Some('v'),
        long: "version",
        value: None,
        help: "print the version and exit",
        own: false,
    },
    Opt {
        short: Some('u'),
        long: "user",
        value: Some(("USER", Takes::User)),
        help: "become this user (name or uid)",
        own: false,
    },
    Opt {
        short: Some('m'),
        long: "umask",
        value: Some(("UMASK", Takes::Text)),
        help: "umask when daemonised (default 022)",
        own: false,
    },
    Opt {
        short: Some('d'),
        long: "directory",
        value: Some(("DIRECTORY", Takes::Directory)),
        help: "directory to change to when daemonised",
        own: false,
    },
    Opt {
        short: Some('l'),
        long: "logfile",
        value: Some(("FILENAME", Takes::File)),
        help: "activity log",
        own: false,
    },
    Opt {
        short: Some('y'),
        long: "logfile_maxbytes",
        value: Some(("BYTES", Takes::Text)),
        help: "size at which the activity log is rotated",
        own: false,
    },
    Opt {
        short: Some('z'),
        long: "logfile_backups",
        value: Some(("NUM", Takes::Text)),
        help: "number of rotated activity logs to keep",
        own: false,
    },
    Opt {
        short: Some('e'),
        long: "loglevel",
        value: Some((
            "LEVEL",
            Takes::Words(&["critical", "error", "warn", "info", "debug", "trace", "blather"]),
        )),
        help: "critical, error, warn, info, debug, trace or blather",
        own: false,
    },
    Opt {
        short: Some('j'),
        long: "pidfile",
        value: Some(("FILENAME", Takes::File)),
        help: "file that the process id is written to",
        own: false,
    },
    Opt {
        short: Some('i'),
        long: "identifier",
        value: Some(("STR", Takes::Text)),
        help: "name of this instance",
        own: false,
    },
    Opt {
        short: Some('q'),
        long: "childlogdir",
        value: Some(("DIRECTORY", Takes::Directory)),
        help: "directory of automatic program logs",
        own: false,
    },
    Opt {
        short: Some('k'),
        long: "nocleanup",
        value: None,
        help: "keep automatic program logs of earlier runs",
        own: false,
    },
    Opt {
        short: Some('a'),
        long: "minfds",
        value: Some(("NUM", Takes::Text)),
        help: "least number of file descriptors",
        own: false,
    },
    Opt {
        short: Some('t'),
        long: "strip_ansi",
        value: None,
        help: "strip ANSI escape codes from program output",
        own: false,
    },
    Opt {
        short: None,
        long: "minprocs",
        value: Some(("NUM", Takes::Text)),
        help: "least number of processes",
        own: false,
    },
    Opt {
        short: None,
        long: "profile_options",
        value: Some(("OPTIONS", Takes::Text)),
        help: "accepted, without effect",
        own: false,
    },
    Opt {
        short: None,
        long: "check",
        value: None,
        help: "say what is wrong with the configuration, start nothing; exit 0 if it could be started, 2 if not",
        own: true,
    },
    Opt {
        short: None,
        long: "show",
        value: None,
        help: "with --check: print every value of the configuration and where it comes from",
        own: true,
    },
    Opt {
        short: None,
        long: "json",
        value: None,
        help: "with --check: the same for programs, with the fields and the environment of each process (may hold secrets); \
               with --policy: the report for programs",
        own: true,
    },
    Opt {
        short: None,
        long: "policy",
        value: None,
        help: "say what runs as root and why, who may do what to which program, and what is weak; start nothing",
        own: true,
    },
];

const HELP: &str = "\
supervisord -- start and keep running the programs of a configuration file.

Usage: %s [options]

Options (each overrides the [supervisord] key of the same name):
";

/// What the command line sets; everything overrides the file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Options {
    /// `-c`
    pub configuration: Option<String>,
    /// `-n`
    pub nodaemon: Option<bool>,
    /// `-s`
    pub silent: Option<bool>,
    /// `-k`
    pub nocleanup: Option<bool>,
    /// `-t`
    pub strip_ansi: Option<bool>,
    /// `-u`
    pub user: Option<String>,
    /// `-m`
    pub umask: Option<u32>,
    /// `-d`
    pub directory: Option<String>,
    /// `-l`
    pub logfile: Option<String>,
    /// `-y`
    pub logfile_maxbytes: Option<i64>,
    /// `-z`
    pub logfile_backups: Option<i64>,
    /// `-e`
    pub loglevel: Option<Level>,
    /// `-j`
    pub pidfile: Option<String>,
    /// `-i`
    pub identifier: Option<String>,
    /// `-q`
    pub childlogdir: Option<String>,
    /// `-a`
    pub minfds: Option<i64>,
    /// `--minprocs`
    pub minprocs: Option<i64>,
    /// `--profile_options`
    pub profile_options: Option<String>,
    /// `--check`
    pub check: bool,
    /// `--show`
    pub show: bool,
    /// `--json`
    pub json: bool,
    /// `--policy`
    pub policy: bool,
    /// Keys of `[supervisord]` that the command line sets, with the texts.
    pub given: Vec<(&'static str, String)>,
}

/// Why there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Print this on standard output and leave with 0.
    Print(String),
    /// A usage error.
    Usage(String),
}

impl Options {
    /// Whether the configuration is only looked at, and nothing started.
    pub fn looks(&self) -> bool {
        self.check || self.policy
    }

    fn combine(&self) -> Result<(), String> {
        let wrong = match self {
            Options { check: true, policy: true, .. } => "--check and --policy do not go together",
            Options { check: false, show: true, .. } => "--show goes with --check",
            Options { check: false, policy: false, json: true, .. } => {
                "--json goes with --check or --policy"
            }
            _ => return Ok(()),
        };
        Err(wrong.to_owned())
    }
}

/// Reads the command line, program name first.
pub fn parse(reading: &mut Reading<'_>, args: &[String]) -> Result<Options, Stop> {
    let (program, args) = args.split_first().ok_or_else(|| {
        Stop::Usage("the command line is empty, not even a program name is there".to_owned())
    })?;
    let (found, rest) = getopt::parse(args, OPTIONS).map_err(Stop::Usage)?;
    if !rest.is_empty() {
        let words: Vec<String> = rest.iter().map(|w| repr(w)).collect();
        return Err(Stop::Usage(format!(
            "positional arguments are not supported: [{}]",
            words.join(", ")
        )));
    }
    let mut options = Options::default();
    for (option, value) in &found {
        match option.as_str() {
            "-h" | "-?" | "--help" => {
                let head = HELP.replace("%s", program);
                return Err(Stop::Print(format!("{head}{}\n", getopt::help(OPTIONS))));
            }
            "-v" | "--version" => return Err(Stop::Print(format!("{VERSION}\n"))),
            "--check" => options.check = true,
            "--show" => options.show = true,
            "--json" => options.json = true,
            "--policy" => options.policy = true,
            _ => set(reading, &mut options, option, value).map_err(Stop::Usage)?,
        }
    }
    options.combine().map_err(Stop::Usage)?;
    options.given = found.iter().filter_map(|(option, value)| given(option, value)).collect();
    Ok(options)
}

/// The key that an option stands for.
fn given(option: &str, value: &str) -> Option<(&'static str, String)> {
    let is = |o: &&Opt| {
        option.strip_prefix("--") == Some(o.long)
            || o.short.is_some_and(|letter| option == format!("-{letter}"))
    };
    let long = OPTIONS.iter().find(is)?.long;
    let key = keys::section("supervisord")?.all().find(|key| key.name == long)?.name;
    let value = if value.is_empty() { "true" } else { value };
    Some((key, value.to_owned()))
}

fn set(
    reading: &mut Reading<'_>,
    options: &mut Options,
    option: &str,
    value: &str,
) -> Result<(), String> {
    let text = || Ok(value.to_owned());
    match option {
        "-c" | "--configuration" => put(&mut options.configuration, option, value, text()),
        "-n" | "--nodaemon" => put(&mut options.nodaemon, option, value, Ok(true)),
        "-s" | "--silent" => put(&mut options.silent, option, value, Ok(true)),
        "-k" | "--nocleanup" => put(&mut options.nocleanup, option, value, Ok(true)),
        "-t" | "--strip_ansi" => put(&mut options.strip_ansi, option, value, Ok(true)),
        "-u" | "--user" => put(&mut options.user, option, value, text()),
        "-m" | "--umask" => put(&mut options.umask, option, value, values::octal(value)),
        "-d" | "--directory" => {
            let read = reading.existing_directory(value);
            put(&mut options.directory, option, value, read)
        }
        "-l" | "--logfile" => {
            let read = reading.existing_parent(value);
            put(&mut options.logfile, option, value, read)
        }
        "-y" | "--logfile_maxbytes" => {
            let read = values::byte_size(value);
            put(&mut options.logfile_maxbytes, option, value, read)
        }
        "-z" | "--logfile_backups" => {
            let read = values::integer(value);
            put(&mut options.logfile_backups, option, value, read)
        }
        "-e" | "--loglevel" => put(&mut options.loglevel, option, value, values::level(value)),
        "-j" | "--pidfile" => {
            let read = reading.existing_parent(value);
            put(&mut options.pidfile, option, value, read)
        }
        "-i" | "--identifier" => put(&mut options.identifier, option, value, text()),
        "-q" | "--childlogdir" => {
            let read = reading.existing_directory(value);
            put(&mut options.childlogdir, option, value, read)
        }
        "-a" | "--minfds" => put(&mut options.minfds, option, value, values::integer(value)),
        "--minprocs" => put(&mut options.minprocs, option, value, values::integer(value)),
        _ => put(&mut options.profile_options, option, value, text()),
    }
}

fn put<T>(
    field: &mut Option<T>,
    option: &str,
    value: &str,
    read: Result<T, String>,
) -> Result<(), String> {
    let new = read.map_err(|why| format!("invalid value for {option} {}: {why}", repr(value)))?;
    if field.is_some() {
        return Err(format!("conflicting command line option {}", repr(option)));
    }
    *field = Some(new);
    Ok(())
}
