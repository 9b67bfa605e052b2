//! Restarts processes that use too much memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;

use super::clock::Local;
use super::listener::{Broken, Listener};
use super::mail::{self, SENDMAIL};
use super::memory;
use super::options::{EMAIL, HELP, SENDMAIL_PROGRAM, byte_size, is, option, seconds};
use super::rpc::{Daemon, Process, words};
use super::{Start, Tool, print, say};
use crate::config::getopt::Opt;
use crate::config::text::repr;
use crate::ctl::trouble::Trouble;

const CUMULATIVE: Opt =
    option('c', "cumulative", None, "count the memory of a process's descendants as its own");
const PROGRAM: Opt = option(
    'p',
    "program",
    Some("NAME=SIZE"),
    "restart this process, NAME or GROUP:NAME, when it uses more; may be given more than once",
);
const GROUP: Opt = option(
    'g',
    "group",
    Some("NAME=SIZE"),
    "restart each process of this group that uses more; may be given more than once",
);
const ANY: Opt = option('a', "any", Some("SIZE"), "restart every process that uses more");
const UPTIME: Opt = option(
    'u',
    "uptime",
    Some("TIME"),
    "mail only of processes that ran no longer than this, in seconds or with s, m, h or d after it",
);
const NAME: Opt = option(
    'n',
    "name",
    Some("TEXT"),
    "name of this memmon in the subject of mails (default the last name that -p or -g has)",
);

pub const TOOL: Tool = Tool {
    name: "memmon",
    summary: "restart processes of supervisord that use too much memory",
    synopsis: "[-c] [-p NAME=SIZE] [-g NAME=SIZE] [-a SIZE] [-s COMMAND] [-m ADDRESS] [-u TIME] [-n TEXT]",
    details: &[
        "An event listener of supervisord, to be subscribed to TICK_60 or another TICK. At each tick it looks at the \
         resident memory of all processes that -p, -g or -a are about. A SIZE is in bytes or has KB, MB or GB after it.",
    ],
    options: &[HELP, CUMULATIVE, PROGRAM, GROUP, ANY, SENDMAIL_PROGRAM, EMAIL, UPTIME, NAME],
    exits: &[
        (0, "help"),
        (
            1,
            "a process could not be stopped or started, supervisord could not be asked, was not there or closed the \
             stream of events",
        ),
        (255, "an option is wrong, or there is none"),
    ],
    example: &[
        "[eventlistener:memmon]",
        "command=memmon -p cat=200MB -g web=1GB -a 4GB -m dev@example.com",
        "events=TICK_60",
    ],
    run,
};

#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    cumulative: bool,
    programs: BTreeMap<String, i64>,
    groups: BTreeMap<String, i64>,
    any: Option<i64>,
    sendmail: String,
    email: Option<String>,
    /// In seconds.
    uptime: Option<i64>,
    name: Option<String>,
}

fn run(tool: &Tool, start: &Start) -> u8 {
    if start.args.is_empty() {
        return tool.usage();
    }
    let options = match tool.read(start) {
        Ok((options, _)) => options,
        Err(status) => return status,
    };
    let settings = match settings(&options) {
        Ok(settings) => settings,
        Err(text) => {
            print(&format!("{text}\n"));
            return tool.usage();
        }
    };
    let daemon = match Daemon::of(start) {
        Ok(Some(daemon)) => daemon,
        Ok(None) => {
            say("memmon must be run as a supervisor event listener\n");
            return 1;
        }
        Err(text) => {
            say(&format!("memmon: {text}\n"));
            return 1;
        }
    };
    let mut monitor = Monitor { settings, daemon, local: Local::new(start) };
    let end = match monitor.serve() {
        Err(end) => end,
        Ok(never) => match never {},
    };
    say(&end.to_string());
    1
}

