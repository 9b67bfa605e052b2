//! Logs: `tail`, `maintail`, `clear`.

use super::super::follow::follow;
use super::super::quote;
use super::super::server::{Outcome, list, string};
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::{Target, full_name};
use crate::rpc::fault::Code;
use crate::rpc::xml::Value;

/// How much is shown unless it is said, in bytes.
const DEFAULT_BYTES: i64 = 1600;

/// What a modifier asks for.
#[derive(Debug, PartialEq, Eq)]
enum Amount {
    Follow,
    Bytes(i64),
}

/// `-f` or `-N`; `None` for anything else.
fn read_modifier(word: &str) -> Option<Amount> {
    match word.strip_prefix('-')? {
        "f" => Some(Amount::Follow),
        digits => digits.parse().ok().map(Amount::Bytes),
    }
}

/// What `tail` was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    amount: Amount,
    name: &'a str,
    channel: String,
}

/// Why `tail` cannot do what was asked, and whether it then says how it is used.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    text: String,
    usage: bool,
}

fn read_tail(rest: &str) -> Result<Request<'_>, Refusal> {
    let refuse = |text: &str, usage| Err(Refusal { text: text.to_owned(), usage });
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (modifier, words) = match words.as_slice() {
        [] => return refuse("too few arguments", true),
        [_, _, _, _, ..] => return refuse("too many arguments", true),
        [first, others @ ..] if first.starts_with('-') => (Some(*first), others),
        all => (None, all),
    };
    let (name, channel) = match words {
        [] => return refuse("tail requires process name", false),
        [name] => (*name, "stdout".to_owned()),
        [name, .., channel] => (*name, channel.to_lowercase()),
    };
    if channel != "stdout" && channel != "stderr" {
        return refuse(&format!("bad channel {}", quote(&channel)), false);
    }
    let amount = match modifier {
        None => Amount::Bytes(DEFAULT_BYTES),
        Some(word) => match read_modifier(word) {
            Some(amount) => amount,
            None => return refuse(&format!("bad argument {word}"), false),
        },
    };
    Ok(Request { amount, name, channel })
}

fn say_refusal(session: &mut Session, refusal: &Refusal, action: &str) {
    if refusal.usage {
        session.usage(&refusal.text, action);
    } else {
        session.say(format_args!("Error: {}", refusal.text));
        session.exit = exit::GENERIC;
    }
}

/// `tail [-f|-N] NAME [stdout|stderr]`
pub fn tail(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let request = match read_tail(rest) {
        Ok(request) => request,
        Err(refusal) => {
            say_refusal(session, &refusal, "tail");
            return Ok(());
        }
    };
    match request.amount {
        Amount::Follow => {
            follow(session, &format!("/logtail/{}/{}", request.name, request.channel))
        }
        Amount::Bytes(bytes) => {
            let method = match request.channel.as_str() {
                "stderr" => "supervisor.readProcessStderrLog",
                _ => "supervisor.readProcessStdoutLog",
            };
            let params = [Value::from(request.name), Value::Int(bytes.saturating_neg()), 0.into()];
            show_end(session, method, &params, request.name)
        }
    }
}

/// `maintail [-f|-N]`
pub fn maintail(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let amount = match words.as_slice() {
        [] => Some(Amount::Bytes(DEFAULT_BYTES)),
        [word] => read_modifier(word),
        _ => {
            session.usage("too many arguments", "maintail");
            return Ok(());
        }
    };
    match amount {
        Some(Amount::Follow) => follow(session, "/mainlogtail"),
        Some(Amount::Bytes(bytes)) => {
            let params = [Value::Int(bytes.saturating_neg()), 0.into()];
            show_end(session, "supervisor.readLog", &params, "supervisord")
        }
        None => {
            session.say(format_args!("Error: bad argument {}", words.join(" ")));
            session.exit = exit::GENERIC;
            Ok(())
        }
    }
}

