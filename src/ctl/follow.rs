//! Following a log until the stream ends or the user has seen enough.

use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::address::Address;
use super::http::{Body, Stream, get, read_head};
use super::interrupt::{self, Listener};
use super::session::{Session, status};
use super::trouble::Trouble;

/// A stream whose reads end when the user interrupts.
struct Watched {
    stream: Stream,
    interrupts: Listener,
    interrupted: bool,
}

impl Read for Watched {
    /// An interrupt looks like the end of the stream, and is noted.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = [
                PollFd::new(self.interrupts.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stream.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [interrupt, stream] = ready.map(|fd| fd.any().unwrap_or(false));
            if interrupt {
                self.interrupts.take();
                self.interrupted = true;
                return Ok(0);
            }
            if stream {
                return self.stream.read(buffer);
            }
        }
    }
}

/// Shows a log from its end on. The path is `/logtail/NAME/CHANNEL` or `/mainlogtail`.
pub fn follow(session: &mut Session, path: &str) -> Result<(), Trouble> {
    session.say("==> Press Ctrl-C to exit <==");
    match show(session, path, interrupt::listen()?) {
        Ok(true) => session.say(""),
        Ok(false) => {}
        Err(text) => {
            let _ = writeln!(io::stderr(), "{}{path} {text}", session.server.url);
            session.exit = status::GENERIC;
        }
    }
    Ok(())
}

/// Copies the stream to standard output; whether the user ended it, or what went wrong.
fn show(session: &Session, path: &str, interrupts: Listener) -> Result<bool, String> {
    let cannot = |trouble: Trouble| format!("Cannot connect, error: {trouble}");
    let address = Address::parse(&session.server.url).map_err(|bad| cannot(bad.into()))?;
    let mut stream = Stream::connect(&address).map_err(cannot)?;
    let request = get(path, &address.host_header(), session.server.authorization());
    stream.write_all(request.as_bytes()).map_err(|error| cannot(error.into()))?;
    let mut reader = BufReader::new(Watched { stream, interrupts, interrupted: false });
    let head = match read_head(&mut reader) {
        Ok(head) => head,
        Err(_) if reader.get_ref().interrupted => return Ok(true),
        Err(error) => return Err(cannot(error.into())),
    };
    if head.status != 200 {
        return Err(format!("Cannot read, status code {}", head.status));
    }
    let copied = copy(&mut Body::new(&mut reader, head.framing));
    match copied {
        _ if reader.get_ref().interrupted => Ok(true),
        // A daemon that goes away ends the stream.
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(format!("Cannot read, error: {error}")),
    }
}

/// Every part is shown as it comes. A reader that has left ends it.
fn copy(body: &mut impl Read) -> io::Result<()> {
    let mut out = io::stdout();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = body.read(&mut buffer)?;
        let part = buffer.get(..count).unwrap_or_default();
        if part.is_empty() || out.write_all(part).and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
}
