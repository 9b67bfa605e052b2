//! XML-RPC: the method table, the codec, the faults.

mod args;
mod configuration;
mod control;
pub mod fault;
mod info;
mod logs;
mod names;
pub mod office;
pub mod table;
pub mod xml;

#[cfg(test)]
mod tests;

use args::Args;
use control::Order;
use fault::{Code, Fault};
use office::Office;
use table::Method;
use xml::{BadCall, Value};

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

/// Answers one call. Resolves when the call's work is done; dropped before, the work goes on.
pub async fn handle(office: &impl Office, body: &[u8]) -> Answer {
    let (name, params) = match xml::decode_call(body) {
        Ok(call) => call,
        Err(bad) => {
            note_unreadable(office, body, &bad);
            return Answer { status: 400, body: Vec::new() };
        }
    };
    let shown: String = name.chars().take(SHOWN).collect();
    office.note(Level::Trace, format!("XML-RPC method called: {shown}()"));
    let body = match call(office, &name, params).await {
        Ok(value) => {
            office.note(Level::Trace, format!("XML-RPC method {shown}() returned successfully"));
            xml::encode_response(&value)
        }
        Err(fault) => {
            let (code, text) = (fault.code, &fault.text);
            office.note(
                Level::Trace,
                format!("XML-RPC method {shown}() returned fault: [{code}] {text}"),
            );
            xml::encode_fault(&fault)
        }
    };
    Answer { status: 200, body }
}

fn note_unreadable(office: &impl Office, body: &[u8], bad: &BadCall) {
    let why = match bad {
        BadCall::Unmarshallable => "unmarshallable",
        BadCall::NoMethodName => "no method name",
    };
    let text = String::from_utf8_lossy(body);
    let data: String = text.chars().take(SHOWN).collect();
    let data = texts::quoted(&data);
    office.note(Level::Error, format!("XML-RPC request data {data} is invalid: {why}"));
}

/// Finds the method, checks the parameters and carries it out. The reference's order: name, number of parameters,
/// going down, types.
pub async fn call(office: &impl Office, name: &str, params: Vec<Value>) -> Result<Value, Fault> {
    let method = Method::find(name).ok_or_else(|| Fault::new(Code::UnknownMethod))?;
    if !method.takes(params.len()) {
        return Err(Fault::new(Code::IncorrectParameters));
    }
    if office.heart(|heart| heart.shutting_down()) {
        return Err(Fault::new(Code::ShutdownState));
    }
    let args = Args::check(method, params)?;
    dispatch(office, method, &args).await
}

async fn dispatch(office: &impl Office, method: &Method, args: &Args) -> Result<Value, Fault> {
    use table::Call;
    match method.call {
        Call::ApiVersion => Ok(Value::from("3.0")),
        Call::SupervisorVersion => Ok(Value::from("4.3.0")),
        Call::Identification => Ok(Value::Str(office.settings().identifier.clone())),
        Call::State => Ok(info::state()),
        Call::Pid => Ok(Value::Int(office.pid().into())),
        Call::ProcessInfo => info::one(office, args.text(0)),
        Call::AllProcessInfo => info::all(office),
        Call::One(verb) => control::one(office, args.text(0), order(verb, args, 1)).await,
        Call::Group(verb) => control::group(office, args.text(0), order(verb, args, 1)).await,
        Call::All(verb) => control::all(office, order(verb, args, 0)).await,
        Call::AllConfigInfo => Ok(configuration::all(office)),
        Call::ReloadConfig => configuration::reload(office).await,
        Call::AddGroup => configuration::add(office, args.text(0)),
        Call::RemoveGroup => configuration::remove(office, args.text(0)),
        Call::Restart => configuration::restart(office).await,
        Call::ReadLog => {
            let log = office.settings().activity.log;
            logs::read(office, log, args.number(0), args.number(1)).await
        }
        Call::ReadProcessLog(stream) => {
            let log = logs::of(office, args.text(0), stream)?;
            logs::read(office, log, args.number(1), args.number(2)).await
        }
        Call::TailProcessLog(stream) => {
            let log = logs::of(office, args.text(0), stream)?;
            Ok(logs::tail(office, log, args.number(1), args.number(2)).await)
        }
        Call::ClearProcessLogs => logs::clear(office, args.text(0)).await,
        Call::ClearAllProcessLogs => Ok(logs::clear_all(office).await),
        Call::Shutdown => {
            office.shutdown();
            Ok(Value::Bool(true))
        }
    }
}

/// What to do; `at` is the place of the parameter that says how.
fn order(verb: table::Verb, args: &Args, at: usize) -> Order<'_> {
    match verb {
        table::Verb::Start => Order::Start { wait: args.truth(at) },
        table::Verb::Stop => Order::Stop { wait: args.truth(at) },
        table::Verb::Signal => Order::Signal(args.text(at)),
    }
}
