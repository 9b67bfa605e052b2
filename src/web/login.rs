//! The page to log in at, and the one that ends a session.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use maud::{Markup, html};

use super::form::Form;
use super::reply::{self, Reply};
use super::{Ask, is_form, origin, page as pages};

/// Where somebody logs in.
pub(crate) const PAGE: &str = "login.html";
/// Where a session is ended.
pub(crate) const END: &str = "logout.html";

/// Why nobody was logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Name or password are wrong; which of them is not said.
    Wrong,
    /// Too many tries have failed; how long to wait.
    TooMany(Duration),
    /// Too many passwords are being looked at.
    Busy,
}

impl Trouble {
    const fn status(self) -> StatusCode {
        match self {
            // Not UNAUTHORIZED: a browser would ask for a name and a password by itself.
            Trouble::Wrong => StatusCode::FORBIDDEN,
            Trouble::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Trouble::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Whole seconds, at least one.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

/// The page to log in at.
pub(crate) fn page(identifier: &str, trouble: Option<Trouble>) -> Reply {
    let content = html! {
        h1 { "Log in" }
        @if let Some(trouble) = trouble {
            p.message.bad role="alert" { (reason(trouble)) }
        }
        form.login method="post" action=(PAGE) {
            p {
                label for="user" { "User" }
                input #user name="user" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus;
            }
            p {
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required;
            }
            div.bar { button.main { "Log in" } }
        }
        p { "Logged in already? " a href="./" { "All processes" } }
    };
    let status = trouble.map_or(StatusCode::OK, Trouble::status);
    let mut reply = Reply::page(status, pages::page("Log in", identifier, &content));
    if let Some(Trouble::TooMany(wait)) = trouble {
        reply.headers.push((RETRY_AFTER, HeaderValue::from(seconds(wait))));
    }
    reply
}

fn reason(trouble: Trouble) -> Markup {
    html! {
        @match trouble {
            Trouble::Wrong => "The name or the password is wrong.",
            Trouble::TooMany(wait) => {
                "Too many tries have failed. Try again in " (seconds(wait)) " s."
            }
            Trouble::Busy => "Too many are logging in at the moment. Try again in a second.",
        }
    }
}

/// The form that asks whether the session is to end; with FORBIDDEN it also says that it did not.
pub(crate) fn leave(identifier: &str, token: &str, status: StatusCode) -> Reply {
    let content = html! {
        h1 { "Log out?" }
        @if status == StatusCode::FORBIDDEN {
            p.message.bad role="alert" {
                "Nothing was done: the form did not come from a page of this server, or the page was too old."
            }
        }
        form method="post" action=(END) {
            input type="hidden" name="token" value=(token);
            div.bar {
                button.main { "Log out" }
                a.button href="./" { "Cancel" }
            }
        }
    };
    Reply::page(status, pages::page("Log out", identifier, &content))
}

/// Nobody has logged in by the page.
pub(crate) fn no_session(identifier: &str) -> Reply {
    let content = html! {
        h1 { "Not logged in" }
        p { "There is no session that could be ended. A browser forgets a password that it asked for itself when it is closed." }
        p { a href=(PAGE) { "Log in" } }
    };
    Reply::page(StatusCode::OK, pages::page("Log out", identifier, &content))
}

/// To the first page, now that somebody has logged in.
pub(crate) fn entered() -> Reply {
    reply::to("./")
}

/// To the page to log in at, from a page that is so many steps further down. Where that is, the browser knows: an absolute
/// address would miss the path of a proxy, and have the host that the client named.
pub(crate) fn led_to(depth: usize) -> Reply {
    reply::up(depth, PAGE)
}

/// To the page to log in at.
pub(crate) fn left() -> Reply {
    reply::to(PAGE)
}

/// Refuses a form that is none of ours.
pub(crate) fn check(ask: &Ask) -> Result<(), Reply> {
    if !is_form(ask) {
        return Err(pages::notice::bad_type());
    }
    origin::check(&ask.headers).map_err(|foreign| pages::notice::foreign(&foreign))
}

/// The name and the password of a form; nothing of the address, which ends up in logs.
pub(crate) fn credentials(ask: &Ask) -> Result<(String, String), Reply> {
    check(ask)?;
    let form = Form::of(ask);
    let text = |name| form.posted(name).unwrap_or_default().to_owned();
    Ok((text("user"), text("password")))
}

/// The token of a form.
pub(crate) fn token(ask: &Ask) -> String {
    Form::of(ask).posted("token").unwrap_or_default().to_owned()
}
