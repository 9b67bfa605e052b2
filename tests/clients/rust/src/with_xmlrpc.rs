//! The crate `xmlrpc`.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::{Value as Json, json};
use xmlrpc::{Request, Value};

use crate::Answer;

/// Calls to this address. The crate knows credentials as part of it alone.
pub fn client(
    url: &str,
    login: Option<(&str, &str)>,
) -> Result<impl FnMut(&str, &[Json]) -> Answer + use<>, Box<dyn Error>> {
    let url = match login {
        Some((user, password)) => url.replacen("://", &format!("://{user}:{password}@"), 1),
        None => url.to_owned(),
    };
    Ok(move |method: &str, args: &[Json]| {
        let request = args.iter().fold(Request::new(method), |request, arg| request.arg(made(arg)));
        match request.call_url(url.as_str()) {
            Ok(value) => Answer::Value(shown(&value)),
            Err(error) => match error.fault() {
                Some(fault) => Answer::Fault(fault.fault_code, fault.fault_string.clone()),
                None => Answer::Error(error.to_string()),
            },
        }
    })
}

fn made(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => {
            Value::Int(number.as_i64().and_then(|n| n.try_into().ok()).unwrap_or(i32::MAX))
        }
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(made).collect()),
        Json::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), made(value)));
            Value::Struct(members.collect::<BTreeMap<_, _>>())
        }
    }
}

fn shown(value: &Value) -> Json {
    match value {
        Value::Int(number) => json!(number),
        Value::Bool(truth) => json!(truth),
        Value::String(text) => json!(text),
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Struct(members) => {
            members.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
        }
        other => json!(format!("{other:?}")),
    }
}
