//! What would be decided: `can`.

use super::super::server::Info;
use super::super::session::{Session, status as exit};
use super::super::trouble::{Trouble, code_of};
use super::names::{Target, full_name, is_pattern, select};
use super::rights::{DAEMON, Question, Verdict, ask, denied, say_unknown};
use super::{all_infos, people, words};
use crate::config::json::Json;
use crate::rpc::fault::Code;
use crate::rpc::xml::Fault;

/// The exit status of `can` where there is no answer: neither allowed nor denied.
const CANNOT_TELL: u8 = 2;

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
        // Only those of the system come with their groups; a certificate's name may have anything in it.
        let number = match asked.principal.split_once('(') {
            Some((number, _)) if number.starts_with("unix:") => number,
            _ => asked.principal,
        };
        let why = if asked.both { self.why.clone() } else { self.why.replace(number, asked.user) };
        let whose = if asked.both { format!("{number}: ") } else { String::new() };
        let target = if asked.several { format!("{}: ", asked.target) } else { String::new() };
        match self.place.as_str() {
            "" => format!("{whose}{target}{word}: {why}"),
            place => format!("{whose}{target}{word}: {why} ({place})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::xml::Value;

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
}
