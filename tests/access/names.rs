//! Names that want to be more than they are: of methods, of processes, of paths.

use system_tests::Account;

use crate::ask::{Answer, Param, basic, call, get, last_call, post};
use crate::world::{Cast, World, hashed};

const PASSWORD: &str = "names";

/// What the two holes of the reference were found with, and what they could be disguised as.
const METHODS: &[&str] = &[
    // CVE-2017-11610, as it is used in the wild.
    "supervisor.supervisord.options.warnings.linecache.os.system",
    "supervisor.supervisord.options.execve",
    "supervisor.supervisord.options.warnings.sys.modules.posix.system",
    "supervisor.supervisord.process_groups",
    "supervisor.__init__",
    "supervisor.__class__.__mro__",
    "supervisor._update",
    "supervisor._readProcessLog",
    "system.namespaces",
    "system.listMethods.im_func.func_globals",
    "system.multicall.__globals__",
    "supervisor",
    "supervisor.",
    ".shutdown",
    "..",
    "shutdown",
    "supervisor..shutdown",
    "supervisor.shutdown.",
    "supervisor.shutdown.__call__",
    "supervisor.supervisor.shutdown",
    "Supervisor.shutdown",
    "supervisor.Shutdown",
    "supervisor.shutdown\u{0}x",
    "supervisor.shutdown ",
    " supervisor.shutdown",
    "\tsupervisor.shutdown\n",
    "supervisor/shutdown",
    "supervisor:shutdown",
    "supervisor.shut\u{200b}down",
    "ѕupervisor.shutdown",
    "ｓupervisor.shutdown",
    "supervisor.shutdown\u{301}",
    "supervisor\u{2024}shutdown",
    "%73upervisor.shutdown",
    "supervisor.s%68utdown",
    "../supervisor.shutdown",
    "os.system",
    "eval",
    "",
];

/// Names for `secret` or for everything, for who may only do things with `seen` and `seen:*`.
const NAMES: &[&str] = &[
    "*",
    "*:*",
    "*:",
    ":*",
    ":",
    "::",
    "",
    " ",
    "all",
    "?ecret",
    "sec*",
    "s*",
    "[s]ecret",
    "{seen,secret}",
    "seen,secret",
    "seen secret",
    "seen\nsecret",
    "seen\u{0}secret",
    "seen:secret",
    "secret:seen",
    "seen:seen:secret",
    "secret:secret:secret",
    "secret:secret:",
    "secret::secret",
    ":secret",
    "secret ",
    " secret",
    "secret\n",
    "secret\r\n",
    "secret\u{0}",
    "secret\u{b}",
    "Secret",
    "SECRET",
    "seen/../secret",
    "../secret",
    "./secret",
    "secret/",
    "secret/stdout",
    "s\u{435}cret",
    "ｓｅｃｒｅｔ",
    "secret\u{200b}",
    "se\u{ad}cret",
    "\u{202e}terces",
    "secret\u{301}",
    "%73ecret",
    "%2a",
    "&#115;ecret",
    "@secret",
    "@*",
    "!seen",
    "-secret",
    "seen|secret",
    "seen\\secret",
    "0",
    "1",
];

fn world() -> (World, Cast) {
    let (world, cast) = World::new(|room, _, config| {
        let log = |name: &str| format!("startsecs=0\nstdout_logfile={}", room.text(name));
        config
            .program("seen", "/bin/sleep 100000", &log("seen.out"))
            .program("secret", "/bin/sh -c 'echo s3cr3t; exec sleep 100000'", &log("secret.out"))
            .section(&format!("[user:bob]\npassword={}", hashed(room, PASSWORD)))
            .section(
                "[role:team]\nmembers=bob\nprograms=seen, seen:*\nactions=operator, stdin, config",
            )
    });
    world.daemon.wait_running("seen");
    world.daemon.wait_running("secret");
    (world, cast)
}

/// Several calls on one connection.
fn several(world: &World, calls: &[(String, Vec<Param>)]) -> Vec<Answer> {
    let line = basic("bob", PASSWORD);
    let mut bytes = Vec::new();
    for (at, (method, params)) in calls.iter().enumerate() {
        let make = if at + 1 == calls.len() { last_call } else { call };
        bytes.extend(make(method, params, &line));
    }
    Answer::all(&world.raw(&bytes))
}

