//! Tokens: what a form of ours has and another site's has not.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// For which a form can be sent after its page was made.
const AGE: Duration = Duration::from_secs(12 * 3600);

type Sum = Hmac<Sha256>;

/// The key of this process, made when its first server is. Several sockets may stand for one server, and a page of one
/// is good at the other; the pages of an earlier broker are not.
static KEY: OnceLock<Option<[u8; 32]>> = OnceLock::new();

fn key() -> Option<[u8; 32]> {
    *KEY.get_or_init(|| {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok().map(|()| key)
    })
}

/// Makes tokens for one user of one server, and knows them again.
pub(super) struct Mint(Option<Sum>);

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mint(..)")
    }
}

impl Mint {
    pub(super) fn new(server: &str, user: Option<&str>) -> Mint {
        Mint::with(key(), server, user)
    }

    /// Without a key no token is accepted.
    fn with(key: Option<[u8; 32]>, server: &str, user: Option<&str>) -> Mint {
        let sum = key.and_then(|key| Sum::new_from_slice(&key).ok());
        Mint(sum.map(|mut sum| {
            for part in [Some(server), user] {
                // With its length, so that no two pairs of names look the same.
                let length = part.map_or(u64::MAX, |part| part.len() as u64);
                sum.update(&length.to_be_bytes());
                sum.update(part.unwrap_or_default().as_bytes());
            }
            sum
        }))
    }

    /// A token for a page that is made now.
    pub(super) fn token(&self, now: Duration) -> String {
        let Some(sum) = &self.0 else { return String::new() };
        let made = now.as_secs().to_be_bytes();
        let sum = sum.clone().chain_update(made).finalize().into_bytes();
        let bytes: Vec<u8> = made.into_iter().chain(sum).collect();
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether this is a token that was made for the same user of the same server, not too long ago.
    pub(super) fn accepts(&self, token: &str, now: Duration) -> bool {
        let Some(sum) = &self.0 else { return false };
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((made, given)) = bytes.split_first_chunk::<8>() else { return false };
        // Compared in constant time.
        let genuine = sum.clone().chain_update(made).verify_slice(given).is_ok();
        let age = now.as_secs().checked_sub(u64::from_be_bytes(*made));
        genuine && age.is_some_and(|age| age <= AGE.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100_000);

    fn mint(key: u8, server: &str, user: Option<&str>) -> Mint {
        Mint::with(Some([key; 32]), server, user)
    }

    #[test]
    fn a_token_is_good_for_a_while() {
        let mint = mint(1, "inet_http_server", None);
        let token = mint.token(NOW);
        for (later, good) in [(0, true), (1, true), (43_200, true), (43_201, false)] {
            assert_eq!(mint.accepts(&token, NOW + Duration::from_secs(later)), good, "{later}");
        }
        assert!(!mint.accepts(&token, NOW - Duration::from_secs(1)), "made in the future");
    }

    #[test]
    fn another_key_server_or_user_has_other_tokens() {
        let token = mint(1, "ab", Some("cd")).token(NOW);
        assert!(mint(1, "ab", Some("cd")).accepts(&token, NOW));
        for other in [
            mint(2, "ab", Some("cd")),
            mint(1, "abc", Some("d")),
            mint(1, "ab", Some("ce")),
            mint(1, "ab", Some("")),
            mint(1, "ab", None),
            Mint::with(None, "ab", Some("cd")),
        ] {
            assert!(!other.accepts(&token, NOW));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let mint = mint(1, "s", None);
        let token = mint.token(NOW);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("text");
            assert!(!mint.accepts(&changed, NOW), "{changed}");
        }
        for text in ["", "A", "AAAAAAAAAAA", &token[1..], &format!("{token}A"), "é", " "] {
            assert!(!mint.accepts(text, NOW), "{text}");
        }
    }

    #[test]
    fn the_key_is_one_and_random() {
        assert!(Mint::new("s", None).accepts(&Mint::new("s", None).token(NOW), NOW));
        assert!(key().is_some_and(|key| key != [0; 32]));
    }
}
