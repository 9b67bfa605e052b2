//! The head of an HTTP request, after hyper has read it: who passes, by which name, to what. Whatever it says, nobody
//! passes without the password where there is one, and no page of somebody else's reads an open server.
#![no_main]

use hyper::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERER,
};
use hyper::{Method, Request, Uri, Version};
use libfuzzer_sys::fuzz_target;
use supervisor::config::settings::{Password, Server};
use supervisor::http::head::{Closing, Policy, Route, closing, unquote};

const NAMES: [&str; 3] = ["localhost", "web1", "proc.example.com"];
/// `user:thepassword` in base64, without padding.
const RIGHT: &[u8] = b"dXNlcjp0aGVwYXNzd29yZA";

fn request(bytes: &[u8]) -> Option<Request<()>> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let version = match words.next()? {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        _ => return None,
    };
    let mut request = Request::builder().method(method).uri(uri).version(version);
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        request = request.header(name, HeaderValue::from_bytes(value[1..].trim_ascii()).ok()?);
    }
    request.body(()).ok()
}

fn server(open: bool) -> Server {
    let password = Password::Plain("thepassword".to_owned());
    Server {
        section: "inet_http_server".to_owned(),
        socket: 0,
        credentials: (!open).then(|| ("user".to_owned(), password)),
        legacy_get_actions: false,
        guarded: false,
        hosts: NAMES[1..].iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Whether a name that is said in `Host` can be nobody else's: told in another way than the code under test does it.
fn is_own(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let (name, port) = match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => (&host[..at], &host[at + 1..]),
        _ => (&*host, ""),
    };
    let digits = port.chars().all(|c| c.is_ascii_digit());
    let v6 = name.starts_with('[') && name.ends_with(']');
    let v4 = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    let named = NAMES.iter().any(|own| name == *own || name.strip_suffix('.') == Some(own));
    let address = name.trim_end_matches('.');
    let v4 = v4 || address.split('.').all(|part| part.parse::<u8>().is_ok());
    digits && (v6 || v4 || named)
}

fn check(request: &Request<()>) {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    for open in [true, false] {
        let policy = Policy::new(&server(open), true);
        let Ok((visitor, route)) = policy.judge(request) else { continue };
        assert!(visitor.inet && hosts <= 1);
        assert!(hosts == 1 || request.version() == Version::HTTP_10);
        if route == Route::Health {
            assert_eq!(visitor.user, None);
            continue;
        }
        if open {
            assert_eq!(visitor.user, None);
            if route != Route::Call {
                let said = headers.get(HOST).map(|value| value.to_str().expect("text"));
                assert!(said.is_none_or(is_own), "{said:?}");
            }
        } else {
            assert_eq!(visitor.user.as_deref(), Some("user"));
            let given = headers.get(AUTHORIZATION).expect("credentials").as_bytes();
            let given = given[5..].trim_ascii();
            assert!(given.starts_with(RIGHT) && given[RIGHT.len()..].iter().all(|b| *b == b'='));
        }
        let posted = route == Route::Call && *request.method() == Method::POST;
        assert!(!posted || !headers.contains_key(ORIGIN));
    }
    // A unix socket without a password lets all pass but pages that call.
    let unix = Policy::new(&server(true), false).judge(request);
    let of_a_browser = |name: &HeaderName| {
        [ORIGIN, REFERER, COOKIE].contains(name) || name.as_str().starts_with("sec-fetch-")
    };
    assert!(unix.is_ok() || headers.keys().any(of_a_browser));
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let quoted: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(unquote(&quoted), text);
        assert!(text.contains('%') || unquote(text) == text);
    }
    let Some(request) = request(bytes) else { return };
    check(&request);
    let kept = closing(request.version(), request.headers()) != Closing::Close;
    let wishes = request.headers().get_all(CONNECTION);
    let plain = |wish: &str| wishes.iter().any(|value| value.as_bytes() == wish.as_bytes());
    match request.version() {
        Version::HTTP_11 => assert!(kept || wishes.iter().next().is_some()),
        _ => assert!(!kept || wishes.iter().next().is_some()),
    }
    assert!(!(kept && plain("close")));
});
