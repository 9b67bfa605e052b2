//! The ends of logs: `tail`, `maintail`.

use super::super::follow::{Source, follow, follow_all};
use super::super::log::Log;
use super::super::quote;
use super::super::server::Info;
use super::super::session::{Session, status as exit};
use super::super::table::Words;
use super::super::trouble::Trouble;
use super::names::{full_name, is_pattern, select};
use super::rights::denied;
use super::{all_infos, words};
use crate::config::json::Json;
use crate::rpc::fault::Code;

/// How much is shown unless it is said, in bytes.
const DEFAULT_BYTES: i64 = 1600;
/// How many lines of each of several logs are shown before what is new.
const LINES_OF_EACH: usize = 10;

/// How much of a log is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Bytes(i64),
    Lines(usize),
}

/// What `tail` was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    follow: bool,
    amount: Option<Amount>,
    names: Vec<&'a str>,
    channel: String,
}

/// Why `tail` cannot do what was asked, and whether it then says how it is used.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    text: String,
    usage: bool,
}

impl Refusal {
    fn with_usage(text: &str) -> Refusal {
        Refusal { text: text.to_owned(), usage: true }
    }

    fn plain(text: impl Into<String>) -> Refusal {
        Refusal { text: text.into(), usage: false }
    }
}

/// `-N`; `None` for anything else.
fn read_bytes(word: &str) -> Option<Amount> {
    word.strip_prefix('-')?.parse().ok().map(Amount::Bytes)
}

fn read_lines(words: &Words<'_>) -> Result<Option<Amount>, Refusal> {
    let Some(text) = words.value("lines") else { return Ok(None) };
    match text.parse() {
        Ok(lines) => Ok(Some(Amount::Lines(lines))),
        Err(_) => Err(Refusal::plain(format!("bad number of lines {text}"))),
    }
}

/// What the words ask for. `known` says of several words whether they name several processes: only then they are not
/// what the reference would have taken them for.
fn read_tail<'a>(
    words: &Words<'a>,
    known: impl FnOnce(&[&'a str]) -> Result<bool, Trouble>,
) -> Result<Result<Request<'a>, Refusal>, Trouble> {
    let given = words.names.as_slice();
    let count = given.len() + usize::from(words.has("follow"));
    let follow = words.has("follow");
    let (modifier, given) = match given {
        [first, others @ ..] if first.starts_with('-') && !follow => (Some(*first), others),
        all => (None, all),
    };
    let lines = match read_lines(words) {
        Ok(lines) => lines,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (names, channel) = split_channel(given, words.has("stderr"));
    let refusal = match given {
        [] if count == 0 && lines.is_none() => Some(Refusal::with_usage("too few arguments")),
        [] => Some(Refusal::plain("tail requires process name")),
        _ if names.len() <= 1 || lines.is_some() || words.has("stderr") => None,
        _ if known(names)? => None,
        _ if count > 3 => Some(Refusal::with_usage("too many arguments")),
        [.., last] => Some(Refusal::plain(format!("bad channel {}", quote(&last.to_lowercase())))),
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    let amount = match modifier {
        None => lines,
        Some(word) => match read_bytes(word) {
            Some(bytes) => Some(lines.unwrap_or(bytes)),
            None => return Ok(Err(Refusal::plain(format!("bad argument {word}")))),
        },
    };
    Ok(Ok(Request { follow, amount, names: names.to_vec(), channel: channel.to_owned() }))
}

/// The names, and the channel that may be named after them.
fn split_channel<'a, 'w>(given: &'w [&'a str], stderr: bool) -> (&'w [&'a str], &'static str) {
    let default = if stderr { "stderr" } else { "stdout" };
    match given {
        [names @ .., last] if !names.is_empty() => match last.to_lowercase().as_str() {
            "stdout" => (names, "stdout"),
            "stderr" => (names, "stderr"),
            _ => (given, default),
        },
        _ => (given, default),
    }
}

fn say_refusal(session: &mut Session, refusal: &Refusal, action: &str) {
    if refusal.usage {
        session.usage(&refusal.text, action);
    } else {
        session.error(format_args!("Error: {}", refusal.text), "USAGE");
        session.exit = exit::GENERIC;
    }
}

