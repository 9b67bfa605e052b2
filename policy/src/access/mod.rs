//! Who may do what: the one decision point. Nothing else in the project decides.
//!
//! The reader compiles `[role:NAME]` sections into [`Rules`]; the broker asks [`Access::decide`] before every effect, and
//! what has an effect demands the [`Permit`] that only a positive decision makes.

mod action;
mod bits;
mod explain;
mod glob;
mod index;
mod malformed;
#[cfg(test)]
mod model;
mod names;
mod pattern;
mod principal;
mod rules;
pub mod signals;
#[cfg(test)]
mod tests;
mod words;
mod written;

use bits::Bits;
use index::Index;

pub use action::{Action, Grants};
pub use explain::Explanation;
pub use malformed::Malformed;
pub use names::{MemberName, certificate, label, user_name};
pub use pattern::Pattern;
pub use principal::{Principal, Proof, Who};
pub use rules::{Member, Role, Rules};

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The daemon itself.
    Daemon,
    /// One process.
    Process {
        /// Name of its group.
        group: &'a str,
        /// Its name.
        name: &'a str,
        /// What its section's `labels=` says.
        labels: &'a [String],
    },
}

/// The same with what is known of it.
#[derive(Debug, Clone, Copy)]
enum On<'a> {
    Daemon,
    /// A process, by the roles that are about it.
    Process(&'a Bits),
}

/// What it takes to do this to the daemon: what is no act on a daemon is for those who may do everything to it.
fn on_daemon(action: Action) -> Action {
    match action {
        Action::View | Action::Config => action,
        _ => Action::Admin,
    }
}

/// Why it was decided so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// There are no roles: who reaches a server and passes its gate may do all.
    NoRoles,
    /// Root, or the user who runs the daemon, over a unix socket.
    Owner,
    /// The role of this number in [`Rules::roles`] grants it.
    Role(usize),
    /// No role grants it.
    Default,
}

/// An answer of the decision point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// What decided.
    pub rule: Rule,
}

/// The proof of a positive decision: made here only.
#[derive(Debug)]
pub struct Permit {
    action: Action,
    rule: Rule,
    /// Group and name of the process that it was asked for; nothing for the daemon.
    process: Option<(Box<str>, Box<str>)>,
}

impl Permit {
    /// What was permitted.
    pub fn action(&self) -> Action {
        self.action
    }

    /// By which rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Whether it is for what is done to the daemon. Where there are no roles every permit is for everything.
    pub fn is_for_daemon(&self) -> bool {
        self.rule == Rule::NoRoles || self.process.is_none()
    }

    /// Whether it is for what is done to the process of this group and name.
    pub fn is_for(&self, group: &str, name: &str) -> bool {
        let named = |(of, own): &(Box<str>, Box<str>)| (&**of, &**own) == (group, name);
        self.rule == Rule::NoRoles || self.process.as_ref().is_some_and(named)
    }
}

/// The rules in force, ready to be asked. A decision costs well under a microsecond with a thousand roles.
#[derive(Debug, Default)]
pub struct Access {
    rules: Rules,
    index: Index,
}

