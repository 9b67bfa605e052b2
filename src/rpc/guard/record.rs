//! What the audit log gets of calls: every denial, and what changed something with what came of it.

use std::collections::BTreeMap;

use policy::access::{Action, Decision, Permit, Rule};
use policy::audit::Record;

use super::super::fault::{Code, Fault};
use super::super::office::Office;
use super::super::table::Call;
use super::Guard;
use crate::process::texts;

/// The most characters of a name that somebody asked for.
const NAME: usize = 200;
/// So many processes of one call have a record each; the names of more stand in records that they share.
const EACH: usize = 100;
/// The same of those that it is refused for: of many denials only the number is told.
const EACH_REFUSED: usize = 8;
/// The most bytes of such names in one record.
const NAMES: usize = 2_500;

/// Something that was done, or tried, to one target.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What.
    pub action: Action,
    /// To what: `group:name`, `group:*` or `daemon`.
    pub target: &'a str,
}

impl<O: Office> Guard<'_, O> {
    /// Records what the caller did by this permit, and what came of it.
    pub(in crate::rpc) fn record<T>(
        &self,
        what: Attempt<'_>,
        permit: &Permit,
        result: &Result<T, Fault>,
    ) {
        self.office.audit(self.effect(what, permit, result));
    }

    /// The same for what was done to the daemon.
    pub(in crate::rpc) fn record_on_daemon<T>(&self, permit: &Permit, result: &Result<T, Fault>) {
        let action = permit.action();
        self.record(Attempt { action, target: "daemon" }, permit, result);
    }

    /// The record of what the caller did by this permit.
    pub(in crate::rpc) fn effect<T>(
        &self,
        what: Attempt<'_>,
        permit: &Permit,
        result: &Result<T, Fault>,
    ) -> Record {
        let outcome = result.as_ref().err().map_or_else(|| "ok".to_owned(), name_of);
        let rule = self.rule(permit.rule());
        Record { decision: Some("allow"), outcome: Some(outcome), rule, ..self.draft(what) }
    }

    /// The record that the caller may not do this; `code` is the fault that they get.
    pub(super) fn denial(&self, action: Action, target: &str, no: &Decision, code: Code) -> Record {
        let outcome = Some(code.name().to_owned());
        let (decision, rule) = (Some("deny"), self.rule(&no.rule));
        Record { decision, rule, outcome, ..self.draft(Attempt { action, target }) }
    }

    /// Records what was done, or refused, to several processes.
    pub(in crate::rpc) fn record_all(&self, records: Vec<Record>) {
        let (mut done, mut refused) = (0, 0);
        let (each, rest): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
            let denied = record.decision == Some("deny");
            let (count, most) =
                if denied { (&mut refused, EACH_REFUSED) } else { (&mut done, EACH) };
            *count += 1;
            *count <= most
        });
        each.into_iter().chain(together(rest)).for_each(|record| self.office.audit(record));
    }

    fn draft(&self, what: Attempt<'_>) -> Record {
        let caller = self.caller;
        let peer = match &*caller.peer {
            "unix" => format!("unix {}", caller.server),
            peer => peer.to_owned(),
        };
        let signal = match what.action {
            Action::Signal(signo @ 1..) => Some(texts::signal(signo.into())),
            _ => None,
        };
        let called = self.method.filter(|_| what.target == "daemon" || self.event() != "access");
        Record {
            event: self.event(),
            who: Some(caller.principal.to_string()),
            auth: Some(caller.principal.proof().word()),
            peer: Some(peer),
            action: Some(what.action.word()),
            target: Some(what.target.chars().take(NAME).collect()),
            request: Some(caller.request),
            detail: signal.or_else(|| called.map(|method| method.name.to_owned())),
            ..Record::default()
        }
    }

    /// What kind of thing the method does.
    fn event(&self) -> &'static str {
        match self.method.map(|method| method.call) {
            Some(Call::ReloadConfig | Call::AddGroup | Call::RemoveGroup) => "config",
            Some(Call::Shutdown | Call::Restart) => "lifecycle",
            _ => "access",
        }
    }

    fn rule(&self, rule: &Rule) -> Option<String> {
        Some(self.access.describe(rule))
    }
}

/// The name of a fault.
fn name_of(fault: &Fault) -> String {
    Code::from_number(fault.code.into()).map_or_else(|| fault.text.clone(), |c| c.name().to_owned())
}

/// Records of processes that had the same happen to them, as few as hold their names.
fn together(records: Vec<Record>) -> Vec<Record> {
    let mut alike: BTreeMap<_, Vec<Record>> = BTreeMap::new();
    for record in records {
        let key = (record.decision, record.rule.clone(), record.outcome.clone());
        let last = alike.entry(key).or_default();
        let target = record.target.as_deref().unwrap_or_default();
        match last.last_mut().and_then(|shared| shared.target.as_mut()) {
            Some(names) if names.len() + target.len() < NAMES => {
                names.push(' ');
                names.push_str(target);
            }
            _ => last.push(record),
        }
    }
    alike.into_values().flatten().collect()
}
