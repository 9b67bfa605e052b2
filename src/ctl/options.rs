//! The command line and the `[supervisorctl]` section: which server, as whom, which action.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::credentials;
use super::out::{self, Color, Settings};
use super::quote;
use super::table::{LOCAL, OPTIONS};
use super::trust;
use crate::config::ctl::{self, Caller, Client};
use crate::config::errors::Problems;
use crate::config::{getopt, path, text};

const HELP: &str = "\
supervisorctl -- control the programs that supervisord runs.

Usage: %s [options] [action [arguments]]

Options:
%o
Without an action a shell is started that reads actions. The action \"help\" lists them.
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Server and credentials; the command line overrides the file.
    pub client: Client,
    /// Whether a person may be asked.
    pub interactive: bool,
    /// How the output is to look.
    pub output: Settings,
    /// The action and its arguments.
    pub words: Vec<String>,
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Print this on standard output and leave with 0.
    Help(String),
    /// Print this on standard error and leave with 2.
    Usage(String),
}

/// What the command line says.
#[derive(Default)]
pub struct CommandLine {
    pub configuration: Option<String>,
    pub interactive: Option<String>,
    pub serverurl: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub password_file: Option<String>,
    pub context: Option<String>,
    pub history_file: Option<String>,
    pub cacert: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub crl: Option<String>,
    pub insecure: Option<String>,
    pub json: Option<String>,
    pub raw: Option<String>,
    pub color: Option<String>,
}

/// Reads command line (program name first) and configuration file.
pub fn read(args: &[String], environment: &[(String, String)]) -> Result<Options, Stop> {
    let (program, args) = match args.split_first() {
        Some((program, args)) => (program.as_str(), args),
        None => ("supervisorctl", args),
    };
    let usage = |text: String| refusal(text, program);
    let (found, words) = getopt::parse(args, OPTIONS).map_err(usage)?;
    let mut line = CommandLine::default();
    for (option, value) in found {
        if matches!(option.as_str(), "-h" | "-?" | "--help") {
            let help = HELP.replace("%o", &getopt::help(OPTIONS)).replace("%s", program);
            return Err(Stop::Help(help));
        }
        take(&mut line, &option, value).map_err(usage)?;
    }
    let color = match line.color.as_deref() {
        Some(word) => Color::parse(word).ok_or_else(|| {
            usage(format!("invalid value for --color {}: it is auto, always or never", quote(word)))
        })?,
        None => Color::default(),
    };
    let interactive = line.interactive.is_some();
    let output = Settings { json: line.json.is_some(), raw: line.raw.is_some(), color };
    let client = match words.first() {
        Some(word) if LOCAL.contains(&word.as_str()) => Client::default(),
        _ => client(line, environment, program)?,
    };
    Ok(Options { client, interactive, output, words })
}

/// Server and credentials, as the command line, the environment and the file have them.
fn client(
    mut line: CommandLine,
    environment: &[(String, String)],
    program: &str,
) -> Result<Client, Stop> {
    let usage = |text: String| refusal(text, program);
    let context = credentials::context(&line, environment).map_err(usage)?;
    let password = credentials::password(&line, environment, context.is_some()).map_err(usage)?;
    let in_context = context.is_some();
    let client = match (context, line.configuration.take()) {
        (Some(context), _) => context,
        (None, Some(file)) => read_file(&file, environment, program)?,
        (None, None) => match search(program, environment, &here()) {
            Some(file) => read_file(&file, environment, program)?,
            None => Client::default(),
        },
    };
    let tls = credentials::tls(&line, environment, client.tls, in_context);
    // The file is the daemon's that the configuration is of.
    let same = line.serverurl.as_ref().is_none_or(|url| *url == client.serverurl);
    Ok(Client {
        tokens_file: client.tokens_file.filter(|_| same),
        tls,
        serverurl: line.serverurl.unwrap_or(client.serverurl),
        username: line.username.or(client.username),
        password: password.or(client.password),
        prompt: client.prompt,
        history_file: line.history_file.or(client.history_file),
    })
}

