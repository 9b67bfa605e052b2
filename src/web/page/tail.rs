//! The end of a log.

use hyper::StatusCode;
use maud::{Markup, html};

use super::super::action;
use super::super::form::{Form, quote};
use super::super::reply::Reply;
use super::super::text::Text;
use super::{Visitor, notice, page_for};
use crate::rpc::caller::Caller;
use crate::rpc::fault::{Code, Fault};
use crate::rpc::guard::Guard;
use crate::rpc::office::Office;
use crate::rpc::xml::Value;

/// The least and the most bytes that are shown. A page of the latter may be six times as large.
const LEAST: u64 = 1 << 10;
const MOST: u64 = 1 << 20;

/// The numbers of bytes that the page offers.
const OFFERED: [(u64, &str); 6] = [
    (1 << 10, "1 KiB"),
    (4 << 10, "4 KiB"),
    (16 << 10, "16 KiB"),
    (64 << 10, "64 KiB"),
    (256 << 10, "256 KiB"),
    (1 << 20, "1 MiB"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

/// What is to be shown.
struct View<'a> {
    process: &'a str,
    stream: Stream,
    limit: u64,
}

impl View<'_> {
    /// Where it is shown.
    fn address(&self) -> String {
        let (process, limit) = (quote(self.process), self.limit);
        let stream = match self.stream {
            Stream::Stdout => "",
            Stream::Stderr => "&stream=stderr",
        };
        format!("tail.html?processname={process}&limit={limit}{stream}")
    }
}

/// The page for these parameters.
pub(in crate::web) async fn answer(
    guard: &Guard<'_, impl Office>,
    visitor: Option<&Visitor>,
    form: &Form,
) -> Reply {
    let office = guard.office();
    let shown = |title: &str, content: &Markup| {
        let identifier = &office.settings().identifier;
        Reply::page(StatusCode::OK, page_for(visitor, title, identifier, content))
    };
    let Some(process) = form.get("processname") else {
        let content = html! { h1 { "Log" } p.nothing { "No process name found" } (back()) };
        return shown("Supervisor tail of process None", &content);
    };
    let stream = match form.get("stream") {
        Some("stderr") => Stream::Stderr,
        _ => Stream::Stdout,
    };
    let view = View { process, stream, limit: limit(form.get("limit")) };
    let log = match read(office, guard.caller(), &view).await {
        Err(fault) if fault.code == Code::ShutdownState.number() => {
            return notice::shutting_down();
        }
        Err(fault) if fault.code == Code::AccessDenied.number() => {
            return notice::denied(visitor, &fault);
        }
        log => log,
    };
    let content = html! {
        h1 { "Log of " bdi { (Text(process)) } }
        (bar(&view))
        (body(&view, &log))
        (back())
    };
    shown(&format!("Supervisor tail of process {process}"), &content)
}

fn back() -> Markup {
    html! { p { a href="./" { "All processes" } } }
}

/// What is no number of bytes, or too small a one, is the least; as in the reference.
fn limit(text: Option<&str>) -> u64 {
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    // More digits than a number can have are more than the most.
    digits.map_or(LEAST, |text| text.parse().unwrap_or(MOST)).clamp(LEAST, MOST)
}

async fn read(office: &impl Office, caller: &Caller, view: &View<'_>) -> Result<Value, Fault> {
    let method = match view.stream {
        Stream::Stdout => "readProcessStdoutLog",
        Stream::Stderr => "readProcessStderrLog",
    };
    let offset = i64::try_from(view.limit).unwrap_or(i64::MAX).saturating_neg();
    let params = vec![Value::from(view.process), Value::Int(offset), Value::Int(0)];
    action::ask(office, caller, method, params).await
}

fn body(view: &View<'_>, log: &Result<Value, Fault>) -> Markup {
    let trouble = match log {
        Ok(log) => {
            let log = log.as_str().unwrap_or_default();
            // A line end right after the tag would be left out.
            return html! {
                div.log tabindex="0" role="region" aria-label="The end of the log" {
                    pre { "\n" (Text(log)) }
                }
            };
        }
        Err(fault) if fault.code == Code::NoFile.number() => {
            format!("No file for {}", view.process)
        }
        Err(fault) => format!("ERROR: unexpected rpc fault [{}] {}", fault.code, fault.text),
    };
    html! { p.nothing { (Text(&trouble)) } }
}

/// Refresh, the streams and the sizes to choose from.
fn bar(view: &View<'_>) -> Markup {
    let at = |stream, limit| View { process: view.process, stream, limit }.address();
    let follow = match view.stream {
        Stream::Stdout => "",
        Stream::Stderr => "/stderr",
    };
    html! {
        nav.bar aria-label="What is shown" {
            a.button href=(view.address()) { "Refresh" }
            span.choice {
                @for (stream, label) in [(Stream::Stdout, "Stdout"), (Stream::Stderr, "Stderr")] {
                    (choice(&at(stream, view.limit), label, stream == view.stream))
                }
            }
            span.choice {
                @for (limit, label) in OFFERED {
                    (choice(&at(view.stream, limit), label, limit == view.limit))
                }
            }
            a href={ "logtail/" (quote(view.process)) (follow) } { "Follow" }
        }
    }
}

fn choice(address: &str, label: &str, chosen: bool) -> Markup {
    html! { a href=(address) aria-current=[chosen.then_some("true")] { (label) } " " }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_reference_s_and_bounded() {
        for (text, expected) in [
            (None, 1024),
            (Some("1"), 1024),
            (Some("1024"), 1024),
            (Some("5000"), 5000),
            (Some("-5000"), 1024),
            (Some("+5000"), 1024),
            (Some("5e9"), 1024),
            (Some("1048577"), 1 << 20),
            (Some("99999999999999999999999999"), 1 << 20),
        ] {
            assert_eq!(limit(text), expected, "{text:?}");
        }
    }
}