/// The error is the line that is printed before the help.
fn settings(options: &[(String, String)]) -> Result<Settings, String> {
    let mut settings = Settings { sendmail: SENDMAIL.to_owned(), ..Settings::default() };
    let mut own_name = None;
    for (option, value) in options {
        if is(option, &CUMULATIVE) {
            settings.cumulative = true;
        } else if is(option, &PROGRAM) || is(option, &GROUP) {
            let (name, size) = name_and_size(option, value)?;
            settings.name = Some(name.clone());
            let programs = is(option, &PROGRAM);
            let limits = if programs { &mut settings.programs } else { &mut settings.groups };
            limits.insert(name, size);
        } else if is(option, &ANY) {
            settings.any = Some(size(option, value)?);
        } else if is(option, &SENDMAIL_PROGRAM) {
            settings.sendmail.clone_from(value);
        } else if is(option, &EMAIL) {
            settings.email = Some(value.clone()).filter(|email| !email.is_empty());
        } else if is(option, &UPTIME) {
            let wrong = || format!("Unparseable value for time in {} for {option}", repr(value));
            settings.uptime = Some(seconds(value).ok_or_else(wrong)?);
        } else if is(option, &NAME) {
            own_name = Some(value.clone());
        }
    }
    settings.name = own_name.or(settings.name);
    Ok(settings)
}

fn name_and_size(option: &str, value: &str) -> Result<(String, i64), String> {
    match value.split_once('=') {
        Some((name, text)) if !text.contains('=') => Ok((name.to_owned(), size(option, text)?)),
        _ => Err(format!("Unparseable value {} for {}", repr(value), repr(option))),
    }
}

fn size(option: &str, value: &str) -> Result<i64, String> {
    let wrong = || format!("Unparseable byte_size in {} for {}", repr(value), repr(option));
    byte_size(value).ok_or_else(wrong)
}

/// Why it ends.
enum End {
    Broken(Broken),
    Asking(Trouble),
    /// What was said already, without a line end.
    Restart,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Broken(broken) => writeln!(f, "memmon: {broken}"),
            End::Asking(trouble) => {
                writeln!(f, "memmon: cannot ask supervisord: {}", words(trouble))
            }
            End::Restart => writeln!(f),
        }
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> End {
        End::Broken(broken)
    }
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> End {
        End::Asking(trouble)
    }
}

struct Monitor {
    settings: Settings,
    daemon: Daemon,
    local: Local,
}

impl Monitor {
    fn serve(&mut self) -> Result<Infallible, End> {
        let mut listener = Listener::new(io::stdin().lock(), io::stdout().lock());
        loop {
            let event = listener.wait()?;
            if event.name()?.starts_with("TICK") {
                self.look()?;
            }
            listener.ok()?;
        }
    }

