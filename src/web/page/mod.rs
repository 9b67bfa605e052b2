//! The pages themselves.

pub(super) mod confirm;
pub(super) mod notice;
pub(super) mod status;
pub(super) mod tail;

use maud::{DOCTYPE, Markup, html};
use policy::access::{Proof, Who};

use super::text::Text;
use super::{asset, login};
use crate::rpc::guard::Guard;
use crate::rpc::office::Office;

/// The program's own version, and the one that clients are told.
const VERSION: &str =
    concat!("supervisord ", env!("CARGO_PKG_VERSION"), ", in place of Supervisor 4.3.0");

/// Whom the server takes the visitor for, as pages say it.
#[derive(Debug)]
pub(super) struct Visitor {
    /// The name, where there is one.
    name: Option<String>,
    /// The token of the form that ends the session, where there is one.
    leave: Option<String>,
    /// Whether there is somebody to log in as.
    enter: bool,
}

impl Visitor {
    /// None where it makes no difference who it is: nothing is refused, and nothing was begun that can be ended.
    pub(super) fn of(guard: &Guard<'_, impl Office>, token: &str) -> Option<Visitor> {
        let principal = &guard.caller().principal;
        let session = principal.proof() == Proof::Session;
        if guard.is_open() && !session {
            return None;
        }
        let name = match principal.who() {
            Who::User(name) | Who::Account { name, .. } => Some((**name).to_owned()),
            who @ (Who::Certificate { .. } | Who::Token { .. }) => Some(who.to_string()),
            Who::Unix { uid, .. } => Some(format!("unix:{uid}")),
            Who::Anonymous => None,
        };
        let latest = guard.office().latest();
        let server = &guard.caller().server;
        let pam = latest.servers.iter().any(|of| of.pam && of.section == **server);
        let enter = name.is_none() && (pam || !latest.users.is_empty());
        Some(Visitor { name, leave: session.then(|| token.to_owned()), enter })
    }

    fn shown(&self) -> Markup {
        html! {
            div.who {
                @match &self.name {
                    Some(name) => span { "Logged in as " b { bdi { (Text(name)) } } },
                    None => span { "Not logged in" },
                }
                @if let Some(token) = &self.leave {
                    form method="post" action=(login::END) {
                        input type="hidden" name="token" value=(token);
                        button { "Log out" }
                    }
                }
                @if self.enter {
                    a.button href=(login::PAGE) { "Log in" }
                }
            }
        }
    }
}

/// What all pages have around what they are about.
pub(super) fn page(title: &str, identifier: &str, content: &Markup) -> Markup {
    page_for(None, title, identifier, content)
}

/// The same with the visitor named.
fn page_for(visitor: Option<&Visitor>, title: &str, identifier: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (Text(title)) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(asset::address("stylesheets/supervisor.css"));
                link rel="icon" type="image/png" href=(asset::address("images/icon.png"));
            }
            body {
                header {
                    a href="./" {
                        img src=(asset::address("images/icon.png")) alt="" width="32" height="32";
                        "Supervisor"
                    }
                    @if !identifier.is_empty() {
                        span.identifier { (Text(identifier)) }
                    }
                    @if let Some(visitor) = visitor { (visitor.shown()) }
                }
                main { (content) }
                footer { p { (VERSION) } }
            }
        }
    }
}
