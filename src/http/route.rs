//! From a request to what answers it.

use std::io;
use std::rc::Rc;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, ORIGIN, TRANSFER_ENCODING};
use hyper::{Method, Request, StatusCode};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::Site;
use super::follow::LogStream;
use super::limits::{BODY_SIZE, BODY_TIME, Place};
use super::reply::Answer;
use crate::config::settings::{Level, Settings};
use crate::rpc;
use crate::web::{self, Ask, Page, Visitors};

/// What a path stands for. As in the reference the first of its characters decide.
enum Route<'a> {
    Call,
    /// With what follows the route's name.
    ProcessLog(&'a str),
    MainLog,
    Other(&'a str),
}

impl Route<'_> {
    fn of(path: &str) -> Route<'_> {
        if path.starts_with("/RPC2") {
            Route::Call
        } else if let Some(rest) = path.strip_prefix("/logtail") {
            Route::ProcessLog(rest)
        } else if path.starts_with("/mainlogtail") {
            Route::MainLog
        } else {
            Route::Other(path)
        }
    }
}

/// Answers a request that may pass.
pub(super) async fn answer<S: Site>(
    site: &Rc<S>,
    visitors: &Rc<Visitors>,
    place: Rc<Place>,
    request: &mut Request<Incoming>,
) -> Answer {
    let path = unquote(request.uri().path());
    let answer = match (Route::of(&path), request.method()) {
        (Route::Call, &Method::POST) => call(site, place, request).await,
        (Route::ProcessLog(rest), &Method::GET) => {
            follow(site, process_log(&site.settings(), rest)).await
        }
        (Route::MainLog, &Method::GET) => follow(site, site.settings().activity.log).await,
        (Route::Other(path), _) => match Page::at(path) {
            Some(page) => show(site, visitors, place, page, request).await,
            None => hook(site, path),
        },
        (Route::Call | Route::ProcessLog(_) | Route::MainLog, _) => Err(StatusCode::BAD_REQUEST),
    };
    answer.unwrap_or_else(Answer::error)
}

#[cfg(not(supervisor_hooks))]
fn hook<S: Site>(_: &Rc<S>, _: &str) -> Result<Answer, StatusCode> {
    Err(StatusCode::NOT_FOUND)
}

#[cfg(supervisor_hooks)]
fn hook<S: Site>(site: &Rc<S>, path: &str) -> Result<Answer, StatusCode> {
    let name = path.strip_prefix("/hook/").ok_or(StatusCode::NOT_FOUND)?;
    site.hook(name).map(Answer::text).ok_or(StatusCode::NOT_FOUND)
}

async fn call<S: Site>(
    site: &Rc<S>,
    place: Rc<Place>,
    request: &mut Request<Incoming>,
) -> Result<Answer, StatusCode> {
    // Browsers say where a page that posts comes from; no XML-RPC client does. Without this, any page that somebody on
    // this machine looks at could order what an open server does.
    if request.headers().contains_key(ORIGIN) {
        return Err(StatusCode::FORBIDDEN);
    }
    let body = read_body(request, BODY_SIZE).await?;
    let site = Rc::clone(site);
    // A task of its own: what a client has ordered is done to its end, though the client leaves.
    let work = spawn_local(async move {
        let answer = rpc::handle(&*site, &body).await;
        drop(place);
        answer
    });
    let answer = work.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    match StatusCode::from_u16(answer.status) {
        Ok(StatusCode::OK) => Ok(Answer::xml(answer.body)),
        status => Err(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// A page. As with a call, what it orders is done to its end, though the client leaves.
async fn show<S: Site>(
    site: &Rc<S>,
    visitors: &Rc<Visitors>,
    place: Rc<Place>,
    page: Page,
    request: &mut Request<Incoming>,
) -> Result<Answer, StatusCode> {
    let method = request.method().clone();
    if !page.takes(&method) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let body = match method {
        Method::POST => read_body(request, web::FORM_SIZE).await?,
        _ => Vec::new(),
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let ask = Ask { method, query, headers: request.headers().clone(), body };
    let (site, visitors) = (Rc::clone(site), Rc::clone(visitors));
    let work = spawn_local(async move {
        let reply = web::answer(&*site, &visitors, page, &ask).await;
        drop(place);
        reply
    });
    work.await.map(Answer::page).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn read_body(request: &mut Request<Incoming>, most: u64) -> Result<Vec<u8>, StatusCode> {
    let headers = request.headers();
    if !headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(StatusCode::LENGTH_REQUIRED);
    }
    if request.body().size_hint().upper().is_none_or(|size| size > most) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let incoming = request.body_mut();
    let read = async {
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
            body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        Ok(body)
    };
    timeout(BODY_TIME, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn follow<S: Site>(site: &Rc<S>, log: Option<u32>) -> Result<Answer, StatusCode> {
    let log = log.ok_or(StatusCode::NOT_FOUND)?;
    LogStream::open(site, log).await.map(Answer::log).map_err(|e| {
        if e.kind() == io::ErrorKind::NotFound {
            return StatusCode::NOT_FOUND;
        }
        let settings = site.settings();
        let path = settings.logs.get(&log).map_or("", |l| &l.path);
        site.log(Level::Error, format!("could not open log {path} to follow it: {e}"));
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

/// The log that a path after `/logtail` names: `/NAME`, `/NAME/stdout`, `/NAME/stderr`.
fn process_log(settings: &Settings, rest: &str) -> Option<u32> {
    // As in the reference, what follows `/logtail` up to the next slash is not looked at.
    let (_, rest) = rest.split_once('/')?;
    let (name, channel) = rest.split_once('/').unwrap_or((rest, "stdout"));
    let (group, name) = name.split_once(':').unwrap_or((name, name));
    let process = settings.processes.values().find(|p| p.name == name && p.group == group)?;
    match channel {
        "stdout" => process.stdout.log,
        "stderr" => process.stderr.log,
        _ => None,
    }
}

/// Resolves `%XX`; what is not of that form stays as it is.
fn unquote(text: &str) -> String {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut rest = text.as_bytes();
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
