//! Who may pass, by what, and what becomes of those who may not.

use std::mem::discriminant;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use policy::access::{Access, Grants, Member, Pattern, Role};
use tokio::net::TcpStream;
use tokio::time::{Instant, advance, timeout};

use super::bed::{Bed, Client, Plan, header, passing};
use crate::config::settings::{Password, Server, Settings, User};
use crate::http::auth::Ground;
use crate::http::head::{Policy, Route};

const CALL: &str = "<methodCall><methodName>supervisor.getVersion</methodName></methodCall>";
/// Of `password`, cheap.
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const HTML: &str = "Accept: text/html,application/xhtml+xml;q=0.9\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn alice() -> User {
    User { name: "alice".to_owned(), password: Password::Argon2(HASH.to_owned()) }
}

fn bob() -> User {
    User { name: "bob".to_owned(), password: Password::Plain("bobs".to_owned()) }
}

fn users() -> Plan {
    Plan { users: vec![alice(), bob()], ..Plan::default() }
}

/// The same without hashes: while one is worked on the clock of the test goes on, for as long as the machine is slow.
fn users_in_plain_text() -> Plan {
    let alice = User { password: Password::Plain("password".to_owned()), ..alice() };
    Plan { users: vec![alice, bob()], ..Plan::default() }
}

fn role(member: Member, program: &str, grants: &str) -> Role {
    Role {
        name: program.to_owned(),
        place: "conf:1".to_owned(),
        members: vec![member],
        programs: vec![Pattern::Group(program.to_owned())],
        grants: Grants::parse(grants).expect("words"),
    }
}

fn user(name: &str) -> Member {
    Member::User(name.to_owned())
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(pair))
}

fn call(extra: &str) -> String {
    let length = CALL.len();
    format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{extra}Content-Length: {length}\r\n\r\n{CALL}"
    )
}

fn get(path: &str, extra: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n")
}

