//! What the report says, before it is written.

use std::fmt;

use policy::access::Grants;

/// All of it.
#[derive(Debug)]
pub struct Report {
    /// The configuration, as the caller named it.
    pub config: String,
    /// The gravest first.
    pub weak: Vec<Weak>,
    /// Our own processes.
    pub own: Vec<Own>,
    /// What is run, in starting order.
    pub programs: Vec<Program>,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Servers that are not opened, and why.
    pub closed: Vec<String>,
    /// Who logs in.
    pub users: Vec<Login>,
    /// Tokens, by their roles.
    pub tokens: Vec<Tokens>,
    /// Without any nothing is refused.
    pub roles: Vec<Role>,
    /// Who may do what, by whom.
    pub access: Vec<Grantee>,
    /// Too many programs and members to say it for each.
    pub cut: bool,
    /// What holds our own processes.
    pub sandbox: Sandbox,
    /// Where the audit log is.
    pub audit: Option<String>,
    /// Paths that could not be looked at.
    pub unseen: Vec<String>,
}

/// Somebody of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Login name, where there is one.
    pub name: Option<String>,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.uid) {
            (Some(name), 0) => f.write_str(name),
            (Some(name), uid) => write!(f, "{name} (uid {uid})"),
            (None, uid) => write!(f, "uid {uid}"),
        }
    }
}

/// A process of ours.
#[derive(Debug)]
pub struct Own {
    /// What it is called.
    pub name: &'static str,
    /// Who it runs as; `None`: an id that nobody uses, chosen at its start.
    pub user: Option<Account>,
    /// What it is for.
    pub purpose: &'static str,
    /// Why it runs as that user.
    pub why: String,
    /// What holds it.
    pub layers: Vec<String>,
}

/// A program process.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Who it runs as.
    pub user: Account,
    /// Its groups, the effective one first; empty: those of the daemon.
    pub groups: Vec<u32>,
    /// Why it runs as that user.
    pub why: String,
    /// Where that stands.
    pub place: String,
    /// Listening sockets that it is given.
    pub sockets: Vec<String>,
    /// `labels`.
    pub labels: Vec<String>,
}

impl Program {
    /// `group:name`.
    pub fn full(&self) -> String {
        format!("{}:{}", self.group, self.name)
    }

    /// What it may do beyond its user's rights.
    pub fn capabilities(&self) -> &'static str {
        if self.user.uid == 0 { "all" } else { "none" }
    }

    /// Whether nothing but the name tells them apart.
    pub fn alike(&self, other: &Program) -> bool {
        self.group == other.group
            && self.user == other.user
            && self.groups == other.groups
            && self.place == other.place
            && self.sockets == other.sockets
            && self.labels == other.labels
    }
}

/// A server.
#[derive(Debug)]
pub struct Listener {
    /// Its section.
    pub section: String,
    /// Where that stands.
    pub place: String,
    /// `unix:///PATH` or `tcp://HOST:PORT`.
    pub address: String,
    /// Of a unix socket: mode and owner.
    pub guard: Option<String>,
    /// How it finds out who asks.
    pub asks: Vec<String>,
    /// Whether other machines reach it.
    pub beyond: bool,
    /// Whether it speaks TLS, and whom it then asks for a certificate.
    pub tls: Option<Certificates>,
}

/// Whom a server asks for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// Nobody.
    Unasked,
    /// Everybody, but it does without one.
    Optional,
    /// Everybody.
    Required,
}

impl Certificates {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Certificates::Unasked => "none",
            Certificates::Optional => "optional",
            Certificates::Required => "required",
        }
    }
}

/// Tokens that have the same role.
#[derive(Debug)]
pub struct Tokens {
    /// The role.
    pub role: String,
    /// Whether there is such a role: without it they do nothing.
    pub there: bool,
    /// Their names.
    pub names: Vec<String>,
}

/// Somebody who logs in.
#[derive(Debug)]
pub struct Login {
    /// By this name.
    pub name: String,
    /// How the password is kept.
    pub password: &'static str,
    /// Names of its roles.
    pub roles: Vec<String>,
    /// Where it stands.
    pub place: String,
}

/// A `[role:NAME]`.
#[derive(Debug)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: String,
    /// Who has it, resolved.
    pub members: Vec<String>,
    /// What it is about.
    pub programs: Vec<String>,
    /// What it grants.
    pub grants: Grants,
}

/// Somebody who may do something.
#[derive(Debug)]
pub struct Grantee {
    /// Who: `user:alice`, `unix:1000`, `@33`, `anonymous`.
    pub who: String,
    /// What the system calls that.
    pub name: Option<String>,
    /// Its roles, each with its place.
    pub roles: Vec<String>,
    /// What it may do to the daemon.
    pub daemon: Grants,
    /// What it may do to programs: their numbers in [`Report::programs`], and what.
    pub programs: Vec<(usize, Grants)>,
}

/// What holds our processes.
#[derive(Debug)]
pub struct Sandbox {
    /// `sandbox=required`.
    pub required: bool,
    /// Whether broker and programs have other users than the spawner.
    pub boundary: bool,
    /// In force.
    pub layers: Vec<&'static str>,
    /// What this system does not offer.
    pub missing: Vec<&'static str>,
    /// Where each program gets a cgroup of its own, if the directory may be written.
    pub cgroup: Option<String>,
}

/// What kind of weak point it is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program of root's.
    RootProgram,
    /// A password that can be read.
    PlainPassword,
    /// The key of a certificate that others than its owner can read.
    ReadableKey,
    /// A TCP server that asks nothing.
    OpenServer,
    /// What others can change.
    WritablePath,
    /// A password that is cheap to guess.
    WeakHash,
    /// A unix socket that many may use, and nothing is refused.
    OpenSocket,
    /// A password that crosses networks unencrypted.
    ClearText,
    /// Somebody unknown may change something.
    Anonymous,
    /// Nothing says afterwards who did what.
    NoAudit,
    /// A layer of the sandbox is missing.
    Sandbox,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::RootProgram => "root program",
            Kind::PlainPassword => "plain password",
            Kind::ReadableKey => "readable key",
            Kind::OpenServer => "open server",
            Kind::WritablePath => "writable path",
            Kind::WeakHash => "weak hash",
            Kind::OpenSocket => "open socket",
            Kind::ClearText => "no encryption",
            Kind::Anonymous => "anonymous",
            Kind::NoAudit => "no audit log",
            Kind::Sandbox => "sandbox",
        }
    }
}

/// A weak point.
#[derive(Debug)]
pub struct Weak {
    /// What kind.
    pub kind: Kind,
    /// What it is about: a process, a section, a path.
    pub about: String,
    /// What is wrong, and what would be right.
    pub text: String,
    /// Where it stands.
    pub place: Option<String>,
}
