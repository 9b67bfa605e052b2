//! As much of HTTP/1.1 as the client needs: one connection, one request at a time, blocking.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use super::address::Address;
use super::tls::{Link, Tls};
use super::trouble::Trouble;

/// Longest line of a response head that is read, in bytes.
const MAX_LINE: u64 = 64 * 1024;
/// Most room that is made for an answer because its head says how long it is, in bytes.
const FIRST_ROOM: u64 = 16 << 20;
/// How TLS marks that something is wrong.
const TLS_ALERT: u8 = 21;
/// Most header lines that are read.
const MAX_HEADERS: usize = 200;

/// A connection of any kind.
pub enum Stream {
    /// To a path.
    Unix(UnixStream),
    /// To a host.
    Tcp(TcpStream),
    /// To a host, by TLS.
    Tls(Box<Link>),
}

impl Stream {
    /// Connects, trying each address that the host has. `tls` says how servers prove who they are, where they do.
    pub fn connect(address: &Address, tls: &Tls) -> Result<Stream, Trouble> {
        match address {
            Address::Unix(path) => match UnixStream::connect(path) {
                Ok(stream) => Ok(Stream::Unix(stream)),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    Err(Trouble::Io(io::Error::other("AF_UNIX path too long")))
                }
                Err(error) => Err(Trouble::Io(error)),
            },
            Address::Inet(host, port) => reach(host, *port).map(Stream::Tcp),
            Address::Tls(host, port) => {
                // What is wrong with the files is not the server's business.
                tls.check()?;
                let link = tls.over(reach(host, *port)?, host, *port)?;
                Ok(Stream::Tls(Box::new(link)))
            }
        }
    }

    /// What ends the connection from elsewhere.
    pub fn closer(&self) -> io::Result<Closer> {
        match self {
            Stream::Unix(stream) => stream.try_clone().map(Closer::Unix),
            Stream::Tcp(stream) => stream.try_clone().map(Closer::Tcp),
            Stream::Tls(link) => link.socket().try_clone().map(Closer::Tcp),
        }
    }

    /// Whether there is something to read that has come already: the socket has nothing to tell of it.
    pub fn holds_more(&mut self) -> bool {
        match self {
            Stream::Unix(_) | Stream::Tcp(_) => false,
            Stream::Tls(link) => link.holds_more(),
        }
    }

    /// Takes in what the socket has; whether there is something to read then. There is not where it is but a part of what
    /// TLS sends at a time, or between the two ends of TLS alone.
    pub fn take_in(&mut self) -> io::Result<bool> {
        match self {
            Stream::Unix(_) | Stream::Tcp(_) => Ok(true),
            Stream::Tls(link) => link.take_in(),
        }
    }
}

fn reach(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let found = (host, port).to_socket_addrs().map_err(Trouble::Lookup)?;
    let stream = TcpStream::connect(found.collect::<Vec<_>>().as_slice())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What ends a connection, also for whoever waits for something to read from it.
pub enum Closer {
    /// To a path.
    Unix(UnixStream),
    /// To a host.
    Tcp(TcpStream),
}

impl Closer {
    /// Ends it.
    pub fn shut(&self) {
        let _ = match self {
            Closer::Unix(stream) => stream.shutdown(Shutdown::Both),
            Closer::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Tls(link) => link.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(buffer),
            Stream::Tcp(stream) => stream.write(buffer),
            Stream::Tls(link) => link.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Tls(link) => link.socket().as_fd(),
        }
    }
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// Chunks; so many bytes of the present one are left, and whether one was read already.
    Chunked {
        /// Bytes left in the chunk.
        left: u64,
        /// The first chunk has no line end before its size.
        first: bool,
    },
    /// The connection's end.
    Close,
    /// Nothing is left.
    Ended,
}

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Its words.
    pub reason: String,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    let count = reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.pop() != Some(b'\n') {
        return Err(bad("the server's answer has a header line that does not end"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| bad("the server's answer has a header that is no text"))
}

/// Reads status line and headers.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Head> {
    let line = read_line(reader)?;
    let mut words = line.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse().ok());
    let status = status.filter(|_| version.starts_with("HTTP/"));
    let status = status.ok_or_else(|| bad("the server's answer is not HTTP"))?;
    let mut head = Head {
        status,
        reason: words.next().unwrap_or_default().to_owned(),
        framing: Framing::Close,
        keep_alive: version == "HTTP/1.1",
    };
    for _ in 0..MAX_HEADERS {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(head);
        }
        if let Some((name, value)) = line.split_once(':') {
            take_header(&mut head, name, value.trim())?;
        }
    }
    Err(bad("the server's answer has too many headers"))
}

