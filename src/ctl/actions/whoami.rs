//! Who the caller is to the daemon, and what it may do: `whoami`.

use nix::sys::signal::Signal;

use super::super::server::Info;
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::all_infos;
use super::names::{full_name, subject};
use super::rights::{DAEMON, Me, Question, ask, say_unknown};
use crate::config::json::Json;
use crate::rpc::fault::Code;

/// Width of the column of names, in characters, without the gap after it.
const NAME_WIDTH: usize = 30;
/// The words of `actions=` that are about processes, but for signals; `admin` stands for all.
const OF_PROCESSES: [&str; 8] =
    ["view", "log", "clear", "start", "stop", "restart", "stdin", "config"];
/// Those that are about the daemon.
const OF_THE_DAEMON: [&str; 3] = ["view", "config", "admin"];

/// `whoami`
pub fn whoami(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !rest.is_empty() {
        session.usage("whoami accepts no arguments", "whoami");
        return Ok(());
    }
    // Without the check of the version, which takes a role.
    let me = match session.try_call("supervisor.whoAmI", &[]) {
        Ok(Ok(answer)) => Me::try_from(&answer)?,
        Ok(Err(fault)) if fault.code == Code::UnknownMethod.number() => {
            say_unknown(session, exit::UNIMPLEMENTED_FEATURE);
            return Ok(());
        }
        Ok(Err(fault)) => return Err(fault.into()),
        Err(trouble) => return session.unreachable(trouble),
    };
    let mine = mine(session)?;
    if session.out.json() {
        session.out.item(described(&me, &mine));
        return Ok(());
    }
    let text = told(session, &me, &mine);
    session.out.print(&text);
    Ok(())
}

/// What the caller may do to something.
struct Mine {
    /// Its group and name; `None` for the daemon.
    process: Option<(String, String)>,
    /// Words of `actions=`.
    actions: Vec<String>,
}

impl Mine {
    fn new(process: Option<(String, String)>) -> Mine {
        Mine { process, actions: Vec::new() }
    }

    fn name(&self) -> String {
        match &self.process {
            Some((group, name)) => full_name(group, Some(name)),
            None => "supervisord".to_owned(),
        }
    }

    fn target(&self) -> String {
        match &self.process {
            Some((group, name)) => format!("{group}:{name}"),
            None => DAEMON.to_owned(),
        }
    }
}

/// What the caller may do to the daemon and to each process that it sees.
fn mine(session: &mut Session) -> Result<Vec<Mine>, Trouble> {
    let infos = match all_infos(session) {
        // Who has no role may not even ask.
        Err(Trouble::Fault(fault)) if fault.code == Code::AccessDenied.number() => {
            return Ok(Vec::new());
        }
        infos => infos?,
    };
    let mut daemon = Mine::new(None);
    inquire(session, std::slice::from_mut(&mut daemon), &OF_THE_DAEMON.map(str::to_owned))?;
    let process = |info: &Info| Mine::new(Some((info.group.clone(), info.name.clone())));
    let mut processes: Vec<Mine> = infos.iter().map(process).collect();
    let words = OF_PROCESSES.iter().chain(&["signal", "admin"]).map(|word| (*word).to_owned());
    inquire(session, &mut processes, &words.collect::<Vec<_>>())?;
    inquire_signals(session, &mut processes)?;
    processes.insert(0, daemon);
    let all = |mine: &Mine| mine.actions.iter().any(|word| word == "admin");
    processes.iter_mut().filter(|mine| all(mine)).for_each(|m| m.actions = vec!["admin".into()]);
    Ok(processes)
}

/// Adds those of the words that are allowed.
fn inquire(session: &mut Session, about: &mut [Mine], words: &[String]) -> Result<(), Trouble> {
    let question = |mine: &Mine, word: &String| Question {
        user: String::new(),
        action: word.clone(),
        target: mine.target(),
    };
    let questions: Vec<Question> =
        about.iter().flat_map(|mine| words.iter().map(|word| question(mine, word))).collect();
    let mut verdicts = ask(session, &questions)?.into_iter();
    for mine in about {
        for (word, verdict) in words.iter().zip(verdicts.by_ref().take(words.len())) {
            if verdict.is_ok_and(|verdict| verdict.allowed) {
                mine.actions.push(word.clone());
            }
        }
    }
    Ok(())
}

