//! The status page.

use std::collections::BTreeMap;

use hyper::StatusCode;
use maud::{Markup, html};
use policy::access::Action as Right;

use super::super::action::{self, Action};
use super::super::form::quote;
use super::super::reply::Reply;
use super::super::text::Text;
use super::{Visitor, notice, page_for};
use crate::config::settings::{Process, Settings};
use crate::process::describe::Describer;
use crate::process::{Heart, State};
use crate::rpc::guard::Guard;
use crate::rpc::names;
use crate::rpc::office::Office;

/// The page, with the message of the last action and the token for the next one.
pub(in crate::web) fn answer(
    guard: &Guard<'_, impl Office>,
    message: Option<&str>,
    token: &str,
) -> Reply {
    let office = guard.office();
    let settings = office.settings();
    let rows =
        office.heart(|heart| (!heart.shutting_down()).then(|| rows(guard, &settings, heart)));
    let Some(rows) = rows else { return notice::shutting_down() };
    let content = html! {
        h1 { "Processes" }
        @if let Some(message) = message {
            p.message.bad[is_bad(message)] role="status" { (Text(message)) }
        }
        form method="post" action="index.html" {
            input type="hidden" name="token" value=(token);
            div.bar {
                a.button href="index.html?action=refresh" { (Action::Refresh.label()) }
                @for action in offered(guard, &rows) {
                    button formaction={ "index.html?action=" (action.name()) } { (action.label()) }
                }
                (summary(&rows))
            }
            @if rows.is_empty() {
                p.nothing {
                    @if guard.is_open() { "No programs to manage" } @else { "No programs that you may see" }
                }
            } @else {
                (table(&rows))
            }
        }
        p.time { "As of " (action::time(office)) }
    };
    let visitor = Visitor::of(guard, token);
    let page = page_for(visitor.as_ref(), "Supervisor Status", &settings.identifier, &content);
    Reply::page(StatusCode::OK, page)
}

/// What can be ordered of all processes: what the visitor may do to each that is shown.
fn offered(guard: &Guard<'_, impl Office>, rows: &[Row<'_>]) -> Vec<Action> {
    let of_all = |action: &Action| {
        let may = |row: &Row<'_>| row.rights.contains(action);
        guard.is_open() || (!rows.is_empty() && rows.iter().all(may))
    };
    [Action::RestartAll, Action::StopAll].into_iter().filter(of_all).collect()
}

/// Whether a message tells of a failure.
fn is_bad(message: &str) -> bool {
    ["ERROR", "unexpected rpc fault", "No such process"].iter().any(|bad| message.starts_with(bad))
}

/// A process.
struct Row<'a> {
    process: &'a Process,
    state: State,
    description: String,
    /// What the visitor may order of it, in whatever state it is.
    rights: Vec<Action>,
    /// Whether the visitor may read its logs.
    readable: bool,
}

impl Row<'_> {
    /// The name that leads to it.
    fn name(&self) -> String {
        names::short(&self.process.group, &self.process.name)
    }

    /// What can be ordered of it.
    fn actions(&self) -> impl Iterator<Item = Action> {
        let actions: &[Action] = match self.state {
            State::Running => &[Action::Restart, Action::Stop, Action::ClearLog],
            // Who may restart it and not start it has no other way to get it up again.
            State::Stopped | State::Exited | State::Fatal
                if !self.rights.contains(&Action::Start) =>
            {
                &[Action::Restart, Action::ClearLog]
            }
            State::Stopped | State::Exited | State::Fatal => &[Action::Start, Action::ClearLog],
            State::Starting | State::Backoff => &[Action::Stop, Action::ClearLog],
            State::Stopping | State::Unknown => &[Action::ClearLog],
        };
        actions.iter().copied().filter(|action| self.rights.contains(action))
    }

    /// Its logs, if they may be read: what follows its name in the address of each, and the label.
    fn logs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let stdout = self.process.stdout.log.map(|_| ("", "Tail -f Stdout"));
        let stderr = self.process.stderr.log.map(|_| ("/stderr", "Tail -f Stderr"));
        stdout.into_iter().chain(stderr).filter(|_| self.readable)
    }
}