fn take_header(head: &mut Head, name: &str, value: &str) -> io::Result<()> {
    if name.eq_ignore_ascii_case("content-length") {
        let length = value.parse().map_err(|_| bad("the server's answer has no valid length"))?;
        if head.framing == Framing::Close {
            head.framing = Framing::Length(length);
        }
    } else if name.eq_ignore_ascii_case("transfer-encoding") {
        if value.eq_ignore_ascii_case("chunked") {
            head.framing = Framing::Chunked { left: 0, first: true };
        }
    } else if name.eq_ignore_ascii_case("connection") {
        head.keep_alive = !value.eq_ignore_ascii_case("close");
    }
    Ok(())
}

/// A body on its way in. Reads give what has come, not more.
pub struct Body<'a, R> {
    reader: &'a mut R,
    framing: Framing,
}

impl<'a, R: BufRead> Body<'a, R> {
    /// The body after a head with this framing.
    pub fn new(reader: &'a mut R, framing: Framing) -> Body<'a, R> {
        Body { reader, framing }
    }

    /// Moves to the next chunk with something in it, or to the end.
    fn next_chunk(&mut self, first: bool) -> io::Result<()> {
        if !first && !read_line(self.reader)?.is_empty() {
            return Err(bad("the server's answer has a chunk of another size than it says"));
        }
        let line = read_line(self.reader)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let left = u64::from_str_radix(digits, 16)
            .map_err(|_| bad("the server's answer has a chunk without a size"))?;
        self.framing = Framing::Chunked { left, first: false };
        if left == 0 {
            while !read_line(self.reader)?.is_empty() {}
            self.framing = Framing::Ended;
        }
        Ok(())
    }

    fn read_some(&mut self, buffer: &mut [u8], left: u64) -> io::Result<usize> {
        let count = (&mut *self.reader).take(left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(count)
    }
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.framing {
            Framing::Ended | Framing::Length(0) => Ok(0),
            Framing::Close => self.reader.read(buffer),
            Framing::Length(left) => {
                let count = self.read_some(buffer, left)?;
                self.framing = Framing::Length(left.saturating_sub(count as u64));
                Ok(count)
            }
            Framing::Chunked { left: 0, first } => {
                self.next_chunk(first)?;
                self.read(buffer)
            }
            Framing::Chunked { left, .. } => {
                let count = self.read_some(buffer, left)?;
                let left = left.saturating_sub(count as u64);
                self.framing = Framing::Chunked { left, first: false };
                Ok(count)
            }
        }
    }
}

/// A request for a path, its whole text. A name in it may hold what a request line cannot.
pub fn get(path: &str, host: &str, authorization: Option<String>) -> String {
    let mut text = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n", encode(path));
    text.push_str("User-Agent: supervisorctl\r\nAccept: */*\r\n");
    if let Some(value) = authorization {
        text.push_str(&format!("Authorization: {value}\r\n"));
    }
    text.push_str("\r\n");
    text
}

fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#' | b';') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.get_ref().as_fd()
    }
}

/// A connection that requests follow each other on.
pub struct Connection {
    reader: BufReader<Stream>,
    host: String,
    /// Whether a password or token went out on it.
    told: bool,
}

impl Connection {
    /// Connects.
    pub fn open(address: &Address, tls: &Tls) -> Result<Connection, Trouble> {
        let stream = Stream::connect(address, tls)?;
        let host = address.host_header();
        Ok(Connection { reader: BufReader::new(stream), host, told: false })
    }

    /// Whether an answer has begun to come, as far as the socket has it. An error is for whoever reads it.
    pub fn has_answer(&mut self) -> bool {
        !self.reader.buffer().is_empty() || self.reader.get_mut().take_in().unwrap_or(true)
    }

    /// Posts bodies to `/RPC2`, one after the other.
    pub fn post(&mut self, authorization: Option<&str>, bodies: &[&[u8]]) -> Result<(), Trouble> {
        let requests = bodies.iter().flat_map(|body| self.request(authorization, body));
        let requests: Vec<u8> = requests.collect();
        self.told |= authorization.is_some();
        self.reader.get_mut().write_all(&requests)?;
        Ok(())
    }

