//! One reading of the configuration: what every section's code needs.

use std::collections::HashMap;

use super::errors::Problems;
use super::expand::{Names, expand};
use super::facts::Facts;
use super::host::{self, Account, Host, Kind, Who};
use super::ini::{Document, Place};
use super::keys;
use super::path;
use super::principals;
use super::text::{repr, strip};
use super::trace::Trace;
use super::values::Read;

/// A reading under way.
pub struct Reading<'h> {
    /// The machine.
    pub host: &'h mut dyn Host,
    /// The surroundings.
    pub facts: &'h Facts,
    /// What was wrong so far.
    pub problems: Problems,
    /// The merged files.
    pub doc: Document,
    /// The main file as the caller named it.
    pub config: String,
    /// Its directory, absolute.
    pub here: String,
    /// What was read so far, for those who ask where it came from.
    pub trace: Trace,
}

/// Where values are read: a section, the names that its values may use, and what the reference appends to its errors.
#[derive(Clone, Copy)]
pub struct Scope<'s> {
    /// The section.
    pub section: &'s str,
    /// Names for expansions.
    pub names: &'s Names<'s>,
    /// Appended to error texts.
    pub suffix: &'s str,
}

impl<'s> Scope<'s> {
    /// A scope without a suffix.
    pub fn plain(section: &'s str, names: &'s Names<'s>) -> Self {
        Scope { section, names, suffix: "" }
    }
}

/// Whether a value must not be shown.
fn is_secret(key: &str) -> bool {
    matches!(key, "environment" | "username" | "password")
}

