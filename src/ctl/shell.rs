//! The interactive shell: actions, line by line.

use super::actions::show;
use super::interrupt;
use super::prompt;
use super::session::{Session, status};
use super::trouble::Trouble;

/// Reads actions and carries them out until the person has enough.
pub fn run(mut session: Session, prompt: &str) {
    interrupt::end_in_order();
    session.run("status");
    let prompt = format!("{prompt}> ");
    while !session.done {
        let line = prompt::ask(&prompt);
        match line {
            Some(line) => session.run(&line),
            None => session.run("quit"),
        }
    }
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
    if !matches!(scheme.as_deref(), Some("http" | "unix")) {
        session.say("ERROR: url must be http:// or unix://");
        session.exit = status::GENERIC;
        return Ok(());
    }
    session.server.turn_to(rest);
    let before = session.exit;
    let shown = show::status(session, "");
    session.exit = before;
    shown
}
