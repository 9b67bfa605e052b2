//! Answers: status, headers, body, and the line about them in the activity log.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    SERVER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;

use super::Site;
use super::follow::LogStream;
use super::head::{Closing, Refusal};
use super::limits::{PIECE, Share};
use super::line::Line;
use crate::config::settings::Level;
use crate::web::{Reply, login};

/// The answer to a request, before it is put into HTTP.
pub(super) struct Answer {
    status: StatusCode,
    kind: &'static str,
    more: Vec<(HeaderName, HeaderValue)>,
    content: Content,
    /// The room that it takes, where that is known already.
    share: Option<Share>,
}

enum Content {
    Whole(Bytes),
    Log(LogStream),
}

impl Answer {
    /// The reference's page about an error.
    pub(super) fn error(status: StatusCode) -> Answer {
        Answer::error_with(status, advice(status))
    }

    /// The same about what the principal may not do.
    pub(super) fn denied() -> Answer {
        let advice =
            "<p>No role grants this. `supervisorctl whoami` tells which roles you have.\r\n";
        Answer::error_with(StatusCode::FORBIDDEN, advice)
    }

    fn error_with(status: StatusCode, advice: &str) -> Answer {
        let reason = status.canonical_reason().unwrap_or_default();
        let page = format!(
            "<head>\r\n<title>Error response</title>\r\n</head>\r\n<body>\r\n\
             <h1>Error response</h1>\r\n<p>Error code {}.\r\n<p>Message: {reason}.\r\n{}</body>\r\n",
            status.as_u16(),
            advice,
        );
        Answer::page(status, "text/html", page)
    }

    /// What a client is told that may not pass.
    pub(super) fn refused(refusal: &Refusal) -> Answer {
        let wait = |status, seconds: u64| {
            Answer::error(status).with(RETRY_AFTER, HeaderValue::from(seconds))
        };
        match refusal {
            Refusal::Unauthorized => Answer::error(StatusCode::UNAUTHORIZED),
            Refusal::LogIn { depth } => Answer::shown(login::led_to(*depth)),
            Refusal::TooMany { wait: time } => {
                wait(StatusCode::TOO_MANY_REQUESTS, login::seconds(*time))
            }
            Refusal::Busy => wait(StatusCode::SERVICE_UNAVAILABLE, 1),
            Refusal::Status(status) => Answer::error(*status),
        }
    }

    /// Any answer; `kind` is its content type.
    pub(super) fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
        let content = Content::Whole(body.into());
        Answer { status, kind, more: Vec::new(), content, share: None }
    }

    /// A page, or a file of the pages.
    pub(super) fn shown(reply: Reply) -> Answer {
        let Reply { status, kind, headers, body } = reply;
        Answer { status, kind, more: headers, content: Content::Whole(body), share: None }
    }

    /// The same with another header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.more.push((name, value));
        self
    }

    /// The same, which takes this room.
    pub(super) fn within(mut self, share: Share) -> Answer {
        self.share = Some(share);
        self
    }

    /// The room that it takes, once.
    pub(super) fn share(&mut self) -> Option<Share> {
        self.share.take()
    }

    /// The answer to a call.
    pub(super) fn xml(body: Vec<u8>) -> Answer {
        Answer::page(StatusCode::OK, "text/xml", body)
    }

    /// A log that is followed.
    pub(super) fn log(stream: LogStream) -> Answer {
        let kind = "text/plain;charset=utf-8";
        let content = Content::Log(stream);
        Answer { status: StatusCode::OK, kind, more: Vec::new(), content, share: None }
    }

    /// Bytes of the content that are there already.
    pub(super) fn size(&self) -> u64 {
        match &self.content {
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Log(_) => 0,
        }
    }

    /// Whether the answer has no end.
    pub(super) fn is_following(&self) -> bool {
        matches!(self.content, Content::Log(_))
    }
}

/// What the reason alone does not say.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::MISDIRECTED_REQUEST => {
            "<p>This server answers to its addresses, to localhost and to the name of its machine. To reach it by \
             another name, list the name in allowed_hosts of its section [inet_http_server] in the configuration of \
             supervisord, or set a password there and give it with the request.\r\n"
        }
        StatusCode::FORBIDDEN => {
            "<p>A web page has sent this request, so it is not carried out.\r\n"
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "<p>Any web page can make a browser send a request like this, so it is not carried out. A call has the \
             Content-Type text/xml or application/xml.\r\n"
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "<p>Too many tries to log in have failed, so this one was not looked at. Wait as long as Retry-After \
             says, in seconds.\r\n"
        }
        _ => "",
    }
}

