//! Reading the configuration again: what clients are told, what changes, what goes on as before, what errors do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use system_tests::dist::{Dist, reference};
use system_tests::{Config, Daemon, Error, Launch, Room, Value, procfs, wait_for};

const SLEEP: &str = "/bin/sleep 100000";

fn launch(config: &Config, room: &Room) -> Daemon {
    let daemon = Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready();
    wait_for("all programs to run", || states(&daemon).values().all(|(s, _)| s == "RUNNING"));
    daemon
}

/// Name → state and pid of every process.
fn states(daemon: &Daemon) -> BTreeMap<String, (String, i64)> {
    let all = daemon.ask("supervisor.getAllProcessInfo", &[]);
    let row = |info: &Value| {
        let name = format!("{}:{}", info.get("group").str(), info.get("name").str());
        (name, (info.get("statename").str().to_owned(), info.get("pid").int()))
    };
    all.array().iter().map(row).collect()
}

fn ctl(binary: &Path, room: &Room, words: &[&str]) -> Output {
    let mut command = Command::new(binary);
    command.arg("-c").arg(room.path("supervisord.conf")).args(words).env_clear();
    command.output().expect("a client")
}

/// What a client says, which must be well with it.
fn says(binary: &Path, room: &Room, words: &[&str]) -> String {
    let done = ctl(binary, room, words);
    assert!(done.status.success(), "{words:?}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

fn clients() -> [std::path::PathBuf; 2] {
    [Dist::plain().supervisorctl(), reference("supervisorctl")]
}

fn before(room: &Room) -> Config {
    Config::new(room)
        .program("stays", SLEEP, "startsecs=0")
        .program("auto", SLEEP, "startsecs=0\nenvironment=A=\"1\"")
        .program("changes", SLEEP, "startsecs=0")
        .program("goes", SLEEP, "startsecs=0")
        .program("many", SLEEP, "startsecs=0\nnumprocs=3\nprocess_name=m%(process_num)d")
        .section("[group:pair]\nprograms=left,right")
        .program("left", SLEEP, "startsecs=0")
        .program("right", SLEEP, "startsecs=0")
}

/// One program is gone, one is new, one has another environment, one has a process more, and all is in another order.
fn after(room: &Room) -> Config {
    Config::new(room)
        .program("new", SLEEP, "startsecs=0")
        .program("right", SLEEP, "startsecs=0")
        .program("left", SLEEP, "startsecs=0")
        .section("[group:pair]\nprograms=left,right")
        .program("many", SLEEP, "startsecs=0\nnumprocs=4\nprocess_name=m%(process_num)d")
        .program("changes", SLEEP, "startsecs=0\nenvironment=B=\"2\"")
        .program("auto", SLEEP, "startsecs=0\nenvironment=A=\"1\"")
        .program("stays", SLEEP, "startsecs=0")
}

const KEPT: [&str; 4] = ["stays:stays", "auto:auto", "pair:left", "pair:right"];

fn assert_kept(
    old: &BTreeMap<String, (String, i64)>,
    new: &BTreeMap<String, (String, i64)>,
    names: &[&str],
) {
    for name in names {
        assert_eq!(new.get(*name), old.get(*name), "{name}");
    }
}

#[test]
fn update_adds_changes_and_removes_and_leaves_the_rest_alone() {
    for client in clients() {
        let room = Room::new();
        let daemon = launch(&before(&room), &room);
        let old = states(&daemon);
        assert_eq!(says(&client, &room, &["reread"]), "No config updates to processes\n");
        after(&room).write(&room);
        let told = says(&client, &room, &["reread"]);
        let mut lines: Vec<&str> = told.lines().collect();
        lines.sort_unstable();
        let expected = ["changes: changed", "goes: disappeared", "many: changed", "new: available"];
        assert_eq!(lines, expected);
        assert_eq!(states(&daemon), old, "a reading alone changed something");

        let told = says(&client, &room, &["update"]);
        for line in [
            "goes: stopped",
            "goes: removed process group",
            "changes: stopped",
            "changes: updated process group",
            "many: stopped",
            "many: updated process group",
            "new: added process group",
        ] {
            assert_eq!(told.lines().filter(|l| *l == line).count(), 1, "{line}: {told}");
        }
        assert_eq!(told.lines().count(), 7, "{told}");
        wait_for("all programs to run", || states(&daemon).values().all(|(s, _)| s == "RUNNING"));
        let new = states(&daemon);
        assert_kept(&old, &new, &KEPT);
        let mut names: Vec<&str> = new.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "auto:auto",
                "changes:changes",
                "many:m0",
                "many:m1",
                "many:m2",
                "many:m3",
                "new:new",
                "pair:left",
                "pair:right",
                "stays:stays"
            ]
        );
        let pid = i32::try_from(new["changes:changes"].1).expect("a process id");
        assert!(procfs::environment(pid).contains(&"B=2".to_owned()));
        for (name, (_, pid)) in old.iter().filter(|(name, _)| !KEPT.contains(&name.as_str())) {
            let pid = i32::try_from(*pid).expect("a process id");
            wait_for(&format!("the end of the old {name}"), || !procfs::alive(pid));
        }
        assert_eq!(says(&client, &room, &["update"]), "");
        assert_eq!(says(&client, &room, &["reread"]), "No config updates to processes\n");
        assert_eq!(states(&daemon), new);
    }
}

