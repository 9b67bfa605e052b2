//! What a name is proved by at a server, who somebody is without proving it, and how long a proof holds.

use std::rc::Rc;

use policy::access::{Principal, Proof, Who};
use tokio::time::Instant;

use super::auth::{Credentials, Ground, Key, Roll};
use super::gate::{Client, Section};
use super::logins::Owner;
use super::terms::{Asked, asked};
use super::{pam, sessions, tokens};

/// What a name can be proved by at a server.
pub(super) enum Means {
    /// The password of one of these keys; there may be none.
    Keys(Vec<Rc<Key>>),
    /// That of an account, which PAM checks.
    Pam,
}

/// What a proof hangs on: while that holds, what somebody has begun by it goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The last reading, and nothing else.
    Reading,
    /// Nothing that there is.
    Nothing,
    /// A session, by the sum of its id.
    Session(sessions::Sum),
    /// A token, by the sum of its text, and whose it was.
    Token(tokens::Sum, Rc<Principal>),
    /// An account that PAM has let in, and for how long that is enough.
    Account(Rc<str>, Instant),
    /// A certificate, and whose it is.
    Certificate(Option<Rc<Principal>>),
}

/// What is asked at this server, by the start and the last reading.
fn now_asked(roll: &Roll, section: &Section) -> Asked {
    asked(section.start, roll.terms(&section.name, section.socket), section.inet)
}

/// What a request to this server has to bring.
pub(super) fn ground(roll: &Roll, section: &Section) -> Ground {
    let Asked { asks, heeds, .. } = now_asked(roll, section);
    Ground { users: roll.has_users() || takes_accounts(roll, section), asks, heeds }
}

/// Who has brought nothing. Who has a certificate that is not enough is anybody.
pub(super) fn bare(roll: &Roll, section: &Section, client: &Client) -> Rc<Principal> {
    let known = client.principal.as_ref().filter(|known| {
        !matches!(known.who(), Who::Certificate { .. }) || certified(roll, section, Some(known))
    });
    let nobody = || Rc::new(Principal::new(Who::Anonymous, Proof::None));
    known.map_or_else(nobody, Rc::clone)
}

/// Whether it is known by a certificate who somebody is, and this is enough here: where a role is that certificate's, or
/// nobody can have a password, nor could at the start.
pub(super) fn certified(roll: &Roll, section: &Section, known: Option<&Principal>) -> bool {
    let Some(Who::Certificate { names }) = known.map(Principal::who) else { return false };
    !now_asked(roll, section).passwords || roll.knows_certificate(names)
}

/// Those keys of a server that are this name's.
fn keys(roll: &Roll, section: &Section, name: &[u8]) -> Vec<Rc<Key>> {
    let own = section.key.as_ref().filter(|key| key.name.as_bytes() == name);
    own.into_iter().chain(roll.user(name)).map(Rc::clone).collect()
}

/// Whether a server has PAM say who may log in: what it began with, and what was read last, must both say so.
pub(super) fn takes_accounts(roll: &Roll, section: &Section) -> bool {
    section.start.pam && roll.asks_pam(&section.name)
}

/// Whether a name is proved by PAM at this server. Names that the configuration has are proved by it alone.
pub(super) fn is_of_pam(roll: &Roll, section: &Section, name: &[u8]) -> bool {
    takes_accounts(roll, section) && keys(roll, section, name).is_empty() && pam::takes_name(name)
}

/// What a name and a password are proved by at this server. What PAM is not asked about is compared as nobody's.
pub(super) fn means(roll: &Roll, section: &Section, given: &Credentials) -> Means {
    match is_of_pam(roll, section, &given.name) && pam::takes(given) {
        true => Means::Pam,
        false => Means::Keys(keys(roll, section, &given.name)),
    }
}

/// The key of somebody who has logged in.
pub(super) fn key_of(means: &Means, given: &Credentials, owner: Owner) -> Option<Rc<Key>> {
    match (means, owner) {
        (Means::Keys(keys), Owner::Key(at)) => keys.get(at).map(Rc::clone),
        (Means::Pam, Owner::Account(principal)) => {
            let name = str::from_utf8(&given.name).ok()?;
            Some(Rc::new(Key::of_account(name, principal)))
        }
        _ => None,
    }
}

