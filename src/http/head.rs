//! What the head of a request decides alone: what it asks for, what it brings in proof, whether it is refused whoever has
//! sent it, and what becomes of the connection.

use std::time::Duration;

use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HeaderMap, ORIGIN};
use hyper::{Method, Request, StatusCode, Version};

use super::auth::{Credentials, Given, Ground, cookie, given};
use super::hosts::{Hosts, counted};
use super::tokens::Ticket;
use crate::config::settings::Server;
use crate::web::{Page, login, origin};

/// What one server looks at in every request, whatever is read later.
pub struct Policy {
    /// Of a TCP server: whose requests may come from a browser that somebody else's page has sent.
    hosts: Option<Hosts>,
    /// Name of the cookie of its sessions. Browsers give a host's cookies to each of its ports.
    cookie: String,
    /// Whether it speaks TLS.
    secure: bool,
}

/// What a request brings in proof of who has sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing, and nothing is needed: over a unix socket it is the peer, else whoever has a certificate that is enough,
    /// else anybody.
    Bare,
    /// A name and a password.
    Basic(Credentials),
    /// A token.
    Token(Ticket),
    /// A session.
    Session {
        /// Its id.
        id: String,
        /// What is said when there is no such session; nothing where it is not needed.
        otherwise: Option<Refusal>,
    },
}

/// A request that is not refused by its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// What is yet to be proved.
    pub claim: Claim,
    /// What it asks for.
    pub route: Route,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is not proved who has sent it.
    Unauthorized,
    /// The same, of a browser: this many steps up from there is the page to log in at.
    LogIn {
        /// Slashes in the path besides the first.
        depth: usize,
    },
    /// Too many tries have failed.
    TooMany {
        /// How long to wait.
        wait: Duration,
    },
    /// Too many passwords are being looked at.
    Busy,
    /// Anything else.
    Status(StatusCode),
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
    /// The page to log in at.
    LogIn,
    /// The end of a session.
    LogOut,
    /// Everything else: the decoded path.
    Other(String),
}

impl Route {
    fn of(path: String, ground: Ground) -> Route {
        let page = path.trim_start_matches('/');
        if path == "/healthz" {
            Route::Health
        } else if path.starts_with("/RPC2") {
            Route::Call
        } else if let Some(rest) = path.strip_prefix("/logtail") {
            Route::ProcessLog(rest.to_owned())
        } else if path.starts_with("/mainlogtail") {
            Route::MainLog
        } else if ground.users && page == login::PAGE {
            Route::LogIn
        } else if ground.users && page == login::END {
            Route::LogOut
        } else {
            Route::Other(path)
        }
    }

    /// Whether nobody has to be anybody for it: the page to log in at, and what it looks like.
    fn is_open(&self, ground: Ground) -> bool {
        match self {
            Route::Health | Route::LogIn => true,
            Route::Other(path) => ground.users && matches!(Page::at(path), Some(Page::Asset(_))),
            Route::Call | Route::ProcessLog(_) | Route::MainLog | Route::LogOut => false,
        }
    }
}

impl Policy {
    /// That of a section. `port` is that of a TCP server; nothing for a unix socket.
    pub fn new(server: &Server, port: Option<u16>) -> Policy {
        Policy {
            hosts: port.map(|_| Hosts::new(&server.hosts)),
            cookie: port.map_or("supervisor".to_owned(), |port| format!("supervisor-{port}")),
            secure: server.tls.is_some(),
        }
    }