fn refusal(text: String, program: &str) -> Stop {
    let mut problems = Problems::default();
    problems.error(text, Vec::new());
    Stop::Usage(problems.report(program))
}

fn take(line: &mut CommandLine, option: &str, value: String) -> Result<(), String> {
    let place = match option {
        "-c" | "--configuration" => &mut line.configuration,
        "-i" | "--interactive" => &mut line.interactive,
        "-s" | "--serverurl" => &mut line.serverurl,
        "-u" | "--username" => &mut line.username,
        "-p" | "--password" => &mut line.password,
        "--json" => &mut line.json,
        "--raw" => &mut line.raw,
        "--color" => &mut line.color,
        "--password-file" => &mut line.password_file,
        "--context" => &mut line.context,
        "--cacert" => &mut line.cacert,
        "--cert" => &mut line.cert,
        "--key" => &mut line.key,
        "--crl" => &mut line.crl,
        "--insecure" => &mut line.insecure,
        _ => &mut line.history_file,
    };
    if matches!(option, "-s" | "--serverurl") && !is_url(&value) {
        let value = quote(&value);
        return Err(format!("invalid value for {option} {value}: value {value} is not a URL"));
    }
    if place.is_some() {
        return Err(format!("conflicting command line option {}", quote(option)));
    }
    *place = Some(value);
    Ok(())
}

/// A scheme, and something after it.
pub fn is_url(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    text.split_once(':').is_some_and(|(before, after)| {
        let place = after.strip_prefix("//").unwrap_or(after);
        let place = place.split(['?', '#']).next().unwrap_or_default();
        scheme(before) && !place.is_empty()
    })
}

/// The first configuration file that exists where they are looked for. One that depends on the current directory counts
/// only where others than the caller and root cannot have put it; it is told of else.
fn search(program: &str, environment: &[(String, String)], here: &Path) -> Option<String> {
    let program = located(program, environment);
    let base = path::dirname(path::dirname(&program));
    let places = [
        path::join(base, "etc/supervisord.conf"),
        path::join(base, "supervisord.conf"),
        "supervisord.conf".to_owned(),
        "etc/supervisord.conf".to_owned(),
        "/etc/supervisord.conf".to_owned(),
        "/etc/supervisor/supervisord.conf".to_owned(),
    ];
    let exists = |place: &String| fs::exists(here.join(native(place))).unwrap_or(false);
    places.into_iter().filter(exists).find(|place| {
        let relative = !place.starts_with('/');
        let why = relative.then(|| trust::doubt(&here.join(native(place)))).flatten();
        if let Some(why) = &why {
            let text = format!("{place} is not used: {why}; name it with -c if it is to be used");
            out::complain(&text, false);
        }
        why.is_none()
    })
}

/// The current directory.
fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

/// The path of a program that was called by its name alone: a script is given it, a binary is not.
fn located(program: &str, environment: &[(String, String)]) -> String {
    if program.contains('/') {
        return program.to_owned();
    }
    let path = environment.iter().find(|(name, _)| name == "PATH");
    path.iter()
        .flat_map(|(_, path)| path.split(':'))
        .map(|dir| path::join(dir, program))
        .find(|candidate| fs::metadata(native(candidate)).is_ok_and(|found| found.is_file()))
        .unwrap_or_else(|| program.to_owned())
}

/// A path as the system takes it.
pub fn native(path: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(text::bytes(path))
}

fn read_file(file: &str, environment: &[(String, String)], program: &str) -> Result<Client, Stop> {
    let mut problems = Problems::default();
    let cwd = text::from_bytes(here().as_os_str().as_bytes());
    let client = match fs::read(native(file)) {
        Ok(bytes) => {
            let caller = Caller { cwd: &cwd, environment, home };
            ctl::read(file, &bytes, caller, &mut problems)
        }
        Err(error) => {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "find",
                _ => "read",
            };
            problems.error(format!("could not {what} config file {file}"), Vec::new());
            Client::default()
        }
    };
    if problems.errors.is_empty() { Ok(client) } else { Err(Stop::Usage(problems.report(program))) }
}

