//! `help`: which actions there are and how they are used.

use super::super::session::Session;
use super::super::table::{ACTIONS, Action, find};
use super::super::trouble::Trouble;

/// Widest line of the list, in characters.
const WIDTH: usize = 79;

/// `help [ACTION]`
pub fn run(session: &mut Session, topic: &str) -> Result<(), Trouble> {
    if !topic.is_empty() {
        explain(session, topic);
        if let Some(action) = find(topic).filter(|action| !action.details.is_empty()) {
            lines(action.details).into_iter().for_each(|line| session.say(line));
        }
        return Ok(());
    }
    let header = "default commands (type help <topic>):";
    session.say(format_args!("\n{header}\n{}", "=".repeat(header.len())));
    // The reference leaves the one out that is being used.
    let names = ACTIONS.iter().map(|action| action.name).filter(|name| *name != "help");
    let names: Vec<&str> = names.collect();
    for row in columns(&names) {
        session.say(row);
    }
    session.say("");
    Ok(())
}

/// Says how an action is used.
pub fn explain(session: &Session, topic: &str) {
    let Some(action) = find(topic) else {
        session.say(format_args!("*** No help on {topic}"));
        return;
    };
    for line in usage(action) {
        session.say(line);
    }
}

/// Forms and flags, in two columns.
pub fn usage(action: &Action) -> Vec<String> {
    let forms = action.forms.iter().map(|(form, meaning)| ((*form).to_owned(), *meaning));
    let flags = action.flags.iter().map(|flag| (format!("  {}", flag.form()), flag.help));
    let lines: Vec<(String, &str)> = forms.chain(flags).collect();
    let width = lines.iter().map(|(form, _)| form.len()).max().unwrap_or(0);
    lines.iter().map(|(form, meaning)| format!("{form:width$}  {meaning}")).collect()
}

/// Sentences in lines.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The words in as few rows as fit, down the columns, each column as wide as its longest word.
fn columns(words: &[&str]) -> Vec<String> {
    for rows in 1..words.len() {
        let columns: Vec<&[&str]> = words.chunks(rows).collect();
        let longest = |column: &&[&str]| column.iter().map(|word| word.len()).max().unwrap_or(0);
        let widths: Vec<usize> = columns.iter().map(longest).collect();
        let total = widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
        if total > WIDTH {
            continue;
        }
        let row = |row: usize| {
            let cells = columns.iter().zip(&widths);
            let cells = cells.filter_map(|(column, width)| Some((column.get(row)?, *width)));
            cells.map(|(word, width)| format!("{word:width$}")).collect::<Vec<_>>().join("  ")
        };
        return (0..rows).map(row).collect();
    }
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken() {
        assert_eq!(lines("a b"), ["a b"]);
        let text = "word ".repeat(40);
        let lines = lines(text.trim_end());
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= WIDTH && !line.ends_with(' ')));
        assert_eq!(lines.join(" "), text.trim_end());
    }

    #[test]
    fn the_list_has_the_layout_of_python_cmd() {
        // What the reference prints for its own actions.
        let names = [
            "add", "avail", "clear", "exit", "fg", "maintail", "open", "pid", "quit", "reload",
            "remove", "reread", "restart", "shutdown", "signal", "start", "status", "stop", "tail",
            "update", "version",
        ];
        assert_eq!(
            columns(&names),
            [
                "add    exit      open  reload  restart   start   tail   ",
                "avail  fg        pid   remove  shutdown  status  update ",
                "clear  maintail  quit  reread  signal    stop    version",
            ]
        );
        assert_eq!(columns(&["one"]), ["one"]);
    }
}
