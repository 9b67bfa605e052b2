//! What `password=` may hold, and what is wrong with it. No message has any of its text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha1::{Digest, Sha1};

use super::settings::Password;
use super::values::Read;

/// The most memory that a check may take, in KiB: the broker has one such block.
pub const MAX_MEMORY: u32 = 65_536;
/// The most passes over it.
pub const MAX_PASSES: u32 = 4;
/// The most lanes.
pub const MAX_LANES: u32 = 4;
/// Memory times passes below which guessing is cheap: what OWASP recommends is beyond it in each of its forms.
const WEAK: u32 = 32_768;
/// Bytes of a salt and of a hash, as libraries make and take them.
const SALT: std::ops::RangeInclusive<usize> = 8..=48;
const HASH: std::ops::RangeInclusive<usize> = 16..=64;

/// What to do about any of them.
pub const REMEDY: &str = "supervisorctl passwd makes a hash";

/// A password as a server section has it: plain unless it says otherwise.
pub fn of_server(text: &str) -> Read<Password> {
    if let Some(digest) = text.strip_prefix("{SHA}") {
        return Ok(Password::Sha1(digest.to_owned()));
    }
    if text.starts_with("$argon2id$") {
        argon2(text)?;
        return Ok(Password::Argon2(text.to_owned()));
    }
    Ok(Password::Plain(text.to_owned()))
}

/// A password of a `[user:NAME]`. What looks like a hash of another kind would be a password that nobody knows.
pub fn of_user(text: &str) -> Read<Password> {
    if text.is_empty() {
        return Err(format!("the password is empty: {REMEDY}"));
    }
    if text.contains(char::is_control) {
        // Such as a second line, which is most likely a key that was indented by mistake.
        return Err(format!(
            "the password has a line break or another control character: {REMEDY}"
        ));
    }
    if let Some(digest) = text.strip_prefix("{SHA}") {
        let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        return match digest.len() == 40 && digest.chars().all(hex) {
            true => Ok(Password::Sha1(digest.to_owned())),
            false => Err(format!(
                "after {{SHA}} there must be 40 hexadecimal digits in lower case; better: {REMEDY}"
            )),
        };
    }
    if text.starts_with("$argon2id$") {
        argon2(text)?;
        return Ok(Password::Argon2(text.to_owned()));
    }
    if foreign(text) {
        return Err(format!(
            "the password looks like a hash of a kind that is not known here, known are $argon2id$ and {{SHA}}: {REMEDY}"
        ));
    }
    Ok(Password::Plain(text.to_owned()))
}

/// `$KIND$…` and `{KIND}…` are how hashes are written.
fn foreign(text: &str) -> bool {
    let kind = |rest: &str, end: char| {
        let word = rest.split_once(end).map(|(word, _)| word);
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        word.is_some_and(|word| !word.is_empty() && word.chars().all(part))
    };
    let dollar = text.strip_prefix('$').is_some_and(|rest| kind(rest, '$'));
    dollar || text.strip_prefix('{').is_some_and(|rest| kind(rest, '}'))
}

/// A password as the broker gets it: of plain text only a digest, for what reads the broker's memory is not to have what
/// somebody may use elsewhere, too.
pub fn kept(password: &Password) -> Password {
    match password {
        Password::Plain(text) => {
            let digest = Sha1::digest(text.as_bytes());
            Password::Sha1(
                digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
            )
        }
        other => other.clone(),
    }
}

/// What a legacy kind is called in a warning.
pub fn legacy(password: &Password) -> Option<&'static str> {
    match password {
        Password::Plain(_) => Some("is plain text: whoever reads the file has it"),
        Password::Sha1(_) => {
            Some("is a SHA-1 hash without salt: easy to find out for whoever reads the file")
        }
        Password::Argon2(_) => None,
    }
}

/// Whether an accepted argon2 hash makes guessing too cheap.
pub fn weak(password: &Password) -> bool {
    match password {
        Password::Argon2(text) => {
            argon2(text).is_ok_and(|cost| cost.memory.saturating_mul(cost.passes) < WEAK)
        }
        _ => false,
    }
}

struct Cost {
    memory: u32,
    passes: u32,
}

/// `$argon2id$v=19$m=…,t=…,p=…$SALT$HASH` within the limits.
fn argon2(text: &str) -> Read<Cost> {
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", version, cost, salt, hash] = parts.as_slice() else {
        return Err(format!(
            "the hash is not of the form $argon2id$v=19$m=…,t=…,p=…$SALT$HASH: {REMEDY}"
        ));
    };
    if *version != "v=19" {
        return Err(format!("the hash is of another version of argon2 than 19 (v=19): {REMEDY}"));
    }
    let numbers: Vec<Option<u32>> =
        cost.splitn(3, ',').zip(["m=", "t=", "p="]).map(|(word, key)| number(word, key)).collect();
    let [Some(memory), Some(passes), Some(lanes)] = *numbers.as_slice() else {
        return Err(format!("the costs of the hash are not written as m=…,t=…,p=…: {REMEDY}"));
    };
    let within = |name, value: u32, least: u32, most: u32, unit| match value {
        _ if (least..=most).contains(&value) => Ok(()),
        _ => Err(format!(
            "the hash has {name}={value}{unit}, which must be from {least} to {most}: {REMEDY}"
        )),
    };
    within("p", lanes, 1, MAX_LANES, "")?;
    within("t", passes, 1, MAX_PASSES, "")?;
    within("m", memory, 8 * lanes, MAX_MEMORY, " KiB")?;
    for (what, text, lengths) in [("salt", salt, SALT), ("hash", hash, HASH)] {
        let bytes = STANDARD_NO_PAD.decode(text).ok();
        if !bytes.is_some_and(|bytes| lengths.contains(&bytes.len())) {
            let (least, most) = (lengths.start(), lengths.end());
            return Err(format!(
                "the {what} in the hash is not {least} to {most} bytes in base64 without padding: {REMEDY}"
            ));
        }
    }
    Ok(Cost { memory, passes })
}

