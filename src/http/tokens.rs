//! Tokens of machines: whose one is, and what becomes of one that is nobody's.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use policy::access::{Principal, Proof, Who};
use tokio::time::Instant;

use super::Site;
use super::gate::{Client, Gate, Section, wait_for_slot};
use super::head::Refusal;
use super::tally::Tried;
use crate::config::settings::Token;
use crate::config::token_line;

/// What every token begins with. A password that does is a token, or wrong.
pub(super) const PREFIX: &[u8] = token_line::PREFIX.as_bytes();
/// The name that is good for every token.
const ANY: &[u8] = b"token";

/// What stands for a token's text: SHA-256 of it.
pub(super) type Sum = [u8; 32];

/// A token as a client gave it: not its text, which nothing here needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The name that stood beside it, where one did.
    pub name: Option<Vec<u8>>,
    /// SHA-256 of its text.
    pub digest: [u8; 32],
}

impl Ticket {
    /// That of a text. One that is not UTF-8 is no token's, and what stands for it neither.
    pub fn new(name: Option<Vec<u8>>, text: &[u8]) -> Ticket {
        Ticket { name, digest: token_line::digest(&String::from_utf8_lossy(text)) }
    }
}

/// A token that is good until it expires.
struct Pass {
    name: Rc<str>,
    principal: Rc<Principal>,
    /// Seconds since 1970.
    expires: Option<u64>,
}

impl Pass {
    /// Nothing where it cannot be told who has made it: it is good for nothing then.
    fn new(token: &Token) -> Option<Pass> {
        let who = Who::token(&token.name, &token.role, token.maker.as_deref()).ok()?;
        let principal = Rc::new(Principal::new(who, Proof::Token));
        Some(Pass { name: token.name.as_str().into(), principal, expires: token.expires })
    }

    fn is_good_at(&self, wall: Duration) -> bool {
        self.expires.is_none_or(|expires| wall.as_secs() < expires)
    }
}

/// Why a token is no good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is none with this text, or not by this name.
    Unknown,
    /// The one of this name has expired.
    Expired(Rc<str>),
}

/// The tokens of a reading, by the sums of their texts. What is compared are sums of secrets that nobody can choose, in a
/// table with keys of its own: the time that it takes to find one tells nothing of any.
pub(super) struct Tokens(HashMap<Sum, Pass>);

impl Tokens {
    pub(super) fn new(tokens: &[Token]) -> Tokens {
        let pass = |token: &Token| Pass::new(token).map(|pass| (token.digest, pass));
        Tokens(tokens.iter().filter_map(pass).collect())
    }

    /// Whose it is at this time since 1970.
    pub(super) fn find(&self, ticket: &Ticket, wall: Duration) -> Result<&Rc<Principal>, Fault> {
        let pass = self.0.get(&ticket.digest).ok_or(Fault::Unknown)?;
        let named = |name: &[u8]| name == ANY || name == pass.name.as_bytes();
        if !ticket.name.as_deref().is_none_or(named) {
            return Err(Fault::Unknown);
        }
        match pass.is_good_at(wall) {
            true => Ok(&pass.principal),
            false => Err(Fault::Expired(Rc::clone(&pass.name))),
        }
    }

    /// Whether the token of this sum is this somebody's at this time.
    pub(super) fn has(&self, sum: &Sum, principal: &Principal, wall: Duration) -> bool {
        let pass = self.0.get(sum);
        pass.is_some_and(|pass| *pass.principal == *principal && pass.is_good_at(wall))
    }
}

impl Gate {
    /// Whose token it is. One that is right never waits for others that were wrong: it cannot have been guessed.
    pub(super) async fn redeem<S: Site>(
        &self,
        site: &Rc<S>,
        section: &Section,
        client: &Client,
        ticket: &Ticket,
    ) -> Result<Rc<Principal>, Refusal> {
        let begun = Instant::now();
        let roll = self.roll(&**site);
        let fault = match roll.tokens.find(ticket, site.now().wall) {
            Ok(principal) => return Ok(Rc::clone(principal)),
            Err(fault) => fault,
        };
        let refusal = self.turn_down(client.source, b"token");
        self.tally.failed(site, section, client, &Tried::Token(fault), &refusal);
        wait_for_slot(begun).await;
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, text: &str, maker: Option<&str>, expires: Option<u64>) -> Token {
        Token {
            name: name.to_owned(),
            role: "deploy".to_owned(),
            maker: maker.map(str::to_owned),
            expires,
            digest: token_line::digest(text),
        }
    }

    fn ticket(name: Option<&str>, text: &str) -> Ticket {
        Ticket::new(name.map(|name| name.as_bytes().to_owned()), text.as_bytes())
    }

    const NOW: Duration = Duration::from_millis(1_000_500);

    #[test]
    fn a_token_is_known_by_its_text_and_no_other_s_name() {
        let tokens = Tokens::new(&[
            token("ci", "svt_a", None, None),
            token("program:web:web", "svt_b", Some("user:alice"), None),
        ]);
        let who = |ticket: &Ticket| tokens.find(ticket, NOW).map(|found| found.who().clone());
        let ci = Who::Token { name: "ci".into(), role: "deploy".into(), maker: None };
        for name in [None, Some("token"), Some("ci")] {
            assert_eq!(who(&ticket(name, "svt_a")).as_ref(), Ok(&ci));
        }
        let maker = Some(Rc::new(Who::User("alice".into())));
        let of = Who::Token { name: "program:web:web".into(), role: "deploy".into(), maker };
        assert_eq!(who(&ticket(None, "svt_b")), Ok(of));
        for wrong in [
            ticket(Some(""), "svt_a"),
            ticket(Some("Token"), "svt_a"),
            ticket(Some("alice"), "svt_b"),
            ticket(Some("program:web:web"), "svt_a"),
            ticket(None, "svt_"),
            ticket(None, "svt_A"),
            ticket(None, "svt_ab"),
            ticket(None, ""),
        ] {
            assert_eq!(who(&wrong), Err(Fault::Unknown), "{wrong:?}");
        }
    }

    #[test]
    fn one_that_has_expired_is_good_for_nothing() {
        for (expires, good) in [(None, true), (Some(1001), true), (Some(1000), false)] {
            let tokens = Tokens::new(&[token("ci", "svt_a", None, expires)]);
            let found = tokens.find(&ticket(None, "svt_a"), NOW);
            assert_eq!(found.is_ok(), good, "{expires:?}");
            assert!(good || found == Err(Fault::Expired("ci".into())));
            let who = Who::Token { name: "ci".into(), role: "deploy".into(), maker: None };
            let whose = Principal::new(who, Proof::Token);
            let sum = ticket(None, "svt_a").digest;
            assert_eq!(tokens.has(&sum, &whose, NOW), good);
            let other = Principal::new(Who::User("ci".into()), Proof::Password);
            assert!(!tokens.has(&sum, &other, NOW) && !tokens.has(&[0; 32], &whose, NOW));
        }
    }

    #[test]
    fn one_whose_maker_cannot_be_told_is_nobody_s() {
        for maker in ["", "alice", "owner", "unix:x", "anonymous", "token:a:b"] {
            let tokens = Tokens::new(&[token("ci", "svt_a", Some(maker), None)]);
            assert_eq!(tokens.find(&ticket(None, "svt_a"), NOW), Err(Fault::Unknown), "{maker}");
        }
    }
}
