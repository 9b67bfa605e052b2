//! Raw connections to a listener, below any HTTP library.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use crate::wait::PATIENCE;

/// Where a listener is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A unix socket.
    Unix(PathBuf),
    /// TCP.
    Tcp(SocketAddr),
}

impl Place {
    /// The socket at a path.
    pub fn unix(path: &Path) -> Place {
        Place::Unix(path.to_owned())
    }

    /// A port of this address that is free at the moment.
    pub fn free(address: &str) -> SocketAddr {
        let listener = TcpListener::bind((address, 0)).expect("an address of this machine");
        listener.local_addr().expect("an address")
    }

    /// Connects.
    pub fn connect(&self) -> io::Result<Wire> {
        Ok(match self {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Wire { stream: Stream::Unix(stream), buffer: Vec::new() }
            }
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Wire { stream: Stream::Tcp(stream), buffer: Vec::new() }
            }
        })
    }

    /// Connects to a TCP server from an address of this machine, such as any of 127.0.0.0/8.
    pub fn connect_from(&self, source: Ipv4Addr) -> io::Result<Wire> {
        let Place::Tcp(SocketAddr::V4(address)) = self else {
            return Err(io::Error::other("no server of IPv4"));
        };
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(source, 0)))?;
        connect(socket.as_raw_fd(), &SockaddrIn::from(*address))?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire { stream: Stream::Tcp(stream), buffer: Vec::new() })
    }

    /// Sends a request on a connection of its own and takes all that comes until the server closes.
    pub fn ask(&self, request: &[u8]) -> io::Result<String> {
        let mut wire = self.connect()?;
        wire.send(request)?;
        wire.rest()
    }
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Sends all of it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(bytes),
            Stream::Tcp(stream) => stream.write_all(bytes),
        }
    }

    /// The same connection, for another thread to send on.
    pub fn sender(&self) -> Wire {
        let stream = match &self.stream {
            Stream::Unix(stream) => Stream::Unix(stream.try_clone().expect("a descriptor")),
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone().expect("a descriptor")),
        };
        Wire { stream, buffer: Vec::new() }
    }

    /// Bounds how long sending may take.
    pub fn hurry(&self, limit: Duration) {
        let set = match &self.stream {
            Stream::Unix(stream) => stream.set_write_timeout(Some(limit)),
            Stream::Tcp(stream) => stream.set_write_timeout(Some(limit)),
        };
        set.expect("a limit");
    }

    /// Says that nothing more is sent.
    pub fn end(&self) {
        let how = std::net::Shutdown::Write;
        let _ = match &self.stream {
            Stream::Unix(stream) => stream.shutdown(how),
            Stream::Tcp(stream) => stream.shutdown(how),
        };
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 << 10];
        let count = match &mut self.stream {
            Stream::Unix(stream) => stream.read(&mut piece)?,
            Stream::Tcp(stream) => stream.read(&mut piece)?,
        };
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    /// Takes what comes up to and with `end`.
    pub fn until(&mut self, end: &str) -> io::Result<String> {
        loop {
            let found = self.buffer.windows(end.len()).position(|w| w == end.as_bytes());
            if let Some(at) = found {
                let rest = self.buffer.split_off(at + end.len());
                let text = std::mem::replace(&mut self.buffer, rest);
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            if self.more()? == 0 {
                let text = String::from_utf8_lossy(&self.buffer);
                return Err(io::Error::other(format!("closed before {end:?}: {text:?}")));
            }
        }
    }

    /// Takes one answer that has a length: head and body.
    pub fn answer(&mut self) -> io::Result<(String, String)> {
        let head = self.until("\r\n\r\n")?;
        let length = header(&head, "content-length").and_then(|n| n.parse().ok());
        let length: usize = length.ok_or_else(|| io::Error::other(format!("no length: {head}")))?;
        while self.buffer.len() < length {
            if self.more()? == 0 {
                return Err(io::Error::other("closed within a body"));
            }
        }
        let rest = self.buffer.split_off(length);
        let body = std::mem::replace(&mut self.buffer, rest);
        Ok((head, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Takes all there is until the server closes, however it does.
    pub fn rest(&mut self) -> io::Result<String> {
        loop {
            match self.more() {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => break,
                Err(e) => return Err(e),
            }
        }
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned())
    }
}

/// The value of a header.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A call of a method without parameters, as a client sends it that keeps its connection.
pub fn call(method: &str, headers: &str) -> Vec<u8> {
    let body =
        format!("<?xml version='1.0'?><methodCall><methodName>{method}</methodName></methodCall>");
    let length = body.len();
    format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
