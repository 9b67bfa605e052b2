//! The rules, turned round: from a member, an action or a program to the roles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::bits::Bits;
use super::glob::Globs;
use super::{Action, Member, Pattern, Role, Who, signals};

/// Programs whose roles are kept: all that a configuration can have, and as many again.
const PROGRAMS: usize = 32_768;
/// Longer names are looked up afresh each time.
const NAME: usize = 255;
/// Principals whose roles are kept.
const PRINCIPALS: usize = 16;

/// Which roles are about what.
#[derive(Debug, Default)]
pub(super) struct Index {
    roles: usize,
    users: HashMap<String, Bits>,
    uids: HashMap<u32, Bits>,
    gids: HashMap<u32, Bits>,
    anonymous: Option<Bits>,
    certificates: HashMap<String, Bits>,
    /// By its name, for tokens. Of several roles of one name it is the first.
    named: HashMap<String, usize>,
    /// By signal; 0 is any. Empty where no role grants one.
    signals: Vec<Bits>,
    actions: HashMap<Action, Bits>,
    labels: HashMap<String, Bits>,
    patterns: Globs<OfGroups>,
    /// Roles about the daemon, and those of them about everything that it has.
    daemon: Bits,
    everything: Bits,
    programs: RefCell<Programs>,
    principals: RefCell<Vec<(Who, Rc<Bits>)>>,
}

/// What patterns say about the groups that one glob matches.
#[derive(Debug, Default)]
struct OfGroups {
    /// Roles about all their processes.
    whole: Option<Bits>,
    /// Roles about some.
    processes: Globs<Option<Bits>>,
}

/// Roles by group and name, as far as somebody asked.
#[derive(Debug, Default)]
struct Programs {
    count: usize,
    groups: HashMap<String, HashMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    labels: Box<[String]>,
    roles: Rc<Bits>,
}

impl Index {
    pub(super) fn new(roles: &[Role]) -> Index {
        let none = || Bits::none(roles.len());
        let (daemon, everything) = (none(), none());
        let mut index = Index { roles: roles.len(), daemon, everything, ..Index::default() };
        let granting = |action| {
            let mut bits = Bits::none(roles.len());
            let granted = (0..).zip(roles).filter(|(_, role)| role.grants.has(action));
            granted.for_each(|(number, _)| bits.insert(number));
            bits
        };
        if roles.iter().any(|role| role.grants.has(Action::Signal(0))) {
            index.signals = (0..=signals::LAST).map(|n| granting(Action::Signal(n))).collect();
        }
        index.actions = Action::ALL.into_iter().map(|action| (action, granting(action))).collect();
        for (number, role) in (0..).zip(roles) {
            index.daemon.insert(number);
            if role.is_about_everything() {
                index.everything.insert(number);
            }
            role.members.iter().for_each(|member| index.member(number, member));
            index.named.entry(role.name.clone()).or_insert(number);
            role.programs.iter().for_each(|pattern| index.pattern(number, pattern));
        }
        index
    }

    fn none(&self) -> Bits {
        Bits::none(self.roles)
    }

    fn member(&mut self, role: usize, member: &Member) {
        let none = self.none();
        let bits = match member {
            Member::User(name) => self.users.entry(name.clone()).or_insert(none),
            Member::Uid(uid) => self.uids.entry(*uid).or_insert(none),
            Member::Gid(gid) => self.gids.entry(*gid).or_insert(none),
            Member::Anonymous => self.anonymous.get_or_insert(none),
            Member::Certificate(name) => self.certificates.entry(name.clone()).or_insert(none),
        };
        bits.insert(role);
    }

    fn pattern(&mut self, role: usize, pattern: &Pattern) {
        let none = self.none();
        let bits = match pattern {
            Pattern::Label(label) => self.labels.entry(label.clone()).or_insert(none),
            Pattern::Group(of) => self.patterns.entry(of).whole.get_or_insert(none),
            Pattern::Process(of, name) => {
                self.patterns.entry(of).processes.entry(name).get_or_insert(none)
            }
        };
        bits.insert(role);
    }

    /// Roles that grant an action.
    pub(super) fn of_action(&self, action: Action) -> Option<&Bits> {
        match action {
            Action::Signal(signo) => self.signals.get(usize::from(signo)),
            action => self.actions.get(&action),
        }
    }

