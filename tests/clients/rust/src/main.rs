//! `published-clients CRATE URL [USER PASSWORD]`: for each call that stands on a line of standard input, as JSON, its
//! answer on a line of standard output. What travels is made and read by the crate named.

use std::error::Error;
use std::io::{BufRead, Write};

use serde_json::{Value as Json, json};

#[macro_use]
mod values;
mod with_dxr;
mod with_xmlrpc;

/// What a call came to, as the harness wants it.
pub enum Answer {
    /// Its result.
    Value(Json),
    /// A fault: code and text.
    Fault(i32, String),
    /// Anything else that the crate says.
    Error(String),
}

type Call = Box<dyn FnMut(&str, &[Json]) -> Answer>;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, url, login) = match words[..] {
        [name, url] => (name, url, None),
        [name, url, user, password] => (name, url, Some((user, password))),
        _ => return Err("usage: published-clients xmlrpc|dxr URL [USER PASSWORD]".into()),
    };
    let mut call: Call = match name {
        "xmlrpc" => Box::new(with_xmlrpc::client(url, login)?),
        "dxr" => Box::new(with_dxr::client(url, login)?),
        _ => return Err(format!("no such crate here: {name}").into()),
    };
    for line in std::io::stdin().lock().lines() {
        let asked: Json = serde_json::from_str(&line?)?;
        let method = asked["method"].as_str().ok_or("a call without a method")?;
        let args = asked["args"].as_array().ok_or("a call without arguments")?;
        let answer = match call(method, args) {
            Answer::Value(value) => json!({ "value": value }),
            Answer::Fault(code, text) => json!({ "fault": [code, text] }),
            Answer::Error(text) => json!({ "error": text }),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
