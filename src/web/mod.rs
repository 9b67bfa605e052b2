//! The pages: what a browser sees of the processes, and what it may order.
//!
//! Nothing is ordered but by a form of ours: POST, with the token of a page that was given to the same user. Every
//! address in a page is relative, so that the pages work under any path of a proxy; what clients sent never becomes part
//! of an answer but as escaped text.

mod action;
mod asset;
mod form;
pub(crate) mod login;
pub(crate) mod origin;
mod page;
mod reply;
#[cfg(test)]
mod tests;
mod text;
mod token;

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use policy::access::{Action as Right, Principal};

pub use asset::Asset;
pub use reply::Reply;

use action::{Action, Outcome, Wish};
use form::Form;
use page::Visitor;
use token::Mint;

use crate::config::settings::Server;
use crate::rpc::caller::Caller;
use crate::rpc::guard::Guard;
use crate::rpc::office::Office;

/// The most bytes that the body of a form may have.
pub const FORM_SIZE: u64 = 64 << 10;

/// What a path stands for.
#[derive(Debug, Clone, Copy)]
pub enum Page {
    /// All processes; actions.
    Status,
    /// The end of a log.
    Tail,
    /// Two letters for a probe.
    Ok,
    /// A file that pages refer to.
    Asset(&'static Asset),
}

impl Page {
    /// The page at a decoded path; further slashes before it do not matter.
    pub fn at(path: &str) -> Option<Page> {
        match path.trim_start_matches('/') {
            "" | "index.html" | "status.html" => Some(Page::Status),
            "tail.html" => Some(Page::Tail),
            "ok.html" => Some(Page::Ok),
            name => Asset::named(name).map(Page::Asset),
        }
    }

    /// Whether it can be asked for like this.
    pub fn takes(self, method: &Method) -> bool {
        match self {
            Page::Asset(_) => [Method::GET, Method::HEAD].contains(method),
            Page::Status | Page::Tail | Page::Ok => {
                [Method::GET, Method::HEAD, Method::POST].contains(method)
            }
        }
    }
}

/// What the clients of one server have in common.
#[derive(Debug)]
pub struct Visitors {
    legacy_get_actions: bool,
    mint: Mint,
}

impl Visitors {
    /// Those of this server.
    pub fn of(server: &Server) -> Visitors {
        Visitors { legacy_get_actions: server.legacy_get_actions, mint: Mint::new(&server.section) }
    }

    /// A token for the forms of a page that is made now for this principal.
    pub(crate) fn token(&self, principal: &Principal, now: Duration) -> String {
        self.mint.of(principal).token(now)
    }

    /// Whether a form comes from a page that was made for this principal.
    pub(crate) fn accepts(&self, principal: &Principal, token: &str, now: Duration) -> bool {
        self.mint.of(principal).accepts(token, now)
    }
}

/// A request.
#[derive(Debug)]
pub struct Ask {
    /// GET, HEAD or POST.
    pub method: Method,
    /// What follows the question mark.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body of a POST.
    pub body: Vec<u8>,
}

/// Answers a request. Resolves when what it orders is done.
pub async fn answer(
    office: &impl Office,
    caller: &Caller,
    visitors: &Visitors,
    page: Page,
    ask: &Ask,
) -> Reply {
    match page {
        Page::Ok => Reply::plain("OK"),
        Page::Asset(asset) => asset.reply(&ask.headers),
        Page::Status | Page::Tail if !is_form(ask) => page::notice::bad_type(),
        Page::Status | Page::Tail => {
            let guard = Guard::new(office, caller);
            let token = visitors.token(&caller.principal, office.now().mono);
            let visitor = Visitor::of(&guard, &token);
            if let Err(fault) = guard.permit_on_daemon(Right::View) {
                return page::notice::denied(visitor.as_ref(), &fault);
            }
            match page {
                Page::Tail => page::tail::answer(&guard, visitor.as_ref(), &Form::of(ask)).await,
                _ => status(&guard, visitors, ask).await,
            }
        }
    }
}

/// Whether the body, if there is one, is what a form sends.
fn is_form(ask: &Ask) -> bool {
    let kind = ask.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    ask.body.is_empty() || kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

async fn status(guard: &Guard<'_, impl Office>, visitors: &Visitors, ask: &Ask) -> Reply {
    let office = guard.office();
    let form = Form::of(ask);
    let now = office.now().mono;
    let fresh = visitors.token(&guard.caller().principal, now);
    let Some(action) = form.get("action") else {
        return page::status::answer(guard, form.get("message"), &fresh);
    };
    let wish = match Wish::new(action, form.get("processname")) {
        Ok(wish) => wish,
        Err(bad) => return page::notice::bad_wish(&bad),
    };
    // What cannot be carried out, whoever asks for it.
    if let Some(outcome) = action::check(guard, &wish).await {
        return reply_to(guard, &fresh, outcome);
    }
    if wish.action == Action::Refresh {
        return reply::back(&wish.done(office));
    }
    let posted = ask.method == Method::POST;
    let legacy = visitors.legacy_get_actions
        && ask.method == Method::GET
        && !origin::is_guess(&ask.headers)
        && !origin::is_untold(&ask.headers);
    if !posted && !legacy {
        return page::confirm::answer(guard, &wish, &fresh, StatusCode::OK);
    }
    if let Err(foreign) = origin::check(&ask.headers) {
        return page::notice::foreign(&foreign);
    }
    let token = form.posted("token").unwrap_or_default();
    if posted && !visitors.accepts(&guard.caller().principal, token, now) {
        return page::confirm::answer(guard, &wish, &fresh, StatusCode::FORBIDDEN);
    }
    let outcome = action::carry_out(office, guard.caller(), &wish).await;
    reply_to(guard, &fresh, outcome)
}

fn reply_to(guard: &Guard<'_, impl Office>, token: &str, outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Message(text) => reply::back(&text),
        Outcome::ShuttingDown => page::notice::shutting_down(),
        Outcome::Denied(fault) => page::notice::denied(Visitor::of(guard, token).as_ref(), &fault),
    }
}
