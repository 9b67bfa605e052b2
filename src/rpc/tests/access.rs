//! Tests: nobody reaches an effect without the right that the method table names.

use super::*;
use policy::access::Target as On;

use crate::config::settings::Token;
use crate::rpc::table::{Call, METHODS, Method, Target, Verb};

/// A desk where every method has something to do.
fn busy() -> Desk {
    let desk = Desk::new();
    for name in ["main.log", "cat.out", "cat.err"] {
        fs::write(desk.path(name), "text").unwrap();
    }
    *desk.latest.borrow_mut() = Rc::new(edited(&desk));
    desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
    desk
}

/// Parameters with which a method reaches its effect there.
fn fitting(method: &Method) -> Vec<Value> {
    let name = match method.call {
        Call::One(Verb::Start) => "web:w1",
        Call::Group(Verb::Start) | Call::RemoveGroup | Call::RestartGroup => "web",
        Call::AddGroup => "more",
        _ => "cat",
    };
    let value = |param: &crate::rpc::table::Param| match param.name {
        "name" if method.target == Target::Daemon => s("system.listMethods"),
        "name" => s(name),
        "signal" => s("HUP"),
        "wait" => Value::Bool(true),
        "offset" | "length" => Value::Int(0),
        "calls" => Value::Array(vec![]),
        "user" => s(""),
        "action" => s("start"),
        "target" => s("cat"),
        _ => s("x"),
    };
    method.params.iter().map(value).collect()
}

/// Whether somebody with this one right, on all processes, may call a method.
fn lets(granted: Action, method: &Method) -> bool {
    method.target == Target::Caller
        || [granted, Action::View].contains(&method.action)
        || granted == Action::Admin
}

/// Whether a method looks into a log.
fn opens(method: &Method) -> bool {
    let reads = [Call::ReadLog, Call::ClearLog].contains(&method.call);
    reads || method.action == Action::Log
}

fn refused(method: &Method, answer: &Result<Value, Fault>) -> bool {
    match answer {
        Err(fault) => {
            let of_what = fault.text.strip_prefix("ACCESS_DENIED: ");
            fault.code == 96 && of_what.is_some_and(|text| text.contains(" of "))
        }
        // Of several processes it is said one by one; what is not to be seen is not there.
        Ok(Value::Array(rows)) => {
            let denied = |row: &Value| row.member("status") == Some(&Value::Int(96));
            // Configurations are not refused one by one: only those of which one has the right are listed.
            let lists = method.call == Call::AllConfigInfo && rows.is_empty();
            let of_several = matches!(method.target, Target::Group | Target::All);
            of_several && (lists || !rows.is_empty() && rows.iter().all(denied))
        }
        Ok(_) => false,
    }
}

#[test]
fn without_a_role_nothing_is_to_be_had() {
    for method in METHODS {
        let desk = busy();
        desk.grant("*", "admin");
        desk.enter(Who::User("bob".into()), Proof::Password);
        let answer = desk.call(method.name, &fitting(method));
        assert!(desk.effects.borrow().is_empty(), "{}", method.name);
        match method.call {
            Call::WhoAmI => assert!(answer.is_ok()),
            _ => {
                // Nothing is there for bob.
                let named = matches!(method.target, Target::Process | Target::Group);
                let moves = matches!(method.call, Call::AddGroup | Call::RemoveGroup);
                let missing = method.call == Call::Explain || named && !moves;
                let fault = answer.unwrap_err();
                assert_eq!(fault.code, if missing { 10 } else { 96 }, "{}: {fault}", method.name);
            }
        }
    }
}

#[test]
fn a_right_lets_one_call_what_the_table_says() {
    for granted in Action::ALL {
        for method in METHODS {
            let desk = busy();
            desk.grant("*", granted.word());
            let answer = desk.call(method.name, &fitting(method));
            let effects = desk.effects.take();
            let what = format!("{granted}: {}: {answer:?}: {effects:?}", method.name);
            if lets(granted, method) {
                let reads = effects.iter().any(|(effect, _)| *effect == "open_log");
                assert!(answer.is_ok(), "{what}");
                assert_eq!(!effects.is_empty(), method.changes() || reads, "{what}");
                assert_eq!(reads, opens(method), "{what}");
            } else {
                assert!(refused(method, &answer), "{what}");
                assert!(effects.is_empty(), "{what}");
            }
            let fits = |action: Action| match method.action {
                Action::Signal(_) => action == Action::Signal(1),
                of_method => action == of_method,
            };
            assert!(effects.iter().all(|(_, action)| fits(*action)), "{what}");
        }
    }
}

