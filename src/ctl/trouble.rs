//! Why an action ended early. Printed in the reference's form, which names Python's exceptions: scripts match them.

use std::fmt;
use std::io;

use super::address::BadUrl;
use super::tls::NoTls;
use crate::rpc::fault::Code;
use crate::rpc::xml::{BadAnswer, Fault};

/// What ended an action.
#[derive(Debug)]
pub enum Trouble {
    /// The daemon answered with a fault that the action has no words for.
    Fault(Fault),
    /// The server answered with another status than 200.
    Http {
        /// The status.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// The connection could not be made or broke.
    Io(io::Error),
    /// The host's name has no address.
    Lookup(io::Error),
    /// There is no TLS with the server: a sentence that says with whom, why, and what to do.
    Tls(String),
    /// The server closed the connection instead of answering.
    Disconnected,
    /// The answer is no XML-RPC, or not of the shape that the method has.
    Answer,
    /// A question was asked and the input had no answer. The reference has no words for a password's.
    NoAnswer(&'static str),
    /// A value that the action cannot work with.
    Value(String),
}

/// The word that programs are told of a fault.
pub fn code_of(fault: &Fault) -> &'static str {
    Code::from_number(i64::from(fault.code)).map_or("FAULT", Code::name)
}

impl Trouble {
    /// The name of the exception that a script may look for.
    fn class(&self) -> &'static str {
        match self {
            Trouble::Fault(_) => "xmlrpc.client.Fault",
            Trouble::Http { .. } => "xmlrpc.client.ProtocolError",
            Trouble::Io(error) => class_of(error),
            Trouble::Lookup(_) => "socket.gaierror",
            Trouble::Tls(_) => "ssl.SSLError",
            Trouble::Disconnected => "http.client.RemoteDisconnected",
            Trouble::Answer => "xmlrpc.client.ResponseError",
            Trouble::NoAnswer(_) => "EOFError",
            Trouble::Value(_) => "ValueError",
        }
    }

    /// The word that programs are told.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Fault(fault) => code_of(fault),
            Trouble::Http { .. } => "HTTP",
            Trouble::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "CONNECTION_REFUSED",
                io::ErrorKind::NotFound => "NO_SOCKET",
                _ => "CONNECTION",
            },
            Trouble::Lookup(_) => "LOOKUP",
            Trouble::Tls(_) => "TLS",
            Trouble::Disconnected => "DISCONNECTED",
            Trouble::Answer => "BAD_ANSWER",
            Trouble::Value(_) => "BAD_VALUE",
            Trouble::NoAnswer(_) => "NO_ANSWER",
        }
    }

    /// What an answer's status means here and what to do, for those that are no failure of the daemon.
    pub fn advice(&self) -> Option<&'static str> {
        let Trouble::Http { status, .. } = self else { return None };
        Some(match status {
            403 => {
                "The server knows who asks and refuses: `supervisorctl whoami` tells who that is and what it may do. \
                 A proxy in between may refuse, too."
            }
            404 => {
                "Something answers at this address that is no supervisord, or a proxy leads elsewhere."
            }
            421 => {
                "The server does not go by this name: use localhost or its address, or add the name to allowed_hosts \
                 of its section."
            }
            429 => {
                "There were too many wrong passwords: wait a moment, and check name and password."
            }
            503 => "The server has as much to do as it takes at a time: try again in a moment.",
            _ => return None,
        })
    }

    /// The error number of a connection that could not be made.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Trouble::Io(error) => error.raw_os_error(),
            _ => None,
        }
    }
}

fn class_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "ConnectionRefusedError",
        io::ErrorKind::NotFound => "FileNotFoundError",
        io::ErrorKind::PermissionDenied => "PermissionError",
        io::ErrorKind::ConnectionReset => "ConnectionResetError",
        io::ErrorKind::ConnectionAborted => "ConnectionAbortedError",
        io::ErrorKind::BrokenPipe => "BrokenPipeError",
        io::ErrorKind::TimedOut => "TimeoutError",
        io::ErrorKind::NotADirectory => "NotADirectoryError",
        io::ErrorKind::WouldBlock => "BlockingIOError",
        _ => "OSError",
    }
}