/// Shows what a method reads from a log; `name` is what its errors speak of.
fn show_end(
    session: &mut Session,
    method: &str,
    params: &[Value],
    name: &str,
) -> Result<(), Trouble> {
    let fault = match session.try_call(method, params)? {
        Ok(answer) => {
            session.say(string(answer)?);
            return Ok(());
        }
        Err(fault) => fault,
    };
    let words = match Code::from_number(i64::from(fault.code)) {
        Some(Code::NoFile) => "no log file",
        Some(Code::Failed) => "unknown error reading log",
        Some(Code::BadName) => "no such process name",
        _ => return Err(fault.into()),
    };
    session.say(format_args!("{name}: ERROR ({words})"));
    session.exit = exit::GENERIC;
    Ok(())
}

/// `clear NAME…`
pub fn clear(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    if !session.upcheck()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.usage("clear requires a process name", "clear");
        return Ok(());
    }
    if names.contains(&"all") {
        let answer = session.call("supervisor.clearAllProcessLogs", &[])?;
        for outcome in list::<Outcome>(&answer)? {
            report_cleared(session, &outcome)?;
        }
        return Ok(());
    }
    for name in names {
        let target = Target::parse(name);
        let code = match session.try_call("supervisor.clearProcessLogs", &[target.value()])? {
            Ok(_) => Code::Success.number(),
            Err(fault) => fault.code,
        };
        let outcome = Outcome {
            group: target.group.to_owned(),
            name: target.process.map(str::to_owned),
            status: i64::from(code),
            description: String::new(),
        };
        report_cleared(session, &outcome)?;
    }
    Ok(())
}

fn report_cleared(session: &mut Session, outcome: &Outcome) -> Result<(), Trouble> {
    let name = full_name(&outcome.group, outcome.name.as_deref());
    match Code::from_number(outcome.status) {
        Some(Code::Success) => session.say(format_args!("{name}: cleared")),
        Some(Code::BadName) => session.say(format_args!("{name}: ERROR (no such process)")),
        Some(Code::Failed) => session.say(format_args!("{name}: ERROR (failed)")),
        _ => {
            let text = format!("Unknown result code {} for {name}", outcome.status);
            return Err(Trouble::Value(text));
        }
    }
    session.exit_for(outcome.status, None);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers() {
        assert_eq!(read_modifier("-f"), Some(Amount::Follow));
        assert_eq!(read_modifier("-20"), Some(Amount::Bytes(20)));
        assert_eq!(read_modifier("-0"), Some(Amount::Bytes(0)));
        assert_eq!(read_modifier("--20"), Some(Amount::Bytes(-20)));
        assert_eq!(read_modifier("-"), None);
        assert_eq!(read_modifier("-x"), None);
        assert_eq!(read_modifier("x"), None);
    }

    #[test]
    fn requests() {
        let read = |rest| {
            read_tail(rest)
                .map(|request| (request.amount, request.name, request.channel))
                .map_err(|refusal| refusal.text)
        };
        let stdout = || "stdout".to_owned();
        assert_eq!(read("cat"), Ok((Amount::Bytes(1600), "cat", stdout())));
        assert_eq!(read("-f cat STDERR"), Ok((Amount::Follow, "cat", "stderr".to_owned())));
        assert_eq!(read("-5 cat stdout"), Ok((Amount::Bytes(5), "cat", stdout())));
        assert_eq!(read(""), Err("too few arguments".to_owned()));
        assert_eq!(read("-f a stdout x"), Err("too many arguments".to_owned()));
        assert_eq!(read("-f"), Err("tail requires process name".to_owned()));
        assert_eq!(read("cat Foo"), Err("bad channel 'foo'".to_owned()));
        assert_eq!(read("-x cat"), Err("bad argument -x".to_owned()));
        assert_eq!(read("-x cat foo"), Err("bad channel 'foo'".to_owned()));
    }
}
