//! A token, and its line in the tokens file. The client writes these lines, the reader reads them.
//!
//! A token itself is nowhere but with whoever uses it; what is kept is its SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use policy::access::Who;
use sha2::{Digest, Sha256};

use super::principals;
use super::settings::Token;
use super::values::Read;

/// How every token begins.
pub const PREFIX: &str = "svt_";
/// How long every token is, in characters.
const LENGTH: usize = 47;
/// What a line of the file has.
pub const FIELDS: &str = "NAME ROLE EXPIRES MAKER SHA256";
/// The maker of a token that may do all that its role allows.
pub const OWNER: &str = "owner";
/// When a token expires that does not.
pub const NEVER: &str = "never";

/// What is kept of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A token of these random bytes.
pub fn token(random: &[u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// Whether a text has the form of a token.
pub fn is_token(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.len() == LENGTH && text.starts_with(PREFIX) && text.chars().all(fits)
}

/// The name of a token or of its role.
///
/// # Errors
/// Why there can be none of that name.
pub fn name(text: &str) -> Read<String> {
    if text.starts_with(PREFIX) {
        return Err("it looks like a token: a name is wanted, not the token itself".to_owned());
    }
    principals::name(text)
}

/// Whether a line of the file is of no token.
pub fn is_remark(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Reads one line. The error does not quote it beyond its name: somebody may have put the token itself there.
///
/// # Errors
/// What is wrong with the line.
pub fn read(line: &str) -> Read<Token> {
    let few = || format!("it has too few fields: {FIELDS}");
    let mut rest = line.trim();
    let mut next = || {
        let (field, after) = rest.split_once(char::is_whitespace)?;
        rest = after.trim_start();
        Some(field)
    };
    let (name, role, expires) =
        next().zip(next()).zip(next()).map(|((a, b), c)| (a, b, c)).ok_or_else(few)?;
    // Names in certificates may have spaces.
    let (maker, hash) = rest.rsplit_once(char::is_whitespace).ok_or_else(few)?;
    if name.starts_with(PREFIX) {
        return Err("its first field looks like a token: only the name stands there".to_owned());
    }
    let digest = hex(hash).ok_or("its last field is not 64 hexadecimal digits")?;
    let name = principals::name(name)?;
    let role = principals::name(role).map_err(|_| "its second field is no name of a role")?;
    let expires = match expires {
        NEVER => None,
        time => Some(
            time.parse::<Timestamp>()
                .ok()
                .and_then(|time| u64::try_from(time.as_second()).ok())
                .ok_or(
                    "its third field is neither never nor a time such as 2026-12-31T23:59:59Z",
                )?,
        ),
    };
    let maker = match maker.trim_end() {
        OWNER => None,
        maker => match Who::maker(maker) {
            Ok(_) => Some(maker.to_owned()),
            Err(_) => {
                return Err("its fourth field says not who made it: owner, user:NAME, …".to_owned());
            }
        },
    };
    Ok(Token { name, role, maker, expires, digest })
}

/// The line of a token, without its end.
///
/// # Errors
/// That it would be another line, or more than one, or none that is read back to this token.
pub fn write(token: &Token) -> Read<String> {
    let expires = expiry(token.expires);
    let maker = token.maker.as_deref().unwrap_or(OWNER);
    let digest: String = token.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let fields = [token.name.as_str(), token.role.as_str(), expires.as_str(), maker, &digest];
    let apart = |c: char| c.is_whitespace() || c.is_control();
    let line = fields.join(" ");
    if fields.iter().any(|field| field.contains(apart)) || read(&line).as_ref() != Ok(token) {
        return Err("the token's name, role or maker fits in no line of the file".to_owned());
    }
    Ok(line)
}

/// When a token expires, as the file has it.
pub fn expiry(expires: Option<u64>) -> String {
    let time = expires.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok());
    time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let makers =
            [None, Some("user:alice"), Some("unix:1000(1000,33)"), Some("cert:CN=a%20b,DNS:c")];
        for maker in makers {
            for expires in [None, Some(1_798_754_399)] {
                let made = Token {
                    name: "ci-1".to_owned(),
                    role: "deploy".to_owned(),
                    maker: maker.map(str::to_owned),
                    expires,
                    digest: digest("svt_x"),
                };
                let line = write(&made).unwrap();
                assert_eq!(read(&line), Ok(made));
                assert!(!line.contains("svt_"), "{line}");
            }
        }
        let line = "a b 2026-12-31T21:59:59Z owner \
                    0000000000000000000000000000000000000000000000000000000000000000";
        assert_eq!(write(&read(line).unwrap()).as_deref(), Ok(line));
    }

    #[test]
    fn what_is_no_line_of_its_own_is_not_written() {
        let sum = "0".repeat(64);
        let good = Token {
            name: "a".to_owned(),
            role: "b".to_owned(),
            maker: Some("user:x".to_owned()),
            expires: None,
            digest: digest("svt_x"),
        };
        assert!(write(&good).is_ok());
        let more = format!("user:x {sum}\nbackdoor admin never owner {sum}\n# ");
        for maker in [&more, "", "anonymous", "owner", "token:a:b", "cert:CN=a b", "user:x\u{85}"] {
            let bad = Token { maker: Some(maker.to_owned()), ..good.clone() };
            assert!(write(&bad).is_err(), "{maker:?}");
        }
        for name in ["", "a b", "a\nb", "#a", "svt_x"] {
            assert!(write(&Token { name: name.to_owned(), ..good.clone() }).is_err(), "{name:?}");
            if name != "svt_x" {
                assert!(write(&Token { role: name.to_owned(), ..good.clone() }).is_err());
            }
        }
    }

    #[test]
    fn tokens_have_a_form() {
        let one = token(&[7; 32]);
        assert!(is_token(&one) && one.len() == LENGTH, "{one}");
        assert!(!is_token("svt_x") && !is_token(&one.replace("svt_", "svT_")));
        assert!(!is_token(&format!("{}=", one.get(..LENGTH - 1).unwrap())));
        assert_ne!(token(&[8; 32]), one);
    }

    #[test]
    fn wrong_lines_are_not_quoted() {
        let sum = "0".repeat(64);
        let secret = token(&[7; 32]);
        for line in [
            secret.clone(),
            format!("{secret} role never owner {sum}"),
            format!("a {secret}! never owner {sum}"),
            format!("a b {secret} owner {sum}"),
            format!("a b never {secret} {sum}"),
            format!("a b never owner {secret}"),
            "a b never owner".to_owned(),
            format!("a b c d never owner {sum}"),
            format!("a b never anonymous {sum}"),
            format!("a b never token:a:b {sum}"),
        ] {
            let why = read(&line).unwrap_err();
            assert!(!why.contains(&secret), "{why}");
        }
        assert!(name(&secret).unwrap_err().contains("looks like a token"));
        assert!(is_remark(" # x") && is_remark("") && !is_remark("a # x"));
    }
}
