//! supervisorctl: one action a call, with the output and exit status that scripts know.

mod actions;
pub(crate) mod address;
mod batch;
mod complete;
mod contexts;
mod credentials;
mod editor;
mod escape;
mod fg;
mod follow;
mod follower;
mod history;
pub(crate) mod http;
mod infos;
mod input;
mod interrupt;
mod log;
mod options;
mod out;
mod prompt;
pub(crate) mod secret;
pub(crate) mod server;
mod session;
mod shell;
mod sink;
pub mod table;
pub(crate) mod tls;
mod token_file;
pub(crate) mod trouble;
mod trust;

use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use crate::config::text;
use history::History;
use options::{Stop, native};
use server::Server;
use session::{Session, status};
use tls::Tls;

use text::repr as quote;

/// Reads command line and configuration, carries out the action; the exit status.
pub fn run() -> u8 {
    let args: Vec<String> =
        std::env::args_os().map(|word| text::from_bytes(&word.into_vec())).collect();
    let environment: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| {
            (text::from_bytes(&name.into_vec()), text::from_bytes(&value.into_vec()))
        })
        .collect();
    if args.get(1).is_some_and(|word| word == complete::CONTEXTS) {
        complete::answer_contexts(&environment, args.get(2).map_or("", String::as_str));
        return status::SUCCESS;
    }
    let options = match options::read(&args, &environment) {
        Ok(options) => options,
        Err(Stop::Help(help)) => {
            let _ = std::io::stdout().write_all(help.as_bytes());
            return status::SUCCESS;
        }
        Err(Stop::Usage(usage)) => {
            if args.iter().any(|word| word == "--json") {
                out::refuse(&usage, status::INVALID_ARGS);
            }
            out::complain(usage.trim_end_matches('\n'), false);
            return status::INVALID_ARGS;
        }
    };
    let client = options.client;
    let tls = Tls::new(client.tls);
    let server = Server::new(client.serverurl, client.username, client.password).with_tls(tls);
    if let Some((complete::ACTION, rest)) =
        options.words.split_first().map(|(word, rest)| (word.as_str(), rest))
    {
        complete::answer(&server, &rest.join(" "));
        return status::SUCCESS;
    }
    let local = options.words.first().is_some_and(|word| table::LOCAL.contains(&word.as_str()));
    if !local && let Some(text) = server.unready() {
        return cannot_use(&text, options.output);
    }
    if options.words.is_empty() {
        let history = client.history_file.map(|path| History::new(native(&path).into()));
        let session = Session::new(server, true)
            .with_settings(options.output)
            .with_tokens(client.tokens_file);
        session.warn();
        shell::run(session, &client.prompt, history);
        return status::SUCCESS;
    }
    let mut session = Session::new(server, options.interactive)
        .with_settings(options.output)
        .with_tokens(client.tokens_file);
    if !local {
        session.warn();
    }
    session.run(&options.words.join(" "));
    session.exit
}

/// Says what is wrong with the files for TLS; the exit status.
fn cannot_use(text: &str, output: out::Settings) -> u8 {
    let usage = format!("Error: {text}");
    if output.json {
        out::refuse(&usage, status::INVALID_ARGS);
    }
    out::complain(&usage, output.raw);
    status::INVALID_ARGS
}
