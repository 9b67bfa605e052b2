//! Who asks, and how that is known.

use std::rc::Rc;

use super::Member;

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever reaches a server that asks nothing.
    Anonymous,
    /// A process of this user at the other end of a unix socket, as the kernel said at accept.
    Unix {
        /// Its effective user id then.
        uid: u32,
        /// Its groups then: the effective one and the supplementary ones.
        groups: Rc<[u32]>,
    },
    /// A `[user:NAME]`, or the `username=` of a server section.
    User(Rc<str>),
}

/// How it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Nothing was asked.
    None,
    /// By the kernel: SO_PEERCRED.
    Peer,
    /// By a password.
    Password,
    /// By a session that a password began.
    Session,
}

/// Somebody who has been authenticated, or who did not need to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    who: Who,
    proof: Proof,
}

impl Principal {
    /// One whose identity was found by `proof`. For the gates of servers alone.
    pub fn new(who: Who, proof: Proof) -> Principal {
        Principal { who, proof }
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// How that is known.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Whether it is root, or the user `owner` who runs the daemon.
    pub(super) fn is_owner(&self, owner: u32) -> bool {
        matches!(self.who, Who::Unix { uid, .. } if uid == 0 || uid == owner)
    }

    /// Whether a role's member stands for it.
    pub(super) fn is(&self, member: &Member) -> bool {
        match (member, &self.who) {
            (Member::Anonymous, Who::Anonymous) => true,
            (Member::User(name), Who::User(own)) => name.as_str() == &**own,
            (Member::Uid(id), Who::Unix { uid, .. }) => id == uid,
            (Member::Gid(id), Who::Unix { groups, .. }) => groups.contains(id),
            _ => false,
        }
    }
}
