//! Addresses that no other test has, and which sockets a process holds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::procfs;
use crate::wait::{PATIENCE, within};

static ADDRESSES: AtomicU8 = AtomicU8::new(1);

/// An address of this machine alone, another one at each call and in each process of tests. Any port of it is free.
pub fn address() -> Ipv4Addr {
    let pid = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, pid[2] | 0x80, pid[3], ADDRESSES.fetch_add(1, Ordering::Relaxed))
}

/// Where a client connects to.
#[derive(Debug, Clone)]
pub enum Peer {
    /// TCP.
    Tcp(SocketAddrV4),
    /// A unix socket.
    Unix(std::path::PathBuf),
}

impl Peer {
    /// The port of an address.
    pub fn tcp(address: Ipv4Addr, port: u16) -> Peer {
        Peer::Tcp(SocketAddrV4::new(address, port))
    }

    /// The socket at a path.
    pub fn unix(path: &Path) -> Peer {
        Peer::Unix(path.to_owned())
    }

    /// As the configuration has it.
    pub fn url(&self) -> String {
        match self {
            Peer::Tcp(address) => format!("tcp://{address}"),
            Peer::Unix(path) => format!("unix://{}", path.display()),
        }
    }

    /// Connects and takes all that is answered.
    pub fn ask(&self) -> io::Result<String> {
        let mut answer = String::new();
        match self {
            Peer::Tcp(address) => {
                let mut stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_to_string(&mut answer)?;
            }
            Peer::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_to_string(&mut answer)?;
            }
        }
        Ok(answer)
    }
}

/// A client that asks again and again, in a thread of its own.
#[derive(Debug)]
pub struct Asking {
    over: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Asking {
    /// Begins to ask. What cannot be asked is an answer that begins with `error`.
    pub fn begin(peer: &Peer) -> Asking {
        let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (peer, end, into) = (peer.clone(), Arc::clone(&over), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let answer = peer.ask().unwrap_or_else(|e| format!("error: {e}"));
                into.lock().expect("a list of answers").push(answer);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Asking { over, answers, thread }
    }

    /// How many answers there are.
    pub fn count(&self) -> usize {
        self.answers.lock().expect("a list of answers").len()
    }

    /// Ends it; all answers.
    pub fn end(self) -> Vec<String> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a client that does not fail");
        std::mem::take(&mut self.answers.lock().expect("a list of answers"))
    }
}

/// The inode of the socket that is a descriptor of a process.
pub fn socket_at(pid: i32, descriptor: u32) -> Option<u64> {
    inode(&procfs::descriptors(pid).remove(&descriptor)?.display().to_string())
}

/// The inodes of all sockets that a process has.
pub fn sockets(pid: i32) -> BTreeSet<u64> {
    let paths = procfs::descriptors(pid).into_values();
    paths.filter_map(|path| inode(&path.display().to_string())).collect()
}

fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The inode of what listens at an address, or under a path.
pub fn listening(peer: &Peer) -> Option<u64> {
    match peer {
        Peer::Tcp(address) => {
            let ip = u32::from_ne_bytes(address.ip().octets());
            let local = format!("{ip:08X}:{:04X}", address.port());
            let table = fs::read_to_string("/proc/net/tcp").ok()?;
            table.lines().skip(1).find_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let found = words.get(1) == Some(&local.as_str()) && words.get(3) == Some(&"0A");
                if found { words.get(9)?.parse().ok() } else { None }
            })
        }
        // The kernel knows a socket by the name that it was bound with.
        Peer::Unix(_) => None,
    }
}

/// Waits until a process has the descriptors from 0 up to, not including, `end`, and no more: one that has just begun
/// may still have a file of its own open.
pub fn wait_descriptors(pid: i32, end: u32) {
    let wanted: Vec<u32> = (0..end).collect();
    let mut open = Vec::new();
    let found = within(Duration::from_secs(20), || {
        open = procfs::descriptors(pid).into_keys().collect::<Vec<u32>>();
        (open == wanted).then_some(())
    });
    assert!(found.is_some(), "process {pid} has descriptors {open:?}, not {wanted:?}");
}

/// The flags of a descriptor's description, as open(2) has them.
pub fn flags(pid: i32, descriptor: u32) -> u32 {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}"));
    let text = text.expect("a descriptor of a process that runs");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    u32::from_str_radix(flags.expect("flags").trim(), 8).expect("an octal number")
}