/// Whether what somebody has logged in by is what they would have to log in by now.
pub(super) fn is_current(roll: &Roll, section: &Section, key: &Key) -> bool {
    let name = key.name.as_bytes();
    match key.is_of_pam() {
        true => is_of_pam(roll, section, name),
        false => keys(roll, section, name).iter().any(|now| now.stamp() == key.stamp()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use policy::access::{Grants, Member, Role};

    use super::*;
    use crate::config::settings::{Clients, Password, Server, Tls, User};
    use crate::http::gate::Gate;
    use crate::http::hash::Hasher;
    use crate::http::head::{Claim, Policy};
    use crate::http::limits::Source;
    use crate::http::tests::bed;
    use crate::process::world;

    fn holder(names: &[&str]) -> Client {
        let names = names.iter().map(|name| Rc::from(*name)).collect();
        let who = Who::Certificate { names };
        Client {
            name: "192.0.2.1:7".into(),
            peer: "192.0.2.1:7".into(),
            source: Source::Unknown,
            principal: Some(Rc::new(Principal::new(who, Proof::Certificate))),
            shown: None,
            last: Cell::default(),
        }
    }

    fn role(member: &str) -> Role {
        let member = match member {
            "anonymous" => Member::Anonymous,
            name => Member::Certificate(name.to_owned()),
        };
        Role {
            name: "r".to_owned(),
            place: "conf:1".to_owned(),
            members: vec![member],
            programs: Vec::new(),
            grants: Grants::parse("view").expect("words"),
        }
    }

    /// A server that wants certificates, and what else it asks for.
    fn server(asks: &str) -> Server {
        let clients = Clients { authorities: Vec::new(), revoked: Vec::new(), required: true };
        Server {
            section: "s".to_owned(),
            socket: 0,
            credentials: (asks == "section")
                .then(|| ("u".to_owned(), Password::Plain("p".to_owned()))),
            hosts: Vec::new(),
            legacy_get_actions: false,
            guarded: false,
            pam: asks == "pam",
            tls: Some(Tls { chain: Vec::new(), key: Vec::new(), clients: Some(clients) }),
        }
    }

    /// Who a client is at a server without saying more: a word, or the refusal.
    async fn taken_for(asks: &str, roles: &[&str], client: &Client) -> String {
        let server = server(asks);
        let mut settings = world::settings(Vec::new());
        settings.servers = vec![server.clone()];
        settings.access.roles = roles.iter().map(|member| role(member)).collect();
        if asks == "user" {
            let password = Password::Plain("p".to_owned());
            settings.users = vec![User { name: "u".to_owned(), password }];
        }
        let site = bed::fake(settings);
        let gate = Gate::new(Hasher::asleep().0).expect("gate");
        let section = Section::of(&server, true, &site.settings.borrow());
        let (ground, certified) = gate.ground(&*site, &section, client);
        let request = hyper::Request::builder().uri("/").header("host", "localhost");
        let request = request.body(()).expect("a request");
        match Policy::new(&server, Some(9001)).judge(&request, ground, certified) {
            Err(refusal) => format!("{refusal:?}"),
            Ok(visit) => {
                let known = gate.identify(&site, &section, client, visit.claim).await;
                known.expect("somebody").to_string()
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_is_enough_where_it_has_a_role_or_nothing_else_is_asked() {
        let ci = holder(&["CN=ci", "DNS:ci.example.org"]);
        let (known, asked) = ("cert:CN=ci", "Unauthorized");
        for (asks, roles, expected) in [
            ("", &[][..], known),
            ("", &["CN=other"], known),
            ("section", &[], asked),
            ("user", &[], asked),
            ("pam", &[], asked),
            ("section", &["CN=ci"], known),
            ("user", &["DNS:ci.example.org"], known),
            ("pam", &["CN=other", "DNS:ci.example.org"], known),
            ("user", &["CN=c", "CN=ci2", "DNS:ci", "ci"], asked),
            // Not its own rights, but anybody's.
            ("user", &["anonymous"], "anonymous"),
            ("pam", &["anonymous", "CN=other"], "anonymous"),
            ("user", &["anonymous", "CN=ci"], known),
            ("section", &["anonymous"], asked),
        ] {
            assert_eq!(taken_for(asks, roles, &ci).await, expected, "{asks} {roles:?}");
        }
    }

    #[tokio::test]
    async fn a_certificate_without_a_name_proves_nobody() {
        let nobody = Client { principal: None, ..holder(&[]) };
        for asks in ["", "section", "user", "pam"] {
            assert_eq!(taken_for(asks, &[], &nobody).await, "Unauthorized", "{asks}");
        }
        assert_eq!(taken_for("", &["anonymous"], &nobody).await, "anonymous");
    }

    #[tokio::test]
    async fn who_brings_a_password_beside_a_certificate_is_judged_by_it() {
        let ci = holder(&["CN=ci"]);
        for asks in ["", "section", "user"] {
            let server = server(asks);
            let policy = Policy::new(&server, Some(9001));
            for (line, token) in [("Basic dTpw", false), ("Bearer svt_x", true)] {
                let request = hyper::Request::builder().uri("/").header("authorization", line);
                let request = request.header("host", "localhost").body(()).expect("a request");
                let ground = Ground { heeds: true, ..Ground::default() };
                let visit = policy.judge(&request, ground, true).expect("a visit");
                assert_eq!(matches!(visit.claim, Claim::Token(_)), token, "{asks}");
                assert_eq!(matches!(visit.claim, Claim::Basic(_)), !token, "{asks}");
            }
        }
        // What it is good for is looked at again with each reading.
        let mut settings = world::settings(Vec::new());
        settings.access.roles = vec![role("CN=ci")];
        let gate = Gate::new(Hasher::asleep().0).expect("gate");
        let site = bed::fake(settings);
        let section = Section::of(&server("section"), true, &site.settings.borrow());
        let hold = Hold::Certificate(ci.principal.clone());
        assert!(gate.holds(&*site, &section, &hold));
        *site.settings.borrow_mut() = Rc::new(world::settings(Vec::new()));
        assert!(!gate.holds(&*site, &section, &hold));
    }
}
