//! `system.*`: what the method table says of itself, and several calls in one.

use super::fault::{Code, Fault};
use super::guard::Guard;
use super::office::Office;
use super::room::{self, Room};
use super::table::{METHODS, Method};
use super::xml::Value;

/// The most calls of one `system.multicall`. Far more is a mistake or an attack: it keeps everybody else waiting.
pub(super) const MOST_CALLS: usize = 1_000;
/// The most bytes that the answers of one `system.multicall` take, roughly: a thousand logs are no answer any more.
pub(super) const MOST_ANSWERED: usize = 32 << 20;

/// `system.listMethods`.
pub(super) fn list(guard: &Guard<'_, impl Office>) -> Value {
    let listed = METHODS.iter().filter(|method| !method.added || !guard.is_open());
    let mut names: Vec<&str> = listed.map(|method| method.name).collect();
    names.sort_unstable();
    Value::Array(names.into_iter().map(Value::from).collect())
}

fn described(name: &str) -> Result<&'static Method, Fault> {
    Method::find(name).ok_or_else(|| Fault::new(Code::SignatureUnsupported))
}

/// `system.methodHelp`: what a method is for, then a line for each parameter and one for the result, in the form that
/// the reference's texts have.
pub(super) fn help(name: &str) -> Result<Value, Fault> {
    let method = described(name)?;
    let mut text = format!("{}\n\n", method.help);
    for param in method.params {
        let (kind, name, help) = (param.kind.word(), param.name, param.help);
        text += &format!("@param {kind} {name}  {help}");
        if let Some(default) = param.default {
            text += &format!(" ({default} where it is left out)");
        }
        text.push('\n');
    }
    text += &format!("@return {} result  {}\n", method.result.word(), method.returns);
    Ok(Value::Str(text))
}

/// `system.methodSignature`.
pub(super) fn signature(name: &str) -> Result<Value, Fault> {
    let method = described(name)?;
    let params = method.params.iter().map(|param| param.kind);
    let words = [method.result].into_iter().chain(params).map(|kind| Value::from(kind.word()));
    Ok(Value::Array(words.collect()))
}

/// `system.multicall`: strictly one after the other. Values are bare, as the reference gives them, not wrapped in
/// arrays of one.
pub(super) async fn multicall(
    guard: &Guard<'_, impl Office>,
    room: &dyn Room,
    calls: Vec<Value>,
) -> Result<Value, Fault> {
    if calls.len() > MOST_CALLS {
        let text = format!("more than {MOST_CALLS} calls in one system.multicall");
        return Err(Fault::new(Code::IncorrectParameters).with(text));
    }
    let mut answers = Vec::with_capacity(calls.len());
    let mut size = 0_usize;
    for call in calls {
        let answer = if size > MOST_ANSWERED {
            let text = "the answers to the calls before are over 32 MiB; ask for less at a time";
            Err(Fault::new(Code::Failed).with(text))
        } else {
            // What one call more would give is not known; where there is no room at all it is not made.
            match room::check(room, 1) {
                Ok(()) => one(guard, room, call).await,
                full => full.map(|()| Value::Nil),
            }
        };
        let answer = answer.unwrap_or_else(faulty);
        let more = answer.size();
        room.hold(more);
        size = size.saturating_add(more);
        answers.push(answer);
    }
    Ok(Value::Array(answers))
}

async fn one(guard: &Guard<'_, impl Office>, room: &dyn Room, call: Value) -> Result<Value, Fault> {
    let (name, params) = taken_apart(call)?;
    super::single(guard.office(), guard.caller(), room, &name, params).await
}

/// Name and parameters of one call. Clients that cannot tell an empty list from an empty map or text send those.
fn taken_apart(call: Value) -> Result<(String, Vec<Value>), Fault> {
    let incorrect = |text: &str| Fault::new(Code::IncorrectParameters).with(text);
    let Value::Struct(members) = call else {
        return Err(incorrect("a call is a struct of methodName and params"));
    };
    let (mut name, mut params) = (Value::Nil, Value::Nil);
    for (key, value) in members {
        match key.as_str() {
            "methodName" => name = value,
            "params" => params = value,
            _ => {}
        }
    }
    let name = match name {
        Value::Str(name) => name,
        Value::Nil => return Err(incorrect("No methodName")),
        _ => return Err(incorrect("methodName is no string")),
    };
    if name == "system.multicall" {
        return Err(recursive());
    }
    match params {
        Value::Array(params) => Ok((name, params)),
        Value::Nil => Ok((name, Vec::new())),
        Value::Struct(members) if members.is_empty() => Ok((name, Vec::new())),
        Value::Str(text) if text.is_empty() => Ok((name, Vec::new())),
        _ => Err(Fault::new(Code::IncorrectParameters)),
    }
}

pub(super) fn recursive() -> Fault {
    Fault::new(Code::IncorrectParameters).with("Recursive system.multicall forbidden")
}

fn faulty(fault: Fault) -> Value {
    let members =
        [("faultCode", Value::Int(fault.code.into())), ("faultString", Value::Str(fault.text))];
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
