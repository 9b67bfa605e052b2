//! The crates `dxr` and `dxr_client`.

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

values!(Value, Integer, Boolean, Value::String(String::new()));