/// A user's home directory; the caller's for an empty name.
pub fn home(name: &str) -> Option<String> {
    let user = match name {
        "" => User::from_uid(Uid::current()),
        name => User::from_name(name),
    };
    let user = user.ok().flatten()?;
    user.dir.into_os_string().into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Options, Stop> {
        let mut words = vec!["/nonexistent/bin/supervisorctl".to_owned()];
        words.extend(args.iter().map(|word| (*word).to_owned()));
        read(&words, &[])
    }

    fn error(args: &[&str]) -> String {
        match run(args) {
            Err(Stop::Usage(text)) => text.lines().next().unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn usage_errors() {
        assert_eq!(error(&["-x"]), "Error: option -x not recognized");
        assert_eq!(
            error(&["-u", "a", "-u", "b", "status"]),
            "Error: conflicting command line option '-u'"
        );
        assert_eq!(
            error(&["-u", "a", "--user=b"]),
            "Error: conflicting command line option '--username'"
        );
        assert_eq!(
            error(&["-s", "foo", "status"]),
            "Error: invalid value for -s 'foo': value 'foo' is not a URL"
        );
        assert_eq!(
            error(&["-c", "/nonexistent/s.conf", "status"]),
            "Error: could not find config file /nonexistent/s.conf"
        );
        assert_eq!(error(&["-c", "/", "status"]), "Error: could not read config file /");
    }

    #[test]
    fn options_end_at_the_first_word() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[supervisorctl]\nserverurl=http://h:1\nusername=u\npassword=p\n")
            .unwrap();
        let name = file.path().to_str().unwrap();
        let options = run(&["-c", name, "-p", "q", "-i", "tail", "-f", "x"]).unwrap();
        assert_eq!(options.client.serverurl, "http://h:1");
        assert_eq!(options.client.username.as_deref(), Some("u"));
        assert_eq!(options.client.password.as_deref(), Some("q"));
        assert!(options.interactive);
        assert_eq!(options.words, ["tail", "-f", "x"]);
    }

    #[test]
    fn abbreviations_mean_what_they_did() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[supervisorctl]\n").unwrap();
        let name = file.path().to_str().unwrap();
        let options = run(&["--con", name, "--pass=q", "--h=f", "pid"]);
        // Both `help` and `history_file`, as ever.
        assert!(
            matches!(options, Err(Stop::Usage(text)) if text.contains("--h not a unique prefix"))
        );
        let options = run(&["--c", name, "--p", "q", "--hi", "f", "pid"]).unwrap();
        assert_eq!(options.client.password.as_deref(), Some("q"));
        assert_eq!(options.client.history_file.as_deref(), Some("f"));
        assert_eq!(error(&["--contex", "x"]), "Error: option --contex not recognized");
        assert_eq!(error(&["--context"]), "Error: option --context requires argument");
    }

    #[test]
    fn the_current_directory_is_the_callers_word_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let found = || search("/nonexistent/bin/supervisorctl", &[], dir.path());
        let file = dir.path().join("supervisord.conf");
        fs::write(&file, "[supervisorctl]\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(found().as_deref(), Some("supervisord.conf"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o646)).unwrap();
        assert_ne!(found().as_deref(), Some("supervisord.conf"));
    }

    #[test]
    fn help_comes_first() {
        assert!(
            matches!(run(&["-h"]), Err(Stop::Help(text)) if text.contains("/bin/supervisorctl"))
        );
    }

    #[test]
    fn urls() {
        for good in ["unix:///x", "http://h", "ftp://x", "a:b"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["foo", "", ":x", "http://", "/x/y", "1:2"] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