fn post(path: &str, extra: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{FORM}{extra}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// One answer over TCP, whatever time it takes.
async fn over_tcp(bed: &Bed, request: impl AsRef<[u8]>) -> String {
    let mut client = bed.tcp().await;
    client.send(request).await;
    passing(client.answer()).await
}

/// The status that a log that goes on begins with.
async fn log_status(bed: &Bed, request: &str) -> u16 {
    let mut client = bed.tcp().await;
    status(&passing(client.ask_first(request)).await)
}

fn reread(bed: &Bed, change: impl FnOnce(&mut Settings)) {
    let mut settings = (**bed.site.settings.borrow()).clone();
    change(&mut settings);
    *bed.site.access.borrow_mut() = Rc::new(Access::new(settings.access.clone()));
    *bed.site.settings.borrow_mut() = Rc::new(settings);
}

/// The cookie that a login is answered with.
async fn log_in(bed: &Bed, form: &str) -> String {
    let answer = over_tcp(bed, post("/login.html", "", form)).await;
    assert_eq!(status(&answer), 303, "{answer}");
    assert_eq!(header(&answer, "location"), Some("./"));
    let cookie = header(&answer, "set-cookie").expect("a cookie");
    let (pair, rest) = cookie.split_once(';').expect("attributes");
    assert_eq!(rest, " Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    format!("Cookie: {pair}\r\n")
}

#[test]
fn users_log_in_by_name_and_password() {
    users().run(async |bed| {
        for pair in ["alice:password", "bob:bobs"] {
            let answer = over_tcp(&bed, call(&basic(pair))).await;
            assert_eq!(status(&answer), 200, "{pair}: {answer}");
        }
        let answer = over_tcp(&bed, call("")).await;
        assert_eq!(status(&answer), 401);
        assert_eq!(header(&answer, "www-authenticate"), Some("Basic realm=\"default\""));
        let mut bodies = Vec::new();
        for pair in ["alice:passwor", "alice:", "bob:password", "nobody:x", ":", "Alice:password"] {
            let begun = Instant::now();
            let answer = over_tcp(&bed, call(&basic(pair))).await;
            assert_eq!(status(&answer), 401, "{pair}");
            assert!(begun.elapsed() >= Duration::from_millis(500), "{pair}");
            // The second may have changed meanwhile.
            let lines = answer.lines().filter(|line| !line.starts_with("Date:"));
            bodies.push(lines.map(str::to_owned).collect::<Vec<_>>());
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "all failures are told alike");
    });
}

#[test]
fn what_was_right_stays_so_until_it_is_read_otherwise() {
    users().run(async |bed| {
        let mut client = bed.tcp().await;
        let ask = call(&basic("alice:password"));
        for _ in 0..3 {
            client.send(&ask).await;
            assert_eq!(status(&passing(client.answer()).await), 200);
        }
        // Read again, and nothing has changed.
        reread(&bed, |_| {});
        client.send(&ask).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        reread(&bed, |settings| settings.users.retain(|user| user.name != "alice"));
        client.send(&ask).await;
        assert_eq!(status(&passing(client.answer()).await), 401);
        reread(&bed, |settings| {
            settings.users.push(User { password: Password::Plain("new".to_owned()), ..alice() });
        });
        assert_eq!(status(&over_tcp(&bed, &ask).await), 401);
        assert_eq!(status(&over_tcp(&bed, call(&basic("alice:new"))).await), 200);
    });
}

#[test]
fn another_proof_on_a_connection_is_looked_at_for_itself() {
    users().run(async |bed| {
        let mut client = bed.tcp().await;
        client.send(call(&basic("alice:password"))).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        client.send(call(&basic("bob:bobs"))).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        client.send(call(&basic("bob:password"))).await;
        assert_eq!(status(&passing(client.answer()).await), 401);
    });
}

#[test]
fn who_fails_too_often_waits_and_others_do_not() {
    users_in_plain_text().run(async |bed| {
        let mut statuses = Vec::new();
        for n in 0..12 {
            let answer = over_tcp(&bed, call(&basic(&format!("alice:{n}")))).await;
            statuses.push(status(&answer));
            if status(&answer) == 429 {
                let wait = header(&answer, "retry-after").expect("a time").parse::<u64>();
                assert!(wait.is_ok_and(|wait| (1..=33).contains(&wait)), "{answer}");
            }
        }
        // One second a try; half of one has passed with each.
        for n in 0..40 {
            let answer = over_tcp(&bed, call(&basic(&format!("alice:x{n}")))).await;
            statuses.push(status(&answer));
        }
        assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
        assert_eq!(statuses[..10], [401; 10]);
        let right = call(&basic("alice:password"));
        // From the same place even the right one waits; another name there, and another place, do not.
        assert_eq!(status(&over_tcp(&bed, &right).await), 429);
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:bobs"))).await), 200);
        let mut neighbour = bed.unix().await;
        neighbour.send(&right).await;
        assert_eq!(status(&passing(neighbour.answer()).await), 200);
        for _ in 0..2 {
            advance(Duration::from_secs(20)).await;
        }
        assert_eq!(status(&over_tcp(&bed, &right).await), 200);
    });
}

#[test]
fn who_was_right_is_not_kept_out_by_others_at_the_same_address() {
    // Without hashes, so that the tries come as fast as they can.
    let carol = User { name: "carol".to_owned(), ..bob() };
    Plan { users: vec![bob(), carol], ..Plan::default() }.run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:bobs"))).await), 200);
        // Nobody waits for the end of the one before.
        let mut flood = Vec::new();
        for n in 0..60 {
            let mut client = bed.tcp().await;
            client.send(call(&basic(&format!("user{n}:x")))).await;
            tokio::task::yield_now().await;
            flood.push(client);
        }
        let last = over_tcp(&bed, call(&basic("carol:x"))).await;
        assert_eq!(status(&last), 429, "the address has had its tries");
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:bobs"))).await), 200);
        let mut neighbour = bed.unix().await;
        neighbour.send(call(&basic("carol:bobs"))).await;
        assert_eq!(status(&passing(neighbour.answer()).await), 200);
    });
}

