//! People at the page: they log in, and nobody else does with what is theirs.

use crate::ask::{Answer, basic, get, last_call, post};
use crate::world::{Cast, World, hashed};

const PASSWORD: &str = "at the page";
const COOKIE: &str = "supervisor-9001";
const BROWSER: &str = "User-Agent: Mozilla/5.0\r\nAccept: text/html\r\n";

fn world() -> (World, Cast) {
    world_with("")
}

/// With further lines for the TCP server.
fn world_with(lines: &str) -> (World, Cast) {
    let (world, cast) = World::new(|room, _, config| {
        config
            .section(lines)
            .program("seen", "/bin/sleep 100000", "startsecs=0")
            .program("secret", "/bin/sleep 100000", "startsecs=0")
            .section(&format!("[user:bob]\npassword={}", hashed(room, PASSWORD)))
            .section(&format!("[user:ann]\npassword={}", hashed(room, "ann's own")))
            .section("[role:team]\nmembers=bob\nprograms=seen\nactions=viewer, restart")
            .section("[role:other]\nmembers=ann\nprograms=*\nactions=operator")
    });
    world.daemon.wait_running("seen");
    world.daemon.wait_running("secret");
    (world, cast)
}

/// What the form of the page to log in at sends, with these further header lines.
fn enter(world: &World, name: &str, password: &str, lines: &str) -> Answer {
    let body = format!("user={name}&password={}", password.replace(' ', "+").replace('\'', "%27"));
    world.ask(&post("/login.html", &format!("{BROWSER}{lines}"), &body))
}

/// The cookie that an answer sets.
fn cookie(answer: &Answer) -> Option<String> {
    let value = answer.header("set-cookie")?.split(';').next()?;
    value.strip_prefix(COOKIE)?.strip_prefix('=').map(str::to_owned)
}

/// Logs in; the header line that says so from then on.
fn session(world: &World, name: &str, password: &str) -> String {
    let answer = enter(world, name, password, "");
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.header("location"), Some("./"));
    let id = cookie(&answer).expect("a cookie");
    assert!(id.len() >= 32, "{id}");
    format!("Cookie: {COOKIE}={id}\r\n")
}

fn page(world: &World, lines: &str) -> Answer {
    world.ask(&get("/", &format!("{BROWSER}{lines}")))
}

fn logged_in(world: &World, lines: &str) -> bool {
    let answer = page(world, lines);
    assert!([200, 303].contains(&answer.status), "{answer:?}");
    assert!(answer.status == 200 || answer.header("location") == Some("login.html"), "{answer:?}");
    answer.status == 200
}

/// Presses a button.
fn press(world: &World, lines: &str, action: &str, name: &str, token: &str) -> Answer {
    let body = format!("action={action}&processname={name}&token={token}");
    world.ask(&post("/index.html", &format!("{BROWSER}{lines}"), &body))
}

#[test]
fn somebody_logs_in_acts_and_logs_out() {
    let (world, _) = world();
    assert!(!logged_in(&world, ""));
    let answer = enter(&world, "bob", PASSWORD, "");
    let attributes = answer.header("set-cookie").expect("a cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(attributes.contains(part), "{attributes}");
    }
    let bob = session(&world, "bob", PASSWORD);
    let shown = page(&world, &bob);
    assert!(shown.body.contains("seen") && !shown.body.contains("secret"), "{shown:?}");
    let before = world.pid("seen");
    assert_eq!(press(&world, &bob, "restart", "seen", &shown.token()).status, 303);
    assert_ne!(world.pid("seen"), before);
    let stopped = press(&world, &bob, "stop", "seen", &shown.token());
    assert_eq!(stopped.status, 403, "{stopped:?}");
    assert_eq!(world.daemon.state("seen"), "RUNNING");
    world.recorded("the restart", |l| {
        (l.who.as_str(), l.auth.as_str(), l.action.as_str()) == ("user:bob", "session", "restart")
            && l.decision == "allow"
    });
    world.recorded("the refusal", |l| {
        (l.auth.as_str(), l.action.as_str(), l.decision.as_str()) == ("session", "stop", "deny")
    });
    // By a GET nobody is logged out.
    let asked = world.ask(&get("/logout.html", &format!("{BROWSER}{bob}")));
    assert_eq!(asked.status, 200, "{asked:?}");
    assert!(logged_in(&world, &bob));
    let refused = world.ask(&post("/logout.html", &format!("{BROWSER}{bob}"), "token=x"));
    assert_eq!(refused.status, 403, "{refused:?}");
    let body = format!("token={}", asked.token());
    let left = world.ask(&post("/logout.html", &format!("{BROWSER}{bob}"), &body));
    assert_eq!(left.status, 303, "{left:?}");
    assert!(!logged_in(&world, &bob), "the id is of no use any more");
    let events: Vec<String> =
        world.audit().into_iter().filter(|l| l.event == "login").map(|l| l.who).collect();
    assert!(events.iter().filter(|who| *who == "user:bob").count() >= 3, "{events:?}");
}