/// `tail [-f|-N|-n LINES] NAME… [stdout|stderr]`
pub fn tail(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "tail", rest) else { return Ok(()) };
    if !session.upcheck()? {
        return Ok(());
    }
    let mut infos = None;
    let known = |names: &[&str]| {
        let infos = infos.insert(all_infos(session)?);
        let known = names.iter().filter(|name| !select(infos, name).is_empty());
        let (patterns, plain): (Vec<&str>, Vec<&str>) = known.partition(|name| is_pattern(name));
        Ok(plain.len() > 1 || !patterns.is_empty())
    };
    let request = match read_tail(&words, known)? {
        Ok(request) => request,
        Err(refusal) => {
            say_refusal(session, &refusal, "tail");
            return Ok(());
        }
    };
    match request.names.as_slice() {
        [name] if !stands_for_several(name, &request) => show_one(session, name, &request),
        names => {
            let infos = match infos {
                Some(infos) => infos,
                None => all_infos(session)?,
            };
            show_several(session, names, &infos, &request)
        }
    }
}

/// Whether a name may stand for several processes. A group does only where the reference has no word for it.
fn stands_for_several(name: &str, request: &Request<'_>) -> bool {
    let by_lines = request.follow || matches!(request.amount, Some(Amount::Lines(_)));
    is_pattern(name) || (by_lines && (name.ends_with(":*") || name.ends_with(':')))
}

fn show_one(session: &mut Session, name: &str, request: &Request<'_>) -> Result<(), Trouble> {
    let log = Log::of(name, &request.channel);
    if request.follow {
        let lines = match request.amount {
            Some(Amount::Lines(lines)) => Some(lines),
            _ => None,
        };
        return follow(session, &Source { log, lines });
    }
    show_end(session, &log, request.amount.unwrap_or(Amount::Bytes(DEFAULT_BYTES)), None)
}

/// Shows the logs of several processes, each line with its process in front.
fn show_several(
    session: &mut Session,
    names: &[&str],
    infos: &[Info],
    request: &Request<'_>,
) -> Result<(), Trouble> {
    let mut logs: Vec<Log> = Vec::new();
    let single = matches!(names, [name] if select(infos, name).is_empty());
    for name in names {
        let found = select(infos, name);
        if found.is_empty() && single {
            return show_one(session, name, request);
        }
        if found.is_empty() {
            session.error_about(name, "no such process name", Code::BadName.name());
            session.exit = exit::GENERIC;
        }
        for info in found {
            let name = full_name(&info.group, Some(&info.name));
            if !logs.iter().any(|log| log.name == name) {
                logs.push(Log::of(&name, &request.channel));
            }
        }
    }
    let lines = match request.amount {
        Some(Amount::Lines(lines)) => lines,
        _ => LINES_OF_EACH,
    };
    if request.follow && !logs.is_empty() {
        let sources: Vec<Source> =
            logs.into_iter().map(|log| Source { log, lines: Some(lines) }).collect();
        return follow_all(session, &sources);
    }
    let amount = request.amount.unwrap_or(Amount::Bytes(DEFAULT_BYTES));
    for log in logs {
        let prefix = format!("{} | ", log.name);
        show_end(session, &log, amount, Some(&prefix))?;
    }
    Ok(())
}

/// `maintail [-f|-N|-n LINES]`
pub fn maintail(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "maintail", rest) else { return Ok(()) };
    if !session.upcheck()? {
        return Ok(());
    }
    let lines = match read_lines(&words) {
        Ok(lines) => lines,
        Err(refusal) => {
            say_refusal(session, &refusal, "maintail");
            return Ok(());
        }
    };
    let follows = words.has("follow");
    let amount = match words.names.as_slice() {
        [] => Ok(lines),
        [word] if !follows => match read_bytes(word) {
            Some(bytes) => Ok(Some(lines.unwrap_or(bytes))),
            None => Err(Refusal::plain(format!("bad argument {word}"))),
        },
        _ => Err(Refusal::with_usage("too many arguments")),
    };
    match amount {
        Err(refusal) => {
            say_refusal(session, &refusal, "maintail");
            Ok(())
        }
        Ok(amount) if follows => {
            let lines = match amount {
                Some(Amount::Lines(lines)) => Some(lines),
                _ => None,
            };
            follow(session, &Source { log: Log::main(), lines })
        }
        Ok(amount) => {
            show_end(session, &Log::main(), amount.unwrap_or(Amount::Bytes(DEFAULT_BYTES)), None)
        }
    }
}

