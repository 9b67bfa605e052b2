//! What may not be seen is not there: for every method of the interface, every address of the pages, the answer for what is
//! hidden is, byte for byte, that for what does not exist.

use std::collections::BTreeSet;

use system_tests::{Account, procfs};

use crate::ask::{Answer, Param, call, get, last_call, post};
use crate::world::{Cast, World};

/// The document that is made from the method table.
const INTERFACE: &str = include_str!("../../docs/api.md");

/// Names of what is hidden, each with one of the same length that nobody has.
const NAMES: [(&str, &str); 7] = [
    ("secret", "absent"),
    ("secret:secret", "absent:absent"),
    ("secret:*", "absent:*"),
    ("secret:", "absent:"),
    ("mixed:closed", "mixed:absent"),
    ("seen:secret", "seen:absent"),
    ("closed", "absent"),
];

/// What nobody who may not see it may find anywhere.
const TRACES: [&str; 4] = ["secret", "closed", "s3cr3t-line", "s3cr3t-command"];

/// All methods with the names of their parameters.
fn methods() -> Vec<(String, Vec<String>)> {
    let lines =
        INTERFACE.lines().filter_map(|l| l.strip_prefix("### s").map(|rest| format!("s{rest}")));
    let calls = lines.filter_map(|line| {
        let (name, params) = line.strip_suffix(')')?.split_once('(')?;
        let words = params.split(", ").filter(|p| !p.is_empty());
        let words = words.map(|p| p.split(' ').next().unwrap_or(p).to_owned());
        Some((name.to_owned(), words.collect()))
    });
    calls.filter(|(name, _): &(String, _)| name.contains('.')).collect()
}

/// Something for a parameter that is no name.
fn plain(word: &str) -> Param {
    match word {
        "offset" => Param::Int(0),
        "length" => Param::Int(100),
        "wait" => Param::Bool(true),
        "signal" => "WINCH".into(),
        "calls" => Param::Calls(vec![("supervisor.getAllProcessInfo".to_owned(), Vec::new())]),
        "user" => "".into(),
        "action" => "view".into(),
        "chars" | "data" => "x\n".into(),
        "type" => "t".into(),
        other => panic!("a parameter that this test does not know: {other}"),
    }
}

/// The calls that are about a process or a group of this name.
fn about(name: &str) -> Vec<(String, Vec<Param>)> {
    let mut calls = Vec::new();
    for (method, words) in methods() {
        if method.starts_with("system.") || !words.iter().any(|w| w == "name" || w == "target") {
            continue;
        }
        let param = |word: &String| match word.as_str() {
            "name" | "target" => name.into(),
            word => plain(word),
        };
        let params: Vec<Param> = words.iter().map(param).collect();
        calls.push((method.clone(), params.clone()));
        if words.iter().any(|w| w == "wait") {
            let mut now = params.clone();
            now.pop();
            now.push(Param::Bool(false));
            calls.push((method.clone(), now));
        }
        // What is wrong otherwise tells nothing either.
        let odd = |param: Param| match param {
            Param::Str(text) if text == "WINCH" => "NOPE".into(),
            Param::Int(n) => Param::Int(-n - 1),
            other => other,
        };
        calls.push((method.clone(), params.into_iter().map(odd).collect()));
        calls.push((method, vec![name.into(); words.len() + 1]));
    }
    assert!(calls.len() > 60, "the interface has not been understood: {calls:?}");
    calls
}

/// Programs of which some may be seen, by `members`, who may do nearly all with them.
fn world(members: &str, actions: &str) -> (World, Cast) {
    let (world, cast) = World::new(|room, cast, config| {
        let member = members.replace("WEB", &format!("@{}", cast.web.name));
        let log = |name: &str| {
            format!("startsecs=0\nstdout_logfile={}\nstderr_logfile=NONE\n", room.text(name))
        };
        let command = "/bin/sh -c 'echo s3cr3t-line; : s3cr3t-command; exec sleep 100000'";
        config
            .program("seen", "/bin/sh -c 'echo in the open; exec cat'", &log("seen.out"))
            .program("secret", command, &log("one.out"))
            .program("open", "/bin/sh -c 'echo in the open; exec cat'", &log("open.out"))
            .program("closed", command, &log("two.out"))
            .section("[group:mixed]\nprograms=open,closed")
            .section(&format!(
                "[role:team]\nmembers={member}\nprograms=seen, mixed:open\nactions={actions}"
            ))
    });
    for name in ["seen", "secret", "mixed:open", "mixed:closed"] {
        world.daemon.wait_running(name);
    }
    (world, cast)
}

