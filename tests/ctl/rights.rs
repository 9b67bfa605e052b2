//! Who may do what, and what the client says of it; passwords and audit logs, which it works on by itself.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use system_tests::dist::Dist;

use crate::client::World;

/// Has a role that restarts `one` and does nothing else.
const WEB: u32 = 61_900;
/// Has a role that sees everything.
const WATCH: u32 = 61_901;
/// Has no role.
const NOBODY: u32 = 61_902;

const SLEEP: &str = "/bin/sleep 100000";

/// A daemon with roles, whose socket is for everybody, and a client that everybody can run.
fn world() -> World {
    // A writer takes one of the few user ids that are to spare.
    world_with("audit_logfile=none")
}

fn world_with(line: &str) -> World {
    let world = World::new(|_, config| {
        config
            .daemon(line)
            .program("one", SLEEP, "startsecs=0")
            .program("other", SLEEP, "startsecs=0")
            .section(&format!("[role:web]\nmembers=unix:{WEB}\nprograms=one\nactions=restart"))
            .section(&format!("[role:watch]\nmembers=unix:{WATCH}\nprograms=*\nactions=viewer"))
    });
    world.daemon.wait_running("other");
    std::fs::copy(Dist::plain().supervisorctl(), world.room.path("ctl")).expect("no client");
    world.room.mode("ctl", 0o755);
    world.room.mode("supervisord.sock", 0o666);
    world
}