    fn look(&mut self) -> Result<(), End> {
        say(&self.settings.checking());
        for process in self.daemon.processes()?.iter().filter(|process| process.pid != 0) {
            let resident = if self.settings.cumulative {
                memory::resident_of_tree(process.pid)
            } else {
                memory::resident(process.pid)
            };
            // A process that has ended since has none.
            if let Some(resident) = resident
                && self.settings.is_too_much(process, resident)
            {
                self.restart(process, resident)?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, process: &Process, resident: i64) -> Result<(), End> {
        let name = process.full_name();
        if self.daemon.is_self(process) {
            say("memmon: this is memmon itself, NOT restarting\n");
            return Ok(());
        }
        let info = self.daemon.process(&name)?;
        let uptime = info.now.saturating_sub(info.start);
        say(&format!("Restarting {name}\n"));
        if let Err(trouble) = self.daemon.stop(&name) {
            let said =
                |why| format!("Failed to stop process {name} (RSS {resident}), exiting: {why}");
            return Err(self.give_up(
                &format!("failed to stop process {name}, exiting"),
                said,
                trouble,
            ));
        }
        if let Err(trouble) = self.daemon.start(&name) {
            let said =
                |why| format!("Failed to start process {name} after stopping it, exiting: {why}");
            return Err(self.give_up(
                &format!("failed to start process {name}, exiting"),
                said,
                trouble,
            ));
        }
        if self.settings.uptime.is_none_or(|limit| uptime <= limit) {
            let body = format!(
                "memmon.py restarted the process named {name} at {} because it was consuming too much memory \
                 ({resident} bytes RSS)",
                self.local.asctime()
            );
            self.settings.mail(&format!("process {name} restarted"), &body);
        }
        Ok(())
    }

    /// Tells of a fault before the end. Anything else that went wrong is told at the end.
    fn give_up(&self, subject: &str, said: impl Fn(String) -> String, trouble: Trouble) -> End {
        if !matches!(trouble, Trouble::Fault(_)) {
            return End::Asking(trouble);
        }
        let body = said(words(&trouble));
        say(&body);
        self.settings.mail(subject, &body);
        End::Restart
    }
}

impl Settings {
    /// The lines that each look begins with.
    fn checking(&self) -> String {
        let limits = |limits: &BTreeMap<String, i64>| {
            let words: Vec<String> =
                limits.iter().map(|(name, size)| format!("{name}={size}")).collect();
            words.join(", ")
        };
        let mut lines = Vec::new();
        if !self.programs.is_empty() {
            lines.push(format!("Checking programs {}", limits(&self.programs)));
        }
        if !self.groups.is_empty() {
            lines.push(format!("Checking groups {}", limits(&self.groups)));
        }
        lines.extend(self.any.map(|size| format!("Checking any={size}")));
        lines.join("\n") + "\n"
    }

    /// Compares with each limit that is about a process until one is exceeded.
    fn is_too_much(&self, process: &Process, resident: i64) -> bool {
        let name = process.full_name();
        let limits = [
            self.programs.get(&process.name),
            self.programs.get(&name),
            self.groups.get(&process.group),
            self.any.as_ref(),
        ];
        limits.into_iter().flatten().any(|limit| {
            say(&format!("RSS of {name} is {resident}\n"));
            resident > *limit
        })
    }

    fn mail(&self, subject: &str, body: &str) {
        let Some(email) = &self.email else {
            return;
        };
        let name = self.name.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        let mail = mail::compose(email, &format!("memmon{name}: {subject}"), body);
        if let Err(error) = mail::send(&self.sendmail, &mail) {
            say(&format!("memmon: cannot mail: {error}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<Settings, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        settings(&options.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        let read_name = |options: &[(&str, &str)]| read(options).unwrap().name;
        assert_eq!(read_name(&[("-p", "a=1"), ("--group", "b=2")]).as_deref(), Some("b"));
        assert_eq!(read_name(&[("-n", "x"), ("-p", "a=1")]).as_deref(), Some("x"));
        assert_eq!(read_name(&[("-a", "1")]), None);
        assert_eq!(read(&[("-p", "x")]), Err("Unparseable value 'x' for '-p'".to_owned()));
        assert_eq!(read(&[("-p", "x=1=2")]), Err("Unparseable value 'x=1=2' for '-p'".to_owned()));
        assert_eq!(read(&[("-a", "1x")]), Err("Unparseable byte_size in '1x' for '-a'".to_owned()));
        assert_eq!(
            read(&[("--uptime", "1x")]),
            Err("Unparseable value for time in '1x' for --uptime".to_owned())
        );
        assert_eq!(read(&[("-u", "2m")]).unwrap().uptime, Some(120));
    }

    #[test]
    fn limits() {
        let process = |group: &str, name: &str| Process {
            name: name.to_owned(),
            group: group.to_owned(),
            state: 20,
            pid: 1,
            start: 0,
            now: 0,
        };
        let settings = read(&[("-p", "a=10"), ("-p", "g:b=20"), ("-g", "h=30")]).unwrap();
        assert!(settings.is_too_much(&process("x", "a"), 11));
        assert!(!settings.is_too_much(&process("x", "a"), 10));
        assert!(settings.is_too_much(&process("g", "b"), 21));
        assert!(!settings.is_too_much(&process("x", "b"), 21));
        assert!(settings.is_too_much(&process("h", "z"), 31));
        assert!(read(&[("-a", "5")]).unwrap().is_too_much(&process("x", "y"), 6));
        assert_eq!(settings.checking(), "Checking programs a=10, g:b=20\nChecking groups h=30\n");
        assert_eq!(read(&[("-a", "5")]).unwrap().checking(), "Checking any=5\n");
        assert_eq!(read(&[("-c", "")]).unwrap().checking(), "\n");
    }
}
