//! What is printed and how: lines for people, or one JSON document for programs.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use super::escape;
use crate::config::json::Json;

/// The version of the documents. It grows when something that was there changes or goes.
const SCHEMA: i64 = 1;

/// When words are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless the environment has `NO_COLOR`.
    #[default]
    Auto,
    /// Into files and pipes, too.
    Always,
    /// Not at all.
    Never,
}

impl Color {
    /// `auto`, `always` or `never`.
    pub fn parse(word: &str) -> Option<Color> {
        match word {
            "auto" => Some(Color::Auto),
            "always" => Some(Color::Always),
            "never" => Some(Color::Never),
            _ => None,
        }
    }
}

/// How the user wants to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// As JSON.
    pub json: bool,
    /// With control characters as they are, on a terminal, too.
    pub raw: bool,
    /// With colour.
    pub color: Color,
}

/// Something that is wrong, for a document.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// A word that programs can compare.
    pub code: &'a str,
    /// What people read.
    pub message: &'a str,
    /// The process or group that it is about.
    pub name: Option<&'a str>,
}

#[derive(Debug, Default)]
struct Document {
    results: Vec<Json>,
    errors: Vec<Json>,
    messages: Vec<Json>,
}

/// Standard output.
#[derive(Debug)]
pub struct Out {
    settings: Settings,
    terminal: bool,
    coloured: bool,
    document: RefCell<Document>,
}

impl Out {
    /// Output as the settings, the terminal and the environment want it.
    pub fn new(settings: Settings) -> Out {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Out::on(settings, io::stdout().is_terminal(), plain)
    }

    fn on(settings: Settings, terminal: bool, plain: bool) -> Out {
        let coloured = match settings.color {
            Color::Auto => terminal && !plain,
            Color::Always => true,
            Color::Never => false,
        };
        Out { settings, terminal, coloured, document: RefCell::default() }
    }

    /// Whether a document is printed instead of lines.
    pub fn json(&self) -> bool {
        self.settings.json
    }

    /// Whether control characters are sent as they are, wherever to.
    pub fn raw(&self) -> bool {
        self.settings.raw
    }

    /// Whether control characters are shown instead of sent.
    pub fn cleans(&self) -> bool {
        self.terminal && !self.settings.raw
    }

    /// The text as it may be sent.
    pub fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.cleans() { escape::clean(text) } else { Cow::Borrowed(text) }
    }

    /// A line; where there is a document, one of its messages.
    pub fn line(&self, text: &str) {
        if self.settings.json {
            self.document.borrow_mut().messages.push(Json::text(text));
        } else {
            self.print(&format!("{}\n", self.clean(text)));
        }
    }

    /// Sends text that was cleaned already. A reader that has left is no error of the action.
    pub fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Something that was asked for or done: a line, or an item of the document.
    pub fn result(&self, line: &str, item: impl FnOnce() -> Json) {
        if self.settings.json { self.item(item()) } else { self.line(line) }
    }

    /// The same for text of which each line has its end.
    pub fn result_text(&self, text: &str, item: impl FnOnce() -> Json) {
        if self.settings.json { self.item(item()) } else { self.print(&self.clean(text)) }
    }

    /// An item of the document.
    pub fn item(&self, item: Json) {
        self.document.borrow_mut().results.push(item);
    }

    /// Something that is wrong: a line, or an error of the document.
    pub fn error(&self, line: &str, problem: Problem<'_>) {
        if !self.settings.json {
            return self.line(line);
        }
        let mut members = vec![
            ("code".to_owned(), Json::text(problem.code)),
            ("message".to_owned(), Json::text(problem.message)),
        ];
        members.extend(problem.name.map(|name| ("name".to_owned(), Json::text(name))));
        self.document.borrow_mut().errors.push(Json::Object(members));
    }

    /// Prints the document of an action, on one line where others went before it; nothing where lines were printed.
    pub fn finish(&self, action: &str, exit: u8, one_line: bool) {
        if !self.settings.json {
            return;
        }
        let document = self.document.take();
        let document = Json::object([
            ("schema", Json::Int(SCHEMA)),
            ("action", Json::text(action)),
            ("exit", Json::Int(i64::from(exit))),
            ("results", Json::List(document.results)),
            ("errors", Json::List(document.errors)),
            ("messages", Json::List(document.messages)),
        ]);
        let text = if one_line { document.compact() } else { document.to_string() };
        self.print(&format!("{text}\n"));
    }

    /// The name of a state in the colour that it has, in a field of this width.
    pub fn state(&self, name: &str, width: usize) -> String {
        let padded = format!("{:width$}", self.clean(name));
        let color = match name {
            "RUNNING" => 32,
            "STARTING" | "BACKOFF" | "STOPPING" => 33,
            "FATAL" | "UNKNOWN" => 31,
            "EXITED" => 35,
            _ => return padded,
        };
        if !self.coloured {
            return padded;
        }
        // The spaces stay outside: a coloured background would show them.
        let (word, spaces) = padded.split_at(padded.trim_end().len());
        format!("\x1b[{color}m{word}\x1b[0m{spaces}")
    }
}

