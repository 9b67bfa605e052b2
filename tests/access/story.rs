//! The web team restarts a server that runs as root on port 80 and reads its log, and can do nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use system_tests::wait::within;
use system_tests::{Account, Dist, browser, poll_until};

use crate::ask::{Param, basic, get, last_call};
use crate::world::{Cast, Line, PORT, World, feed, hashed, told};

const PASSWORD: &str = "correct horse battery staple";

/// The story's daemon: `nginx` on port 80 as root, `database`, a group that has both kinds; what `members=` has.
fn world(members: impl Fn(&Cast) -> String) -> (World, Cast) {
    let (world, cast) = World::new(|room, cast, config| {
        let front = room.helper("front");
        let log = |name: &str| format!("startsecs=0\nstdout_logfile={}", room.text(name));
        config
            .program("nginx", &format!("{} 0.0.0.0:80", front.display()), &log("nginx.log"))
            .program(
                "database",
                "/bin/sh -c 'echo a row of data; exec sleep 100000'",
                &log("db.log"),
            )
            .program("helper", "/bin/sleep 100000", "startsecs=0")
            .section("[group:shop]\nprograms=helper")
            .section(&format!("[user:bob]\npassword={}", hashed(room, PASSWORD)))
            .section(&format!(
                "[role:webteam]\nmembers={}\nprograms=nginx\nactions=view, log, restart",
                members(cast)
            ))
    });
    for name in ["nginx", "database", "shop:helper"] {
        world.daemon.wait_running(name);
    }
    serving(&world);
    (world, cast)
}

/// Process id and user of who answers on port 80.
fn serving(world: &World) -> (i32, u32) {
    let ask = || {
        let mut stream = TcpStream::connect("127.0.0.1:80").ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (_, body) = text.split_once("\r\n\r\n")?;
        let mut words = body.split_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    world.network.inside(|| poll_until("an answer on port 80", ask))
}

/// How somebody comes in.
enum Way<'a> {
    Unix(&'a Account),
    Password,
}

impl Way<'_> {
    fn ctl(&self, world: &World, line: &str) -> (i32, String) {
        match self {
            Way::Unix(who) => world.ctl(who, line),
            Way::Password => world.login("bob", PASSWORD, line),
        }
    }

    fn ask(&self, world: &World, request: impl Fn(&str) -> Vec<u8>) -> crate::ask::Answer {
        match self {
            Way::Unix(who) => world.ask_as(who, &request("")),
            Way::Password => world.ask(&request(&basic("bob", PASSWORD))),
        }
    }

    fn who(&self) -> (String, &'static str) {
        match self {
            Way::Unix(who) => (format!("unix:{}", who.id), "peer"),
            Way::Password => ("user:bob".to_owned(), "password"),
        }
    }
}

/// Says that this changed nothing but, perhaps, nginx.
fn others_stay<T>(world: &World, act: impl FnOnce() -> T) -> T {
    let others = || ["database", "shop:helper"].map(|name| world.pid(name));
    let before = others();
    let result = act();
    assert_eq!(others(), before);
    result
}

fn sees_only_nginx(world: &World, way: &Way<'_>) {
    for line in
        ["status", "status all", "status nginx", "status *:*", "status n*", "status nginx:*"]
    {
        let (code, text) = way.ctl(world, line);
        assert!(text.starts_with("nginx ") && text.contains("RUNNING"), "{line}: {text}");
        assert_eq!((code, text.lines().count()), (0, 1), "{line}: {text}");
    }
    for word in ["status", "pid", "tail", "restart", "stop", "start", "clear", "signal HUP"] {
        let ask = |name: &str| way.ctl(world, &format!("{word} {name}"));
        let as_missing =
            |(code, text): (i32, String), name: &str| (code, text.replace(name, "nonesuch"));
        for (there, no) in
            [("database", "nonesuch"), ("shop:helper", "nonesuch"), ("shop:*", "nonesuch:*")]
        {
            let told = ask(there);
            assert_ne!(told.0, 0, "{word} {there}: {told:?}");
            let there = there.trim_end_matches(":*");
            assert_eq!(as_missing(told, there), ask(no), "{word} {there}");
        }
    }
    let (_, text) = way.ctl(world, "avail");
    assert!(!text.contains("database") && !text.contains("helper"), "{text}");
}

