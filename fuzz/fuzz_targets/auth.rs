//! What clients say to prove who they are: the Authorization line, cookies, and stored hashes.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue};
use libfuzzer_sys::fuzz_target;
use supervisor::http::auth::{Given, cookie, given};
use supervisor::http::hash::Phc;
use supervisor::http::tokens::Ticket;

/// Lines of a request: those that begin with `A` are credentials, the others cookies.
fn headers(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(8) {
        let (name, value) = match line.split_first() {
            Some((b'A', value)) => (AUTHORIZATION, value),
            Some((_, value)) => (COOKIE, value),
            None => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}

fn check_credentials(headers: &HeaderMap) {
    let lines: Vec<&[u8]> =
        headers.get_all(AUTHORIZATION).iter().map(|line| line.as_bytes()).collect();
    match given(headers) {
        Given::Nothing => assert!(lines.is_empty()),
        Given::Unusable => assert!(!lines.is_empty()),
        Given::Token(found) => {
            assert_eq!(lines.len(), 1);
            check_token(lines[0], &found);
        }
        Given::Basic(found) => {
            assert_eq!(lines.len(), 1);
            assert!(lines[0][..6].eq_ignore_ascii_case(b"basic "));
            assert!(!found.name.contains(&b':') && !found.password.starts_with(b"svt_"));
            // What was found says the same again.
            let pair = [&found.name[..], b":", &found.password].concat();
            let line = format!("Basic {}", BASE64_STANDARD.encode(pair));
            assert_eq!(given(&of(line.as_bytes())), Given::Basic(found));
        }
    }
}

/// A token is the same token whichever way it comes, and says nothing of its text.
fn check_token(line: &[u8], found: &Ticket) {
    assert_eq!(given(&of(line)), Given::Token(found.clone()));
    match &found.name {
        None => {
            assert!(line[..7].eq_ignore_ascii_case(b"bearer "));
            let text = line[7..].trim_ascii();
            assert_eq!(*found, Ticket::new(None, text));
            if text.starts_with(b"svt_") {
                let pair = [b"token:", text].concat();
                let line = format!("Basic {}", BASE64_STANDARD.encode(pair));
                let same = Ticket { name: Some(b"token".to_vec()), digest: found.digest };
                assert_eq!(given(&of(line.as_bytes())), Given::Token(same));
            }
        }
        Some(name) => {
            assert!(line[..6].eq_ignore_ascii_case(b"basic ") && !name.contains(&b':'));
        }
    }
}

/// The headers of a request with this line alone.
fn of(line: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(line).expect("a header"));
    headers
}

fn check_cookie(headers: &HeaderMap) {
    let Some(value) = cookie(headers, "supervisor-9001") else { return };
    assert!(!value.contains(';') && value.trim() == value);
    let lines: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    assert!(lines.iter().any(|line| line.to_str().is_ok_and(|line| line.contains(value))));
    // With another one of that name there is none.
    let mut two = headers.clone();
    two.append(COOKIE, HeaderValue::from_static("supervisor-9001=x"));
    assert_eq!(cookie(&two, "supervisor-9001"), None);
}

fuzz_target!(|bytes: &[u8]| {
    let headers = headers(bytes);
    check_credentials(&headers);
    check_cookie(&headers);
    if let Ok(text) = std::str::from_utf8(bytes)
        && Phc::read(text).is_some()
    {
        assert!(text.starts_with("$argon2id$v=19$m=") && text.matches('$').count() == 5);
    }
});
