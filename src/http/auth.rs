//! What clients say to prove who they are, and what it is compared with.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE};
use policy::access::{Member, Principal, Proof, Who};
use sha1::{Digest, Sha1};
use subtle::{Choice, ConstantTimeEq};

use super::hash::Phc;
use crate::config::settings::{Password, Server, Settings};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type Sum = [u8; 20];

/// A name and a password as a client gave them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name, as bytes: nobody's name need be text.
    pub name: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// What a request's headers say in proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    Nothing,
    /// Something that proves nothing here: another scheme, no base64, two of them.
    Unusable,
    /// `Authorization: Basic …`.
    Basic(Credentials),
}

/// What the headers say in proof. Of two lines a proxy may have read the other one, so two are none.
pub fn given(headers: &HeaderMap) -> Given {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Given::Nothing,
        (Some(line), None) => basic(line.as_bytes()).map_or(Given::Unusable, Given::Basic),
        (Some(_), Some(_)) => Given::Unusable,
    }
}

/// The decoded credentials of `Basic …`; `None` for another scheme, what is no base64, or a name without a colon.
fn basic(header: &[u8]) -> Option<Credentials> {
    let at = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at_checked(at)?;
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = BASE64.decode(rest.trim_ascii()).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    let (name, password) = (pair.get(..at)?, pair.get(at.saturating_add(1)..)?);
    Some(Credentials { name: name.to_owned(), password: password.to_owned() })
}

/// The value of a cookie. One that is given twice is none: the other may be somebody else's.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Somebody who can log in, and what proves it.
pub(super) struct Key {
    /// The name to log in by.
    pub(super) name: Rc<str>,
    /// Who that is, once a password has shown it.
    pub(super) principal: Rc<Principal>,
    /// The password as the configuration has it: whatever was won with another one is void.
    pub(super) stored: Password,
    pub(super) secret: Secret,
}

/// What a password is compared with. Only digests are kept and compared, so neither content nor length shows in the time
/// that it takes.
pub(super) enum Secret {
    Plain(Sum),
    Sha1(Vec<u8>),
    /// Nothing where the stored text is unusable: it matches nothing.
    Argon2(Option<Arc<Phc>>),
}

impl Key {
    fn new(name: &str, stored: &Password) -> Key {
        let who = Who::User(name.into());
        Key {
            name: name.into(),
            principal: Rc::new(Principal::new(who, Proof::Password)),
            stored: stored.clone(),
            secret: match stored {
                Password::Plain(text) => Secret::Plain(sum(text.as_bytes())),
                Password::Sha1(hex) => Secret::Sha1(hex.clone().into_bytes()),
                Password::Argon2(text) => Secret::Argon2(Phc::read(text).map(Arc::new)),
            },
        }
    }

    /// That of a server section, where it has one.
    pub(super) fn of(server: &Server) -> Option<Key> {
        server.credentials.as_ref().map(|(name, password)| Key::new(name, password))
    }

    /// What tells the stored password from any other: its kind and text.
    pub(super) fn stamp(&self) -> (u8, &[u8]) {
        match &self.stored {
            Password::Plain(text) => (0, text.as_bytes()),
            Password::Sha1(text) => (1, text.as_bytes()),
            Password::Argon2(text) => (2, text.as_bytes()),
        }
    }
}

impl Secret {
    /// Whether it is this password, where that takes no time to tell. What takes time matches nothing here.
    pub(super) fn matches(&self, given: &[u8]) -> Choice {
        let given = sum(given);
        match self {
            Secret::Plain(sum) => sum.ct_eq(&given),
            Secret::Sha1(text) => text.as_slice().ct_eq(&hex(&given)),
            Secret::Argon2(_) => Choice::from(0),
        }
    }

    /// The hash that only the thread can tell it from.
    pub(super) fn slow(&self) -> Option<&Arc<Phc>> {
        match self {
            Secret::Argon2(phc) => phc.as_ref(),
            Secret::Plain(_) | Secret::Sha1(_) => None,
        }
    }
}

/// Who can log in by the last reading, and what that means for those who do not.
pub(super) struct Roll {
    /// The reading: another one has another roll.
    settings: Rc<Settings>,
    users: BTreeMap<String, Rc<Key>>,
    /// What nobody's password costs: as much as the dearest of those that there are.
    pub(super) nobody: Option<Arc<Phc>>,
    pub(super) ground: Ground,
}

/// What the last reading says about those who bring nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ground {
    /// There are `[user:NAME]` sections: somebody can log in.
    pub users: bool,
    /// There are roles: who somebody is matters.
    pub roles: bool,
    /// A role has `anonymous` as its member.
    pub anonymous: bool,
}

impl Ground {
    /// That of a reading.
    pub fn of(settings: &Settings) -> Ground {
        let roles = &settings.access.roles;
        let anonymous = roles.iter().any(|role| role.members.contains(&Member::Anonymous));
        Ground { users: !settings.users.is_empty(), roles: !roles.is_empty(), anonymous }
    }
}

