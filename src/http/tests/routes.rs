//! No route leads past the decision, and what is hidden is missing.

use std::mem::discriminant;

use super::asks::{CALL, FORM, basic, get, over_tcp, role, status, user, users};
use super::bed::{Bed, Plan, header, passing};
use crate::config::settings::Server;
use crate::http::auth::Ground;
use crate::http::head::{Policy, Route};

#[test]
fn what_is_hidden_and_what_is_missing_are_alike() {
    let roles = vec![role(user("bob"), "cat", "view"), role(user("alice"), "web", "log")];
    Plan { roles, ..users() }.run(async |bed| {
        bed.site.write(0, "secret");
        bed.site.write(1, "secret");
        let bob = basic("bob:bobs");
        let hidden = over_tcp(&bed, get("/logtail/web:a%20b", &bob)).await;
        assert_eq!(status(&hidden), 404);
        for missing in [
            "/logtail/web:nothing",
            "/logtail/nothing",
            "/logtail/web:a%20b/stderr",
            "/logtail/web:*",
            "/logtail/*",
            "/logtail/web",
            "/logtail/cat%00",
            "/logtail/%2e%2e/%2e%2e/etc/passwd",
            "/logtail/../cat",
            "/logtail/cat:cat:cat",
            "/logtail//cat",
            "/logtail/CAT",
            "/logtail/cat%2520",
            "/logtail/?processname=cat",
        ] {
            let answer = over_tcp(&bed, get(missing, &bob)).await;
            assert_eq!(answer, hidden, "{missing}");
        }
        // What may be seen, not read.
        for seen in ["/logtail/cat", "/logtail/cat/stderr", "/logtail/cat:cat", "/logtail%2Fcat"] {
            let answer = over_tcp(&bed, get(seen, &bob)).await;
            assert_eq!(status(&answer), 403, "{seen}");
            assert!(answer.contains("whoami") && !answer.contains("secret"), "{answer}");
        }
        assert_eq!(
            status(&over_tcp(&bed, get("/logtail/cat", &basic("alice:password"))).await),
            404
        );
        let records = bed.site.audited.borrow();
        let denials = records.iter().filter(|record| record.decision == Some("deny"));
        assert!(denials.clone().count() > 4);
        assert!(denials.clone().any(|record| record.target.as_deref() == Some("cat:cat")
            && record.who.as_deref() == Some("user:bob")
            && record.request.is_some()));
    });
}

/// Every route, and ways to ask for it. Who adds a route comes by here and adds it to the walk, which checks that each way
/// leads there.
fn next(route: Option<&Route>) -> Option<(Route, &'static [&'static str])> {
    let named = String::new;
    Some(match route {
        None => (Route::Health, &["GET /healthz", "HEAD /healthz"]),
        Some(Route::Health) => (Route::Call, &["POST /RPC2", "POST /RPC2/x"]),
        Some(Route::Call) => {
            (Route::ProcessLog(named()), &["GET /logtail/cat", "GET /logtailx/cat:cat/stderr"])
        }
        Some(Route::ProcessLog(_)) => (Route::MainLog, &["GET /mainlogtail", "GET /mainlogtail/x"]),
        Some(Route::MainLog) => (Route::LogIn, &["GET /login.html", "POST /login.html"]),
        Some(Route::LogIn) => (Route::LogOut, &["GET /logout.html", "POST /logout.html"]),
        Some(Route::LogOut) => (
            Route::Other(named()),
            &[
                "GET /",
                "GET /index.html?action=stop&processname=cat",
                "POST /index.html?action=stop&processname=cat",
                "POST /index.html?action=stopall",
                "GET /tail.html?processname=cat",
                "POST /tail.html?processname=cat",
                "GET /ok.html",
                "GET /stylesheets/supervisor.css",
                "GET /hook/open",
                "GET /nothing",
            ],
        ),
        Some(Route::Other(_)) => return None,
    })
}

