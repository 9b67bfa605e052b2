//! Tests: nothing is shown and nothing ordered without a decision.

use policy::access::{Action as Right, Proof, Who};

use super::action::Action;
use super::*;
use crate::rpc::tests::Desk;

fn visitors() -> Visitors {
    Visitors::of(&Server {
        section: "inet_http_server".to_owned(),
        socket: 0,
        credentials: None,
        hosts: Vec::new(),
        legacy_get_actions: false,
        guarded: false,
        pam: false,
        tls: None,
    })
}

/// The status and the text of a page, or the place that it leads to.
fn request(desk: &Desk, page: Page, method: Method, query: &str) -> (u16, String) {
    let visitors = visitors();
    let caller = desk.caller.borrow().clone();
    let token = visitors.token(&caller.principal, desk.now().mono);
    let mut headers = HeaderMap::new();
    let form = "application/x-www-form-urlencoded";
    headers.insert(CONTENT_TYPE, form.parse().expect("a header"));
    let body = if method == Method::POST { format!("token={token}") } else { String::new() };
    let ask = Ask { method, query: query.to_owned(), headers, body: body.into_bytes() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let reply = runtime.block_on(answer(desk, &caller, &visitors, page, &ask));
    let place = reply.headers.iter().find(|(name, _)| name == hyper::header::LOCATION);
    let text = match place {
        Some((_, place)) => place.to_str().expect("text").to_owned(),
        None => String::from_utf8_lossy(&reply.body).into_owned(),
    };
    (reply.status.as_u16(), text)
}

fn order(desk: &Desk, action: Action, name: &str) -> (u16, String) {
    let query = format!("action={}&processname={name}", action.name());
    request(desk, Page::Status, Method::POST, &query)
}

fn shown(desk: &Desk) -> String {
    let (status, text) = request(desk, Page::Status, Method::GET, "");
    assert_eq!(status, 200, "{text}");
    text
}

/// What is done and what may be: for each action what its effect is called.
fn effect(action: Action) -> &'static [(&'static str, Right)] {
    match action {
        Action::Refresh => &[],
        Action::RestartAll | Action::Restart => &[("command", Right::Restart)],
        Action::StopAll | Action::Stop => &[("command", Right::Stop)],
        Action::Start => &[("command", Right::Start)],
        Action::ClearLog => &[("clear_log", Right::Clear)],
    }
}

/// A process that an action does something to: `cat` runs, `web:w1` does not.
fn subject(action: Action) -> &'static str {
    if action == Action::Start { "web:w1" } else { "cat" }
}

#[test]
fn every_action_is_decided_before_its_effect() {
    for action in Action::ALL {
        let name = subject(action);
        let Some(right) = action.right() else { continue };
        // Somebody who may see it, read it and do everything else.
        let others = ["log", "clear", "start", "stop", "restart", "signal", "stdin", "config"];
        let others: Vec<&str> = others
            .into_iter()
            .filter(|word| *word != right.to_string())
            .filter(|word| right != Right::Restart || !["start", "stop"].contains(word))
            .collect();
        let desk = Desk::new();
        desk.grant(name, &others.join(","));
        let (status, text) = order(&desk, action, name);
        assert_eq!(desk.effects.take(), [], "{action:?}");
        if action.needs_process() {
            assert_eq!(status, 403, "{action:?} {text}");
            let full = if name == "cat" { "cat:cat" } else { name };
            assert!(text.contains(&format!("allows it: {right} of {full}.")), "{text}");
        } else {
            assert!(status == 303 && text.contains("ERROR"), "{action:?} {text}");
        }
        let denied = desk.records.take();
        assert!(denied.iter().any(|record| record.decision == Some("deny")), "{action:?}");
        // The question whether it is meant is not even asked.
        let query = format!("action={}&processname={name}", action.name());
        let (status, _) = request(&desk, Page::Status, Method::GET, &query);
        assert!(status == 403 || !action.needs_process(), "{action:?}");
        // Somebody who may not see it.
        desk.grant("gone", "admin");
        let (status, text) = order(&desk, action, name);
        let effects = desk.effects.take();
        if action.needs_process() {
            assert_eq!(effects, [], "{action:?}");
            assert_eq!(status, 303);
            let missing = order(&desk, action, "nope").1;
            let quoted = form::quote(name).to_string();
            assert_eq!(missing, text.replace(&quoted, "nope"), "hidden and missing are alike");
        }
        // Somebody who may do that alone.
        desk.grant(name, &right.to_string());
        let (status, text) = order(&desk, action, name);
        assert!(status == 303 && !text.contains("ERROR"), "{action:?} {text}");
        let effects = desk.effects.take();
        assert!(!effects.is_empty(), "{action:?}");
        assert!(effects.iter().all(|done| effect(action).contains(done)), "{effects:?}");
    }
}

#[test]
fn without_roles_everything_is_offered_and_done() {
    for action in Action::ALL {
        let desk = Desk::new();
        let (status, text) = order(&desk, action, subject(action));
        assert!(status == 303 && !text.contains("ERROR"), "{action:?} {text}");
        assert_eq!(desk.effects.take().is_empty(), action == Action::Refresh, "{action:?}");
    }
    let page = shown(&Desk::new());
    assert!(page.contains("Restart All") && page.contains("Stop All"), "{page}");
    assert!(!page.contains("class=\"who\"") && !page.contains("Log out"), "{page}");
}

