//! The rules, turned round: from a member, an action or a program to the roles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::bits::Bits;
use super::glob::Glob;
use super::{Action, Member, Pattern, Principal, Role, Who, signals};

/// Programs whose roles are kept: all that a configuration can have, and as many again.
const PROGRAMS: usize = 32_768;
/// Longer names are looked up afresh each time.
const NAME: usize = 255;
/// Principals whose roles are kept.
const PRINCIPALS: usize = 8;

/// Which roles are about what.
#[derive(Debug, Default)]
pub(super) struct Index {
    roles: usize,
    users: HashMap<String, Bits>,
    uids: HashMap<u32, Bits>,
    gids: HashMap<u32, Bits>,
    anonymous: Option<Bits>,
    actions: HashMap<Action, Bits>,
    labels: HashMap<String, Bits>,
    /// Patterns whose group is a plain name, by that; without a glob for the process they are about all of it.
    named: HashMap<String, Vec<(Option<Glob>, Bits)>>,
    /// Patterns with a glob for the group.
    globs: Vec<(Glob, Option<Glob>, Bits)>,
    programs: RefCell<Programs>,
    principals: RefCell<Vec<(Principal, Rc<Bits>)>>,
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
        let mut index = Index { roles: roles.len(), ..Index::default() };
        for action in (0..=signals::LAST).map(Action::Signal).chain(Action::ALL) {
            let mut bits = index.none();
            let granted = (0..).zip(roles).filter(|(_, role)| role.grants.has(action));
            granted.for_each(|(number, _)| bits.insert(number));
            index.actions.insert(action, bits);
        }
        let mut patterns = HashMap::new();
        for (number, role) in (0..).zip(roles) {
            role.members.iter().for_each(|member| index.member(number, member));
            for pattern in &role.programs {
                let bits = patterns.entry(pattern).or_insert_with(|| index.none());
                bits.insert(number);
            }
        }
        patterns.into_iter().for_each(|(pattern, bits)| index.pattern(pattern, bits));
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
        };
        bits.insert(role);
    }

    fn pattern(&mut self, pattern: &Pattern, bits: Bits) {
        let (of, name) = match pattern {
            Pattern::Label(label) => {
                self.labels.insert(label.clone(), bits);
                return;
            }
            Pattern::Group(of) => (Glob::new(of), None),
            Pattern::Process(of, name) => (Glob::new(of), Some(Glob::new(name))),
        };
        match of.literal().map(str::to_owned) {
            Some(group) => self.named.entry(group).or_default().push((name, bits)),
            None => self.globs.push((of, name, bits)),
        }
    }

    /// Roles that grant an action.
    pub(super) fn of_action(&self, action: Action) -> Option<&Bits> {
        self.actions.get(&action)
    }

    /// Roles that a principal has.
    pub(super) fn of_principal(&self, who: &Principal) -> Rc<Bits> {
        let mut known = self.principals.borrow_mut();
        if let Some((_, bits)) = known.iter().find(|(other, _)| other.who() == who.who()) {
            return Rc::clone(bits);
        }
        let bits = Rc::new(self.roles_of(who.who()));
        if known.len() >= PRINCIPALS {
            known.remove(0);
        }
        known.push((who.clone(), Rc::clone(&bits)));
        bits
    }

    fn roles_of(&self, who: &Who) -> Bits {
        let mut bits = self.none();
        let mut join = |more: Option<&Bits>| more.into_iter().for_each(|more| bits.join(more));
        match who {
            Who::Anonymous => join(self.anonymous.as_ref()),
            Who::User(name) => join(self.users.get(&**name)),
            Who::Unix { uid, groups } => {
                join(self.uids.get(uid));
                groups.iter().for_each(|gid| join(self.gids.get(gid)));
            }
        }
        bits
    }

    /// Roles that are about a program.
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

    fn covering(&self, group: &str, name: &str, labels: &[String]) -> Bits {
        let mut bits = self.none();
        labels.iter().filter_map(|label| self.labels.get(label)).for_each(|more| bits.join(more));
        let covers = |glob: &Option<Glob>| glob.as_ref().is_none_or(|glob| glob.matches(name));
        for (glob, more) in self.named.get(group).into_iter().flatten() {
            if covers(glob) {
                bits.join(more);
            }
        }
        for (of, glob, more) in &self.globs {
            if of.matches(group) && covers(glob) {
                bits.join(more);
            }
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