    /// The name of the cookie of its sessions.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// What ends the line about that cookie: over TLS a browser is to give it to nobody without.
    pub fn cookie_end(&self) -> &'static str {
        if self.secure { "; Secure" } else { "" }
    }

    /// What a request asks for and what it claims; or why it is refused, whoever has sent it. `certified`: the connection
    /// has shown a certificate that is enough.
    pub fn judge<B>(
        &self,
        request: &Request<B>,
        ground: Ground,
        certified: bool,
    ) -> Result<Visit, Refusal> {
        if self.hosts.is_some() && !counted(request) {
            return Err(Refusal::Status(StatusCode::BAD_REQUEST));
        }
        let route = Route::of(unquote(request.uri().path()), ground);
        if route == Route::Health {
            return Ok(Visit { claim: Claim::Bare, route });
        }
        // Anybody on the way can write a page that was got without TLS.
        if self.secure && is_of_a_plain_page(request.headers()) {
            return Err(Refusal::Status(StatusCode::FORBIDDEN));
        }
        let claim = match self.claim(request, &route, ground, certified) {
            Ok(claim) => claim,
            // A browser is led no further by a name that was bound to this machine.
            Err(refusal) if refusal == Refusal::Unauthorized => return Err(refusal),
            Err(refusal) => {
                self.check_host(request)?;
                return Err(refusal);
            }
        };
        // A browser has no password for a name that it was lured to, so who gives one may call the server by any name.
        if !matches!(claim, Claim::Basic(_) | Claim::Token(_)) {
            self.check_host(request)?;
        }
        if route == Route::Call && *request.method() == Method::POST {
            self.check_call(request.headers())?;
        }
        Ok(Visit { claim, route })
    }

    /// What is claimed, where that can be enough.
    fn claim<B>(
        &self,
        request: &Request<B>,
        route: &Route,
        ground: Ground,
        certified: bool,
    ) -> Result<Claim, Refusal> {
        let headers = request.headers();
        if route.is_open(ground) {
            return Ok(Claim::Bare);
        }
        let Ground { asks, heeds, .. } = ground;
        match given(headers) {
            Given::Basic(credentials) if heeds => return Ok(Claim::Basic(credentials)),
            Given::Token(ticket) if heeds => return Ok(Claim::Token(ticket)),
            Given::Unusable if heeds => return Err(Refusal::Unauthorized),
            _ => {}
        }
        let refusal = (asks && !certified).then(|| match is_of_a_person(request) && ground.users {
            true if *route != Route::Call => Refusal::LogIn { depth: depth(request) },
            _ => Refusal::Unauthorized,
        });
        // Calls are made by programs, which have no sessions; and what another site has a browser ask for has none either.
        let session = cookie(headers, &self.cookie).filter(|_| {
            ground.users && *route != Route::Call && !origin::is_of_another_site(headers)
        });
        match (session, refusal) {
            (Some(id), otherwise) => Ok(Claim::Session { id: id.to_owned(), otherwise }),
            (None, None) => Ok(Claim::Bare),
            (None, Some(refusal)) => Err(refusal),
        }
    }

    fn check_host<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        match &self.hosts {
            Some(hosts) if !hosts.admit(request) => {
                Err(Refusal::Status(StatusCode::MISDIRECTED_REQUEST))
            }
            _ => Ok(()),
        }
    }

    /// A call that a page can have made a browser send is none.
    fn check_call(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if is_of_a_page(headers) {
            return Err(Refusal::Status(StatusCode::FORBIDDEN));
        }
        let told = self.hosts.is_none() || is_xml(headers);
        if !told || origin::is_of_a_form(headers) {
            return Err(Refusal::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        Ok(())
    }
}

/// Whether the body is said to be XML, and to be nothing else.
fn is_xml(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter().map(|kind| {
        let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii();
        [&b"text/xml"[..], b"application/xml"].iter().any(|xml| kind.eq_ignore_ascii_case(xml))
    });
    kinds.next() == Some(true) && kinds.all(|xml| xml)
}

/// Whether somebody at a browser wants to see a page.
fn is_of_a_person<B>(request: &Request<B>) -> bool {
    let shows = [Method::GET, Method::HEAD].contains(request.method());
    let mut kinds = request.headers().get_all(ACCEPT).iter().filter_map(|kind| kind.to_str().ok());
    shows && kinds.any(|kinds| kinds.split(',').any(|kind| kind.trim().starts_with("text/html")))
}

/// How many steps a path is below the first page.
fn depth<B>(request: &Request<B>) -> usize {
    let path = request.uri().path();
    path.bytes().filter(|byte| *byte == b'/').count().saturating_sub(1)
}

/// Whether a web page has sent this. Browsers say where a page that posts comes from; no XML-RPC client does. Without
/// this, any page that somebody on this machine looks at could order what an open server does.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || origin::is_of_another_site(headers)
}

/// Whether a web page has sent this that came without TLS.
fn is_of_a_plain_page(headers: &HeaderMap) -> bool {
    let plain =
        |origin: &[u8]| origin.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http:"));
    headers.get_all(ORIGIN).iter().any(|origin| plain(origin.as_bytes().trim_ascii()))
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