/// The processes that the visitor may see, by group and name.
fn rows<'a>(guard: &Guard<'_, impl Office>, settings: &'a Settings, heart: &Heart) -> Vec<Row<'a>> {
    let office = guard.office();
    let now = office.now();
    let mut describer = Describer::new(office.zone());
    let row = |(slot, process): (&u32, &'a Process)| {
        if !guard.sees(*slot, process) {
            return None;
        }
        let info = heart.info(*slot, now)?;
        let description = describer.describe(&process.name, &info).to_owned();
        let may = |action: &Action| action.right().is_none_or(|r| guard.may(r, *slot, process));
        let rights = Action::ALL.into_iter().filter(may).collect();
        let readable = guard.may(Right::Log, *slot, process);
        Some(Row { process, state: info.state, description, rights, readable })
    };
    let mut rows: Vec<Row<'_>> = settings.processes.iter().filter_map(row).collect();
    rows.sort_unstable_by_key(|row| (&row.process.group, &row.process.name));
    rows
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
    let name = row.name();
    let quoted = quote(&name).to_string();
    let name = Text(&name);
    html! {
        tr {
            td.state { span class=(class(row.state)) { (row.state.name().to_lowercase()) } }
            td.description { (Text(&row.description)) }
            td.name {
                @if row.readable {
                    a href={ "tail.html?processname=" (quoted) } target="_blank" rel="noopener" {
                        bdi { (name) }
                    }
                } @else {
                    bdi { (name) }
                }
            }
            td.action {
                div {
                    span {
                        @for action in row.actions() {
                            button formaction={ "index.html?processname=" (quoted) "&action=" (action.name()) }
                                aria-label={ (action.label()) " " (name) } { (action.label()) }
                            " "
                        }
                    }
                    span {
                        @for (stream, label) in row.logs() {
                            a href={ "logtail/" (quoted) (stream) } target="_blank" rel="noopener"
                                aria-label={ (label) " " (name) } { (label) }
                            " "
                        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::world::{program, stream};

    fn process(group: &str, name: &str, log: Option<u32>) -> Process {
        Process { group: group.to_owned(), stdout: stream(log), ..program(name) }
    }

    fn row<'a>(process: &'a Process, state: State, description: &str) -> Row<'a> {
        let rights = Action::ALL.to_vec();
        Row { process, state, description: description.to_owned(), rights, readable: true }
    }

    #[test]
    fn each_state_has_its_actions() {
        let process = process("g", "p", None);
        for state in State::ALL {
            let page = table(&[row(&process, state, "")]).into_string();
            let offered: Vec<&str> = Action::ALL
                .into_iter()
                .map(Action::label)
                .filter(|label| page.contains(&format!(">{label}</button>")))
                .collect();
            let expected: &[&str] = match state {
                State::Running => &["Stop", "Restart", "Clear Log"],
                State::Stopped | State::Exited | State::Fatal => &["Start", "Clear Log"],
                State::Starting | State::Backoff => &["Stop", "Clear Log"],
                State::Stopping | State::Unknown => &["Clear Log"],
            };
            assert_eq!(offered, expected, "{state:?}");
            assert!(page.contains(&format!(">{}</span>", state.name().to_lowercase())), "{page}");
        }
    }

    #[test]
    fn names_lead_to_their_processes() {
        let plain = process("a", "a", Some(1));
        let odd = process("g", "p\"<&'", None);
        let rows = [row(&plain, State::Running, "pid 1"), row(&odd, State::Stopped, "<i>")];
        let page = table(&rows).into_string();
        for part in [
            "tail.html?processname=a\"",
            "index.html?processname=a&amp;action=stop\"",
            "href=\"logtail/a\"",
            "tail.html?processname=g%3Ap%22%3C%26%27\"",
            "<bdi>g:p&quot;&lt;&amp;&#39;</bdi>",
            "aria-label=\"Start g:p&quot;&lt;&amp;&#39;\"",
            "&lt;i&gt;",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(page.matches("logtail/").count(), 1, "no link to a log that is none: {page}");
    }

    #[test]
    fn states_are_counted() {
        let process = process("g", "p", None);
        let rows =
            [State::Running, State::Fatal, State::Running].map(|state| row(&process, state, ""));
        let text = summary(&rows).into_string();
        assert_eq!(text, "<span class=\"summary\">1 fatal, 2 running</span>");
    }
}