impl Reading<'_> {
    /// The raw text of a value.
    pub fn raw(&self, section: &str, key: &str) -> Option<String> {
        self.doc.get(section, key).map(|v| v.text.clone())
    }

    /// The expanded text of a value; an expansion that fails is reported and gives nothing.
    pub fn text(&mut self, scope: Scope<'_>, key: &str) -> Option<String> {
        self.get(scope, key, |_, text| Ok(text.to_owned()))
    }

    /// A value: expanded, then read by `read`. What fails is reported and gives nothing.
    pub fn get<T>(
        &mut self,
        scope: Scope<'_>,
        key: &str,
        read: impl FnOnce(&mut Self, &str) -> Read<T>,
    ) -> Option<T> {
        let raw = self.raw(scope.section, key)?;
        let label = format!("{}.{key}", scope.section);
        let value = expand(&raw, scope.names, &label, is_secret(key));
        if let Ok(text) = &value {
            self.trace.value(scope.section, key, text);
        }
        let value = value.and_then(|text| read(self, &text));
        self.check(scope, key, value)
    }

    /// Keeps what the default of a key came to, for those who ask.
    pub fn defaulted(&mut self, section: &str, key: &str, value: &str) {
        if self.doc.get(section, key).is_none() {
            self.trace.value(section, key, value);
        }
    }

    /// As [`Reading::get`], by a reader that needs nothing but the text.
    pub fn plain<T>(
        &mut self,
        scope: Scope<'_>,
        key: &str,
        read: impl FnOnce(&str) -> Read<T>,
    ) -> Option<T> {
        self.get(scope, key, |_, text| read(text))
    }

    /// Reports what failed.
    pub fn check<T>(&mut self, scope: Scope<'_>, key: &str, value: Read<T>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(text) => {
                let details = vec![self.locate(scope.section, key)];
                self.problems.refuse(text, scope.suffix, details);
                None
            }
        }
    }

    /// `FILE:LINE: [section] key`.
    pub fn locate(&self, section: &str, key: &str) -> String {
        if key.is_empty() {
            return self.locate_section(section);
        }
        let place = self
            .doc
            .get(section, key)
            .map(|v| v.place)
            .or_else(|| self.doc.section(section).map(|s| s.place));
        match place {
            Some(place) => format!("{}: [{section}] {key}", self.place(place)),
            None => format!("{}: [{section}] {key}", self.config),
        }
    }

    /// `FILE:LINE: [section]`.
    pub fn locate_section(&self, section: &str) -> String {
        match self.doc.section(section) {
            Some(s) => format!("{}: [{section}]", self.place(s.place)),
            None => format!("{}: [{section}]", self.config),
        }
    }

    /// `FILE:LINE`.
    pub fn place(&self, place: Place) -> String {
        format!("{}:{}", self.doc.file(place), place.line)
    }

    /// The file in which a section first appeared, as the reference names it.
    fn section_file(&self, section: &str) -> String {
        self.doc
            .section(section)
            .map_or_else(|| self.config.clone(), |s| self.doc.file(s.place).to_owned())
    }

    /// What the reference appends to errors about a program: ` in section 'program:x' (file: 'FILE')`.
    pub fn in_section(&self, section: &str) -> String {
        format!(" in section {} (file: {})", repr(section), repr(&self.section_file(section)))
    }

    /// Warns about keys that mean nothing here.
    pub fn unknown_keys(&mut self, section: &str) {
        for (key, hint) in self.strange_keys(section) {
            let place = self.locate(section, &key);
            self.problems.advice(format!("{place} is not known and has no effect{hint}"));
        }
    }

    /// Keys that mean nothing in a section, each with what may have been meant.
    fn strange_keys(&self, section: &str) -> Vec<(String, String)> {
        let (Some(found), Some(kind)) = (self.doc.section(section), keys::section(section)) else {
            return Vec::new();
        };
        let unknown = found.keys.iter().filter(|(key, _)| !kind.all().any(|k| k.name == key));
        unknown
            .map(|(key, _)| {
                let hint = keys::near_key(kind, key);
                (key.clone(), hint.map_or(String::new(), |k| format!("; did you mean {k}?")))
            })
            .collect()
    }

    /// Of what says who may do what nothing is passed over, and nothing replaced by another file: keys that mean nothing
    /// are errors, and so is a section that two files have.
    pub fn strictly(&mut self, section: &str) {
        let found = self.doc.section(section);
        let other = found.and_then(|found| {
            found.keys.iter().find(|(_, value)| value.place.file != found.place.file)
        });
        if let Some((key, _)) = other.cloned() {
            let details = vec![self.locate_section(section), self.locate(section, &key)];
            let text = format!("[{section}] stands in two files; give one of them another name");
            self.problems.error(text, details);
        }
        for (key, hint) in self.strange_keys(section) {
            let text = format!("[{section}] {key} is not known{hint}");
            let details = vec![self.locate(section, &key)];
            self.problems.error(text, details);
        }
    }

    /// Names of all sections that begin so.
    pub fn sections(&self, kind: &str) -> Vec<String> {
        let all = self.doc.sections.iter().map(|s| &s.name);
        all.filter(|name| name.starts_with(kind)).cloned().collect()
    }

    /// The name after the colon of a section of a user or role.
    pub fn principal(&mut self, scope: Scope<'_>) -> Option<String> {
        let (_, text) = scope.section.split_once(':')?;
        let name = principals::name(text);
        self.check(scope, "", name)
    }

    /// A name that two sections have is an error. `all` has names and their sections.
    pub fn twice<'n>(&mut self, what: &str, all: impl Iterator<Item = (&'n str, &'n str)>) {
        let mut seen: HashMap<&str, &str> = HashMap::new();
        for (name, section) in all {
            if let Some(other) = seen.insert(name, section) {
                let details = vec![self.locate_section(other), self.locate_section(section)];
                self.problems.error(
                    format!("there are two sections of the {what} {name}; keep one"),
                    details,
                );
            }
        }
    }

    /// `~` and `~user` at the front become the home directory.
    pub fn expand_user(&mut self, path: &str) -> String {
        let Some(rest) = path.strip_prefix('~') else {
            return path.to_owned();
        };
        let (name, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let home = match name {
            "" => self.facts.variable("HOME").or_else(|| {
                let me = Who::Id(self.facts.start.uid);
                self.host.account(&me).map(|a| a.home)
            }),
            name => self.host.account(&Who::Name(name.to_owned())).map(|a| a.home),
        };
        match home {
            None => path.to_owned(),
            Some(home) => match format!("{}{tail}", home.trim_end_matches('/')) {
                all if all.is_empty() => "/".to_owned(),
                all => all,
            },
        }
    }

    /// `~` expanded, absolute, normalised.
    pub fn normal_path(&mut self, path: &str) -> String {
        let path = self.expand_user(path);
        path::absolute(&self.facts.cwd, &path)
    }

    /// The path of a file that is to be read, absolute.
    pub fn named_path(&mut self, path: &str) -> Read<String> {
        match strip(path) {
            "" => Err("the path is empty".to_owned()),
            path => Ok(self.normal_path(path)),
        }
    }

    /// Whether a path is a directory, as far as the resolver can see: what it cannot see, the spawner will.
    fn is_directory(&mut self, path: &str) -> bool {
        let all = path::join(&self.facts.cwd, path);
        matches!(self.host.kind(&all), Kind::Directory | Kind::Hidden)
    }

    /// A directory that must be there.
    pub fn existing_directory(&mut self, text: &str) -> Read<String> {
        let path = self.expand_user(text);
        // Joined to the current directory, an empty path would be that.
        if !path.is_empty() && self.is_directory(&path) {
            Ok(path)
        } else {
            Err(format!("{text} is not an existing directory"))
        }
    }

    /// A path whose directory must be there.
    pub fn existing_parent(&mut self, text: &str) -> Read<String> {
        let path = self.expand_user(text);
        let parent = path::dirname(&path).to_owned();
        if parent.is_empty() || self.is_directory(&parent) {
            Ok(path)
        } else {
            Err(format!("The directory named as part of the path {text} does not exist"))
        }
    }

    /// Who to become: a user by name or number, perhaps with a group.
    pub fn user(&mut self, text: &str) -> Read<Account> {
        host::account(self.host, text)
    }

    /// An owner for a file, as ids.
    pub fn owner(&mut self, text: &str) -> Read<(u32, Option<u32>)> {
        host::owner(self.host, text)
    }
}
