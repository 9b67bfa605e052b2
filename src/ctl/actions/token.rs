//! `token`: what machines log in with, made, listed and revoked in the file that the daemon reads.

mod maker;

use jiff::Timestamp;

use super::super::out::complain;
use super::super::session::{Session, status as exit};
use super::super::table::Words;
use super::super::token_file::{self, Failure, TokenFile};
use super::super::trouble::Trouble;
use super::rights::{Question, ask, denied};
use super::words;
use crate::config::json::Json;
use crate::config::settings::Token;
use crate::config::token_line;
use crate::rpc::fault::Code;

use maker::{Maker, is_away, maker};

/// The exit status where the file is as it is to be, or the token is made, but the daemon does not go by it yet.
const NOT_IN_FORCE: u8 = 8;
/// How long a token is good for unless it is said, in seconds.
const DEFAULT: u64 = 90 * 24 * 3600;
/// The longest that can be asked for in days, a thousand years; more has to be written as never.
const LONGEST: u64 = 365_250;

/// What an action ends with instead of having done what it was to do.
enum Stop {
    /// This is said, with a word for programs.
    Say(String, &'static str),
    /// The daemon could not be asked.
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        Stop::Trouble(trouble)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Say(failure.text().to_owned(), "TOKENS_FILE")
    }
}

/// `token create`, `token list`, `token revoke NAME`
pub fn run(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "token", rest) else {
        session.exit = exit::INVALID_ARGS;
        return Ok(());
    };
    let done = match words.names.as_slice() {
        ["create"] => match Wish::of(&words) {
            Ok(wish) => create(session, &wish),
            Err(text) => return refuse(session, &text),
        },
        ["list"] => list(session, &words),
        ["revoke", name] => revoke(session, name, &words),
        ["revoke", ..] => return refuse(session, "token revoke requires the name of one token"),
        ["create" | "list", other, ..] => {
            return refuse(session, &format!("token takes no {other} there"));
        }
        [other, ..] => return refuse(session, &format!("token has no {other}")),
        [] => return refuse(session, "token requires create, list or revoke"),
    };
    match done {
        Ok(()) => Ok(()),
        // A person is asked, and then all is done once more: nothing was made.
        Err(Stop::Trouble(trouble @ Trouble::Http { status: 401, .. })) if session.asks() => {
            Err(trouble)
        }
        Err(Stop::Trouble(trouble)) => {
            fail(session, &told(&trouble), trouble.code());
            Ok(())
        }
        Err(Stop::Say(text, code)) => {
            fail(session, &text, code);
            Ok(())
        }
    }
}

fn refuse(session: &mut Session, text: &str) -> Result<(), Trouble> {
    session.usage(text, "token");
    session.exit = exit::INVALID_ARGS;
    Ok(())
}

/// Standard output is for the token alone.
fn fail(session: &mut Session, text: &str, code: &str) {
    if session.out.json() {
        session.error(format_args!("ERROR: {text}"), code);
    } else {
        complain(&format!("ERROR: {text}"), session.out.raw());
    }
    session.exit = exit::GENERIC;
}

/// What else is to be known.
fn note(session: &Session, text: &str) {
    if session.out.json() {
        session.say(text);
    } else {
        complain(text, session.out.raw());
    }
}

/// Why the daemon could not be asked, in words.
fn told(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Http { status: 401, .. } => "the server requires authentication".to_owned(),
        Trouble::Fault(fault) if fault.code == Code::AccessDenied.number() => {
            plain(&denied(&fault.text))
        }
        Trouble::Fault(fault) if fault.code == Code::UnknownMethod.number() => {
            "this supervisord knows no tokens".to_owned()
        }
        trouble => {
            let text = trouble.to_string();
            plain(text.split_once(">, ").map_or(text.as_str(), |(_, words)| words))
        }
    }
}

/// What is to be made.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    name: Option<String>,
    role: String,
    /// How long it is to be good for, in seconds; `None` for ever.
    lasts: Option<u64>,
    /// Whether that was not said.
    by_default: bool,
    file: Option<String>,
}

