//! Listening: from an inherited socket to connections that have a place.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::Site;
use super::connection::{self, Door};
use super::head::Policy;
use super::limits::{Crowd, Source};
use super::line::{Line, Stream};
use crate::config::settings::{Level, Server};
use crate::web::Visitors;

/// Between two tries to accept when descriptors or memory ran out; doubled up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A bound, listening, non-blocking socket.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    unix: bool,
}

impl From<OwnedFd> for Listener {
    fn from(fd: OwnedFd) -> Listener {
        let socket = StdUnixListener::from(fd);
        // Fails for every other family.
        let unix = socket.local_addr().is_ok();
        Listener { fd: socket.into(), unix }
    }
}

enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection as it was accepted: its socket, its source, and its client's name in the log.
type Arrival = (Stream, Source, String);

impl Socket {
    fn new(listener: Listener) -> io::Result<Socket> {
        Ok(if listener.unix {
            Socket::Unix(UnixListener::from_std(listener.fd.into())?)
        } else {
            Socket::Tcp(TcpListener::from_std(listener.fd.into())?)
        })
    }

    async fn accept(&self) -> io::Result<Arrival> {
        match self {
            Socket::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                let source = stream.peer_cred().map_or(Source::Unknown, |c| Source::User(c.uid()));
                Ok((Stream::Unix(stream), source, "localhost:0".to_owned()))
            }
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                // Lines of a followed log would wait for one another's acknowledgement. No reason to turn it away.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Source::of(address.ip()), address.to_string()))
            }
        }
    }
}

/// Serves one server section on its listening socket, until dropped. Needs a `LocalSet`.
pub async fn serve<S: Site>(site: Rc<S>, listener: Listener, server: Server) {
    let socket = match Socket::new(listener) {
        Ok(socket) => socket,
        Err(e) => {
            let text =
                format!("could not serve [{}]: its socket cannot be polled: {e}", server.section);
            return site.log(Level::Critical, text);
        }
    };
    let door = Rc::new(Door {
        site: Rc::clone(&site),
        policy: Policy::new(&server, matches!(socket, Socket::Tcp(_))),
        visitors: Rc::new(Visitors::of(&server)),
    });
    let crowd = Rc::new(Crowd::default());
    let mut pause = SHORTEST_PAUSE;
    loop {
        match socket.accept().await {
            Ok(arrival) => {
                pause = SHORTEST_PAUSE;
                receive(&door, &crowd, arrival);
            }
            Err(e) if is_of_one_client(&e) => {}
            Err(e) => {
                // The connection stays in the backlog and the socket readable: trying at once would spin.
                if pause == SHORTEST_PAUSE {
                    let text =
                        format!("could not accept a connection on [{}]: {e}", server.section);
                    site.log(Level::Error, text);
                }
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Whether a failed accept tells of one client that left, not of this process.
fn is_of_one_client(e: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, Interrupted, PermissionDenied, TimedOut,
    };
    matches!(
        e.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | PermissionDenied | TimedOut
    )
}

fn receive<S: Site>(door: &Rc<Door<S>>, crowd: &Rc<Crowd>, (stream, source, client): Arrival) {
    let line = Line::new(stream);
    let Some(place) = crowd.admit(source, Rc::clone(&line)) else {
        return line.turn_away();
    };
    let place = Rc::new(place);
    let task = spawn_local(connection::serve(Rc::clone(door), line, Rc::clone(&place), client));
    place.held_by(task.abort_handle());
}
