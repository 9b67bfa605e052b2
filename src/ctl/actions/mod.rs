//! What the actions do. They are declared in [`super::table`].

pub mod audit;
pub mod can;
pub mod control;
pub mod groups;
pub mod help;
mod json;
pub mod logs;
mod names;
pub mod passwd;
mod people;
pub mod restart;
pub mod rights;
pub mod show;
pub mod tail;
pub mod token;
pub mod update;
mod verify;
mod wait;
pub mod whoami;

use super::infos;
use super::server::{Call, Info};
use super::session::Session;
use super::table::{self, Words};
use super::trouble::Trouble;

fn all_infos(session: &mut Session) -> Result<Vec<Info>, Trouble> {
    infos::read(&session.server.call_text(&Call::new("supervisor.getAllProcessInfo", &[]))?)
}

/// An action's words; `None` if its flags are used wrongly, which has been said then.
fn words<'a>(session: &mut Session, action: &str, rest: &'a str) -> Option<Words<'a>> {
    match table::find(action)?.words(rest) {
        Ok(words) => Some(words),
        Err(text) => {
            session.usage(&text, action);
            None
        }
    }
}
