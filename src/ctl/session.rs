//! One line of the user: which action it asks for, and what it leaves as exit status.

use std::fmt::Display;

use super::actions;
use super::out::{Color, Out, Problem, Settings, complain};
use super::prompt;
use super::server::{Call, Server};
use super::table::{self, Action};
use super::trouble::Trouble;
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// Exit statuses, as in init scripts.
pub mod status {
    /// All went well.
    pub const SUCCESS: u8 = 0;
    /// Something failed.
    pub const GENERIC: u8 = 1;
    /// Not what can be asked.
    pub const INVALID_ARGS: u8 = 2;
    /// The daemon lacks the interface.
    pub const UNIMPLEMENTED_FEATURE: u8 = 3;
    /// `status`: a process does not run.
    pub const STATUS_NOT_RUNNING: u8 = 3;
    /// `status`: not known.
    pub const STATUS_UNKNOWN: u8 = 4;
    /// The daemon refuses connections.
    pub const INSUFFICIENT_PRIVILEGES: u8 = 4;
    /// The daemon speaks another version.
    pub const NOT_INSTALLED: u8 = 5;
    /// It does not run.
    pub const NOT_RUNNING: u8 = 7;
}

/// The version of the interface that the actions are written for.
const API_VERSION: &str = "3.0";

const NO_ANSWER: Trouble = Trouble::NoAnswer("EOF when reading a line");

/// What the actions share.
pub struct Session {
    /// The daemon.
    pub server: Server,
    /// Whether a person may be asked.
    pub interactive: bool,
    /// The exit status so far; the last cause wins.
    pub exit: u8,
    /// Whether the shell is to be left.
    pub done: bool,
    /// How the present line's output is to look.
    pub out: Out,
    /// Where the daemon's tokens are, as far as the configuration tells.
    pub tokens_file: Option<String>,
    /// Whether parts of the output went out already, as documents of a line each.
    pub streamed: bool,
    settings: Settings,
}

impl Session {
    /// A session that has done nothing yet.
    pub fn new(server: Server, interactive: bool) -> Session {
        let settings = Settings::default();
        let out = Out::new(settings);
        Session {
            server,
            interactive,
            exit: status::SUCCESS,
            done: false,
            out,
            tokens_file: None,
            streamed: false,
            settings,
        }
    }

    /// The same with output of this kind, unless a line says otherwise.
    pub fn with_settings(mut self, settings: Settings) -> Session {
        self.settings = settings;
        self
    }

    /// The same with the daemon's tokens in this file.
    pub fn with_tokens(mut self, file: Option<String>) -> Session {
        self.tokens_file = file;
        self
    }

    /// Says what is to be known of the server before it is spoken to.
    pub fn warn(&self) {
        if let Some(warning) = self.server.warning() {
            complain(&warning, self.settings.raw);
        }
    }

    /// Prints a line.
    pub fn say(&self, line: impl Display) {
        self.out.line(&line.to_string());
    }

    /// Prints a line that has no place in a document.
    pub fn say_unless_json(&self, line: &str) {
        if !self.out.json() {
            self.say(line);
        }
    }

    /// Prints a line about something that is wrong. `code` is what programs are told.
    pub fn error(&self, line: impl Display, code: &str) {
        let line = line.to_string();
        let marks = ["ERROR: ", "Error: ", "*** "];
        let message = marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(&line);
        self.out.error(&line, Problem { code, message, name: None });
    }

    /// The same about a process or a group: `NAME: ERROR (MESSAGE)`.
    pub fn error_about(&self, name: &str, message: &str, code: &str) {
        let line = format!("{name}: ERROR ({message})");
        self.out.error(&line, Problem { code, message, name: Some(name) });
    }

    /// Carries out the action that a line names.
    pub fn run(&mut self, line: &str) {
        let line = line.trim();
        let expanded;
        let line = match line.strip_prefix('?') {
            Some(topic) => {
                expanded = format!("help {topic}");
                expanded.as_str()
            }
            None => line,
        };
        if line.is_empty() {
            return;
        }
        let (word, rest) = split_action(line);
        // What the reference's shell makes of the end of input can be typed as well.
        let word = if word == "EOF" { "quit" } else { word };
        self.streamed = false;
        let before = std::mem::replace(&mut self.exit, status::SUCCESS);
        match table::find(word) {
            Some(action) => {
                let (settings, rest) = take_settings(self.settings, rest);
                self.out = Out::new(settings);
                self.perform(action, rest.trim());
            }
            None => {
                self.out = Out::new(take_settings(self.settings, rest).0);
                self.error(format_args!("*** Unknown syntax: {line}"), "UNKNOWN_ACTION");
                self.exit = status::GENERIC;
            }
        }
        self.out.finish(word, self.exit, self.streamed);
        if self.exit == status::SUCCESS {
            self.exit = before;
        }
    }