/// Says of `signal`, where not all signals may be sent, which ones may.
fn inquire_signals(session: &mut Session, about: &mut [Mine]) -> Result<(), Trouble> {
    let has = |mine: &Mine, word: &str| mine.actions.iter().any(|action| action == word);
    let signals: Vec<&str> =
        Signal::iterator().map(|s| s.as_str().trim_start_matches("SIG")).collect();
    let words: Vec<String> = signals.iter().map(|name| format!("signal({name})")).collect();
    for mine in about.iter_mut().filter(|mine| has(mine, "signal") && !has(mine, "admin")) {
        let mut some = Mine::new(mine.process.clone());
        inquire(session, std::slice::from_mut(&mut some), &words)?;
        let sent = signals.iter().zip(&words).filter(|(_, word)| has(&some, word));
        let sent: Vec<&str> = sent.map(|(name, _)| *name).collect();
        if sent.len() < signals.len() {
            let narrow = |word: &mut String| *word = format!("signal({})", sent.join(","));
            mine.actions.iter_mut().filter(|word| *word == "signal").for_each(narrow);
        }
    }
    Ok(())
}

/// What people read.
fn told(session: &Session, me: &Me, mine: &[Mine]) -> String {
    let clean = |text: &str| session.out.clean(text).into_owned();
    let roles = match (me.owner, me.roles.as_slice()) {
        (true, _) => "none needed: root and the user that runs supervisord may do all".to_owned(),
        (false, []) => "none".to_owned(),
        (false, roles) => roles.join(", "),
    };
    let mut text =
        format!("who:   {}\nproof: {}\nroles: {}\n", clean(&me.name), me.auth, clean(&roles));
    let rows: Vec<&Mine> = mine.iter().filter(|mine| !mine.actions.is_empty()).collect();
    if rows.is_empty() {
        text.push_str("may:   nothing\n");
        return text;
    }
    text.push_str("may:\n");
    let names: Vec<String> = rows.iter().map(|mine| clean(&mine.name())).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH) + 3;
    for (name, mine) in names.iter().zip(rows) {
        text.push_str(&format!("  {name:width$}{}\n", clean(&mine.actions.join(", "))));
    }
    text
}

/// What programs read.
fn described(me: &Me, mine: &[Mine]) -> Json {
    let list = |texts: &[String]| Json::list(texts.iter().map(|text| Json::text(text.as_str())));
    let may = mine.iter().filter(|mine| !mine.actions.is_empty()).map(|mine| {
        let mut members = match &mine.process {
            Some((group, name)) => subject(group, name),
            None => vec![("name", Json::text(mine.name()))],
        };
        members.push(("actions", list(&mine.actions)));
        Json::object(members)
    });
    Json::object([
        ("name", Json::text(me.name.as_str())),
        ("auth", Json::text(me.auth.as_str())),
        ("roles", list(&me.roles)),
        ("owner", Json::Bool(me.owner)),
        ("may", Json::list(may)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_done_is_shown_by_name() {
        use super::super::super::server::Server;
        let session = Session::new(Server::new(String::new(), None, None), false);
        let me = Me {
            name: "user:alice".to_owned(),
            detailed: "user:alice".to_owned(),
            auth: "password".to_owned(),
            roles: vec!["web".to_owned()],
            owner: false,
        };
        let row = |group: &str, name: &str, actions: &[&str]| Mine {
            process: Some((group.to_owned(), name.to_owned())),
            actions: actions.iter().map(|word| (*word).to_owned()).collect(),
        };
        let mine = [Mine::new(None), row("web", "app", &["view", "restart"]), row("x", "x", &[])];
        assert_eq!(
            told(&session, &me, &mine),
            "who:   user:alice\nproof: password\nroles: web\nmay:\n  \
             web:app                          view, restart\n"
        );
        assert!(told(&session, &me, &[]).ends_with("may:   nothing\n"));
    }
}
