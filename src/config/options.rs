//! The command line of `supervisord`.

use super::getopt::getopt;
use super::keys;
use super::reading::Reading;
use super::settings::Level;
use super::text::repr;
use super::values;

/// The version that `-v` prints: scripts compare it, so it is the one we stand in for.
pub const VERSION: &str = "4.3.0";

const SHORT: &str = "h?c:vnu:m:d:l:y:z:e:j:i:q:a:kts";
const LONG: &[&str] = &[
    "help",
    "configuration=",
    "version",
    "nodaemon",
    "user=",
    "umask=",
    "directory=",
    "logfile=",
    "logfile_maxbytes=",
    "logfile_backups=",
    "loglevel=",
    "pidfile=",
    "identifier=",
    "childlogdir=",
    "minfds=",
    "minprocs=",
    "nocleanup",
    "strip_ansi",
    "profile_options=",
    "silent",
    "!check",
    "!show",
    "!json",
];

const HELP: &str = "\
supervisord -- start and keep running the programs of a configuration file.

Usage: %s [options]

Options (each overrides the [supervisord] key of the same name):
-c/--configuration FILENAME -- configuration file; searched for if not given
-n/--nodaemon -- stay in the foreground
-s/--silent -- in the foreground, do not copy the log to stdout
-h/--help -- print this text and exit
-v/--version -- print the version and exit
-u/--user USER -- become this user (name or uid)
-m/--umask UMASK -- umask when daemonised (default 022)
-d/--directory DIRECTORY -- directory to change to when daemonised
-l/--logfile FILENAME -- activity log
-y/--logfile_maxbytes BYTES -- size at which the activity log is rotated
-z/--logfile_backups NUM -- number of rotated activity logs to keep
-e/--loglevel LEVEL -- critical, error, warn, info, debug, trace or blather
-j/--pidfile FILENAME -- file that the process id is written to
-i/--identifier STR -- name of this instance
-q/--childlogdir DIRECTORY -- directory of automatic program logs
-k/--nocleanup -- keep automatic program logs of earlier runs
-a/--minfds NUM -- least number of file descriptors
-t/--strip_ansi -- strip ANSI escape codes from program output
--minprocs NUM -- least number of processes
--profile_options OPTIONS -- accepted, without effect
--check -- say what is wrong with the configuration, start nothing; exit 0 if it could be started, 2 if not
--check --show -- print every value of the configuration and where it comes from
--check --json -- the same for programs, with the fields and the environment of each process (may hold secrets)
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

/// Reads the command line, program name first.
pub fn parse(reading: &mut Reading<'_>, args: &[String]) -> Result<Options, Stop> {
    let (program, args) = args.split_first().ok_or_else(|| {
        Stop::Usage("the command line is empty, not even a program name is there".to_owned())
    })?;
    let (found, rest) = getopt(args, SHORT, LONG).map_err(Stop::Usage)?;
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
                return Err(Stop::Print(format!("{}\n", HELP.replace("%s", program))));
            }
            "-v" | "--version" => return Err(Stop::Print(format!("{VERSION}\n"))),
            "--check" => options.check = true,
            "--show" => options.show = true,
            "--json" => options.json = true,
            _ => set(reading, &mut options, option, value).map_err(Stop::Usage)?,
        }
    }
    if (options.show || options.json) && !options.check {
        return Err(Stop::Usage("--show and --json go with --check".to_owned()));
    }
    options.given = found.iter().filter_map(|(option, value)| given(option, value)).collect();
    Ok(options)
}

/// The key that an option stands for.
fn given(option: &str, value: &str) -> Option<(&'static str, String)> {
    const SHORT_KEYS: &[(&str, &str)] = &[
        ("-n", "nodaemon"),
        ("-s", "silent"),
        ("-k", "nocleanup"),
        ("-t", "strip_ansi"),
        ("-u", "user"),
        ("-m", "umask"),
        ("-d", "directory"),
        ("-l", "logfile"),
        ("-y", "logfile_maxbytes"),
        ("-z", "logfile_backups"),
        ("-e", "loglevel"),
        ("-j", "pidfile"),
        ("-i", "identifier"),
        ("-q", "childlogdir"),
        ("-a", "minfds"),
    ];
    let short = SHORT_KEYS.iter().find(|(letter, _)| *letter == option).map(|(_, key)| *key);
    let long = option.strip_prefix("--");
    let key = keys::section("supervisord")?.all().find(|k| Some(k.name) == short.or(long))?.name;
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