#[test]
fn nobody_chooses_the_id_of_a_session() {
    let (world, _) = world();
    let planted = "A".repeat(43);
    for lines in [
        format!("Cookie: {COOKIE}={planted}\r\n"),
        format!("Cookie: other=1; {COOKIE}={planted}; {COOKIE}=x\r\n"),
    ] {
        let answer = enter(&world, "bob", PASSWORD, &lines);
        let fresh = cookie(&answer).expect("a cookie");
        assert_ne!(fresh, planted);
        assert!(!logged_in(&world, &lines), "{lines}");
        assert!(logged_in(&world, &format!("Cookie: {COOKIE}={fresh}\r\n")));
    }
    // Who logs in with a session that is another's ends that one, and is not in it.
    let bob = session(&world, "bob", PASSWORD);
    let answer = enter(&world, "ann", "ann's own", &bob);
    assert_ne!(Some(bob.trim_end().rsplit('=').next().expect("an id").to_owned()), cookie(&answer));
    assert!(!logged_in(&world, &bob));
    // Not by the address, the body or another header either.
    for path in [format!("/?{COOKIE}={planted}"), format!("/;{COOKIE}={planted}")] {
        let answer = world.ask(&get(&path, BROWSER));
        assert_ne!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn what_looks_like_a_session_is_none() {
    let (world, _) = world();
    let bob = session(&world, "bob", PASSWORD);
    let id = bob.trim_end().rsplit('=').next().expect("an id").to_owned();
    let swapped: String = id.chars().rev().collect();
    let line = |value: &str| format!("Cookie: {COOKIE}={value}\r\n");
    for lines in [
        line(""),
        line("x"),
        line(&swapped),
        line(&id[1..]),
        line(&format!("{id}A")),
        line(&format!("\"{id}\"x")),
        line(&id.to_uppercase()),
        line(&format!("{id}%00")),
        line(&"A".repeat(8_000)),
        line("../../../etc/passwd"),
        line("bob"),
        line("user:bob"),
        format!("Cookie: supervisor-9002={id}\r\n"),
        format!("Cookie: supervisor={id}\r\n"),
        format!("Cookie: x{COOKIE}={id}\r\n"),
        format!("Cookie: {}={id}\r\n", COOKIE.to_uppercase()),
        format!("X-Cookie: {COOKIE}={id}\r\n"),
        format!("Cookie2: {COOKIE}={id}\r\n"),
        format!("Set-Cookie: {COOKIE}={id}\r\n"),
        format!("Authorization: Bearer {id}\r\n"),
    ] {
        let answer = page(&world, &lines);
        assert_ne!(answer.status, 200, "{lines}: {answer:?}");
    }
    assert!(logged_in(&world, &bob));
    // It is for the pages: a call by a cookie is nobody's.
    let stop = last_call("supervisor.getProcessInfo", &["seen".into()], &bob);
    assert_eq!(world.ask(&stop).status, 401);
    // A password that is given counts, and not the session beside it.
    for password in ["wrong", ""] {
        let both = format!("{bob}{}", basic("bob", password));
        assert_eq!(page(&world, &both).status, 401);
    }
}

#[test]
fn no_other_site_has_a_browser_act() {
    let (world, _) = world();
    let bob = session(&world, "bob", PASSWORD);
    let token = page(&world, &bob).token();
    let before = world.pid("seen");
    for lines in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost:9999\r\n",
        "Origin: https://localhost\r\nOrigin: http://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let lines = format!("{bob}{lines}");
        // Even with the right token. What another site has a browser ask for is in no session.
        let refused = press(&world, &lines, "restart", "seen", &token);
        assert!([401, 403].contains(&refused.status), "{lines}: {refused:?}");
        let entered = enter(&world, "bob", PASSWORD, &lines);
        assert_eq!((entered.status, cookie(&entered)), (403, None), "{lines}: {entered:?}");
        let left = world.ask(&post("/logout.html", &lines, &format!("token={token}")));
        assert_ne!(left.status, 303, "{lines}: {left:?}");
        assert!(logged_in(&world, &bob), "{lines}");
    }
    // A browser that says nothing, and somebody else's token or none.
    let ann = page(&world, &session(&world, "ann", "ann's own")).token();
    let by_password = page(&world, &basic("bob", PASSWORD)).token();
    for other in ["", "x", &ann, &by_password] {
        let refused = press(&world, &bob, "restart", "seen", other);
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    // In the address a token is none, and a GET only asks.
    let path = format!("/index.html?action=restart&processname=seen&token={token}");
    let asked = world.ask(&get(&path, &format!("{BROWSER}{bob}")));
    assert_eq!(asked.status, 200, "{asked:?}");
    assert_eq!(world.pid("seen"), before);
    assert!(logged_in(&world, &bob));
    assert_eq!(press(&world, &bob, "restart", "seen", &token).status, 303);
    assert_ne!(world.pid("seen"), before);
}

#[test]
fn links_that_act_at_once_act_for_who_may() {
    let (world, _) = world_with("legacy_get_actions=true");
    let bob = session(&world, "bob", PASSWORD);
    let link = |action: &str, name: &str, lines: &str| {
        let path = format!("/index.html?action={action}&processname={name}");
        world.ask(&get(&path, &format!("{BROWSER}{bob}{lines}")))
    };
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let before = (world.pid("seen"), world.pid("secret"));
    assert_eq!(link("stop", "seen", own).status, 403);
    assert_eq!(link("stop", "secret", own).settled().status, link("stop", "absent", own).status);
    for other in ["Sec-Fetch-Site: cross-site\r\n", "Origin: http://evil.example\r\n"] {
        // Asked first, refused, or in no session and led to the page to log in at.
        let answer = link("restart", "seen", other);
        let led = answer.header("location") == Some("login.html");
        assert!([200, 403].contains(&answer.status) || led, "{other}: {answer:?}");
    }
    assert_eq!((world.pid("seen"), world.pid("secret")), before);
    assert_eq!(link("restart", "seen", own).status, 303);
    assert_ne!(world.pid("seen"), before.0);
}

#[test]
fn a_name_that_was_bound_to_this_machine_reads_nothing() {
    let (world, _) = world();
    let bob = session(&world, "bob", PASSWORD);
    let token = page(&world, &bob).token();
    let before = world.pid("seen");
    let rebound = |request: Vec<u8>| {
        let text = String::from_utf8(request).expect("text");
        world.ask(text.replace("Host: localhost", "Host: evil.example:9001").as_bytes())
    };
    let lines = format!("{BROWSER}{bob}");
    for path in [
        "/",
        "/index.html",
        "/tail.html?processname=seen",
        "/logtail/seen",
        "/mainlogtail",
        "/login.html",
        "/logout.html",
    ] {
        let answer = rebound(get(path, &lines));
        assert_eq!(answer.status, 421, "{path}: {answer:?}");
        assert!(!answer.body.contains("name=\"token\""), "{answer:?}");
    }
    let body = format!("action=restart&processname=seen&token={token}");
    assert_eq!(rebound(post("/index.html", &lines, &body)).status, 421);
    let body = format!("user=bob&password={}", PASSWORD.replace(' ', "+"));
    let entered = rebound(post("/login.html", &lines, &body));
    assert_eq!((entered.status, cookie(&entered)), (421, None), "{entered:?}");
    assert_eq!(world.pid("seen"), before);
}

#[test]
fn a_session_ends_with_the_password_and_with_the_broker() {
    let (world, _) = world();
    let (bob, ann) = (session(&world, "bob", PASSWORD), session(&world, "ann", "ann's own"));
    let text = std::fs::read_to_string(&world.config).expect("the configuration");
    let (before, rest) = text.split_once("[user:bob]\npassword=").expect("bob");
    let (_, after) = rest.split_once('\n').expect("a line");
    let other = hashed(&world.room, "another one");
    std::fs::write(&world.config, format!("{before}[user:bob]\npassword={other}\n{after}"))
        .expect("it");
    assert_eq!(world.root("reread").0, 0);
    assert!(!logged_in(&world, &bob), "by a password that is none any more");
    assert!(logged_in(&world, &ann));
    assert_eq!(page(&world, &basic("bob", PASSWORD)).status, 401);
    assert_eq!(world.patient(&get("/", &basic("bob", "another one"))).status, 200);
    world.daemon.replace_broker();
    assert!(!logged_in(&world, &ann));
}

#[test]
fn a_role_that_is_taken_away_is_gone_from_a_session_too() {
    let (world, _) = world();
    let ann = session(&world, "ann", "ann's own");
    let shown = page(&world, &ann);
    assert!(shown.body.contains("secret"), "{shown:?}");
    let text = std::fs::read_to_string(&world.config).expect("the configuration");
    let text = text.replace("members=ann\nprograms=*", "members=ann\nprograms=seen");
    std::fs::write(&world.config, text).expect("the configuration");
    assert_eq!(world.root("reread").0, 0);
    assert!(!page(&world, &ann).body.contains("secret"));
    let before = world.pid("secret");
    press(&world, &ann, "stop", "secret", &shown.token());
    assert_eq!(world.pid("secret"), before);
}

#[test]
fn pages_carry_the_headers_that_browsers_heed() {
    let (world, _) = world();
    let bob = session(&world, "bob", PASSWORD);
    for path in ["/", "/login.html", "/logout.html", "/tail.html?processname=seen"] {
        let answer = world.ask(&get(path, &format!("{BROWSER}{bob}")));
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{path}: {answer:?}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {answer:?}");
        assert!(!policy.contains("unsafe"), "{path}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        for bad in ["<script", " style=", " onclick="] {
            assert!(!answer.body.contains(bad), "{path}: {answer:?}");
        }
    }
}