impl Access {
    /// Those of a reading.
    pub fn new(rules: Rules) -> Access {
        let index = Index::new(&rules.roles);
        Access { rules, index }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether this principal may do this to that. Of several roles that grant it the first in the configuration decides.
    pub fn decide(&self, who: &Principal, action: Action, target: Target<'_>) -> Decision {
        match target {
            Target::Daemon => self.verdict(who.who(), action, On::Daemon),
            Target::Process { .. } if self.is_free(who) => {
                self.verdict(who.who(), action, On::Daemon)
            }
            Target::Process { group, name, labels } => {
                let about = self.index.of_program(group, name, labels);
                self.verdict(who.who(), action, On::Process(&about))
            }
        }
    }

    /// The same about a process that is not there. Nothing is kept of its name, which anybody may have made up.
    pub fn decide_of_missing(
        &self,
        who: &Principal,
        action: Action,
        (group, name): (&str, &str),
    ) -> Decision {
        let about = self.index.covering(group, name, &[]);
        self.verdict(who.who(), action, On::Process(&about))
    }

    fn verdict(&self, who: &Who, action: Action, on: On<'_>) -> Decision {
        let decided = |allowed, rule| Decision { allowed, rule };
        if self.refuses_nothing_to(who) {
            return decided(true, Rule::NoRoles);
        }
        if who.is_owner(self.rules.owner) {
            return decided(true, Rule::Owner);
        }
        match self.role(who, action, on) {
            Some(number) if self.maker_may(who, action, on) => decided(true, Rule::Role(number)),
            _ => decided(false, Rule::Default),
        }
    }

    /// The first role of a principal that grants it; of a token whatever its maker may do.
    fn role(&self, who: &Who, action: Action, on: On<'_>) -> Option<usize> {
        let own = self.index.of_principal(who);
        match on {
            On::Daemon => {
                let action = on_daemon(action);
                self.index.of_action(action)?.first_of_three(&own, self.index.of_daemon(action))
            }
            On::Process(about) => self.index.of_action(action)?.first_of_three(&own, about),
        }
    }

    /// Whether it is no more than the maker of a token may do now. Who is no token, or one of an owner's, has no such limit.
    fn maker_may(&self, who: &Who, action: Action, on: On<'_>) -> bool {
        match (who.made_by(), on, action) {
            (None, ..) => true,
            (Some(maker), ..) if !maker.makes_tokens() => false,
            // Some signal: it must be the same one for both.
            (Some(_), On::Process(_), Action::Signal(0)) => self.granted(who, on).has(action),
            (Some(maker), ..) => self.verdict(maker, action, on).allowed,
        }
    }

    /// Whether nothing is refused to a principal because there are no roles. To a token everything is: it has a role, and
    /// there is none.
    pub fn is_free(&self, who: &Principal) -> bool {
        self.refuses_nothing_to(who.who())
    }

    fn refuses_nothing_to(&self, who: &Who) -> bool {
        self.rules.roles.is_empty() && !matches!(who, Who::Token { .. })
    }

    /// Whether a principal may do all whatever the roles say: root, or the user who runs the daemon, over a unix socket.
    pub fn is_owner(&self, who: &Principal) -> bool {
        who.who().is_owner(self.rules.owner)
    }

    /// Whether a principal may do this to anything at all: some role of it grants it, or nothing is refused to it. Of a token
    /// some role of its maker must grant it, too, be it for other programs.
    pub fn may_any(&self, who: &Principal, action: Action) -> bool {
        self.may_somewhere(who.who(), action)
    }

    fn may_somewhere(&self, who: &Who, action: Action) -> bool {
        let granted = || {
            let own = self.index.of_principal(who);
            self.index
                .of_action(action)
                .is_some_and(|granting| granting.first_of_both(&own).is_some())
        };
        let maker = |maker: &Who| maker.makes_tokens() && self.may_somewhere(maker, action);
        self.refuses_nothing_to(who)
            || who.is_owner(self.rules.owner)
            || granted() && who.made_by().is_none_or(maker)
    }

    /// The roles that a principal has, in the order of the configuration. A token has its one, whatever its maker has.
    pub fn roles_of(&self, who: &Principal) -> Vec<&Role> {
        let own = self.index.of_principal(who.who());
        own.iter().filter_map(|number| self.rules.roles.get(number)).collect()
    }

    /// All that a principal may do to that, by whatever role.
    pub fn grants(&self, who: &Principal, target: Target<'_>) -> Grants {
        match target {
            Target::Daemon => self.granted(who.who(), On::Daemon),
            Target::Process { group, name, labels } => {
                let about = self.index.of_program(group, name, labels);
                self.granted(who.who(), On::Process(&about))
            }
        }
    }

    fn granted(&self, who: &Who, on: On<'_>) -> Grants {
        if self.refuses_nothing_to(who) || who.is_owner(self.rules.owner) {
            return Grants::admin();
        }
        let own = match on {
            On::Daemon => {
                let may = |action: &Action| self.role(who, *action, on).is_some();
                Action::ALL.into_iter().filter(may).collect()
            }
            On::Process(about) => {
                let own = self.index.of_principal(who);
                let roles = own.both(about).filter_map(|number| self.rules.roles.get(number));
                let mut grants = Grants::default();
                roles.for_each(|role| grants.join(role.grants));
                grants
            }
        };
        match who.made_by() {
            None => own,
            Some(maker) if maker.makes_tokens() => own.meet(self.granted(maker, on)),
            Some(_) => Grants::default(),
        }
    }

    /// The same as a proof for what has an effect, or the refusal.
    pub fn permit(
        &self,
        who: &Principal,
        action: Action,
        target: Target<'_>,
    ) -> Result<Permit, Decision> {
        let decision = self.decide(who, action, target);
        if !decision.allowed {
            return Err(decision);
        }
        let process = match target {
            Target::Daemon => None,
            Target::Process { group, name, .. } => Some((group.into(), name.into())),
        };
        Ok(Permit { action, rule: decision.rule, process })
    }
}
