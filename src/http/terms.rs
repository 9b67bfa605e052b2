//! What a server asks of who comes: what it asked at the start, and what the last reading adds to that.

use policy::access::Member;

use crate::config::settings::{Server, Settings};

/// What one reading says about a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// The section has a name and a password of its own.
    pub(super) credentials: bool,
    /// There are `[user:NAME]` sections.
    pub(super) users: bool,
    /// Names are those of accounts, which PAM checks.
    pub(super) pam: bool,
    /// There are tokens.
    pub(super) tokens: bool,
    /// Clients are asked for certificates.
    pub(super) certificates: bool,
    /// All of them have to show one.
    pub(super) required: bool,
    /// It serves nobody who has proved nothing, even where nobody can log in.
    pub(super) guarded: bool,
    /// There are roles: who somebody is matters.
    pub(super) roles: bool,
    /// A role has `anonymous` as its member.
    pub(super) anonymous: bool,
    /// It speaks TLS.
    pub(super) secure: bool,
    /// The reading has no such server.
    pub(super) gone: bool,
}

/// What is asked of who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whoever proves nothing is turned away.
    pub(super) asks: bool,
    /// A proof that is brought has to be right.
    pub(super) heeds: bool,
    /// There are, or were, names that have passwords: who has a certificate alone needs a role of its own.
    pub(super) passwords: bool,
}

/// The rule. A server never asks for less than at the start; what a later reading adds it asks for as well, though it may
/// be that nobody can give that before the restart; in doubt it asks.
///
/// A role's `anonymous` is the one exception, since it says itself what those may do who prove nothing. Name and password
/// of a section are those of the start, as in the reference. Over a unix socket the kernel says who comes.
pub(super) fn asked(start: Terms, last: Terms, inet: bool) -> Asked {
    let either = |of: fn(&Terms) -> bool| of(&start) || of(&last);
    let secrets = either(|t| t.users) || either(|t| t.pam);
    let proofs = secrets || either(|t| t.tokens) || either(|t| t.required) || either(|t| t.guarded);
    // Certificates and accounts are for servers with TLS alone: what such a one would ask now, nobody knows.
    let doubtful = start.secure && last.gone;
    let asks = start.credentials || inet && (proofs || doubtful) && !last.anonymous;
    let somebody = last.users || last.tokens || start.pam && last.pam;
    Asked {
        asks,
        // A header that nobody has asked for proves nothing, as in the reference; where it can prove something it must.
        heeds: asks || somebody || last.roles || either(|t| t.certificates),
        passwords: start.credentials || secrets,
    }
}

impl Terms {
    /// What a reading says about all servers.
    pub(super) fn of_all(settings: &Settings) -> Terms {
        let roles = &settings.access.roles;
        Terms {
            users: !settings.users.is_empty(),
            tokens: !settings.tokens.is_empty(),
            roles: !roles.is_empty(),
            anonymous: roles.iter().any(|role| role.members.contains(&Member::Anonymous)),
            ..Terms::default()
        }
    }

    /// The same, and what it says about one.
    pub(super) fn and(self, server: &Server) -> Terms {
        let clients = server.tls.as_ref().and_then(|tls| tls.clients.as_ref());
        let credentials = server.credentials.is_some();
        Terms {
            credentials: self.credentials || credentials,
            pam: self.pam || server.pam,
            certificates: self.certificates || clients.is_some(),
            required: self.required || clients.is_some_and(|clients| clients.required),
            // Where it is for the section's own password it waits for the restart with that.
            guarded: self.guarded || server.guarded && !credentials,
            secure: self.secure || server.tls.is_some(),
            ..self
        }
    }

