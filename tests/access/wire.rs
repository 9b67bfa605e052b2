//! Requests of which two readers could think differently: where they end, who sends them, which header counts.

use std::net::Ipv4Addr;

use system_tests::base64;

use crate::ask::{Answer, Param, basic, call, document, get, last_call};
use crate::world::{Cast, Line, World, hashed};

const PASSWORD: &str = "on the wire";

fn world() -> (World, Cast) {
    let (world, cast) = World::new(|room, _, config| {
        config
            .program("seen", "/bin/sleep 100000", "startsecs=0")
            .program("secret", "/bin/sleep 100000", "startsecs=0")
            .section(&format!("[user:bob]\npassword={}", hashed(room, PASSWORD)))
            .section(&format!("[user:boss]\npassword={}", hashed(room, "boss")))
            .section("[role:team]\nmembers=bob\nprograms=seen\nactions=operator")
            .section("[role:boss]\nmembers=boss\nprograms=*\nactions=admin")
    });
    world.daemon.wait_running("seen");
    world.daemon.wait_running("secret");
    (world, cast)
}

fn stop(name: &str) -> String {
    document("supervisor.stopProcess", &[name.into()])
}

/// How many answers there are in what came.
fn count(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[test]
fn a_request_within_a_request_is_never_another_one() {
    let (world, _) = world();
    let (bob, boss) = (basic("bob", PASSWORD), basic("boss", "boss"));
    let before = (world.pid("seen"), world.pid("secret"));
    // What would be read by a server that takes the other way to find the end.
    let inner =
        String::from_utf8(call("supervisor.stopProcess", &["secret".into()], &boss)).expect("text");
    let state = document("supervisor.getState", &[]);
    let outer = |lines: &str, body: &str| {
        format!(
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{bob}{lines}\r\n{body}"
        )
    };
    let n = state.len();
    let chunked = format!("0\r\n\r\n{inner}");
    let m = chunked.len();
    for (what, request) in [
        (
            "CL.TE",
            outer(&format!("Content-Length: {m}\r\nTransfer-Encoding: chunked\r\n"), &chunked),
        ),
        (
            "TE.CL",
            outer(&format!("Transfer-Encoding: chunked\r\nContent-Length: {m}\r\n"), &chunked),
        ),
        ("TE alone", outer("Transfer-Encoding: chunked\r\n", &chunked)),
        (
            "TE with a space",
            outer(&format!("Transfer-Encoding : chunked\r\nContent-Length: {m}\r\n"), &chunked),
        ),
        (
            "TE folded",
            outer(&format!("Transfer-Encoding:\r\n chunked\r\nContent-Length: {m}\r\n"), &chunked),
        ),
        (
            "TE twice",
            outer(
                &format!(
                    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\nContent-Length: {m}\r\n"
                ),
                &chunked,
            ),
        ),
        (
            "TE xchunked",
            outer(&format!("Transfer-Encoding: xchunked\r\nContent-Length: {m}\r\n"), &chunked),
        ),
        (
            "TE, identity",
            outer(
                &format!("Transfer-Encoding: chunked, identity\r\nContent-Length: {m}\r\n"),
                &chunked,
            ),
        ),
        (
            "two lengths",
            outer(&format!("Content-Length: 0\r\nContent-Length: {}\r\n", inner.len()), &inner),
        ),
        (
            "two lengths, other order",
            outer(&format!("Content-Length: {}\r\nContent-Length: 0\r\n", inner.len()), &inner),
        ),
        ("a list of lengths", outer(&format!("Content-Length: 0, {}\r\n", inner.len()), &inner)),
        ("+0", outer("Content-Length: +0\r\n", &inner)),
        ("-0", outer("Content-Length: -0\r\n", &inner)),
        ("0x0", outer("Content-Length: 0x0\r\n", &inner)),
        ("too large a number", outer("Content-Length: 18446744073709551616\r\n", &inner)),
        ("a length with a space", outer(&format!("Content-Length : {}\r\n", inner.len()), &inner)),
        ("a bare line feed", outer(&format!("X: a\nContent-Length: {}\r\n", inner.len()), &inner)),
        (
            "a bare carriage return",
            outer(&format!("X: a\rContent-Length: {}\r\n", inner.len()), &inner),
        ),
        ("a NUL", outer(&format!("X: a\u{0}b\r\nContent-Length: {}\r\n", inner.len()), &inner)),
        (
            "within the body",
            outer(&format!("Content-Length: {}\r\n", n + inner.len()), &format!("{state}{inner}")),
        ),
    ] {
        let text = world.raw_until_quiet(request.as_bytes());
        assert!(count(&text) <= 1, "{what}: {text}");
        assert!(!text.contains("HTTP/1.1 200"), "{what}: {text}");
        assert_eq!((world.pid("seen"), world.pid("secret")), before, "{what}");
    }
}

#[test]
fn the_rights_of_one_request_are_not_those_of_the_next() {
    let (world, _) = world();
    let (bob, boss) = (basic("bob", PASSWORD), basic("boss", "boss"));
    let before = world.pid("secret");
    let info = |name: &str, lines: &str| call("supervisor.getProcessInfo", &[name.into()], lines);
    let mut wire = world.network.inside(|| world.tcp().connect()).expect("a connection");
    let mut ask = |request: &[u8]| {
        wire.send(request).expect("a question");
        let (head, body) = wire.answer().expect("an answer");
        Answer::read(&format!("{head}{body}"))
    };
    assert_eq!(ask(&info("secret", &boss)).code(), 0);
    assert_eq!(ask(&info("secret", &bob)).code(), 10);
    assert_eq!(ask(&info("seen", &bob)).code(), 0);
    assert_eq!(ask(&info("secret", &boss)).code(), 0);
    assert_eq!(ask(&info("seen", "")).status, 401);
    // In one batch too, whatever is answered first.
    let mut batch = call("supervisor.stopProcess", &["seen".into()], &boss);
    batch.extend(call("supervisor.stopProcess", &["secret".into()], &bob));
    batch.extend(last_call("supervisor.stopProcess", &["secret".into()], &bob));
    let answers = Answer::all(&world.raw(&batch));
    let codes: Vec<i32> = answers.iter().map(Answer::code).collect();
    assert_eq!(codes, [0, 10, 10]);
    assert_eq!(world.pid("secret"), before);
}

/// Lines that are no name and password of bob's, though they have something of it.
fn tricks() -> Vec<String> {
    let good = base64(format!("bob:{PASSWORD}").as_bytes());
    let line = |value: &str| format!("Authorization: {value}\r\n");
    let coded = |text: &[u8]| line(&format!("Basic {}", base64(text)));
    vec![
        line(""),
        line("Basic"),
        line("Basic "),
        line(&good),
        line(&format!("Bearer {good}")),
        line(&format!("Digest {good}")),
        line(&format!("Basic{good}")),
        line(&format!("Basic {good} {good}")),
        line(&format!("Basic {good},Basic {good}")),
        line(&format!("Basic {}", good.replace('=', ""))) + &line("Basic x"),
        line(&format!("Basic {}\u{e9}", good)),
        line(&format!("Basic ={good}")),
        line(&format!("Basic {}", &good[..good.len() - 4])),
        line("Basic ????"),
        coded(b""),
        coded(b":"),
        coded(b"bob"),
        coded(b"bob:"),
        coded(format!("bob:{PASSWORD} ").as_bytes()),
        coded(format!("bob: {PASSWORD}").as_bytes()),
        coded(format!("bob:{PASSWORD}\n").as_bytes()),
        coded(format!("bob:{PASSWORD}\0").as_bytes()),
        coded(format!("bob\0:{PASSWORD}").as_bytes()),
        coded(format!("bob\0x:{PASSWORD}").as_bytes()),
        coded(format!("bob :{PASSWORD}").as_bytes()),
        coded(format!(" bob:{PASSWORD}").as_bytes()),
        coded(format!("Bob:{PASSWORD}").as_bytes()),
        coded(format!("BOB:{PASSWORD}").as_bytes()),
        coded(format!("b\u{43e}b:{PASSWORD}").as_bytes()),
        coded(format!("user:bob:{PASSWORD}").as_bytes()),
        coded(format!("unix:0:{PASSWORD}").as_bytes()),
        coded(format!("root:{PASSWORD}").as_bytes()),
        coded(format!("anonymous:{PASSWORD}").as_bytes()),
        coded(format!("@web:{PASSWORD}").as_bytes()),
        coded(format!("*:{PASSWORD}").as_bytes()),
        coded(format!("bob:{}", PASSWORD.to_uppercase()).as_bytes()),
        coded(b"bob:boss"),
        coded(format!("boss:{PASSWORD}").as_bytes()),
        coded(&[b"bob:", &[0xff; 16][..]].concat()),
        coded(&[&[0xff; 16][..], b":", PASSWORD.as_bytes()].concat()),
        coded(format!("bob:{}", "x".repeat(5_000)).as_bytes()),
        coded(format!("{}:{PASSWORD}", "b".repeat(5_000)).as_bytes()),
        // Two of them: neither counts, whichever is right.
        coded(format!("bob:{PASSWORD}").as_bytes()) + &coded(b"bob:wrong"),
        coded(b"bob:wrong") + &coded(format!("bob:{PASSWORD}").as_bytes()),
        format!("Proxy-Authorization: Basic {good}\r\n"),
        format!("X-Authorization: Basic {good}\r\n"),
        format!("Authorization : Basic {good}\r\n"),
        format!("X: y\r\n Authorization: Basic {good}\r\n"),
    ]
}

#[test]
fn no_header_but_the_right_one_lets_anybody_in() {
    let (world, _) = world();
    for (at, trick) in tricks().iter().enumerate() {
        // Each from somewhere else, so that none has to wait for the others' failures.
        let source = Ipv4Addr::new(127, 5, 0, u8::try_from(at).expect("few tricks") + 1);
        let status = world.ask_from(source, &last_call("supervisor.getState", &[], trick)).status;
        assert!([400, 401].contains(&status), "{at} {trick:?}: {status}");
    }
    // After all of that the right one does.
    let right = last_call("supervisor.getState", &[], &basic("bob", PASSWORD));
    assert_eq!(world.patient(&right).code(), 0);
    for line in ["basic", "BASIC"] {
        let line = basic("bob", PASSWORD).replace("Basic", line);
        let answer = world.patient(&last_call("supervisor.getState", &[], &line));
        assert_eq!(answer.code(), 0, "{line}: the scheme's case does not matter (RFC 9110, 11.1)");
    }
}

/// Who a client says it is.
const CLAIMS: &[&str] = &[
    "X-Forwarded-User: boss\r\n",
    "X-Remote-User: boss\r\nRemote-User: boss\r\nREMOTE_USER: boss\r\n",
    "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1;by=boss\r\n",
    "X-User: 0\r\nX-Uid: 0\r\nX-Peer: unix:0\r\n",
    "X-Original-URL: /RPC2\r\nX-Rewrite-URL: /\r\nX-HTTP-Method-Override: POST\r\n",
    "From: boss@localhost\r\n",
    "Cookie: user=boss; uid=0; session=boss; supervisor=boss\r\n",
    "X-Forwarded-Proto: https\r\nX-Forwarded-Host: localhost\r\nSSL-Client-Verify: SUCCESS\r\nX-SSL-Client-S-DN: CN=boss\r\n",
];

#[test]
fn what_a_client_says_of_itself_counts_for_nothing() {
    let (world, cast) = world();
    let before = world.pid("secret");
    for claim in CLAIMS {
        let lines = |auth: &str| format!("{auth}{claim}");
        let stop: [Param; 1] = ["secret".into()];
        let answer = world.ask(&last_call("supervisor.stopProcess", &stop, &lines("")));
        assert!([401, 403].contains(&answer.status), "{claim}: {answer:?}");
        let bob = basic("bob", PASSWORD);
        let answer = world.ask(&last_call("supervisor.stopProcess", &stop, &lines(&bob)));
        assert_eq!((answer.status, answer.code()), (200, 10), "{claim}: {answer:?}");
        let answer = world.ask_as(&cast.carol, &last_call("supervisor.stopProcess", &stop, claim));
        assert_eq!(answer.code(), 10, "{claim}: {answer:?}");
    }
    assert_eq!(world.pid("secret"), before);
}

#[test]
fn a_get_changes_nothing_whoever_asks() {
    let (world, _) = world();
    let before = (world.pid("seen"), world.pid("secret"));
    let boss = basic("boss", "boss");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"] {
        for path in [
            "/index.html?processname=seen&action=stop",
            "/?processname=seen&action=restart",
            "/index.html?action=stopall",
            "/index.html?action=restartall",
            "/status.html?processname=seen&action=clearlog",
            "/tail.html?processname=seen&action=stop",
            "/RPC2",
            "/RPC2?methodName=supervisor.stopAllProcesses",
            "/logout",
        ] {
            let body = stop("seen");
            let length = body.len();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{boss}\
                 Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let text = world.raw_until_quiet(request.as_bytes());
            assert!(!text.contains("<params>"), "{method} {path}: {text}");
        }
    }
    assert_eq!((world.pid("seen"), world.pid("secret")), before);
}

