//! The daemon that a listener belongs to, as far as listeners ask it.

use super::Start;
use crate::config::ctl::TlsFiles;
use crate::ctl::secret;
use crate::ctl::server::Server;
use crate::ctl::tls::Tls;
use crate::ctl::trouble::Trouble;
use crate::rpc::xml::Value;

/// The number of the state RUNNING.
pub const RUNNING: i64 = 20;

/// What the daemon says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name, without the group.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The number of its state.
    pub state: i64,
    /// Its process id; 0 when it does not run.
    pub pid: i64,
    /// When it started, in seconds since the epoch.
    pub start: i64,
    /// The daemon's time.
    pub now: i64,
}

impl Process {
    /// `group:name`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.group, self.name)
    }

    /// The name by which people call it: without the group where that is called the same.
    pub fn short_name(&self) -> String {
        if self.group == self.name { self.name.clone() } else { self.full_name() }
    }

    /// Whether one of these names is its own, with the group or without.
    pub fn is_one_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| *name == self.name || *name == self.full_name())
    }
}

impl TryFrom<&Value> for Process {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Process, Trouble> {
        let text = |key| value.member(key).and_then(Value::as_str).map(str::to_owned);
        let int = |key| value.member(key).and_then(Value::as_int).ok_or(Trouble::Answer);
        Ok(Process {
            name: text("name").ok_or(Trouble::Answer)?,
            group: text("group").ok_or(Trouble::Answer)?,
            state: int("state")?,
            pid: int("pid")?,
            start: int("start")?,
            now: int("now")?,
        })
    }
}

/// The daemon.
pub struct Daemon {
    server: Server,
    /// Group and name of the listener itself.
    own: Option<(String, String)>,
}

impl Daemon {
    /// As the environment of a listener names it; `None` where it does not. An error is what to say where a file that it
    /// names cannot be used.
    pub fn of(start: &Start) -> Result<Option<Daemon>, String> {
        Daemon::named(|key| start.variable(key))
    }

    fn named(get: impl Fn(&str) -> Option<String>) -> Result<Option<Daemon>, String> {
        let set = |key: &str| get(key).filter(|value| !value.is_empty());
        let Some(url) = get("SUPERVISOR_SERVER_URL") else { return Ok(None) };
        let name = get("SUPERVISOR_USERNAME");
        let password = match (set("SUPERVISOR_PASSWORD"), set("SUPERVISOR_PASSWORD_FILE")) {
            (None, Some(file)) => Some(secret::password(&file)?),
            _ => get("SUPERVISOR_PASSWORD"),
        };
        let any = name.is_some() || password.is_some();
        let [name, password] = [name, password].map(|v| any.then(|| v.unwrap_or_default()));
        let tls = TlsFiles {
            cacert: set("SUPERVISOR_CACERT"),
            cert: set("SUPERVISOR_CERT"),
            key: set("SUPERVISOR_KEY"),
            ..TlsFiles::default()
        };
        let server = Server::new(url, name, password).with_tls(Tls::new(tls));
        if let Some(text) = server.unready() {
            return Err(text);
        }
        let own = get("SUPERVISOR_GROUP_NAME").zip(get("SUPERVISOR_PROCESS_NAME"));
        Ok(Some(Daemon { server, own }))
    }

    /// Whether a process is the listener itself: stopped by its own hand it would never start again.
    pub fn is_self(&self, process: &Process) -> bool {
        self.own
            .as_ref()
            .is_some_and(|(group, name)| *group == process.group && *name == process.name)
    }

    /// All processes. Asked over a new connection: one that was idle since the last event may be closed.
    pub fn processes(&mut self) -> Result<Vec<Process>, Trouble> {
        self.server.take_idle();
        match self.server.call("supervisor.getAllProcessInfo", &[])? {
            Value::Array(items) => items.iter().map(Process::try_from).collect(),
            _ => Err(Trouble::Answer),
        }
    }

    /// One process.
    pub fn process(&mut self, name: &str) -> Result<Process, Trouble> {
        Process::try_from(&self.server.call("supervisor.getProcessInfo", &[name.into()])?)
    }

    /// Stops a process and waits for its end.
    pub fn stop(&mut self, name: &str) -> Result<(), Trouble> {
        self.server.call("supervisor.stopProcess", &[name.into()]).map(drop)
    }

    /// Starts a process and waits until it runs.
    pub fn start(&mut self, name: &str) -> Result<(), Trouble> {
        self.server.call("supervisor.startProcess", &[name.into()]).map(drop)
    }
}

/// What went wrong, in the words that Python has for it.
pub fn words(trouble: &Trouble) -> String {
    let text = trouble.to_string();
    text.split_once(">, ").map(|(_, words)| words.to_owned()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::fault::Code;
    use crate::rpc::xml::Fault;

    fn process(group: &str, name: &str) -> Process {
        let (name, group) = (name.to_owned(), group.to_owned());
        Process { name, group, state: RUNNING, pid: 1, start: 0, now: 9 }
    }

    #[test]
    fn names() {
        let names = ["a".to_owned(), "g:b".to_owned()];
        assert!(process("x", "a").is_one_of(&names) && process("g", "b").is_one_of(&names));
        assert!(!process("x", "b").is_one_of(&names));
        assert_eq!(process("a", "a").short_name(), "a");
        assert_eq!(process("g", "a").short_name(), "g:a");
    }

    #[test]
    fn the_environment_names_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "filed\n").unwrap();
        let mode = |mode| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let named = |variables: &[(&str, &str)]| {
            let get = |key: &str| {
                variables
                    .iter()
                    .find(|(name, _)| *name == key)
                    .map(|(_, value)| (*value).to_owned())
            };
            Daemon::named(get).map(|daemon| daemon.map(|daemon| daemon.server.authorization()))
        };
        let url = ("SUPERVISOR_SERVER_URL", "http://h:1");
        let (name, file) =
            (("SUPERVISOR_USERNAME", "u"), ("SUPERVISOR_PASSWORD_FILE", secret.to_str().unwrap()));
        let basic = |text: &str| Ok(Some(Some(format!("Basic {text}"))));
        mode(0o600);
        assert_eq!(named(&[name]), Ok(None));
        assert_eq!(named(&[url]), Ok(Some(None)));
        assert_eq!(named(&[url, name]), basic("dTo="));
        assert_eq!(named(&[url, name, file]), basic("dTpmaWxlZA=="));
        assert_eq!(named(&[url, name, file, ("SUPERVISOR_PASSWORD", "p")]), basic("dTpw"));
        mode(0o640);
        assert!(named(&[url, name, file]).unwrap_err().contains("chmod 600"));
        let tls = [("SUPERVISOR_SERVER_URL", "https://h:1"), ("SUPERVISOR_CACERT", "/nonexistent")];
        assert!(named(&tls).unwrap_err().contains("cannot read /nonexistent"));
    }

    #[test]
    fn troubles() {
        let fault = Fault { code: Code::NotRunning.number(), text: "NOT_RUNNING: a".to_owned() };
        assert_eq!(words(&fault.into()), "<Fault 70: 'NOT_RUNNING: a'>");
        let refused = std::io::Error::from_raw_os_error(111);
        assert_eq!(words(&refused.into()), "[Errno 111] Connection refused");
    }
}