fn restarts_it(world: &World, way: &Way<'_>) {
    for line in ["restart nginx", "restart all", "restart nginx:*"] {
        let before = serving(world);
        let (code, text) = others_stay(world, || way.ctl(world, line));
        assert_eq!((code, text.as_str()), (0, "nginx: stopped\nnginx: started\n"), "{line}");
        let after = serving(world);
        assert_ne!(before.0, after.0, "{line}");
        assert_eq!((after.0, after.1), (world.pid("nginx"), 0), "{line}");
    }
}

fn reads_its_log(world: &World, way: &Way<'_>) {
    let (code, text) = way.ctl(world, "tail nginx");
    assert!(code == 0 && text.contains("front: listening on 0.0.0.0:80 as user 0\n"), "{text}");
    let page = way.ask(world, |lines| get("/tail.html?processname=nginx", lines));
    assert!(page.status == 200 && page.body.contains("front: listening on"), "{page:?}");
    for path in ["/mainlogtail", "/tail.html", "/logtail/database", "/logtail/shop:helper/stderr"] {
        let answer = way.ask(world, |lines| get(path, lines));
        assert!(!answer.body.contains("a row of data"), "{answer:?}");
        assert!(!answer.body.contains("spawned"), "{path}: {answer:?}");
    }
}

fn can_do_nothing_else(world: &World, way: &Way<'_>) {
    let nginx = world.pid("nginx");
    for line in [
        "stop nginx",
        "stop all",
        "stop nginx:*",
        "signal TERM nginx",
        "signal KILL all",
        "clear nginx",
        "clear all",
        "shutdown",
        "reload",
        "reread",
        "update",
        "add database",
        "remove nginx",
        "maintail",
    ] {
        let (code, text) = others_stay(world, || way.ctl(world, line));
        assert!(code != 0 && text.contains("not allowed"), "{line}: {code} {text}");
        assert!(!text.contains("database") || line.contains("database"), "{line}: {text}");
    }
    let stdin = ["nginx".into(), Param::from("x\n")];
    let answer = way.ask(world, |lines| last_call("supervisor.sendProcessStdin", &stdin, lines));
    let told = (96, "ACCESS_DENIED: stdin of nginx:nginx".to_owned());
    assert_eq!(answer.fault(), Some(told), "{answer:?}");
    assert_eq!(world.pid("nginx"), nginx, "it was never stopped");
}

fn every_try_is_on_record(world: &World, way: &Way<'_>) {
    let (who, auth) = way.who();
    let has = |action: &str, target: &str, decision: &str| {
        world.recorded(&format!("{action} of {target} by {who}: {decision}"), |l: &Line| {
            (l.who.as_str(), l.auth.as_str()) == (&who, auth)
                && (l.action.as_str(), l.target.as_str()) == (action, target)
                && l.decision == decision
        })
    };
    let restart = has("restart", "nginx:nginx", "allow");
    assert!(
        restart.rule.starts_with("role:webteam ") && restart.rule.contains(".conf:"),
        "{restart:?}"
    );
    for action in ["stop", "signal", "clear", "stdin"] {
        has(action, "nginx:nginx", "deny");
    }
    has("admin", "daemon", "deny");
    has("config", "daemon", "deny");
    // To who may not see it there is no telling whether it could be restarted: the client stops and starts it.
    world.recorded("the try to restart the database", |l| {
        l.who == who
            && ["restart", "stop"].contains(&l.action.as_str())
            && l.target.contains("database")
            && l.decision == "deny"
    });
}

fn the_chain_holds(world: &World) {
    let log = world.room.text("audit.log");
    let (code, text) = world.root(&format!("audit verify {log}"));
    // A log that is still young has no anchor yet.
    assert!(code == 0 || code == 3 && text.contains("no anchor"), "{code}: {text}");
    let (code, text) = world.root(&format!("audit show {log}"));
    assert!(code == 0 && text.contains("restart") && text.contains("nginx:nginx"), "{text}");
}

fn whole_story(world: &World, way: &Way<'_>) {
    others_stay(world, || {
        sees_only_nginx(world, way);
        restarts_it(world, way);
        reads_its_log(world, way);
        can_do_nothing_else(world, way);
    });
    every_try_is_on_record(world, way);
    the_chain_holds(world);
}

