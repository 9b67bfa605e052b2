//! TLS from the client's side: to servers that prove who they are by certificates, and that may want one of the client.

mod files;
mod verify;
mod words;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection};

use crate::config::ctl::TlsFiles;
use verify::OnRequest;
#[cfg(test)]
pub(crate) use verify::anybody;
#[cfg(feature = "tools")]
pub(crate) use verify::unchecked;

/// How long the beginning of a connection may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no TLS with a server: a sentence that says with whom, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoTls(pub String);

impl fmt::Display for NoTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoTls {}

/// How servers prove who they are, and the client to them. The files are read when first needed, and once.
#[derive(Default)]
pub struct Tls {
    files: TlsFiles,
    ready: OnceLock<Result<Ready, NoTls>>,
}

/// What the files hold.
struct Ready {
    config: ClientConfig,
    /// What the client proves itself by.
    own: Option<Arc<CertifiedKey>>,
}

impl Tls {
    /// By these files.
    pub fn new(files: TlsFiles) -> Tls {
        Tls { files, ready: OnceLock::new() }
    }

    /// Whether servers are taken for who they say they are.
    pub fn is_insecure(&self) -> bool {
        self.files.insecure
    }

    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with which of them, and what to do.
    pub fn check(&self) -> Result<(), NoTls> {
        self.ready().map(drop)
    }

    fn ready(&self) -> Result<&Ready, NoTls> {
        let read = || {
            let own = files::own(&self.files).map_err(NoTls)?;
            let mut config = verify::config(&self.files).map_err(NoTls)?;
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            // Every connection is judged by itself: what was right a moment ago may be revoked.
            config.resumption = Resumption::disabled();
            Ok(Ready { config, own })
        };
        self.ready.get_or_init(read).as_ref().map_err(NoTls::clone)
    }

    /// Begins TLS on a connection to a host.
    ///
    /// # Errors
    /// Why there is none.
    pub fn over(&self, socket: TcpStream, host: &str, port: u16) -> Result<Link, NoTls> {
        let ready = self.ready()?;
        let asked = Arc::new(AtomicBool::new(false));
        let peer = Peer {
            host: host.to_owned(),
            port,
            files: self.files.clone(),
            asked: Arc::clone(&asked),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| peer.nameless())?;
        let mut config = ready.config.clone();
        config.client_auth_cert_resolver = Arc::new(OnRequest::new(ready.own.clone(), asked));
        let tls = ClientConnection::new(Arc::new(config), name);
        let tls = tls.map_err(|error| peer.words(&error))?;
        let mut link = Link { socket, tls, peer };
        link.shake_hands(Instant::now() + PATIENCE)
            .map_err(|error| link.peer.interrupted(error))?;
        Ok(link)
    }
}

/// Who is at the other end, and by what it is judged.
struct Peer {
    host: String,
    port: u16,
    files: TlsFiles,
    /// Whether it wanted a certificate of the client.
    asked: Arc<AtomicBool>,
}

impl Peer {
    fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A connection that TLS has begun on. What goes wrong with TLS is an error that holds a [`NoTls`].
pub struct Link {
    socket: TcpStream,
    tls: ClientConnection,
    peer: Peer,
}

impl Link {
    /// What is below TLS.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether something to read has come already.
    pub fn holds_more(&mut self) -> bool {
        let state = self.tls.process_new_packets();
        state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed())
    }

    /// Takes in what the socket has; whether there is something to read then, or the end.
    pub fn take_in(&mut self) -> io::Result<bool> {
        Ok(self.holds_more() || self.pull()? == 0 || self.holds_more())
    }

    fn shake_hands(&mut self, deadline: Instant) -> io::Result<()> {
        while self.tls.is_handshaking() {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Some(left.max(Duration::from_millis(1)));
            self.socket.set_read_timeout(left)?;
            self.socket.set_write_timeout(left)?;
            self.push()?;
            if self.tls.is_handshaking() && self.pull()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.push()?;
        self.socket.set_read_timeout(None)?;
        self.socket.set_write_timeout(None)
    }

    /// Sends what TLS has to send.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if let Err(error) = self.tls.write_tls(&mut self.socket) {
                match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(self.last_words().unwrap_or(error)),
                }
            }
        }
        Ok(())
    }

    /// Receives a part of what TLS sends; its length below TLS, 0 at the end.
    fn pull(&mut self) -> io::Result<usize> {
        // It may be that the other end waits for something.
        self.push()?;
        let count = self.receive()?;
        Ok(count)
    }

    fn receive(&mut self) -> io::Result<usize> {
        let count = loop {
            match self.tls.read_tls(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if let Err(error) = self.tls.process_new_packets() {
            // The other end is told what is wrong with it.
            let _ = self.tls.write_tls(&mut self.socket);
            return Err(io::Error::other(self.peer.words(&error)));
        }
        Ok(count)
    }

    /// Why the other end takes nothing any more, if it has said so.
    fn last_words(&mut self) -> Option<io::Error> {
        loop {
            match self.receive() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    return error.get_ref().is_some_and(|e| e.is::<NoTls>()).then_some(error);
                }
            }
        }
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.pull()?;
        }
    }
}

impl Write for Link {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.tls.writer().write(buffer)?;
        self.push()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

impl Drop for Link {
    /// The other end is to know that this is the end, and no more than that is meant: it is not waited for.
    fn drop(&mut self) {
        self.tls.send_close_notify();
        let _ = self.socket.set_nonblocking(true);
        let _ = self.tls.write_tls(&mut self.socket);
    }
}

#[cfg(test)]
mod tests;
