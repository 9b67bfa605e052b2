//! The stream of a log: asked for, read part by part, and ended whatever it waits for.

use std::io::{self, BufReader, Read, Write};
use std::thread::{self, JoinHandle};

use super::address::Address;
use super::http::{Body, Closer, Stream, get, read_head};
use super::server::Server;
use super::trouble::Trouble;

/// Connects and asks for a log.
pub fn connect(server: &Server, path: &str) -> Result<Stream, Trouble> {
    let address = Address::parse(&server.url)?;
    let mut stream = Stream::connect(&address, server.tls())?;
    let request = get(path, &address.host_header(), server.authorization());
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

/// Why a log that was asked for does not come.
pub enum Missing {
    /// No answer could be read.
    Head(io::Error),
    /// The answer is of this status.
    Status(u16),
}

/// The log itself, behind the head of the answer.
pub fn body<R: Read>(reader: &mut BufReader<R>) -> Result<Body<'_, BufReader<R>>, Missing> {
    let head = read_head(reader).map_err(Missing::Head)?;
    match head.status {
        200 => Ok(Body::new(reader, head.framing)),
        status => Err(Missing::Status(status)),
    }
}

/// Hands on every part as it comes, until there is no more or it is not taken.
pub fn parts(body: &mut impl Read, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = body.read(&mut buffer)?;
        let part = buffer.get(..count).unwrap_or_default();
        if part.is_empty() || !take(part) {
            return Ok(());
        }
    }
}

/// A thread that reads a stream.
pub struct Follower<T> {
    thread: JoinHandle<T>,
    closer: Closer,
}

impl<T: Send + 'static> Follower<T> {
    /// Starts it.
    pub fn start(
        stream: Stream,
        read: impl FnOnce(&mut BufReader<Stream>) -> T + Send + 'static,
    ) -> io::Result<Follower<T>> {
        let closer = stream.closer()?;
        let thread = thread::spawn(move || read(&mut BufReader::new(stream)));
        Ok(Follower { thread, closer })
    }

    /// Waits for its end, which is brought about now where that is `wanted`.
    pub fn end(self, wanted: bool) -> Option<T> {
        if wanted {
            self.closer.shut();
        }
        self.thread.join().ok()
    }
}