#[test]
fn update_of_one_group_leaves_the_others() {
    for client in clients() {
        let room = Room::new();
        let daemon = launch(&before(&room), &room);
        let old = states(&daemon);
        after(&room).write(&room);
        assert_eq!(says(&client, &room, &["update", "new"]), "new: added process group\n");
        let new = states(&daemon);
        assert!(new.contains_key("new:new") && new.contains_key("goes:goes"));
        let all: Vec<&str> = old.keys().map(String::as_str).collect();
        assert_kept(&old, &new, &all);
        // The others are still to come.
        let told = says(&client, &room, &["reread"]);
        assert!(told.contains("goes: disappeared") && !told.contains("new:"), "{told}");
    }
}

/// The reference's own Python transport and the standard library's client, as scripts have it.
#[test]
fn python_s_client_reads_adds_and_removes() {
    let room = Room::new();
    let daemon = launch(&before(&room), &room);
    let old = states(&daemon);
    after(&room).write(&room);
    let script = r#"
import sys, xmlrpc.client
from supervisor.xmlrpc import SupervisorTransport
server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, sys.argv[1]))
s = server.supervisor
def fault(f, *args):
    try:
        return f(*args)
    except xmlrpc.client.Fault as e:
        return e.faultCode, e.faultString
[[added, changed, removed]] = s.reloadConfig()
print(sorted(added), sorted(changed), sorted(removed))
print(fault(s.addProcessGroup, "stays"))
print(fault(s.addProcessGroup, "nothing"))
print(fault(s.removeProcessGroup, "goes"))
print(fault(s.removeProcessGroup, "nothing"))
s.stopProcessGroup("goes")
print(s.removeProcessGroup("goes"))
print(fault(s.removeProcessGroup, "goes"))
print(s.addProcessGroup("new"))
s.stopProcessGroup("changes")
print(s.removeProcessGroup("changes"), s.addProcessGroup("changes"))
print([[sorted(n) for n in l] for l in s.reloadConfig()])
info = {c["name"]: c["inuse"] for c in s.getAllConfigInfo()}
print(sorted(info.items()))
"#;
    let done = Command::new(reference("python"))
        .args(["-c", script])
        .arg(format!("unix://{}", room.text("supervisord.sock")))
        .output()
        .expect("python");
    let expected = "['new'] ['changes', 'many'] ['goes']\n\
        (90, 'ALREADY_ADDED: stays')\n\
        (10, 'BAD_NAME: nothing')\n\
        (91, 'STILL_RUNNING: goes')\n\
        (10, 'BAD_NAME: nothing')\n\
        True\n\
        (10, 'BAD_NAME: goes')\n\
        True\n\
        True True\n\
        [[[], ['many'], []]]\n\
        [('auto', True), ('changes', True), ('left', True), ('m0', True), ('m1', True), ('m2', True), ('m3', True), ('new', True), ('right', True), ('stays', True)]\n";
    assert_eq!(String::from_utf8_lossy(&done.stdout), expected, "{done:?}");
    wait_for("all programs to run", || states(&daemon).values().all(|(s, _)| s == "RUNNING"));
    assert_kept(&old, &states(&daemon), &KEPT);
    assert_kept(&old, &states(&daemon), &["many:m0", "many:m1", "many:m2"]);
}

