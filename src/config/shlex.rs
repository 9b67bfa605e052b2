//! Python's `shlex`, in the two ways the reference uses it: POSIX rules for commands, the older rules for
//! `environment`.

/// Splits a command as `shlex.split` does. The error is Python's text.
pub fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    // A word exists from its first character or quote on, so that '' is a word.
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                quoted(&mut chars, c, word)?;
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("No escaped character"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(
    chars: &mut std::str::Chars<'_>,
    quote: char,
    word: &mut String,
) -> Result<(), &'static str> {
    loop {
        match chars.next() {
            None => return Err("No closing quotation"),
            Some(c) if c == quote => return Ok(()),
            Some('\\') if quote == '"' => match chars.next() {
                None => return Err("No escaped character"),
                Some(c @ ('"' | '\\')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
            },
            Some(c) => word.push(c),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_/.+-():".contains(c)
}

/// The tokens of an `environment` value: words, quoted texts with their quotes, and single other characters.
pub fn tokens(text: &str) -> Result<Vec<String>, &'static str> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => flush(&mut tokens, &mut token),
            // A comment does not end the word before it: the next line goes on with it.
            '#' => while chars.next().is_some_and(|c| c != '\n') {},
            c if is_word(c) => token.push(c),
            '\'' | '"' if !token.is_empty() => token.push(c),
            '\'' | '"' => {
                token.push(c);
                loop {
                    let next = chars.next().ok_or("No closing quotation")?;
                    token.push(next);
                    if next == c {
                        break;
                    }
                }
                flush(&mut tokens, &mut token);
            }
            c => {
                flush(&mut tokens, &mut token);
                tokens.push(c.to_string());
            }
        }
    }
    flush(&mut tokens, &mut token);
    Ok(tokens)
}

fn flush(tokens: &mut Vec<String>, token: &mut String) {
    if !token.is_empty() {
        tokens.push(std::mem::take(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_split_by_posix_rules() {
        for (command, words) in [
            ("/bin/cat -u", &["/bin/cat", "-u"][..]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            ("a''b '' \"\"", &["ab", "", ""]),
            (r#"a\ b "c\"d\e" 'f\g'"#, &["a b", "c\"d\\e", "f\\g"]),
            ("a\nb\t c", &["a", "b", "c"]),
            ("a #b", &["a", "#b"]),
            ("  ", &[]),
            ("\u{e9}\u{a0}x", &["\u{e9}\u{a0}x"]),
        ] {
            assert_eq!(split(command).unwrap(), words, "{command}");
        }
        assert_eq!(split("a 'b"), Err("No closing quotation"));
        assert_eq!(split("a \"b"), Err("No closing quotation"));
        assert_eq!(split("a\\"), Err("No escaped character"));
    }

    #[test]
    fn environment_tokens_follow_the_older_rules() {
        for (text, all) in [
            ("A=1,B=2", &["A", "=", "1", ",", "B", "=", "2"][..]),
            ("A=x\"y z\"", &["A", "=", "x\"y", "z\""]),
            ("A=\"a b\"c", &["A", "=", "\"a b\"", "c"]),
            ("A=1#x\nB", &["A", "=", "1B"]),
            ("A=\u{e9}b", &["A", "=", "\u{e9}", "b"]),
            ("#all\nA=1", &["A", "=", "1"]),
            ("A=$HOME", &["A", "=", "$", "HOME"]),
        ] {
            // A quote that no word leads opens a quotation; inside a word it is a plain character.
            assert_eq!(tokens(text).unwrap(), all, "{text}");
        }
        assert_eq!(tokens("A='x"), Err("No closing quotation"));
    }

    #[test]
    fn agrees_with_python_on_thousands_of_texts() {
        use crate::config::python::{Random, answers};
        use crate::config::text::repr;
        let pieces = [
            "a", "B=", "1", "'", "\"", "\\", " ", "\n", "#", ",", ";", "/x", "-", "\u{e9}",
            "\u{a0}", "$", "''", "\t", "(", ":",
        ];
        let texts = Random::new().texts(4_000, 12, &pieces);
        let shown = |words: Result<Vec<String>, &str>| match words {
            Ok(words) => {
                let words: Vec<String> = words.iter().map(|w| repr(w)).collect();
                format!("[{}]", words.join(", "))
            }
            Err(why) => why.to_owned(),
        };
        let body = "  try: return repr(shlex.split(t))\n  except ValueError as e: return str(e)";
        let Some(theirs) = answers(&texts, body) else { return };
        for (text, theirs) in texts.iter().zip(theirs) {
            assert_eq!(shown(split(text)), theirs, "{text:?}");
        }
        let body = "  l=shlex.shlex(t)\n  l.wordchars+='/.+-():'\n  try: return repr(list(l))\n\
             \x20 except ValueError as e: return str(e)";
        let Some(theirs) = answers(&texts, body) else { return };
        for (text, theirs) in texts.iter().zip(theirs) {
            assert_eq!(shown(tokens(text)), theirs, "{text:?}");
        }
    }
}
