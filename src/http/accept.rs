//! Listening: from an inherited socket to connections that have a place.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::rc::Rc;
use std::time::Duration;

use policy::access::{Principal, Proof, Who};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::Site;
use super::connection::{self, Door};
use super::gate::{Client, Gate, Section};
use super::head::Policy;
use super::limits::{Crowd, Source};
use super::line::Line;
use super::stream::Stream;
use super::tls::{Keys, Tls};
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

/// A connection as it was accepted: its socket and who is at the other end.
type Arrival = (Stream, Client);

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
                let client = neighbour(&stream);
                Ok((Stream::Unix(stream), client))
            }
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                // Lines of a followed log would wait for one another's acknowledgement. No reason to turn it away.
                let _ = stream.set_nodelay(true);
                let name: Rc<str> = address.to_string().into();
                let client = Client {
                    peer: Rc::clone(&name),
                    name,
                    source: Source::of(address.ip()),
                    principal: None,
                    shown: None,
                    last: Cell::default(),
                };
                Ok((Stream::Tcp(stream), client))
            }
        }
    }

    /// The port of a TCP socket.
    fn port(&self) -> Option<u16> {
        match self {
            Socket::Unix(_) => None,
            Socket::Tcp(socket) => Some(socket.local_addr().map_or(0, |address| address.port())),
        }
    }
}

/// Who is at the other end of a unix socket: ids and groups as the kernel noted them when that end connected. The process
/// id is not looked at, since another process can have it by now. One of whom the kernel says nothing is nobody.
fn neighbour(stream: &UnixStream) -> Client {
    let cred = stream.peer_cred().ok();
    let groups = link::peer::groups(stream.as_fd()).unwrap_or_default();
    let (uid, gid) = cred.map_or((u32::MAX, u32::MAX), |cred| (cred.uid(), cred.gid()));
    let mut groups: Vec<u32> = [gid].into_iter().chain(groups).collect();
    groups.sort_unstable();
    groups.dedup();
    let who = Who::Unix { uid, groups: groups.into() };
    Client {
        name: "localhost:0".into(),
        peer: "unix".into(),
        source: cred.map_or(Source::Unknown, |cred| Source::User(cred.uid())),
        principal: Some(Rc::new(Principal::new(who, Proof::Peer))),
        shown: None,
        last: Cell::default(),
    }
}

/// Serves one server section on its listening socket, until dropped. Needs a `LocalSet`.
pub async fn serve<S: Site>(site: Rc<S>, gate: Rc<Gate>, listener: Listener, server: Server) {
    let socket = match Socket::new(listener) {
        Ok(socket) => socket,
        Err(e) => {
            let text =
                format!("could not serve [{}]: its socket cannot be polled: {e}", server.section);
            return site.log(Level::Critical, text);
        }
    };
    let policy = Policy::new(&server, socket.port());
    let visitors = Rc::new(Visitors::of(&server));
    let section = Section::of(&server, socket.port().is_some(), &site.latest());
    let tls = Keys::of(&server, &*site).map(Tls::new);
    let door = Rc::new(Door { site: Rc::clone(&site), gate, policy, section, visitors, tls });
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

fn receive<S: Site>(door: &Rc<Door<S>>, crowd: &Rc<Crowd>, (stream, client): Arrival) {
    let line = Line::new(stream);
    let Some(place) = crowd.admit(client.source, Rc::clone(&line)) else {
        return line.turn_away(door.tls.is_some());
    };
    let place = Rc::new(place);
    let task = spawn_local(connection::serve(Rc::clone(door), line, Rc::clone(&place), client));
    place.held_by(task.abort_handle());
}
