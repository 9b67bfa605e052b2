//! Who may do what: the one decision point. Nothing else in the project decides.
//!
//! The reader compiles `[role:NAME]` sections into [`Rules`]; the broker asks [`Access::decide`] before every effect, and
//! what has an effect demands the [`Permit`] that only a positive decision makes.

mod action;
mod principal;
mod rules;

pub use action::{Action, Grants};
pub use principal::{Principal, Proof, Who};
pub use rules::{Member, Pattern, Role, Rules};

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
}

/// The rules in force, ready to be asked.
#[derive(Debug, Default)]
pub struct Access {
    rules: Rules,
}

impl Access {
    /// Those of a reading.
    pub fn new(rules: Rules) -> Access {
        Access { rules }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether this principal may do this to that.
    pub fn decide(&self, who: &Principal, action: Action, target: Target<'_>) -> Decision {
        let decided = |allowed, rule| Decision { allowed, rule };
        if self.rules.roles.is_empty() {
            return decided(true, Rule::NoRoles);
        }
        if who.is_owner(self.rules.owner) {
            return decided(true, Rule::Owner);
        }
        let grants = |role: &Role| {
            role.grants.has(action) && role.covers(target) && role.members.iter().any(|m| who.is(m))
        };
        match self.rules.roles.iter().position(grants) {
            Some(at) => decided(true, Rule::Role(at)),
            None => decided(false, Rule::Default),
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
        if decision.allowed { Ok(Permit { action, rule: decision.rule }) } else { Err(decision) }
    }
}