impl Wish {
    fn of(words: &Words<'_>) -> Result<Wish, String> {
        let role = words.value("role").ok_or("token create requires --role ROLE")?;
        let name = words.value("name").map(token_line::name).transpose()?;
        let expires = words.value("expires");
        Ok(Wish {
            name,
            role: token_line::name(role)?,
            lasts: expires.map_or(Ok(Some(DEFAULT)), duration)?,
            by_default: expires.is_none(),
            file: words.value("file").map(str::to_owned),
        })
    }
}

/// `30d`, `12h`, `2w`, `90m` or `never`, in seconds.
fn duration(text: &str) -> Result<Option<u64>, String> {
    if text == token_line::NEVER {
        return Ok(None);
    }
    let wrong = || format!("{text} is no time to expire after: write 30d, 12h, 2w, 90m or never");
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 24 * 3600,
        Some('w') => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    let digits = text.get(..text.len() - 1).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(0) => Err(format!("a token that expires after {text} is good for nothing")),
        Some(seconds) if seconds <= LONGEST * 24 * 3600 => Ok(Some(seconds)),
        _ => Err(format!("{text} is longer than {LONGEST}d: write never")),
    }
}

/// Where a token is once it is made.
enum Kept {
    /// In this file.
    In(String),
    /// Nowhere, for this reason.
    Nowhere(String),
}

/// `token create`
fn create(session: &mut Session, wish: &Wish) -> Result<(), Stop> {
    let path = wish.file.clone().or_else(|| session.tokens_file.clone());
    let maker = maker(session, &wish.role, path.as_deref())?;
    let text = token_line::token(&random()?);
    let mut token = Token {
        name: String::new(),
        role: wish.role.clone(),
        maker: maker.name.clone(),
        expires: wish.lasts.map(|lasts| now().saturating_add(lasts)),
        digest: token_line::digest(&text),
    };
    let opened = path.as_ref().map(|path| TokenFile::open(path, true));
    let kept = match (opened, path) {
        (Some(Ok(file)), Some(path)) => {
            token.name = choose(wish, &file.tokens()?, &path)?;
            file.add(&token)?;
            Kept::In(path)
        }
        (Some(Err(Failure::Other(text))), _) => return Err(Failure::Other(text).into()),
        (Some(Err(Failure::Forbidden(why))), _) => Kept::Nowhere(why),
        _ => Kept::Nowhere(
            "it is not known here which tokens_file= that supervisord has (--file FILE names it)"
                .to_owned(),
        ),
    };
    if token.name.is_empty() {
        token.name = wish.name.clone().map_or_else(|| unheard_of(&wish.role), Ok)?;
    }
    let line = token_line::write(&token).map_err(Failure::Other)?;
    show(session, &token, &text);
    describe(session, wish, &token);
    match kept {
        Kept::In(path) => enforce(session, &maker, &token.name, &path, true),
        Kept::Nowhere(why) => {
            note(
                session,
                &format!(
                    "It does not work yet: {why}. An administrator has to add this line to the file that tokens_file= of \
                     [supervisord] names, and then: supervisorctl reread\n{line}"
                ),
            );
            session.exit = NOT_IN_FORCE;
        }
    }
    Ok(())
}

/// The name that was asked for, or one that is free.
fn choose(wish: &Wish, known: &[Token], path: &str) -> Result<String, Stop> {
    let is_free = |name: &str| known.iter().all(|token| token.name != name);
    match &wish.name {
        Some(name) if is_free(name) => Ok(name.clone()),
        Some(name) => Err(Stop::Say(
            format!(
                "there is a token {name} in {path} already: choose another name, or: supervisorctl token revoke {name}"
            ),
            "NAME_TAKEN",
        )),
        None => {
            let numbered = (1..).map(|number: u32| format!("{}-{number}", wish.role));
            let name = numbered.take(known.len() + 1).find(|name| is_free(name));
            name.and_then(|name| token_line::name(&name).ok())
                .ok_or_else(|| nameless("the role's name is too long to make one of it"))
        }
    }
}

fn nameless(why: &str) -> Stop {
    Stop::Say(format!("the token has no name, and {why}: say --name NAME"), "NO_NAME")
}

