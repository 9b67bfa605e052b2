//! The form that asks whether something is meant: for links that order, and forms that were too old.

use hyper::StatusCode;
use maud::html;

use super::super::action::{Action, Wish};
use super::super::form::quote;
use super::super::reply::Reply;
use super::super::text::Text;
use super::{Visitor, page_for};
use crate::rpc::guard::Guard;
use crate::rpc::office::Office;

/// The page about a wish; with FORBIDDEN it also says that nothing was done.
pub(in crate::web) fn answer(
    guard: &Guard<'_, impl Office>,
    wish: &Wish<'_>,
    token: &str,
    status: StatusCode,
) -> Reply {
    let address = match wish.action.needs_process() {
        true => {
            format!("index.html?processname={}&action={}", quote(wish.process), wish.action.name())
        }
        false => format!("index.html?action={}", wish.action.name()),
    };
    let content = html! {
        h1 { (wish.action.label()) " " bdi { (Text(wish.process)) } "?" }
        @if status == StatusCode::FORBIDDEN {
            p.message.bad role="alert" {
                "Nothing was done: the form did not come from a page of this server, or the page was too old."
            }
        }
        p { (explanation(wish.action)) }
        form method="post" action=(address) {
            input type="hidden" name="token" value=(token);
            div.bar {
                button.main { (wish.action.label()) }
                a.button href="./" { "Cancel" }
            }
        }
    };
    let (visitor, settings) = (Visitor::of(guard, token), guard.office().settings());
    let page = page_for(visitor.as_ref(), "Supervisor Status", &settings.identifier, &content);
    Reply::page(status, page)
}

const fn explanation(action: Action) -> &'static str {
    match action {
        Action::Refresh => "The page is shown as it is now.",
        Action::RestartAll => "All processes are stopped, then all are started.",
        Action::StopAll => "All processes are stopped.",
        Action::Start => "The process is started.",
        Action::Stop => "The process is stopped and does not start again by itself.",
        Action::Restart => "The process is stopped, then started.",
        Action::ClearLog => "The logs of the process are emptied.",
    }
}
