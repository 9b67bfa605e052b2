//! JSON, written only.

use std::fmt::{self, Write};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in this order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A string.
    pub fn text(text: impl Into<String>) -> Json {
        Json::Text(text.into())
    }

    /// An array.
    pub fn list(items: impl IntoIterator<Item = Json>) -> Json {
        Json::List(items.into_iter().collect())
    }

    /// An object.
    pub fn object<'k>(members: impl IntoIterator<Item = (&'k str, Json)>) -> Json {
        Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The value on one line, without spaces.
    pub fn compact(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_compact(&mut text);
        text
    }

    fn write_compact(&self, to: &mut String) -> fmt::Result {
        let separate = |to: &mut String, n: usize| {
            if n > 0 {
                to.push(',')
            }
        };
        match self {
            Json::Bool(value) => write!(to, "{value}"),
            Json::Int(value) => write!(to, "{value}"),
            Json::Text(text) => quote(to, text),
            Json::List(items) => {
                to.push('[');
                for (n, item) in items.iter().enumerate() {
                    separate(to, n);
                    item.write_compact(to)?;
                }
                to.write_char(']')
            }
            Json::Object(members) => {
                to.push('{');
                for (n, (key, value)) in members.iter().enumerate() {
                    separate(to, n);
                    quote(to, key)?;
                    to.push(':');
                    value.write_compact(to)?;
                }
                to.write_char('}')
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Json::Bool(value) => write!(f, "{value}"),
            Json::Int(value) => write!(f, "{value}"),
            Json::Text(text) => quote(f, text),
            Json::List(items) => {
                let simple = !items.iter().any(|i| matches!(i, Json::List(_) | Json::Object(_)));
                let inside = if simple { None } else { Some(depth + 1) };
                f.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    separate(f, n, inside)?;
                    item.write(f, depth + 1)?;
                }
                separate(f, 0, inside.filter(|_| !items.is_empty()).map(|_| depth))?;
                f.write_char(']')
            }
            Json::Object(members) => {
                f.write_char('{')?;
                for (n, (key, value)) in members.iter().enumerate() {
                    separate(f, n, Some(depth + 1))?;
                    quote(f, key)?;
                    f.write_str(": ")?;
                    value.write(f, depth + 1)?;
                }
                separate(f, 0, Some(depth).filter(|_| !members.is_empty()))?;
                f.write_char('}')
            }
        }
    }
}

/// A comma before all but the first, and a new line of that depth or a space.
fn separate(f: &mut fmt::Formatter<'_>, n: usize, line: Option<usize>) -> fmt::Result {
    if n > 0 {
        f.write_char(',')?;
    }
    match line {
        Some(depth) => write!(f, "\n{:1$}", "", depth * 2),
        None if n > 0 => f.write_char(' '),
        None => Ok(()),
    }
}

fn quote(f: &mut impl Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    // Nearly all text is written in one piece.
    if text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\' | 0x7f)) {
        f.write_str(text)?;
        return f.write_char('"');
    }
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            // Terminals take C1 for commands, JavaScript took the separators for ends of lines.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                write!(f, "\\u{:04x}", u32::from(c))?;
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_no_commands() {
        let text = Json::text("\u{1b}\u{7f}\u{85}\u{9b}31m\u{2028}\u{2029}\u{a0}é");
        let expected = "\"\\u001b\\u007f\\u0085\\u009b31m\\u2028\\u2029\u{a0}é\"";
        assert_eq!(text.compact(), expected);
    }

    #[test]
    fn is_read_by_others_as_it_was_meant() {
        let value = Json::object([
            ("a\"b", Json::text("x\\y\n\t\u{7f}\u{e9}")),
            ("list", Json::list([Json::Int(-1), Json::Bool(true)])),
            ("none", Json::list([])),
            ("deep", Json::list([Json::object([]), Json::object([("k", Json::Int(1))])])),
        ]);
        assert_eq!(
            value.compact(),
            "{\"a\\\"b\":\"x\\\\y\\n\\u0009\\u007f\u{e9}\",\"list\":[-1,true],\"none\":[],\
             \"deep\":[{},{\"k\":1}]}"
        );
        let text = value.to_string();
        assert_eq!(
            text,
            "{\n  \"a\\\"b\": \"x\\\\y\\n\\u0009\\u007f\u{e9}\",\n  \"list\": [-1, true],\n  \"none\": [],\n  \"deep\": \
             [\n    {},\n    {\n      \"k\": 1\n    }\n  ]\n}"
        );
    }
}
