//! The INI dialect: what Python's RawConfigParser makes of a file under the reference's settings, with line numbers.
//!
//! Comments inside a line follow the rule of Python 3.13: the first `;` or `#` at the start or after white space.
//! Where the older rule gives another value, and where a comment begins inside quotes, a remark is kept.

use std::borrow::Cow;
use std::collections::HashMap;

use super::text::{is_space, repr, strip};

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Position in [`Document::files`].
    pub file: usize,
    /// Line, from 1.
    pub line: usize,
}

/// A value with the place of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text, lines joined by a line feed.
    pub text: String,
    /// Where its key stands.
    pub place: Place,
}

/// One section, merged from all places that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets.
    pub name: String,
    /// Where it first appeared.
    pub place: Place,
    /// Keys in the order in which they first appeared.
    pub keys: Vec<(String, Value)>,
}

impl Section {
    fn get(&self, key: &str) -> Option<&Value> {
        self.keys.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    fn set(&mut self, key: String, value: Value) -> usize {
        match self.keys.iter_mut().enumerate().find(|(_, (k, _))| *k == key) {
            Some((n, (_, old))) => {
                *old = value;
                n
            }
            None => {
                self.keys.push((key, value));
                self.keys.len() - 1
            }
        }
    }
}

/// Something that is read as the rules say, but perhaps not as its writer meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// The inline-comment rules of older and newer Pythons differ on this line.
    Rules,
    /// A comment begins inside quotes.
    Quotes,
}

/// Why a file cannot be read as a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax {
    /// The reference's text.
    pub text: String,
    /// The same without the text of any line.
    pub told: String,
    /// The lines in question.
    pub lines: Vec<usize>,
}

/// All files read so far, merged.
#[derive(Debug, Default, Clone)]
pub struct Document {
    /// Names of the files.
    pub files: Vec<String>,
    /// Sections in order of first appearance, without `[DEFAULT]`.
    pub sections: Vec<Section>,
    /// Oddities.
    pub remarks: Vec<(Place, Remark)>,
    defaults: Vec<(String, Value)>,
    index: HashMap<String, usize>,
}

/// Where keys of the current section go.
#[derive(Clone, Copy)]
enum Target {
    Defaults,
    Section(usize),
}

struct State {
    target: Option<Target>,
    /// Position of the key that continuation lines belong to.
    key: Option<usize>,
    indent: usize,
    bad: Vec<(usize, String)>,
}

impl Document {
    /// Adds a file. Its good lines are merged in even when others are bad.
    pub fn read(&mut self, file: &str, bytes: &[u8]) -> Result<(), Syntax> {
        let text = decode(bytes)?;
        self.files.push(file.to_owned());
        let mut state = State { target: None, key: None, indent: 0, bad: Vec::new() };
        let outcome =
            lines(&text).enumerate().try_for_each(|(n, line)| self.line(&mut state, n + 1, line));
        for (_, value) in
            self.sections.iter_mut().flat_map(|s| &mut s.keys).chain(&mut self.defaults)
        {
            let end = value.text.trim_end_matches(is_space).len();
            value.text.truncate(end);
        }
        outcome?;
        if state.bad.is_empty() {
            return Ok(());
        }
        let mut text = format!("Source contains parsing errors: {}", repr(file));
        let mut told = text.clone();
        for (n, line) in &state.bad {
            text.push_str(&format!("\n\t[line {n:2}]: {}", repr(line)));
            told.push_str(&format!("\n\t[line {n:2}]"));
        }
        Err(Syntax { text, told, lines: state.bad.iter().map(|(n, _)| *n).collect() })
    }

    fn line(&mut self, state: &mut State, n: usize, line: &str) -> Result<(), Syntax> {
        let place = Place { file: self.files.len().saturating_sub(1), line: n };
        let comment = comment_start(line, first_comment);
        let value = strip(line.get(..comment.unwrap_or(line.len())).unwrap_or(line));
        if value.is_empty() {
            if comment.is_none()
                && let Some(text) = self.current(state)
            {
                text.push('\n');
            }
            return Ok(());
        }
        self.remark(place, line, value, comment);
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if indent > state.indent
            && let Some(text) = self.current(state)
        {
            text.push('\n');
            text.push_str(value);
            return Ok(());
        }
        state.indent = indent;
        if let Some(name) = header(value) {
            state.target = Some(self.open(name, place));
            state.key = None;
            return Ok(());
        }
        let Some(target) = state.target else {
            let file = self.files.last().map_or("", String::as_str);
            let told =
                format!("File contains no section headers.\nfile: {}, line: {n}", repr(file));
            return Err(Syntax { text: format!("{told}\n{}", repr(line)), told, lines: vec![n] });
        };
        let Some((key, text)) = value.split_once(['=', ':']) else {
            state.bad.push((n, line.to_owned()));
            return Ok(());
        };
        if strip(key).is_empty() {
            state.bad.push((n, line.to_owned()));
            state.key = None;
            return Ok(());
        }
        let text = strip(text).to_owned();
        state.key = Some(self.set(target, strip(key).to_lowercase(), Value { text, place }));
        Ok(())
    }

