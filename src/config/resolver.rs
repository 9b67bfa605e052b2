//! The resolver half: answers the parser's questions about the machine, one datagram each way.
//!
//! It cannot be locked down, since name services load libraries and open sockets. What it says is input to the parser;
//! it gets names and paths and never sees a value of the configuration beyond them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::host::{Account, Host, Kind, Look, Who};
use super::text;
use super::trust::{self, Trusted};

const MAX_QUESTION: usize = 8_192;
const MAX_GROUPS: usize = 8_192;
const MAX_ALIASES: usize = 32;
const MAX_ANSWER: usize = 5 * MAX_GROUPS + 16_384;
/// `getaddrinfo`: the name or service is not known.
const EAI_NONAME: i32 = -2;
const EAI_AGAIN: i32 = -3;
const EAI_NODATA: i32 = -5;

/// The two ends of the talk: the parser's and the resolver's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    Account(Who),
    Group(Who),
    Address(String),
    Aliases(String),
    Kind(String),
    Look { path: String, uids: Vec<u32>, gids: Vec<u32> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Reply {
    Account(Option<Account>),
    Group(Option<u32>),
    Address(Result<IpAddr, i32>),
    Aliases(Vec<String>),
    Kind(Kind),
    Look(Look),
}

/// A message that is this value and nothing else.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Only a type without a known length fails, and there is none; an empty message ends the talk.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Answers until the parser is gone, or says something that is no question.
pub fn serve(socket: BorrowedFd<'_>) {
    let mut buffer = vec![0; MAX_QUESTION];
    loop {
        let n = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(0) => return,
            Ok(n) => n,
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        let Some(Some(question)) = buffer.get(..n).map(decode) else {
            return;
        };
        let reply = encode(&answer(question));
        if send(socket.as_raw_fd(), &reply, MsgFlags::MSG_NOSIGNAL).is_err() {
            return;
        }
    }
}

fn answer(question: Question) -> Reply {
    match question {
        Question::Account(who) => Reply::Account(account(&who)),
        Question::Group(who) => {
            let group = match who {
                Who::Name(name) => Group::from_name(&name),
                Who::Id(id) => Group::from_gid(Gid::from_raw(id)),
            };
            Reply::Group(group.ok().flatten().map(|g| g.gid.as_raw()))
        }
        Question::Address(name) => Reply::Address(address(&name)),
        Question::Aliases(name) => {
            let list = std::fs::read("/etc/hosts").unwrap_or_default();
            Reply::Aliases(aliases(&String::from_utf8_lossy(&list), &name))
        }
        Question::Kind(path) => Reply::Kind(kind(&path)),
        Question::Look { path, uids, gids } => {
            Reply::Look(trust::look(&path, Trusted { uids: &uids, gids: &gids }))
        }
    }
}

fn account(who: &Who) -> Option<Account> {
    let user = match who {
        Who::Name(name) => User::from_name(name),
        Who::Id(id) => User::from_uid(Uid::from_raw(*id)),
    };
    let user = user.ok().flatten()?;
    let name = std::ffi::CString::new(user.name.as_bytes()).ok()?;
    let groups = getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
    let mut ids: Vec<u32> = vec![user.gid.as_raw()];
    for id in groups.iter().map(|g| g.as_raw()).take(MAX_GROUPS - 1) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: ids,
        home: text::from_bytes(&user.dir.into_os_string().into_vec()),
        shell: text::from_bytes(&user.shell.into_os_string().into_vec()),
        chosen: false,
    })
}

fn address(name: &str) -> Result<IpAddr, i32> {
    match (name, 0).to_socket_addrs() {
        Ok(all) => {
            // One that is good on one link only cannot be bound without naming the link.
            let usable = |a: &SocketAddr| !matches!(a, SocketAddr::V6(a) if a.scope_id() != 0);
            let mut all: Vec<IpAddr> = all.filter(usable).map(|a| a.ip().to_canonical()).collect();
            // As in the reference, a host that has both is bound where it always was.
            all.sort_by_key(IpAddr::is_ipv6);
            all.first().copied().ok_or(EAI_NODATA)
        }
        // std keeps the number to itself and gives the text alone.
        Err(e) if e.to_string().contains("Temporary failure") => Err(EAI_AGAIN),
        Err(e) if e.to_string().contains("No address") => Err(EAI_NODATA),
        Err(_) => Err(EAI_NONAME),
    }
}