#[test]
fn automatic_logs_keep_their_names() {
    let room = Room::new();
    let daemon = launch(&before(&room), &room);
    let logs = |daemon: &Daemon| -> BTreeMap<String, (String, String)> {
        let all = daemon.ask("supervisor.getAllProcessInfo", &[]);
        let row = |i: &Value| {
            let path = |key: &str| i.get(key).str().to_owned();
            (i.get("name").str().to_owned(), (path("stdout_logfile"), path("stderr_logfile")))
        };
        all.array().iter().map(row).collect()
    };
    let files = || {
        let dir = fs::read_dir(room.path("auto")).expect("the directory of logs");
        let mut names: Vec<_> = dir.flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let (old, old_files) = (logs(&daemon), files());
    assert!(old["auto"].0.contains("/auto/auto-stdout---supervisor-"), "{old:?}");
    for _ in 0..5 {
        daemon.ask("supervisor.reloadConfig", &[]);
    }
    assert_eq!((logs(&daemon), files()), (old.clone(), old_files));
    after(&room).write(&room);
    says(&clients()[0], &room, &["update"]);
    wait_for("all programs to run", || states(&daemon).values().all(|(s, _)| s == "RUNNING"));
    daemon.replace_broker();
    let new = logs(&daemon);
    for name in ["stays", "auto", "left", "right", "m0", "m1", "m2"] {
        assert_eq!(new[name], old[name], "{name}");
    }
    for name in ["new", "m3"] {
        assert!(Path::new(&new[name].0).exists(), "{name} has no log");
    }
}

/// A value that is wrong.
const WRONG: &str = "startsecs=soon";

fn wrong(room: &Room) -> String {
    after(room).program("broken", SLEEP, WRONG).text()
}

/// The line of a word, counted from 1.
fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|l| l.contains(word)).map_or(0, |n| n + 1)
}

#[test]
fn an_error_changes_nothing_and_is_said_in_full_in_the_log_alone() {
    let room = Room::new();
    let daemon = launch(&before(&room), &room);
    let old = states(&daemon);
    let text = wrong(&room);
    let file = room.file("supervisord.conf", &text);
    let place = format!("{}:{}", file.display(), line_of(&text, WRONG));
    let Err(Error::Fault(code, said)) = daemon.client.call("supervisor.reloadConfig", &[]) else {
        panic!("it was accepted");
    };
    assert_eq!(code, 92);
    let text = "invalid literal for int() with base 10: 'soon' in section 'program:broken'";
    assert_eq!(said, format!("CANT_REREAD: {text} (file: '{}')", file.display()));
    let log = daemon.activity();
    assert!(log.contains(text), "the log does not say what is wrong:\n{log}");
    assert!(log.contains(&format!("{place}: [program:broken] startsecs")), "no {place} in\n{log}");
    for client in clients() {
        for word in ["reread", "update"] {
            let done = ctl(&client, &room, &[word]);
            let text = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(text.contains("CANT_REREAD"), "{word}: {text}");
            assert_eq!(done.status.code(), Some(1), "{word}: {done:?}");
        }
    }
    assert_eq!(states(&daemon), old);
    // Groups of what was read last can still be added; those of the refused reading are not known.
    let unknown = daemon.client.call("supervisor.addProcessGroup", &["new".into()]);
    assert!(matches!(unknown, Err(Error::Fault(10, _))), "{unknown:?}");
    after(&room).write(&room);
    let lists = daemon.ask("supervisor.reloadConfig", &[]);
    assert_eq!(lists.array()[0].array()[0], Value::Array(vec!["new".into()]));
}

/// Errors whose lines may hold secrets, with what the log has beside file and line.
const SECRETS: [(&str, &str); 5] = [
    ("password topsecret42\n", "topsecret42"),
    ("[oops topsecret42\n", "topsecret42"),
    ("[program:s]\ncommand=/bin/cat\nenvironment=A=\"topsecret42\",B\n", "[program:s] environment"),
    (
        "[program:s]\ncommand=/bin/cat\nenvironment=A=\"topsecret42\",B=%(gone)s\n",
        "[program:s] environment",
    ),
    ("[inet_http_server]\nport=1\npassword=topsecret42%(gone)s\n", "[inet_http_server] password"),
];

