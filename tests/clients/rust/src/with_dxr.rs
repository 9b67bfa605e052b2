//! The crates `dxr` and `dxr_client`.

use std::collections::BTreeMap;
use std::error::Error;

use dxr::Value;
use dxr_client::{ClientBuilder, Error as ClientError};
use serde_json::{Value as Json, json};

use crate::Answer;

/// Calls to this address.
pub fn client(
    url: &str,
    login: Option<(&str, &str)>,
) -> Result<impl FnMut(&str, &[Json]) -> Answer + use<>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut builder = ClientBuilder::new(url.parse()?);
    if let Some((user, password)) = login {
        builder = builder.basic_auth(user.to_owned(), Some(password.to_owned()));
    }
    let client = builder.build();
    Ok(move |method: &str, args: &[Json]| {
        let args: Vec<Value> = args.iter().map(made).collect();
        match runtime.block_on(client.call::<_, Value>(method, args)) {
            Ok(value) => Answer::Value(shown(&value)),
            Err(ClientError::Fault { fault }) => {
                Answer::Fault(fault.code(), fault.string().to_owned())
            }
            Err(error) => Answer::Error(error.to_string()),
        }
    })
}

fn made(json: &Json) -> Value {
    match json {
        Json::Null => Value::String(String::new()),
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => {
            Value::Integer(number.as_i64().and_then(|n| n.try_into().ok()).unwrap_or(i32::MAX))
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
        Value::Integer(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::String(text) => json!(text),
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Struct(members) => {
            members.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
        }
        other => json!(format!("{other:?}")),
    }
}
