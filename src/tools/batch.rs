//! What the three tools that mail by SMTP have in common: they collect messages, and every so many ticks mail them.

use std::io;

use super::clock::Local;
use super::listener::{Broken, Facts, Listener};
use super::options::{HELP, is, long_option, option};
use super::smtp::{Mail, Smtp};
use super::{Start, Tool, print, say};
use crate::config::getopt::Opt;
use crate::config::text::repr;

/// Characters of a body that are logged.
const DIGEST: usize = 76;
/// Exit status where it cannot work.
const FAILED: u8 = 1;

const INTERVAL: Opt =
    option('i', "interval", Some("MINUTES"), "messages are collected for so long (default 1)");
const TO: Opt = option('t', "toEmail", Some("ADDRESSES"), "who is mailed, separated by commas");
const FROM: Opt = option('f', "fromEmail", Some("ADDRESS"), "who the mail is from");
const SUBJECT: Opt = option('s', "subject", Some("TEXT"), "subject of the mail");
const HOST: Opt = option(
    'H',
    "smtpHost",
    Some("HOST[:PORT]"),
    "SMTP server, by name or address (default localhost, port 25)",
);
const TICK: Opt =
    option('e', "tickEvent", Some("EVENT"), "TICK event that counts the time (default TICK_60)");
const USER: Opt = option('u', "userName", Some("NAME"), "name to log in with at the server");
const PASSWORD: Opt =
    option('p', "password", Some("TEXT"), "password to log in with; others can see it");
const TLS: Opt = long_option("tls", None, "log in over TLS alone (STARTTLS)");

/// The options of all three.
pub const OPTIONS: &[Opt] = &[HELP, INTERVAL, TO, FROM, SUBJECT, HOST, TICK, USER, PASSWORD, TLS];

/// Their exit statuses.
pub const EXITS: &[(u8, &str)] = &[
    (1, "it was given no address, no TICK event, or no supervisord; supervisord closed the stream"),
    (2, "an option is wrong"),
];

/// What one of them watches.
pub struct Kind {
    /// The events that it has messages of.
    pub event: &'static str,
    /// The subject, where none is given.
    pub subject: Option<&'static str>,
    /// The message of an event, if it is worth one; the second word is the time.
    pub message: fn(&Facts, &str) -> Result<Option<String>, Broken>,
}

/// What the command line says.
struct Settings {
    interval: f64,
    mail: Smtp,
    from: String,
    to: Vec<String>,
    subject: Option<String>,
    tick: String,
}

/// Runs until the stream of events ends.
pub fn run(tool: &Tool, start: &Start, kind: &Kind) -> u8 {
    let settings = match settings(tool, start, kind) {
        Ok(settings) => settings,
        Err(status) => return status,
    };
    if start.variable("SUPERVISOR_SERVER_URL").is_none() {
        say("Must run as a supervisor event listener\n");
        return FAILED;
    }
    let Some(minutes) = minutes(&settings.tick) else {
        say(&format!("{}: Invalid TICK event name: {}\n", tool.name, settings.tick));
        return FAILED;
    };
    let mut batch =
        Batch { settings, minutes, local: Local::new(start), passed: 0.0, messages: Vec::new() };
    let broken = match batch.serve(kind) {
        Err(broken) => broken,
        Ok(never) => match never {},
    };
    say(&format!("{}: {broken}\n", tool.name));
    FAILED
}

/// How long a TICK event takes, in minutes.
fn minutes(event: &str) -> Option<f64> {
    let rest = event.strip_prefix("TICK_")?;
    let seconds: u32 = rest.split('_').next()?.trim().parse().ok()?;
    Some(f64::from(seconds) / 60.0)
}

fn settings(tool: &Tool, start: &Start, kind: &Kind) -> Result<Settings, u8> {
    let options = tool.read_mixed(start)?;
    let value = |option: &Opt| {
        let found = options.iter().rev().find(|(name, _)| is(name, option));
        found.map(|(_, value)| value.clone())
    };
    let mut interval = 1.0;
    for (name, text) in options.iter().filter(|(name, _)| is(name, &INTERVAL)) {
        interval = text.trim().parse().map_err(|_| {
            tool.refuse(&format!("option {name}: invalid floating-point value: {}", repr(text)))
        })?;
    }
    let given = |option: &Opt| value(option).filter(|text| !text.is_empty());
    let (Some(to), Some(from)) = (given(&TO), given(&FROM)) else {
        print(&tool.help());
        return Err(FAILED);
    };
    let credentials = given(&USER).zip(given(&PASSWORD));
    let host = value(&HOST).unwrap_or_else(|| "localhost".to_owned());
    Ok(Settings {
        interval,
        mail: Smtp { host, credentials, tls: value(&TLS).is_some() },
        from,
        to: to.split(',').map(|address| address.trim().to_owned()).collect(),
        subject: value(&SUBJECT).or_else(|| kind.subject.map(str::to_owned)),
        tick: value(&TICK).unwrap_or_else(|| "TICK_60".to_owned()),
    })
}

/// Messages that wait for their mail.
struct Batch {
    settings: Settings,
    /// What a tick adds.
    minutes: f64,
    local: Local,
    /// Minutes since the last mail.
    passed: f64,
    messages: Vec<String>,
}

impl Batch {
    fn serve(&mut self, kind: &Kind) -> Result<std::convert::Infallible, Broken> {
        let mut listener = Listener::new(io::stdin().lock(), io::stdout().lock());
        loop {
            let event = listener.wait()?;
            let name = event.name()?;
            if name == kind.event {
                if let Some(message) = (kind.message)(&event.facts(), &self.local.stamp())? {
                    say(&format!("{message}\n"));
                    self.messages.push(message);
                }
            } else if name == self.settings.tick {
                self.tick();
            }
            listener.ok()?;
        }
    }

    fn tick(&mut self) {
        self.passed += self.minutes;
        if self.passed >= self.settings.interval {
            self.passed = 0.0;
            let messages = std::mem::take(&mut self.messages);
            if !messages.is_empty() {
                self.send(messages.join("\n"));
            }
        }
    }

    fn send(&self, body: String) {
        let Settings { from, to, subject, .. } = &self.settings;
        let mail = Mail { from: from.clone(), to: to.clone(), subject: subject.clone(), body };
        if let Err(error) = self.settings.mail.send(&mail) {
            say(&format!("Error sending email: {error}\n"));
        }
        say(&format!(
            "Sending notification email:\nTo: {}\nFrom: {from}\nSubject: {}\nBody:\n{}\n",
            to.join(", "),
            subject.as_deref().unwrap_or("None"),
            digest(&mail.body)
        ));
    }
}

fn digest(body: &str) -> String {
    match body.char_indices().nth(DIGEST) {
        Some((end, _)) => format!("{}...", body.get(..end).unwrap_or_default()),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks() {
        assert_eq!(minutes("TICK_60"), Some(1.0));
        assert_eq!(minutes("TICK_3600"), Some(60.0));
        assert_eq!(minutes("TICK_x"), None);
        assert_eq!(minutes("tick_60"), None);
    }

    #[test]
    fn digests() {
        let long = "ä".repeat(77);
        assert_eq!(digest(&long), format!("{}...", "ä".repeat(76)));
        assert_eq!(digest(&"a".repeat(76)), "a".repeat(76));
    }
}
