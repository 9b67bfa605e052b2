//! One line of the user: which action it asks for, and what it leaves as exit status.

use std::fmt::Display;
use std::io::Write;

use super::actions;
use super::prompt;
use super::server::Server;
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
}

impl Session {
    /// A session that has done nothing yet.
    pub fn new(server: Server, interactive: bool) -> Session {
        Session { server, interactive, exit: status::SUCCESS, done: false }
    }

    /// Writes a line to standard output. A reader that has left is no error of the action.
    pub fn say(&self, line: impl Display) {
        let _ = writeln!(std::io::stdout(), "{line}");
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
        match table::find(word) {
            Some(action) => self.perform(action, rest.trim()),
            None => {
                self.say(format_args!("*** Unknown syntax: {line}"));
                self.exit = status::GENERIC;
            }
        }
    }

    fn perform(&mut self, action: &Action, rest: &str) {
        loop {
            match (action.run)(self, rest) {
                Ok(()) => return,
                Err(Trouble::Http { status: 401, .. }) => {
                    self.say("Server requires authentication");
                    if !self.interactive {
                        self.exit = status::GENERIC;
                        return;
                    }
                    if let Err(trouble) = self.ask_credentials() {
                        return self.give_up(&trouble);
                    }
                }
                Err(trouble) => return self.give_up(&trouble),
            }
        }
    }

    /// Ends an action by what it has no words for.
    fn give_up(&mut self, trouble: &Trouble) {
        self.say(format_args!("error: {trouble}: file: {} line: {}", file!(), line!()));
        self.exit = status::GENERIC;
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
        if !self.interactive {
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
        let trouble = match self.try_call("supervisor.getVersion", &[]) {
            Ok(Ok(version)) if version.as_str() == Some(API_VERSION) => return Ok(true),
            Ok(Ok(version)) => {
                let version = version.as_str().unwrap_or("unknown");
                self.say(format_args!(
                    "Sorry, this version of supervisorctl expects to talk to a server with API \
                     version {API_VERSION}, but the remote version is {version}."
                ));
                self.exit = status::NOT_INSTALLED;
                return Ok(false);
            }
            Ok(Err(fault)) if fault.code == Code::UnknownMethod.number() => {
                self.say(
                    "Sorry, supervisord responded but did not recognize the supervisor namespace \
                     commands: it has no [rpcinterface:supervisor] section.",
                );
                self.exit = status::UNIMPLEMENTED_FEATURE;
                return Ok(false);
            }
            Ok(Err(fault)) => return Err(Trouble::Fault(fault)),
            Err(trouble) => trouble,
        };
        match trouble.errno() {
            Some(libc_errno::ECONNREFUSED) => {
                self.say(format_args!("{} refused connection", self.server.url));
                self.exit = status::INSUFFICIENT_PRIVILEGES;
                Ok(false)
            }
            Some(libc_errno::ENOENT) => {
                self.say(format_args!("{} no such file", self.server.url));
                self.exit = status::NOT_RUNNING;
                Ok(false)
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
        self.say(format_args!("Error: {message}"));
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

#[cfg(test)]
mod tests {
    use super::*;

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
