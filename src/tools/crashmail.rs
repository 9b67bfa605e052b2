//! Mails each process that died unexpectedly.

use std::convert::Infallible;
use std::io;

use super::clock::Local;
use super::listener::{Broken, Facts, Listener};
use super::mail::{self, SENDMAIL};
use super::options::{HELP, SENDMAIL_PROGRAM, is, option};
use super::{Start, Tool, say};
use crate::config::getopt::Opt;

const PROGRAM: Opt = option(
    'p',
    "program",
    Some("NAME"),
    "mail about this process alone, NAME or GROUP:NAME; may be given more than once",
);
const ANY: Opt = option('a', "any", None, "mail about all processes, whatever -p says");
const HEADER: Opt =
    option('o', "optionalheader", Some("TEXT"), "put this and a colon in front of the subject");
const EMAIL: Opt = option('m', "email", Some("ADDRESS"), "who is mailed; without it nobody is");

pub const TOOL: Tool = Tool {
    name: "crashmail",
    summary: "mail when a process of supervisord exits unexpectedly",
    synopsis: "[-a | -p NAME…] [-o TEXT] [-s COMMAND] -m ADDRESS",
    details: &[
        "An event listener of supervisord, to be subscribed to PROCESS_STATE_EXITED. It sends a mail for each exit that \
         was not expected; without -p for those of all processes.",
    ],
    options: &[HELP, PROGRAM, ANY, HEADER, SENDMAIL_PROGRAM, EMAIL],
    exits: &[
        (0, "help; it was not started by supervisord"),
        (1, "supervisord closed the stream of events"),
        (255, "an option is wrong"),
    ],
    example: &[
        "[eventlistener:crashmail]",
        "command=crashmail -a -o web1 -m dev@example.com",
        "events=PROCESS_STATE_EXITED",
    ],
    run,
};

struct Settings {
    programs: Vec<String>,
    any: bool,
    header: Option<String>,
    sendmail: String,
    email: Option<String>,
}

fn run(tool: &Tool, start: &Start) -> u8 {
    let settings = match tool.read(start) {
        Ok((options, _)) => settings(&options),
        Err(status) => return status,
    };
    if start.variable("SUPERVISOR_SERVER_URL").is_none() {
        say("crashmail must be run as a supervisor event listener\n");
        return 0;
    }
    let broken = match serve(&settings, &Local::new(start)) {
        Err(broken) => broken,
        Ok(never) => match never {},
    };
    say(&format!("crashmail: {broken}\n"));
    1
}

fn settings(options: &[(String, String)]) -> Settings {
    let last = |option: &Opt| {
        let found = options.iter().rev().find(|(name, _)| is(name, option));
        found.map(|(_, value)| value.clone())
    };
    let programs = options.iter().filter(|(name, _)| is(name, &PROGRAM));
    Settings {
        programs: programs.map(|(_, value)| value.clone()).collect(),
        any: last(&ANY).is_some(),
        header: last(&HEADER).filter(|header| !header.is_empty()),
        sendmail: last(&SENDMAIL_PROGRAM).unwrap_or_else(|| SENDMAIL.to_owned()),
        email: last(&EMAIL),
    }
}

fn serve(settings: &Settings, local: &Local) -> Result<Infallible, Broken> {
    let mut listener = Listener::new(io::stdin().lock(), io::stdout().lock());
    loop {
        let event = listener.wait()?;
        if event.name()? == "PROCESS_STATE_EXITED" {
            let facts = event.facts();
            if facts.number("expected")? == 0 && settings.wants(&facts)? {
                settings.tell(&facts, &local.stamp())?;
            }
        }
        listener.ok()?;
    }
}

impl Settings {
    fn wants(&self, facts: &Facts) -> Result<bool, Broken> {
        let name = facts.get("processname")?;
        let full = format!("{}:{name}", facts.get("groupname")?);
        let named = self.programs.iter().any(|program| program == name || *program == full);
        Ok(self.any || self.programs.is_empty() || named)
    }

    fn subject(&self, name: &str, now: &str) -> String {
        let header = self.header.as_ref().map(|header| format!("{header}:")).unwrap_or_default();
        format!("{header} {name} crashed at {now}")
    }

    fn tell(&self, facts: &Facts, now: &str) -> Result<(), Broken> {
        let name = facts.get("processname")?;
        let body = format!(
            "Process {name} in group {} exited unexpectedly (pid {}) from state {}",
            facts.get("groupname")?,
            facts.get("pid")?,
            facts.get("from_state")?
        );
        say("unexpected exit, mailing\n");
        let Some(email) = &self.email else {
            say("crashmail: there is nobody to mail to: no -m was given\n");
            return Ok(());
        };
        let mail = mail::compose(email, &self.subject(name, now), &body);
        match mail::send(&self.sendmail, &mail) {
            Ok(()) => say(&format!("Mailed:\n\n{mail}")),
            Err(error) => say(&format!("crashmail: cannot mail: {error}\n")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Settings {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        settings(&options.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn which_processes() {
        let facts = Facts::read("processname:p groupname:g expected:0");
        assert!(read(&[]).wants(&facts).unwrap());
        assert!(read(&[("-p", "p")]).wants(&facts).unwrap());
        assert!(read(&[("-p", "x"), ("--program", "g:p")]).wants(&facts).unwrap());
        assert!(!read(&[("-p", "x")]).wants(&facts).unwrap());
        assert!(read(&[("-p", "x"), ("-a", "")]).wants(&facts).unwrap());
    }

    #[test]
    fn subjects() {
        assert_eq!(read(&[]).subject("p", "NOW"), " p crashed at NOW");
        assert_eq!(read(&[("-o", "web1")]).subject("p", "NOW"), "web1: p crashed at NOW");
    }
}