/// Puts an answer into HTTP.
pub(super) fn respond(answer: Answer, closing: Closing, mut end: End) -> Response<Body> {
    let Answer { status, kind, more, content, .. } = answer;
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(more);
    let mut say = |name, value| headers.insert(name, HeaderValue::from_static(value));
    say(SERVER, "Medusa/1.12");
    say(CONTENT_TYPE, kind);
    if status == StatusCode::UNAUTHORIZED {
        say(WWW_AUTHENTICATE, "Basic realm=\"default\"");
    }
    match (&content, closing) {
        _ if status == StatusCode::UNAUTHORIZED => say(CONNECTION, "close"),
        (_, Closing::Keep) => None,
        (Content::Whole(_), Closing::KeepAndSay) => say(CONNECTION, "Keep-Alive"),
        (_, Closing::KeepAndSay | Closing::Close) => say(CONNECTION, "close"),
    };
    match &content {
        // The length would be that of what the client has already.
        Content::Whole(_) if status == StatusCode::NOT_MODIFIED => {}
        Content::Whole(bytes) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        Content::Log(_) => {
            // What a program wrote is never to be taken for a page, nor held back: by a proxy, or by a browser that
            // wants to see more before it believes the type.
            say(X_CONTENT_TYPE_OPTIONS, "nosniff");
            say(CACHE_CONTROL, "no-store");
            say(HeaderName::from_static("x-accel-buffering"), "no");
        }
    }
    if end.record.is_some() {
        (end.status, end.sent) = (status, head_size(&response));
    }
    response.map(|()| Body { content, done: false, end })
}

/// The size of a response's head, with the date that hyper adds.
fn head_size(response: &Response<()>) -> usize {
    let status = response.status().canonical_reason().unwrap_or_default().len();
    let headers =
        response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    "HTTP/1.1 200 \r\n".len()
        + status
        + headers.sum::<usize>()
        + "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n".len()
}

/// The body of a response.
pub(super) struct Body {
    content: Content,
    done: bool,
    end: End,
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let bytes = match &mut self.content {
            Content::Whole(bytes) => {
                // A long one goes piece by piece, so that it counts as held until it is nearly out.
                let piece = bytes.split_to(bytes.len().min(PIECE));
                self.done = bytes.is_empty();
                Ok(piece)
            }
            Content::Log(stream) => ready!(stream.poll_next(cx)),
        };
        if let Ok(bytes) = &bytes {
            self.end.sent = self.end.sent.saturating_add(bytes.len());
        }
        Poll::Ready(Some(bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.done || matches!(&self.content, Content::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Log(_) => SizeHint::default(),
        }
    }
}

/// What is to be done when an answer is out, or nobody wants it any more.
pub(super) struct End {
    line: Rc<Line>,
    status: StatusCode,
    /// Bytes of head and body that are on their way.
    sent: usize,
    record: Option<Record>,
    _share: Option<Share>,
}

impl End {
    /// Of an answer on this line that takes this room.
    pub(super) fn new(line: Rc<Line>, record: Option<Record>, share: Option<Share>) -> End {
        End { line, status: StatusCode::OK, sent: 0, record, _share: share }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.line.idle();
        if let Some(record) = self.record.take() {
            record(self.status, self.sent);
        }
    }
}

/// Writes the line about an answer: its status and size go in.
pub(super) type Record = Box<dyn FnOnce(StatusCode, usize)>;

/// The line about a request in the activity log, where its level asks for it.
pub(super) fn record<S: Site, B>(
    site: &Rc<S>,
    client: &Rc<str>,
    request: &Request<B>,
) -> Option<Record> {
    if site.settings().activity.level > Level::Trace {
        return None;
    }
    let (site, client) = (Rc::clone(site), Rc::clone(client));
    let title = format!("{} {} {:?}", request.method(), request.uri(), request.version());
    Some(Box::new(move |status, size| {
        let now = i64::try_from(site.now().wall.as_secs()).ok();
        let now = now.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or_default();
        let date = now.strftime("%d/%b/%Y:%H:%M:%S +0000");
        let status = status.as_u16();
        site.log(Level::Trace, format!("{client} - - [{date}] \"{title}\" {status} {size}"));
    }))
}