#[test]
fn alice_does_it_without_a_password() {
    let (world, cast) = world(|cast| format!("@{}", cast.web.name));
    whole_story(&world, &Way::Unix(&cast.alice));
    // The same word for word is not carol's, who is in no group with a role.
    let (code, text) = world.ctl(&cast.carol, "restart nginx");
    assert!(code != 0 && !text.contains("started"), "{text}");
    let (_, text) = world.ctl(&cast.carol, "status");
    assert!(!text.contains("nginx"), "{text}");
}

#[test]
fn bob_does_it_over_the_network_with_a_password() {
    let (world, _) = world(|_| "bob".to_owned());
    whole_story(&world, &Way::Password);
    let (code, text) = world.login("bob", "wrong", "restart nginx");
    assert!(code != 0 && !text.contains("started"), "{text}");
    world.recorded("the wrong password", |l| l.event == "login" && l.decision == "deny");
    let audit = std::fs::read_to_string(world.room.path("audit.log")).expect("an audit log");
    for secret in [PASSWORD, "wrong\"", "$argon2id", "a row of data"] {
        assert!(!audit.contains(secret), "{secret}");
    }
}

#[test]
fn bob_does_it_in_a_browser() {
    let (world, _) = world(|_| "bob".to_owned());
    let before = serving(&world);
    let url = format!("http://127.0.0.1:{PORT}/");
    let looked = others_stay(&world, || {
        world.network.inside(|| browser::look("access/browser.py", "bob", &[&url, PASSWORD]))
    });
    if !looked {
        return;
    }
    let after = serving(&world);
    assert_ne!(before.0, after.0, "it was restarted");
    let by_session = |l: &Line, action: &str, decision: &str| {
        (l.who.as_str(), l.auth.as_str()) == ("user:bob", "session")
            && (l.action.as_str(), l.decision.as_str()) == (action, decision)
    };
    let restart = world.recorded("the restart", |l| by_session(l, "restart", "allow"));
    assert_eq!(restart.target, "nginx:nginx");
    world.recorded("a refused stop", |l| by_session(l, "stop", "deny"));
    world.recorded("the wrong password", |l| l.event == "login" && l.decision == "deny");
    world.recorded("the session", |l| l.event == "login" && l.decision == "allow");
    the_chain_holds(&world);
}

#[test]
fn what_is_done_to_the_record_is_found() {
    let (mut world, cast) = world(|cast| format!("@{}", cast.web.name));
    for line in ["restart nginx", "stop nginx", "restart database"] {
        world.ctl(&cast.alice, line);
    }
    assert_eq!(world.daemon.stop(), 0);
    the_chain_holds(&world);
    let path = world.room.path("audit.log");
    let text = std::fs::read_to_string(&path).expect("an audit log");
    let lines: Vec<&str> = text.lines().collect();
    let deny = lines.iter().position(|l| l.contains("\"deny\"")).expect("a refusal");
    let but = |act: &dyn Fn(&mut Vec<&str>)| {
        let mut lines = lines.clone();
        act(&mut lines);
        lines.join("\n") + "\n"
    };
    for (what, touched) in [
        ("edited", text.replacen("\"deny\"", "\"allow\"", 1)),
        ("another user", text.replacen(&format!("unix:{}", cast.alice.id), "unix:1", 1)),
        ("without a line", but(&|l| _ = l.remove(deny))),
        ("without the first", but(&|l| _ = l.remove(0))),
        ("in another order", but(&|l| l.swap(deny - 1, deny))),
        ("with a line twice", but(&|l| l.insert(deny, l[deny]))),
        ("without the last", but(&|l| _ = l.pop())),
        ("without its second half", but(&|l| l.truncate(deny))),
        ("empty", String::new()),
    ] {
        std::fs::write(&path, touched).expect("the audit log");
        let (code, told) = world.root(&format!("audit verify {}", path.display()));
        assert_eq!(code, 1, "{what}: {told}");
    }
    std::fs::write(&path, &text).expect("the audit log");
    the_chain_holds(&world);
}

