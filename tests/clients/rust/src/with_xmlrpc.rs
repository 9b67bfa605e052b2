//! The crate `xmlrpc`.

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

values!(Value, Int, Bool, Value::Nil);