    fn remark(&mut self, place: Place, line: &str, value: &str, comment: Option<usize>) {
        if !line.contains([';', '#']) {
            return;
        }
        let old = comment_start(line, lockstep_comment);
        if strip(line.get(..old.unwrap_or(line.len())).unwrap_or(line)) != value {
            self.remarks.push((place, Remark::Rules));
        }
        let rest = comment.and_then(|at| line.get(at..)).unwrap_or("");
        let open = value.chars().fold(None, |open, c| match open {
            None if c == '\'' || c == '"' => Some(c),
            Some(quote) if quote == c => None,
            open => open,
        });
        if open.is_some_and(|quote| rest.contains(quote)) {
            self.remarks.push((place, Remark::Quotes));
        }
    }

    /// The value that continuation lines are added to.
    fn current(&mut self, state: &State) -> Option<&mut String> {
        let keys = match state.target? {
            Target::Defaults => &mut self.defaults,
            Target::Section(n) => &mut self.sections.get_mut(n)?.keys,
        };
        keys.get_mut(state.key?).map(|(_, v)| &mut v.text)
    }

    fn open(&mut self, name: &str, place: Place) -> Target {
        if let Some(n) = self.index.get(name) {
            return Target::Section(*n);
        }
        if name == "DEFAULT" {
            return Target::Defaults;
        }
        self.index.insert(name.to_owned(), self.sections.len());
        self.sections.push(Section { name: name.to_owned(), place, keys: Vec::new() });
        Target::Section(self.sections.len() - 1)
    }

    fn set(&mut self, target: Target, key: String, value: Value) -> usize {
        match target {
            Target::Section(n) => self.sections.get_mut(n).map_or(0, |s| s.set(key, value)),
            Target::Defaults => {
                let mut all = Section {
                    name: String::new(),
                    place: value.place,
                    keys: std::mem::take(&mut self.defaults),
                };
                let n = all.set(key, value);
                self.defaults = all.keys;
                n
            }
        }
    }

    /// Whether there is such a section.
    pub fn has(&self, section: &str) -> bool {
        self.index.contains_key(section)
    }

    /// The section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(*self.index.get(name)?)
    }

    /// A value, from the section or from `[DEFAULT]`.
    pub fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.section(section)?.get(key).or_else(|| {
            let default = self.defaults.iter().find(|(k, _)| k == key);
            default.map(|(_, v)| v)
        })
    }

    /// Name of the file that a place lies in.
    pub fn file(&self, place: Place) -> &str {
        self.files.get(place.file).map_or("", String::as_str)
    }

    /// Writes `here` for each literal `%(here)s`, as the reference does after each file once there is an `[include]`.
    pub fn expand_here(&mut self, here: &str) {
        const HERE: &str = "%(here)s";
        for section in &mut self.sections {
            for (key, value) in &self.defaults {
                if value.text.contains(HERE) && section.get(key).is_none() {
                    section.set(key.clone(), value.clone());
                }
            }
            for (_, value) in &mut section.keys {
                if value.text.contains(HERE) {
                    value.text = value.text.replace(HERE, here);
                }
            }
        }
    }
}

/// The name in a section header: from the first character to the last `]` of the line.
fn header(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('[')?;
    inner.get(..inner.rfind(']')?).filter(|name| !name.is_empty())
}

/// Lines with their line feed; CR LF and CR count as one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Syntax> {
    let syntax = |text: String, at: usize| Syntax {
        told: text.clone(),
        text,
        lines: vec![bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1],
    };
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or(0);
        let (length, why) = match e.error_len() {
            None => (bytes.len() - at, "unexpected end of data"),
            Some(length) if matches!(byte, 0xc2..=0xf4) => (length, "invalid continuation byte"),
            Some(length) => (length, "invalid start byte"),
        };
        let which = match length {
            1 => format!("byte 0x{byte:02x} in position {at}"),
            _ => format!("bytes in position {at}-{}", at + length - 1),
        };
        syntax(format!("'utf-8' codec can't decode {which}: {why}"), at)
    })?;
    // Nothing that a program gets can hold one.
    if let Some(at) = text.find('\0') {
        return Err(syntax(format!("a NUL byte in position {at}"), at));
    }
    if !text.contains('\r') {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")))
}

/// Where the comment of a line starts, if it has one.
fn comment_start(line: &str, inline: fn(&str) -> Option<usize>) -> Option<usize> {
    if strip(line).starts_with(['#', ';']) {
        return Some(0);
    }
    inline(line)
}

fn starts_comment(line: &str, at: usize) -> bool {
    line.get(..at).is_some_and(|before| before.chars().next_back().is_none_or(is_space))
}

/// Python 3.13 and later: the first one that qualifies.
fn first_comment(line: &str) -> Option<usize> {
    line.match_indices([';', '#']).map(|(at, _)| at).find(|at| starts_comment(line, *at))
}

/// Python up to 3.12: the n-th of each, in lockstep.
fn lockstep_comment(line: &str) -> Option<usize> {
    let mut semicolons = line.match_indices(';').map(|(at, _)| at);
    let mut hashes = line.match_indices('#').map(|(at, _)| at);
    loop {
        let (a, b) = (semicolons.next(), hashes.next());
        if a.is_none() && b.is_none() {
            return None;
        }
        let found = a.into_iter().chain(b);
        if let Some(at) = found.filter(|at| starts_comment(line, *at)).min() {
            return Some(at);
        }
    }
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
