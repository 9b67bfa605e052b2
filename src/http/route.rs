//! From a request to what answers it.

use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, StatusCode};
use policy::access::{Action, Permit, Proof, Who};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::Site;
use super::auth::{Given, cookie, given};
use super::connection::Door;
use super::follow::{Leave, LogStream};
use super::gate::Client;
use super::head::{Route, Visit};
use super::limits::{BODY_SIZE, BODY_TIME, Place, Share};
use super::login;
use super::means::Hold;
use super::reply::Answer;
use super::sessions;
use super::tls::Shown;
use crate::config::settings::{Level, User};
use crate::rpc;
use crate::rpc::caller::Caller;
use crate::rpc::fault::{Code, Fault};
use crate::rpc::guard::Guard;
use crate::web::{self, Ask, Page};

/// Number of the last request.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Answers a request.
pub(super) async fn answer<S: Site>(
    door: &Door<S>,
    client: &Rc<Client>,
    place: Rc<Place>,
    request: &mut Request<Incoming>,
) -> Answer {
    let (ground, certified) = door.gate.ground(&*door.site, &door.section, client);
    let Visit { claim, route } = match door.policy.judge(request, ground, certified) {
        Ok(visit) => visit,
        Err(refusal) => return Answer::refused(&refusal),
    };
    let principal = match door.gate.identify(&door.site, &door.section, client, claim).await {
        Ok(principal) => principal,
        Err(refusal) => return Answer::refused(&refusal),
    };
    let caller = Caller {
        principal,
        peer: Rc::clone(&client.peer),
        server: Rc::clone(&door.section.name),
        request: LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
    };
    let answer = lead(door, client, place, caller, route, request).await;
    answer.unwrap_or_else(|status| match status {
        StatusCode::FORBIDDEN => Answer::denied(),
        status => Answer::error(status),
    })
}

/// To what answers a request of this route. Each of them decides, or has what it calls decide, whether it may.
async fn lead<S: Site>(
    door: &Door<S>,
    client: &Rc<Client>,
    place: Rc<Place>,
    caller: Caller,
    route: Route,
    request: &mut Request<Incoming>,
) -> Result<Answer, StatusCode> {
    let site = &door.site;
    match (route, request.method()) {
        (Route::Health, &Method::GET | &Method::HEAD) => Ok(health(&**site)),
        (Route::Call, &Method::POST) => call(site, caller, place, request).await,
        (Route::ProcessLog(rest), &Method::GET) => {
            follow(door, client, &caller, request, move |site, caller| {
                process_log(site, caller, &rest)
            })
            .await
        }
        (Route::MainLog, &Method::GET) => follow(door, client, &caller, request, main_log).await,
        (Route::LogIn, &Method::GET | &Method::HEAD | &Method::POST) => {
            let (ask, _share) = read(&place, request).await?;
            Ok(Answer::shown(login::enter(door, client, &ask).await))
        }
        (Route::LogOut, &Method::GET | &Method::HEAD | &Method::POST) => {
            let (ask, _share) = read(&place, request).await?;
            Ok(Answer::shown(login::leave(door, client, &caller.principal, &ask)))
        }
        (Route::Other(path), _) => match Page::at(&path) {
            Some(page) => show(door, caller, place, page, request).await,
            None => hook(site, &caller, &path),
        },
        (
            Route::Health
            | Route::Call
            | Route::ProcessLog(_)
            | Route::MainLog
            | Route::LogIn
            | Route::LogOut,
            _,
        ) => Err(StatusCode::BAD_REQUEST),
    }
}

/// For load balancers and container runtimes, which have no password: whether this serves, and nothing else.
fn health(site: &impl Site) -> Answer {
    if site.heart(|heart| heart.shutting_down()) {
        Answer::page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "stopping\n")
    } else {
        Answer::page(StatusCode::OK, "text/plain", "ok\n")
    }
    .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

#[cfg(not(supervisor_hooks))]
fn hook<S: Site>(_: &Rc<S>, _: &Caller, _: &str) -> Result<Answer, StatusCode> {
    Err(StatusCode::NOT_FOUND)
}

