//! Names of users, roles and labels. They stand in lists, in logs and in requests: what separates or widens there, or
//! cannot be seen, is in none of them.

use super::text::{repr, strip};
use super::values::Read;

const LONGEST: usize = 64;

fn fits(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@')
}

/// The name of a `[user:NAME]` or `[role:NAME]`.
pub fn name(text: &str) -> Read<String> {
    let name = strip(text);
    let bad = name.chars().find(|c| !fits(*c));
    let why = match bad {
        Some(c) => format!("of character {}", repr(&c.to_string())),
        None if name.is_empty() => "it is empty".to_owned(),
        None if name.starts_with(['@', '-']) => "of how it begins".to_owned(),
        None if name.chars().count() > LONGEST => "of its length".to_owned(),
        None => {
            // The decision point has the last word on what names somebody.
            let name = policy::access::user_name(name).map(str::to_owned);
            return name.map_err(|why| format!("Invalid name: {why}"));
        }
    };
    Err(format!(
        "Invalid name: {} because {why}; a name is 1 to {LONGEST} letters, digits and . _ - + @, and begins with \
         neither @ nor -",
        repr(name)
    ))
}

/// `labels=`: a list of labels.
pub fn labels(text: &str) -> Read<Vec<String>> {
    let mut all = Vec::new();
    for text in super::values::strings(text).iter().filter(|text| !text.is_empty()) {
        let label = label(text)?;
        if !all.contains(&label) {
            all.push(label);
        }
    }
    Ok(all)
}

fn label(text: &str) -> Read<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(fits) {
        return Err(format!(
            "Invalid label {}: it is 1 to {LONGEST} of the characters a-z A-Z 0-9 . _ -, with commas between labels",
            repr(text)
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["alice", "o.neil", "bob@example.com", "zoë", "a-b_c+d", "1000", "李"] {
            assert_eq!(name(&format!(" {good} ")).as_deref(), Ok(good));
        }
        let long = "x".repeat(65);
        for bad in [
            "",
            " ",
            "a b",
            "a:b",
            "a/b",
            "a,b",
            "@web",
            "-x",
            "a*",
            "a?",
            "[a]",
            "a(b)",
            "a%b",
            "a\nb",
            "a\tb",
            "anonymous",
            "a\u{0}b",
            "a\u{1b}[0m",
            "a\u{200b}",
            "\u{202e}a",
            "a\u{301}",
            "a\"b",
            "a\\b",
            "a=b",
            "a;b",
            "$a",
            &long,
        ] {
            let error = name(bad).unwrap_err();
            assert!(error.starts_with("Invalid name: "), "{error}");
            assert!(!error.contains(['\n', '\u{1b}', '\u{202e}', '\u{200b}']), "{error:?}");
        }
    }

    #[test]
    fn lists_of_labels() {
        assert_eq!(labels(" a, b-1 ,,a,C.d,"), Ok(vec!["a".into(), "b-1".into(), "C.d".into()]));
        assert_eq!(labels(""), Ok(vec![]));
        for bad in ["a b", "a:b", "@a", "*", "a\nb", "ä", "a/b", "[a]", "a\u{200b}"] {
            assert!(labels(bad).unwrap_err().starts_with("Invalid label "), "{bad}");
        }
    }
}
