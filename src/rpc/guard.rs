//! Between a call and its effect: whether the caller may, what they are told if not, and what the audit log has of it.
//!
//! Nothing else in the broker asks for decisions. What somebody may not see does not exist for them: a hidden process
//! and a missing one are answered alike, and leave the same record.

mod directory;
mod record;

use std::rc::Rc;

use policy::access::{Access, Action, Decision, Explanation, Permit, Principal, Target as On};
use policy::audit::Record;
use privsep::request::Slot;

use super::caller::Caller;
use super::fault::{Code, Fault};
use super::names::{self, Found};
use super::office::Office;
use super::table::{Call, Method, Target, Verb};
use crate::config::settings::{Group, Process, Settings};
use directory::Directory;
pub use record::Attempt;

/// What decides for one caller, by the rules of the moment when it was made. Whoever has waited for something that may
/// have changed them makes another.
pub struct Guard<'a, O> {
    office: &'a O,
    caller: &'a Caller,
    access: Rc<Access>,
    latest: Rc<Settings>,
    /// The method that is being called.
    method: Option<&'static Method>,
}

/// The proofs that a process may be stopped and started for a restart.
pub(super) struct Restart {
    pub(super) stop: Permit,
    pub(super) start: Permit,
}

impl<'a, O: Office> Guard<'a, O> {
    /// One for whoever asks from outside of the methods.
    pub fn new(office: &'a O, caller: &'a Caller) -> Guard<'a, O> {
        let (access, latest) = (office.access(), office.latest());
        Guard { office, caller, access, latest, method: None }
    }

    /// One for a call of this method.
    pub(super) fn of(office: &'a O, caller: &'a Caller, method: &'static Method) -> Guard<'a, O> {
        Guard { method: Some(method), ..Guard::new(office, caller) }
    }

    /// The same with the rules as they are now.
    pub(super) fn anew(&self) -> Guard<'a, O> {
        Guard { method: self.method, ..Guard::new(self.office, self.caller) }
    }

    /// Where effects are asked for.
    pub fn office(&self) -> &'a O {
        self.office
    }

    /// Whose calls these are.
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// The rules.
    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether there are no roles: nothing is refused and nothing hidden, but to tokens.
    pub fn is_open(&self) -> bool {
        self.access.is_free(&self.caller.principal)
    }

    /// Whether this process is there for the caller.
    pub fn sees(&self, slot: Slot, process: &Process) -> bool {
        self.may(Action::View, slot, process)
    }

    /// Whether the caller may do this to a process. Nothing is recorded: for those who only want to show what is possible.
    pub fn may(&self, action: Action, slot: Slot, process: &Process) -> bool {
        let may = |action| self.decide(action, slot, process).allowed;
        self.is_open()
            || may(action)
            || (action == Action::Restart && may(Action::Stop) && may(Action::Start))
    }

    /// The same of the daemon.
    pub fn may_on_daemon(&self, action: Action) -> bool {
        self.access.decide(&self.caller.principal, action, On::Daemon).allowed
    }

    /// The proof that the caller may do this to a process which is there for them, or the fault that says no.
    pub fn permit(&self, action: Action, slot: Slot, process: &Process) -> Result<Permit, Fault> {
        self.weigh(action, slot, process).map_err(|refusal| self.tell(refusal))
    }

    /// The same where the record of a refusal goes with others.
    pub(super) fn weigh(
        &self,
        action: Action,
        slot: Slot,
        process: &Process,
    ) -> Result<Permit, Refusal> {
        let permit = |on: On<'_>| self.access.permit(&self.caller.principal, action, on);
        self.ask(slot, process, permit)
            .map_err(|no| self.refusal(action, &names::full(process), &no))
    }

    /// The same of the daemon.
    pub fn permit_on_daemon(&self, action: Action) -> Result<Permit, Fault> {
        let permit = self.access.permit(&self.caller.principal, action, On::Daemon);
        permit.map_err(|no| self.refuse(action, "daemon", &no))
    }

    /// The process of a name, and the proof that this may be done to it.
    pub fn process<'s>(
        &self,
        settings: &'s Rc<Settings>,
        action: Action,
        name: &str,
    ) -> Result<(Slot, &'s Process, Permit), Fault> {
        match self.find(settings, action, name)? {
            Found::Process(slot, process) => {
                Ok((slot, process, self.permit(action, slot, process)?))
            }
            Found::Group(_) => Err(names::bad(name)),
        }
    }

    /// What a name stands for, for the caller; `action` is what they want of it.
    pub(super) fn find<'s>(
        &self,
        settings: &'s Rc<Settings>,
        action: Action,
        name: &str,
    ) -> Result<Found<'s>, Fault> {
        let empty = || {
            let group = name.strip_suffix('*').unwrap_or(name).strip_suffix(':')?;
            self.empty_group(settings, group).map(Found::Group)
        };
        let found = Directory::of(self, settings).find(settings, name).or_else(empty);
        found.ok_or_else(|| self.missing(action, name))
    }

    /// The group of exactly this name, if one of its processes is there for the caller.
    pub(super) fn group<'s>(
        &self,
        settings: &'s Rc<Settings>,
        action: Action,
        name: &str,
    ) -> Result<&'s Group, Fault> {
        let group = Directory::of(self, settings).group(settings, name);
        let group = group.or_else(|| self.empty_group(settings, name));
        group.ok_or_else(|| self.missing(action, name))
    }

    /// A group without processes is nobody's in particular.
    fn empty_group<'s>(&self, settings: &'s Settings, name: &str) -> Option<&'s Group> {
        let admin = self.may_on_daemon(Action::Admin);
        let group = admin.then(|| settings.group(name)).flatten();
        group.filter(|group| names::members(settings, group).next().is_none())
    }

    /// Those of these processes that are there for the caller.
    pub(super) fn seen(&self, settings: &Settings, slots: Vec<Slot>) -> Vec<Slot> {
        if self.is_open() {
            return slots;
        }
        let seen =
            |slot: &Slot| settings.process(*slot).is_some_and(|process| self.sees(*slot, process));
        slots.into_iter().filter(seen).collect()
    }

    /// Refuses who may not do this to anything at all, whether what they name is there or not.
    pub(super) fn somewhere(&self, action: Action, name: &str) -> Result<(), Fault> {
        let decision = self.access.decide(&self.caller.principal, action, On::Daemon);
        if decision.allowed { Ok(()) } else { Err(self.refuse(action, name, &decision)) }
    }

    /// Whether the caller may do this to all processes of a group.
    pub(super) fn may_all(&self, action: Action, settings: &Settings, group: &Group) -> bool {
        self.permit_members(action, settings, group).is_ok()
    }

    /// The proofs that the caller may do this to all processes of a group which is there for them, or the fault that
    /// says no. Which process it is for does not matter to somebody who may not see all.
    pub(super) fn permit_all(
        &self,
        action: Action,
        settings: &Settings,
        group: &Group,
    ) -> Result<Vec<Permit>, Fault> {
        let permits = self.permit_members(action, settings, group);
        permits.map_err(|no| self.refuse(action, &names::whole(&group.name), &no))
    }

    fn permit_members(
        &self,
        action: Action,
        settings: &Settings,
        group: &Group,
    ) -> Result<Vec<Permit>, Decision> {
        let who = &self.caller.principal;
        let permit = |on: On<'_>| self.access.permit(who, action, on);
        let members = names::members(settings, group);
        let permits: Vec<Permit> = members
            .map(|(slot, process)| self.ask(slot, process, permit))
            .collect::<Result<_, _>>()?;
        if permits.is_empty() {
            return self.access.permit(who, Action::Admin, On::Daemon).map(|permit| vec![permit]);
        }
        Ok(permits)
    }

    /// The proofs that the caller may restart a process which is there for them, or the refusal. Who may stop it and start
    /// it may restart it too.
    pub(super) fn weigh_restart(&self, slot: Slot, process: &Process) -> Result<Restart, Refusal> {
        let who = &self.caller.principal;
        let permit = |action| self.ask(slot, process, |on| self.access.permit(who, action, on));
        let both = |stop, start| Ok(Restart { stop: permit(stop)?, start: permit(start)? });
        both(Action::Restart, Action::Restart).or_else(|no| {
            both(Action::Stop, Action::Start)
                .map_err(|_| self.refusal(Action::Restart, &names::full(process), &no))
        })
    }

    /// Lets a call of a method in: what it does to the daemon must be granted, and to ask about everything takes some
    /// role. What it does to processes is asked for each.
    pub(super) fn admit(&self, method: &Method) -> Result<Pass, Fault> {
        if method.changes() && !self.office.audit_ready() && !self.must_be_stopped(method) {
            let text = "the audit log has no room, and nothing is changed that it would not have";
            return Err(Fault::new(Code::Failed).with(text));
        }
        match method.target {
            Target::Caller | Target::Process | Target::Group => Ok(Pass(None)),
            Target::Daemon => self.permit_on_daemon(method.action).map(|permit| Pass(Some(permit))),
            Target::All => self.permit_on_daemon(Action::View).map(|_| Pass(None)),
        }
    }

    /// Whether the audit log's having no room is no reason against it: else who fills the disk could keep root, and the user
    /// who runs the daemon, from stopping what fills it.
    fn must_be_stopped(&self, method: &Method) -> bool {
        let stops = matches!(
            method.call,
            Call::One(Verb::Stop)
                | Call::Group(Verb::Stop)
                | Call::All(Verb::Stop)
                | Call::Shutdown
        );
        stops && self.access.is_owner(&self.caller.principal)
    }

    /// Whether somebody may do this to a process, and why.
    pub(super) fn explain(
        &self,
        who: &Principal,
        action: Action,
        slot: Slot,
        process: &Process,
    ) -> Explanation {
        let explain = |action| {
            let explain = |on: On<'_>| {
                let explanation = self.access.explain(who, action, on);
                if explanation.decision.allowed { Ok(explanation) } else { Err(explanation) }
            };
            self.ask(slot, process, explain)
        };
        explain(action).unwrap_or_else(|no| match action {
            Action::Restart => {
                let start = explain(Action::Start);
                start.and_then(|_| explain(Action::Stop)).unwrap_or(no)
            }
            _ => no,
        })
    }

    fn decide(&self, action: Action, slot: Slot, process: &Process) -> Decision {
        let decide = |on: On<'_>| {
            let decision = self.access.decide(&self.caller.principal, action, on);
            if decision.allowed { Ok(decision) } else { Err(decision) }
        };
        self.ask(slot, process, decide).unwrap_or_else(|no| no)
    }

    /// Asks about a process by its name and the labels that the last reading gives it. A slot that the last reading calls
    /// by another name than the settings in force, which a former broker may have left, is both: both are asked about.
    fn ask<T, E>(
        &self,
        slot: Slot,
        process: &Process,
        ask: impl Fn(On<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let on = |process: &Process, labels: &[String]| {
            ask(On::Process { group: &process.group, name: &process.name, labels })
        };
        match self.latest.process(slot) {
            _ if self.is_open() => ask(On::Daemon),
            Some(known) if known.is_named_as(process) => on(known, &known.labels),
            Some(other) => on(process, &[]).and_then(|_| on(other, &other.labels)),
            None => on(process, self.labels(process)),
        }
    }

    /// The logs of a process, of standard output and standard error, as far as it is sure that they are its: what a former
    /// broker has left might lead to those of another.
    pub fn logs(&self, slot: Slot, process: &Process) -> [Option<u32>; 2] {
        match self.latest.process(slot) {
            Some(known) if known.is_named_as(process) => [known.stdout.log, known.stderr.log],
            _ if self.office.vouches(slot) => [process.stdout.log, process.stderr.log],
            _ => [None, None],
        }
    }

    /// The labels of a process by its name alone; none where the last reading does not have it.
    fn labels(&self, process: &Process) -> &[String] {
        let group = self.latest.group(&process.group);
        let mut members = group.into_iter().flat_map(|group| names::members(&self.latest, group));
        let known = members.find(|(_, known)| known.name == process.name);
        known.map_or(&[], |(_, known)| &known.labels)
    }

    /// What is said where nothing is there for the caller. Whether something is there for others shows nowhere.
    fn missing(&self, action: Action, name: &str) -> Fault {
        let (group, process) = name.split_once(':').unwrap_or((name, name));
        let named = (group, process);
        let decision = self.access.decide_of_missing(&self.caller.principal, Action::View, named);
        if !decision.allowed {
            self.office.audit(self.denial(action, name, &decision, Code::BadName));
        }
        names::bad(name)
    }

    /// What somebody is told who sees something and may not do this to it, and what is recorded of that.
    fn refusal(&self, action: Action, target: &str, no: &Decision) -> Refusal {
        let fault = Fault::new(Code::AccessDenied).with(format!("{action} of {target}"));
        let record = Box::new(self.denial(action, target, no, Code::AccessDenied));
        Refusal { fault, record }
    }

    fn refuse(&self, action: Action, target: &str, no: &Decision) -> Fault {
        self.tell(self.refusal(action, target, no))
    }

    /// Records a refusal by itself.
    pub(super) fn tell(&self, refusal: Refusal) -> Fault {
        self.office.audit(*refusal.record);
        refusal.fault
    }
}

/// That something may not be done.
pub(super) struct Refusal {
    pub(super) fault: Fault,
    pub(super) record: Box<Record>,
}

/// What [`Guard::admit`] gives: for a method about the daemon the proof that it may be carried out.
pub(super) struct Pass(Option<Permit>);

impl Pass {
    /// The proof. Methods about other things than the daemon have none.
    pub(super) fn permit(&self) -> Result<&Permit, Fault> {
        self.0.as_ref().ok_or_else(|| Fault::new(Code::AccessDenied))
    }
}

/// For tests: the proof that anything may be done where nothing is refused.
#[cfg(test)]
pub(crate) fn free(action: Action) -> Permit {
    let anyone = Caller::anonymous();
    Access::default().permit(&anyone.principal, action, On::Daemon).expect("no roles")
}
