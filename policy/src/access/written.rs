//! Principals as text that says all of them, and that is read back to the same.

use std::rc::Rc;

use super::Who;
use super::malformed::Malformed;
use super::names::{self, ANONYMOUS};

/// What stands for more than itself in such a text, besides white space and control characters.
const SPECIAL: [char; 8] = ['%', ',', '(', ')', ':', '"', '#', ';'];

/// The text of a principal.
pub(super) fn write(who: &Who) -> String {
    match who {
        Who::Unix { groups, .. } => format!("{who}{}", listed(groups)),
        Who::Account { name, uid, groups } => {
            format!("pam:{}:{uid}{}", escaped(name), listed(groups))
        }
        Who::Certificate { names } => {
            let names: Vec<String> = names.iter().map(|name| certificate(name)).collect();
            format!("cert:{}", names.join(","))
        }
        Who::Token { name, role, maker } => {
            let maker = maker.as_ref().map_or(String::new(), |maker| format!("({})", write(maker)));
            format!("token:{}:{}{maker}", escaped(name), escaped(role))
        }
        Who::User(name) => format!("user:{}", escaped(name)),
        Who::Anonymous => ANONYMOUS.to_owned(),
    }
}

/// The principal of a text.
pub(super) fn read(text: &str) -> Result<Who, Malformed> {
    let wrong = || {
        Malformed::new(format!(
            "{text:?} is nobody: write user:NAME, unix:UID, unix:UID(GID,GID), pam:NAME:UID(GID,GID), cert:CN=NAME, \
             token:NAME:ROLE or {ANONYMOUS}"
        ))
    };
    match text.split_once(':') {
        None if text == ANONYMOUS => Ok(Who::Anonymous),
        Some(("user", name)) => {
            let name = plain(name).ok_or_else(wrong)?;
            Ok(Who::User(names::user_name(&name)?.into()))
        }
        Some(("unix", rest)) => {
            let (uid, groups) = numbers(rest).ok_or_else(wrong)?;
            Ok(Who::Unix { uid, groups })
        }
        Some(("pam", rest)) => account(rest).ok_or_else(wrong),
        Some(("cert", rest)) => {
            let names = rest.split(',').map(|name| {
                let name = plain(name).ok_or_else(wrong)?;
                names::certificate(&name).map(Rc::from)
            });
            Ok(Who::Certificate { names: names.collect::<Result<_, _>>()? })
        }
        Some(("token", rest)) => token(rest, wrong),
        _ => Err(wrong()),
    }
}

/// `NAME:UID(GID,GID)`
fn account(text: &str) -> Option<Who> {
    let (name, rest) = text.split_once(':')?;
    let name = plain(name).filter(|name| !name.is_empty())?;
    let (uid, groups) = numbers(rest)?;
    Some(Who::Account { name: name.into(), uid, groups })
}

/// `NAME:ROLE(MAKER)`
fn token(text: &str, wrong: impl Fn() -> Malformed) -> Result<Who, Malformed> {
    let (own, maker) = match text.split_once('(') {
        None => (text, None),
        Some((own, maker)) => (own, Some(maker.strip_suffix(')').ok_or_else(&wrong)?)),
    };
    let (name, role) = own.split_once(':').ok_or_else(&wrong)?;
    let word = |text| plain(text).filter(|text| !text.is_empty());
    let (Some(name), Some(role)) = (word(name), word(role)) else {
        return Err(wrong());
    };
    Who::token(&name, &role, maker)
}

/// `UID` or `UID(GID,GID)`
fn numbers(text: &str) -> Option<(u32, Rc<[u32]>)> {
    let (uid, groups) = match text.split_once('(') {
        None => (text, ""),
        Some((uid, groups)) => (uid, groups.strip_suffix(')')?),
    };
    let groups = Some(groups).filter(|groups| !groups.is_empty()).into_iter();
    let groups = groups.flat_map(|groups| groups.split(',')).map(|gid| gid.parse().ok());
    Some((uid.parse().ok()?, groups.collect::<Option<_>>()?))
}

/// `(GID,GID)`, or nothing.
fn listed(groups: &[u32]) -> String {
    let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
    if groups.is_empty() { String::new() } else { format!("({})", groups.join(",")) }
}

/// The colon of `DNS:`, and others in a name, mean nothing else there.
fn certificate(name: &str) -> String {
    name.split(':').map(escaped).collect::<Vec<String>>().join(":")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if SPECIAL.contains(&c) || c.is_whitespace() || c.is_control() {
            let bytes = &mut [0; 4];
            c.encode_utf8(bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// The text that was escaped.
fn plain(text: &str) -> Option<String> {
    if text.contains(['(', ')']) {
        return None;
    }
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        let hex = code.bytes().all(|b| b.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(code, 16).ok().filter(|_| hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
