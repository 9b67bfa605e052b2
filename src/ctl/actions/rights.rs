//! Who may do what: `whoami`, `can`.

use nix::sys::signal::Signal;

use super::super::server::Info;
use super::super::session::{Session, status as exit};
use super::super::trouble::{Trouble, code_of};
use super::names::{Target, full_name, is_pattern, select, subject};
use super::{all_infos, people, words};
use crate::config::json::Json;
use crate::rpc::fault::Code;
use crate::rpc::xml::{Fault, Value};

/// What the daemon calls itself where actions have targets.
pub const DAEMON: &str = "daemon";
/// Most questions at once.
const AT_ONCE: usize = 1000;
/// Width of the column of names, in characters, without the gap after it.
const NAME_WIDTH: usize = 30;
/// The words of `actions=` that are about processes, but for signals; `admin` stands for all.
const OF_PROCESSES: [&str; 8] =
    ["view", "log", "clear", "start", "stop", "restart", "stdin", "config"];
/// Those that are about the daemon.
const OF_THE_DAEMON: [&str; 3] = ["view", "config", "admin"];

/// What `whoAmI` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Me {
    name: String,
    auth: String,
    roles: Vec<String>,
    owner: bool,
}

impl Me {
    /// Whether something may be allowed and something else not.
    pub fn has_limits(&self) -> bool {
        !self.owner && !self.roles.is_empty()
    }
}

impl TryFrom<&Value> for Me {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Me, Trouble> {
        let text = |key: &str| value.member(key).and_then(Value::as_str).map(str::to_owned);
        let Some(Value::Array(roles)) = value.member("roles") else { return Err(Trouble::Answer) };
        let roles = roles.iter().map(|role| role.as_str().map(str::to_owned));
        Ok(Me {
            name: text("name").ok_or(Trouble::Answer)?,
            auth: text("auth").ok_or(Trouble::Answer)?,
            roles: roles.collect::<Option<_>>().ok_or(Trouble::Answer)?,
            owner: value.member("owner") == Some(&Value::Bool(true)),
        })
    }
}

/// A question to the decision point. An empty `user` is whoever asks.
#[derive(Debug, Clone)]
pub struct Question {
    pub user: String,
    pub action: String,
    pub target: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub rule: String,
    pub place: String,
    pub why: String,
}

impl TryFrom<&Value> for Verdict {
    type Error = Trouble;

    fn try_from(value: &Value) -> Result<Verdict, Trouble> {
        let text = |key: &str| value.member(key).and_then(Value::as_str).map(str::to_owned);
        let Some(Value::Bool(allowed)) = value.member("allowed") else {
            return Err(Trouble::Answer);
        };
        Ok(Verdict {
            allowed: *allowed,
            rule: text("rule").ok_or(Trouble::Answer)?,
            place: text("place").unwrap_or_default(),
            why: text("why").unwrap_or_default(),
        })
    }
}

/// Asks the decision point, many questions in one call.
pub fn ask(
    session: &mut Session,
    questions: &[Question],
) -> Result<Vec<Result<Verdict, Fault>>, Trouble> {
    let mut verdicts = Vec::with_capacity(questions.len());
    for part in questions.chunks(AT_ONCE) {
        let calls: Vec<Value> = part.iter().map(Question::call).collect();
        let answer = session.call("system.multicall", &[Value::Array(calls)])?;
        let Value::Array(items) = answer else { return Err(Trouble::Answer) };
        if items.len() != part.len() {
            return Err(Trouble::Answer);
        }
        for item in &items {
            verdicts.push(match fault_of(item) {
                Some(fault) => Err(fault),
                None => Ok(Verdict::try_from(item)?),
            });
        }
    }
    Ok(verdicts)
}

impl Question {
    fn call(&self) -> Value {
        let params = [&self.user, &self.action, &self.target].map(|text| text.as_str().into());
        Value::Struct(vec![
            ("methodName".to_owned(), "supervisor.explainAccess".into()),
            ("params".to_owned(), Value::Array(params.into())),
        ])
    }
}

