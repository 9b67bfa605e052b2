//! What clients say to prove who they are, and what it is compared with.

use std::collections::{BTreeMap, BTreeSet};
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
use zeroize::Zeroizing;

use super::hash::Phc;
use super::terms::Terms;
use super::tokens::{self, Ticket, Tokens};
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
    /// The password; overwritten once it is no longer needed.
    pub password: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// Whether the password is a token, which no password can be.
    pub(super) fn is_token(&self) -> bool {
        self.password.starts_with(tokens::PREFIX)
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
    /// `Authorization: Bearer …`, or `Basic …` with a token for a password.
    Token(Ticket),
}

/// What the headers say in proof. Of two lines a proxy may have read the other one, so two are none.
pub fn given(headers: &HeaderMap) -> Given {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Given::Nothing,
        (Some(line), None) => proof(line.as_bytes()).unwrap_or(Given::Unusable),
        (Some(_), Some(_)) => Given::Unusable,
    }
}

/// What a line says; `None` for another scheme, or nothing behind it.
fn proof(header: &[u8]) -> Option<Given> {
    let at = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at_checked(at)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return (!rest.is_empty()).then(|| Given::Token(Ticket::new(None, rest)));
    }
    let given = Some(rest).filter(|_| scheme.eq_ignore_ascii_case(b"basic")).and_then(basic)?;
    Some(match given.is_token() {
        true => Given::Token(Ticket::new(Some(given.name), &given.password)),
        false => Given::Basic(given),
    })
}

/// The decoded credentials of `Basic …`; `None` for what is no base64, or a name without a colon.
fn basic(text: &[u8]) -> Option<Credentials> {
    let pair = Zeroizing::new(BASE64.decode(text).ok()?);
    let at = pair.iter().position(|byte| *byte == b':')?;
    let (name, password) = (pair.get(..at)?, pair.get(at.saturating_add(1)..)?);
    Some(Credentials { name: name.to_owned(), password: password.to_owned().into() })
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
    basis: Basis,
}

/// What a name is proved by.
enum Basis {
    /// The password as the configuration has it: whatever was won with another one is void.
    Stored(Password, Secret),
    /// PAM, which has been asked.
    Pam,
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
        let secret = match stored {
            Password::Plain(text) => Secret::Plain(sum(text.as_bytes())),
            Password::Sha1(hex) => Secret::Sha1(hex.clone().into_bytes()),
            Password::Argon2(text) => Secret::Argon2(Phc::read(text).map(Arc::new)),
        };
        Key {
            name: name.into(),
            principal: Rc::new(Principal::new(who, Proof::Password)),
            basis: Basis::Stored(stored.clone(), secret),
        }
    }

    /// That of a server section, where it has one.
    pub(super) fn of(server: &Server) -> Option<Key> {
        server.credentials.as_ref().map(|(name, password)| Key::new(name, password))
    }

    /// That of an account that PAM has let in.
    pub(super) fn of_account(name: &str, principal: Rc<Principal>) -> Key {
        Key { name: name.into(), principal, basis: Basis::Pam }
    }

    /// Whether PAM has been asked for it: nothing here tells how long its answer holds.
    pub(super) fn is_of_pam(&self) -> bool {
        matches!(self.basis, Basis::Pam)
    }

    /// What a password is compared with; nothing where PAM does that.
    pub(super) fn secret(&self) -> Option<&Secret> {
        match &self.basis {
            Basis::Stored(_, secret) => Some(secret),
            Basis::Pam => None,
        }
    }

    /// What tells the stored password from any other: its kind and text.
    pub(super) fn stamp(&self) -> (&'static [u8], &[u8]) {
        match &self.basis {
            Basis::Stored(Password::Plain(text), _) => (b"plain", text.as_bytes()),
            Basis::Stored(Password::Sha1(text), _) => (b"sha", text.as_bytes()),
            Basis::Stored(Password::Argon2(text), _) => (b"argon2", text.as_bytes()),
            Basis::Pam => (b"pam", b""),
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
    pub(super) tokens: Tokens,
    /// Names of certificates that roles have for members.
    certificates: BTreeSet<String>,
    /// Servers that have PAM say who may log in.
    pam: BTreeSet<String>,
    /// What nobody's password costs: as much as the dearest of those that there are.
    pub(super) nobody: Option<Arc<Phc>>,
    /// What it says about all servers.
    terms: Terms,
}

/// What a server asks of who comes, by the start and the last reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ground {
    /// There are `[user:NAME]` sections, or the server asks PAM: somebody can log in by the page.
    pub users: bool,
    /// Whoever proves nothing is turned away.
    pub asks: bool,
    /// A proof that is brought has to be right.
    pub heeds: bool,
}