const NEARLY_ALL: &str = "view, log, clear, start, stop, restart, signal, stdin, config";

/// The answers to several requests on one connection over the unix socket.
fn answers(world: &World, who: &Account, requests: &[(String, Vec<Param>)]) -> Vec<Answer> {
    let mut bytes: Vec<u8> = Vec::new();
    for (at, (method, params)) in requests.iter().enumerate() {
        let last = at + 1 == requests.len();
        bytes.extend(if last { last_call(method, params, "") } else { call(method, params, "") });
    }
    let answers = Answer::all(&world.raw_as(who, &bytes));
    assert_eq!(answers.len(), requests.len(), "one answer each");
    answers
}

/// The answers for the one name are those for the other, in whatever way they quote it.
fn same(what: &str, hidden: &Answer, missing: &Answer, names: (&str, &str)) {
    let parts = || names.0.split(':').zip(names.1.split(':')).filter(|(a, b)| a != b);
    let as_missing = |text: &str| parts().fold(text.to_owned(), |text, (a, b)| text.replace(a, b));
    let [hidden, missing] = [hidden.settled(), missing.settled()];
    assert_eq!(hidden.status, missing.status, "{what}: {hidden:?} {missing:?}");
    assert_eq!(as_missing(&hidden.head), missing.head, "{what}");
    assert_eq!(as_missing(&hidden.body), missing.body, "{what}");
}

/// Processes that nobody here may touch: they are the same after `act`.
fn untouched<T>(world: &World, act: impl FnOnce() -> T) -> T {
    let pids =
        || ["secret", "mixed:closed"].map(|name| (world.pid(name), world.daemon.state(name)));
    let before = pids();
    let result = act();
    assert_eq!(pids(), before);
    for (pid, _) in before {
        assert!(procfs::alive(pid));
    }
    for file in ["one.out", "two.out"] {
        let text = std::fs::read_to_string(world.room.path(file)).expect("a log");
        assert_eq!(text, "s3cr3t-line\n", "{file}");
    }
    result
}

#[test]
fn every_method_answers_as_if_it_were_not_there() {
    let (world, cast) = world("WEB", NEARLY_ALL);
    untouched(&world, || {
        for names in NAMES {
            let (hidden, missing) = (about(names.0), about(names.1));
            let (one, other) =
                (answers(&world, &cast.alice, &hidden), answers(&world, &cast.alice, &missing));
            for ((call, a), b) in hidden.iter().zip(&one).zip(&other) {
                same(&format!("{call:?}"), a, b, names);
                assert_ne!(a.fault().map(|f| f.0), Some(96), "{call:?}: that it is there is told");
            }
        }
    });
}

#[test]
fn a_multicall_is_no_way_round() {
    let (world, cast) = world("WEB", NEARLY_ALL);
    untouched(&world, || {
        for names in NAMES {
            let all = |name: &str| {
                let nested = ("system.multicall".to_owned(), vec![Param::Calls(about(name))]);
                let mut calls = about(name);
                calls.push(nested);
                vec![("system.multicall".to_owned(), vec![Param::Calls(calls)])]
            };
            let one = answers(&world, &cast.alice, &all(names.0));
            let other = answers(&world, &cast.alice, &all(names.1));
            assert!(one[0].body.matches("BAD_NAME").count() > 20, "{}", one[0].body);
            same("a multicall", &one[0], &other[0], names);
        }
    });
}

