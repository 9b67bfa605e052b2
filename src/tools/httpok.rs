//! Restarts processes when a page cannot be had as it should be.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::fetch::{self, Url};
use super::listener::{Broken, Listener};
use super::mail::{self, SENDMAIL};
use super::options::{EMAIL, HELP, SENDMAIL_PROGRAM, integer, is, list, option};
use super::rpc::{Daemon, Process, RUNNING, words};
use super::{Start, Tool, say};
use crate::config::getopt::Opt;
use crate::config::text;
use crate::ctl::trouble::Trouble;

const PROGRAM: Opt = option(
    'p',
    "program",
    Some("NAME"),
    "restart this process, NAME or GROUP:NAME; may be given more than once",
);
const ANY: Opt = option('a', "any", None, "restart all processes but this one, whatever -p says");
const TIMEOUT: Opt =
    option('t', "timeout", Some("SECONDS"), "how long an answer may take in all (default 10)");
const CODE: Opt = option(
    'c',
    "code",
    Some("STATUS"),
    "status that is expected (default 200); may be given more than once",
);
const BODY: Opt = option('b', "body", Some("TEXT"), "text that is expected in the body");
const GCORE: Opt = option(
    'g',
    "gcore",
    Some("COMMAND"),
    "command that writes a core file, given its name and a process id (default /usr/bin/gcore -o)",
);
const COREDIR: Opt = option(
    'd',
    "coredir",
    Some("DIRECTORY"),
    "write a core file there of each process before it is restarted",
);
const EAGER: Opt =
    option('e', "eager", None, "ask even if no process that could be restarted runs (default)");
const NOT_EAGER: Opt =
    option('E', "not-eager", None, "do not ask if no process that could be restarted runs");
const NAME: Opt = option('n', "name", Some("TEXT"), "name of this httpok in the subject of mails");

pub const TOOL: Tool = Tool {
    name: "httpok",
    summary: "restart processes of supervisord when a web page does not answer well",
    synopsis: "[-p NAME] [-a] [-g COMMAND] [-d DIRECTORY] [-t SECONDS] [-c STATUS] [-b TEXT] [-m ADDRESS] [-s COMMAND] \
               [-e | -E] [-n TEXT] URL",
    details: &[
        "An event listener of supervisord, to be subscribed to TICK_60 or another TICK. At each tick it asks for the \
         URL. Where no answer comes in time, or one with another status or without the text that is expected, the \
         processes that -p or -a are about are restarted if they run.",
        "It asks whether something works, not who it is: the certificate of an https URL may be anybody's.",
    ],
    options: &[
        HELP,
        PROGRAM,
        ANY,
        TIMEOUT,
        CODE,
        BODY,
        SENDMAIL_PROGRAM,
        EMAIL,
        GCORE,
        COREDIR,
        EAGER,
        NOT_EAGER,
        NAME,
    ],
    exits: &[
        (0, "help; it was not started by supervisord"),
        (
            1,
            "the URL cannot be used; supervisord could not be asked or closed the stream of events",
        ),
        (255, "an option is wrong, or there is not exactly one URL"),
    ],
    example: &[
        "[eventlistener:httpok]",
        "command=httpok -p web:web -t 5 -b OK -m dev@example.com http://localhost:8080/health",
        "events=TICK_60",
    ],
    run,
};

struct Settings {
    programs: Vec<String>,
    any: bool,
    /// The URL as it is mailed and logged: as it was given, but for name and password.
    url: String,
    patience: Duration,
    statuses: Vec<i64>,
    body: Option<String>,
    email: Option<String>,
    sendmail: String,
    coredir: Option<String>,
    gcore: String,
    eager: bool,
    name: Option<String>,
}

fn run(tool: &Tool, start: &Start) -> u8 {
    let (options, words) = match tool.read(start) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let [url] = words.as_slice() else {
        return tool.usage();
    };
    let Some(settings) = settings(&options, url) else {
        return tool.usage();
    };
    let daemon = match Daemon::of(start) {
        Ok(Some(daemon)) => daemon,
        Ok(None) => {
            say("httpok must be run as a supervisor event listener\n");
            return 0;
        }
        Err(text) => {
            say(&format!("httpok: {text}\n"));
            return 1;
        }
    };
    let place = match Url::parse(url) {
        Ok(place) => place,
        Err(bad) => {
            let url = fetch::shown(url);
            say(&format!("httpok: {bad}: {url} cannot be asked for, http://… and https://… can\n"));
            return 1;
        }
    };
    let end = match (Monitor { settings, daemon }).serve(&place) {
        Err(end) => end,
        Ok(never) => match never {},
    };
    say(&format!("httpok: {end}\n"));
    1
}