    fn request(&self, authorization: Option<&str>, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: {}\r\nUser-Agent: supervisorctl\r\n\
             Content-Type: text/xml\r\nAccept: text/xml\r\n",
            self.host
        );
        if let Some(value) = authorization {
            request.push_str(&format!("Authorization: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// Reads the next answer: its head, and its body of at most `limit` bytes.
    pub fn answer(&mut self, limit: u64) -> Result<(Head, Vec<u8>), Trouble> {
        self.look_for_tls()?;
        let head = read_head(&mut self.reader)?;
        let room = match head.framing {
            Framing::Length(length) => length.min(limit).min(FIRST_ROOM),
            _ => 0,
        };
        let mut answer = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        let length = Body::new(&mut self.reader, head.framing)
            .take(limit.saturating_add(1))
            .read_to_end(&mut answer)?;
        if length as u64 > limit {
            return Err(bad("the server's answer is too long").into());
        }
        // Servers that speak TLS alone say so to whoever does not.
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if head.status == 400 && self.is_plain() && text.contains("https") {
            return Err(self.speaks_tls());
        }
        Ok((head, answer))
    }

    /// The user who listens at the other end, as the kernel says; nothing of a host.
    pub fn peer(&self) -> Option<u32> {
        match self.reader.get_ref() {
            Stream::Unix(stream) => getsockopt(stream, PeerCredentials).ok().map(|peer| peer.uid()),
            Stream::Tcp(_) | Stream::Tls(_) => None,
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self.reader.get_ref(), Stream::Tcp(_))
    }

    /// An answer that is no HTTP but an alert of TLS is no answer.
    fn look_for_tls(&mut self) -> Result<(), Trouble> {
        if self.is_plain() && self.reader.fill_buf()?.starts_with(&[TLS_ALERT, 3]) {
            return Err(self.speaks_tls());
        }
        Ok(())
    }

    fn speaks_tls(&self) -> Trouble {
        let host = &self.host;
        // What it was asked with is out by then.
        let lost = if self.told {
            "; the password or token has been sent in clear: whoever listens on the way has it, so change it"
        } else {
            ""
        };
        Trouble::Tls(format!(
            "{host} speaks https, and was asked by http: write https://{host} in its place{lost}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(mut input: &[u8]) -> io::Result<(Head, String)> {
        let head = read_head(&mut input)?;
        let mut text = String::new();
        Body::new(&mut input, head.framing).read_to_string(&mut text)?;
        Ok((head, text))
    }

    #[test]
    fn bodies_end_where_they_say() {
        let (head, text) = body(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef").unwrap();
        assert_eq!((head.status, head.reason.as_str(), head.keep_alive), (200, "OK", true));
        assert_eq!(text, "abc");
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                        3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\nrest";
        assert_eq!(body(chunked).unwrap().1, "abc0123456789");
        let (head, text) = body(b"HTTP/1.0 404 Not Found\n\nabc").unwrap();
        assert_eq!((head.status, head.keep_alive, text.as_str()), (404, false, "abc"));
        let closed = body(b"HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert!(!closed.unwrap().0.keep_alive);
    }

    #[test]
    fn broken_answers_are_errors() {
        let kind = |input: &[u8]| body(input).map_err(|error| error.kind()).map(|_| ());
        assert_eq!(kind(b""), Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(kind(b"SSH-2.0-x\r\n\r\n"), Err(io::ErrorKind::InvalidData));
        assert_eq!(kind(b"HTTP/1.1 200 OK\r\n"), Err(io::ErrorKind::UnexpectedEof));
        let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        assert_eq!(kind(short), Err(io::ErrorKind::UnexpectedEof));
        let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        assert_eq!(kind(chunk), Err(io::ErrorKind::InvalidData));
        let torn = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n";
        assert_eq!(kind(torn), Err(io::ErrorKind::InvalidData));
        let long = [b"HTTP/1.1 200 ".as_slice(), &[b'x'; 70_000]].concat();
        assert_eq!(kind(&long), Err(io::ErrorKind::InvalidData));
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encode("/logtail/a:b_1/stdout"), "/logtail/a:b_1/stdout");
        assert_eq!(encode("/logtail/é%;/stdout"), "/logtail/%C3%A9%25%3B/stdout");
    }

    #[test]
    fn requests_to_get() {
        assert_eq!(
            get("/mainlogtail", "localhost", Some("Basic dTpw".to_owned())),
            "GET /mainlogtail HTTP/1.1\r\nHost: localhost\r\nUser-Agent: supervisorctl\r\n\
             Accept: */*\r\nAuthorization: Basic dTpw\r\n\r\n"
        );
    }
}
