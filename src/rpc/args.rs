//! Parameters of a call, checked against the method table.

use super::fault::{Code, Fault};
use super::table::{Method, Type};
use super::xml::Value;
use crate::process::texts;

/// A parameter of the right type.
#[derive(Debug, Clone, PartialEq)]
enum Arg {
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<Value>),
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
            None => Ok(Arg::Truth(param.default.unwrap_or_default())),
        });
        args.collect::<Result<_, _>>().map(Args)
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

    pub(super) fn into_list(self, at: usize) -> Vec<Value> {
        match self.0.into_iter().nth(at) {
            Some(Arg::List(values)) => values,
            _ => Vec::new(),
        }
    }
}

/// The value as this type. Clients that send `i8` come through as text, those without booleans send 0 and 1.
fn accept(kind: Type, value: Value) -> Result<Arg, Fault> {
    let incorrect = || Fault::new(Code::IncorrectParameters);
    match (kind, value) {
        (Type::Str | Type::StrOrInt | Type::Chars, Value::Str(text)) => Ok(Arg::Text(text)),
        (Type::StrOrInt, Value::Int(number)) => Ok(Arg::Text(number.to_string())),
        (Type::Int, Value::Int(number)) => Ok(Arg::Number(number)),
        (Type::Int, Value::Str(text)) => {
            text.trim().parse().map(Arg::Number).map_err(|_| incorrect())
        }
        (Type::Bool, Value::Bool(truth)) => Ok(Arg::Truth(truth)),
        (Type::Bool, Value::Int(number)) => Ok(Arg::Truth(number != 0)),
        (Type::Array, Value::Array(values)) => Ok(Arg::List(values)),
        (Type::Chars, other) => Err(incorrect().with(shown(&other))),
        _ => Err(incorrect()),
    }
}

/// A value as Python prints it, which fault texts repeat; of lists and structures no more than that they are some.
fn shown(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Str(text) | Value::DateTime(text) => texts::quoted(text),
        Value::Double(number) => format!("{number:?}"),
        Value::Nil => "None".to_owned(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(_) => "[...]".to_owned(),
        Value::Struct(members) if members.is_empty() => "{}".to_owned(),
        Value::Struct(_) => "{...}".to_owned(),
    }
}
