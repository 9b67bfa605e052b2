//! Tokens of machines: the file that lists them, and those that programs get by `token=ROLE`.
//!
//! A token itself is nowhere but with whoever uses it; what is kept is its SHA-256.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use policy::access::{Role, Who};
use privsep::table::{Entry, Identity, Table};

use super::files::Files;
use super::host::{self, Account};
use super::include;
use super::model::{Daemon, Group};
use super::reading::Reading;
use super::settings::Token;
use super::text::{bytes, from_bytes, repr};
use super::token_line::{self, FIELDS, token};

pub use super::token_line::{PREFIX, digest, is_token};

const SECTION: &str = "supervisord";
const FILE: &str = "tokens_file";
/// Longest name of an account that is looked up, in bytes.
const LONGEST: usize = 512;
/// Where a program finds its token.
pub const VARIABLE: &str = "SUPERVISOR_TOKEN";
/// Where it finds the role of that; a later reading finds it there, too.
pub const ROLE: &str = "SUPERVISOR_TOKEN_ROLE";

/// The tokens that `tokens_file` lists. A file that is not there lists none.
pub fn read(r: &mut Reading<'_>, files: &mut dyn Files, daemon: &Daemon) -> Vec<Token> {
    let Some(path) = &daemon.tokens_file else {
        return Vec::new();
    };
    let file = match files.named(path) {
        Ok(file) => file,
        Err(why) if include::is_missing(&why) => return Vec::new(),
        Err(why) => {
            let mut details = vec![r.locate(SECTION, FILE)];
            details.extend(include::denied(r, path, &why, "make tokens"));
            r.problems.refuse(format!("{FILE} {path} cannot be read"), "", details);
            return Vec::new();
        }
    };
    let user = daemon.user.as_ref();
    let owners = [Some(0), Some(r.facts.start.uid), user.map(|user| user.uid)];
    let own = user.filter(|user| user.uid != 0).map(|user| user.gid);
    let mask = if own == Some(file.gid) { 0o037 } else { 0o077 };
    let why = match file.mode & 0o7777 {
        _ if !owners.contains(&Some(file.uid)) => {
            Some((format!("belongs to user id {}", file.uid), format!("chown root: {path}")))
        }
        mode if mode & mask != 0 => Some((
            format!("has mode {mode:04o}, it is for its owner alone"),
            format!("chmod 600 {path}"),
        )),
        _ => None,
    };
    if let Some((why, remedy)) = why {
        // A client is told the first line alone, and that has to be enough.
        let details = vec![r.locate(SECTION, FILE)];
        r.problems.refuse(format!("{FILE} {path} {why}; put it right with: {remedy}"), "", details);
        return Vec::new();
    }
    lines(r, path, &file.bytes)
}

/// What the file says, line by line.
fn lines(r: &mut Reading<'_>, path: &str, file: &[u8]) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut names, mut digests) = (HashMap::new(), BTreeSet::new());
    let mut makers = Makers::default();
    for (number, text) in (1..).zip(from_bytes(file).lines()) {
        if token_line::is_remark(text) {
            continue;
        }
        let read = token_line::read(text).and_then(|token| {
            match names.insert(token.name.clone(), number) {
                Some(other) => {
                    Err(format!("there is a token {} in line {other} already", token.name))
                }
                None if !digests.insert(token.digest) => {
                    Err("another line has the same SHA-256: a token has one name and one role"
                        .to_owned())
                }
                None => Ok(token),
            }
        });
        match read {
            Ok(mut token) => {
                if let Some(Err(why)) = token.maker.as_mut().map(|maker| makers.renew(r, maker)) {
                    r.problems.advice(format!(
                        "{path}:{number}: the token {} works no more: {why}; take the line out, or: supervisorctl token revoke {}",
                        token.name, token.name
                    ));
                    continue;
                }
                if token.expires.is_some_and(|end| end <= now()) {
                    r.problems.advice(format!(
                        "{path}:{number}: the token {} has expired; take the line out, or: supervisorctl token revoke {}",
                        token.name, token.name
                    ));
                }
                tokens.push(token);
            }
            Err(why) => {
                let remedy = format!("a line is {FIELDS}, as supervisorctl token create writes it");
                let details = vec![r.locate(SECTION, FILE), remedy];
                r.problems.refuse(format!("{path}:{number}: {why}"), "", details);
            }
        }
    }
    tokens
}

/// Makers of tokens that are accounts of the system, looked up. What a line says of one was so when it was written.
#[derive(Default)]
struct Makers(HashMap<host::Who, Option<Account>>);