#[test]
fn owners_and_everybody_without_roles_may_do_all() {
    for owner in [false, true] {
        for method in METHODS {
            let desk = busy();
            if owner {
                desk.grant("cat", "view");
                desk.enter(Who::Unix { uid: 1, groups: [].into() }, Proof::Peer);
            }
            let answer = desk.call(method.name, &fitting(method));
            assert!(answer.is_ok(), "{}: {answer:?}", method.name);
        }
    }
}

#[test]
fn only_what_is_visible_and_granted_is_touched() {
    let desk = Desk::new();
    desk.grant("cat web:w1", "view");
    let role = |programs: &str, actions: &str| Role {
        programs: programs.split_whitespace().map(|p| Pattern::parse(p).unwrap()).collect(),
        grants: Grants::parse(actions).unwrap(),
        ..desk.access.borrow().rules().roles[0].clone()
    };
    let roles = vec![role("cat web:w1", "view"), role("web:w1", "start, signal(HUP,USR1)")];
    *desk.access.borrow_mut() = Rc::new(Access::new(Rules { roles, owner: 1 }));
    let ok = |name: &str| (name.to_owned(), 80, "OK".to_owned());
    let denied = |name: &str, text: &str| (name.to_owned(), 96, format!("ACCESS_DENIED: {text}"));
    assert_eq!(results(&desk.call("startAllProcesses", &[]).unwrap()), [ok("web:w1")]);
    assert_eq!(results(&desk.call("startProcess", &[s("web:*")]).unwrap()), []);
    let stopped = desk.call("stopAllProcesses", &[]).unwrap();
    let refused = [denied("web:w1", "stop of web:w1"), denied("cat:cat", "stop of cat:cat")];
    assert_eq!(results(&stopped), refused);
    let signal = |signal: &str| desk.call("signalAllProcesses", &[s(signal)]).unwrap();
    let no = |signal: &str| denied("cat:cat", &format!("{signal} of cat:cat"));
    assert_eq!(results(&signal("HUP")), [no("signal(HUP)"), ok("web:w1")]);
    let both = [denied("web:w1", "signal(TERM) of web:w1"), no("signal(TERM)")];
    assert_eq!(results(&signal("TERM")), both);
    let bad = ("web:w1".to_owned(), 11, "BAD_SIGNAL: FOO".to_owned());
    assert_eq!(results(&signal("FOO")), [no("signal"), bad]);
    let fault = |code, text: &str| (code, text.to_owned());
    let stop = desk.fault("stopProcess", &[s("cat")]);
    assert_eq!(stop, fault(96, "ACCESS_DENIED: stop of cat:cat"));
    assert_eq!(desk.fault("startProcess", &[s("web:w2")]), fault(10, "BAD_NAME: web:w2"));
    assert_eq!(desk.fault("stopProcessGroup", &[s("gone")]), fault(10, "BAD_NAME: gone"));
    let Ok(Value::Array(infos)) = desk.call("getAllProcessInfo", &[]) else { panic!("no array") };
    let names: Vec<_> = infos.iter().filter_map(|info| info.member("name")?.as_str()).collect();
    assert_eq!(names, ["cat", "w1"]);
}