#[test]
fn only_what_may_be_seen_is_shown() {
    let desk = Desk::new();
    desk.grant("cat", "view");
    let page = shown(&desk);
    assert!(page.contains("<bdi>cat</bdi>") && !page.contains("w1<") && !page.contains("gone<"));
    assert!(page.contains("1 running") && !page.contains("stopped"), "{page}");
    for unwanted in ["formaction", "tail.html", "logtail", "Restart All", "Stop All"] {
        assert!(!page.contains(unwanted), "{unwanted}: {page}");
    }
    assert!(page.contains("Logged in as <b><bdi>alice</bdi></b>"), "{page}");
    assert!(!page.contains("Log out"), "a password is not a session");
}

#[test]
fn only_what_may_be_pressed_is_offered() {
    let offered = |programs: &str, actions: &str| {
        let desk = Desk::new();
        desk.grant(programs, actions);
        let page = shown(&desk);
        let labels = Action::ALL.map(Action::label).into_iter();
        let there = labels.filter(|label| page.contains(&format!(">{label}</button>")));
        let there: Vec<&str> = there.collect();
        (there.join(","), page.contains("logtail/cat\""))
    };
    assert_eq!(offered("cat", "log"), (String::new(), true));
    assert_eq!(offered("cat", "restart"), ("Restart All,Restart".to_owned(), false));
    assert_eq!(offered("cat", "start"), (String::new(), false), "it runs");
    assert_eq!(offered("web", "start"), ("Start".to_owned(), false));
    assert_eq!(offered("web", "restart"), ("Restart All,Restart".to_owned(), false));
    let all = "Restart All,Stop All,Stop,Restart,Clear Log".to_owned();
    assert_eq!(offered("cat", "operator"), (all, true));
    let parts = ("Restart All,Stop All,Stop,Restart".to_owned(), false);
    assert_eq!(offered("cat", "start,stop"), parts, "who may do both parts may restart");
}

#[test]
fn what_is_for_all_needs_the_right_for_all() {
    let desk = Desk::new();
    desk.grant("cat", "stop");
    let role = desk.access().rules().roles[0].clone();
    let viewer = policy::access::Role {
        programs: vec![policy::access::Pattern::parse("web").expect("a pattern")],
        grants: policy::access::Grants::viewer(),
        ..role.clone()
    };
    desk.rule(vec![role, viewer]);
    let page = shown(&desk);
    assert!(page.contains("web:w1") && page.contains(">Stop</button>"), "{page}");
    assert!(!page.contains("Stop All"), "{page}");
}

#[test]
fn logs_are_for_those_who_may_read_them() {
    for query in ["processname=cat", "processname=cat&stream=stderr"] {
        let desk = Desk::new();
        desk.grant("cat", "view,restart");
        let (status, text) = request(&desk, Page::Tail, Method::GET, query);
        assert_eq!(status, 403);
        assert!(text.contains("allows it: log of cat:cat."), "{text}");
        assert_eq!(desk.effects.take(), []);
        desk.grant("cat", "log");
        let (status, text) = request(&desk, Page::Tail, Method::GET, query);
        assert_eq!(status, 200, "{text}");
        assert_eq!(desk.effects.take(), [("open_log", Right::Log)]);
        desk.grant("gone", "admin");
        let hidden = request(&desk, Page::Tail, Method::GET, query);
        let missing = query.replace("cat", "nope");
        let missing = request(&desk, Page::Tail, Method::GET, &missing);
        assert_eq!(hidden.1.replace("cat", "nope"), missing.1);
        assert_eq!((hidden.0, desk.effects.take()), (missing.0, Vec::new()));
    }
}

#[test]
fn who_has_no_role_sees_nothing() {
    let desk = Desk::new();
    desk.grant("*", "admin");
    desk.enter(Who::User("eve".into()), Proof::Password);
    for page in ["", "index.html", "status.html", "tail.html", "ok.html", "images/icon.png"] {
        let at = Page::at(page).expect("a page");
        let methods = [Method::GET, Method::HEAD, Method::POST];
        for method in methods.into_iter().filter(|method| at.takes(method)) {
            for query in ["", "processname=cat", "processname=cat&action=stop", "action=stopall"] {
                let (status, text) = request(&desk, at, method.clone(), query);
                // Another kind of page needs a decision of its own.
                let expected = match at {
                    Page::Status | Page::Tail => 403,
                    Page::Ok | Page::Asset(_) => 200,
                };
                assert_eq!(status, expected, "{page} {query}");
                assert!(!text.contains("running") && !text.contains("w1"), "{text}");
            }
        }
    }
    assert_eq!(desk.effects.take(), []);
    assert!(desk.records.take().iter().all(|record| record.decision == Some("deny")));
}

#[test]
fn a_session_can_be_ended() {
    let desk = Desk::new();
    desk.enter(Who::User("<alice>".into()), Proof::Session);
    let page = shown(&desk);
    assert!(page.contains("<bdi>&lt;alice&gt;</bdi>"), "{page}");
    assert!(page.contains("<form method=\"post\" action=\"logout.html\">"), "{page}");
    let tokens: Vec<&str> = page.split("name=\"token\" value=\"").skip(1).collect();
    assert_eq!(tokens.len(), 2, "{page}");
    assert!(tokens.iter().all(|token| token.len() > 40), "{page}");
    desk.enter(Who::Unix { uid: 1000, groups: [].into() }, Proof::Peer);
    assert!(!shown(&desk).contains("Log out"));
}