#[test]
fn a_call_has_to_be_one() {
    let (world, _) = world();
    let before = world.pid("seen");
    let boss = basic("boss", "boss");
    let body = stop("seen");
    let length = body.len();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
        "text/xmlx",
        "text/plain; text/xml",
        "text/html, text/xml",
    ] {
        let request = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{boss}\
             Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = world.ask(request.as_bytes());
        assert_eq!(answer.status, 415, "{kind}: {answer:?}");
    }
    for lines in
        ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"]
    {
        let request =
            last_call("supervisor.stopProcess", &["seen".into()], &format!("{boss}{lines}"));
        assert_eq!(world.ask(&request).status, 403, "{lines}");
    }
    assert_eq!(world.pid("seen"), before);
}

#[test]
fn whatever_is_sent_a_line_of_the_audit_log_is_one_event() {
    let (world, _) = world();
    let bob = basic("bob", PASSWORD);
    let forged =
        "x\n{\"event\":\"access\",\"who\":\"user:boss\"}\r\u{1b}[2J\u{202e}\u{85}\u{2028}\"\\";
    let long = "y".repeat(100_000);
    let odd: [(&str, Vec<Param>); 4] = [
        ("supervisor.stopProcess", vec![forged.into()]),
        ("supervisor.stopProcess", vec![long.as_str().into()]),
        ("supervisor.sendRemoteCommEvent", vec![forged.into(), "data".into()]),
        ("supervisor.shutdown", Vec::new()),
    ];
    for (method, params) in &odd {
        let params: Vec<Param> = params
            .iter()
            .map(|p| match p {
                // XML has no escape character.
                Param::Str(text) => Param::Str(text.replace('\u{1b}', "\u{9b}")),
                other => other.clone(),
            })
            .collect();
        let code = world.ask(&last_call(method, &params, &bob)).code();
        assert!([10, 96].contains(&code), "{method}: {code}");
    }
    world.ask(&get("/", &basic(forged, "x")));
    let shutdown = |l: &Line| l.action == "admin" && l.decision == "deny" && l.target == "daemon";
    world.recorded("the last try", shutdown);
    // Reading it has checked that each line is one document without control characters.
    let lines = world.audit();
    assert!(lines.iter().any(|l| l.target.contains("{\"event\"")), "{lines:?}");
    assert!(lines.iter().all(|l| l.who != "user:boss"), "{lines:?}");
    let log = world.daemon.activity();
    assert!(!log.contains('\u{1b}') && !log.contains("\n{\"event\""), "{log}");
}