fn fault_of(item: &Value) -> Option<Fault> {
    let code = item.member("faultCode")?.as_int()?;
    let text = item.member("faultString")?.as_str()?.to_owned();
    Some(Fault { code: i32::try_from(code).ok()?, text })
}

/// Says that a daemon knows nothing of roles.
fn say_unknown(session: &mut Session, status: u8) {
    let line = "ERROR: this supervisord does not tell who may do what: it knows no roles";
    session.error(line, Code::UnknownMethod.name());
    session.exit = status;
}

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

/// `can USER ACTION TARGET…`
pub fn can(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "can", rest) else {
        session.exit = exit::INVALID_ARGS;
        return Ok(());
    };
    let [user, action, targets @ ..] = words.names.as_slice() else {
        return refuse_usage(session);
    };
    if targets.is_empty() {
        return refuse_usage(session);
    }
    let trouble = match decide(session, user, action, targets) {
        Ok(()) => return Ok(()),
        Err(trouble) => trouble,
    };
    match trouble {
        // A person is asked, and then the daemon once more.
        Trouble::Http { status: 401, .. } if session.asks() => return Err(trouble),
        Trouble::Fault(fault) if fault.code == Code::UnknownMethod.number() => {
            say_unknown(session, CANNOT_TELL);
        }
        trouble => {
            if let Err(trouble) = session.unreachable(trouble) {
                session.give_up(&trouble);
            }
        }
    }
    session.exit = CANNOT_TELL;
    Ok(())
}

/// The exit status of `can` where there is no answer: neither allowed nor denied.
const CANNOT_TELL: u8 = 2;

fn refuse_usage(session: &mut Session) -> Result<(), Trouble> {
    session.usage("can requires a user, an action and a target", "can");
    session.exit = CANNOT_TELL;
    Ok(())
}

fn decide(
    session: &mut Session,
    user: &str,
    action: &str,
    targets: &[&str],
) -> Result<(), Trouble> {
    let targets = processes(session, targets)?;
    let questions = |principal: &str| -> Vec<Question> {
        let question = |target: &String| Question {
            user: principal.to_owned(),
            action: action.to_owned(),
            target: target.clone(),
        };
        targets.iter().map(question).collect()
    };
    let resolved = match people::resolve(user) {
        // Whoever asks for the own rights by the system's name is that one to the daemon.
        Ok(None) if session.server.is_by_socket() => Ok(people::myself(user)),
        resolved => resolved,
    };
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(text) => return no_user(session, &text),
    };
    let answers = match resolved {
        Some(principal) => vec![(ask(session, &questions(&principal))?, principal)],
        None => match either(session, user, questions)? {
            Ok(answers) => answers,
            Err(text) => return no_user(session, &text),
        },
    };
    let before = std::mem::replace(&mut session.exit, exit::SUCCESS);
    let (both, mut exits) = (answers.len() > 1, Vec::new());
    for (verdicts, principal) in answers {
        for (target, verdict) in targets.iter().zip(verdicts) {
            let several = targets.len() > 1;
            let asked = Asked { user, principal: &principal, action, target, several, both };
            tell(session, &asked, verdict)?;
        }
        exits.push(std::mem::replace(&mut session.exit, exit::SUCCESS));
    }
    // Where one of two may, the name may.
    let may = exits.contains(&exit::SUCCESS);
    let exit = if may { exit::SUCCESS } else { exits.into_iter().max().unwrap_or_default() };
    session.exit = before.max(exit);
    Ok(())
}

/// Verdicts, and whom they are about.
type Answers = Vec<(Vec<Result<Verdict, Fault>>, String)>;

