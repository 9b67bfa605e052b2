//! One connection: requests in, answers out, and the time that each part may take.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioTimer;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Site;
use super::gate::{Client, Gate, Section};
use super::head::{self, Closing, Policy, Refusal};
use super::limits::{CHUNK_SIZE, HEAD_SIZE, HEAD_TIME, HEADERS, IDLE_TIME, LINGER_TIME, Place};
use super::line::{Line, Wire};
use super::reply::{self, Answer, Body, End};
use super::route;
use super::tls::{self, Tls};
use crate::web::Visitors;

/// What the connections of one listener share.
pub(super) struct Door<S> {
    pub(super) site: Rc<S>,
    pub(super) gate: Rc<Gate>,
    pub(super) policy: Policy,
    pub(super) section: Section,
    pub(super) visitors: Rc<Visitors>,
    /// Where it speaks TLS.
    pub(super) tls: Option<Rc<Tls>>,
}

/// Serves a connection until it ends. The place is kept as long, and longer by work that outlives its client.
pub(super) async fn serve<S: Site>(
    door: Rc<Door<S>>,
    line: Rc<Line>,
    place: Rc<Place>,
    mut client: Client,
) {
    if let Some(tls) = &door.tls
        && !tls::greet(tls, &door.site, &line, &mut client).await
    {
        return;
    }
    let client = Rc::new(client);
    let answer = service_fn(|request| {
        let (door, line) = (Rc::clone(&door), Rc::clone(&line));
        let (place, client) = (Rc::clone(&place), Rc::clone(&client));
        async move { Ok::<_, Infallible>(answer(door, line, place, client, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The deadlines of `Line` come first; this one is for what they might miss.
        .header_read_timeout(HEAD_TIME.saturating_add(IDLE_TIME))
        .max_headers(HEADERS)
        .max_header_size(HEAD_SIZE)
        .max_buf_size(HEAD_SIZE.saturating_add(CHUNK_SIZE))
        .title_case_headers(true)
        .serve_connection(Wire(Rc::clone(&line)), answer);
    {
        let mut connection = pin!(connection);
        let mut patience = Patience::default();
        poll_fn(|cx| {
            // How it ended concerns the client alone.
            let ended = connection.as_mut().poll(cx).is_ready()
                || line.is_following() && line.poll_gone(cx).is_ready();
            if ended { Poll::Ready(()) } else { patience.poll(cx, line.deadline()) }
        })
        .await;
    }
    line.part(&mut Context::from_waker(Waker::noop()));
    if line.has_unread() {
        // Closing with input unread resets the connection, and the answer could be lost on its way.
        let _ = timeout(LINGER_TIME, poll_fn(|cx| line.poll_closed(cx))).await;
    }
}

/// A timer that is set anew whenever the deadline has moved.
#[derive(Default)]
struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}

async fn answer<S: Site>(
    door: Rc<Door<S>>,
    line: Rc<Line>,
    place: Rc<Place>,
    client: Rc<Client>,
    mut request: Request<Incoming>,
) -> Response<Body> {
    line.busy();
    let version = request.version();
    let closing = head::closing(version, request.headers());
    let record = reply::record(&door.site, &client.name, &request);
    let stands = client.shown.as_ref().is_none_or(|shown| shown.stands(&*door.site));
    let mut answer = match stands {
        true => route::answer(&door, &client, Rc::clone(&place), &mut request).await,
        false => Answer::refused(&Refusal::Unauthorized),
    };
    let (answer, share) = match answer.share().or_else(|| place.hold(answer.size())) {
        Some(share) => (answer, Some(share)),
        None => (Answer::error(StatusCode::SERVICE_UNAVAILABLE), None),
    };
    if answer.is_following() {
        line.following();
    }
    if !request.body().is_end_stream() {
        line.leave_unread();
    }
    let closing = if line.has_unread() || !stands { Closing::Close } else { closing };
    let mut response = reply::respond(answer, closing, End::new(line, record, share));
    // Else hyper adds a keep-alive of its own beside what is said here.
    *response.version_mut() = version;
    response
}
