//! A line of an audit log, read: one JSON object whose members are texts, numbers and truths.

use std::collections::BTreeMap;

/// The members of a record. Numbers and truths are as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record(BTreeMap<String, String>);

impl Record {
    /// Reads a line; `None` for what is no such object.
    pub fn read(line: &[u8]) -> Option<Record> {
        let mut input = Input(std::str::from_utf8(line).ok()?);
        let mut members = BTreeMap::new();
        input.take('{')?;
        if input.take('}').is_none() {
            loop {
                let name = input.text()?;
                input.take(':')?;
                let value = input.value()?;
                // A name that is there twice would be read as another by somebody else.
                if members.insert(name, value).is_some() {
                    return None;
                }
                if input.take(',').is_none() {
                    input.take('}')?;
                    break;
                }
            }
        }
        input.blank();
        input.0.is_empty().then_some(Record(members))
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// What is left to be read.
struct Input<'a>(&'a str);

impl Input<'_> {
    fn blank(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// This character, after blanks.
    fn take(&mut self, wanted: char) -> Option<()> {
        self.blank();
        self.0 = self.0.strip_prefix(wanted)?;
        Some(())
    }

    fn character(&mut self) -> Option<char> {
        let mut rest = self.0.chars();
        let c = rest.next()?;
        self.0 = rest.as_str();
        Some(c)
    }

    fn value(&mut self) -> Option<String> {
        self.blank();
        if self.0.starts_with('"') {
            return self.text();
        }
        let end = self.0.find([',', '}', ' ', '\t', '\r', '\n']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        let number = word.strip_prefix('-').unwrap_or(word);
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        self.0 = rest;
        (is_number || ["true", "false", "null"].contains(&word)).then(|| word.to_owned())
    }

    fn text(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        loop {
            match self.character()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                '\0'..='\x1f' => return None,
                c => text.push(c),
            }
        }
    }

    /// What stands after a backslash.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.character()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            c @ ('"' | '\\' | '/') => c,
            'u' => {
                let first = self.unit()?;
                let second = match first {
                    0xd800..=0xdbff => {
                        self.0 = self.0.strip_prefix("\\u")?;
                        Some(self.unit()?)
                    }
                    _ => None,
                };
                let units = std::iter::once(first).chain(second);
                char::decode_utf16(units).next()?.ok()?
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_every_kind() {
        let line = r#" {"a":"x\"\\\/\n\u00e9\ud83d\ude00", "n" : -12,"t":true,"e":""} "#;
        let record = Record::read(line.as_bytes()).unwrap();
        assert_eq!(record.get("a"), Some("x\"\\/\né\u{1f600}"));
        let members = ["n", "t", "e", "z"].map(|name| record.get(name));
        assert_eq!(members, [Some("-12"), Some("true"), Some(""), None]);
        assert_eq!(Record::read(b"{}"), Some(Record::default()));
    }

    #[test]
    fn other_things_are_no_records() {
        for line in [
            "",
            "{",
            "}",
            "[]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":\"x}",
            "{a:1}",
            "{\"a\":x}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\ud800\\u0041\"}",
            "{\"a\":\"\\u+123\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":{}}",
            "{\"a\":-}",
            "\"a\"",
            "{\"a\":\"\\u12é\"}",
        ] {
            assert_eq!(Record::read(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Record::read(b"{\"a\":\"\xff\"}"), None);
    }
}