impl Makers {
    /// Takes the groups out that the account is not in any more.
    ///
    /// # Errors
    /// That there is no such account any more, or that it is another one.
    fn renew(&mut self, r: &mut Reading<'_>, maker: &mut String) -> Result<(), String> {
        let renewed = match Who::maker(maker).map_err(|why| why.to_string())? {
            Who::Unix { uid, groups } => {
                let account = self.account(r, host::Who::Id(uid));
                let account =
                    account.ok_or_else(|| format!("its maker, user id {uid}, has no account"))?;
                Who::Unix { uid, groups: still(&groups, account) }
            }
            Who::Account { name, uid, groups } => {
                let account = self.account(r, host::Who::Name(name.to_string()));
                let account = account.filter(|account| account.uid == uid).ok_or_else(|| {
                    format!("its maker, {} with user id {uid}, has no account", repr(&name))
                })?;
                Who::Account { name, uid, groups: still(&groups, account) }
            }
            // Members of roles have these names, or not.
            who => who,
        };
        *maker = renewed.detailed();
        Ok(())
    }

    fn account(&mut self, r: &mut Reading<'_>, who: host::Who) -> Option<&Account> {
        let found = self.0.entry(who.clone()).or_insert_with(|| match &who {
            host::Who::Name(name) if name.len() > LONGEST => None,
            who => r.host.account(who),
        });
        found.as_ref()
    }
}

/// Those groups that the account is in.
fn still(groups: &[u32], account: &Account) -> Rc<[u32]> {
    groups.iter().copied().filter(|gid| account.groups.contains(gid)).collect()
}

fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// Roles that tokens are for have to be there: a program's is an error, a line of the file without one has no effect. A
/// role that nobody has, and no token, has none either.
pub fn check(r: &mut Reading<'_>, tokens: &[Token], groups: &[Group], roles: &[Role]) {
    let known = |name: &str| roles.iter().any(|role| role.name == name);
    for token in tokens.iter().filter(|token| !known(&token.role)) {
        let place = r.locate(SECTION, FILE);
        r.problems.advice(format!(
            "{place}: the token {} may do nothing: there is no [role:{}]",
            token.name, token.role
        ));
    }
    let programs = || groups.iter().flat_map(|group| &group.processes);
    let given = || programs().filter_map(|process| process.program.token.as_ref());
    let used: BTreeSet<&String> = tokens.iter().map(|token| &token.role).chain(given()).collect();
    for role in roles.iter().filter(|role| role.members.is_empty() && !used.contains(&role.name)) {
        r.problems.advice(format!(
            "{}: [role:{}]: nobody has this role: it has no members=, and there is no token for it",
            role.place, role.name
        ));
    }
    for process in programs() {
        let Some(role) = process.program.token.as_ref().filter(|role| !known(role)) else {
            continue;
        };
        let details =
            vec![r.locate(&process.section, "token"), format!("add a section [role:{role}]")];
        r.problems.refuse(format!("Unknown role {}", repr(role)), "", details);
    }
}

/// Hands out the tokens of programs.
pub struct Mint {
    /// What was handed out, without the tokens themselves.
    pub made: Vec<Token>,
    /// Those that are somebody's.
    taken: BTreeSet<[u8; 32]>,
}

impl Mint {
    /// None handed out yet; `listed` are those of the file.
    pub fn new(listed: &[Token]) -> Self {
        Mint { made: Vec::new(), taken: listed.iter().map(|token| token.digest).collect() }
    }

    /// The token of the process `GROUP:NAME`: the one that it has with this role as this user, or a new one. Nothing, and
    /// an error said, where there is no randomness.
    pub fn token(
        &mut self,
        r: &mut Reading<'_>,
        name: &str,
        role: &str,
        identity: Option<&Identity>,
    ) -> Option<String> {
        let current = r.facts.current.as_ref();
        // What is somebody else's token is none of a program.
        let free = |token: &String| !self.taken.contains(&digest(token));
        let kept = current.and_then(|table| given(table, name, role, identity).find(free));
        let token = match kept {
            Some(token) => token,
            None => match r.host.random() {
                Ok(random) => token(&random),
                Err(why) => {
                    r.problems.error(format!("no token can be made for {name}: {why}"), vec![]);
                    return None;
                }
            },
        };
        let digest = digest(&token);
        self.taken.insert(digest);
        let (name, role) = (format!("program:{name}"), role.to_owned());
        self.made.push(Token { name, role, maker: None, expires: None, digest });
        Some(token)
    }
}

/// The tokens that entries of that name in force have with this role. One that runs, or ran, as another user, or was given
/// it for another role, has handed it to whom the new one is not for.
fn given<'c>(
    current: &'c Table,
    name: &str,
    role: &'c str,
    identity: Option<&'c Identity>,
) -> impl Iterator<Item = String> + 'c {
    let name = bytes(name);
    let entries = current.entries.iter().flatten();
    let same = entries
        .filter(move |entry| entry.name == name && entry.identity.as_ref() == identity)
        .filter(move |entry| value(entry, ROLE).as_deref() == Some(role));
    same.filter_map(|entry| value(entry, VARIABLE).filter(|value| is_token(value)))
}

/// What an entry sets a variable to.
fn value(entry: &Entry, name: &str) -> Option<String> {
    let mut words = entry.env.iter().map(|word| from_bytes(word));
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}