impl Roll {
    pub(super) fn new(settings: Rc<Settings>) -> Roll {
        let key = |user: &crate::config::settings::User| {
            (user.name.clone(), Rc::new(Key::new(&user.name, &user.password)))
        };
        let users: BTreeMap<_, _> = settings.users.iter().map(key).collect();
        let hashes = users.values().filter_map(|key| key.secret.slow());
        let nobody = hashes.max_by_key(|phc| phc.cost()).map(|phc| Arc::new(phc.like()));
        Roll { users, nobody, ground: Ground::of(&settings), settings }
    }

    /// Whether it is that of this reading.
    pub(super) fn is_of(&self, settings: &Rc<Settings>) -> bool {
        Rc::ptr_eq(&self.settings, settings)
    }

    /// The user of this name.
    pub(super) fn user(&self, name: &[u8]) -> Option<&Rc<Key>> {
        self.users.get(std::str::from_utf8(name).ok()?)
    }
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

    fn with(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_str(line).expect("a header"));
        }
        headers
    }

    fn pair(header: &str) -> Option<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        match given(&with(&[header])) {
            Given::Basic(given) => Some((text(given.name), text(given.password))),
            Given::Nothing | Given::Unusable => None,
        }
    }

    fn encoded(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    #[test]
    fn the_password_is_all_after_the_first_colon() {
        for (text, name, password) in [
            ("u:p", "u", "p"),
            ("u:a:b:", "u", "a:b:"),
            ("u:", "u", ""),
            (":", "", ""),
            (":p", "", "p"),
            ("é:ü", "é", "ü"),
            ("a b: c ", "a b", " c "),
            ("u\0:p\n", "u\0", "p\n"),
        ] {
            assert_eq!(
                pair(&encoded(text)),
                Some((name.to_owned(), password.to_owned())),
                "{text}"
            );
        }
        assert_eq!(pair(&encoded("userthepassword")), None, "a colon is needed");
        assert_eq!(pair(&encoded("")), None);
    }

    #[test]
    fn schemes_and_spelling() {
        let data = BASE64.encode("user:thepassword");
        for good in [
            format!("Basic {data}"),
            format!("bASIC {data}"),
            format!("basic  {data} "),
            format!("Basic {}", data.trim_end_matches('=')),
        ] {
            assert!(pair(&good).is_some(), "{good}");
        }
        for bad in [
            data.clone(),
            format!("Digest {data}"),
            format!("Bearer {data}"),
            format!("Basic{data}"),
            format!("Basic\t{data}"),
            "Basic".to_owned(),
            "Basic ".to_owned(),
            "Basic !!!!".to_owned(),
            format!("Basic {data}, Basic {data}"),
        ] {
            assert_eq!(given(&with(&[&bad])), Given::Unusable, "{bad}");
        }
        assert_eq!(given(&HeaderMap::new()), Given::Nothing);
        let line = encoded("u:p");
        assert_eq!(given(&with(&[&line, &line])), Given::Unusable, "two lines");
        assert_eq!(given(&with(&["", &line])), Given::Unusable, "two lines");
    }

    #[test]
    fn cookies_have_one_value_or_none() {
        let cookies = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_str(line).expect("a header"));
            }
            cookie(&headers, "s").map(str::to_owned)
        };
        for (lines, value) in [
            (&["s=1"][..], Some("1")),
            (&["a=2; s=1;b=3"], Some("1")),
            (&["a=2", "s=1"], Some("1")),
            (&["s=a=b=="], Some("a=b==")),
            (&["s="], Some("")),
            (&["xs=1; s2=1; S=1"], None),
            (&["s"], None),
            (&["s=1; s=1"], None),
            (&["s=1", "s=2"], None),
            (&[], None),
            (&[""], None),
        ] {
            assert_eq!(cookies(lines).as_deref(), value, "{lines:?}");
        }
    }

    #[test]
    fn quick_secrets_match_one_password() {
        let key = |password| Key::new("user", &password);
        for key in
            [key(Password::Plain(RIGHT.to_owned())), key(Password::Sha1(RIGHT_SHA1.to_owned()))]
        {
            assert!(bool::from(key.secret.matches(RIGHT.as_bytes())));
            for wrong in ["", "thepasswor", "thepassword ", "Thepassword", RIGHT_SHA1] {
                assert!(!bool::from(key.secret.matches(wrong.as_bytes())), "{wrong}");
            }
        }
        assert!(bool::from(key(Password::Plain(String::new())).secret.matches(b"")));
        for text in ["", "82AB876D1387BFAFE46CC1C8A2EF074EAE50CB1D", "82ab", RIGHT] {
            let unusable = key(Password::Sha1(text.to_owned()));
            assert!(!bool::from(unusable.secret.matches(RIGHT.as_bytes())));
        }
        let unusable = key(Password::Argon2("$argon2id$".to_owned()));
        assert!(unusable.secret.slow().is_none());
        assert!(!bool::from(unusable.secret.matches(b"")));
    }

    #[test]
    fn another_password_has_another_stamp() {
        let stamp = |password: Password| {
            let key = Key::new("u", &password);
            let (kind, text) = key.stamp();
            (kind, text.to_owned())
        };
        let text = || "x".to_owned();
        let stamps = [Password::Plain(text()), Password::Sha1(text()), Password::Argon2(text())];
        let stamps: std::collections::BTreeSet<_> = stamps.into_iter().map(stamp).collect();
        assert_eq!(stamps.len(), 3, "the kind counts");
    }
}