#[test]
fn who_was_right_is_not_kept_out_by_others_who_try_to_be_them_there() {
    users_in_plain_text().run(async |bed| {
        let right = call(&basic("bob:bobs"));
        assert_eq!(status(&over_tcp(&bed, &right).await), 200);
        let mut statuses = Vec::new();
        for n in 0..40 {
            statuses.push(status(&over_tcp(&bed, call(&basic(&format!("bob:{n}")))).await));
        }
        assert!(statuses.ends_with(&[429]), "{statuses:?}");
        for _ in 0..20 {
            assert_eq!(status(&over_tcp(&bed, &right).await), 200, "on a connection of its own");
        }
        assert_eq!(
            status(&over_tcp(&bed, call(&basic("bob:x"))).await),
            429,
            "nor is it forgotten"
        );
        // Each look is a guess: who makes more than a few at once gets no more, whoever that is.
        let flood = async || {
            let mut flood = Vec::new();
            for n in 0..10 {
                let mut client = bed.tcp().await;
                client.send(call(&basic(&format!("bob:y{n}")))).await;
                flood.push(client);
            }
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            flood
        };
        let waiting = flood().await;
        assert_eq!(status(&over_tcp(&bed, &right).await), 429);
        drop(waiting);
        advance(Duration::from_secs(1)).await;
        assert_eq!(status(&over_tcp(&bed, &right).await), 200);
    });
}

#[test]
fn a_flood_of_failures_does_not_fill_the_audit_log() {
    users_in_plain_text().run(async |bed| {
        for n in 0..30 {
            let name = if n % 2 == 0 { "alice" } else { "mallory" };
            over_tcp(&bed, call(&basic(&format!("{name}:secret{n}")))).await;
        }
        for _ in 0..20 {
            passing(tokio::time::sleep(Duration::from_secs(1))).await;
        }
        let records = bed.site.audited.borrow();
        assert!((2..=8).contains(&records.len()), "{records:?}");
        let first = &records[0];
        assert_eq!((first.event, first.decision), ("login", Some("deny")));
        assert_eq!(first.who.as_deref(), Some("user:alice"));
        assert!(first.peer.as_deref().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
        let told = records.iter().map(|record| match &record.detail {
            Some(detail) => {
                detail.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
            }
            None => 1,
        });
        let told: usize = told.sum();
        assert_eq!(told, 30, "{records:?}");
        let text = format!("{records:?}");
        assert!(!text.contains("secret") && !text.contains("mallory"), "{text}");
    });
}

#[test]
fn without_users_a_server_asks_as_it_always_did() {
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { credentials, ..Plan::default() }.run(async |bed| {
        for path in
            ["/", "/logtail/cat", "/login.html", "/logout.html", "/stylesheets/supervisor.css"]
        {
            let answer = over_tcp(&bed, get(path, HTML)).await;
            assert_eq!(status(&answer), 401, "{path}");
            assert!(header(&answer, "www-authenticate").is_some());
        }
        assert_eq!(status(&over_tcp(&bed, get("/login.html", &basic("u:p"))).await), 404);
        assert_eq!(status(&over_tcp(&bed, call(&basic("u:p"))).await), 200);
    });
    // And one that asks nothing heeds nothing.
    Plan::default().run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call(&basic("any:thing"))).await), 200);
        assert_eq!(status(&over_tcp(&bed, call("Authorization: Bearer x\r\n")).await), 200);
    });
}

#[test]
fn the_name_of_a_section_and_users_are_good_beside_each_other() {
    let credentials = Some(("bob".to_owned(), Password::Plain("section".to_owned())));
    Plan { credentials, ..users() }.run(async |bed| {
        for pair in ["bob:section", "bob:bobs", "alice:password"] {
            assert_eq!(status(&over_tcp(&bed, call(&basic(pair))).await), 200, "{pair}");
        }
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:password"))).await), 401);
        let mut neighbour = bed.unix().await;
        neighbour.send(call("")).await;
        assert_eq!(status(&neighbour.answer().await), 401, "the socket asks too");
    });
}

