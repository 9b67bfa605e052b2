//! The page to log in by, and the sessions that begin there.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{advance, timeout};

use super::asks::{
    FORM, HTML, alice, basic, bob, call, get, log_status, over_tcp, post, reread, role, status,
    user, users,
};
use super::bed::{Bed, Client, Plan, header, passing};
use crate::config::settings::{Password, User};

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
