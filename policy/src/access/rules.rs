//! The rules as the reader compiles them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::ANONYMOUS;
use super::{Grants, Pattern};

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
    /// A user of the system: over a unix socket, or let in by PAM.
    Uid(u32),
    /// Members of a group of the system: over a unix socket, or let in by PAM.
    Gid(u32),
    /// Whoever reaches a server that asks nothing.
    Anonymous,
    /// Whoever has the key of a certificate with exactly this name: `CN=…`, `DNS:…`, `URI:…`, `EMAIL:…`.
    Certificate(String),
}

impl Role {
    /// Whether it is about all programs that there are or will be, and so about the daemon's own affairs, too.
    pub fn is_about_everything(&self) -> bool {
        self.programs.iter().any(Pattern::is_everything)
    }
}

/// As in `members=`: `user:alice`, `unix:1000`, `@33`, `anonymous`, `cert:CN=deploy`; in quotes where a comma in it, or its
/// ends, would else mean something.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::User(name) => write!(f, "user:{name}"),
            Member::Uid(uid) => write!(f, "unix:{uid}"),
            Member::Gid(gid) => write!(f, "@{gid}"),
            Member::Anonymous => f.write_str(ANONYMOUS),
            Member::Certificate(name)
                if name.contains(',') || name.ends_with(char::is_whitespace) =>
            {
                write!(f, "\"cert:{}\"", name.replace('"', "\"\""))
            }
            Member::Certificate(name) => write!(f, "cert:{name}"),
        }
    }
}
