//! Pages that say why there is no other one.

use hyper::StatusCode;
use maud::{Markup, html};

use super::super::action::{Action, BadWish};
use super::super::origin::Foreign;
use super::super::reply::Reply;
use super::super::text::Text;
use super::{Visitor, page_for};
use crate::rpc::fault::Fault;

fn notice(status: StatusCode, heading: &str, content: &Markup) -> Reply {
    notice_for(None, status, heading, content)
}

fn notice_for(
    visitor: Option<&Visitor>,
    status: StatusCode,
    heading: &str,
    content: &Markup,
) -> Reply {
    let content = html! {
        h1 { (heading) }
        (content)
        p { a href="./" { "All processes" } }
    };
    Reply::page(status, page_for(visitor, "Supervisor Status", "", &content))
}

/// The daemon is going down.
pub(in crate::web) fn shutting_down() -> Reply {
    let content = html! {
        p { "Supervisor is shutting down. Processes are being stopped, and nothing else can be ordered." }
    };
    notice(StatusCode::SERVICE_UNAVAILABLE, "Shutting down", &content)
}

/// The visitor may not do that: what the fault says.
pub(in crate::web) fn denied(visitor: Option<&Visitor>, fault: &Fault) -> Reply {
    let (_, what) = fault.text.split_once(": ").unwrap_or(("", ""));
    let content = html! {
        @if what.is_empty() || what == "view of daemon" {
            p { "No role of yours allows you anything here." }
        } @else {
            p { "No role of yours allows it: " (Text(what)) "." }
        }
    };
    notice_for(visitor, StatusCode::FORBIDDEN, "Not allowed", &content)
}

/// The parameters say nothing that could be done.
pub(in crate::web) fn bad_wish(bad: &BadWish<'_>) -> Reply {
    let content = html! {
        @match bad {
            BadWish::Unknown(name) => p {
                "There is no action \"" (Text(name)) "\". The parameter " code { "action" } " is one of:"
            },
            BadWish::NoProcess(action) => p {
                "The action \"" (action.name()) "\" needs the parameter " code { "processname" }
                ". All actions:"
            },
        }
        ul {
            @for action in Action::ALL {
                li {
                    code { (action.name()) }
                    @if action.needs_process() { ", with " code { "processname" } }
                }
            }
        }
    };
    notice(StatusCode::BAD_REQUEST, "Nothing was done", &content)
}

/// Somebody else's page asked.
pub(in crate::web) fn foreign(foreign: &Foreign) -> Reply {
    let content = html! {
        @match foreign {
            Foreign::Site => p { "The browser says that another site asked for this." },
            Foreign::Origin { origin, host } => {
                p {
                    "The page that asked for this came from \"" (Text(origin))
                    "\", and this server is \"" (Text(host)) "\"."
                }
                p { "Behind a proxy: have it pass on the Host header of the browser, port included." }
            }
        }
    };
    notice(StatusCode::FORBIDDEN, "Nothing was done", &content)
}

/// The body is not a form's.
pub(in crate::web) fn bad_type() -> Reply {
    let content = html! {
        p { "A request with a body must have the type " code { "application/x-www-form-urlencoded" } "." }
    };
    notice(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Nothing was done", &content)
}