    fn perform(&mut self, action: &Action, rest: &str) {
        loop {
            match (action.run)(self, rest) {
                Ok(()) => return,
                Err(trouble @ Trouble::Http { status: 401, .. }) => {
                    self.give_up(&trouble);
                    if !self.asks() {
                        return;
                    }
                    self.exit = status::SUCCESS;
                    if let Err(trouble) = self.ask_credentials() {
                        return self.give_up(&trouble);
                    }
                }
                Err(trouble) => return self.give_up(&trouble),
            }
        }
    }

    /// Whether a person is asked. Questions have no place in a document.
    pub fn asks(&self) -> bool {
        self.interactive && !self.out.json()
    }

    /// Ends an action by what it has no words for.
    pub fn give_up(&mut self, trouble: &Trouble) {
        self.exit = status::GENERIC;
        match trouble {
            Trouble::Http { status: 401, .. } => {
                return self.error("Server requires authentication", "AUTHENTICATION");
            }
            Trouble::Fault(fault) if fault.code == Code::AccessDenied.number() => {
                let message = actions::rights::denied(&fault.text);
                return self.error(format_args!("ERROR ({message})"), Code::AccessDenied.name());
            }
            Trouble::Tls(text) => {
                return self.error(format_args!("ERROR: {text}"), trouble.code());
            }
            _ => {}
        }
        let place = format!("file: {} line: {}", file!(), line!());
        let message = trouble.to_string();
        let problem = Problem { code: trouble.code(), message: &message, name: None };
        self.out.error(&format!("error: {message}: {place}"), problem);
        if let Some(advice) = trouble.advice() {
            self.say(advice);
        }
    }

    /// Asks the person for name and password.
    fn ask_credentials(&mut self) -> Result<(), Trouble> {
        let name = prompt::ask("Username:").ok_or(NO_ANSWER)?;
        let password = prompt::ask_hidden("Password:").ok_or(Trouble::NoAnswer(""))?;
        self.say("");
        self.server.username = Some(name);
        self.server.password = Some(password);
        Ok(())
    }

    /// Whether it is to be done: where a person can be asked, only after a yes.
    pub fn confirm(&self, question: &str) -> Result<bool, Trouble> {
        if !self.asks() {
            return Ok(true);
        }
        let answer = prompt::ask(question).ok_or(NO_ANSWER)?;
        Ok(answer.to_lowercase().starts_with('y'))
    }

    /// Calls a method.
    pub fn call(&mut self, method: &str, params: &[Value]) -> Result<Value, Trouble> {
        self.server.call(method, params)
    }

    /// Calls a method whose faults the action has words for.
    pub fn try_call(
        &mut self,
        method: &str,
        params: &[Value],
    ) -> Result<Result<Value, Fault>, Trouble> {
        match self.server.call(method, params) {
            Ok(value) => Ok(Ok(value)),
            Err(Trouble::Fault(fault)) => Ok(Err(fault)),
            Err(trouble) => Err(trouble),
        }
    }

    /// Whether the daemon is there and is understood; where not, the reason has been said and the exit status set.
    pub fn upcheck(&mut self) -> Result<bool, Trouble> {
        let answer = self.try_call("supervisor.getVersion", &[]);
        self.understood(answer)
    }

    /// The same, and what another method answers, as it came: one turn instead of two. `None` where the daemon is not
    /// there.
    pub fn upcheck_and_call(&mut self, call: &Call) -> Result<Option<Vec<u8>>, Trouble> {
        let (version, answer) =
            self.server.call_both(&Call::new("supervisor.getVersion", &[]), call);
        let version = match version {
            Ok(value) => Ok(Ok(value)),
            Err(Trouble::Fault(fault)) => Ok(Err(fault)),
            Err(trouble) => Err(trouble),
        };
        if self.understood(version)? { answer.map(Some) } else { Ok(None) }
    }

    fn understood(
        &mut self,
        version: Result<Result<Value, Fault>, Trouble>,
    ) -> Result<bool, Trouble> {
        let trouble = match version {
            Ok(Ok(version)) if version.as_str() == Some(API_VERSION) => return Ok(true),
            Ok(Ok(version)) => {
                let version = version.as_str().unwrap_or("unknown");
                let line = format!(
                    "Sorry, this version of supervisorctl expects to talk to a server with API \
                     version {API_VERSION}, but the remote version is {version}."
                );
                self.error(line, "OTHER_VERSION");
                self.exit = status::NOT_INSTALLED;
                return Ok(false);
            }
            Ok(Err(fault)) if fault.code == Code::UnknownMethod.number() => {
                let line = "Sorry, supervisord responded but did not recognize the supervisor namespace \
                            commands: it has no [rpcinterface:supervisor] section.";
                self.error(line, "NO_INTERFACE");
                self.exit = status::UNIMPLEMENTED_FEATURE;
                return Ok(false);
            }
            Ok(Err(fault)) => return Err(Trouble::Fault(fault)),
            Err(trouble) => trouble,
        };
        self.unreachable(trouble).map(|()| false)
    }

