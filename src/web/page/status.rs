//! The status page.

use std::collections::BTreeMap;

use hyper::StatusCode;
use maud::{Markup, html};

use super::super::action::{self, Action};
use super::super::form::quote;
use super::super::reply::Reply;
use super::super::text::Text;
use super::{notice, page};
use crate::process::State;
use crate::rpc::office::Office;
use crate::rpc::xml::Value;

/// The page, with the message of the last action and the token for the next one.
pub(in crate::web) async fn answer(
    office: &impl Office,
    message: Option<&str>,
    token: &str,
) -> Reply {
    let all = match action::ask(office, "getAllProcessInfo", Vec::new()).await {
        Ok(all) => all,
        Err(fault) => return notice::fault(&fault),
    };
    let rows = rows(&all);
    let content = html! {
        h1 { "Processes" }
        @if let Some(message) = message {
            p.message.bad[is_bad(message)] role="status" { (Text(message)) }
        }
        form method="post" action="index.html" {
            input type="hidden" name="token" value=(token);
            div.bar {
                a.button href="index.html?action=refresh" { (Action::Refresh.label()) }
                @for action in [Action::RestartAll, Action::StopAll] {
                    button formaction={ "index.html?action=" (action.name()) } { (action.label()) }
                }
                (summary(&rows))
            }
            @if rows.is_empty() {
                p.nothing { "No programs to manage" }
            } @else {
                (table(&rows))
            }
        }
        p.time { "As of " (action::time(office)) }
    };
    let identifier = &office.settings().identifier;
    Reply::page(StatusCode::OK, page("Supervisor Status", identifier, &content))
}

/// Whether a message tells of a failure.
fn is_bad(message: &str) -> bool {
    ["ERROR", "unexpected rpc fault", "No such process"].iter().any(|bad| message.starts_with(bad))
}

/// A process.
struct Row<'a> {
    group: &'a str,
    name: &'a str,
    state: State,
    description: &'a str,
    stdout: bool,
    stderr: bool,
}

impl Row<'_> {
    /// The name that leads to it.
    fn full(&self) -> String {
        match self.group == self.name {
            true => self.name.to_owned(),
            false => format!("{}:{}", self.group, self.name),
        }
    }

    /// What can be ordered of it.
    fn actions(&self) -> &'static [Action] {
        match self.state {
            State::Running => &[Action::Restart, Action::Stop],
            State::Stopped | State::Exited | State::Fatal => &[Action::Start],
            State::Starting | State::Backoff => &[Action::Stop],
            State::Stopping | State::Unknown => &[],
        }
    }
}

/// The processes, by group and name, from the answer of the method.
fn rows(all: &Value) -> Vec<Row<'_>> {
    let Value::Array(all) = all else { return Vec::new() };
    all.iter().filter_map(row).collect()
}

fn row(info: &Value) -> Option<Row<'_>> {
    let text = |name| info.member(name).and_then(Value::as_str);
    let code = info.member("state")?.as_int()?;
    Some(Row {
        group: text("group")?,
        name: text("name")?,
        state: State::ALL.into_iter().find(|state| i64::from(state.code()) == code)?,
        description: text("description")?,
        stdout: !text("stdout_logfile")?.is_empty(),
        stderr: !text("stderr_logfile")?.is_empty(),
    })
}

/// How many there are, and in which states.
fn summary(rows: &[Row<'_>]) -> Markup {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        let count = counts.entry(row.state.name()).or_default();
        *count = count.saturating_add(1);
    }
    html! {
        span.summary {
            @for (at, (state, count)) in counts.into_iter().enumerate() {
                @if at > 0 { ", " }
                (count) " " (state.to_lowercase())
            }
        }
    }
}

fn table(rows: &[Row<'_>]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "State" }
                    th scope="col" { "Description" }
                    th scope="col" { "Name" }
                    th scope="col" { "Action" }
                }
            }
            tbody {
                @for row in rows { (table_row(row)) }
            }
        }
    }
}

fn table_row(row: &Row<'_>) -> Markup {
    let name = row.full();
    let quoted = quote(&name).to_string();
    let name = Text(&name);
    html! {
        tr {
            td.state { span class=(class(row.state)) { (row.state.name().to_lowercase()) } }
            td.description { (Text(row.description)) }
            td.name {
                a href={ "tail.html?processname=" (quoted) } target="_blank" rel="noopener" {
                    bdi { (name) }
                }
            }
            td.action {
                @for action in row.actions().iter().chain(&[Action::ClearLog]) {
                    button formaction={ "index.html?processname=" (quoted) "&action=" (action.name()) }
                        aria-label={ (action.label()) " " (name) } { (action.label()) }
                    " "
                }
                @for (there, stream, label) in
                    [(row.stdout, "", "Tail -f Stdout"), (row.stderr, "/stderr", "Tail -f Stderr")] {
                    @if there {
                        a href={ "logtail/" (quoted) (stream) } target="_blank" rel="noopener"
                            aria-label={ (label) " " (name) } { (label) }
                        " "
                    }
                }
            }
        }
    }
}

fn class(state: State) -> &'static str {
    match state {
        State::Running => "statusrunning",
        State::Fatal | State::Backoff => "statuserror",
        State::Starting | State::Stopping => "statusnominal changing",
        State::Stopped | State::Exited | State::Unknown => "statusnominal",
    }
}
