//! Tokens: what a form of ours has and another site's has not.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use policy::access::{Principal, Who};
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

/// Makes tokens of one server, and of one principal at it; and knows them again.
pub(super) struct Mint(Option<Sum>);

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mint(..)")
    }
}

impl Mint {
    pub(super) fn new(server: &str) -> Mint {
        Mint::with(key(), server)
    }

    /// Without a key no token is accepted.
    fn with(key: Option<[u8; 32]>, server: &str) -> Mint {
        let sum = key.and_then(|key| Sum::new_from_slice(&key).ok());
        Mint(sum).and(server.as_bytes())
    }

    /// That of one principal, as it has proved who it is: what a password has made is not for a session.
    pub(super) fn of(&self, principal: &Principal) -> Mint {
        let (kind, who) = match principal.who() {
            Who::Anonymous => ("anonymous", Vec::new()),
            Who::Unix { uid, .. } => ("unix", uid.to_be_bytes().to_vec()),
            Who::User(name) => ("user", name.as_bytes().to_vec()),
            Who::Account { name, .. } => ("account", name.as_bytes().to_vec()),
            Who::Certificate { names } => ("certificate", names.join("\n").into_bytes()),
            Who::Token { name, .. } => ("token", name.as_bytes().to_vec()),
        };
        let proof = principal.proof().word().as_bytes();
        Mint(self.0.clone()).and(kind.as_bytes()).and(&who).and(proof)
    }

    /// The part, with its length, so that no two rows of parts look the same.
    fn and(self, part: &[u8]) -> Mint {
        Mint(self.0.map(|mut sum| {
            sum.update(&(part.len() as u64).to_be_bytes());
            sum.update(part);
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
    use policy::access::Proof;

    use super::*;

    const NOW: Duration = Duration::from_secs(100_000);

    fn user(name: &str, proof: Proof) -> Principal {
        Principal::new(Who::User(name.into()), proof)
    }

    fn mint(key: u8, server: &str, user: &str) -> Mint {
        Mint::with(Some([key; 32]), server).of(&self::user(user, Proof::Password))
    }

    #[test]
    fn a_token_is_good_for_a_while() {
        let mint = mint(1, "inet_http_server", "u");
        let token = mint.token(NOW);
        for (later, good) in [(0, true), (1, true), (43_200, true), (43_201, false)] {
            assert_eq!(mint.accepts(&token, NOW + Duration::from_secs(later)), good, "{later}");
        }
        assert!(!mint.accepts(&token, NOW - Duration::from_secs(1)), "made in the future");
    }

    #[test]
    fn another_key_server_or_principal_has_other_tokens() {
        let token = mint(1, "ab", "cd").token(NOW);
        assert!(mint(1, "ab", "cd").accepts(&token, NOW));
        let server = || Mint::with(Some([1; 32]), "ab");
        let unix = |uid| Principal::new(Who::Unix { uid, groups: [].into() }, Proof::Peer);
        for other in [
            mint(2, "ab", "cd"),
            mint(1, "abc", "d"),
            mint(1, "ab", "ce"),
            mint(1, "ab", ""),
            server(),
            server().of(&user("cd", Proof::Session)),
            server().of(&Principal::new(Who::Anonymous, Proof::None)),
            server().of(&unix(0)),
            Mint::with(None, "ab").of(&user("cd", Proof::Password)),
        ] {
            assert!(!other.accepts(&token, NOW));
        }
        let token = server().of(&unix(1000)).token(NOW);
        assert!(server().of(&unix(1000)).accepts(&token, NOW));
        assert!(!server().of(&unix(1001)).accepts(&token, NOW));
        assert!(!server().of(&unix(0)).accepts(&token, NOW));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let mint = mint(1, "s", "u");
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
        assert!(Mint::new("s").accepts(&Mint::new("s").token(NOW), NOW));
        assert!(key().is_some_and(|key| key != [0; 32]));
    }
}