fn told(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

/// Exit status and standard output of the client as another user.
fn ctl(world: &World, uid: u32, line: &str) -> (i32, String) {
    let mut command = Command::new("timeout");
    command.arg("120").arg(world.room.path("ctl"));
    command.args(["-s", &format!("unix://{}", world.room.text("supervisord.sock"))]);
    command.args(line.split_whitespace()).stdin(Stdio::null()).uid(uid).gid(uid);
    told(&command.output().expect("cannot run the client"))
}

/// The same of a client that no daemon is there for, with something to read.
fn alone(words: &[&str], input: &str) -> Output {
    let mut command = Command::new("timeout");
    command.arg("120").arg(Dist::plain().supervisorctl()).args(words).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("cannot run the client");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("cannot write");
    child.wait_with_output().expect("cannot wait for the client")
}

#[test]
fn who_may_restart_and_nothing_else_restarts() {
    let world = world();
    let both = "one: stopped\none: started\n";
    for line in ["restart one", "restart all", "restart one:*", "restart --wait-running one"] {
        assert_eq!(ctl(&world, WEB, line), (0, both.to_owned()), "{line}");
    }
    let hidden = "other: ERROR (no such process)\n";
    for (line, exit, text) in [
        ("stop one", 1, "one: ERROR (not allowed: stop)\n".to_owned()),
        ("start one", 1, "one: ERROR (not allowed: start)\n".to_owned()),
        ("signal HUP one", 1, "one: ERROR (not allowed: signal(HUP))\n".to_owned()),
        ("tail one", 1, "one: ERROR (not allowed: log)\n".to_owned()),
        ("clear one", 1, "one: ERROR (not allowed: clear)\n".to_owned()),
        ("stop other", 1, hidden.to_owned()),
        ("restart other", 1, hidden.repeat(2)),
        ("restart one other", 1, format!("{both}{hidden}")),
        ("reread", 1, "ERROR (not allowed: config)\n".to_owned()),
        ("shutdown", 1, "ERROR (not allowed: admin)\n".to_owned()),
        ("avail", 0, String::new()),
    ] {
        assert_eq!(ctl(&world, WEB, line), (exit, text), "{line}");
    }
    let (exit, text) = ctl(&world, WEB, "status");
    assert!(exit == 0 && text.starts_with("one ") && text.lines().count() == 1, "{text}");
    assert_eq!(ctl(&world, WATCH, "restart one").1, "one: ERROR (not allowed: restart)\n");
    let denied = "ERROR (not allowed: the caller has no role)\n";
    assert_eq!(ctl(&world, NOBODY, "status"), (1, denied.to_owned()));
    let (exit, text) = ctl(&world, WEB, "--json restart one other");
    assert!(exit == 1 && text.contains("\"outcome\": \"started\""), "{text}");
}

#[test]
fn whoever_is_root_restarts_as_ever() {
    let world = world();
    assert_eq!(world.ctl("restart one"), (0, "one: stopped\none: started\n".to_owned()));
    assert_eq!(world.ctl("stop one").0, 0);
    let down = "one: ERROR (not running)\none: started\n";
    assert_eq!(world.ctl("restart one"), (0, down.to_owned()));
}

#[test]
fn who_somebody_is_and_what_that_one_may_do() {
    let world = world();
    let (exit, text) = ctl(&world, WEB, "whoami");
    assert_eq!(exit, 0);
    assert_eq!(
        text,
        format!(
            "who:   unix:{WEB}\nproof: peer\nroles: web\nmay:\n  {:33}view\n  {:33}view, restart\n",
            "supervisord", "one"
        )
    );
    let (exit, text) = ctl(&world, NOBODY, "whoami");
    assert_eq!(exit, 0);
    assert!(text.ends_with("roles: none\nmay:   nothing\n"), "{text}");
    let (_, text) = world.ctl("whoami");
    assert!(text.starts_with("who:   unix:0\nproof: peer\nroles: none needed"), "{text}");
}

#[test]
fn what_somebody_may_do_is_told_with_its_rule() {
    let world = world();
    let web = format!("unix:{WEB}");
    let (exit, text) = world.ctl(&format!("can {web} restart one"));
    assert_eq!(exit, 0, "{text}");
    assert!(text.starts_with("allowed: ") && text.contains("supervisord.conf:"), "{text}");
    let (exit, text) = world.ctl(&format!("can {web} stop one"));
    assert!(exit == 1 && text.starts_with("denied: "), "{text}");
    let (exit, text) = world.ctl(&format!("can {web} restart all"));
    assert!(exit == 1 && text.contains("one: allowed: ") && text.contains("other: denied: "));
    assert_eq!(world.ctl("can root stop other").0, 0);
    assert_eq!(world.ctl("can @root stop other").0, 1, "a group is not a user");
    for line in ["can", "can root stop", "can root frob one", "can root stop nope"] {
        assert_eq!(world.ctl(line).0, 2, "{line}");
    }
    for line in ["can nobody-of-this-name stop one", "can @no-such-group stop one"] {
        assert_eq!(world.ctl(line).0, 2, "{line}");
    }
    let own = format!("can {web} restart one");
    assert_eq!(ctl(&world, WEB, &own).0, 0, "the own rights");
    let others = "one: ERROR (not allowed: admin)\n";
    assert_eq!(ctl(&world, WEB, "can root stop one"), (2, others.to_owned()));
}

#[test]
fn a_password_s_hash_lets_its_user_in() {
    let output = alone(&["passwd", "alice"], "correct horse battery\nmore\n");
    let (exit, section) = told(&output);
    assert_eq!(exit, 0);
    assert!(output.stderr.is_empty());
    let begin = "[user:alice]\npassword=$argon2id$v=19$m=19456,t=2,p=1$";
    assert!(section.starts_with(begin), "{section}");
    let world = World::new(|_, config| {
        config.daemon("audit_logfile=none").program("one", SLEEP, "").section(&section)
    });
    let (exit, text) = world.ctl("-u alice -p correct whoami");
    assert_eq!((exit, text.as_str()), (1, "Server requires authentication\n"));
    let client = Dist::plain().supervisorctl();
    let url = format!("unix://{}", world.room.text("supervisord.sock"));
    let mut command = Command::new(client);
    command.args(["-s", &url, "-u", "alice", "-p", "correct horse battery", "whoami"]);
    let (exit, text) = told(&command.output().expect("cannot run the client"));
    assert!(exit == 0 && text.starts_with("who:   user:alice\nproof: password\n"), "{text}");
}

#[test]
fn what_is_no_password_makes_no_hash() {
    for (input, why) in [("", "no password was given"), ("\n", "an empty password")] {
        let (exit, text) = told(&alone(&["passwd", "--stdin"], input));
        assert!(exit == 1 && text.contains(why), "{text}");
    }
    let output = alone(&["passwd", "--hash"], "short\n");
    assert!(told(&output).1.starts_with("$argon2id$"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("Advice: 5 characters"));
    assert_eq!(told(&alone(&["passwd", "a", "b"], "x\n")).0, 2);
    assert_eq!(told(&alone(&["passwd", "a:b"], "x\n")).0, 1);
}

#[test]
fn an_audit_log_is_shown_and_checked() {
    let world = world_with("");
    assert_eq!(ctl(&world, WEB, "stop one").0, 1);
    let log = world.room.text("audit.log");
    let denied = system_tests::poll_until("the record of a denial", || {
        let who = format!("unix:{WEB}");
        let words = ["audit", "show", log.as_str(), "--who", &who, "--action", "stop"];
        let (_, text) = told(&alone(&words, ""));
        (!text.is_empty()).then_some(text)
    });
    assert!(denied.contains("deny ") && denied.contains("stop one:one"), "{denied}");
    assert_eq!(denied.lines().count(), 1, "{denied}");
    assert_eq!(told(&alone(&["audit", "show", &log, "--since", "1h"], "")).0, 0);
    let (exit, raw) = told(&alone(&["--json", "audit", "show", &log, "--target", "one:one"], ""));
    assert!(exit == 0 && raw.lines().all(|line| line.starts_with('{')), "{raw}");
    let (exit, text) = told(&alone(&["audit", "verify", &log], ""));
    // A log that is still young has no anchor yet.
    let young = exit == 3 && text.contains("nothing is wrong") && text.contains("no anchor");
    assert!(young || exit == 0 && text.contains(": as they were written"), "{exit}: {text}");
    let copy = world.room.path("copy");
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::write(&copy, text.replace("\"deny\"", "\"allow\"")).expect("cannot write");
    assert_eq!(verified(&copy).0, 1);
    for words in [&["audit"][..], &["audit", "frob", &log], &["audit", "show"]] {
        assert_eq!(told(&alone(words, "")).0, 2, "{words:?}");
    }
    assert_eq!(verified(Path::new("/nonexistent")).0, 1);
}

fn verified(file: &Path) -> (i32, String) {
    told(&alone(&["audit", "verify", &file.display().to_string()], ""))
}
