//! Elements of `members=`, looked up: who logs in by a name, accounts and groups of the system, and names of certificates.

use policy::access::{Member, MemberName};

use super::host::Who;
use super::reading::Reading;
use super::text::{near, repr, shown, strip};
use super::values::Read;

const ANONYMOUS: &str = "anonymous";
const CERTIFICATE: &str = "cert:";

/// The elements of the value. One that begins with a quote ends with the next, and has what is between them, commas, too; two
/// quotes there are one.
///
/// # Errors
/// A quote that nothing closes, or something between a closing quote and the next comma.
pub fn words(text: &str) -> Read<Vec<String>> {
    let mut all = Vec::new();
    let mut rest = strip(text);
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside)?,
            None => match rest.split_once(',') {
                Some((word, after)) => (strip(word).to_owned(), after),
                None => (rest.to_owned(), ""),
            },
        };
        all.push(word);
        rest = strip(after);
    }
    Ok(all)
}

/// The word after an opening quote, and what is left after the comma that ends it.
fn quoted(inside: &str) -> Read<(String, &str)> {
    let mut word = String::new();
    let mut rest = inside;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(format!("Invalid member: no quote closes the one before {}", repr(inside)));
        };
        word.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => rest = after,
            None => {
                let after = strip(after);
                let Some(left) = after.strip_prefix(',').or(after.is_empty().then_some("")) else {
                    return Err(format!(
                        "Invalid member: {} stands between a closing quote and a comma",
                        repr(after.split(',').next().unwrap_or_default())
                    ));
                };
                return Ok((word, left));
            }
        }
        word.push('"');
    }
}

/// Whom an element stands for: one or two members. `logins` are the names that log in by a password.
pub fn read(r: &mut Reading<'_>, word: &str, logins: &[&str]) -> Read<Vec<Member>> {
    // What a certificate says may have them, and is compared character for character.
    if word.contains(['*', '?', '[', ']']) && !word.starts_with(CERTIFICATE) {
        return Err(format!(
            "Invalid member {}: members= has no wildcards; @GROUP is every member of a group of the system",
            repr(word)
        ));
    }
    let name = MemberName::parse(word)
        .map_err(|why| format!("Invalid member: {why}; commas stand between members"))?;
    let one = match name {
        MemberName::Anonymous => Member::Anonymous,
        MemberName::Certificate(name) if shown(&name) != name => {
            return Err(format!("Invalid member: {} is not valid UTF-8", repr(&name)));
        }
        MemberName::Certificate(name) => Member::Certificate(name),
        MemberName::Group(name) => Member::Gid(group(r, &name)?),
        MemberName::Account(name) => match account(r, &name) {
            Some(uid) => Member::Uid(uid),
            None => {
                return Err(format!(
                    "Unknown user {}: this system has no such account",
                    repr(&name)
                ));
            }
        },
        MemberName::User(name) if logins.contains(&name.as_str()) => Member::User(name),
        MemberName::User(name) => {
            let hint = meant(&name, logins.iter().copied(), "user:");
            return Err(format!(
                "Unknown user {}: there is no [user:{}] and no server with that username{hint}",
                repr(&name),
                shown(&name),
            ));
        }
        MemberName::Either(name) => return either(r, name, logins),
    };
    Ok(vec![one])
}

/// A name alone stands for all whom it names.
fn either(r: &mut Reading<'_>, name: String, logins: &[&str]) -> Read<Vec<Member>> {
    let account = r.host.account(&Who::Name(name.clone())).filter(|a| a.uid != u32::MAX);
    let account = account.map(|a| Member::Uid(a.uid));
    let login = logins.contains(&name.as_str()).then(|| Member::User(name.clone()));
    let all: Vec<Member> = login.into_iter().chain(account).collect();
    if !all.is_empty() {
        return Ok(all);
    }
    let hint = match number(&name) {
        Some(_) => format!("; is unix:{name} meant?"),
        None if r.host.group(&Who::Name(name.clone())).is_some() => {
            format!("; is the group @{name} meant?")
        }
        None => meant(&name, logins.iter().copied().chain([ANONYMOUS]), ""),
    };
    Err(format!(
        "Unknown member {}: there is no [user:{}], no server with that username, and no such account of this \
         system{hint}",
        repr(&name),
        shown(&name),
    ))
}

fn meant<'n>(name: &str, known: impl Iterator<Item = &'n str>, prefix: &str) -> String {
    near(name, known).map_or(String::new(), |name| format!("; is {prefix}{name} meant?"))
}

/// An id written as a number, which needs no entry in the system's lists. −1 is nobody's.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|id| *id != u32::MAX)
}

fn account(r: &mut Reading<'_>, text: &str) -> Option<u32> {
    let mut named = || r.host.account(&Who::Name(text.to_owned())).map(|a| a.uid);
    number(text).or_else(&mut named).filter(|id| *id != u32::MAX)
}

fn group(r: &mut Reading<'_>, text: &str) -> Read<u32> {
    let mut named = || r.host.group(&Who::Name(text.to_owned()));
    let gid = number(text).or_else(&mut named).filter(|id| *id != u32::MAX);
    gid.ok_or_else(|| {
        let hint = match r.host.account(&Who::Name(text.to_owned())) {
            Some(_) => format!("; is the user unix:{text} meant?"),
            None => String::new(),
        };
        format!("Unknown group {}: this system has no such group{hint}", repr(text))
    })
}