#[cfg(supervisor_hooks)]
fn hook<S: Site>(site: &Rc<S>, _: &Caller, path: &str) -> Result<Answer, StatusCode> {
    let name = path.strip_prefix("/hook/").ok_or(StatusCode::NOT_FOUND)?;
    let text = site.hook(name).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Answer::page(StatusCode::OK, "text/plain", text))
}

async fn call<S: Site>(
    site: &Rc<S>,
    caller: Caller,
    place: Rc<Place>,
    request: &mut Request<Incoming>,
) -> Result<Answer, StatusCode> {
    let (body, share) = read_body(&place, request, BODY_SIZE).await?;
    let site = Rc::clone(site);
    let answer = to_its_end(async move {
        let room = place.share();
        let answer = rpc::handle(&*site, &caller, &room, &body).await;
        // The work is done: its answer goes out.
        room.set(answer.body.len() as u64);
        drop((place, share));
        (answer, room)
    });
    let (answer, room) = answer.await.ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    match StatusCode::from_u16(answer.status) {
        Ok(StatusCode::OK) => Ok(Answer::xml(answer.body).within(room)),
        status => Err(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// A page. As with a call, what it orders is done to its end, though the client leaves.
async fn show<S: Site>(
    door: &Door<S>,
    caller: Caller,
    place: Rc<Place>,
    page: Page,
    request: &mut Request<Incoming>,
) -> Result<Answer, StatusCode> {
    if !page.takes(request.method()) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let (ask, share) = read(&place, request).await?;
    let (site, visitors) = (Rc::clone(&door.site), Rc::clone(&door.visitors));
    let reply = to_its_end(async move {
        let reply = web::answer(&*site, &caller, &visitors, page, &ask).await;
        // Counted where it is made: many may be done before the first of them is on its way.
        let room = place.hold(reply.body.len() as u64);
        drop((place, share));
        room.map(|room| Answer::shown(reply).within(room)).ok_or(StatusCode::SERVICE_UNAVAILABLE)
    });
    reply.await.unwrap_or(Err(StatusCode::INTERNAL_SERVER_ERROR))
}

/// A request for a page, with its body where it has one, and the room that it takes.
async fn read(
    place: &Place,
    request: &mut Request<Incoming>,
) -> Result<(Ask, Option<Share>), StatusCode> {
    let method = request.method().clone();
    let (body, share) = match method {
        Method::POST => {
            let (body, share) = read_body(place, request, web::FORM_SIZE).await?;
            (body, Some(share))
        }
        _ => (Vec::new(), None),
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    Ok((Ask { method, query, headers: request.headers().clone(), body }, share))
}

/// What a client has ordered is done to its end, though the client leaves: what is not done at once goes on in a task of
/// its own.
async fn to_its_end<T: 'static>(work: impl Future<Output = T> + 'static) -> Option<T> {
    let mut work = Box::pin(work);
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(done) => Some(done),
        Poll::Pending => spawn_local(work).await.ok(),
    }
}

/// The body of a request, of at most `most` bytes, and the room that it takes.
async fn read_body(
    place: &Place,
    request: &mut Request<Incoming>,
    most: u64,
) -> Result<(Vec<u8>, Share), StatusCode> {
    let headers = request.headers();
    if !headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(StatusCode::LENGTH_REQUIRED);
    }
    let length = request.body().size_hint().upper().filter(|size| *size <= most);
    length.ok_or(StatusCode::PAYLOAD_TOO_LARGE)?;
    let share = place.share();
    let incoming = request.body_mut();
    let read = async {
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            // What is only announced takes nothing.
            if !share.grow(data.len() as u64) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            body.extend_from_slice(data);
        }
        Ok(body)
    };
    place.line().reading();
    let body = timeout(BODY_TIME, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT));
    place.line().busy();
    Ok((body?, share))
}

