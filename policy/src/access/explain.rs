//! Decisions in words.

use std::rc::Rc;

use super::{Access, Action, Decision, Principal, Role, Rule, Rules, Target, Who, on_daemon};

/// A decision with what led to it, for whoever asks what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The rule: `role:web`, `no roles`, `owner`, `default`.
    pub rule: String,
    /// Where it stands, `file:line`; empty for what stands nowhere.
    pub place: String,
    /// A sentence. It says nothing about roles that the principal does not have.
    pub why: String,
}

impl Rule {
    /// `role:web`, `no roles`, `owner`, `default`.
    pub fn name(&self, rules: &Rules) -> String {
        match self {
            Rule::NoRoles => "no roles".to_owned(),
            Rule::Owner => "owner".to_owned(),
            Rule::Default => "default".to_owned(),
            Rule::Role(number) => match rules.roles.get(*number) {
                Some(role) => format!("role:{}", role.name),
                None => format!("role number {number}"),
            },
        }
    }

    /// Where it stands: `file:line`.
    pub fn place<'r>(&self, rules: &'r Rules) -> Option<&'r str> {
        match self {
            Rule::Role(number) => rules.roles.get(*number).map(|role| &*role.place),
            Rule::NoRoles | Rule::Owner | Rule::Default => None,
        }
    }

    /// Name and place, as the audit log has them: `role:web /etc/supervisord.conf:12`, `no roles`, `owner`, `default`.
    pub fn describe(&self, rules: &Rules) -> String {
        let name = self.name(rules);
        match self.place(rules) {
            Some(place) => format!("{name} {place}"),
            None => name,
        }
    }
}

impl Decision {
    /// What decided: see [`Rule::describe`].
    pub fn describe(&self, rules: &Rules) -> String {
        self.rule.describe(rules)
    }
}

impl Target<'_> {
    /// `daemon`, or `group:name`.
    pub fn describe(&self) -> String {
        match self {
            Target::Daemon => "daemon".to_owned(),
            Target::Process { group, name, .. } => format!("{group}:{name}"),
        }
    }
}

impl Access {
    /// What decided, in words: see [`Rule::describe`].
    pub fn describe(&self, rule: &Rule) -> String {
        rule.describe(&self.rules)
    }

    /// Decides, and says why.
    pub fn explain(&self, who: &Principal, action: Action, target: Target<'_>) -> Explanation {
        let decision = self.decide(who, action, target);
        Explanation {
            rule: decision.rule.name(&self.rules),
            place: decision.rule.place(&self.rules).unwrap_or_default().to_owned(),
            why: self.why(who, action, target, &decision.rule),
            decision,
        }
    }

    fn why(&self, who: &Principal, action: Action, target: Target<'_>, rule: &Rule) -> String {
        let what = target.describe();
        match rule {
            Rule::NoRoles => {
                "there is no [role:NAME] section: whoever passes a server's gate may do all"
                    .to_owned()
            }
            Rule::Owner => {
                format!(
                    "{who} is root or runs the daemon: it could change the configuration anyway"
                )
            }
            Rule::Role(number) => match self.rules.roles.get(*number) {
                Some(role) => {
                    let granted = format!("role {} grants {action} on {what} to {who}", role.name);
                    match who.who().made_by() {
                        Some(maker) => {
                            format!("{granted}, and {maker}, who made it, may do it, too")
                        }
                        None => granted,
                    }
                }
                None => String::new(),
            },
            Rule::Default => self.why_not(who, action, target),
        }
    }

    fn why_not(&self, who: &Principal, action: Action, target: Target<'_>) -> String {
        let what = target.describe();
        let action = match target {
            Target::Daemon => on_daemon(action),
            Target::Process { .. } => action,
        };
        let roles = self.roles_of(who);
        if roles.is_empty() {
            return match who.who() {
                Who::Token { role, .. } => format!("{who} has the role {role}, which there is not"),
                _ => format!("{who} has no role"),
            };
        }
        if let Some(limited) = self.limited(who, action, target) {
            return limited;
        }
        let about: Vec<&&Role> = roles.iter().filter(|role| role.covers(action, target)).collect();
        let names: Vec<&str> = roles.iter().map(|role| &*role.name).collect();
        if (action, target) == (Action::Admin, Target::Daemon) {
            let names = names.join(", ");
            return format!(
                "that takes a role with actions=admin and programs=*; {who} has {names}"
            );
        }
        if about.is_empty() {
            return format!("no role of {who} is about {what}; it has {}", names.join(", "));
        }
        let grants = about.iter().map(|role| format!("{} ({})", role.name, role.grants));
        let grants: Vec<String> = grants.collect();
        format!("no role of {who} grants {action} on {what}: about it are {}", grants.join(", "))
    }
}

impl Access {
    /// Why a token may not do what its role grants: its maker may not.
    fn limited(&self, who: &Principal, action: Action, target: Target<'_>) -> Option<String> {
        let Who::Token { name, role, maker: Some(maker) } = who.who() else {
            return None;
        };
        let unlimited = Who::Token { name: Rc::clone(name), role: Rc::clone(role), maker: None };
        let unlimited = Principal::new(unlimited, who.proof());
        self.decide(&unlimited, action, target).allowed.then(|| {
            let what = target.describe();
            format!(
                "role {role} grants {action} on {what}, but {maker}, who made {who}, may not do it now: a token may do no \
                 more than its maker"
            )
        })
    }
}

impl Role {
    /// Whether it is about this where `action` is done to it.
    fn covers(&self, action: Action, target: Target<'_>) -> bool {
        match target {
            Target::Daemon => action != Action::Admin || self.is_about_everything(),
            Target::Process { group, name, labels } => {
                self.programs.iter().any(|pattern| pattern.covers(group, name, labels))
            }
        }
    }
}