impl Roll {
    pub(super) fn new(settings: Rc<Settings>) -> Roll {
        let key = |user: &crate::config::settings::User| {
            (user.name.clone(), Rc::new(Key::new(&user.name, &user.password)))
        };
        let users: BTreeMap<_, _> = settings.users.iter().map(key).collect();
        let hashes = users.values().filter_map(|key| key.secret()?.slow());
        let nobody = hashes.max_by_key(|phc| phc.cost()).map(|phc| Arc::new(phc.like()));
        let members = settings.access.roles.iter().flat_map(|role| &role.members);
        let certificates = members.filter_map(|member| match member {
            Member::Certificate(name) => Some(name.clone()),
            _ => None,
        });
        let pam = settings.servers.iter().filter(|server| server.pam);
        Roll {
            users,
            tokens: Tokens::new(&settings.tokens),
            certificates: certificates.collect(),
            pam: pam.map(|server| server.section.clone()).collect(),
            nobody,
            terms: Terms::of_all(&settings),
            settings,
        }
    }

    /// Whether it is that of this reading.
    pub(super) fn is_of(&self, settings: &Rc<Settings>) -> bool {
        Rc::ptr_eq(&self.settings, settings)
    }

    /// The user of this name.
    pub(super) fn user(&self, name: &[u8]) -> Option<&Rc<Key>> {
        self.users.get(std::str::from_utf8(name).ok()?)
    }

    /// What it says about a server that listens on this socket by this name.
    pub(super) fn terms(&self, name: &str, socket: u32) -> Terms {
        self.terms.later(&self.settings.servers, name, socket)
    }

    /// Whether there are `[user:NAME]` sections.
    pub(super) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Whether the server of this name has PAM say who may log in.
    pub(super) fn asks_pam(&self, server: &str) -> bool {
        self.pam.contains(server)
    }

    /// Whether a role has one of these names of a certificate for a member.
    pub(super) fn knows_certificate(&self, names: &[Rc<str>]) -> bool {
        names.iter().any(|name| self.certificates.contains(&**name))
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
        let text = |bytes: &[u8]| str::from_utf8(bytes).expect("text").to_owned();
        match given(&with(&[header])) {
            Given::Basic(given) => Some((text(&given.name), text(&given.password))),
            Given::Nothing | Given::Unusable | Given::Token(_) => None,
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
            format!("Bearer{data}"),
            "Bearer ".to_owned(),
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
    fn tokens_come_as_bearers_and_as_passwords() {
        let ticket = |line: &str| match given(&with(&[line])) {
            Given::Token(ticket) => Some((ticket.name, ticket.digest)),
            Given::Nothing | Given::Unusable | Given::Basic(_) => None,
        };
        let digest = <[u8; 32]>::from(sha2::Sha256::digest("svt_x"));
        for good in ["Bearer svt_x", "bEARER svt_x", "Bearer   svt_x  "] {
            assert_eq!(ticket(good), Some((None, digest)), "{good}");
        }
        for name in ["token", "ci", ""] {
            let beside = Some(name.as_bytes().to_owned());
            assert_eq!(ticket(&encoded(&format!("{name}:svt_x"))), Some((beside, digest)));
        }
        for junk in ["x", "svt_", "svt_x svt_y", "svt_x,svt_y", "=", "a b"] {
            let found = ticket(&format!("Bearer {junk}")).expect("one that is wrong");
            assert!(found.0.is_none() && found.1 != digest);
        }
        for password in ["svt", "SVT_x", " svt_x"] {
            assert_eq!(ticket(&encoded(&format!("ci:{password}"))), None, "a password");
        }
        let two = with(&["Bearer svt_x", "Bearer svt_x"]);
        assert_eq!(given(&two), Given::Unusable);
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
            assert!(bool::from(key.secret().expect("a secret").matches(RIGHT.as_bytes())));
            for wrong in ["", "thepasswor", "thepassword ", "Thepassword", RIGHT_SHA1] {
                assert!(
                    !bool::from(key.secret().expect("a secret").matches(wrong.as_bytes())),
                    "{wrong}"
                );
            }
        }
        assert!(bool::from(
            key(Password::Plain(String::new())).secret().expect("a secret").matches(b"")
        ));
        for text in ["", "82AB876D1387BFAFE46CC1C8A2EF074EAE50CB1D", "82ab", RIGHT] {
            let unusable = key(Password::Sha1(text.to_owned()));
            assert!(!bool::from(unusable.secret().expect("a secret").matches(RIGHT.as_bytes())));
        }
        let unusable = key(Password::Argon2("$argon2id$".to_owned()));
        assert!(unusable.secret().expect("a secret").slow().is_none());
        assert!(!bool::from(unusable.secret().expect("a secret").matches(b"")));
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
        let nobody = Rc::new(Principal::new(Who::Anonymous, Proof::None));
        let account = Key::of_account("u", nobody);
        assert!(account.is_of_pam() && account.secret().is_none());
        let (kind, text) = account.stamp();
        assert!(!stamps.contains(&(kind, text.to_owned())));
    }
}