/// A name that nobody is likely to have given.
fn unheard_of(role: &str) -> Result<String, Stop> {
    let [a, b, c, ..] = random()?;
    token_line::name(&format!("{role}-{a:02x}{b:02x}{c:02x}"))
        .map_err(|_| nameless("the role's name is too long to make one of it"))
}

fn random() -> Result<[u8; 32], Stop> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        Stop::Say(format!("the system gives no random bytes: {error}"), "NO_RANDOMNESS")
    })?;
    Ok(random)
}

fn now() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}

/// The token itself: this once, and nowhere else.
fn show(session: &Session, token: &Token, text: &str) {
    session.out.result(text, || {
        let mut members = described(token);
        members.push(("token", Json::text(text)));
        Json::object(members)
    });
}

fn described(token: &Token) -> Vec<(&'static str, Json)> {
    vec![
        ("name", Json::text(token.name.as_str())),
        ("role", Json::text(token.role.as_str())),
        ("expires", Json::text(token_line::expiry(token.expires))),
        ("maker", Json::text(token.maker.as_deref().unwrap_or(token_line::OWNER))),
    ]
}

fn describe(session: &Session, wish: &Wish, token: &Token) {
    let expires = match token.expires {
        None => "never expires".to_owned(),
        expires if wish.by_default => {
            format!("expires at {} (90d; --expires says otherwise)", token_line::expiry(expires))
        }
        expires => format!("expires at {}", token_line::expiry(expires)),
    };
    let maker = match &token.maker {
        None => String::new(),
        Some(maker) => format!(" that {maker} may have"),
    };
    note(
        session,
        &format!(
            "Token {}: role {}{maker}, {expires}. It is not shown again.",
            token.name, token.role
        ),
    );
}

/// Has the daemon go by the file, and says whether it does. `valid` is whether it is to take the token from now on.
fn enforce(session: &mut Session, maker: &Maker, name: &str, path: &str, valid: bool) {
    let effect = if maker.daemon {
        match session.call("supervisor.reloadConfig", &[]) {
            Ok(_) => effect(session, name, path, valid),
            Err(trouble) => Effect::None(not_read(&trouble)),
        }
    } else if valid {
        note(
            session,
            &format!("supervisord does not run: the token in {path} works once it does."),
        );
        return;
    } else {
        let text = format!(
            "Token {name} is no longer in {path}. {} is not there; if its supervisord runs all the same, the token STILL WORKS \
             until that reads it: supervisorctl reread",
            session.server.url
        );
        note(session, &text);
        session.exit = NOT_IN_FORCE;
        return;
    };
    match (effect, valid) {
        (Effect::Full, true) => note(session, &format!("It is in {path}, and works now.")),
        (Effect::Full, false) => {
            note(session, &format!("Token {name} is revoked: it works nowhere any more."))
        }
        (Effect::Unknown, true) => note(
            session,
            &format!(
                "It is in {path}, and supervisord has read its configuration; the caller may not ask whether it goes by that \
                 file, and so whether the token works."
            ),
        ),
        (Effect::Unknown, false) => {
            note(
                session,
                &format!(
                    "Token {name} is no longer in {path}, and supervisord has read its configuration; the caller could not ask \
                     whether it goes by that file. Somebody who may can see whether it STILL WORKS: supervisorctl can \
                     token:{name} view daemon"
                ),
            );
            session.exit = NOT_IN_FORCE;
        }
        (Effect::None(why), valid) => {
            let what = if valid {
                format!("It is in {path}, but DOES NOT WORK YET")
            } else {
                format!("Token {name} is no longer in {path}, but IT STILL WORKS")
            };
            note(session, &format!("{what}: {why}"));
            session.exit = NOT_IN_FORCE;
        }
    }
}

fn not_read(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Fault(fault) if fault.code == Code::AccessDenied.number() => {
            "the caller may not have supervisord read its configuration; somebody who may has to: supervisorctl reread"
                .to_owned()
        }
        Trouble::Fault(fault) if fault.code == Code::CantReread.number() => {
            let why = fault.text.split_once(": ").map_or(fault.text.as_str(), |(_, why)| why);
            format!(
                "supervisord could not read its configuration. Put it right, then: supervisorctl reread. {}",
                plain(why)
            )
        }
        trouble => {
            format!("supervisord was not told ({}); do so by: supervisorctl reread", told(trouble))
        }
    }
}