#[test]
fn over_a_unix_socket_the_peer_is_known_and_a_wrong_password_is_still_wrong() {
    let uid = nix::unistd::getuid().as_raw();
    let roles = vec![role(Member::Uid(uid), "cat", "admin")];
    Plan { roles, ..users() }.run(async |bed| {
        bed.site.write(2, "main");
        let ask = async |extra: &str| {
            let mut client = bed.unix().await;
            status(&passing(client.ask_first(get("/mainlogtail", extra))).await)
        };
        assert_eq!(ask("").await, 200);
        assert_eq!(ask(&basic("bob:bobs")).await, 403, "bob is bob wherever he comes from");
        assert_eq!(ask(&basic("bob:wrong")).await, 401);
        assert_eq!(ask("Authorization: Bearer x\r\n").await, 401);
    });
}

#[test]
fn anonymous_is_a_member_or_nobody() {
    let roles =
        || vec![role(Member::Anonymous, "cat", "view, log"), role(user("bob"), "*", "admin")];
    Plan { roles: roles(), ..users() }.run(async |bed| {
        bed.site.write(0, "out");
        assert_eq!(log_status(&bed, &get("/logtail/cat", "")).await, 200);
        assert_eq!(log_status(&bed, &get("/mainlogtail", "")).await, 403);
        assert_eq!(log_status(&bed, &get("/logtail/cat", &basic("bob:wrong"))).await, 401);
        assert_eq!(status(&over_tcp(&bed, call("")).await), 200);
    });
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { roles: roles(), credentials, ..users() }.run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call("")).await), 401, "the section has its own word");
    });
    // Nobody can log in any more, but nobody is let in for that.
    Plan { guarded: true, ..Plan::default() }.run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call("")).await), 401);
        assert_eq!(status(&over_tcp(&bed, call(&basic("alice:password"))).await), 401);
        assert_eq!(status(&over_tcp(&bed, get("/healthz", "")).await), 200);
    });
}

