//! The `environment` value: `KEY=value` pairs in the reference's token grammar.

use std::collections::BTreeMap;

use super::shlex;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Reads `KEY=val,KEY2="a,b"`. Between pairs any one token is skipped. The error is the reference's text, except that
/// the value, which may hold secrets, is not repeated.
pub fn parse(text: &str) -> Result<Variables, String> {
    let tokens = shlex::tokens(text).map_err(str::to_owned)?;
    let mut variables = Variables::new();
    for pair in tokens.chunks(4) {
        match pair {
            [key, equals, value, ..] if equals == "=" => {
                let value = value.trim_matches(['\'', '"']);
                variables.insert(key.clone(), value.to_owned());
            }
            _ => {
                return Err(
                    "Unexpected end of key/value pairs in value (not shown: it may hold secrets)"
                        .to_owned(),
                );
            }
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_reference_accepts() {
        for (text, pairs) in [
            ("A=\"a,b\",B=c", &[("A", "a,b"), ("B", "c")][..]),
            ("A=1,", &[("A", "1")]),
            ("A=\"1\",\n  B=\"2\"", &[("A", "1"), ("B", "2")]),
            ("A=a b", &[("A", "a")]),
            ("A=~/x", &[("A", "~")]),
            ("A=$HOME", &[("A", "$")]),
            ("A=!x", &[("A", "!")]),
            ("A=1;B=2", &[("A", "1"), ("B", "2")]),
            ("A=\"x\"y", &[("A", "x")]),
            ("A=\"a\\\"b\"", &[("A", "a\\")]),
            ("A=\"'x'\"", &[("A", "x")]),
            ("\"A\"=1", &[("\"A\"", "1")]),
            ("A=\"l1\nl2\"", &[("A", "l1\nl2")]),
            ("A-B=1", &[("A-B", "1")]),
            ("A=http://x/y", &[("A", "http://x/y")]),
            ("A=1:2", &[("A", "1:2")]),
            ("", &[]),
        ] {
            let all: Vec<(String, String)> = parse(text).unwrap().into_iter().collect();
            let expected: Vec<(String, String)> =
                pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(all, expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_the_reference_refuses() {
        for text in ["A=", "A=,B=1", "A=1,,B=2", "A=a=b", "A=a@b", "A=1 B=2", "A", "A=a\\b"] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("Unexpected end of key/value pairs in value"), "{text}");
        }
        assert_eq!(parse("A=\"x"), Err("No closing quotation".to_owned()));
        assert!(!parse("KEY=hunter2,X").unwrap_err().contains("hunter2"));
    }
}