/// Shows the end of a log, with this in front of each line.
fn show_end(
    session: &mut Session,
    log: &Log,
    amount: Amount,
    prefix: Option<&str>,
) -> Result<(), Trouble> {
    let read = match amount {
        Amount::Bytes(bytes) => log.end(&mut session.server, bytes),
        Amount::Lines(lines) => log.last_lines(&mut session.server, lines),
    };
    let fault = match read {
        Ok(text) => {
            let whole_lines = prefix.is_some() || matches!(amount, Amount::Lines(_));
            let shown = shown(&text, prefix, whole_lines);
            session.out.result_text(&shown, || {
                Json::object([
                    ("name", Json::text(log.name.as_str())),
                    ("channel", Json::text(log.channel.as_str())),
                    ("text", Json::text(text.as_str())),
                ])
            });
            return Ok(());
        }
        Err(Trouble::Fault(fault)) => fault,
        Err(trouble) => return Err(trouble),
    };
    let code = Code::from_number(i64::from(fault.code));
    let words = match code {
        Some(Code::NoFile) => "no log file".to_owned(),
        Some(Code::Failed) => "unknown error reading log".to_owned(),
        Some(Code::BadName) => "no such process name".to_owned(),
        Some(Code::AccessDenied) => denied(&fault.text),
        _ => return Err(fault.into()),
    };
    session.error_about(&log.name, &words, code.map_or("FAULT", Code::name));
    session.exit = exit::GENERIC;
    Ok(())
}

/// A text as it is printed: with a line end after it, as the reference has it, or as lines of which each has one.
fn shown(text: &str, prefix: Option<&str>, whole_lines: bool) -> String {
    if !whole_lines {
        return format!("{text}\n");
    }
    let prefix = prefix.unwrap_or_default();
    let body = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() {
        return String::new();
    }
    body.split('\n').map(|line| format!("{prefix}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::table;
    use super::*;

    #[test]
    fn modifiers() {
        assert_eq!(read_bytes("-20"), Some(Amount::Bytes(20)));
        assert_eq!(read_bytes("-0"), Some(Amount::Bytes(0)));
        assert_eq!(read_bytes("--20"), Some(Amount::Bytes(-20)));
        assert_eq!(read_bytes("-"), None);
        assert_eq!(read_bytes("-x"), None);
        assert_eq!(read_bytes("x"), None);
    }

    /// What is read where the processes `cat` and `dog` are known.
    fn read(rest: &str) -> Result<String, String> {
        let words = table::find("tail").unwrap().words(rest).unwrap();
        let known = |names: &[&str]| {
            Ok(names.iter().filter(|name| ["cat", "dog"].contains(name)).count() > 1)
        };
        read_tail(&words, known)
            .unwrap()
            .map(|request| {
                let Request { follow, amount, names, channel } = request;
                format!("{follow} {amount:?} {} {channel}", names.join("+"))
            })
            .map_err(|refusal| refusal.text)
    }

    #[test]
    fn requests_of_the_reference() {
        let refused = |text: &str| Err(text.to_owned());
        assert_eq!(read("cat").unwrap(), "false None cat stdout");
        assert_eq!(read("-f cat STDERR").unwrap(), "true None cat stderr");
        assert_eq!(read("-5 cat stdout").unwrap(), "false Some(Bytes(5)) cat stdout");
        assert_eq!(read(""), refused("too few arguments"));
        assert_eq!(read("-f a stdout x"), refused("too many arguments"));
        assert_eq!(read("-f"), refused("tail requires process name"));
        assert_eq!(read("-5"), refused("tail requires process name"));
        assert_eq!(read("cat Foo"), refused("bad channel 'foo'"));
        assert_eq!(read("-x cat"), refused("bad argument -x"));
        assert_eq!(read("-x cat foo"), refused("bad channel 'foo'"));
        assert_eq!(read("-1 a b c"), refused("too many arguments"));
    }

    #[test]
    fn requests_beyond_it() {
        assert_eq!(read("cat dog").unwrap(), "false None cat+dog stdout");
        assert_eq!(read("-f cat dog stderr").unwrap(), "true None cat+dog stderr");
        assert_eq!(read("-f cat nope dog").unwrap(), "true None cat+nope+dog stdout");
        assert_eq!(read("-n 20 -f x").unwrap(), "true Some(Lines(20)) x stdout");
        assert_eq!(read("-n 2 x y").unwrap(), "false Some(Lines(2)) x+y stdout");
        assert_eq!(read("--stderr x").unwrap(), "false None x stderr");
        assert_eq!(read("stderr").unwrap(), "false None stderr stdout");
        assert_eq!(read("-n x cat"), Err("bad number of lines x".to_owned()));
        assert_eq!(read("-n 5"), Err("tail requires process name".to_owned()));
    }

    #[test]
    fn texts_are_shown_whole_or_by_lines() {
        assert_eq!(shown("a\nb\n", None, false), "a\nb\n\n");
        assert_eq!(shown("a\nb\n", None, true), "a\nb\n");
        assert_eq!(shown("a\n\nb", Some("x | "), true), "x | a\nx | \nx | b\n");
        assert_eq!(shown("", Some("x | "), true), "");
    }
}
