//! What the head of a request decides alone: whether it may pass, what it asks for, and what becomes of the connection.

use std::rc::Rc;

use hyper::header::{CONNECTION, HeaderMap, ORIGIN};
use hyper::{Method, Request, StatusCode, Version};

use super::auth::Gate;
use super::hosts::{Hosts, counted};
use crate::config::settings::Server;
use crate::web::origin;

/// What one server asks of every request.
pub struct Policy {
    gate: Gate,
    /// Of a TCP server: whose requests may come from a browser that somebody else's page has sent.
    hosts: Option<Hosts>,
}

/// Who has sent a request, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The name that was given with the right password; `None` where the server asks for none.
    pub user: Option<Rc<str>>,
    /// Whether it came over TCP.
    pub inet: bool,
}

/// What a path stands for. As in the reference the first of its characters decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Whether the server serves.
    Health,
    /// A method call.
    Call,
    /// A process's log, with what follows the route's name.
    ProcessLog(String),
    /// The activity log.
    MainLog,
    /// Everything else: the decoded path.
    Other(String),
}

impl Route {
    fn of(path: String) -> Route {
        if path == "/healthz" {
            Route::Health
        } else if path.starts_with("/RPC2") {
            Route::Call
        } else if let Some(rest) = path.strip_prefix("/logtail") {
            Route::ProcessLog(rest.to_owned())
        } else if path.starts_with("/mainlogtail") {
            Route::MainLog
        } else {
            Route::Other(path)
        }
    }

    /// Whether a browser may be made to ask for it by a page whose name was bound to this machine.
    fn is_readable_by_pages(&self) -> bool {
        matches!(self, Route::ProcessLog(_) | Route::MainLog | Route::Other(_))
    }
}

impl Policy {
    /// That of a section; `inet` for a TCP server.
    pub fn new(server: &Server, inet: bool) -> Policy {
        Policy {
            gate: Gate::new(server.credentials.as_ref()),
            hosts: inet.then(|| Hosts::new(&server.hosts)),
        }
    }

    /// Who asks for what, or the status of the refusal.
    pub fn judge<B>(&self, request: &Request<B>) -> Result<(Visitor, Route), StatusCode> {
        if self.hosts.is_some() && !counted(request) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let route = Route::of(unquote(request.uri().path()));
        if route == Route::Health {
            return Ok((Visitor { user: None, inet: self.hosts.is_some() }, route));
        }
        let user = self.gate.admit(request.headers()).ok_or(StatusCode::UNAUTHORIZED)?;
        // A browser has no password for a name that it was lured to, so a server that asks for one answers to all names.
        let open = self.hosts.as_ref().filter(|_| user.is_none() && route.is_readable_by_pages());
        if open.is_some_and(|hosts| !hosts.admit(request)) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        if route == Route::Call && *request.method() == Method::POST {
            if is_of_a_page(request.headers()) {
                return Err(StatusCode::FORBIDDEN);
            }
            if origin::is_of_a_form(request.headers()) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
        }
        Ok((Visitor { user, inet: self.hosts.is_some() }, route))
    }
}

/// Whether a web page has sent this. Browsers say where a page that posts comes from; no XML-RPC client does. Without
/// this, any page that somebody on this machine looks at could order what an open server does.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || origin::is_of_another_site(headers)
}

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It stays open.
    Keep,
    /// It stays open, and a client of HTTP/1.0 must be told.
    KeepAndSay,
    /// It is closed.
    Close,
}

/// What the client wants of the connection after this answer.
pub fn closing(version: Version, headers: &HeaderMap) -> Closing {
    let wishes = |wish: &str| {
        headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(wish)))
    };
    match version {
        Version::HTTP_11 if !wishes("close") => Closing::Keep,
        Version::HTTP_10 if wishes("keep-alive") => Closing::KeepAndSay,
        _ => Closing::Close,
    }
}

/// Resolves `%XX`; what is not of that form stays as it is.
pub fn unquote(text: &str) -> String {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut rest = text.as_bytes();
    if !rest.contains(&b'%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, tail)) = rest.split_first() {
        let pair = (tail.first().and_then(digit), tail.get(1).and_then(digit), tail.get(2..));
        (rest, _) = match (first, pair) {
            (b'%', (Some(high), Some(low), Some(tail))) => (tail, bytes.push(high << 4 | low)),
            _ => (tail, bytes.push(*first)),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
