//! Answers of the pages, with the headers that all of them have.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPIRES, HeaderName, HeaderValue, LOCATION, PRAGMA,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use maud::Markup;

use super::form::quote;

/// The most characters of a message that an address carries.
const MESSAGE: usize = 1000;

/// Styles and pictures of this server, forms to this server, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its Content-Type.
    pub kind: &'static str,
    /// Its other headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
        let mut reply = Reply { status, kind, headers: Vec::new(), body: body.into() };
        reply.say(X_CONTENT_TYPE_OPTIONS, "nosniff");
        reply.say(CONTENT_SECURITY_POLICY, POLICY);
        // Forms of ours are to have an Origin, which `no-referrer` would take from them.
        reply.say(REFERRER_POLICY, "same-origin");
        reply
    }

    /// A page, of which nobody is to keep a copy.
    pub(super) fn page(status: StatusCode, page: Markup) -> Reply {
        Reply::new(status, "text/html;charset=utf-8", page.into_string()).fleeting()
    }

    /// A short text.
    pub(super) fn plain(text: &'static str) -> Reply {
        Reply::new(StatusCode::OK, "text/plain", text)
    }

    /// A file.
    pub(super) fn file(status: StatusCode, kind: &'static str, content: &'static [u8]) -> Reply {
        Reply::new(status, kind, content)
    }

    pub(super) fn say(&mut self, name: HeaderName, value: &'static str) {
        self.headers.push((name, HeaderValue::from_static(value)));
    }

    fn fleeting(mut self) -> Reply {
        self.say(PRAGMA, "no-cache");
        self.say(CACHE_CONTROL, "no-cache, no-store");
        self.say(EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT");
        self
    }
}

/// Back to the status page, which shows the message. Where that is, is for the client to know: an absolute address
/// would have the host that the client named.
pub(super) fn back(message: &str) -> Reply {
    let message: String = message.chars().take(MESSAGE).collect();
    let mut reply = Reply::new(StatusCode::SEE_OTHER, "text/html;charset=utf-8", Bytes::new());
    let location = HeaderValue::try_from(format!("./?message={}", quote(&message)));
    reply.headers.push((LOCATION, location.unwrap_or(HeaderValue::from_static("./"))));
    reply.fleeting()
}

/// To another page of ours, by its place beside this one.
pub(super) fn to(place: &str) -> Reply {
    up(0, place)
}

/// To another page of ours, by its place so many steps up.
pub(super) fn up(depth: usize, place: &str) -> Reply {
    let mut reply = Reply::new(StatusCode::SEE_OTHER, "text/html;charset=utf-8", Bytes::new());
    let location = HeaderValue::try_from(format!("{}{place}", "../".repeat(depth)));
    reply.headers.extend(location.ok().map(|location| (LOCATION, location)));
    reply.fleeting()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(message: &str) -> String {
        let reply = back(message);
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        let location = reply.headers.iter().find(|(name, _)| name == LOCATION);
        location.and_then(|(_, value)| value.to_str().ok()).expect("a location").to_owned()
    }

    #[test]
    fn nobody_keeps_a_page() {
        for reply in [back("done"), Reply::page(StatusCode::OK, Markup::default())] {
            let (_, value) = reply.headers.iter().find(|(name, _)| name == CACHE_CONTROL).unwrap();
            assert_eq!(value, "no-cache, no-store");
        }
    }

    #[test]
    fn a_message_cannot_leave_its_place() {
        assert_eq!(location("Process a:b stopped"), "./?message=Process%20a%3Ab%20stopped");
        assert_eq!(location("a\r\nX: y&#é"), "./?message=a%0D%0AX%3A%20y%26%23%C3%A9");
        assert!(location(&"\u{1F600}".repeat(100_000)).len() < 13_000);
    }
}