/// What stands on a line with the name, in the form of /etc/hosts.
fn aliases(list: &str, name: &str) -> Vec<String> {
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default());
    let names = lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<&str>>());
    let with = names.filter(|names| names.iter().any(|other| other.eq_ignore_ascii_case(name)));
    with.flatten().take(MAX_ALIASES).map(|name| name.chars().take(255).collect()).collect()
}

fn kind(path: &str) -> Kind {
    let path = text::bytes(path);
    match std::fs::metadata(Path::new(std::ffi::OsStr::from_bytes(&path))) {
        Ok(meta) if meta.is_dir() => Kind::Directory,
        Ok(_) => Kind::Other,
        Err(e) => match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::Missing,
            _ => Kind::Hidden,
        },
    }
}

/// The parser's end. Each question is asked once. When the resolver is gone, nothing is known any more.
#[derive(Debug)]
pub struct Resolver {
    socket: OwnedFd,
    known: HashMap<Vec<u8>, Reply>,
    broken: Option<String>,
}

impl Resolver {
    /// Speaks over this socket.
    pub fn new(socket: OwnedFd) -> Self {
        Resolver { socket, known: HashMap::new(), broken: None }
    }

    /// Why the resolver no longer answers, if that is so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    fn ask(&mut self, question: &Question) -> Option<Reply> {
        let bytes = encode(question);
        // No user, host or path is called by so long a name.
        if bytes.len() > MAX_QUESTION || self.broken.is_some() {
            return None;
        }
        if let Some(reply) = self.known.get(&bytes) {
            return Some(reply.clone());
        }
        match self.exchange(&bytes) {
            Ok(reply) => {
                self.known.insert(bytes, reply.clone());
                Some(reply)
            }
            Err(e) => {
                self.broken = Some(format!("looking up users and hosts failed: {e}"));
                None
            }
        }
    }

    fn exchange(&self, question: &[u8]) -> io::Result<Reply> {
        let socket = self.socket.as_raw_fd();
        send(socket, question, MsgFlags::MSG_NOSIGNAL)?;
        let mut buffer = vec![0; MAX_ANSWER];
        let n = loop {
            match recv(socket, &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        buffer
            .get(..n)
            .filter(|bytes| !bytes.is_empty())
            .ok_or(io::ErrorKind::UnexpectedEof)
            .and_then(|bytes| decode(bytes).ok_or(io::ErrorKind::InvalidData))
            .map_err(io::Error::from)
    }
}

impl Host for Resolver {
    fn account(&mut self, who: &Who) -> Option<Account> {
        match self.ask(&Question::Account(who.clone()))? {
            Reply::Account(account) => account,
            _ => None,
        }
    }

    fn group(&mut self, who: &Who) -> Option<u32> {
        match self.ask(&Question::Group(who.clone()))? {
            Reply::Group(group) => group,
            _ => None,
        }
    }

    fn address(&mut self, name: &str) -> Result<IpAddr, i32> {
        match self.ask(&Question::Address(name.to_owned())) {
            Some(Reply::Address(address)) => address,
            _ => Err(EAI_NONAME),
        }
    }

    fn aliases(&mut self, name: &str) -> Vec<String> {
        match self.ask(&Question::Aliases(name.to_owned())) {
            Some(Reply::Aliases(names)) => names,
            _ => Vec::new(),
        }
    }

    fn kind(&mut self, path: &str) -> Kind {
        match self.ask(&Question::Kind(path.to_owned())) {
            Some(Reply::Kind(kind)) => kind,
            _ => Kind::Missing,
        }
    }

    fn look(&mut self, path: &str, uids: &[u32], gids: &[u32]) -> Look {
        let (path, uids, gids) = (path.to_owned(), uids.to_vec(), gids.to_vec());
        match self.ask(&Question::Look { path, uids, gids }) {
            Some(Reply::Look(look)) => look,
            _ => Look { hidden: true, ..Look::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::Part;
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn both_halves_understand_each_other() {
        let (ours, theirs) = pair().unwrap();
        let half = std::thread::spawn(move || serve(theirs.as_fd()));
        let mut host = Resolver::new(ours);
        let root = host.account(&Who::Name("root".to_owned())).unwrap();
        assert_eq!((root.uid, root.gid, root.home.as_str()), (0, 0, "/root"));
        assert_eq!(root.groups.first(), Some(&0));
        assert_eq!(host.account(&Who::Id(0)), Some(root));
        assert_eq!(host.account(&Who::Id(4_000_000_000)), None);
        assert_eq!(host.account(&Who::Name("no such user".to_owned())), None);
        assert_eq!(host.account(&Who::Name("a\0b".to_owned())), None);
        assert_eq!(host.group(&Who::Name("root".to_owned())), Some(0));
        assert_eq!(host.group(&Who::Id(0)), Some(0));
        assert_eq!(host.address("127.0.0.1"), Ok([127, 0, 0, 1].into()));
        assert_eq!(host.address("::1"), Ok(std::net::Ipv6Addr::LOCALHOST.into()));
        assert_eq!(host.kind("/proc"), Kind::Directory);
        assert_eq!(host.kind("/proc/self/stat"), Kind::Other);
        assert_eq!(host.kind("/nowhere/at/all"), Kind::Missing);
        assert!(host.look("/tmp/nowhere", &[0], &[]).by.is_some());
        assert!(host.broken().is_none());
        drop(host);
        half.join().unwrap();
    }

    #[test]
    fn the_list_of_hosts_has_other_names() {
        let list = "127.0.0.1 localhost\n10.0.0.1\tweb1.example.com WEB1 # web2\n::1 ip6 web1\n10.0.0.2 web2";
        assert_eq!(aliases(list, "web1"), ["web1.example.com", "WEB1", "ip6", "web1"]);
        assert_eq!(aliases(list, "10.0.0.2"), [""; 0]);
        assert_eq!(aliases(list, "web"), [""; 0]);
        assert_eq!(aliases(&"1 a ".repeat(1000), "a").len(), MAX_ALIASES);
    }

    #[test]
    fn a_resolver_that_is_gone_is_noticed() {
        let (ours, theirs) = pair().unwrap();
        drop(theirs);
        let mut host = Resolver::new(ours);
        assert_eq!(host.account(&Who::Id(0)), None);
        assert!(host.broken().is_some());
    }

    #[test]
    fn cut_messages_are_refused() {
        let replies = [
            Reply::Account(Some(Account {
                name: "a".into(),
                uid: 1,
                gid: 2,
                groups: vec![2, 3],
                home: "/".into(),
                shell: "/bin/sh".into(),
                chosen: false,
            })),
            Reply::Address(Ok([1, 2, 3, 4].into())),
            Reply::Address(Ok(std::net::Ipv6Addr::LOCALHOST.into())),
            Reply::Aliases(vec!["a".into(), String::new()]),
            Reply::Kind(Kind::Hidden),
            Reply::Look(Look {
                by: Some(Part { path: "/a".into(), uid: 1, gid: 2, mode: 0o777, directory: true }),
                ..Look::default()
            }),
        ];
        for reply in replies {
            let mut bytes = encode(&reply);
            assert_eq!(decode(&bytes), Some(reply));
            for n in 0..bytes.len() {
                assert_eq!(decode::<Reply>(&bytes[..n]), None);
            }
            bytes.push(0);
            assert_eq!(decode::<Reply>(&bytes), None);
        }
    }
}
