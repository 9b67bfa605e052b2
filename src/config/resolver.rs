//! The resolver half: answers the parser's questions about the machine, one datagram each way.
//!
//! It cannot be locked down, since name services load libraries and open sockets. What it says is input to the parser;
//! it gets names and paths and never sees a value of the configuration beyond them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use privsep::frame::{Cursor, Error, Writer};

use super::host::{Account, Host, Kind, Who};
use super::text;

const MAX_QUESTION: usize = 8_192;
const MAX_TEXT: usize = 4_095;
const MAX_GROUPS: usize = 8_192;
const MAX_ANSWER: usize = 4 * MAX_GROUPS + 2 * MAX_TEXT + 64;
/// `getaddrinfo`: the name or service is not known.
const EAI_NONAME: i32 = -2;
const EAI_AGAIN: i32 = -3;
const EAI_NODATA: i32 = -5;

/// The two ends of the talk: the parser's and the resolver's.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Account(Who),
    Group(Who),
    Address(String),
    Kind(String),
}

fn put_who(w: &mut Writer, tag: u8, who: &Who) {
    match who {
        Who::Name(name) => w.u8(tag).u8(0).text(&text::bytes(name)),
        Who::Id(id) => w.u8(tag).u8(1).u32(*id),
    };
}

fn who(c: &mut Cursor<'_>) -> Result<Who, Error> {
    match c.u8()? {
        0 => Ok(Who::Name(text::from_bytes(&c.text(MAX_TEXT)?))),
        1 => Ok(Who::Id(c.u32()?)),
        _ => Err(Error::Tag),
    }
}

impl Question {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Question::Account(who) => put_who(&mut w, 1, who),
            Question::Group(who) => put_who(&mut w, 2, who),
            Question::Address(name) => {
                w.u8(3).text(&text::bytes(name));
            }
            Question::Kind(path) => {
                w.u8(4).text(&text::bytes(path));
            }
        }
        w.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Question, Error> {
        let mut c = Cursor::new(bytes);
        let question = match c.u8()? {
            1 => Question::Account(who(&mut c)?),
            2 => Question::Group(who(&mut c)?),
            3 => Question::Address(text::from_bytes(&c.text(MAX_TEXT)?)),
            4 => Question::Kind(text::from_bytes(&c.text(MAX_TEXT)?)),
            _ => return Err(Error::Tag),
        };
        c.end()?;
        Ok(question)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reply {
    Account(Option<Account>),
    Group(Option<u32>),
    Address(Result<[u8; 4], i32>),
    Kind(Kind),
}

impl Reply {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Reply::Account(None) => {
                w.u8(0);
            }
            Reply::Account(Some(a)) => {
                w.u8(1).text(&text::bytes(&a.name)).u32(a.uid).u32(a.gid);
                w.list(&a.groups, |w, g| {
                    w.u32(*g);
                });
                w.text(&text::bytes(&a.home));
            }
            Reply::Group(None) => {
                w.u8(2);
            }
            Reply::Group(Some(gid)) => {
                w.u8(3).u32(*gid);
            }
            Reply::Address(Ok(address)) => {
                w.u8(4).raw(address);
            }
            Reply::Address(Err(code)) => {
                w.u8(5).i32(*code);
            }
            Reply::Kind(kind) => {
                w.u8(6).u8(match kind {
                    Kind::Directory => 0,
                    Kind::Other => 1,
                    Kind::Missing => 2,
                    Kind::Hidden => 3,
                });
            }
        }
        w.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Reply, Error> {
        let mut c = Cursor::new(bytes);
        let reply = match c.u8()? {
            0 => Reply::Account(None),
            1 => Reply::Account(Some(Account {
                name: text::from_bytes(&c.text(MAX_TEXT)?),
                uid: c.u32()?,
                gid: c.u32()?,
                groups: c.list(MAX_GROUPS, Cursor::u32)?,
                home: text::from_bytes(&c.text(MAX_TEXT)?),
            })),
            2 => Reply::Group(None),
            3 => Reply::Group(Some(c.u32()?)),
            4 => Reply::Address(Ok([c.u8()?, c.u8()?, c.u8()?, c.u8()?])),
            5 => Reply::Address(Err(c.i32()?)),
            6 => Reply::Kind(match c.u8()? {
                0 => Kind::Directory,
                1 => Kind::Other,
                2 => Kind::Missing,
                3 => Kind::Hidden,
                _ => return Err(Error::Tag),
            }),
            _ => return Err(Error::Tag),
        };
        c.end()?;
        Ok(reply)
    }
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
        let Some(Ok(question)) = buffer.get(..n).map(Question::decode) else {
            return;
        };
        let reply = answer(question).encode();
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
        Question::Kind(path) => Reply::Kind(kind(&path)),
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
    })
}

fn address(name: &str) -> Result<[u8; 4], i32> {
    match (name, 0).to_socket_addrs() {
        Ok(mut all) => all
            .find_map(|a| match a.ip() {
                IpAddr::V4(ip) => Some(ip.octets()),
                IpAddr::V6(_) => None,
            })
            .ok_or(EAI_NODATA),
        // std keeps the number to itself and gives the text alone.
        Err(e) if e.to_string().contains("Temporary failure") => Err(EAI_AGAIN),
        Err(e) if e.to_string().contains("No address") => Err(EAI_NODATA),
        Err(_) => Err(EAI_NONAME),
    }
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
        Resolver {
            socket,
            known: HashMap::new(),
            broken: None,
        }
    }

    /// Why the resolver no longer answers, if that is so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    fn ask(&mut self, question: &Question) -> Option<Reply> {
        let bytes = question.encode();
        // Too long, or with a NUL: no user, host or path is called like that.
        if Question::decode(&bytes).is_err() || self.broken.is_some() {
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
            .and_then(|bytes| Reply::decode(bytes).map_err(|_| io::ErrorKind::InvalidData))
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

    fn address(&mut self, name: &str) -> Result<[u8; 4], i32> {
        match self.ask(&Question::Address(name.to_owned())) {
            Some(Reply::Address(address)) => address,
            _ => Err(EAI_NONAME),
        }
    }

    fn kind(&mut self, path: &str) -> Kind {
        match self.ask(&Question::Kind(path.to_owned())) {
            Some(Reply::Kind(kind)) => kind,
            _ => Kind::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(host.address("127.0.0.1"), Ok([127, 0, 0, 1]));
        assert_eq!(host.kind("/proc"), Kind::Directory);
        assert_eq!(host.kind("/proc/self/stat"), Kind::Other);
        assert_eq!(host.kind("/nowhere/at/all"), Kind::Missing);
        assert!(host.broken().is_none());
        drop(host);
        half.join().unwrap();
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
            })),
            Reply::Address(Ok([1, 2, 3, 4])),
            Reply::Kind(Kind::Hidden),
        ];
        for reply in replies {
            let bytes = reply.encode();
            assert_eq!(Reply::decode(&bytes), Ok(reply));
            for n in 0..bytes.len() {
                assert!(Reply::decode(&bytes[..n]).is_err());
            }
        }
    }
}
