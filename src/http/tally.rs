//! What is recorded of those who log in, or try to.
//!
//! A flood of tries is not to fill the log, nor to push out of it what else has happened: of one source the first failure
//! is recorded at once, and what follows within a while as one record that says how many there were.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use policy::access::Principal;
use policy::audit::Record;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::Site;
use super::gate::{Client, Section};
use super::head::Refusal;
use super::limits::Source;
use super::tokens::Fault;

/// For which failures of a source are counted together.
const WHILE: Duration = Duration::from_secs(10);
/// Sources that are counted at a time; all others together are one more.
const SOURCES: usize = 64;

/// What somebody has tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// A password, with the name that was given, where there is such a user.
    Password(Option<Rc<str>>),
    /// A password of an account. Which accounts there are only PAM knows, and what was given for a name may be a password.
    Account,
    /// A token.
    Token(Fault),
}

impl Tried {
    /// Who it would have been, and by what.
    fn whom(&self) -> (String, &'static str) {
        let nobody = || "unknown".to_owned();
        match self {
            Tried::Password(known) => {
                let name = known.as_ref().map(|name| format!("user:{name}"));
                (name.unwrap_or_else(nobody), "password")
            }
            Tried::Account => (nobody(), "pam"),
            Tried::Token(Fault::Unknown) => (nobody(), "token"),
            Tried::Token(Fault::Expired(name)) => (format!("token:{name}"), "token"),
        }
    }

    /// What came of it.
    fn outcome(&self, refusal: &Refusal) -> &'static str {
        match (self, refusal) {
            (_, Refusal::TooMany { .. }) => "too many attempts",
            (Tried::Token(Fault::Expired(_)), _) => "the token has expired",
            _ => "wrong credentials",
        }
    }
}

/// Failures that are counted, not yet recorded.
#[derive(Default)]
pub(super) struct Tally {
    counts: Rc<RefCell<BTreeMap<Source, u64>>>,
}

/// Where somebody is: with the section of a unix socket, which has no address.
pub(super) fn place(peer: &str, server: &str) -> String {
    if peer == "unix" { format!("unix {server}") } else { peer.to_owned() }
}

/// A record about a login or its end.
pub(super) fn login(
    principal: &Principal,
    peer: &str,
    server: &str,
    action: &'static str,
) -> Record {
    Record {
        event: "login",
        who: Some(principal.to_string()),
        auth: Some(principal.proof().word()),
        peer: Some(place(peer, server)),
        decision: Some("allow"),
        outcome: Some("ok".to_owned()),
        detail: Some(action.to_owned()),
        ..Record::default()
    }
}

impl Tally {
    /// A try has failed.
    pub(super) fn failed<S: Site>(
        &self,
        site: &Rc<S>,
        section: &Section,
        client: &Client,
        tried: &Tried,
        refusal: &Refusal,
    ) {
        let mut counts = self.counts.borrow_mut();
        let fits = counts.len() < SOURCES || counts.contains_key(&client.source);
        let source = if fits { client.source } else { Source::Unknown };
        if let Some(count) = counts.get_mut(&source) {
            *count = count.saturating_add(1);
            return;
        }
        counts.insert(source, 0);
        let (who, auth) = tried.whom();
        let record = Record {
            event: "login",
            who: Some(who),
            auth: Some(auth),
            peer: Some(place(&client.peer, &section.name)),
            decision: Some("deny"),
            outcome: Some(tried.outcome(refusal).to_owned()),
            ..Record::default()
        };
        site.audit(record.clone());
        let (site, counts) = (Rc::clone(site), Rc::clone(&self.counts));
        spawn_local(async move {
            sleep(WHILE).await;
            let more = counts.borrow_mut().remove(&source).unwrap_or(0);
            if more > 0 {
                let detail = format!("{more} more in {} s, by any name", WHILE.as_secs());
                let who = Some("unknown".to_owned());
                site.audit(Record { who, detail: Some(detail), ..record });
            }
        });
    }
}
