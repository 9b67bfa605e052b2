//! XML-RPC: the method table, the codec, the faults.

mod args;
pub mod caller;
mod configuration;
mod control;
#[cfg(test)]
mod docs;
pub mod fault;
pub mod guard;
mod info;
mod input;
mod logs;
pub(crate) mod names;
pub mod office;
mod restart;
mod rights;
pub mod room;
mod shape;
mod system;
pub mod table;
pub mod xml;

#[cfg(test)]
pub(crate) mod tests;

use args::Args;
use caller::Caller;
use control::Order;
use fault::{Code, Fault};
use guard::Guard;
use office::Office;
use room::{Ample, Room};
use table::{Call, Method};
use xml::{BadCall, Text, Value};

use crate::config::settings::Level;
use crate::process::texts;

/// What the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 with an XML document, 400 with nothing where the call could not be read.
    pub status: u16,
    /// The document.
    pub body: Vec<u8>,
}

/// The most characters of an unreadable call that are logged.
const SHOWN: usize = 500;

/// Answers one call. Resolves when the call's work is done; dropped before, the work goes on. What the parts of an answer
/// take while others are waited for is held in `room`; what there is none for is refused by a fault.
pub async fn handle(office: &impl Office, caller: &Caller, room: &dyn Room, body: &[u8]) -> Answer {
    let (name, params) = match xml::decode_call(body) {
        Ok(call) => call,
        Err(BadCall::Limit(limit)) => {
            let fault = Fault::new(Code::IncorrectParameters).with(limit);
            return Answer { status: 200, body: xml::encode_fault(&fault) };
        }
        Err(bad) => {
            note_unreadable(office, body, &bad);
            return Answer { status: 400, body: Vec::new() };
        }
    };
    let traced = office.settings().activity.level <= Level::Trace;
    let shown: String = if traced { name.chars().take(SHOWN).collect() } else { String::new() };
    let trace = |text: String| office.note(Level::Trace, text);
    if traced {
        trace(format!("XML-RPC method called: {shown}()"));
    }
    let answer = respond(office, caller, room, &name, params).await;
    match &answer {
        Ok(_) if traced => trace(format!("XML-RPC method {shown}() returned successfully")),
        Err(Fault { code, text }) if traced => {
            trace(format!("XML-RPC method {shown}() returned fault: [{code}] {text}"));
        }
        _ => {}
    }
    Answer { status: 200, body: answer.unwrap_or_else(|fault| xml::encode_fault(&fault)) }
}

fn note_unreadable(office: &impl Office, body: &[u8], bad: &BadCall) {
    let text = String::from_utf8_lossy(body);
    let data: String = text.chars().take(SHOWN).collect();
    let data = texts::quoted(&data);
    office.note(Level::Error, format!("XML-RPC request data {data} is invalid: {bad}"));
}

/// Makes a call, and gives the text of the answer to it. Long answers are written without a value in between.
async fn respond(
    office: &impl Office,
    caller: &Caller,
    room: &dyn Room,
    name: &str,
    params: Vec<Value>,
) -> Result<Vec<u8>, Fault> {
    let (method, args) = admit(office, name, params)?;
    let guard = Guard::of(office, caller, method);
    let whole = |write: &dyn Fn(&mut Text)| {
        guard.admit(method)?;
        xml::response(|text| {
            write(text);
            Ok(())
        })
    };
    let text = match method.call {
        Call::State => whole(&|text| info::state(text)),
        Call::ProcessInfo => {
            guard.admit(method)?;
            xml::response(|text| info::one(&guard, args.text(0), text))
        }
        Call::AllProcessInfo => whole(&|text| text.array(|rows| info::all(&guard, rows))),
        Call::AllConfigInfo => whole(&|text| text.array(|rows| configuration::all(&guard, rows))),
        // What was done is said, room or not; what is long asks for room itself.
        _ => {
            let value = carry_out(&guard, room, method, args).await?;
            return Ok(xml::encode_response(&value));
        }
    }?;
    room::check(room, text.len())?;
    Ok(text)
}

/// Finds the method, checks the parameters and carries it out. Whoever else offers what the methods do (the web pages)
/// comes this way too. `name` is the full one: `supervisor.getState`.
pub async fn call(
    office: &impl Office,
    caller: &Caller,
    name: &str,
    params: Vec<Value>,
) -> Result<Value, Fault> {
    let (method, args) = admit(office, name, params)?;
    carry_out(&Guard::of(office, caller, method), &Ample, method, args).await
}

/// A call by itself or one of several: several in one of several are refused.
async fn single(
    office: &impl Office,
    caller: &Caller,
    room: &dyn Room,
    name: &str,
    params: Vec<Value>,
) -> Result<Value, Fault> {
    let (method, args) = admit(office, name, params)?;
    dispatch(&Guard::of(office, caller, method), room, method, &args).await
}

