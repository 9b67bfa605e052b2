//! Who asks, and how that is known.

use std::fmt::{self, Write};
use std::rc::Rc;

use super::malformed::Malformed;
use super::names::ANONYMOUS;
use super::written;

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
    /// Reads what [`Who::detailed`] writes: `anonymous`, `user:NAME`, `unix:UID` or `unix:UID(GID,GID,...)`,
    /// `pam:NAME:UID(GID,GID,...)`, `cert:CN=NAME,DNS:NAME,...`, `token:NAME:ROLE` or `token:NAME:ROLE(MAKER)`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right. A maker that is itself a token is wrong, or nobody in particular.
    pub fn parse(text: &str) -> Result<Who, Malformed> {
        written::read(text)
    }

    /// Reads who has made a token, as [`Who::parse`] does.
    ///
    /// # Errors
    /// The same; and that tokens, and whoever is not known, make no tokens.
    pub fn maker(text: &str) -> Result<Who, Malformed> {
        let who = Who::parse(text)?;
        if who.makes_tokens() {
            return Ok(who);
        }
        Err(Malformed::new(format!(
            "{text:?} makes no tokens: whoever does is known by name or number"
        )))
    }

    /// A token of this name with this role; `maker` as [`Who::maker`] reads it.
    ///
    /// # Errors
    /// What is wrong with the maker.
    pub fn token(name: &str, role: &str, maker: Option<&str>) -> Result<Who, Malformed> {
        let maker = maker.map(Who::maker).transpose()?.map(Rc::new);
        Ok(Who::Token { name: name.into(), role: role.into(), maker })
    }

    /// Who it is with all that decisions may hang on: groups, roles and makers, too. [`Who::parse`] reads it. There is no
    /// white space in it: what would mean more than itself is written as `%` and two hexadecimal digits.
    pub fn detailed(&self) -> String {
        written::write(self)
    }

    /// Whether it is root, or the user `owner` who runs the daemon, at the other end of a unix socket. No account that has
    /// logged in is, and no token: those have what roles give them.
    pub(super) fn is_owner(&self, owner: u32) -> bool {
        matches!(self, Who::Unix { uid, .. } if *uid == 0 || *uid == owner)
    }

    /// Whether it may be the maker of a token.
    pub(super) fn makes_tokens(&self) -> bool {
        !matches!(self, Who::Anonymous | Who::Token { .. })
    }

    /// Of a token that somebody has made who is no owner of the daemon: who.
    pub fn made_by(&self) -> Option<&Who> {
        match self {
            Who::Token { maker, .. } => maker.as_deref(),
            _ => None,
        }
    }
}

/// `user:alice`, `unix:1000`, `pam:alice`, `cert:CN=deploy`, `token:ci`, `anonymous`. Of a certificate it is the first name.
/// There is no control character in it.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Anonymous => f.write_str(ANONYMOUS),
            Who::Unix { uid, .. } => write!(f, "unix:{uid}"),
            Who::User(name) => plainly(f, "user:", name),
            Who::Account { name, .. } => plainly(f, "pam:", name),
            Who::Certificate { names } => {
                plainly(f, "cert:", names.first().map_or("", |name| name))
            }
            Who::Token { name, .. } => plainly(f, "token:", name),
        }
    }
}

fn plainly(f: &mut fmt::Formatter<'_>, kind: &str, name: &str) -> fmt::Result {
    f.write_str(kind)?;
    name.chars().try_for_each(|c| match c.is_control() {
        true => write!(f, "{}", c.escape_default()),
        false => f.write_char(c),
    })
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
}

/// Who it is: see [`Who`].
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.fmt(f)
    }
}
