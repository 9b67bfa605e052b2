//! Lines from a terminal, with editing, history and completion.

use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::complete::{self, Names};
use super::history::{self, History};
use super::out::complain;
use super::server::Server;

/// What a look for a line came to.
pub enum Input {
    /// A line.
    Line(String),
    /// The end of input.
    End,
    /// Ctrl-C.
    Interrupt,
}

struct Completion(Names);

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..position).unwrap_or(line);
        let (start, words) = complete::complete(line, || self.0.get());
        let pair = |word: String| {
            let space = if word.ends_with("//") { "" } else { " " };
            Pair { replacement: format!("{word}{space}"), display: word }
        };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

/// A terminal that lines are read from.
pub struct Terminal {
    editor: Editor<Completion, MemHistory>,
    file: Option<History>,
}

impl Terminal {
    /// The terminal of this program; `None` where it cannot be used. A history that cannot be read is told of.
    pub fn open(file: Option<History>) -> Option<Terminal> {
        let config = Config::builder().completion_type(CompletionType::List).build();
        let mut editor = Editor::with_history(config, MemHistory::new()).ok()?;
        editor.set_max_history_size(history::LINES).ok()?;
        let lines = match file.as_ref().map(History::load) {
            None => Ok(Vec::new()),
            Some(lines) => lines,
        };
        match lines {
            Ok(lines) => {
                for line in &lines {
                    editor.add_history_entry(line.as_str()).ok()?;
                }
                Some(Terminal { editor, file })
            }
            Err(error) => {
                complain(
                    &format!("The history cannot be read, this shell has none: {error}"),
                    false,
                );
                Some(Terminal { editor, file: None })
            }
        }
    }

    /// Reads a line and remembers it. Names for completion come from `server`.
    pub fn line(&mut self, prompt: &str, server: &Server) -> Input {
        self.editor.set_helper(Some(Completion(Names::new(server.again()))));
        match self.editor.readline(prompt) {
            Ok(line) => {
                self.remember(&line);
                Input::Line(line)
            }
            Err(ReadlineError::Interrupted) => Input::Interrupt,
            Err(_) => Input::End,
        }
    }

    fn remember(&mut self, line: &str) {
        let added = !line.trim().is_empty() && self.editor.add_history_entry(line).unwrap_or(false);
        if !added {
            return;
        }
        let Some(file) = &self.file else { return };
        if let Err(error) = file.add(line) {
            let why = format!("The history cannot be written, this shell alone has it: {error}");
            complain(&why, false);
            self.file = None;
        }
    }
}