    /// Says why the daemon is not there, and sets the exit status; gives back what there are no words for.
    pub fn unreachable(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        match trouble.errno() {
            Some(libc_errno::ECONNREFUSED) => {
                let line = format!("{} refused connection", self.server.url);
                self.error(line, "CONNECTION_REFUSED");
                self.exit = status::INSUFFICIENT_PRIVILEGES;
                Ok(())
            }
            Some(libc_errno::ENOENT) => {
                self.error(format_args!("{} no such file", self.server.url), "NO_SOCKET");
                self.exit = status::NOT_RUNNING;
                Ok(())
            }
            _ => Err(trouble),
        }
    }

    /// Sets the exit status that a fault stands for; `ignored` is one that is no failure of the action.
    pub fn exit_for(&mut self, code: i64, ignored: Option<Code>) {
        match Code::from_number(code) {
            Some(code) if code == Code::Success || Some(code) == ignored => {}
            Some(Code::SpawnError | Code::AbnormalTermination | Code::NotRunning) => {
                self.exit = status::NOT_RUNNING;
            }
            _ => self.exit = status::GENERIC,
        }
    }

    /// Says what is wrong with an action's arguments, and how it is used.
    pub fn usage(&mut self, message: &str, action: &str) {
        self.error(format_args!("Error: {message}"), "USAGE");
        self.exit = status::GENERIC;
        actions::help::explain(self, action);
    }
}

/// The numbers that are told apart from all other failures to connect.
pub mod libc_errno {
    /// Nobody listens.
    pub const ECONNREFUSED: i32 = nix::errno::Errno::ECONNREFUSED as i32;
    /// There is no such socket.
    pub const ENOENT: i32 = nix::errno::Errno::ENOENT as i32;
}

/// An action is letters, digits and `_`; what follows is its argument.
fn split_action(line: &str) -> (&str, &str) {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
    line.split_at(end)
}

/// Takes what concerns the output out of an action's words; the words after `--` are left alone.
fn take_settings(mut settings: Settings, rest: &str) -> (Settings, String) {
    let mut words = rest.split_whitespace();
    let mut left = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--json" => settings.json = true,
            "--raw" => settings.raw = true,
            "--" => {
                left.push(word);
                left.extend(words.by_ref());
            }
            _ => match word.strip_prefix("--color=").and_then(Color::parse) {
                Some(color) => settings.color = color,
                None => left.push(word),
            },
        }
    }
    (
        settings,
        if left.len() == rest.split_whitespace().count() {
            rest.to_owned()
        } else {
            left.join(" ")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_chosen_among_the_words() {
        let take = |rest| take_settings(Settings::default(), rest);
        assert_eq!(take("a  b"), (Settings::default(), "a  b".to_owned()));
        let json = Settings { json: true, ..Settings::default() };
        assert_eq!(take("--json a b"), (json, "a b".to_owned()));
        assert_eq!(take("a --json b"), (json, "a b".to_owned()));
        assert_eq!(take("-- --json"), (Settings::default(), "-- --json".to_owned()));
        let plain = Settings { raw: true, color: Color::Never, ..Settings::default() };
        assert_eq!(take("--raw --color=never"), (plain, String::new()));
        assert_eq!(take("--color=x").1, "--color=x");
    }

    #[test]
    fn actions_end_at_the_first_other_character() {
        assert_eq!(split_action("status"), ("status", ""));
        assert_eq!(split_action("status;x"), ("status", ";x"));
        assert_eq!(split_action("tail -f x"), ("tail", " -f x"));
        assert_eq!(split_action("!x"), ("", "!x"));
    }

    fn session() -> Session {
        Session::new(Server::new("unix:///nonexistent".to_owned(), None, None), false)
    }

    fn exit_of(line: &str) -> u8 {
        let mut session = session();
        session.run(line);
        session.exit
    }

    #[test]
    fn exits_without_a_daemon() {
        assert_eq!(exit_of("pid"), 7);
        assert_eq!(exit_of("status"), 4);
        assert_eq!(exit_of("start x"), 7);
        assert_eq!(exit_of("shutdown"), 1);
        assert_eq!(exit_of("nonsense"), 1);
        assert_eq!(exit_of("!x"), 1);
        assert_eq!(exit_of("version x"), 1);
        assert_eq!(exit_of("help nonsense"), 0);
        assert_eq!(exit_of("  "), 0);
    }

    #[test]
    fn exits_of_faults() {
        let exit = |code: Code, ignored| {
            let mut session = session();
            session.exit_for(i64::from(code.number()), ignored);
            session.exit
        };
        assert_eq!(exit(Code::Success, None), 0);
        assert_eq!(exit(Code::NotRunning, Some(Code::NotRunning)), 0);
        assert_eq!(exit(Code::NotRunning, None), 7);
        assert_eq!(exit(Code::SpawnError, None), 7);
        assert_eq!(exit(Code::AlreadyStarted, None), 1);
        assert_eq!(exit(Code::BadName, Some(Code::NotRunning)), 1);
    }
}