    /// What a later reading says about a server that listens on this socket by this name. Where sections have changed
    /// places it is both what the one says and the other.
    pub(super) fn later(self, servers: &[Server], name: &str, socket: u32) -> Terms {
        let named = |server: &Server| server.section == name;
        let placed = |server: &Server| server.socket == socket;
        let gone = !servers.iter().any(|server| named(server) && placed(server));
        let here = servers.iter().filter(|server| named(server) || placed(server));
        here.fold(Terms { gone, ..self }, Terms::and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can be said, but for a role's `anonymous`.
    const KINDS: [&str; 8] =
        ["", "section", "users", "pam", "tokens", "required", "optional", "guarded"];

    fn terms(kind: &str) -> Terms {
        Terms {
            credentials: kind == "section",
            users: kind == "users",
            pam: kind == "pam",
            tokens: kind == "tokens",
            certificates: ["required", "optional"].contains(&kind),
            required: kind == "required",
            guarded: kind == "guarded",
            secure: true,
            ..Terms::default()
        }
    }

    /// Whether a reading that says this has a server ask from the start on.
    fn is_proof(kind: &str) -> bool {
        !["", "optional"].contains(&kind)
    }

    #[test]
    fn a_server_asks_for_all_that_it_asked_for_and_all_that_is_added() {
        let (mut open, mut tried) = (Vec::new(), 0);
        for start in KINDS {
            for last in KINDS {
                let (from, to) = (terms(start), terms(last));
                let now = asked(from, to, true);
                let added = is_proof(last) && last != "section";
                assert_eq!(now.asks, is_proof(start) || added, "{start} -> {last}");
                // Who has a certificate and no role gets past no password that there was, or is.
                let secret = ["users", "pam"];
                let passwords =
                    start == "section" || secret.contains(&start) || secret.contains(&last);
                assert_eq!(now.passwords, passwords, "{start} -> {last}");
                // What comes with a request is looked at wherever it can be good for anything.
                let certificates = start == "optional" || last == "optional";
                assert_eq!(now.heeds, now.asks || certificates, "{start} -> {last}");
                if !now.asks {
                    open.push((start, last));
                }
                // Never less than at the start, whatever the reading says.
                let before = asked(from, from, true);
                assert!(now.asks || !before.asks, "{start} -> {last}");
                assert!(now.passwords || !before.passwords, "{start} -> {last}");
                // A role of anybody's lets anybody in, but never without the section's own password.
                let anonymous = Terms { roles: true, anonymous: true, ..to };
                let now = asked(from, anonymous, true);
                assert_eq!((now.asks, now.heeds), (start == "section", true), "{start} -> {last}");
                let was = Terms { roles: true, anonymous: true, ..from };
                assert_eq!(asked(was, to, true).asks, is_proof(start) || added);
                // Over a unix socket it is the peer who comes.
                assert_eq!(asked(from, to, false).asks, start == "section", "{start} -> {last}");
                tried += 1;
            }
        }
        let open_ones = [
            ("", ""),
            ("", "section"),
            ("", "optional"),
            ("optional", ""),
            ("optional", "section"),
            ("optional", "optional"),
        ];
        assert_eq!((tried, open), (64, open_ones.to_vec()));
    }

    #[test]
    fn what_a_reading_does_not_have_asks_on() {
        let gone = Terms { gone: true, ..Terms::default() };
        for start in KINDS {
            assert!(asked(terms(start), gone, true).asks, "{start}");
            let plain = Terms { secure: false, ..terms(start) };
            assert_eq!(asked(plain, gone, true).asks, is_proof(start), "{start}");
        }
        // Without any of that it is as it was before there was TLS.
        let user = Terms { users: true, ..gone };
        assert!(asked(Terms::default(), user, true).asks);
        assert!(!asked(Terms::default(), user, false).asks);
        assert!(asked(Terms::default(), user, false).heeds);
        assert!(!asked(user, Terms::default(), false).heeds, "a unix socket goes by the reading");
    }

    #[test]
    fn a_server_is_found_by_its_name_and_its_place() {
        let server = |section: &str, socket, pam| Server {
            section: section.to_owned(),
            socket,
            credentials: None,
            hosts: Vec::new(),
            legacy_get_actions: false,
            guarded: false,
            pam,
            tls: None,
        };
        let later = |servers: &[Server]| {
            let terms = Terms::default().later(servers, "a", 1);
            (terms.pam, terms.gone)
        };
        assert_eq!(later(&[]), (false, true));
        assert_eq!(later(&[server("a", 1, true), server("b", 2, false)]), (true, false));
        assert_eq!(later(&[server("a", 1, false), server("b", 2, true)]), (false, false));
        assert_eq!(later(&[server("a", 2, false), server("b", 1, true)]), (true, true));
        assert_eq!(later(&[server("a", 2, true), server("b", 1, false)]), (true, true));
    }
}
