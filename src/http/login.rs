//! Logging in and out by a page: a session is begun and ended.

use std::rc::Rc;

use hyper::header::{HeaderValue, SET_COOKIE};
use hyper::{Method, StatusCode};
use policy::access::{Principal, Proof};

use super::Site;
use super::auth::{Credentials, cookie};
use super::connection::Door;
use super::gate::Client;
use super::head::Refusal;
use super::sessions::longest;
use super::tally;
use crate::web::login::{self, Trouble};
use crate::web::{Ask, Reply};

/// Answers a request for the page to log in at, or what its form sends.
pub(super) async fn enter<S: Site>(door: &Door<S>, client: &Client, ask: &Ask) -> Reply {
    let identifier = &door.site.settings().identifier;
    if ask.method != Method::POST {
        return login::page(identifier, None);
    }
    let (name, password) = match login::credentials(ask) {
        Ok(given) => given,
        Err(reply) => return reply,
    };
    let given = Credentials { name: name.into_bytes(), password: password.into_bytes().into() };
    let key = match door.gate.log_in(&door.site, &door.section, client, &given).await {
        Ok(key) => key,
        Err(refusal) => return login::page(identifier, Some(trouble(&refusal))),
    };
    // An id that somebody had this browser use before is not to become one of a session.
    if let Some(old) = cookie(&ask.headers, door.policy.cookie()) {
        door.gate.sessions.end(old);
    }
    let Some(id) = door.gate.sessions.begin(&door.section.name, &key) else {
        return login::page(identifier, Some(Trouble::Busy));
    };
    let record = tally::login(&key.principal, &client.peer, &door.section.name, "session begun");
    door.site.audit(record);
    let value = format!(
        "{}={id}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
        door.policy.cookie(),
        longest(&key).as_secs(),
        door.policy.cookie_end()
    );
    with_cookie(login::entered(), &value)
}

fn trouble(refusal: &Refusal) -> Trouble {
    match refusal {
        Refusal::TooMany { wait } => Trouble::TooMany(*wait),
        Refusal::Busy => Trouble::Busy,
        Refusal::Unauthorized | Refusal::LogIn { .. } | Refusal::Status(_) => Trouble::Wrong,
    }
}

/// Answers a request for the end of a session.
pub(super) fn leave<S: Site>(
    door: &Door<S>,
    client: &Client,
    principal: &Rc<Principal>,
    ask: &Ask,
) -> Reply {
    let now = door.site.now().mono;
    let token = door.visitors.token(principal, now);
    let identifier = &door.site.settings().identifier;
    if principal.proof() != Proof::Session {
        return login::no_session(identifier);
    }
    if ask.method != Method::POST {
        return login::leave(identifier, &token, StatusCode::OK);
    }
    if let Err(reply) = login::check(ask) {
        return reply;
    }
    if !door.visitors.accepts(principal, &login::token(ask), now) {
        return login::leave(identifier, &token, StatusCode::FORBIDDEN);
    }
    if let Some(id) = cookie(&ask.headers, door.policy.cookie()) {
        door.gate.sessions.end(id);
    }
    let record = tally::login(principal, &client.peer, &door.section.name, "session ended");
    door.site.audit(record);
    let (cookie, end) = (door.policy.cookie(), door.policy.cookie_end());
    let value = format!("{cookie}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{end}");
    with_cookie(login::left(), &value)
}

fn with_cookie(mut reply: Reply, value: &str) -> Reply {
    reply.headers.extend(HeaderValue::try_from(value).ok().map(|value| (SET_COOKIE, value)));
    reply
}
