//! Tokens of machines: the file that lists them, and those that programs get by `token=ROLE`.
//!
//! A token itself is nowhere but with whoever uses it; what is kept is its SHA-256.

use std::collections::{BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use policy::access::{Role, Who};
use privsep::table::{Entry, Table};
use sha2::{Digest, Sha256};

use super::files::Files;
use super::include;
use super::model::{Daemon, Group};
use super::principals;
use super::reading::Reading;
use super::settings::Token;
use super::text::{from_bytes, repr};
use super::values::Read;

const SECTION: &str = "supervisord";
const FILE: &str = "tokens_file";
/// How every token begins.
pub const PREFIX: &str = "svt_";
/// How long every token is, in characters.
const LENGTH: usize = 47;
/// Where a program finds its token.
pub const VARIABLE: &str = "SUPERVISOR_TOKEN";
/// What a line of the file has.
const FIELDS: &str = "NAME ROLE EXPIRES MAKER SHA256";

/// What is kept of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A token of these random bytes.
fn token(random: &[u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

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
        let details = vec![r.locate(SECTION, FILE), format!("put it right with: {remedy}")];
        r.problems.refuse(format!("{FILE} {path} {why}"), "", details);
        return Vec::new();
    }
    lines(r, path, &file.bytes)
}

/// What the file says, line by line.
fn lines(r: &mut Reading<'_>, path: &str, bytes: &[u8]) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut names, mut digests) = (HashMap::new(), BTreeSet::new());
    for (number, text) in (1..).zip(from_bytes(bytes).lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let read = line(text).and_then(|token| match names.insert(token.name.clone(), number) {
            Some(other) => Err(format!("there is a token {} in line {other} already", token.name)),
            None if !digests.insert(token.digest) => {
                Err("another line has the same SHA-256: a token has one name and one role"
                    .to_owned())
            }
            None => Ok(token),
        });
        match read {
            Ok(token) => {
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

/// One line. It is not quoted beyond its name: somebody may have put the token itself there.
fn line(text: &str) -> Read<Token> {
    let few = || format!("it has too few fields: {FIELDS}");
    let mut rest = text;
    let mut next = || {
        let (field, after) = rest.split_once(char::is_whitespace)?;
        rest = after.trim_start();
        Some(field)
    };
    let (name, role, expires) =
        next().zip(next()).zip(next()).map(|((a, b), c)| (a, b, c)).ok_or_else(few)?;
    // Names in certificates may have spaces.
    let (maker, hash) = rest.rsplit_once(char::is_whitespace).ok_or_else(few)?;
    if name.starts_with(PREFIX) {
        return Err("its first field looks like a token: only the name stands there".to_owned());
    }
    let digest = hex(hash).ok_or("its last field is not 64 hexadecimal digits")?;
    let name = principals::name(name)?;
    let role = principals::name(role).map_err(|_| "its second field is no name of a role")?;
    let expires = match expires {
        "never" => None,
        time => Some(
            time.parse::<Timestamp>()
                .ok()
                .and_then(|time| u64::try_from(time.as_second()).ok())
                .ok_or(
                    "its third field is neither never nor a time such as 2026-12-31T23:59:59Z",
                )?,
        ),
    };
    let maker = match maker.trim_end() {
        "owner" => None,
        maker => match Who::parse(maker) {
            Ok(_) => Some(maker.to_owned()),
            Err(_) => {
                return Err("its fourth field says not who made it: owner, user:NAME, …".to_owned());
            }
        },
    };
    Ok(Token { name, role, maker, expires, digest })
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// Roles that tokens are for have to be there: a program's is an error, a line of the file without one has no effect.
pub fn check(r: &mut Reading<'_>, tokens: &[Token], groups: &[Group], roles: &[Role]) {
    let known = |name: &str| roles.iter().any(|role| role.name == name);
    for token in tokens.iter().filter(|token| !known(&token.role)) {
        let place = r.locate(SECTION, FILE);
        r.problems.advice(format!(
            "{place}: the token {} may do nothing: there is no [role:{}]",
            token.name, token.role
        ));
    }
    for process in groups.iter().flat_map(|group| &group.processes) {
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

    /// The token of the process `GROUP:NAME`: the one that it has, or a new one. Nothing, and an error said, where there
    /// is no randomness.
    pub fn token(&mut self, r: &mut Reading<'_>, name: &str, role: &str) -> Option<String> {
        let current = r.facts.current.as_ref();
        let kept = current.and_then(|table| kept(table, name));
        // What is somebody else's token is none of a program.
        let kept = kept.filter(|token| !self.taken.contains(&digest(token)));
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

/// The token that the entry of that name in force has.
fn kept(current: &Table, name: &str) -> Option<String> {
    let name = super::text::bytes(name);
    let mut entries = current.entries.iter().flatten().filter(|entry| entry.name == name);
    entries.find_map(given)
}

fn given(entry: &Entry) -> Option<String> {
    let mut words = entry.env.iter().map(|word| from_bytes(word));
    let value =
        words.find_map(|word| Some(word.strip_prefix(VARIABLE)?.strip_prefix('=')?.to_owned()))?;
    is_token(&value).then_some(value)
}

/// Whether a text has the form of a token.
pub fn is_token(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.len() == LENGTH && text.starts_with(PREFIX) && text.chars().all(fits)
}