/// A log that the caller may read, and what goes on in it, for as long as they may.
async fn follow<S: Site>(
    door: &Door<S>,
    client: &Rc<Client>,
    caller: &Caller,
    request: &Request<Incoming>,
    find: impl Fn(&S, &Caller) -> Result<(Option<u32>, Permit), Fault> + 'static,
) -> Result<Answer, StatusCode> {
    let site = &door.site;
    let found = find(&**site, caller);
    let (log, permit) = found.map_err(|fault| match Code::from_number(fault.code.into()) {
        Some(Code::AccessDenied) => StatusCode::FORBIDDEN,
        _ => StatusCode::NOT_FOUND,
    })?;
    let log = log.ok_or(StatusCode::NOT_FOUND)?;
    let again = {
        let (site, caller, user) = (Rc::clone(site), caller.clone(), user(&**site, caller));
        move || {
            let (found, permit) = find(&*site, &caller).ok()?;
            let same = found == Some(log) && self::user(&*site, &caller) == user;
            same.then_some(permit)
        }
    };
    let hold = hold(door, client, caller, request);
    let dated = hold != Hold::Reading || client.shown.as_ref().is_some_and(Shown::is_dated);
    let (keeper, gate) = (Rc::clone(site), Rc::clone(&door.gate));
    let (section, client) = (door.section.clone(), Rc::clone(client));
    let stays = move || {
        let stands = client.shown.as_ref().is_none_or(|shown| shown.stands(&*keeper));
        stands && gate.holds(&*keeper, &section, &hold)
    };
    let leave = Leave::new(permit, site.latest(), dated, stays, again);
    LogStream::open(site, log, leave, request.headers()).await.map(Answer::log).map_err(|e| {
        if e.kind() == io::ErrorKind::NotFound {
            return StatusCode::NOT_FOUND;
        }
        let settings = site.settings();
        let path = settings.logs.get(&log).map_or("", |l| &l.path);
        site.log(Level::Error, format!("could not open log {path} to follow it: {e}"));
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

/// What the caller's proof hangs on. Reading on is no use of a session: a page that is left open is to end as any other.
fn hold<S: Site>(
    door: &Door<S>,
    client: &Client,
    caller: &Caller,
    request: &Request<Incoming>,
) -> Hold {
    let principal = &caller.principal;
    match (principal.proof(), principal.who()) {
        (Proof::Session, _) => {
            let id = cookie(request.headers(), door.policy.cookie());
            id.map_or(Hold::Nothing, |id| Hold::Session(sessions::sum(id)))
        }
        (Proof::Token, _) => match given(request.headers()) {
            Given::Token(ticket) => Hold::Token(ticket.digest, Rc::clone(principal)),
            _ => Hold::Nothing,
        },
        (Proof::Pam, Who::Account { name, .. }) => {
            Hold::Account(Rc::clone(name), Instant::now() + sessions::LONGEST_OF_PAM)
        }
        (Proof::Certificate, _) => Hold::Certificate(client.principal.clone()),
        _ => Hold::Reading,
    }
}

/// The `[user:NAME]` that somebody is: with another password it is somebody else.
fn user(site: &impl Site, caller: &Caller) -> Option<User> {
    let Who::User(name) = caller.principal.who() else { return None };
    site.latest().users.iter().find(|user| *user.name == **name).cloned()
}

/// The activity log, for whoever administers the daemon.
fn main_log(site: &impl Site, caller: &Caller) -> Result<(Option<u32>, Permit), Fault> {
    let permit = Guard::new(site, caller).permit_on_daemon(Action::Admin)?;
    Ok((site.settings().activity.log, permit))
}

/// The log that a path after `/logtail` names: `/NAME`, `/NAME/stdout`, `/NAME/stderr`.
fn process_log(
    site: &impl Site,
    caller: &Caller,
    rest: &str,
) -> Result<(Option<u32>, Permit), Fault> {
    // As in the reference, what follows `/logtail` up to the next slash is not looked at.
    let rest = rest.split_once('/').map_or("", |(_, rest)| rest);
    let (name, channel) = rest.split_once('/').unwrap_or((rest, "stdout"));
    let settings = site.settings();
    let guard = Guard::new(site, caller);
    let (slot, process, permit) = guard.process(&settings, Action::Log, name)?;
    let [stdout, stderr] = guard.logs(slot, process);
    let log = match channel {
        "stdout" => stdout,
        "stderr" => stderr,
        _ => None,
    };
    Ok((log, permit))
}
