//! Who asks, and how that is known.

use std::fmt;
use std::rc::Rc;

use super::malformed::Malformed;
use super::names::{self, ANONYMOUS};

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
    /// An account of the system that PAM has let in.
    Account {
        /// The name that it logged in by.
        name: Rc<str>,
        /// Its user id.
        uid: u32,
        /// Its groups: the primary one and the supplementary ones.
        groups: Rc<[u32]>,
    },
    /// Whoever holds the key of a client certificate that the server's authority has signed.
    Certificate {
        /// What it says of its holder, as members are written: `CN=…`, `DNS:…`, `URI:…`, `EMAIL:…`. Never empty.
        names: Rc<[Rc<str>]>,
    },
    /// A machine with a token: it has one role, and of that no more than its maker may do.
    Token {
        /// The token's name.
        name: Rc<str>,
        /// The role's name.
        role: Rc<str>,
        /// Who made it; nothing for an owner of the daemon, who may do all.
        maker: Option<Rc<Who>>,
    },
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
    /// By a password that PAM has checked.
    Pam,
    /// By the key of a certificate.
    Certificate,
    /// By a token.
    Token,
}

/// Somebody who has been authenticated, or who did not need to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    who: Who,
    proof: Proof,
}

impl Who {
    /// Reads `anonymous`, `user:NAME`, `unix:UID` or `unix:UID(GID,GID,...)`: what [`Who::detailed`] writes.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Who, Malformed> {
        let wrong = || {
            Malformed::new(format!(
                "{text:?} is nobody: write user:NAME, unix:UID, unix:UID(GID,GID) or {ANONYMOUS}"
            ))
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        match text.split_once(':') {
            None if text == ANONYMOUS => Ok(Who::Anonymous),
            Some(("user", name)) => Ok(Who::User(names::user_name(name)?.into())),
            Some(("unix", rest)) => {
                let (uid, groups) = match rest.split_once('(') {
                    None => (rest, None),
                    Some((uid, groups)) => (uid, Some(groups.strip_suffix(')').ok_or_else(wrong)?)),
                };
                let groups = groups.filter(|groups| !groups.is_empty());
                let groups = groups.into_iter().flat_map(|groups| groups.split(',')).map(number);
                Ok(Who::Unix { uid: number(uid)?, groups: groups.collect::<Result<_, _>>()? })
            }
            _ => Err(wrong()),
        }
    }

    /// Who it is with all that decisions may hang on: groups, too. [`Who::parse`] reads it.
    pub fn detailed(&self) -> String {
        match self {
            Who::Unix { groups, .. } if !groups.is_empty() => {
                let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
                format!("{self}({})", groups.join(","))
            }
            who => who.to_string(),
        }
    }
}

/// `user:alice`, `unix:1000`, `anonymous`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Anonymous => f.write_str(ANONYMOUS),
            Who::Unix { uid, .. } => write!(f, "unix:{uid}"),
            Who::User(name) => write!(f, "user:{name}"),
            Who::Account { name, .. } => write!(f, "pam:{name}"),
            Who::Certificate { names } => {
                write!(f, "cert:{}", names.first().map_or("", |name| name))
            }
            Who::Token { name, .. } => write!(f, "token:{name}"),
        }
    }
}

impl Proof {
    /// `none`, `peer`, `password`, `session`, `pam`, `certificate`, `token`.
    pub const fn word(self) -> &'static str {
        match self {
            Proof::None => "none",
            Proof::Peer => "peer",
            Proof::Password => "password",
            Proof::Session => "session",
            Proof::Pam => "pam",
            Proof::Certificate => "certificate",
            Proof::Token => "token",
        }
    }
}

/// See [`Proof::word`].
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
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
}

/// Who it is: `user:alice`, `unix:1000`, `anonymous`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.fmt(f)
    }
}