/// `KEY=` and a decimal number in its one form.
fn number(word: &str, key: &str) -> Option<u32> {
    let digits = word.strip_prefix(key)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_kept() {
        let sha = "82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";
        let plain = Password::Plain("thepassword".to_owned());
        assert_eq!(kept(&plain), Password::Sha1(sha.to_owned()));
        for other in [Password::Sha1("abc".to_owned()), Password::Argon2("$argon2id$".to_owned())] {
            assert_eq!(kept(&other), other);
        }
    }

    const SALT16: &str = "c29tZXNhbHRzb21lc2FsdA";
    const HASH32: &str = "9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";

    fn hash(cost: &str) -> String {
        format!("$argon2id$v=19${cost}${SALT16}${HASH32}")
    }

    #[test]
    fn kinds() {
        let argon2 = hash("m=19456,t=2,p=1");
        for read in [of_server, of_user] {
            assert_eq!(read(&argon2), Ok(Password::Argon2(argon2.clone())));
            let sha = "82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";
            assert_eq!(read(&format!("{{SHA}}{sha}")), Ok(Password::Sha1(sha.to_owned())));
            for plain in ["hunter2", "$", "$$x", "{}", "{a b}c", "$5", "a$b$c", " "] {
                assert_eq!(read(plain), Ok(Password::Plain(plain.to_owned())));
            }
        }
        // What the reference takes, a server section takes.
        for text in
            ["{SHA}", "{SHA}XYZ", "$2b$12$abc", "{SSHA}abc", "a\nb", "$argon2i$v=19$m=8$x$y"]
        {
            assert!(of_server(text).is_ok());
            assert!(of_user(text).is_err(), "{text}");
        }
        assert!(of_user("").is_err());
    }

    #[test]
    fn limits_of_argon2() {
        for cost in ["m=8,t=1,p=1", "m=65536,t=4,p=4", "m=32,t=1,p=4"] {
            assert!(of_user(&hash(cost)).is_ok(), "{cost}");
        }
        for (cost, text) in [
            ("m=65537,t=2,p=1", "m=65537 KiB, which must be from 8 to 65536"),
            ("m=4194304,t=2,p=1", "m=4194304 KiB"),
            ("m=7,t=2,p=1", "from 8 to"),
            ("m=31,t=2,p=4", "from 32 to"),
            ("m=19456,t=5,p=1", "t=5, which must be from 1 to 4"),
            ("m=19456,t=2,p=5", "p=5"),
            ("m=19456,t=0,p=1", "not written as"),
            ("m=019456,t=2,p=1", "not written as"),
            ("m=+19456,t=2,p=1", "not written as"),
            ("m=99999999999,t=2,p=1", "not written as"),
            ("t=2,m=19456,p=1", "not written as"),
            ("m=19456,t=2", "not written as"),
            ("m=19456,t=2,p=1,p=2", "not written as"),
            ("m=19456,t=2,p=1,keyid=YQ", "not written as"),
            ("m=19456,t=2,p=", "not written as"),
            ("", "not written as"),
        ] {
            let error = of_user(&hash(cost)).unwrap_err();
            assert!(error.contains(text), "{cost}: {error}");
            assert_eq!(of_server(&hash(cost)), Err(error));
        }
    }

    #[test]
    fn forms_of_argon2() {
        let good = hash("m=19456,t=2,p=1");
        for (from, to) in [
            ("v=19", "v=16"),
            ("v=19$", ""),
            (SALT16, "c2FsdA"),
            (SALT16, "c29tZXNhbHRzb21lc2FsdA=="),
            (SALT16, "c29tZXNhbHRzb21lc2FsdB"),
            (SALT16, "c29tZXNhb!Rzb21lc2FsdA"),
            (HASH32, "9sTbSlTio3Bi"),
            (HASH32, ""),
            (HASH32, &format!("{HASH32}$")),
            (HASH32, &HASH32.repeat(3)),
        ] {
            let bad = good.replace(from, to);
            let error = of_user(&bad).unwrap_err();
            assert!(error.ends_with(REMEDY), "{error}");
            // No part of it is said.
            assert!(
                !error.contains(HASH32) && !error.contains(SALT16) && !error.contains("c2FsdA")
            );
        }
    }

    #[test]
    fn what_to_warn_of() {
        let kind = |text: &str| of_user(text).map(|p| (legacy(&p).is_some(), weak(&p))).unwrap();
        assert_eq!(kind("hunter2"), (true, false));
        assert_eq!(kind(&format!("{{SHA}}{}", "0".repeat(40))), (true, false));
        assert_eq!(kind(&hash("m=8,t=4,p=1")), (false, true));
        for recommended in
            ["m=47104,t=1,p=1", "m=19456,t=2,p=1", "m=12288,t=3,p=1", "m=9216,t=4,p=1"]
        {
            assert_eq!(kind(&hash(recommended)), (false, false));
        }
    }
}