#[test]
fn root_and_the_auditor_can_ask() {
    let (world, cast) = world(|cast| format!("{}, bob", cast.alice.name));
    let (code, text) = world.ctl(&cast.alice, "whoami");
    let id = format!("unix:{}", cast.alice.id);
    assert!(code == 0 && text.contains(&id) && text.contains("webteam"), "{text}");
    let (code, text) = world.login("bob", PASSWORD, "whoami");
    assert!(code == 0 && text.contains("bob") && text.contains("webteam"), "{text}");

    let place = format!("{}:", world.config.display());
    let alice = &cast.alice.name;
    for (question, allowed) in [
        (format!("can {alice} restart nginx"), true),
        ("can bob restart nginx".to_owned(), true),
        ("can bob log nginx".to_owned(), true),
        (format!("can {alice} stop nginx"), false),
        ("can bob stop nginx".to_owned(), false),
        ("can bob restart database".to_owned(), false),
        (format!("can {} view nginx", cast.carol.name), false),
        ("can anonymous view nginx".to_owned(), false),
        ("can root stop database".to_owned(), true),
    ] {
        let (code, text) = world.root(&question);
        assert_eq!(code == 0, allowed, "{question}: {text}");
        let by_role = allowed && !question.contains("root");
        assert_eq!(text.contains(&place), by_role, "{question}: {text}");
    }
    // Others are nobody's business.
    let (code, text) = world.ctl(&cast.alice, "can bob restart nginx");
    assert!(code != 0 && text.contains("not allowed"), "{text}");
    let (code, text) = world.ctl(&cast.alice, &format!("can {alice} restart nginx"));
    assert_eq!(code, 0, "{text}");
}

/// What programs read of the report: who may do what to nginx, and what is said of it first.
const POLICY: &str = r#"
import json, sys
report = json.load(sys.stdin)
text = json.dumps(report)
assert isinstance(report, dict) and "weak" in text.lower(), report.keys()
for word in ("nginx", "database", "webteam", "user:bob", "argon2id", "restart"):
    assert word in text, word
assert "$argon2" not in text
print("read")
"#;

#[test]
fn the_report_says_who_may_do_what() {
    let (world, cast) = world(|cast| format!("@{}, bob", cast.web.name));
    let report = |options: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("60").arg(Dist::plain().supervisord()).args(options).arg("-c");
        let output = command.arg(&world.config).output().expect("a report");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let text = report(&["--policy"]);
    let (weak, rest) = text.split_once("What runs as root").expect("weak points first");
    assert!(weak.contains("root program") && weak.contains("nginx"), "{text}");
    for part in
        ["user:bob", &cast.web.name, "role:webteam", "view, log, restart", "argon2id", "0777"]
    {
        assert!(rest.contains(part), "{part}: {text}");
    }
    let mut python = Command::new("/usr/bin/python3");
    let output = feed(python.args(["-c", POLICY]), report(&["--policy", "--json"]).as_bytes());
    assert_eq!(told(&output), (0, "read\n".to_owned()));
}

#[test]
fn a_change_of_the_roles_takes_effect_at_once_and_for_open_connections_too() {
    let (world, cast) = world(|_| "bob".to_owned());
    let alice = |line: &str| world.ctl(&cast.alice, line);
    assert!(!alice("status").1.contains("nginx"));
    let asking = basic("bob", PASSWORD);
    let mut wire = world.network.inside(|| world.tcp().connect()).expect("a connection");
    let mut ask = || {
        let call = crate::ask::call("supervisor.getProcessInfo", &["nginx".into()], &asking);
        wire.send(&call).expect("a question");
        wire.answer().expect("an answer").1.contains("<fault>")
    };
    assert!(!ask(), "bob sees it");
    let text = std::fs::read_to_string(&world.config).expect("the configuration");
    let text = text.replace("members=bob", &format!("members={}", cast.alice.name));
    std::fs::write(&world.config, text).expect("the configuration");
    assert_eq!(world.root("reread").0, 0);
    assert!(alice("status").1.starts_with("nginx "));
    assert!(ask(), "bob does not any more");
    let (code, text) = world.ctl(&cast.alice, "restart nginx");
    assert_eq!(code, 0, "{text}");
    assert!(within(system_tests::wait::PATIENCE, || Some(serving(&world))).is_some());
}