/// Whether a call may be made. The reference's order of tests: name, number of parameters, going down, types.
fn admit(
    office: &impl Office,
    name: &str,
    params: Vec<Value>,
) -> Result<(&'static Method, Args), Fault> {
    let method = Method::find(name).ok_or_else(|| Fault::new(Code::UnknownMethod))?;
    if !method.takes(params.len()) {
        return Err(Fault::new(Code::IncorrectParameters));
    }
    if !method.to_the_end && office.heart(|heart| heart.shutting_down()) {
        return Err(Fault::new(Code::ShutdownState));
    }
    Ok((method, Args::check(method, params)?))
}

async fn carry_out(
    guard: &Guard<'_, impl Office>,
    room: &dyn Room,
    method: &Method,
    args: Args,
) -> Result<Value, Fault> {
    match method.call {
        Call::Multicall => {
            guard.admit(method)?;
            system::multicall(guard, room, args.into_list(0)).await
        }
        _ => dispatch(guard, room, method, &args).await,
    }
}

async fn dispatch(
    guard: &Guard<'_, impl Office>,
    room: &dyn Room,
    method: &Method,
    args: &Args,
) -> Result<Value, Fault> {
    let office = guard.office();
    let pass = guard.admit(method)?;
    match method.call {
        Call::ListMethods => Ok(system::list(guard)),
        Call::MethodHelp => system::help(args.text(0)),
        Call::MethodSignature => system::signature(args.text(0)),
        Call::Multicall => Err(system::recursive()),
        Call::ApiVersion => Ok(Value::from("3.0")),
        Call::SupervisorVersion => Ok(Value::from("4.3.0")),
        Call::Identification => Ok(Value::Str(office.settings().identifier.clone())),
        Call::State => Ok(single_row(info::state)),
        Call::Pid => Ok(Value::Int(office.pid().into())),
        Call::ProcessInfo => {
            let mut found = Ok(());
            let info = single_row(|rows| found = info::one(guard, args.text(0), rows));
            found.map(|()| info)
        }
        Call::AllProcessInfo => Ok(rows(|rows| info::all(guard, rows))),
        Call::One(verb) => control::one(guard, args.text(0), order(verb, args, 1)).await,
        Call::Group(verb) => control::group(guard, args.text(0), order(verb, args, 1)).await,
        Call::All(verb) => control::all(guard, order(verb, args, 0)).await,
        Call::RestartOne => restart::one(guard, args.text(0), args.truth(1)).await,
        Call::RestartGroup => restart::group(guard, args.text(0), args.truth(1)).await,
        Call::RestartAll => Ok(restart::all(guard, args.truth(0)).await),
        Call::SendStdin => input::send(guard, args.text(0), args.text(1)),
        Call::Announce => Ok(input::announce(guard, pass.permit()?, args.text(0), args.text(1))),
        Call::AllConfigInfo => Ok(rows(|rows| configuration::all(guard, rows))),
        Call::ReloadConfig => configuration::reload(guard, pass.permit()?).await,
        Call::AddGroup => configuration::add(guard, args.text(0)),
        Call::RemoveGroup => configuration::remove(guard, args.text(0)),
        Call::Restart => configuration::restart(guard, pass.permit()?).await,
        Call::Shutdown => Ok(configuration::shutdown(guard, pass.permit()?)),
        Call::ReadLog => {
            let log = (office.settings().activity.log, pass.permit()?);
            logs::read(office, room, log, args.number(0), args.number(1)).await
        }
        Call::ClearLog => logs::clear_main(guard, pass.permit()?).await,
        Call::ReadProcessLog(stream) => {
            let (log, permit) = logs::of(guard, args.text(0), stream)?;
            logs::read(office, room, (log, &permit), args.number(1), args.number(2)).await
        }
        Call::TailProcessLog(stream) => {
            let (log, permit) = logs::of(guard, args.text(0), stream)?;
            logs::tail(office, room, (log, &permit), args.number(1), args.number(2)).await
        }
        Call::ClearProcessLogs => logs::clear(guard, args.text(0)).await,
        Call::ClearAllProcessLogs => Ok(logs::clear_all(guard).await),
        Call::WhoAmI => Ok(rights::who_am_i(guard)),
        Call::Explain => rights::explain(guard, args.text(0), args.text(1), args.text(2)),
    }
}

fn rows(write: impl FnOnce(&mut Vec<Value>)) -> Value {
    let mut rows = Vec::new();
    write(&mut rows);
    Value::Array(rows)
}

fn single_row(write: impl FnOnce(&mut Vec<Value>)) -> Value {
    let mut rows = Vec::with_capacity(1);
    write(&mut rows);
    rows.pop().unwrap_or(Value::Nil)
}

/// What to do; `at` is the place of the parameter that says how.
fn order(verb: table::Verb, args: &Args, at: usize) -> Order<'_> {
    match verb {
        table::Verb::Start => Order::Start { wait: args.truth(at) },
        table::Verb::Stop => Order::Stop { wait: args.truth(at) },
        table::Verb::Signal => Order::Signal(args.text(at)),
    }
}