#[test]
fn a_group_moves_only_as_a_whole() {
    let desk = busy();
    desk.grant("web:w1 more", "config");
    let name = |name: &str| [s(name)];
    let denied = (96, "ACCESS_DENIED: config of web:*".to_owned());
    assert_eq!(desk.fault("removeProcessGroup", &name("web")), denied);
    assert_eq!(desk.fault("addProcessGroup", &name("web")), denied);
    assert_eq!(desk.fault("addProcessGroup", &name("gone")).0, 10);
    desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
    // `web` has changed and `cat` is gone, but that is nothing to the caller.
    let mine: [Vec<&str>; 3] = [vec!["more"], vec![], vec![]];
    assert_eq!(lists(&desk.call("reloadConfig", &[]).unwrap()), mine);
    desk.grant("web", "config");
    desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
    let changed = lists(&desk.call("reloadConfig", &[]).unwrap());
    assert_eq!(changed, [vec![], vec!["web"], vec![]]);
    let Ok(Value::Array(rows)) = desk.call("getAllConfigInfo", &[]) else { panic!("no array") };
    let names: Vec<_> = rows.iter().filter_map(|row| row.member("name")?.as_str()).collect();
    assert_eq!(names, ["w1", "w2"]);
    desk.grant("more", "config");
    assert_eq!(desk.call("addProcessGroup", &name("more")), Ok(Value::Bool(true)));
}

#[test]
fn labels_are_those_of_the_last_reading() {
    let label = |settings: &mut Settings| {
        settings.processes.get_mut(&0).unwrap().labels = vec!["mine".to_owned()];
    };
    let desk = Desk::with(label);
    desk.grant("@mine", "view");
    assert!(desk.call("getProcessInfo", &[s("cat")]).is_ok());
    let mut latest = (*desk.settings()).clone();
    latest.processes.get_mut(&0).unwrap().labels.clear();
    *desk.latest.borrow_mut() = Rc::new(latest.clone());
    assert_eq!(desk.fault("getProcessInfo", &[s("cat")]).0, 10);
    // Under another number it is still known by its name.
    let mut moved = latest.processes.remove(&0).unwrap();
    moved.labels = vec!["mine".to_owned()];
    latest.processes.insert(9, moved);
    latest.groups[0].slots = vec![9];
    *desk.latest.borrow_mut() = Rc::new(latest);
    assert!(desk.call("getProcessInfo", &[s("cat")]).is_ok());
}

#[test]
fn a_slot_with_two_names_is_both() {
    // What a former broker left calls the slot of `gone` by the name of something that alice may start.
    let desk = Desk::with(|settings| {
        settings.groups[2].name = "mine".to_owned();
        let process = settings.processes.get_mut(&3).unwrap();
        (process.group, process.name) = ("mine".to_owned(), "mine".to_owned());
    });
    *desk.latest.borrow_mut() = Desk::new().settings();
    desk.grant("mine", "start");
    assert_eq!(desk.fault("startProcess", &[s("mine")]).0, 10);
    desk.grant("mine gone", "start");
    assert_eq!(desk.fault("startProcess", &[s("mine")]).0, 20, "its file is missing");
}

#[test]
fn names_that_widen_nothing() {
    let desk = Desk::new();
    desk.grant("web", "operator");
    for name in [
        "*",
        "*:*",
        ":",
        ":*",
        "*:",
        "cat:*",
        "cat:",
        "web:*,cat",
        "web:* cat",
        "we*",
        "w*:*",
        "web:w*",
        "web:*:*",
        "web::w1",
        " web:*",
        "web:* ",
        "WEB:*",
        "web\u{0}:*",
        "web:*\n",
        "w\u{435}b:*",
        "../cat",
        "web/../cat",
        "cat\u{200b}",
    ] {
        for method in METHODS.iter().filter(|m| matches!(m.target, Target::Process | Target::Group))
        {
            let mut params = fitting(method);
            params[0] = s(name);
            let answer = desk.call(method.name, &params);
            let refused =
                [10, 96].contains(&answer.as_ref().map_or_else(|fault| fault.code, |_| 0));
            assert!(refused, "{} of {name:?}: {answer:?}", method.name);
        }
    }
    assert_eq!(*desk.effects.borrow(), []);
}