/// What a change of the file has led to.
enum Effect {
    /// What was wished.
    Full,
    /// Nothing, for this reason.
    None(String),
    /// The daemon does not tell.
    Unknown,
}

/// Whether the daemon, having read, goes by this file or by something else.
fn effect(session: &mut Session, name: &str, path: &str, valid: bool) -> Effect {
    let question = Question {
        user: format!("token:{name}"),
        action: "view".to_owned(),
        target: super::rights::DAEMON.to_owned(),
    };
    let known = match ask(session, &[question]).ok().and_then(|mut answers| answers.pop()) {
        // Whoever has a role may see that there is a daemon.
        Some(Ok(verdict)) if valid && !verdict.allowed => {
            return Effect::None(format!("it may do nothing, for {}", plain(&verdict.why)));
        }
        Some(Ok(_)) => true,
        Some(Err(fault)) if fault.code == Code::BadArguments.number() => false,
        Some(Err(_)) | None => return Effect::Unknown,
    };
    if known == valid {
        return Effect::Full;
    }
    Effect::None(format!(
        "supervisord goes by another file: tokens_file= of its [supervisord] has to name {path}"
    ))
}

/// What a server has said, in one line that does nothing to a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The file, as the words or the configuration name it.
fn path(session: &Session, words: &Words<'_>) -> Result<String, Stop> {
    let named = words.value("file").map(str::to_owned).or_else(|| session.tokens_file.clone());
    named.ok_or_else(|| {
        Stop::Say(
            "it is not known here which file has the tokens: say --file FILE, or name it as tokens_file= of [supervisord] \
             in the configuration that -c names"
                .to_owned(),
            "TOKENS_FILE",
        )
    })
}

/// `token list`
fn list(session: &mut Session, words: &Words<'_>) -> Result<(), Stop> {
    let tokens = token_file::list(&path(session, words)?)?;
    let now = now();
    let is_over = |token: &Token| token.expires.is_some_and(|end| end <= now);
    if session.out.json() {
        for token in &tokens {
            let mut members = described(token);
            members.push(("expired", Json::Bool(is_over(token))));
            session.out.item(Json::object(members));
        }
        return Ok(());
    }
    let row = |token: &Token| {
        let over = if is_over(token) { " (expired)" } else { "" };
        let expires = format!("{}{over}", token_line::expiry(token.expires));
        let maker = token.maker.as_deref().unwrap_or(token_line::OWNER);
        [token.name.clone(), token.role.clone(), expires, maker.to_owned()]
    };
    let head = ["NAME", "ROLE", "EXPIRES", "MAKER"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(tokens.iter().map(row)).collect();
    for line in columns(&rows) {
        session.say(line);
    }
    Ok(())
}

/// Each column as wide as its widest field, but for the last.
fn columns(rows: &[[String; 4]]) -> Vec<String> {
    let width = |at: usize| {
        let widths = rows.iter().filter_map(|row| row.get(at)).map(|field| field.chars().count());
        widths.max().unwrap_or(0)
    };
    let [a, b, c] = [0, 1, 2].map(width);
    let line = |[name, role, expires, maker]: &[String; 4]| {
        format!("{name:a$}  {role:b$}  {expires:c$}  {maker}")
    };
    rows.iter().map(line).collect()
}

/// `token revoke NAME`
fn revoke(session: &mut Session, name: &str, words: &Words<'_>) -> Result<(), Stop> {
    // A token itself is no name, and is not to be said again.
    let name = token_line::name(name).map_err(|why| Stop::Say(why, "NO_SUCH_TOKEN"))?;
    let path = path(session, words)?;
    if !TokenFile::open(&path, false)?.remove(&name)? {
        return Err(Stop::Say(format!("there is no token {name} in {path}"), "NO_SUCH_TOKEN"));
    }
    let daemon = match session.call("supervisor.whoAmI", &[]) {
        Err(trouble) => !is_away(&trouble),
        Ok(_) => true,
    };
    if session.out.json() {
        session.out.item(Json::object([("name", Json::text(name.as_str()))]));
    }
    enforce(session, &Maker { name: None, daemon }, &name, &path, false);
    Ok(())
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
