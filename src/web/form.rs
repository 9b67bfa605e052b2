//! Parameters of a request: of its address and of its body.

use std::collections::BTreeMap;
use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Ask;

/// What stays as it is in a part of an address.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The text as a part of an address.
pub(super) fn quote(text: &str) -> impl Display {
    utf8_percent_encode(text, QUOTED)
}

/// The parameters. Empty ones count as absent. As in the reference the first of several in an address counts, the last
/// of several in a body, and a body before an address; nothing but parameters is among them.
pub(super) struct Form {
    query: BTreeMap<String, String>,
    body: BTreeMap<String, String>,
}

impl Form {
    pub(super) fn of(ask: &Ask) -> Form {
        let mut query = BTreeMap::new();
        for (name, value) in pairs(ask.query.as_bytes()) {
            query.entry(name).or_insert(value);
        }
        Form { query, body: pairs(&ask.body).collect() }
    }

    /// The parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.posted(name).or_else(|| self.query.get(name).map(String::as_str))
    }

    /// The same of the body alone: what is part of an address ends up in logs and histories.
    pub(super) fn posted(&self, name: &str) -> Option<&str> {
        self.body.get(name).map(String::as_str)
    }
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(bytes)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, Method};

    use super::*;

    fn form(query: &str, body: &[u8]) -> Form {
        Form::of(&Ask {
            method: Method::POST,
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: body.to_owned(),
        })
    }

    #[test]
    fn which_of_several_counts() {
        let form = form("a=1&a=2&b=3&c=&d=4", b"b=5&b=6&d=");
        let got = ["a", "b", "c", "d", "e"].map(|name| form.get(name));
        assert_eq!(got, [Some("1"), Some("6"), None, Some("4"), None]);
        assert_eq!((form.posted("a"), form.posted("b")), (None, Some("6")));
    }

    #[test]
    fn text_of_every_kind_comes_through() {
        for text in ["a b+c", "g:p", "é_01", "<&\"'>", "\u{0}\n\r", "100%", "日本"] {
            assert_eq!(form(&format!("x={}", quote(text)), b"").get("x"), Some(text));
        }
        assert_eq!(quote("g:p x/y").to_string(), "g%3Ap%20x%2Fy");
        assert_eq!(form("x=%FF%zz+%4", b"").get("x"), Some("\u{FFFD}%zz %4"));
        assert_eq!(form("x", b"&&=&=1").get("x"), None);
    }
}