    /// Roles that are about the daemon where this is done to it: every role, but what reaches all programs is for roles
    /// about all of them.
    pub(super) fn of_daemon(&self, action: Action) -> &Bits {
        if action == Action::Admin { &self.everything } else { &self.daemon }
    }

    /// Roles that a principal has; a token whatever its maker has.
    pub(super) fn of_principal(&self, who: &Who) -> Rc<Bits> {
        let mut known = self.principals.borrow_mut();
        if let Some((_, bits)) = known.iter().find(|(other, _)| other == who) {
            return Rc::clone(bits);
        }
        let bits = Rc::new(self.roles_of(who));
        if known.len() >= PRINCIPALS {
            known.remove(0);
        }
        known.push((who.clone(), Rc::clone(&bits)));
        bits
    }

    fn roles_of(&self, who: &Who) -> Bits {
        let mut bits = self.none();
        if let Who::Token { role, .. } = who {
            self.named.get(&**role).into_iter().for_each(|number| bits.insert(*number));
        }
        let mut join = |more: Option<&Bits>| more.into_iter().for_each(|more| bits.join(more));
        match who {
            Who::Anonymous => join(self.anonymous.as_ref()),
            Who::User(name) => join(self.users.get(&**name)),
            Who::Unix { uid, groups } | Who::Account { uid, groups, .. } => {
                join(self.uids.get(uid));
                groups.iter().for_each(|gid| join(self.gids.get(gid)));
            }
            Who::Certificate { names } => {
                names.iter().for_each(|name| join(self.certificates.get(&**name)));
            }
            Who::Token { .. } => {}
        }
        bits
    }

    /// Roles that are about a program, which are kept for the next time.
    pub(super) fn of_program(&self, group: &str, name: &str, labels: &[String]) -> Rc<Bits> {
        let mut programs = self.programs.borrow_mut();
        let known = programs.groups.get(group).and_then(|group| group.get(name));
        if let Some(known) = known.filter(|known| *known.labels == *labels) {
            return Rc::clone(&known.roles);
        }
        let roles = Rc::new(self.covering(group, name, labels));
        if group.len() <= NAME && name.len() <= NAME {
            programs.keep(group, name, Known { labels: labels.into(), roles: Rc::clone(&roles) });
        }
        roles
    }

    /// The same, found afresh.
    pub(super) fn covering(&self, group: &str, name: &str, labels: &[String]) -> Bits {
        let mut bits = self.none();
        labels.iter().filter_map(|label| self.labels.get(label)).for_each(|more| bits.join(more));
        for of in self.patterns.matching(group) {
            let some = of.processes.matching(name).flatten();
            of.whole.iter().chain(some).for_each(|more| bits.join(more));
        }
        bits
    }
}

impl Programs {
    fn keep(&mut self, group: &str, name: &str, known: Known) {
        if self.count >= PROGRAMS {
            *self = Programs::default();
        }
        let group = self.groups.entry(group.to_owned()).or_default();
        if group.insert(name.to_owned(), known).is_none() {
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, Grants, Principal, Proof, Rules, Target};
    use super::*;

    #[test]
    fn names_that_are_made_up_leave_nothing_behind() {
        let role = Role {
            name: "web".to_owned(),
            place: String::new(),
            members: vec![Member::Anonymous],
            programs: vec![Pattern::parse("web*").unwrap(), Pattern::parse("x:1*").unwrap()],
            grants: Grants::parse("view").unwrap(),
        };
        let access = Access::new(Rules { roles: vec![role], owner: 1 });
        for (who, uid) in
            [(Who::Anonymous, None), (Who::Unix { uid: 0, groups: [].into() }, Some(0))]
        {
            let proof = if uid.is_some() { Proof::Peer } else { Proof::None };
            let who = Principal::new(who, proof);
            for n in 0..1_000 {
                let name = n.to_string();
                for group in ["web", "x", &name] {
                    let asked = access.decide_of_missing(&who, Action::View, (group, &name));
                    assert_eq!(access.index.programs.borrow().count, 0, "{group}:{name}");
                    let target = Target::Process { group, name: &name, labels: &[] };
                    let fresh = Access::new(access.rules().clone());
                    assert_eq!(asked, fresh.decide(&who, Action::View, target), "{group}:{name}");
                }
            }
        }
        assert!(access.index.programs.borrow().groups.is_empty());
    }
}
