//! File name patterns by Python's rules: `*`, `?`, `[...]`, and a leading dot only by an explicit one.

/// Whether a text has any of the special characters.
pub fn is_magic(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Whether a directory entry's name matches; hidden names only match patterns that begin with a dot.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    run(&pattern, &name)
}

/// The usual two cursors: on a mismatch, the last star takes one character more.
fn run(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (pattern, name);
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        match (p.split_first(), n.split_first()) {
            (Some(('*', rest)), _) => {
                retry = Some((rest, n));
                p = rest;
                continue;
            }
            (None, None) => return true,
            (Some((first, _)), Some((c, after))) => {
                if let Some(rest) = one(*first, p, *c) {
                    (p, n) = (rest, after);
                    continue;
                }
            }
            _ => {}
        }
        match retry {
            Some((rest, from)) => match from.split_first() {
                Some((_, from)) => {
                    retry = Some((rest, from));
                    (p, n) = (rest, from);
                }
                None => return false,
            },
            None => return false,
        }
    }
}

/// The pattern after its first element, if that element matches `c`.
fn one(first: char, pattern: &[char], c: char) -> Option<&[char]> {
    let rest = pattern.get(1..)?;
    match first {
        '?' => Some(rest),
        '[' => match set(rest) {
            Some((set, after)) => in_set(set, c).then_some(after),
            None => (c == '[').then_some(rest),
        },
        first => (first == c).then_some(rest),
    }
}

/// Splits `...]rest`; a `]` that comes first belongs to the set.
fn set(pattern: &[char]) -> Option<(&[char], &[char])> {
    let skip = usize::from(pattern.first() == Some(&'!'));
    let skip = skip + usize::from(pattern.get(skip) == Some(&']'));
    let end = skip + pattern.get(skip..)?.iter().position(|c| *c == ']')?;
    Some((pattern.get(..end)?, pattern.get(end + 1..)?))
}

fn in_set(set: &[char], c: char) -> bool {
    let (negated, mut set) = match set.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    loop {
        set = match set {
            [] => return found != negated,
            [low, '-', high, rest @ ..] => {
                found |= (*low..=*high).contains(&c);
                rest
            }
            [only, rest @ ..] => {
                found |= *only == c;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_fnmatch_does() {
        for (pattern, name, yes) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            (".*.conf", ".a.conf", true),
            ("**", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[!]]x", "ax", true),
            ("[ab", "[ab", true),
            ("[a-]", "-", true),
            ("[c-a]", "b", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), yes, "{pattern} {name}");
        }
        assert!(is_magic("a[") && !is_magic("a.conf"));
    }

    #[test]
    fn agrees_with_python_on_thousands_of_pairs() {
        use crate::config::python::{Random, answers};
        let pieces = ["a", "b", "*", "?", "[", "]", "!", "-", "c", "^", "[a-c]", "[!b]"];
        let mut random = Random::new();
        let patterns = random.texts(6_000, 7, &pieces);
        let names = random.texts(6_000, 5, &["a", "b", "c", "-", "[", "]", "!"]);
        let pairs: Vec<String> =
            patterns.iter().zip(&names).map(|(p, n)| format!("{p}\n{n}")).collect();
        let body = "  p,n=t.split('\\n')\n  return str(fnmatch.fnmatchcase(n,p))";
        let Some(theirs) = answers(&pairs, body) else { return };
        for ((pattern, name), theirs) in patterns.iter().zip(&names).zip(theirs) {
            assert_eq!(matches(pattern, name), theirs == "True", "{pattern:?} {name:?}");
        }
    }
}