/// The route that a server leads to.
fn route_of(ask: &str) -> Route {
    let (method, target) = ask.split_once(' ').expect("method and target");
    let mut request = hyper::Request::builder().method(method).uri(target);
    for (name, value) in [("host", "localhost"), ("content-type", "text/xml")] {
        request = request.header(name, value);
    }
    let server = Server {
        section: String::new(),
        socket: 0,
        credentials: None,
        hosts: Vec::new(),
        legacy_get_actions: false,
        guarded: false,
        pam: false,
        tls: None,
    };
    let ground = Ground { users: true, asks: false, heeds: true };
    let request = request.body(()).expect("a request");
    Policy::new(&server, Some(9001)).judge(&request, ground, false).expect("a visit").route
}

/// What is answered to whom: to somebody without a role, to nobody, and to who may do everything.
fn answers(ask: &str) -> [u16; 3] {
    match ask {
        // Nobody has to be anybody for these: they tell nothing of what is supervised.
        "GET /healthz" | "HEAD /healthz" | "GET /login.html" => [200, 200, 200],
        "GET /stylesheets/supervisor.css" => [200, 200, 200],
        // An empty form is nobody's.
        "POST /login.html" => [403, 403, 403],
        // For whoever has logged in.
        "GET /ok.html" | "GET /logout.html" | "POST /logout.html" => [200, 401, 200],
        "GET /nothing" => [404, 401, 404],
        "GET /hook/open" if cfg!(supervisor_hooks) => [200, 401, 200],
        "GET /hook/open" => [404, 401, 404],
        // The fault is in the answer, and what is hidden is missing.
        "POST /RPC2" | "POST /RPC2/x" => [200, 401, 200],
        "GET /logtail/cat" | "GET /logtailx/cat:cat/stderr" => [404, 401, 200],
        // Without a token nothing is ordered, whoever asks.
        ask if ask.starts_with("POST ") && ask.contains("action=") => [403, 401, 403],
        _ => [403, 401, 200],
    }
}

#[test]
fn no_route_leads_past_the_decision() {
    let roles = vec![role(user("bob"), "*", "admin")];
    Plan { roles, ..users() }.run(async |bed| {
        for log in [0, 1, 2] {
            bed.site.write(log, "secret");
        }
        let shows = |answer: &str| answer.contains("secret") || answer.contains("processname=cat");
        let mut route = None;
        while let Some((at, asks)) = next(route.as_ref()) {
            for ask in asks {
                assert_eq!(discriminant(&route_of(ask)), discriminant(&at), "{ask}");
                // Alice can log in, and has no role; nobody can be anybody without a name; bob may do all.
                let proofs = [basic("alice:password"), String::new(), basic("bob:bobs")];
                let mut seen = Vec::new();
                for (proof, expected) in proofs.iter().zip(answers(ask)) {
                    let opened = bed.site.opened.get();
                    let answer = walk(&bed, &at, ask, proof).await;
                    assert_eq!(status(&answer), expected, "{ask} {proof}: {answer}");
                    let log_opened = bed.site.opened.get() > opened;
                    assert!(seen.len() == 2 || !log_opened && !shows(&answer), "{ask}: {answer}");
                    seen.push(answer);
                }
                if matches!(at, Route::Call) {
                    let denied = |n: usize| seen[n].contains("ACCESS_DENIED");
                    assert!(denied(0) && !denied(2), "{ask}: {seen:?}");
                } else if answers(ask)[0] != answers(ask)[2] {
                    assert!(shows(&seen[2]), "{ask}: there was something to see");
                }
            }
            route = Some(at);
        }
        assert_eq!(bed.site.commands.get(), 0, "nothing was done");
    });
}

/// What comes of an ask; of a log that goes on, its head and what is there.
async fn walk(bed: &Bed, at: &Route, ask: &str, proof: &str) -> String {
    let (body, kind) = match at {
        Route::Call => (CALL, "Content-Type: text/xml\r\n"),
        _ if ask.starts_with("POST") => ("", FORM),
        _ => ("", ""),
    };
    let length = body.len();
    let mut client = bed.tcp().await;
    let head = format!("{ask} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    client.send(format!("{head}{kind}{proof}Content-Length: {length}\r\n\r\n{body}")).await;
    let head = passing(client.until("\r\n\r\n")).await;
    let rest = match header(&head, "transfer-encoding") {
        Some(_) => passing(client.chunked("secret".len())).await,
        None => passing(client.rest()).await,
    };
    head + &rest
}