/// What is said of a plain name: that of somebody who logs in, or of a user of this system, or of one of each. Or why it is
/// nobody's.
fn either(
    session: &mut Session,
    user: &str,
    questions: impl Fn(&str) -> Vec<Question>,
) -> Result<Result<Answers, String>, Trouble> {
    let login = ask(session, &questions(user))?;
    let unknown = login.iter().all(|verdict| verdict.as_ref().is_err_and(is_unknown));
    let system = match people::of_the_system(user) {
        Ok(Some(system)) => system,
        Err(text) if unknown => return Ok(Err(text)),
        // The daemon's own words then: it may be the target that it does not know.
        Ok(None) | Err(_) => return Ok(Ok(vec![(login, user.to_owned())])),
    };
    // Who asks for the own rights by the name to log in may not ask about that user of the system: it is not meant.
    if !unknown && !may_ask(session)? {
        return Ok(Ok(vec![(login, user.to_owned())]));
    }
    let account = (ask(session, &questions(&system))?, system);
    Ok(Ok(if unknown { vec![account] } else { vec![(login, format!("user:{user}")), account] }))
}

/// Whether the caller may ask about others.
fn may_ask(session: &mut Session) -> Result<bool, Trouble> {
    let [user, action, target] = ["", "admin", DAEMON].map(str::to_owned);
    let verdicts = ask(session, &[Question { user, action, target }])?;
    Ok(verdicts.iter().all(|verdict| verdict.as_ref().is_ok_and(|verdict| verdict.allowed)))
}

/// Whether the daemon does not know the name of a user.
fn is_unknown(fault: &Fault) -> bool {
    [Code::BadName, Code::BadArguments].iter().any(|code| fault.code == code.number())
}

fn no_user(session: &mut Session, text: &str) -> Result<(), Trouble> {
    session.error(format_args!("ERROR: {text}"), "NO_SUCH_USER");
    session.exit = CANNOT_TELL;
    Ok(())
}

/// The targets, with all processes of it in place of a group, a pattern or `all`.
fn processes(session: &mut Session, targets: &[&str]) -> Result<Vec<String>, Trouble> {
    let several =
        |name: &&str| *name == "all" || is_pattern(name) || Target::parse(name).process.is_none();
    if !targets.iter().any(several) {
        return Ok(targets.iter().map(|target| (*target).to_owned()).collect());
    }
    let infos = all_infos(session)?;
    let mut names: Vec<String> = Vec::new();
    for target in targets {
        let found: Vec<&Info> = match *target {
            "all" => infos.iter().collect(),
            name if several(&name) => select(&infos, name),
            _ => Vec::new(),
        };
        if found.is_empty() {
            names.push((*target).to_owned());
        }
        names.extend(found.iter().map(|info| full_name(&info.group, Some(&info.name))));
    }
    Ok(names)
}

/// What was asked, as it was typed, and who the user is to the daemon.
struct Asked<'a> {
    user: &'a str,
    principal: &'a str,
    action: &'a str,
    target: &'a str,
    /// Whether it is one of several targets.
    several: bool,
    /// Whether the user is one of two that have the name.
    both: bool,
}

/// Says what was decided, and sets the exit status: what cannot be told counts more than a denial.
fn tell(
    session: &mut Session,
    asked: &Asked<'_>,
    verdict: Result<Verdict, Fault>,
) -> Result<(), Trouble> {
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(fault) => {
            let (_, about) = fault.text.split_once(": ").unwrap_or(("", &fault.text));
            let message = match Code::from_number(i64::from(fault.code)) {
                Some(Code::AccessDenied) => denied(&fault.text),
                Some(Code::BadName) => "no such process".to_owned(),
                Some(Code::BadArguments | Code::BadSignal) => about.to_owned(),
                _ => return Err(fault.into()),
            };
            session.error_about(asked.target, &message, code_of(&fault));
            session.exit = CANNOT_TELL;
            return Ok(());
        }
    };
    session.out.result(&verdict.line(asked), || {
        let text = |text: &str| Json::text(text);
        Json::object([
            ("user", text(asked.user)),
            ("principal", text(asked.principal)),
            ("action", text(asked.action)),
            ("target", text(asked.target)),
            ("allowed", Json::Bool(verdict.allowed)),
            ("rule", text(&verdict.rule)),
            ("place", text(&verdict.place)),
            ("why", text(&verdict.why)),
        ])
    });
    if !verdict.allowed && session.exit == exit::SUCCESS {
        session.exit = exit::GENERIC;
    }
    Ok(())
}