#[test]
fn a_browser_is_led_to_the_page_and_a_program_is_not() {
    users().run(async |bed| {
        for (path, place) in [
            ("/", "login.html"),
            ("/index.html?action=stop&processname=cat", "login.html"),
            ("/tail.html?processname=//x", "login.html"),
            ("/logtail/cat/stderr", "../../login.html"),
            ("//index.html", "../login.html"),
            ("/no/where", "../login.html"),
            ("/logout.html", "login.html"),
        ] {
            let answer = over_tcp(&bed, get(path, HTML)).await;
            assert_eq!(status(&answer), 303, "{path}");
            assert_eq!(header(&answer, "location"), Some(place), "{path}");
            assert!(header(&answer, "www-authenticate").is_none());
            for extra in ["", "Accept: */*\r\n", "Accept: text/xml\r\n"] {
                assert_eq!(status(&over_tcp(&bed, get(path, extra)).await), 401, "{path} {extra}");
            }
        }
        let wrong = format!("{HTML}{}", basic("bob:wrong"));
        assert_eq!(status(&over_tcp(&bed, get("/", &wrong)).await), 401, "it has asked by itself");
        assert_eq!(status(&over_tcp(&bed, get("/RPC2", HTML)).await), 401);
        assert_eq!(status(&over_tcp(&bed, call(HTML)).await), 401);
        assert_eq!(status(&over_tcp(&bed, post("/", HTML, "a=b")).await), 401);
        let foreign = get("/", HTML).replace("localhost", "evil.example");
        assert_eq!(status(&over_tcp(&bed, foreign).await), 421);
        let answer = over_tcp(&bed, get("/login.html", "")).await;
        assert_eq!(status(&answer), 200);
        let policy = header(&answer, "content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&answer, "cache-control"), Some("no-cache, no-store"));
        assert!(!answer.contains("<script") && !answer.contains("style="));
        assert!(header(&answer, "set-cookie").is_none());
        assert_eq!(status(&over_tcp(&bed, get("/stylesheets/supervisor.css", "")).await), 200);
    });
}

#[test]
fn a_session_begins_at_the_page_and_ends_there() {
    let roles = vec![role(user("bob"), "cat", "log")];
    Plan { roles, ..users() }.run(async |bed| {
        bed.site.write(0, "out");
        let cookie = log_in(&bed, "user=bob&password=bobs").await;
        assert!(cookie.starts_with("Cookie: supervisor-"), "{cookie}");
        let logtail = get("/logtail/cat", &cookie);
        assert_eq!(log_status(&bed, &logtail).await, 200);
        assert_eq!(log_status(&bed, &get("/mainlogtail", &cookie)).await, 403);
        // Calls have no sessions, and other sites' requests have none either.
        assert_eq!(status(&over_tcp(&bed, call(&cookie)).await), 401);
        let foreign = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
        assert_eq!(log_status(&bed, &get("/logtail/cat", &foreign)).await, 401);
        let rebound = logtail.replace("localhost", "evil.example");
        assert_eq!(log_status(&bed, &rebound).await, 421);
        // Both of two are nobody's.
        let twice = cookie.trim_end().to_owned() + "; " + &cookie["Cookie: ".len()..];
        assert_eq!(log_status(&bed, &get("/logtail/cat", &twice)).await, 401);
        // A page that asks, then the form's token.
        let page = over_tcp(&bed, get("/logout.html", &cookie)).await;
        assert_eq!(status(&page), 200, "no end by GET");
        assert_eq!(log_status(&bed, &logtail).await, 200);
        let token = page.split("value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.expect("a token");
        for (form, extra, expected) in [
            ("", "", 403),
            ("token=AAAA", "", 403),
            (&*format!("token={token}"), "Origin: http://evil.example\r\n", 403),
            (&*format!("token={token}"), "Origin: http://localhost\r\n", 303),
        ] {
            assert_eq!(log_status(&bed, &logtail).await, 200);
            let request = post("/logout.html", &format!("{cookie}{extra}"), form);
            let answer = over_tcp(&bed, request).await;
            assert_eq!(status(&answer), expected, "{form} {extra}");
            if expected == 303 {
                assert_eq!(header(&answer, "location"), Some("login.html"));
                let cleared = header(&answer, "set-cookie").expect("a cookie");
                assert!(cleared.contains("=; Path=/; Max-Age=0;"), "{cleared}");
            }
        }
        assert_eq!(log_status(&bed, &logtail).await, 401);
        let events: Vec<_> = bed.site.audited.borrow().iter().map(|r| r.detail.clone()).collect();
        assert!(events.contains(&Some("session begun".to_owned())), "{events:?}");
        assert!(events.contains(&Some("session ended".to_owned())), "{events:?}");
    });
}

#[test]
fn a_session_ends_with_the_password_that_it_began_with() {
    users().run(async |bed| {
        bed.site.write(0, "out");
        let cookie = log_in(&bed, "user=alice&password=password").await;
        let logtail = get("/logtail/cat", &cookie);
        assert_eq!(log_status(&bed, &logtail).await, 200);
        reread(&bed, |settings| settings.users.retain(|user| user.name != "bob"));
        assert_eq!(log_status(&bed, &logtail).await, 200, "it was about somebody else");
        reread(&bed, |settings| {
            settings.users[0].password = Password::Plain("password".to_owned());
        });
        assert_eq!(log_status(&bed, &logtail).await, 401);
        reread(&bed, |settings| settings.users = vec![alice()]);
        assert_eq!(log_status(&bed, &logtail).await, 401, "it does not come back");
    });
}

#[test]
fn a_session_is_of_the_password_that_was_given() {
    let named = |text: &str| Some(("bob".to_owned(), Password::Plain(text.to_owned())));
    let hash = User { name: "bob".to_owned(), ..alice() };
    for (user, own) in [(bob(), "bobs"), (hash, "password")] {
        let plan = Plan { credentials: named("section"), users: vec![user], ..Plan::default() };
        plan.run(async |bed| {
            bed.site.write(0, "out");
            let form = |password: &str| format!("user=bob&password={password}");
            // Once by comparing, once by remembering.
            for _ in 0..2 {
                log_in(&bed, &form(own)).await;
            }
            let users = log_in(&bed, &form(own)).await;
            let sections = log_in(&bed, &form("section")).await;
            let ask = |cookie: &str| get("/logtail/cat", cookie);
            assert_eq!(log_status(&bed, &ask(&users)).await, 200);
            reread(&bed, |settings| {
                settings.users[0].password = Password::Plain("other".to_owned());
            });
            assert_eq!(log_status(&bed, &ask(&users)).await, 401);
            assert_eq!(log_status(&bed, &ask(&sections)).await, 200, "that one has not changed");
        });
    }
}

/// What a log that is followed still tells, and that it ends then.
async fn ends(client: &mut Client<TcpStream>) -> String {
    let rest = passing(timeout(Duration::from_secs(60), client.rest()));
    rest.await.expect("the end of the log")
}

#[test]
fn following_ends_with_the_session() {
    let follow = async |bed: &Bed, cookie: &str| {
        bed.site.write(0, "before");
        let mut client = bed.tcp().await;
        client.send(get("/logtail/cat", cookie)).await;
        passing(client.until("before")).await;
        client
    };
    users().run(async |bed| {
        let cookie = log_in(&bed, "user=bob&password=bobs").await;
        let other = log_in(&bed, "user=bob&password=bobs").await;
        let mut client = follow(&bed, &cookie).await;
        let mut stays = follow(&bed, &other).await;
        bed.site.write(0, "between");
        passing(client.until("between")).await;
        let page = over_tcp(&bed, get("/logout.html", &cookie)).await;
        let token = page.split("value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let form = format!("token={}", token.expect("a token"));
        assert_eq!(status(&over_tcp(&bed, post("/logout.html", &cookie, &form)).await), 303);
        bed.site.write(0, "after");
        assert!(!ends(&mut client).await.contains("after"));
        passing(stays.until("after")).await;
    });
    users().run(async |bed| {
        let cookie = log_in(&bed, "user=bob&password=bobs").await;
        let mut client = follow(&bed, &cookie).await;
        // Reading on is no use of it.
        for n in 0..5 {
            advance(Duration::from_secs(600)).await;
            bed.site.write(0, format!("line {n}"));
            passing(client.until(&format!("line {n}"))).await;
        }
        advance(Duration::from_secs(600)).await;
        bed.site.write(0, "after");
        assert!(!ends(&mut client).await.contains("after"));
    });
}

#[test]
fn a_login_gives_an_id_of_its_own() {
    users().run(async |bed| {
        bed.site.write(0, "out");
        let old = log_in(&bed, "user=bob&password=bobs").await;
        let answer =
            over_tcp(&bed, post("/login.html", &old, "user=alice&password=password")).await;
        let new = header(&answer, "set-cookie").expect("a cookie");
        assert!(!new.starts_with(old["Cookie: ".len()..].trim_end()));
        assert_eq!(log_status(&bed, &get("/logtail/cat", &old)).await, 401, "the old one is over");
        // One that was planted is not taken up.
        let name = old["Cookie: ".len()..].split('=').next().expect("a name").to_owned();
        let planted = format!("Cookie: {name}=planted\r\n");
        let answer = over_tcp(&bed, post("/login.html", &planted, "user=bob&password=bobs")).await;
        assert!(!header(&answer, "set-cookie").expect("a cookie").contains("planted"));
        assert_eq!(log_status(&bed, &get("/logtail/cat", &planted)).await, 401);
    });
}

#[test]
fn the_form_is_the_page_s_own() {
    users().run(async |bed| {
        for (extra, body, expected) in [
            ("", "user=bob&password=wrong", 403),
            ("", "user=bob", 403),
            ("", "", 403),
            ("Origin: http://evil.example\r\n", "user=bob&password=bobs", 403),
            ("Sec-Fetch-Site: same-site\r\n", "user=bob&password=bobs", 403),
            ("Origin: http://localhost\r\n", "user=bob&password=bobs", 303),
        ] {
            let answer = over_tcp(&bed, post("/login.html", extra, body)).await;
            assert_eq!(status(&answer), expected, "{extra} {body}");
            assert_eq!(header(&answer, "set-cookie").is_some(), expected == 303);
            assert!(header(&answer, "www-authenticate").is_none());
        }
        let plain = post("/login.html", "", "user=bob&password=bobs").replace(FORM, "");
        assert_eq!(status(&over_tcp(&bed, plain).await), 415);
        // What an address carries ends up in logs: nobody logs in by that.
        let request = post("/login.html?user=bob&password=bobs", "", "x=y");
        assert_eq!(status(&over_tcp(&bed, request).await), 403);
        let answer = over_tcp(&bed, get("/login.html?user=bob&password=bobs", "")).await;
        assert_eq!(status(&answer), 200);
        assert!(header(&answer, "set-cookie").is_none());
        assert_eq!(
            status(&over_tcp(&bed, get("/login.html", "").replace("GET", "PUT")).await),
            400
        );
    });
}

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

#[test]
fn a_call_over_tcp_says_that_it_is_xml() {
    Plan::default().run(async |bed| {
        for (kind, expected) in [
            ("Content-Type: text/xml\r\n", 200),
            ("Content-Type: Text/XML; charset=utf-8\r\n", 200),
            ("Content-Type: application/xml\r\n", 200),
            ("", 415),
            ("Content-Type:\r\n", 415),
            ("Content-Type: text/plain\r\n", 415),
            ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
            ("Content-Type: text/xml, text/plain\r\n", 415),
            ("Content-Type: text/xml\r\nContent-Type: text/plain\r\n", 415),
            ("Content-Type: text/xmlx\r\n", 415),
        ] {
            let request = call("").replace("Content-Type: text/xml\r\n", kind);
            let answer = over_tcp(&bed, &request).await;
            assert_eq!(status(&answer), expected, "{kind}");
            assert_eq!(
                answer.contains("Content-Type text/xml or application/xml"),
                expected == 415
            );
            let mut neighbour = bed.unix().await;
            neighbour.send(&request).await;
            assert_eq!(status(&neighbour.answer().await), 200, "{kind}: no page can reach it");
        }
    });
}

#[test]
fn following_ends_when_the_right_to_is_taken_away() {
    let roles = vec![role(user("bob"), "cat", "log")];
    let changes: [fn(&mut Settings); 3] = [
        |settings| settings.access.roles[0].grants = Grants::parse("view").expect("words"),
        |settings| settings.users.retain(|user| user.name != "bob"),
        |settings| settings.users[1].password = Password::Plain("other".to_owned()),
    ];
    for change in changes {
        Plan { roles: roles.clone(), ..users() }.run(async |bed| {
            bed.site.write(0, "before");
            let mut client = bed.tcp().await;
            client.send(get("/logtail/cat", &basic("bob:bobs"))).await;
            passing(client.until("before")).await;
            reread(&bed, |_| {});
            bed.site.write(0, "between");
            passing(client.until("between")).await;
            reread(&bed, change);
            bed.site.write(0, "after");
            assert!(!passing(client.rest()).await.contains("after"));
        });
    }
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
    };
    let ground = Ground { users: true, roles: true, anonymous: true };
    let request = request.body(()).expect("a request");
    Policy::new(&server, Some(9001)).judge(&request, ground).expect("a visit").route
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