fn settings(options: &[(String, String)], url: &str) -> Option<Settings> {
    let all = |option: &Opt| {
        let found = options.iter().filter(|(name, _)| is(name, option));
        found.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let last = |option: &Opt| all(option).pop();
    let seconds = last(&TIMEOUT).map_or(Some(10), |text| integer(&text))?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    let mut statuses = all(&CODE).iter().map(|text| integer(text)).collect::<Option<Vec<i64>>>()?;
    if statuses.is_empty() {
        statuses.push(200);
    }
    let eager = options.iter().rfind(|(name, _)| is(name, &EAGER) || is(name, &NOT_EAGER));
    let text = |option: &Opt| last(option).filter(|text| !text.is_empty());
    Some(Settings {
        programs: all(&PROGRAM),
        any: last(&ANY).is_some(),
        url: fetch::shown(url),
        patience: Duration::from_secs(seconds),
        statuses,
        body: text(&BODY),
        email: text(&EMAIL),
        sendmail: last(&SENDMAIL_PROGRAM).unwrap_or_else(|| SENDMAIL.to_owned()),
        coredir: text(&COREDIR),
        gcore: last(&GCORE).unwrap_or_else(|| "/usr/bin/gcore -o".to_owned()),
        eager: eager.is_none_or(|(name, _)| is(name, &EAGER)),
        name: last(&NAME),
    })
}

/// Why it ends.
enum End {
    Broken(Broken),
    Asking(Trouble),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Broken(broken) => broken.fmt(f),
            End::Asking(trouble) => write!(f, "cannot ask supervisord: {}", words(trouble)),
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
}

/// What is said of the restarts, as lines of the mail.
struct Report(Vec<String>);

impl Report {
    fn write(&mut self, text: String) {
        say(&format!("{text}\n"));
        self.0.push(text);
    }
}

impl Monitor {
    fn serve(&mut self, place: &Url) -> Result<Infallible, End> {
        let mut listener = Listener::new(io::stdin().lock(), io::stdout().lock());
        loop {
            let event = listener.wait()?;
            if event.name()?.starts_with("TICK") {
                self.look(place)?;
            }
            listener.ok()?;
        }
    }

    fn look(&mut self, place: &Url) -> Result<(), End> {
        let processes = self.daemon.processes()?;
        let concerned = processes.iter().any(|process| {
            let named = self.settings.any || process.is_one_of(&self.settings.programs);
            process.state == RUNNING && named && !self.daemon.is_self(process)
        });
        if (concerned || self.settings.eager)
            && let Some((what, why)) = self.settings.ask(place)
        {
            self.act(what, why)?;
        }
        Ok(())
    }

    fn act(&mut self, what: &str, why: String) -> Result<(), End> {
        let mut report = Report(vec![why]);
        let processes = match self.daemon.processes() {
            Ok(processes) => processes,
            Err(trouble) => {
                let why = words(&trouble);
                report.write(format!("Exception retrieving process info {why}, not acting"));
                return Ok(());
            }
        };
        let Settings { any, programs, .. } = &self.settings;
        let any = *any;
        let mut waiting = programs.clone();
        report.write(match any {
            true => "Restarting all running processes".to_owned(),
            false => format!("Restarting selected processes {}", list(programs)),
        });
        for process in &processes {
            if any || process.is_one_of(&self.settings.programs) {
                self.restart(process, &mut report)?;
                for name in [&process.name, &process.short_name()] {
                    if let Some(at) = waiting.iter().position(|waits| waits == name) {
                        waiting.remove(at);
                    }
                }
            }
        }
        if !waiting.is_empty() {
            let names = list(&waiting);
            report.write(format!("Programs not restarted because they did not exist: {names}"));
        }
        self.settings.mail(what, &report.0.join("\n"));
        Ok(())
    }

    fn restart(&mut self, process: &Process, report: &mut Report) -> Result<(), End> {
        let name = process.short_name();
        if self.daemon.is_self(process) {
            report.write(format!("{name} is this httpok, NOT restarting"));
            return Ok(());
        }
        if process.state != RUNNING {
            report.write(format!("{name} not in RUNNING state, NOT restarting"));
            return Ok(());
        }
        self.settings.dump(process, report);
        report.write(format!("{name} is in RUNNING state, restarting"));
        match self.daemon.stop(&name) {
            Err(trouble @ Trouble::Fault(_)) => {
                report.write(format!("Failed to stop process {name}: {}", words(&trouble)));
            }
            other => other?,
        }
        match self.daemon.start(&name) {
            Err(trouble @ Trouble::Fault(_)) => {
                report.write(format!("Failed to start process {name}: {}", words(&trouble)));
            }
            other => {
                other?;
                report.write(format!("{name} restarted"));
            }
        }
        Ok(())
    }
}

impl Settings {
    /// Asks for the page. What is wrong with the answer, in short and at length.
    fn ask(&self, place: &Url) -> Option<(&'static str, String)> {
        let url = &self.url;
        let answer = match fetch::get(place, self.patience) {
            Ok(answer) => answer,
            Err(error) => {
                return Some((
                    "bad status returned",
                    format!("error contacting {url}:\n\n {error}"),
                ));
            }
        };
        let why = format!("status contacting {url}: {} {}", answer.status, answer.reason);
        if !self.statuses.contains(&i64::from(answer.status)) {
            return Some(("bad status returned", why));
        }
        let found =
            |body: &String| memchr::memmem::find(&answer.body, &text::bytes(body)).is_some();
        if self.body.as_ref().is_some_and(|body| !found(body)) {
            return Some(("bad body returned", why));
        }
        None
    }

    /// Has a core file written.
    fn dump(&self, process: &Process, report: &mut Report) {
        let Some(dir) = self.coredir.as_ref().filter(|_| !self.gcore.is_empty()) else {
            return;
        };
        let name = process.short_name();
        let file =
            if dir.ends_with('/') { format!("{dir}{name}") } else { format!("{dir}/{name}") };
        let words =
            [format!("{} \"$1\" \"$2\"", self.gcore), "sh".into(), file, process.pid.to_string()];
        let output = Command::new("/bin/sh")
            .arg("-c")
            .args(words.map(|word| OsString::from_vec(text::bytes(&word))))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output();
        let said = match output {
            Ok(output) => text::from_bytes(&output.stdout),
            Err(error) => format!("cannot run {}: {error}", self.gcore),
        };
        report.write(format!("gcore output for {name}:\n\n {said}"));
    }

    fn mail(&self, what: &str, body: &str) {
        let Some(email) = &self.email else {
            return;
        };
        let name = self.name.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        let subject = format!("httpok{name}: {}: {what}", self.url);
        let mail = mail::compose(email, &subject, body);
        match mail::send(&self.sendmail, &mail) {
            Ok(()) => say(&format!("Mailed:\n\n{mail}")),
            Err(error) => say(&format!("httpok: cannot mail: {error}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Option<Settings> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        settings(&options.iter().map(owned).collect::<Vec<_>>(), "http://h/")
    }

    #[test]
    fn options() {
        let plain = read(&[]).unwrap();
        assert_eq!((plain.statuses.as_slice(), plain.patience.as_secs()), (&[200][..], 10));
        assert!(plain.eager && !plain.any && plain.body.is_none());
        let given = read(&[("-c", "200"), ("--code", "404"), ("-E", ""), ("-t", "3")]).unwrap();
        assert_eq!((given.statuses.as_slice(), given.patience.as_secs()), (&[200, 404][..], 3));
        assert!(!given.eager);
        assert!(read(&[("-E", ""), ("-e", "")]).unwrap().eager);
        for (option, value) in [("-t", "x"), ("-t", "0"), ("-t", "-1"), ("-c", "OK")] {
            assert!(read(&[(option, value)]).is_none(), "{option} {value}");
        }
    }
}
