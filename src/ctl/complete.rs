//! What the word at the end of a line can become.

use std::cell::RefCell;
use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::contexts;
use super::credentials;
use super::options::native;
use super::server::{Info, Server, list};
use super::table::{self, ACTIONS, Action, Operand};

/// The action by which a person's shell asks what a line can become; the help does not tell of it.
pub const ACTION: &str = "__complete";
/// The same for the names of contexts, whatever the configuration is like.
pub const CONTEXTS: &str = "__contexts";
/// How long the daemon's answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long names are taken to be right.
const FRESH: Duration = Duration::from_secs(3);

/// Signals that are offered; any other can be typed.
pub const SIGNALS: &[&str] =
    &["ABRT", "ALRM", "CONT", "HUP", "INT", "KILL", "QUIT", "STOP", "TERM", "USR1", "USR2"];

/// The words of `actions=`.
const RIGHTS: [&str; 10] =
    ["view", "log", "clear", "start", "stop", "restart", "signal", "stdin", "config", "admin"];

/// A process's group and name.
pub type Name = (String, String);

/// The words that the last one of `line` can become, and where that one begins. `names` is asked when names are wanted.
pub fn complete(line: &str, names: impl FnOnce() -> Vec<Name>) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + last_width(line, at));
    let typed = line.get(start..).unwrap_or_default();
    let mut before = line.get(..start).unwrap_or_default().split_whitespace();
    let Some(action) = before.next() else {
        return (start, actions(typed));
    };
    let words = match table::find(action) {
        Some(action) => operands(action, before, typed, names),
        None => Vec::new(),
    };
    (start, words)
}

fn last_width(line: &str, at: usize) -> usize {
    line.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

fn actions(typed: &str) -> Vec<String> {
    beginning(typed, ACTIONS.iter().map(|action| action.name.to_owned()))
}

fn beginning(typed: &str, words: impl IntoIterator<Item = String>) -> Vec<String> {
    words.into_iter().filter(|word| word.starts_with(typed)).collect()
}

fn operands<'a>(
    action: &Action,
    before: impl Iterator<Item = &'a str>,
    typed: &str,
    names: impl FnOnce() -> Vec<Name>,
) -> Vec<String> {
    if typed.starts_with('-') {
        let flags = action.flags.iter().map(|flag| format!("--{}", flag.long));
        return beginning(typed, flags);
    }
    let place = before.filter(|word| !word.starts_with('-')).count();
    let operand = action.operand(place);
    offers(operand, typed, names)
}

/// The words of a kind that begin as typed.
pub fn offers(operand: Operand, typed: &str, names: impl FnOnce() -> Vec<Name>) -> Vec<String> {
    let fixed = |words: &[&str]| beginning(typed, words.iter().map(|word| (*word).to_owned()));
    // The word for all is one to be typed on purpose.
    let all = |mut words: Vec<String>| {
        if !typed.is_empty() {
            words.extend(fixed(&["all"]));
        }
        words
    };
    match operand {
        Operand::Process => all(processes(typed, &names(), true)),
        Operand::OneProcess => processes(typed, &names(), false),
        Operand::ProcessOrChannel => {
            let mut words = fixed(&["stdout", "stderr"]);
            words.extend(processes(typed, &names(), true));
            words
        }
        Operand::Group => all(beginning(typed, groups(&names()))),
        Operand::Signal => fixed(SIGNALS),
        Operand::Url => fixed(&["http://", "https://", "unix://"]),
        Operand::Action => actions(typed),
        Operand::Right => fixed(&RIGHTS),
        Operand::AuditVerb => fixed(&["show", "verify"]),
        Operand::TokenVerb => fixed(&["create", "list", "revoke"]),
        Operand::File => files(typed),
        Operand::Nothing | Operand::Anything => Vec::new(),
    }
}

/// The files and directories whose path begins so.
fn files(typed: &str) -> Vec<String> {
    let (directory, start) = typed.rfind('/').map_or(("", typed), |at| typed.split_at(at + 1));
    let place = if directory.is_empty() { "." } else { directory };
    let Ok(entries) = std::fs::read_dir(native(place)) else { return Vec::new() };
    let path = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let hidden = name.starts_with('.') && !start.starts_with('.');
        let fits = name.starts_with(start) && !hidden && !name.contains(char::is_control);
        let end = if entry.path().is_dir() { "/" } else { "" };
        fits.then(|| format!("{directory}{name}{end}"))
    };
    let mut paths: Vec<String> = entries.flatten().filter_map(path).collect();
    paths.sort_unstable();
    paths
}

fn groups(names: &[Name]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for (group, _) in names {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    groups
}

/// A process by its name alone where that names it, else with its group; then the whole group, too.
fn processes(typed: &str, names: &[Name], whole: bool) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for (group, name) in names {
        if !typed.contains(':') && group == name {
            words.push(name.clone());
            continue;
        }
        if whole && last != Some(group) {
            words.push(format!("{group}:*"));
            last = Some(group);
        }
        words.push(format!("{group}:{name}"));
    }
    beginning(typed, words)
}

/// Prints what the last word of a line can become, a word a line.
pub fn answer(server: &Server, line: &str) {
    print(complete(line, || ask(server)).1);
}

/// Prints the names of the contexts that begin as typed.
pub fn answer_contexts(environment: &[(String, String)], typed: &str) {
    let file = contexts::place(environment, credentials::home_of(environment).as_deref());
    print(beginning(typed, file.map(|file| contexts::names(&file)).unwrap_or_default()));
}

