//! The client's actions and options, declared once. Dispatch, help, completion, man pages and documentation are made
//! from them.

mod actions;
mod options;

use super::session::Session;
use super::trouble::Trouble;

pub use actions::ACTIONS;
pub use options::{ENVIRONMENT, EXITS, OPTIONS};

/// What carries an action out: the session, and what follows the action's word on the line.
pub type Run = fn(&mut Session, &str) -> Result<(), Trouble>;

/// An action.
pub struct Action {
    /// The word.
    pub name: &'static str,
    /// What carries it out.
    pub run: Run,
    /// One line about it, without a full stop.
    pub summary: &'static str,
    /// Forms and what each does.
    pub forms: &'static [(&'static str, &'static str)],
    /// What may be said where, for completion; the last one repeats.
    pub operands: &'static [Operand],
    /// Flags, which may stand anywhere after the action.
    pub flags: &'static [Flag],
    /// What the forms do not say, in sentences.
    pub details: &'static str,
    /// Exit statuses beside those that all actions have ([`EXITS`]).
    pub exits: &'static [(u8, &'static str)],
}

/// What a word after an action may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// A process, `group:*`, a pattern or `all`.
    Process,
    /// A process alone.
    OneProcess,
    /// A group or `all`.
    Group,
    /// A signal's name.
    Signal,
    /// A process, or `stdout` or `stderr`.
    ProcessOrChannel,
    /// A server's address.
    Url,
    /// An action's name.
    Action,
    /// A word of `actions=`: what somebody may do.
    Right,
    /// `show` or `verify`.
    AuditVerb,
    /// `create`, `list` or `revoke`.
    TokenVerb,
    /// A file's path.
    File,
    /// Something that cannot be foreseen.
    Anything,
    /// Nothing further.
    Nothing,
}

/// A flag of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The letter of the short form.
    pub short: Option<char>,
    /// The word of the long form; also what the flag is asked for by.
    pub long: &'static str,
    /// What its value is called, where it has one.
    pub value: Option<&'static str>,
    /// What it does, without a full stop.
    pub help: &'static str,
}

impl Flag {
    /// As it is typed: `-n, --lines LINES`.
    pub fn form(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let value = self.value.map(|value| format!(" {value}")).unwrap_or_default();
        format!("{short}--{}{value}", self.long)
    }
}

/// The actions that ask no daemon: they need no configuration either.
pub const LOCAL: [&str; 2] = ["audit", "passwd"];

/// The action with this name.
pub fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// What follows an action, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words<'a> {
    /// The words that are no flags, in their order.
    pub names: Vec<&'a str>,
    flags: Vec<(&'static str, &'a str)>,
}

impl<'a> Words<'a> {
    /// Whether the flag with this long form was given.
    pub fn has(&self, long: &str) -> bool {
        self.flags.iter().any(|(name, _)| *name == long)
    }

    /// The value of the flag with this long form; the last one counts.
    pub fn value(&self, long: &str) -> Option<&'a str> {
        self.flags.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| *value)
    }
}

impl Action {
    /// Takes the rest of a line apart. A word that looks like a flag and is none of this action stays a word, as all of
    /// them were in the reference; `--` makes all that follow it words. The error says which flag lacks its value, or
    /// has one it does not take.
    pub fn words<'a>(&self, rest: &'a str) -> Result<Words<'a>, String> {
        let mut words = Words::default();
        let mut rest = rest.split_whitespace();
        while let Some(word) = rest.next() {
            if word == "--" {
                words.names.extend(rest);
                break;
            }
            let Some((flag, attached)) = self.flag(word) else {
                words.names.push(word);
                continue;
            };
            let value = match (flag.value, attached) {
                (None, None) => "",
                (None, Some(_)) => return Err(format!("--{} takes no value", flag.long)),
                (Some(_), Some(value)) => value,
                (Some(what), None) => {
                    rest.next().ok_or_else(|| format!("{word} requires a value: {what}"))?
                }
            };
            words.flags.push((flag.long, value));
        }
        Ok(words)
    }

    /// The flag that a word is, and the value that hangs on it.
    fn flag<'a>(&self, word: &'a str) -> Option<(&'static Flag, Option<&'a str>)> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            return self.flags.iter().find(|flag| flag.long == name).map(|flag| (flag, value));
        }
        let mut letters = word.strip_prefix('-')?.chars();
        let letter = letters.next()?;
        let flag = self.flags.iter().find(|flag| flag.short == Some(letter))?;
        let attached = Some(letters.as_str()).filter(|text| !text.is_empty());
        // `-fx` is no flag: letters are not joined.
        (flag.value.is_some() || attached.is_none()).then_some((flag, attached))
    }

    /// What the word at this place, counted from 0 without flags, may be.
    pub fn operand(&self, place: usize) -> Operand {
        let last = self.operands.last().copied().unwrap_or(Operand::Nothing);
        self.operands.get(place).copied().unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_sorted_and_complete() {
        assert!(ACTIONS.is_sorted_by(|a, b| a.name < b.name));
        let reference = [
            "add", "avail", "clear", "exit", "fg", "maintail", "open", "pid", "quit", "reload",
            "remove", "reread", "restart", "shutdown", "signal", "start", "status", "stop", "tail",
            "update", "version",
        ];
        for name in reference {
            assert!(find(name).is_some(), "{name}");
        }
        let own = ["audit", "can", "help", "passwd", "token", "whoami"];
        assert!(own.iter().all(|name| find(name).is_some()));
        assert_eq!(ACTIONS.len(), reference.len() + own.len());
        assert!(LOCAL.iter().all(|name| own.contains(name)));
    }

    #[test]
    fn every_action_says_what_it_does() {
        for action in ACTIONS {
            assert!(
                !action.summary.is_empty() && !action.summary.ends_with('.'),
                "{}",
                action.name
            );
            assert!(!action.forms.is_empty(), "{}", action.name);
            for (form, meaning) in action.forms {
                assert!(form.split(' ').next() == Some(action.name) && !meaning.is_empty());
            }
            for flag in action.flags {
                assert!(!flag.help.is_empty());
                let same = |other: &&Flag| {
                    other.long == flag.long || (flag.short.is_some() && other.short == flag.short)
                };
                assert_eq!(action.flags.iter().filter(same).count(), 1, "{}", action.name);
            }
        }
    }

    #[test]
    fn words_and_flags() {
        let tail = find("tail").unwrap();
        let words = tail.words("-f a -n 5 b --lines=7 -100 --").unwrap();
        assert_eq!(words.names, ["a", "b", "-100"]);
        assert!(words.has("follow") && !words.has("raw"));
        assert_eq!(words.value("lines"), Some("7"));
        assert_eq!(tail.words("-n5 a").unwrap().value("lines"), Some("5"));
        assert_eq!(tail.words("-fx -x --nosuch").unwrap().names, ["-fx", "-x", "--nosuch"]);
        assert_eq!(tail.words("-- -f").unwrap().names, ["-f"]);
        assert_eq!(tail.words("a -n"), Err("-n requires a value: LINES".to_owned()));
        assert_eq!(tail.words("--follow=yes"), Err("--follow takes no value".to_owned()));
    }

    #[test]
    fn places() {
        let signal = find("signal").unwrap();
        assert_eq!(signal.operand(0), Operand::Signal);
        assert_eq!(signal.operand(7), Operand::Process);
        assert_eq!(find("version").unwrap().operand(0), Operand::Nothing);
        assert_eq!(find("fg").unwrap().operand(1), Operand::Nothing);
    }
}
