//! The rules as the reader compiles them.

use serde::{Deserialize, Serialize};

use super::{Grants, Target};

/// All roles. Without one nothing is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// In the order of the configuration.
    pub roles: Vec<Role>,
    /// The user id that runs the daemon: over a unix socket it may do all, as root may.
    pub owner: u32,
}

/// A `[role:NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Where it stands: `file:line`.
    pub place: String,
    /// Who has it.
    pub members: Vec<Member>,
    /// What it is about.
    pub programs: Vec<Pattern>,
    /// What it grants.
    pub grants: Grants,
}

/// Somebody who has a role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Member {
    /// Who logs in by this name.
    User(String),
    /// A user of the system, over a unix socket.
    Uid(u32),
    /// Members of a group of the system, over a unix socket.
    Gid(u32),
    /// Whoever reaches a server that asks nothing.
    Anonymous,
}

/// An element of `programs=`. Globs have `*`, `?` and `[...]` and never reach over a colon.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pattern {
    /// `@NAME`: programs with this label.
    Label(String),
    /// `GLOB`: whole groups.
    Group(String),
    /// `GLOB:GLOB`: processes of groups.
    Process(String, String),
}

impl Role {
    /// Whether it is about this. Every role is about the daemon: what it may do there, its actions say.
    pub(super) fn covers(&self, target: Target<'_>) -> bool {
        match target {
            Target::Daemon => true,
            Target::Process { group, name, labels } => self.programs.iter().any(|p| match p {
                Pattern::Label(label) => labels.contains(label),
                Pattern::Group(glob) => glob == "*" || glob == group,
                Pattern::Process(of, glob) => {
                    (of == "*" || of == group) && (glob == "*" || glob == name)
                }
            }),
        }
    }
}
