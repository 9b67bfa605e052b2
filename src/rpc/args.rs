//! Parameters of a call, checked against the method table.

use super::fault::{Code, Fault};
use super::table::{Method, Type};
use super::xml::Value;

/// A parameter of the right type.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Arg {
    Text(String),
    Number(i64),
    Truth(bool),
}

/// The parameters of a call, defaults filled in. Asked for by their place in the method table, which also says what
/// they are.
#[derive(Debug)]
pub(super) struct Args(Vec<Arg>);

impl Args {
    /// Takes the values if each has the type that the method declares.
    pub(super) fn check(method: &Method, values: Vec<Value>) -> Result<Args, Fault> {
        let mut values = values.into_iter();
        let args = method.params.iter().map(|param| match values.next() {
            Some(value) => accept(param.kind, value),
            None => Some(Arg::Truth(param.default.unwrap_or_default())),
        });
        let args: Option<Vec<Arg>> = args.collect();
        args.map(Args).ok_or_else(|| Fault::new(Code::IncorrectParameters))
    }

    pub(super) fn text(&self, at: usize) -> &str {
        match self.0.get(at) {
            Some(Arg::Text(text)) => text,
            _ => "",
        }
    }

    pub(super) fn number(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Arg::Number(number)) => *number,
            _ => 0,
        }
    }

    pub(super) fn truth(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some(Arg::Truth(true)))
    }
}

/// The value as this type. Clients that send `i8` come through as text, those without booleans send 0 and 1.
fn accept(kind: Type, value: Value) -> Option<Arg> {
    match (kind, value) {
        (Type::Str | Type::Signal, Value::Str(text)) => Some(Arg::Text(text)),
        (Type::Signal, Value::Int(number)) => Some(Arg::Text(number.to_string())),
        (Type::Int, Value::Int(number)) => Some(Arg::Number(number)),
        (Type::Int, Value::Str(text)) => text.trim().parse().ok().map(Arg::Number),
        (Type::Bool, Value::Bool(truth)) => Some(Arg::Truth(truth)),
        (Type::Bool, Value::Int(number)) => Some(Arg::Truth(number != 0)),
        _ => None,
    }
}
