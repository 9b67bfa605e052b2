//! Patterns of names: `*`, `?`, `[...]` and `[!...]`, as in a shell but for the backslash, which means itself. What
//! stands for another character never stands for a colon.

use std::collections::{BTreeSet, HashMap};

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    /// What every match begins with.
    prefix: String,
    /// What comes after it.
    rest: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `[...]`: whether it is negated, and its ranges.
    Set(bool, Vec<(char, char)>),
}

impl Glob {
    /// Takes a pattern apart. A bracket that nothing closes means itself.
    pub(super) fn new(pattern: &str) -> Glob {
        let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
        let (prefix, mut left) = pattern.split_at(end);
        let mut rest = Vec::new();
        while let Some(c) = left.chars().next() {
            left = left.get(c.len_utf8()..).unwrap_or_default();
            let piece = match c {
                '*' => Piece::Any,
                '?' => Piece::One,
                '[' => match set(left) {
                    Some((piece, after)) => {
                        left = after;
                        piece
                    }
                    None => Piece::Char('['),
                },
                c => Piece::Char(c),
            };
            rest.push(piece);
        }
        Glob { prefix: prefix.to_owned(), rest }
    }

    /// Whether it matches a name, all of it.
    pub(super) fn matches(&self, name: &str) -> bool {
        name.strip_prefix(&*self.prefix).is_some_and(|name| run(&self.rest, name))
    }
}

/// Values by pattern, found by a name without a look at each.
#[derive(Debug, Default)]
pub(super) struct Globs<T> {
    /// By what matches begin with, then by pattern.
    all: HashMap<String, HashMap<String, (Glob, T)>>,
    /// How long such beginnings are, in bytes.
    lengths: BTreeSet<usize>,
}

impl<T: Default> Globs<T> {
    /// The value of a pattern.
    pub(super) fn entry(&mut self, pattern: &str) -> &mut T {
        let glob = Glob::new(pattern);
        self.lengths.insert(glob.prefix.len());
        let same = self.all.entry(glob.prefix.clone()).or_default();
        &mut same.entry(pattern.to_owned()).or_insert_with(|| (glob, T::default())).1
    }

    /// The values of all patterns that match a name.
    pub(super) fn matching(&self, name: &str) -> impl Iterator<Item = &T> {
        let beginnings = self.lengths.iter().filter_map(|end| name.get(..*end));
        let possible = beginnings.filter_map(|beginning| self.all.get(beginning));
        let possible = possible.flat_map(HashMap::values);
        possible.filter(|(glob, _)| glob.matches(name)).map(|(_, value)| value)
    }
}

/// Two cursors; on a mismatch the last star takes one character more. Never slower than pattern times name.
fn run(pieces: &[Piece], name: &str) -> bool {
    let (mut pieces, mut name) = (pieces, name.chars());
    let mut retry: Option<(&[Piece], std::str::Chars<'_>)> = None;
    loop {
        let mut after = name.clone();
        match (pieces.split_first(), after.next()) {
            (None, None) => return true,
            (Some((Piece::Any, rest)), _) => {
                retry = Some((rest, name.clone()));
                pieces = rest;
                continue;
            }
            (Some((piece, rest)), Some(c)) if piece.takes(c) => {
                (pieces, name) = (rest, after);
                continue;
            }
            _ => {}
        }
        let Some((rest, from)) = &mut retry else {
            return false;
        };
        match from.next() {
            Some(c) if c != ':' => (pieces, name) = (rest, from.clone()),
            _ => return false,
        }
    }
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Piece::Char(own) => *own == c,
            Piece::One => c != ':',
            Piece::Any => false,
            Piece::Set(negated, ranges) => {
                c != ':' && ranges.iter().any(|(a, z)| (*a..=*z).contains(&c)) != *negated
            }
        }
    }
}

/// Splits what follows a bracket into the set and the text after it. A `]` that comes first belongs to the set.
fn set(text: &str) -> Option<(Piece, &str)> {
    let (negated, inner) = match text.strip_prefix('!') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let skip = usize::from(inner.starts_with(']'));
    let end = skip + inner.get(skip..)?.find(']')?;
    let chars: Vec<char> = inner.get(..end)?.chars().collect();
    Some((Piece::Set(negated, ranges(&chars)), inner.get(end + 1..)?))
}

/// `a-z` is a range, and nothing where it runs backwards; a hyphen at either end means itself.
fn ranges(mut chars: &[char]) -> Vec<(char, char)> {
    let mut all = Vec::new();
    loop {
        chars = match chars {
            [] => return all,
            [a, '-', z, rest @ ..] => {
                all.push((*a, *z));
                rest
            }
            [c, rest @ ..] => {
                all.push((*c, *c));
                rest
            }
        }
    }
}

/// What is wrong with a pattern that somebody wrote.
pub(super) fn fault(pattern: &str) -> Option<String> {
    if let Some(c) = pattern.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '/') {
        return Some(format!("no name has {c:?} in it; commas stand between patterns"));
    }
    let glob = Glob::new(pattern);
    for piece in &glob.rest {
        match piece {
            Piece::Char('[') => {
                return Some(
                    "its `[` is never closed; for the character itself write [[]".to_owned(),
                );
            }
            Piece::Set(_, ranges) => {
                if let Some((a, z)) = ranges.iter().find(|(a, z)| a > z) {
                    return Some(format!("the range {a}-{z} runs backwards: write {z}-{a}"));
                }
            }
            _ => {}
        }
    }
    None
}
