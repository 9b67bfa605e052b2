//! The head of an HTTP request, after hyper has read it: who passes, by which name, to what. Whatever it says, nobody
//! passes without the password where there is one, and no page of somebody else's reads an open server.
#![no_main]

use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERER,
};
use hyper::{Method, Request, Uri, Version};
use libfuzzer_sys::fuzz_target;
use supervisor::config::settings::{Password, Server};
use supervisor::http::auth::Ground;
use supervisor::http::head::{Claim, Closing, Policy, Route, Visit, closing, unquote};

const NAMES: [&str; 3] = ["localhost", "web1", "proc.example.com"];

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
        pam: false,
        tls: None,
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

const OPEN: Ground = Ground { users: false, asks: false, heeds: false };
const GROUNDS: [Ground; 5] = [
    OPEN,
    Ground { asks: true, heeds: true, ..OPEN },
    Ground { users: true, asks: true, heeds: true },
    Ground { heeds: true, ..OPEN },
    Ground { users: true, heeds: true, ..OPEN },
];

fn check_inet(request: &Request<()>, ground: Ground, certified: bool) {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().count();
    let policy = Policy::new(&server(!ground.asks), Some(9001));
    let Ok(Visit { claim, route }) = policy.judge(request, ground, certified) else { return };
    assert!(hosts <= 1 && (hosts == 1 || request.version() == Version::HTTP_10));
    if route == Route::Health {
        assert_eq!(claim, Claim::Bare);
        return;
    }
    match &claim {
        Claim::Token(_) => {
            assert!(ground.heeds);
            assert_eq!(headers.get_all(AUTHORIZATION).iter().count(), 1);
        }
        Claim::Basic(given) => {
            assert!(ground.heeds);
            assert_eq!(headers.get_all(AUTHORIZATION).iter().count(), 1);
            assert!(!given.name.contains(&b':'));
        }
        Claim::Session { id, .. } => {
            assert!(ground.users && route != Route::Call && headers.contains_key(COOKIE));
            assert!(!id.contains(';'));
        }
        Claim::Bare => {
            let asks = !certified && ground.asks;
            let shown = matches!(&route, Route::Other(path) if path.contains('.'));
            assert!(!asks || ground.users && (route == Route::LogIn || shown), "{route:?}");
        }
    }
    if !matches!(claim, Claim::Basic(_) | Claim::Token(_)) {
        let said = headers.get(HOST).map(|value| value.to_str().expect("text"));
        assert!(said.is_none_or(is_own), "{said:?}");
    }
    if route == Route::Call && *request.method() == Method::POST {
        assert!(!headers.contains_key(ORIGIN));
        let kinds = headers.get_all(CONTENT_TYPE);
        assert!(kinds.iter().any(|kind| kind.to_str().is_ok_and(|kind| kind.contains('/'))));
    }
}

fn check(request: &Request<()>) {
    for ground in GROUNDS {
        for certified in [false, true] {
            check_inet(request, ground, certified);
        }
    }
    // A unix socket without a password lets all pass but pages that call.
    let unix = Policy::new(&server(true), None).judge(request, OPEN, false);
    let of_a_browser = |name: &HeaderName| {
        [ORIGIN, REFERER, COOKIE].contains(name) || name.as_str().starts_with("sec-fetch-")
    };
    assert!(unix.is_ok() || request.headers().keys().any(of_a_browser));
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