/// The line's middle, `<class 'X'>, VALUE`.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Trouble::Tls(text) = self {
            return f.write_str(text);
        }
        write!(f, "<class '{}'>, ", self.class())?;
        match self {
            Trouble::Fault(fault) => {
                write!(f, "<Fault {}: {}>", fault.code, super::quote(&fault.text))
            }
            Trouble::Http { status, reason } => {
                write!(f, "<ProtocolError for 127.0.0.1/RPC2: {status} {reason}>")
            }
            Trouble::Io(error) => write_io(f, error),
            Trouble::Lookup(error) => {
                let text = error.to_string();
                let text = text.rsplit_once(": ").map_or(text.as_str(), |(_, text)| text);
                let number = if text.starts_with("Temporary") { -3 } else { -2 };
                write!(f, "[Errno {number}] {text}")
            }
            Trouble::Tls(text) => f.write_str(text),
            Trouble::Disconnected => f.write_str("Remote end closed connection without response"),
            Trouble::Answer => f.write_str("ResponseError()"),
            Trouble::NoAnswer(text) => f.write_str(text),
            Trouble::Value(text) => f.write_str(text),
        }
    }
}

fn write_io(f: &mut fmt::Formatter<'_>, error: &io::Error) -> fmt::Result {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let suffix = format!(" (os error {number})");
            write!(f, "[Errno {number}] {}", text.strip_suffix(&suffix).unwrap_or(&text))
        }
        None => f.write_str(&text),
    }
}

impl std::error::Error for Trouble {}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Fault(fault)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        // What has gone wrong with TLS comes through what reads and writes.
        match error.downcast::<NoTls>() {
            Ok(NoTls(text)) => Trouble::Tls(text),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Trouble::Disconnected,
            Err(error) => Trouble::Io(error),
        }
    }
}

impl From<NoTls> for Trouble {
    fn from(NoTls(text): NoTls) -> Trouble {
        Trouble::Tls(text)
    }
}

impl From<BadAnswer> for Trouble {
    fn from(_: BadAnswer) -> Trouble {
        Trouble::Answer
    }
}

impl From<BadUrl> for Trouble {
    fn from(bad: BadUrl) -> Trouble {
        Trouble::Value(bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_failure_of_the_daemon_comes_with_advice() {
        let advice = |status| Trouble::Http { status, reason: String::new() }.advice();
        for (status, word) in
            [(403, "whoami"), (421, "allowed_hosts"), (429, "wait"), (503, "again")]
        {
            assert!(advice(status).is_some_and(|advice| advice.contains(word)), "{status}");
        }
        // Scripts know these as they are.
        assert!(advice(401).is_none() && advice(500).is_none());
        assert!(Trouble::Disconnected.advice().is_none());
    }

    #[test]
    fn texts() {
        let text = |trouble: Trouble| trouble.to_string();
        assert_eq!(
            text(Trouble::Io(io::Error::from_raw_os_error(111))),
            "<class 'ConnectionRefusedError'>, [Errno 111] Connection refused"
        );
        assert_eq!(
            text(Fault::new(Code::ShutdownState).into()),
            "<class 'xmlrpc.client.Fault'>, <Fault 6: 'SHUTDOWN_STATE'>"
        );
        assert_eq!(
            text(Trouble::Http { status: 500, reason: "Internal Server Error".to_owned() }),
            "<class 'xmlrpc.client.ProtocolError'>, \
             <ProtocolError for 127.0.0.1/RPC2: 500 Internal Server Error>"
        );
        let lookup =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(
            text(Trouble::Lookup(lookup)),
            "<class 'socket.gaierror'>, [Errno -2] Name or service not known"
        );
    }
}