fn print(words: Vec<String>) {
    let text: String = words.iter().map(|word| format!("{word}\n")).collect();
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The names of the daemon's processes; none if it does not say within a moment.
pub fn ask(server: &Server) -> Vec<Name> {
    let mut server = server.again();
    let (send, receive) = mpsc::channel();
    // The thread may hang in a connection or a look-up; it is left to itself then.
    thread::spawn(move || {
        let answer = server.call("supervisor.getAllProcessInfo", &[]);
        let infos = answer.and_then(|answer| list::<Info>(&answer)).unwrap_or_default();
        let _ = send.send(showable(infos.into_iter().map(|info| (info.group, info.name))));
    });
    receive.recv_timeout(PATIENCE).unwrap_or_default()
}

/// The names that a terminal can show as they are.
fn showable(names: impl Iterator<Item = Name>) -> Vec<Name> {
    let commands = |name: &str| name.contains(char::is_control);
    names.filter(|(group, name)| !commands(group) && !commands(name)).collect()
}

/// Names that were asked for a moment ago.
pub struct Names {
    server: Server,
    known: RefCell<Option<(Instant, Vec<Name>)>>,
}

impl Names {
    /// The names that this server knows.
    pub fn new(server: Server) -> Names {
        Names { server, known: RefCell::new(None) }
    }

    /// The names, asked for again if they are not fresh.
    pub fn get(&self) -> Vec<Name> {
        let mut known = self.known.borrow_mut();
        if let Some((at, names)) = known.as_ref()
            && at.elapsed() < FRESH
        {
            return names.clone();
        }
        let names = ask(&self.server);
        *known = Some((Instant::now(), names.clone()));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Name> {
        let pair = |group: &str, name: &str| (group.to_owned(), name.to_owned());
        vec![pair("cat", "cat"), pair("web", "web-0"), pair("web", "web-1"), pair("stamp", "stamp")]
    }

    fn words(line: &str) -> Vec<String> {
        complete(line, names).1
    }

    #[test]
    fn actions_come_first() {
        assert_eq!(words("sta"), ["start", "status"]);
        assert_eq!(words("  ").len(), ACTIONS.len());
        assert_eq!(words("help re"), ["reload", "remove", "reread", "restart"]);
        assert_eq!(words("nonsense x"), [""; 0]);
    }

    #[test]
    fn names_by_kind() {
        assert_eq!(words("start "), ["cat", "web:*", "web:web-0", "web:web-1", "stamp"]);
        assert_eq!(words("start cat:"), ["cat:*", "cat:cat"]);
        assert_eq!(words("stop cat w"), ["web:*", "web:web-0", "web:web-1"]);
        assert_eq!(words("fg w"), ["web:web-0", "web:web-1"]);
        assert_eq!(words("update "), ["cat", "web", "stamp"]);
        assert_eq!(words("restart a"), ["all"]);
        assert_eq!(words("signal H"), ["HUP"]);
        assert_eq!(words("signal HUP c"), ["cat"]);
        assert_eq!(words("tail -f cat st"), ["stdout", "stderr", "stamp"]);
        assert_eq!(words("fg cat c"), [""; 0]);
        assert_eq!(words("reread "), [""; 0]);
        assert_eq!(words("can alice st"), ["start", "stop", "stdin"]);
        assert_eq!(words("can alice view c"), ["cat"]);
        assert_eq!(words("audit v"), ["verify"]);
        assert_eq!(words("token "), ["create", "list", "revoke"]);
        assert_eq!(words("token create --r"), ["--role"]);
    }

    #[test]
    fn files_by_their_beginning() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["audit.log", "audit.log.1", "other", ".hidden", "a\u{1b}"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("audits")).unwrap();
        let path = |name: &str| format!("{}/{name}", dir.path().display());
        let offered = words(&format!("audit show {}", path("a")));
        assert_eq!(offered, [path("audit.log"), path("audit.log.1"), path("audits/")]);
        assert_eq!(words("audit show /nonexistent/x"), [""; 0]);
    }

    #[test]
    fn flags() {
        assert_eq!(words("start --w"), ["--wait-running"]);
        assert_eq!(words("quit -"), [""; 0]);
    }

    #[test]
    fn the_last_word_is_replaced() {
        assert_eq!(complete("start c", names).0, 6);
        assert_eq!(complete("start\u{3000}c", names).0, 8);
        assert_eq!(complete("", names).0, 0);
    }

    #[test]
    fn names_with_commands_for_a_terminal_are_not_offered() {
        let pair = |group: &str, name: &str| (group.to_owned(), name.to_owned());
        let names =
            [pair("é", "b"), pair("a\u{1b}[1m", "b"), pair("a", "b\u{9b}"), pair("a", "\u{7f}")];
        assert_eq!(showable(names.into_iter()), [pair("é", "b")]);
    }

    #[test]
    fn a_daemon_that_is_away_has_no_names() {
        let server = Server::new("unix:///nonexistent".to_owned(), None, None);
        assert_eq!(Names::new(server).get(), []);
    }

    #[test]
    fn a_daemon_that_is_silent_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let names = Names::new(Server::new(format!("unix://{}", path.display()), None, None));
        let begun = Instant::now();
        assert_eq!(names.get(), []);
        assert_eq!(names.get(), []);
        assert!(begun.elapsed() < PATIENCE * 2);
    }
}