impl Verdict {
    /// `allowed: WHY (PLACE)`, with the user named as it was typed.
    fn line(&self, asked: &Asked<'_>) -> String {
        let word = if self.allowed { "allowed" } else { "denied" };
        let number = asked.principal.split('(').next().unwrap_or(asked.principal);
        let why = if asked.both { self.why.clone() } else { self.why.replace(number, asked.user) };
        let whose = if asked.both { format!("{number}: ") } else { String::new() };
        let target = if asked.several { format!("{}: ", asked.target) } else { String::new() };
        match self.place.as_str() {
            "" => format!("{whose}{target}{word}: {why}"),
            place => format!("{whose}{target}{word}: {why} ({place})"),
        }
    }
}

/// What a denial is called: `not allowed: restart`, from `ACCESS_DENIED: restart of web:nginx`.
pub fn denied(text: &str) -> String {
    let about = text.split_once(": ").map_or("", |(_, about)| about);
    match about.split_once(" of ") {
        // It is asked before all else.
        Some(("view", "daemon")) => "not allowed: the caller has no role".to_owned(),
        Some((action, _)) => format!("not allowed: {action}"),
        None if about.is_empty() => "not allowed".to_owned(),
        None => format!("not allowed: {about}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_name_the_action() {
        assert_eq!(denied("ACCESS_DENIED: restart of web:nginx"), "not allowed: restart");
        assert_eq!(denied("ACCESS_DENIED: signal(HUP) of a:b"), "not allowed: signal(HUP)");
        assert_eq!(denied("ACCESS_DENIED: view of daemon"), "not allowed: the caller has no role");
        assert_eq!(denied("ACCESS_DENIED"), "not allowed");
    }

    #[test]
    fn verdicts_name_the_user_as_it_was_typed() {
        let verdict = Verdict {
            allowed: true,
            rule: "role:web".to_owned(),
            place: "/etc/s.conf:12".to_owned(),
            why: "role web grants restart on nginx:nginx to unix:1000".to_owned(),
        };
        let asked = Asked {
            user: "alice",
            principal: "unix:1000(7)",
            action: "restart",
            target: "nginx",
            several: false,
            both: false,
        };
        let line = verdict.line(&asked);
        assert_eq!(
            line,
            "allowed: role web grants restart on nginx:nginx to alice (/etc/s.conf:12)"
        );
        let why = "unix:1000 has no role".to_owned();
        let denied = Verdict { allowed: false, place: String::new(), why, ..verdict };
        assert_eq!(denied.line(&asked), "denied: alice has no role");
        let asked = Asked { several: true, ..asked };
        assert_eq!(denied.line(&asked), "nginx: denied: alice has no role");
        // Where two have the name, each is named as it is.
        let asked = Asked { both: true, ..asked };
        assert_eq!(denied.line(&asked), "unix:1000: nginx: denied: unix:1000 has no role");
    }

    /// A daemon that knows `user:root` and may tell this caller about others or not. Whoever it is asked about may `stop`
    /// where it is somebody who logs in, and else `start`.
    fn daemon(knows: bool, tells: bool) -> Session {
        use std::io::{BufRead, BufReader, Read, Write};

        use super::super::super::server::Server;
        use crate::rpc::xml::{decode_call, encode_response};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let verdict = move |question: &Value| {
            let Some(Value::Array(params)) = question.member("params") else { panic!("no params") };
            let params: Vec<&str> = params.iter().map(|param| param.as_str().unwrap()).collect();
            let pair = |key: &str, value: Value| (key.to_owned(), value);
            let fault = |code: i64, text: &str| {
                vec![pair("faultCode", Value::Int(code)), pair("faultString", text.into())]
            };
            let told =
                |allowed| vec![pair("allowed", Value::Bool(allowed)), pair("rule", "x".into())];
            Value::Struct(match params[..] {
                ["", "admin", "daemon"] => told(tells),
                ["root", ..] if !knows => fault(3, "BAD_ARGUMENTS: nobody logs in as root"),
                ["root", action, _] => told(action == "stop"),
                [who, action, _] if who.starts_with("unix:0(") && tells => told(action == "start"),
                _ => fault(96, "ACCESS_DENIED: admin of daemon"),
            })
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut from = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                let mut line = String::new();
                while from.read_line(&mut line).is_ok_and(|n| n > 0) {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        let mut body = vec![0; length];
                        from.read_exact(&mut body).unwrap();
                        let Ok((_, params)) = decode_call(&body) else { panic!("no call") };
                        let [Value::Array(questions)] = &params[..] else { panic!("no list") };
                        let body =
                            encode_response(&Value::Array(questions.iter().map(verdict).collect()));
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
                            body.len()
                        );
                        (&stream).write_all(&[head.as_bytes(), &body].concat()).unwrap();
                    }
                    line.clear();
                }
            }
        });
        Session::new(Server::new(url, None, None), false)
    }

    #[test]
    fn a_name_that_two_have_is_answered_for_both() {
        let asked = |knows: bool, tells: bool, action: &str| {
            let mut session = daemon(knows, tells);
            let (action, target) = (action.to_owned(), "one".to_owned());
            let questions = |user: &str| {
                let user = user.to_owned();
                vec![Question { user, action: action.clone(), target: target.clone() }]
            };
            let answers = either(&mut session, "root", questions).unwrap().unwrap();
            let allowed =
                |verdicts: Vec<Result<Verdict, Fault>>| verdicts[0].as_ref().unwrap().allowed;
            let answers = answers.into_iter().map(|(verdicts, who)| {
                (who.split('(').next().unwrap().to_owned(), allowed(verdicts))
            });
            let answers: Vec<_> = answers.collect();
            decide(&mut session, "root", &action, &["one"]).unwrap();
            (answers, session.exit)
        };
        let both =
            |login, account| vec![("user:root".to_owned(), login), ("unix:0".to_owned(), account)];
        assert_eq!(asked(true, true, "stop"), (both(true, false), 0));
        assert_eq!(asked(true, true, "start"), (both(false, true), 0));
        assert_eq!(asked(true, true, "clear"), (both(false, false), 1));
        // Who may not ask about others asks about the own name.
        assert_eq!(asked(true, false, "stop"), (vec![("root".to_owned(), true)], 0));
        assert_eq!(asked(false, true, "start"), (vec![("unix:0".to_owned(), true)], 0));
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let pair = |key: &str, value: Value| (key.to_owned(), value);
        let me = |roles: Value| {
            Value::Struct(vec![
                pair("name", "unix:1000".into()),
                pair("auth", "peer".into()),
                pair("roles", roles),
                pair("owner", Value::Bool(false)),
            ])
        };
        let read = Me::try_from(&me(Value::Array(vec!["web".into()]))).unwrap();
        assert_eq!((read.name.as_str(), read.roles.len(), read.owner), ("unix:1000", 1, false));
        assert!(Me::try_from(&me(Value::Array(vec![Value::Int(1)]))).is_err());
        assert!(Me::try_from(&Value::Int(1)).is_err() && Verdict::try_from(&Value::Nil).is_err());
        let fault = Value::Struct(vec![
            pair("faultCode", Value::Int(10)),
            pair("faultString", "BAD_NAME: x".into()),
        ]);
        assert_eq!(fault_of(&fault).map(|fault| fault.code), Some(10));
        assert_eq!(fault_of(&me(Value::Nil)), None);
    }

    #[test]
    fn what_may_be_done_is_shown_by_name() {
        use super::super::super::server::Server;
        let session = Session::new(Server::new(String::new(), None, None), false);
        let me = Me {
            name: "user:alice".to_owned(),
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