#[test]
fn what_is_about_everything_leaves_it_out() {
    let (world, cast) = world("WEB", NEARLY_ALL);
    let mut denied = BTreeSet::new();
    untouched(&world, || {
        let calls: Vec<(String, Vec<Param>)> = methods()
            .into_iter()
            .filter(|(_, words)| !words.iter().any(|w| w == "name" || w == "target"))
            .map(|(method, words)| (method, words.iter().map(|w| plain(w)).collect()))
            .collect();
        for ((method, _), answer) in calls.iter().zip(answers(&world, &cast.alice, &calls)) {
            for trace in TRACES {
                assert!(!answer.body.contains(trace), "{method}: {answer:?}");
            }
            if let Some((96, text)) = answer.fault() {
                assert!(text.starts_with("ACCESS_DENIED"), "{text}");
                denied.insert(method.clone());
            }
        }
    });
    let expected =
        ["clearLog", "readLog", "readMainLog", "restart", "sendRemoteCommEvent", "shutdown"];
    let expected = expected.map(|name| format!("supervisor.{name}"));
    assert_eq!(denied, BTreeSet::from(expected));
    // The last of them has stopped what may be stopped.
    assert_eq!(["seen", "mixed:open"].map(|name| world.daemon.state(name)), ["STOPPED"; 2]);
}

#[test]
fn who_has_no_role_is_told_of_nothing() {
    let (world, cast) = world("WEB", NEARLY_ALL);
    untouched(&world, || {
        for names in [("seen", "nope"), ("secret", "absent"), ("mixed:*", "maxed:*")] {
            let (there, missing) = (about(names.0), about(names.1));
            let one = answers(&world, &cast.carol, &there);
            let other = answers(&world, &cast.carol, &missing);
            for ((call, a), b) in there.iter().zip(&one).zip(&other) {
                same(&format!("{call:?}"), a, b, names);
            }
        }
        let seen = world.pid("seen");
        let all = methods().into_iter().filter(|(_, words)| words.is_empty());
        let calls: Vec<_> = all.map(|(method, _)| (method, Vec::new())).collect();
        for (call, answer) in calls.iter().zip(answers(&world, &cast.carol, &calls)) {
            for trace in TRACES.iter().chain(&["seen", "mixed", "in the open"]) {
                assert!(!answer.body.contains(trace), "{call:?}: {answer:?}");
            }
        }
        assert_eq!(world.pid("seen"), seen);
    });
}

/// Addresses of the pages that are about a process.
fn addresses(name: &str) -> Vec<String> {
    let mut paths = vec![
        format!("/logtail/{name}"),
        format!("/logtail/{name}/stdout"),
        format!("/logtail/{name}/stderr"),
        format!("/logtail/{name}/nothing"),
        format!("/tail.html?processname={name}"),
        format!("/tail.html?processname={name}&limit=5000&stream=stderr"),
        format!("/tail.html?processname={name}&limit=x"),
    ];
    for action in ["start", "stop", "restart", "clearlog", "nothing", "refresh"] {
        paths.push(format!("/index.html?action={action}&processname={name}"));
    }
    paths
}

#[test]
fn every_address_answers_as_if_it_were_not_there() {
    let (world, cast) = world("WEB", NEARLY_ALL);
    untouched(&world, || {
        for names in NAMES {
            let (hidden, missing) = (addresses(names.0), addresses(names.1));
            for (a, b) in hidden.iter().zip(&missing) {
                let ask = |path: &str| world.ask_as(&cast.alice, &get(path, ""));
                same(a, &ask(a), &ask(b), names);
            }
            let page = world.ask_as(&cast.alice, &get("/", ""));
            for action in ["start", "stop", "restart", "clearlog"] {
                let press = |name: &str| {
                    let token = page.token();
                    let body = format!("action={action}&processname={name}&token={token}");
                    world.ask_as(&cast.alice, &post("/index.html", "", &body))
                };
                same(action, &press(names.0), &press(names.1), names);
            }
            for trace in TRACES {
                assert!(!page.body.contains(trace), "{trace}: {}", page.body);
            }
        }
    });
}

#[test]
fn records_of_what_was_hidden_are_kept_for_the_auditor() {
    let (world, cast) = world("WEB", NEARLY_ALL);
    let stop = last_call("supervisor.stopProcess", &["secret".into()], "");
    assert_eq!(world.ask_as(&cast.alice, &stop).code(), 10);
    let line = world.recorded("the try", |l| l.target.contains("secret") && l.decision == "deny");
    assert_eq!((line.who, line.action), (format!("unix:{}", cast.alice.id), "stop".to_owned()));
}
