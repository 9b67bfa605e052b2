//! Basic authentication of a server section.

use std::rc::Rc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha1::{Digest, Sha1};
use subtle::{Choice, ConstantTimeEq};

use crate::config::settings::Password;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type Sum = [u8; 20];

/// Who may pass. Only digests are kept and compared, so neither content nor length shows in the time that it takes.
pub(super) struct Gate(Option<Key>);

struct Key {
    user: Rc<str>,
    name: Sum,
    password: Secret,
}

enum Secret {
    Plain(Sum),
    Hashed(Vec<u8>),
}

impl Gate {
    /// The gate of a section; open to all where it asks for no name.
    pub(super) fn new(credentials: Option<&(String, Password)>) -> Gate {
        Gate(credentials.map(|(name, password)| Key {
            user: name.as_str().into(),
            name: sum(name.as_bytes()),
            password: match password {
                Password::Plain(text) => Secret::Plain(sum(text.as_bytes())),
                // An empty text matches nothing.
                Password::Argon2(_) => Secret::Hashed(Vec::new()),
                Password::Sha1(hex) => Secret::Hashed(hex.clone().into_bytes()),
            },
        }))
    }

    /// Whether a request with these headers may pass, and by which name: none where nobody is asked for one.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Option<Option<Rc<str>>> {
        let Some(key) = &self.0 else { return Some(None) };
        let given = headers.get(AUTHORIZATION).and_then(|v| credentials(v.as_bytes()))?;
        // No name, no match; the work is done all the same.
        let mut parts = given.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let password = parts.next();
        let whole = Choice::from(u8::from(password.is_some()));
        let right = key.password.matches(password.unwrap_or_default());
        bool::from(whole & key.name.ct_eq(&sum(name)) & right).then(|| Some(Rc::clone(&key.user)))
    }
}

impl Secret {
    fn matches(&self, given: &[u8]) -> Choice {
        let given = sum(given);
        match self {
            Secret::Plain(sum) => sum.ct_eq(&given),
            Secret::Hashed(text) => text.as_slice().ct_eq(&hex(&given)),
        }
    }
}

/// The decoded credentials of `Basic …`; `None` for another scheme or what is no base64.
fn credentials(header: &[u8]) -> Option<Vec<u8>> {
    let at = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at_checked(at)?;
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    BASE64.decode(rest.trim_ascii()).ok()
}

fn sum(bytes: &[u8]) -> Sum {
    Sha1::digest(bytes).into()
}

fn hex(sum: &Sum) -> [u8; 40] {
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + (n - 10) };
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(sum) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const RIGHT: &str = "thepassword";
    const RIGHT_SHA1: &str = "82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";

    fn gate(password: Password) -> Gate {
        Gate::new(Some(&("user".to_owned(), password)))
    }

    fn admits(gate: &Gate, header: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(header).expect("a header"));
        gate.admit(&headers).is_some()
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    #[test]
    fn only_the_right_pair_passes() {
        for gate in
            [gate(Password::Plain(RIGHT.to_owned())), gate(Password::Sha1(RIGHT_SHA1.to_owned()))]
        {
            assert!(admits(&gate, &basic("user:thepassword")));
            for wrong in [
                "user:",
                "user:thepasswor",
                "user:thepassword ",
                "user:thepasswordx",
                ":",
                "",
                ":thepassword",
                "other:thepassword",
                "User:thepassword",
                "user",
                "userthepassword",
                "user::thepassword",
                RIGHT_SHA1,
                "user:82ab876d1387bfafe46cc1c8a2ef074eae50cb1d",
            ] {
                assert!(!admits(&gate, &basic(wrong)), "{wrong}");
            }
        }
    }

    #[test]
    fn the_password_is_all_after_the_first_colon() {
        let gate = gate(Password::Plain("a:b:".to_owned()));
        assert!(admits(&gate, &basic("user:a:b:")));
        assert!(!admits(&gate, &basic("user:a:b")));
    }

    #[test]
    fn an_empty_password_still_needs_its_colon() {
        let gate = gate(Password::Plain(String::new()));
        assert!(admits(&gate, &basic("user:")));
        assert!(!admits(&gate, &basic("user")));
    }

    #[test]
    fn schemes_and_spelling() {
        let gate = gate(Password::Plain(RIGHT.to_owned()));
        let data = BASE64.encode("user:thepassword");
        for good in [
            format!("Basic {data}"),
            format!("bASIC {data}"),
            format!("basic  {data} "),
            format!("Basic {}", data.trim_end_matches('=')),
        ] {
            assert!(admits(&gate, &good), "{good}");
        }
        for bad in [
            data.clone(),
            format!("Digest {data}"),
            format!("Basic{data}"),
            "Basic".to_owned(),
            "Basic ".to_owned(),
            "Basic !!!!".to_owned(),
        ] {
            assert!(!admits(&gate, &bad), "{bad}");
        }
        assert_eq!(gate.admit(&HeaderMap::new()), None);
    }

    #[test]
    fn an_unusable_hash_matches_nothing() {
        for text in ["", "82AB876D1387BFAFE46CC1C8A2EF074EAE50CB1D", "82ab", RIGHT] {
            assert!(!admits(&gate(Password::Sha1(text.to_owned())), &basic("user:thepassword")));
        }
    }

    #[test]
    fn without_credentials_all_pass() {
        assert_eq!(Gate::new(None).admit(&HeaderMap::new()), Some(None));
    }
}
