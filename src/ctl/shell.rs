//! The interactive shell: actions, line by line.

use std::io::{self, IsTerminal};

use super::actions::show;
use super::editor::{Input, Terminal};
use super::history::History;
use super::interrupt;
use super::prompt;
use super::session::{Session, status};
use super::trouble::Trouble;

/// Reads actions and carries them out until the person has enough.
pub fn run(mut session: Session, prompt: &str, history: Option<History>) {
    interrupt::end_in_order();
    session.run("status");
    let prompt = format!("{prompt}> ");
    let mut terminal = can_edit().then(|| Terminal::open(history)).flatten();
    while !session.done {
        let input = match &mut terminal {
            Some(terminal) => terminal.line(&prompt, &session.server),
            None => prompt::ask(&prompt).map_or(Input::End, Input::Line),
        };
        match input {
            Input::Line(line) => session.run(&line),
            // The editor has ended the line.
            Input::End if terminal.is_some() => return,
            Input::Interrupt => return,
            Input::End => session.run("quit"),
        }
    }
}

/// Whether there is a terminal that lines can be edited on.
fn can_edit() -> bool {
    let dumb = std::env::var("TERM")
        .is_ok_and(|name| ["dumb", "emacs", "cons25"].contains(&name.as_str()));
    !dumb && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// `quit`, `exit`
pub fn quit(session: &mut Session, _rest: &str) -> Result<(), Trouble> {
    session.say("");
    session.done = true;
    Ok(())
}

/// `open URL`
pub fn open(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let scheme = rest.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https" | "unix")) {
        session.error("ERROR: url must be http:// or unix://", "USAGE");
        session.exit = status::GENERIC;
        return Ok(());
    }
    session.server.turn_to(rest);
    session.tokens_file = None;
    session.warn();
    let before = session.exit;
    let shown = show::status(session, "");
    session.exit = before;
    shown
}