#[test]
fn callers_learn_who_they_are() {
    let desk = Desk::new();
    let who = |desk: &Desk| {
        let Ok(Value::Struct(members)) = desk.call("whoAmI", &[]) else { panic!("no struct") };
        members.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    let told = |name: &str, auth: &str, roles: &[&str], owner: bool, detailed: &str| {
        let roles = Value::Array(roles.iter().copied().map(s).collect());
        [s(name), s(auth), roles, Value::Bool(owner), s(detailed)]
    };
    assert_eq!(who(&desk), told("anonymous", "none", &[], false, "anonymous"));
    desk.grant("web", "restart");
    assert_eq!(who(&desk), told("user:alice", "password", &["web"], false, "user:alice"));
    desk.enter(Who::User("bob".into()), Proof::Session);
    assert_eq!(who(&desk), told("user:bob", "session", &[], false, "user:bob"));
    desk.enter(Who::Unix { uid: 0, groups: [0].into() }, Proof::Peer);
    assert_eq!(who(&desk), told("unix:0", "peer", &[], true, "unix:0(0)"));
    for (detailed, proof, name, auth, roles) in [
        ("pam:root:0(0)", Proof::Pam, "pam:root", "pam", &[][..]),
        ("cert:CN=a%20b,DNS:c", Proof::Certificate, "cert:CN=a b", "certificate", &[]),
        ("token:ci:web(user:eve)", Proof::Token, "token:ci", "token", &["web"]),
        ("token:ci:gone", Proof::Token, "token:ci", "token", &[]),
    ] {
        desk.enter(Who::parse(detailed).unwrap(), proof);
        assert_eq!(who(&desk), told(name, auth, roles, false, detailed));
    }
}

#[test]
fn rights_are_explained_to_whom_they_concern() {
    let desk = Desk::new();
    desk.grant("web", "restart, signal(HUP)");
    let ask = |user: &str, action: &str, target: &str| {
        desk.call("explainAccess", &[s(user), s(action), s(target)])
    };
    let told = |answer: Result<Value, Fault>| {
        let answer = answer.unwrap();
        let text = |name| answer.member(name).and_then(Value::as_str).unwrap().to_owned();
        (answer.member("allowed") == Some(&Value::Bool(true)), text("rule"), text("place"))
    };
    let yes = || (true, "role:web".to_owned(), "/etc/supervisord.conf:12".to_owned());
    let no = || (false, "default".to_owned(), String::new());
    for own in ["", "alice", "user:alice"] {
        for target in ["web:w1", "web:*"] {
            assert_eq!(told(ask(own, "restart", target)), yes(), "{own} {target}");
        }
        assert_eq!(told(ask(own, "signal(HUP)", "web:w1")), yes());
        assert_eq!(told(ask(own, "signal(TERM)", "web:w1")), no());
        assert_eq!(told(ask(own, "stop", "web:*")), no());
        assert_eq!(told(ask(own, "admin", "daemon")), no());
    }
    let fault = |answer: Result<Value, Fault>| answer.unwrap_err();
    for (target, text) in [("cat", "BAD_NAME: cat"), ("nope", "BAD_NAME: nope")] {
        assert_eq!(fault(ask("", "restart", target)).text, text);
    }
    for other in ["bob", "user:bob", "unix:5", "unix:x", "@5", "anonymous", ":", "\u{0}"] {
        let fault = fault(ask(other, "restart", "web:w1"));
        assert_eq!(fault.text, "ACCESS_DENIED: admin of daemon", "{other}");
    }
    assert_eq!(fault(ask("", "dance", "web:w1")).code, 3);
    desk.enter(Who::Unix { uid: 0, groups: [].into() }, Proof::Peer);
    let user = |name: &str| crate::config::settings::User {
        name: name.to_owned(),
        password: crate::config::settings::Password::Plain("x".to_owned()),
    };
    let mut latest = (*desk.latest()).clone();
    latest.users = vec![user("alice"), user("bob")];
    *desk.latest.borrow_mut() = Rc::new(latest);
    assert_eq!(told(ask("alice", "restart", "web:w1")), yes());
    assert_eq!(told(ask("bob", "restart", "web:w1")), no());
    assert_eq!(told(ask("alice", "restart", "cat")), no());
    assert_eq!(told(ask("unix:0", "restart", "cat")).1, "owner");
    for other in ["unix:5", "unix:5(6,7)", "@5", "anonymous"] {
        assert_eq!(told(ask(other, "view", "web:*")), no(), "{other}");
    }
    for bad in ["carol", "user:carol", "unix:alice", "@web", "a b", "unix:5("] {
        assert_eq!(fault(ask(bad, "view", "cat")).code, 3, "{bad}");
    }
}

#[test]
fn all_kinds_of_callers_ask_about_themselves_and_admins_about_them() {
    let desk = Desk::new();
    desk.grant("web", "restart, signal(HUP)");
    let ask = |user: &str, action: &str| {
        let answer = desk.call("explainAccess", &[s(user), s(action), s("web:w1")]);
        answer.map(|told| told.member("why").and_then(Value::as_str).unwrap().to_owned())
    };
    let token = |name: &str, role: &str, maker: Option<&str>, expires| Token {
        name: name.to_owned(),
        role: role.to_owned(),
        maker: maker.map(str::to_owned),
        expires,
        digest: [7; 32],
    };
    let mut latest = (*desk.latest()).clone();
    latest.tokens = vec![
        token("ci", "web", Some("user:bob"), None),
        token("own", "web", None, Some(u64::MAX)),
        token("program:web:w1", "web", None, None),
        token("old", "web", None, Some(1)),
        token("bad", "web", Some("token:ci:web"), None),
    ];
    *desk.latest.borrow_mut() = Rc::new(latest);
    // Who may see the process: there are as many ways to call oneself as there are texts.
    for (own, proof, texts) in [
        ("token:own:web", Proof::Token, &["", "token:own", "token:own:web"][..]),
        ("token:program%3Aweb%3Aw1:web", Proof::Token, &["token:program:web:w1"]),
    ] {
        desk.enter(Who::parse(own).unwrap(), proof);
        for text in texts {
            assert!(ask(text, "restart").unwrap().starts_with("role web grants restart"), "{text}");
        }
        for other in ["token:ci", "user:alice", "unix:5", "cert:CN=x", "pam:alice:5", "web"] {
            assert_eq!(ask(other, "restart").unwrap_err().text, "ACCESS_DENIED: admin of daemon");
        }
    }
    for (own, proof, text) in [
        ("pam:alice:5(6)", Proof::Pam, "pam:alice"),
        ("pam:alice:5(6)", Proof::Pam, "alice"),
        ("cert:CN=Doe%2C%20Jane,DNS:x", Proof::Certificate, "cert:CN=Doe, Jane"),
        ("cert:CN=y,DNS:x", Proof::Certificate, "cert:DNS:x"),
    ] {
        desk.enter(Who::parse(own).unwrap(), proof);
        // Nothing is there for them, but they are who they say.
        assert_eq!(ask(text, "restart").unwrap_err().text, "BAD_NAME: web:w1", "{text}");
        assert_eq!(ask("unix:5(6)", "restart").unwrap_err().code, 96);
    }
    desk.enter(Who::Unix { uid: 0, groups: [].into() }, Proof::Peer);
    for (user, why) in [
        ("token:own", "role web grants restart on web:w1 to token:own"),
        (
            "token:ci",
            "role web grants restart on web:w1, but user:bob, who made token:ci, may not do it now: a token may do no more \
             than its maker",
        ),
        ("cert:CN=Doe, Jane", "cert:CN=Doe, Jane has no role"),
        ("cert:URI:spiffe://x", "cert:URI:spiffe://x has no role"),
        ("pam:root:0(0)", "pam:root has no role"),
    ] {
        assert_eq!(ask(user, "restart").as_deref(), Ok(why));
    }
    for (user, part) in [
        ("token:nope", "there is no token nope"),
        ("token:", "there is no token"),
        ("token:own:web", "there is no token own:web"),
        ("token:old", "has expired"),
        ("token:bad", "is nobody, and so it does nothing"),
        ("pam:alice", "pam:NAME:UID(GID,GID), not pam:alice"),
        ("cert:deploy", "write cert:CN=NAME"),
    ] {
        let fault = ask(user, "restart").unwrap_err();
        assert!(fault.code == 3 && fault.text.contains(part), "{user}: {fault}");
    }
}

#[test]
fn without_roles_tokens_find_nothing_while_others_may_do_all() {
    for method in METHODS {
        let desk = busy();
        desk.rule(vec![]);
        desk.enter(Who::parse("token:ci:web").unwrap(), Proof::Token);
        let answer = desk.call(method.name, &fitting(method));
        assert!(desk.effects.borrow().is_empty(), "{}", method.name);
        assert_eq!(answer.is_ok(), method.call == Call::WhoAmI, "{}: {answer:?}", method.name);
    }
    for who in ["pam:alice:5", "cert:CN=x"] {
        let desk = busy();
        desk.rule(vec![]);
        desk.enter(Who::parse(who).unwrap(), Proof::Certificate);
        assert_eq!(desk.call("stopProcess", &[s("cat")]), Ok(Value::Bool(true)), "{who}");
    }
}

#[test]
fn methods_of_ours_are_listed_where_there_are_roles() {
    let desk = Desk::new();
    let listed = |desk: &Desk| match desk.call("system.listMethods", &[]) {
        Ok(Value::Array(names)) => names,
        other => panic!("no array: {other:?}"),
    };
    assert!(!listed(&desk).contains(&s("supervisor.whoAmI")));
    desk.grant("cat", "view");
    assert_eq!(listed(&desk).len(), METHODS.len());
}

#[test]
fn a_group_without_processes_is_for_admins_of_the_daemon() {
    let group = Group { name: "empty".into(), priority: 1, of: Of::Programs, slots: vec![] };
    let desk = Desk::with(|settings| settings.groups.push(group));
    let remove = |desk: &Desk| desk.call("removeProcessGroup", &[s("empty")]);
    desk.grant("*", "operator, config");
    assert_eq!(remove(&desk).unwrap_err().text, "BAD_NAME: empty");
    assert_eq!(desk.effects.take(), []);
    desk.grant("web", "admin");
    assert_eq!(remove(&desk).unwrap_err().text, "BAD_NAME: empty");
    desk.grant("*", "admin");
    assert_eq!(remove(&desk), Ok(Value::Bool(true)));
    let open = Desk::with(|settings| {
        let group = Group { name: "empty".into(), priority: 1, of: Of::Programs, slots: vec![] };
        settings.groups.push(group);
    });
    assert_eq!(remove(&open), Ok(Value::Bool(true)));
}

#[test]
fn nobody_is_shown_a_log_by_what_a_former_broker_left() {
    // What was left has the logs of `cat` as those of `web:w1`.
    let desk = Desk::with(|settings| {
        let w1 = settings.processes.get_mut(&1).unwrap();
        (w1.stdout.log, w1.stderr.log) = (Some(1), Some(2));
    });
    for name in ["cat.out", "cat.err"] {
        fs::write(desk.path(name), "secret").unwrap();
    }
    desk.grant("web", "log, clear");
    let part = [s("web:w1"), Value::Int(0), Value::Int(0)];
    let shown = |desk: &Desk| {
        let read = desk.call("readProcessStdoutLog", &part).is_ok();
        let read_too = desk.call("readProcessStderrLog", &part).is_ok();
        let Ok(Value::Array(tail)) = desk.call("tailProcessStdoutLog", &part) else {
            panic!("no array")
        };
        let info = desk.call("getProcessInfo", &[s("web:w1")]).unwrap();
        assert_eq!(read, read_too);
        desk.call("clearProcessLogs", &[s("web:w1")]).unwrap();
        desk.call("clearAllProcessLogs", &[]).unwrap();
        let cleared = desk.effects.take().iter().any(|(what, _)| *what == "clear_log");
        let named = info.member("logfile").unwrap() != &s("");
        assert_eq!([read, named, cleared], [tail[1] != Value::Int(0); 3]);
        read
    };
    let latest = |settings: Settings| *desk.latest.borrow_mut() = Rc::new(settings);
    desk.left.borrow_mut().insert(1);
    let honest = (*Desk::new().settings()).clone();
    latest(honest.clone());
    assert!(!shown(&desk), "the last reading knows that slot");
    let mut gone = honest.clone();
    roster::leave(&mut gone, "web");
    latest(gone.clone());
    assert!(!shown(&desk), "it does not");
    // What this broker has read itself is believed, whatever has been read since; so is the last reading.
    desk.left.borrow_mut().clear();
    assert!(shown(&desk));
    for name in ["cat.out", "cat.err"] {
        fs::write(desk.path(name), "secret").unwrap();
    }
    desk.left.borrow_mut().insert(1);
    latest((*desk.settings()).clone());
    assert!(shown(&desk));
}

#[test]
fn what_moves_as_a_whole_is_explained_as_a_whole() {
    let desk = busy();
    desk.grant("web:w1 more", "config, restart");
    let ask = |action: &str, target: &str| {
        let answer = desk.call("explainAccess", &[s(""), s(action), s(target)]).unwrap();
        let why = answer.member("why").and_then(Value::as_str).unwrap().to_owned();
        (answer.member("allowed") == Some(&Value::Bool(true)), why)
    };
    assert_eq!(desk.fault("addProcessGroup", &[s("web")]).0, 96);
    let (allowed, why) = ask("config", "web:*");
    assert!(!allowed && !why.contains("w2"), "{why}");
    assert!(ask("config", "web:w1").0);
    // That is about those that one sees.
    assert!(ask("restart", "web:*").0);
    desk.grant("web", "config");
    assert!(ask("config", "web:*").0);
}

#[test]
fn a_permit_is_good_for_nothing_else_than_what_it_was_given_for() {
    let desk = busy();
    desk.grant("*", "admin");
    let (access, who) = (desk.access(), desk.caller.borrow().principal.clone());
    let permit = |action, slot| {
        let settings = desk.settings();
        let process = settings.process(slot).unwrap();
        let (group, name) = (&*process.group, &*process.name);
        access.permit(&who, action, On::Process { group, name, labels: &[] }).unwrap()
    };
    let admin = || access.permit(&who, Action::Admin, On::Daemon).unwrap();
    let stop = |slots: &[u32]| Command::Stop { slots: slots.to_vec(), wait: true };
    let slots: Vec<u32> = desk.settings().processes.keys().copied().collect();
    let &[a, b, ..] = &*slots else { panic!("{slots:?}") };
    let of =
        |slots: &[u32]| slots.iter().map(|slot| permit(Action::Stop, *slot)).collect::<Vec<_>>();
    assert!(fit(&desk, &of(&[a, b]), &stop(&[a, b])));
    for (permits, slots) in [
        (of(&[b]), &[a][..]),
        (of(&[b, a]), &[a, b]),
        (of(&[a]), &[a, b]),
        (of(&[a, a]), &[a, b]),
        (vec![permit(Action::Start, a)], &[a]),
        (vec![admin()], &[a]),
    ] {
        assert!(!fit(&desk, &permits, &stop(slots)), "{permits:?} {slots:?}");
    }
    let both = |stop, start| [permit(Action::Restart, stop), permit(Action::Restart, start)];
    let restart = || Command::Restart { slots: vec![a], wait: true };
    assert!(fit(&desk, &both(a, a), &restart()));
    assert!(!fit(&desk, &both(a, b), &restart()) && !fit(&desk, &both(b, a), &restart()));
    let settings = desk.settings();
    let log = |slot| settings.process(slot).unwrap().stdout.log;
    let logged = slots.iter().find(|slot| log(**slot).is_some()).copied().unwrap();
    let other = slots.iter().find(|slot| **slot != logged).copied().unwrap();
    let number = log(logged).unwrap();
    assert!(is_about_log(&desk, &permit(Action::Log, logged), number));
    assert!(!is_about_log(&desk, &permit(Action::Log, other), number));
    assert!(!is_about_log(&desk, &admin(), number));
    let own = settings.activity.log.unwrap();
    assert!(is_about_log(&desk, &admin(), own));
    assert!(!is_about_log(&desk, &permit(Action::Admin, logged), own));
    let group = settings.group("web").unwrap();
    let config =
        |slots: &[u32]| slots.iter().map(|slot| permit(Action::Config, *slot)).collect::<Vec<_>>();
    assert!(move_groups(&desk, &config(&group.slots), &settings, "web"));
    assert!(!move_groups(&desk, &config(&group.slots), &settings, "cat"));
    assert!(!move_groups(&desk, &config(&group.slots[1..]), &settings, "web"));
    assert!(!move_groups(&desk, &[admin()], &settings, "web"));
    assert!(!move_groups(&desk, &[], &settings, "nope"));
}