#[test]
fn what_may_be_secret_stays_in_the_log() {
    let room = Room::new();
    let daemon = launch(&before(&room), &room);
    for (lines, logged) in SECRETS {
        let text = format!("{}{lines}", before(&room).text());
        let file = room.file("supervisord.conf", &text);
        let Err(Error::Fault(92, said)) = daemon.client.call("supervisor.reloadConfig", &[]) else {
            panic!("{lines}: it was accepted");
        };
        assert!(!said.contains("topsecret42"), "{lines}: {said}");
        let place = format!("{}:{}", file.display(), line_of(&text, "topsecret42"));
        let log = daemon.activity();
        let own = log.lines().any(|line| line.contains(&place));
        assert!(own && log.contains(logged), "no {place} and {logged} in\n{log}");
    }
}

#[test]
fn a_file_that_is_gone_or_not_root_s_alone_changes_nothing() {
    let room = Room::new();
    let daemon = launch(&before(&room), &room);
    let old = states(&daemon);
    room.mode("supervisord.conf", 0o666);
    let refused = daemon.client.call("supervisor.reloadConfig", &[]);
    assert!(matches!(refused, Err(Error::Fault(92, _))), "{refused:?}");
    assert!(daemon.activity().contains("666"), "no mode in the log");
    fs::remove_file(room.path("supervisord.conf")).expect("the configuration");
    let gone = daemon.client.call("supervisor.reloadConfig", &[]);
    assert!(matches!(gone, Err(Error::Fault(92, _))), "{gone:?}");
    before(&room).write(&room);
    daemon.ask("supervisor.reloadConfig", &[]);
    assert_eq!(states(&daemon), old);
}

#[test]
fn a_hangup_over_a_wrong_configuration_changes_nothing() {
    let room = Room::new();
    let mut daemon = launch(&before(&room), &room);
    let (old, broker) = (states(&daemon), daemon.broker());
    let text = wrong(&room);
    let file = room.file("supervisord.conf", &text);
    let place = format!("{}:{}", file.display(), line_of(&text, WRONG));
    daemon.signal(Signal::SIGHUP);
    wait_for("the complaint", || {
        let log = daemon.activity();
        log.contains(&place) && log.contains("restart refused")
    });
    assert_eq!(states(&daemon), old);
    assert_eq!(daemon.broker(), broker);
    let refused = daemon.client.call("supervisor.restart", &[]);
    assert!(matches!(refused, Err(Error::Fault(92, _))), "{refused:?}");
    let done = ctl(&Dist::plain().supervisorctl(), &room, &["reload"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(states(&daemon), old);
    // Once it is right, a hangup starts over.
    after(&room).write(&room);
    daemon.signal(Signal::SIGHUP);
    wait_for("the new configuration", || {
        // It may be going down, or not answer at all.
        let info = daemon.client.call("supervisor.getProcessInfo", &["new".into()]);
        info.is_ok_and(|info| info.get("statename").str() == "RUNNING")
    });
    for (name, (_, pid)) in &old {
        assert!(!procfs::alive(i32::try_from(*pid).expect("a process id")), "{name} runs on");
    }
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_concerns_the_daemon_waits_for_a_restart_and_is_said() {
    let room = Room::new();
    let daemon = launch(&before(&room), &room);
    let old = states(&daemon);
    let text = before(&room).text();
    let text = text
        .replace("/supervisord.sock\n[supervisorctl]", "/elsewhere.sock\n[supervisorctl]")
        .replace("/supervisord.pid", "/elsewhere.pid")
        .replace("/supervisord.log", "/elsewhere.log");
    assert_eq!(text.matches("/elsewhere.").count(), 3, "{text}");
    room.file("supervisord.conf", &text);
    let lists = daemon.ask("supervisor.reloadConfig", &[]);
    let none = Value::Array(Vec::new());
    assert_eq!(lists, Value::Array(vec![Value::Array(vec![none.clone(), none.clone(), none])]));
    let log = daemon.activity();
    for key in ["pidfile", "logfile"] {
        let line = format!("[supervisord] {key} changed; it takes effect at the next restart");
        assert!(log.contains(&line), "no {line:?} in\n{log}");
    }
    assert!(log.contains("HTTP") || log.contains("http_server"), "nothing about servers in\n{log}");
    for name in ["elsewhere.sock", "elsewhere.pid", "elsewhere.log"] {
        assert!(!room.path(name).exists(), "{name} is there");
    }
    daemon.replace_broker();
    assert_eq!(states(&daemon), old);
}
