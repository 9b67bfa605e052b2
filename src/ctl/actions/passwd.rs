//! `passwd`: a password's hash, for a `[user:NAME]` section. No daemon is asked.

use std::io::IsTerminal;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::input;
use super::super::out::complain;
use super::super::prompt;
use super::super::session::{Session, status as exit};
use super::super::trouble::Trouble;
use super::words;
use crate::config::json::Json;
use crate::config::text;

/// Memory in KiB, passes and lanes of a hash that is made here.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Length of a salt, in bytes.
const SALT: usize = 16;
/// Length of a hash, in bytes.
const HASH: usize = 32;
/// Passwords of fewer characters are advised against.
const SHORT: usize = 12;
/// Longest password that is taken, in bytes: what a request can bring has an end.
const LONGEST: usize = 1024;

/// `passwd [NAME]`
pub fn run(session: &mut Session, rest: &str) -> Result<(), Trouble> {
    let Some(words) = words(session, "passwd", rest) else { return Ok(()) };
    let name = match words.names.as_slice() {
        [] => None,
        [name] => Some(*name),
        _ => {
            session.usage("passwd accepts one name", "passwd");
            session.exit = exit::INVALID_ARGS;
            return Ok(());
        }
    };
    let made = name.map_or(Ok(()), check_name).and_then(|()| {
        let password = read(words.has("stdin"))?;
        check(&password)?;
        Ok((hash(&password, &salt()?)?, advice(&password)))
    });
    match made {
        Ok((hash, advice)) => {
            if let Some(advice) = advice {
                complain(&advice, session.out.raw());
            }
            session.out.result(&shown(name, &hash, words.has("hash")), || {
                let name = name.map(|name| ("name", Json::text(name)));
                Json::object(name.into_iter().chain([("hash", Json::text(hash.as_str()))]))
            });
        }
        Err(text) => {
            session.error(format_args!("ERROR: {text}"), "BAD_PASSWORD");
            session.exit = exit::GENERIC;
        }
    }
    Ok(())
}

/// What is to be pasted.
fn shown(name: Option<&str>, hash: &str, bare: bool) -> String {
    match name {
        _ if bare => hash.to_owned(),
        Some(name) => format!("[user:{name}]\npassword={hash}"),
        None => format!("password={hash}"),
    }
}

/// Whether a section may be called like this, and a login say it.
fn check_name(name: &str) -> Result<(), String> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || ":/[];@".contains(c);
    match name.chars().find(|c| bad(*c)) {
        Some(c) => {
            Err(format!("a user's name cannot have {} in it", super::super::quote(&c.to_string())))
        }
        None => Ok(()),
    }
}

/// The password: typed twice on the terminal without being seen, or the first line of standard input.
fn read(stdin: bool) -> Result<String, String> {
    let none = || "no password was given".to_owned();
    if stdin || !std::io::stdin().is_terminal() {
        return input::line().ok_or_else(none);
    }
    let first = prompt::ask_hidden("Password:").ok_or_else(none)?;
    check(&first)?;
    let second = prompt::ask_hidden("The same again:").ok_or_else(none)?;
    if first == second { Ok(first) } else { Err("the two passwords differ".to_owned()) }
}

fn check(password: &str) -> Result<(), String> {
    if password.is_empty() {
        return Err("an empty password lets everybody in: nothing was made".to_owned());
    }
    if text::bytes(password).len() > LONGEST {
        return Err(format!("the password has more than {LONGEST} bytes"));
    }
    match password.chars().find(|c| c.is_control()) {
        Some(_) => {
            Err("the password has a control character in it, which no login can say".to_owned())
        }
        None => Ok(()),
    }
}

/// What is to be said of a password that is easily found.
fn advice(password: &str) -> Option<String> {
    let length = password.chars().count();
    (length < SHORT).then(|| {
        format!(
            "Advice: {length} characters are few: who gets the configuration can try them all; take {SHORT} or more."
        )
    })
}

fn salt() -> Result<[u8; SALT], String> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt)
        .map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(salt)
}

/// The hash as `password=` takes it.
fn hash(password: &str, salt: &[u8]) -> Result<String, String> {
    let (memory, passes, lanes) = COST;
    let failed = |error: argon2::Error| format!("the password could not be hashed: {error}");
    let params = Params::new(memory, passes, lanes, Some(HASH)).map_err(failed)?;
    let mut sum = [0; HASH];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(&text::bytes(password), salt, &mut sum)
        .map_err(failed)?;
    let [salt, sum] = [salt, &sum].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    Ok(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${sum}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_others() {
        // What the C library of the algorithm's authors gives.
        let made = hash("correct horse", b"0123456789abcdef").unwrap();
        assert_eq!(made, EXPECTED);
        assert_ne!(hash("correct horse ", b"0123456789abcdef").unwrap(), EXPECTED);
        assert_ne!(salt().unwrap(), salt().unwrap());
    }

    const EXPECTED: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$\
                            rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";

    #[test]
    fn sections_are_ready_to_paste() {
        assert_eq!(shown(Some("alice"), "$h", false), "[user:alice]\npassword=$h");
        assert_eq!(shown(None, "$h", false), "password=$h");
        assert_eq!(shown(Some("alice"), "$h", true), "$h");
    }

    #[test]
    fn names_that_no_section_can_have() {
        for name in ["alice", "a.b-c_d", "émile", "a+b"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["a b", "a:b", "a/b", "a]", "@a", "a\u{7}", "a;b"] {
            assert!(check_name(name).unwrap_err().starts_with("a user's name cannot"), "{name}");
        }
    }

    #[test]
    fn passwords_that_are_none() {
        assert!(check("").unwrap_err().starts_with("an empty password"));
        assert!(check("a\u{1b}b").unwrap_err().contains("control character"));
        assert!(check(&"x".repeat(LONGEST + 1)).unwrap_err().contains("more than 1024 bytes"));
        assert_eq!(check(" "), Ok(()));
        assert!(advice("elevenchars").is_some_and(|text| text.starts_with("Advice: 11 ")));
        assert_eq!(advice("twelve chars"), None);
    }
}