/// Prints a line on standard error: to a terminal without control characters, unless they are wanted.
pub fn complain(line: &str, raw: bool) {
    let mut error = io::stderr().lock();
    let cleans = error.is_terminal() && !raw;
    let _ = complain_to(&mut error, line, cleans);
}

fn complain_to(to: &mut impl Write, line: &str, cleans: bool) -> io::Result<()> {
    let line = if cleans { escape::clean(line) } else { Cow::Borrowed(line) };
    to.write_all(format!("{line}\n").as_bytes())
}

/// Prints the document of a call that was wrong before an action could begin; `text` is what standard error tells.
pub fn refuse(text: &str, exit: u8) {
    let out = Out::on(Settings { json: true, ..Settings::default() }, false, true);
    let lines = text.lines().filter_map(|line| line.strip_prefix("Error: "));
    for message in lines {
        out.error("", Problem { code: "USAGE", message, name: None });
    }
    out.finish("", exit, false);
}

/// A line of a log that is followed, as a document on a line of its own.
pub fn followed(action: &str, name: &str, channel: &str, line: &str) -> String {
    let document = Json::object([
        ("schema", Json::Int(SCHEMA)),
        ("action", Json::text(action)),
        ("name", Json::text(name)),
        ("channel", Json::text(channel)),
        ("line", Json::text(line)),
    ]);
    format!("{}\n", document.compact())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(json: bool, raw: bool, color: Color, terminal: bool, plain: bool) -> Out {
        Out::on(Settings { json, raw, color }, terminal, plain)
    }

    #[test]
    fn colour_is_for_terminals() {
        let shown =
            |color, terminal, plain| out(false, false, color, terminal, plain).state("RUNNING", 10);
        let green = "\x1b[32mRUNNING\x1b[0m   ";
        assert_eq!(shown(Color::Auto, true, false), green);
        assert_eq!(shown(Color::Auto, true, true), "RUNNING   ");
        assert_eq!(shown(Color::Auto, false, false), "RUNNING   ");
        assert_eq!(shown(Color::Always, false, true), green);
        assert_eq!(shown(Color::Never, true, false), "RUNNING   ");
        assert_eq!(
            out(false, false, Color::Always, true, false).state("STOPPED", 10),
            "STOPPED   "
        );
    }

    #[test]
    fn terminals_get_no_commands() {
        let clean = |raw, terminal| {
            out(false, raw, Color::Auto, terminal, false).clean("\x1b[1m").into_owned()
        };
        assert_eq!(clean(false, true), "\\x1b[1m");
        assert_eq!(clean(true, true), "\x1b[1m");
        assert_eq!(clean(false, false), "\x1b[1m");
    }

    #[test]
    fn standard_error_gets_none_either() {
        let complained = |cleans| {
            let mut to = Vec::new();
            complain_to(&mut to, "a\x1b[1m\nb", cleans).unwrap();
            String::from_utf8(to).unwrap()
        };
        assert_eq!(complained(true), "a\\x1b[1m\nb\n");
        assert_eq!(complained(false), "a\x1b[1m\nb\n");
    }
}
