//! Patterns of names: `*`, `?`, `[...]` and `[!...]`, as in a shell but for the backslash, which means itself. What
//! stands for another character never stands for a colon.

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

    /// The one name that it matches, where it is a plain name.
    pub(super) fn literal(&self) -> Option<&str> {
        self.rest.is_empty().then_some(&self.prefix)
    }

    /// Whether it matches a name, all of it.
    pub(super) fn matches(&self, name: &str) -> bool {
        name.strip_prefix(&*self.prefix).is_some_and(|name| run(&self.rest, name))
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
