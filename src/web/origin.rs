//! Whether a request that orders something comes from a page of ours, as far as the browser says so.

use hyper::header::{
    CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, USER_AGENT,
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// The browser says that another site asks.
    Site,
    /// The page that asks was got from another host.
    Origin {
        /// Where the page came from.
        origin: String,
        /// Whom the request is for.
        host: String,
    },
}

/// Whether the browser says that another site asks. Programs do not say whence they ask.
pub(crate) fn is_of_another_site(headers: &HeaderMap) -> bool {
    // `none`: the person at the browser, by an address or a bookmark.
    let own = |site: &[u8]| [&b"same-origin"[..], b"none"].contains(&site.trim_ascii());
    headers.get_all(FETCH_SITE).iter().any(|site| !own(site.as_bytes()))
}

/// Whether a browser asks that does not say which site has it ask: it tells only servers that it trusts, by TLS or on its
/// own machine.
pub(super) fn is_untold(headers: &HeaderMap) -> bool {
    let is_browser = |name: &HeaderValue| {
        name.as_bytes().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"mozilla/"))
    };
    !headers.contains_key(FETCH_SITE) && headers.get_all(USER_AGENT).iter().any(is_browser)
}

/// Whether a browser has sent a body of a type that it lets every page send anywhere, unasked. A page can send a body
/// without any type, too (a `Blob` has none), so that a cookie without one tells no client from a page.
pub(crate) fn is_of_a_form(headers: &HeaderMap) -> bool {
    let is_browser = headers.contains_key(REFERER)
        || headers.contains_key(COOKIE)
        || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    let is_simple = |kind: &HeaderValue| {
        let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let simple = ["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
        simple.iter().any(|simple| kind.trim_ascii().eq_ignore_ascii_case(simple.as_bytes()))
    };
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    is_browser && (!headers.contains_key(CONTENT_TYPE) || kinds.any(is_simple))
}

/// Refuses what a page of somebody else asks for. Programs send neither header.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Foreign> {
    if is_of_another_site(headers) {
        return Err(Foreign::Site);
    }
    let text = |name| {
        let value = headers.get(name).map(|value| value.as_bytes());
        value.map(|value| String::from_utf8_lossy(value).trim().to_ascii_lowercase())
    };
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
    let host = text(HOST).unwrap_or_default();
    if headers.get_all(ORIGIN).iter().count() == 1 && is_at(&origin, &host) {
        return Ok(());
    }
    Err(Foreign::Origin { origin, host })
}

/// Whether a browser only guesses that somebody will want to see this. It asks for links ahead of time.
pub(super) fn is_guess(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz", "x-purpose"].into_iter().any(|name| {
        let purposes = headers.get_all(name).iter();
        purposes.map(|value| value.as_bytes()).any(|value| {
            let word = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            [&b"prefetch"[..], b"preview"].iter().any(|guess| word.eq_ignore_ascii_case(guess))
        })
    })
}

/// Whether an origin, `scheme://host[:port]`, is this host. The scheme is the proxy's to choose.
fn is_at(origin: &str, host: &str) -> bool {
    let (own, port) = match origin.split_once("://") {
        Some(("http", own)) => (own, ":80"),
        Some(("https", own)) => (own, ":443"),
        _ => return false,
    };
    let bare = |name: &'_ str| name.strip_suffix(port).unwrap_or(name).to_owned();
    !own.is_empty() && bare(own) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn checked(lines: &[(&'static str, &'static str)]) -> Result<(), Foreign> {
        check(&headers(lines))
    }

    #[test]
    fn a_browser_that_does_not_say_whence_it_asks_is_known() {
        let browser = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0");
        assert!(is_untold(&headers(&[browser])));
        assert!(is_untold(&headers(&[("user-agent", "mozilla/4.0")])));
        assert!(is_untold(&headers(&[("user-agent", "curl/8"), browser])));
        assert!(!is_untold(&headers(&[browser, ("sec-fetch-site", "none")])));
        assert!(!is_untold(&headers(&[("user-agent", "curl/8.5.0")])));
        assert!(!is_untold(&headers(&[("user-agent", "")])));
        assert!(!is_untold(&headers(&[])));
    }

    #[test]
    fn bodies_that_any_page_can_send_are_known() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        for browser in [("referer", "http://a/"), ("cookie", "a=b"), ("sec-fetch-mode", "no-cors")]
        {
            assert!(is_of_a_form(&headers(&[browser, form])));
            assert!(is_of_a_form(&headers(&[browser, ("content-type", "TEXT/plain ; charset=x")])));
            assert!(is_of_a_form(&headers(&[
                browser,
                ("content-type", "multipart/form-data;b=c")
            ])));
            assert!(is_of_a_form(&headers(&[browser])), "a page can leave it out");
            assert!(is_of_a_form(&headers(&[browser, ("content-type", "text/xml"), form])));
            assert!(!is_of_a_form(&headers(&[browser, ("content-type", "text/xml")])));
        }
        assert!(!is_of_a_form(&headers(&[form])), "curl -d");
        assert!(!is_of_a_form(&headers(&[])));
    }

    #[test]
    fn guesses_are_known() {
        let guess = |name, value| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            is_guess(&headers)
        };
        assert!(guess("sec-purpose", "prefetch"));
        assert!(guess("sec-purpose", "prefetch;prerender"));
        assert!(guess("x-moz", "Prefetch"));
        assert!(!guess("purpose", "other"));
        assert!(!guess("accept", "prefetch"));
    }

    #[test]
    fn pages_of_ours_and_programs_may() {
        for lines in [
            &[][..],
            &[("host", "h:9001")],
            &[("host", "h:9001"), ("origin", "http://h:9001")],
            &[("host", "H:9001"), ("origin", "http://h:9001")],
            &[("host", "h"), ("origin", "https://h")],
            &[("host", "h:443"), ("origin", "https://h")],
            &[("host", "h"), ("origin", "http://h:80")],
            &[("host", "[::1]:9001"), ("origin", "http://[::1]:9001")],
            &[("host", "h"), ("origin", "http://h"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert_eq!(checked(lines), Ok(()), "{lines:?}");
        }
    }

    #[test]
    fn others_may_not() {
        for lines in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("host", "h"), ("origin", "http://h"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(checked(lines), Err(Foreign::Site), "{lines:?}");
        }
        for lines in [
            &[("host", "h"), ("origin", "http://evil.example")][..],
            &[("host", "h"), ("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("host", "h"), ("origin", "null")],
            &[("host", "h"), ("origin", "")],
            &[("host", "h:9001"), ("origin", "http://h")],
            &[("host", "h"), ("origin", "http://h:9001")],
            &[("host", "h:80"), ("origin", "https://h")],
            &[("host", "h"), ("origin", "http://h.evil")],
            &[("host", "h"), ("origin", "h")],
            &[("host", "h"), ("origin", "file://h")],
            &[("host", "h"), ("origin", "http://h"), ("origin", "http://evil.example")],
            &[("origin", "http://")],
            &[("host", ""), ("origin", "http://")],
        ] {
            assert!(matches!(checked(lines), Err(Foreign::Origin { .. })), "{lines:?}");
        }
    }
}