fn secret(world: &World) -> (i32, i32) {
    (world.pid("secret"), world.daemon.broker())
}

#[test]
fn no_name_of_a_method_leads_anywhere_else() {
    let (world, _) = world();
    let before = secret(&world);
    let params: [&[Param]; 3] = [&[], &["touch /tmp/owned".into()], &["seen".into(), "x".into()]];
    for params in params {
        // What XML cannot carry is no call, and one without a name is none.
        let (cannot, can): (Vec<&str>, Vec<&str>) =
            METHODS.iter().partition(|name| name.is_empty() || name.contains('\u{0}'));
        let calls: Vec<_> = can.iter().map(|name| ((*name).to_owned(), params.to_vec())).collect();
        let answers = several(&world, &calls);
        assert_eq!(answers.len(), calls.len());
        for (name, answer) in can.iter().zip(&answers) {
            assert_eq!(answer.fault(), Some((1, "UNKNOWN_METHOD".to_owned())), "{name:?}");
        }
        let nested = [("system.multicall".to_owned(), vec![Param::Calls(calls)])];
        let answer = &several(&world, &nested)[0];
        assert_eq!(answer.body.matches("UNKNOWN_METHOD").count(), can.len(), "{answer:?}");
        for name in cannot {
            let answer = world.ask(&last_call(name, params, &basic("bob", PASSWORD)));
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    }
    assert_eq!(secret(&world), before);
}

/// Every call that does something to a name.
fn acts(name: &str) -> Vec<(String, Vec<Param>)> {
    let wait = Param::Bool(true);
    let one = |method: &str, more: &[Param]| {
        let mut params = vec![Param::from(name)];
        params.extend(more.iter().cloned());
        (format!("supervisor.{method}"), params)
    };
    vec![
        one("stopProcess", std::slice::from_ref(&wait)),
        one("stopProcessGroup", std::slice::from_ref(&wait)),
        one("restartProcess", std::slice::from_ref(&wait)),
        one("restartProcessGroup", std::slice::from_ref(&wait)),
        one("signalProcess", &["KILL".into()]),
        one("signalProcessGroup", &["KILL".into()]),
        one("clearProcessLogs", &[]),
        one("readProcessStdoutLog", &[Param::Int(0), Param::Int(0)]),
        one("tailProcessStdoutLog", &[Param::Int(0), Param::Int(1000)]),
        one("sendProcessStdin", &["x".into()]),
        one("removeProcessGroup", &[]),
        one("getProcessInfo", &[]),
    ]
}

#[test]
fn no_name_of_a_process_is_more_than_one() {
    let (world, _) = world();
    let before = secret(&world);
    for name in NAMES {
        if name.contains(['\u{0}', '\u{b}']) {
            // XML cannot carry it: the whole document is refused.
            let (method, params) = &acts(name)[0];
            let answer = world.ask(&last_call(method, params, &basic("bob", PASSWORD)));
            assert_eq!(answer.status, 400, "{name:?}: {answer:?}");
            continue;
        }
        for ((method, _), answer) in acts(name).iter().zip(several(&world, &acts(name))) {
            assert_eq!(answer.code(), 10, "{method} {name:?}: {answer:?}");
            assert!(!answer.body.contains("s3cr3t"), "{method} {name:?}: {answer:?}");
        }
    }
    assert_eq!(secret(&world), before);
    let log = std::fs::read_to_string(world.room.path("secret.out")).expect("a log");
    assert_eq!(log, "s3cr3t\n");
}

#[test]
fn names_in_addresses_and_forms_are_no_more_either() {
    let (world, _) = world();
    let before = secret(&world);
    let line = basic("bob", PASSWORD);
    let token = world.ask(&get("/", &line)).token();
    for name in NAMES.iter().filter(|name| !name.trim().is_empty()) {
        let quoted: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
        for action in ["stop", "restart", "clearlog"] {
            let body = format!("action={action}&processname={quoted}&token={token}");
            let answer = world.ask(&post("/index.html", &line, &body));
            assert!([303, 400, 404].contains(&answer.status), "{name:?}: {answer:?}");
            assert!(!answer.head.contains("Process%20secret%20stopped"), "{name:?}: {answer:?}");
        }
        for path in [format!("/logtail/{quoted}"), format!("/logtail/{quoted}/stdout")] {
            let answer = world.ask(&get(&path, &line));
            assert!([400, 404, 410].contains(&answer.status), "{path} {name:?}: {answer:?}");
        }
        let answer = world.ask(&get(&format!("/tail.html?processname={quoted}"), &line));
        assert!(!answer.body.contains("s3cr3t"), "{name:?}: {answer:?}");
    }
    // Of several names one counts, or none: never one for the decision and another for the act.
    for query in [
        "processname=seen&processname=secret",
        "processname=secret&processname=seen",
        "processname=seen%00secret",
        "processname=seen;processname=secret",
        "processname[]=secret&processname=seen",
        "processname=seen&Processname=secret",
    ] {
        let body = format!("action=stop&{query}&token={token}");
        world.ask(&post("/index.html", &line, &body));
        world.ask(&post(
            &format!("/index.html?{query}"),
            &line,
            &format!("action=stop&token={token}"),
        ));
        let other = format!("action=stop&processname=seen&token={token}");
        world.ask(&post(&format!("/index.html?{query}"), &line, &other));
    }
    assert_eq!(secret(&world), before);
}

/// Paths that want out of the logs, or past the one name that may be read.
const PATHS: &[&str] = &[
    "/logtail/../secret",
    "/logtail/seen/../secret",
    "/logtail/seen/../../secret",
    "/logtail/seen/stdout/../../secret",
    "/logtail/./secret",
    "/logtail//secret",
    "//logtail/secret",
    "/logtail/%2e%2e/secret",
    "/logtail/seen%2f..%2fsecret",
    "/logtail/seen%2fsecret",
    "/logtail/%73ecret",
    "/logtail/%73%65%63%72%65%74/stdout",
    "/logtail/secret%00",
    "/logtail/secret%00/stdout",
    "/logtail/seen%00/../secret",
    "/logtail/secret%0a",
    "/logtail/secret?processname=seen",
    "/logtail/secret;seen",
    "/logtail/seen;/../secret",
    "/logtail/secret#seen",
    "/logtail/..%5csecret",
    "/logtail\\secret",
    "/logtail/..%c0%afsecret",
    "/logtail/%252e%252e/secret",
    "/logtail/secret:secret",
    "/logtail/secret%3asecret",
    "/logtail/secret:",
    "/logtail/:secret",
    "/logtail/../../../../etc/passwd",
    "/logtail/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/logtail//etc/passwd",
    "/logtail/%2fetc%2fpasswd",
    "/logtail/file:///etc/passwd",
    "/stylesheets/../../../etc/passwd",
    "/stylesheets/..%2f..%2fsupervisord.conf",
    "/images/%2e%2e/%2e%2e/supervisord.conf",
    "/LOGTAIL/secret",
    "/logtail/seen/../../mainlogtail",
    "/mainlogtail/",
    "/mainlogtail/../mainlogtail",
    "/%6dainlogtail",
    "/logtail/",
    "/logtail",
    "http://localhost/logtail/secret",
    "http://evil.example/logtail/secret",
];

#[test]
fn no_path_leads_to_another_log() {
    let (world, cast) = world();
    let line = basic("bob", PASSWORD);
    std::fs::write(world.room.path("..passwd"), "").expect("a file");
    let harmless = |path: &str, answer: &Answer| {
        assert!(answer.status >= 300, "{path}: {answer:?}");
        for bad in ["s3cr3t", "root:x:", "[supervisord]", "spawned"] {
            assert!(!answer.body.contains(bad), "{path}: {answer:?}");
        }
    };
    for path in PATHS {
        let ask = |method: &str, lines: &str| {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}");
            format!("{head}Connection: close\r\n\r\n").into_bytes()
        };
        harmless(path, &world.ask(&ask("GET", &line)));
        harmless(path, &Answer::read(&world.raw_as(&cast.carol, &ask("GET", ""))));
    }
    let ways = |who: &Account| world.raw_as(who, &get("/logtail/secret", ""));
    assert_eq!(Answer::read(&ways(&cast.alice)).status, Answer::read(&ways(&cast.carol)).status);
}
