//! Each listener and the one it stands in for meet the same events, daemon and mail command.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use system_tests::{Room, procfs, wait_for};

use crate::both;
use crate::drive::{Drive, Run, exited};
use crate::fake::{self, Daemon, Process, Sendmail};

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub run: Run,
    pub mails: Vec<String>,
    pub calls: Vec<String>,
}

/// A program that is ended when the test is over.
pub struct Running(Child);

impl Running {
    pub fn new(script: &str) -> Running {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).process_group(0).stdin(Stdio::null());
        Running(command.stdout(Stdio::null()).spawn().expect("a shell"))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

const TICK: (&str, &str) = ("TICK_60", "when:1700000000");

/// Runs both; the outcome of ours, after it was compared.
fn compare(
    tool: &str,
    args: &[&str],
    events: &[(&str, &str)],
    prepare: impl Fn(&Room) -> Daemon,
) -> Outcome {
    let outcomes = both(tool).map(|program| {
        let room = Room::new();
        let sendmail = Sendmail::new(&room);
        let daemon = prepare(&room);
        let args: Vec<String> =
            args.iter().map(|word| word.replace("SENDMAIL", &sendmail.command)).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let run = Drive::new(&room, &program, &daemon.url, &args).run(events);
        Outcome { run, mails: sendmail.take(), calls: daemon.take() }
    });
    let [ours, theirs] = outcomes;
    assert_eq!(ours, theirs, "{tool} {args:?}");
    ours
}

fn nobody(room: &Room) -> Daemon {
    Daemon::new(room, &[])
}

#[test]
fn crashmail() {
    let crash = exited("cat", "pets", 0);
    let expected = exited("dog", "dog", 1);
    let events = [
        ("PROCESS_STATE_EXITED", crash.as_str()),
        ("PROCESS_STATE_EXITED", expected.as_str()),
        // Its length is told in characters.
        ("REMOTE_COMMUNICATION", "type:t\ndätä €"),
        ("PROCESS_STATE_FATAL", "processname:a groupname:b from_state:BACKOFF"),
        TICK,
        ("PROCESS_STATE_EXITED", crash.as_str()),
    ];
    let out = compare("crashmail", &["-a", "-m", "a@b", "-s", "SENDMAIL"], &events, nobody);
    assert_eq!(out.mails.len(), 2);
    assert_eq!((out.run.answered, out.run.code), (events.len(), 1));
    let args = ["-p", "cat", "-o", "web 1", "--email=a@b,c@d", "--sendmail_program=SENDMAIL"];
    let out = compare("crashmail", &args, &events, nobody);
    assert!(out.mails[0].starts_with("To: a@b,c@d\nSubject: web 1: cat crashed at STAMP\n\n"));
    assert_eq!(out.run.said.matches("unexpected exit, mailing\nMailed:\n\n").count(), 2);
}

/// A process with a child and a grandchild, all of some size.
fn family() -> Running {
    let family = Running::new("sh -c 'sleep 100000; :' & wait");
    let own = family.pid().cast_signed();
    wait_for("a child", || !procfs::children(own).is_empty());
    let child = procfs::children(own)[0];
    wait_for("a grandchild", || {
        procfs::children(child).first().is_some_and(|pid| procfs::arguments(*pid)[0] == "sleep")
    });
    family
}

fn memory(args: &[&str], events: &[(&str, &str)], prepare: impl Fn(&Daemon)) -> Outcome {
    let family = family();
    let daemon = |room: &Room| {
        let process = |name, group, pid| Process { name, group, state: 20, pid };
        let processes = [
            process("cat", "cat", family.pid()),
            process("one", "web", family.pid()),
            process("asleep", "web", 0),
            process("gone", "web", 0x3fff_fff0),
        ];
        let daemon = Daemon::new(room, &processes);
        prepare(&daemon);
        daemon
    };
    compare("memmon", args, events, daemon)
}

#[test]
fn memmon() {
    let events = [TICK, ("PROCESS_STATE_RUNNING", "x:y"), ("TICK_5", "when:5")];
    let mail = ["-m", "a@b", "-s", "SENDMAIL"];
    let with = |args: &[&'static str]| [args, mail.as_slice()].concat();
    let out = memory(&with(&["-p", "cat=1KB"]), &events, |_| {});
    assert_eq!(out.calls, ["stopProcess cat:cat", "startProcess cat:cat"].repeat(2));
    assert_eq!(out.mails.len(), 2);
    assert!(out.mails[0].contains("Subject: memmon [cat]: process cat:cat restarted\n"), "{out:?}");
    memory(&with(&["-p", "cat=1GB"]), &events, |_| {});
    memory(&with(&["-g", "web=10", "-n", "Project 1"]), &events, |_| {});
    memory(&with(&["-a", "1GB", "-p", "one=1gb", "-g", "cat=2GB"]), &events, |_| {});
    let out = memory(&with(&["-a", "10", "-u", "2m"]), &events, |_| {});
    assert_eq!((out.calls.len(), out.mails.len()), (8, 4));
    let out = memory(&with(&["-a", "10", "--uptime=99"]), &events, |_| {});
    assert_eq!((out.calls.len(), out.mails.len()), (8, 0));
    memory(&["-p", "one=1"], &events, |_| {});
    memory(&["-c"], &events, |_| {});
}

#[test]
fn memmon_of_families() {
    let alone = memory(&["-p", "cat=1GB"], &[TICK], |_| {}).run.said;
    let family = memory(&["-c", "-p", "cat=1GB"], &[TICK], |_| {}).run.said;
    let number = |said: &str| said.rsplit(' ').next().and_then(|n| n.trim().parse::<u64>().ok());
    assert!(number(&family) > number(&alone), "{family}{alone}");
}

#[test]
fn memmon_that_cannot_restart() {
    let args = ["-p", "cat=1", "-m", "a@b", "-s", "SENDMAIL"];
    let out = memory(&args, &[TICK, TICK], |daemon| {
        daemon.fault("stopProcess cat:cat", 70, "NOT_RUNNING: cat:cat");
    });
    assert_eq!((out.run.answered, out.run.code), (0, 1));
    assert!(out.mails[0].contains("exiting: <Fault 70: 'NOT_RUNNING: cat:cat'>"), "{out:?}");
    let out = memory(&args, &[TICK], |daemon| {
        daemon.fault("startProcess cat:cat", 50, "SPAWN_ERROR: cat:cat");
    });
    assert_eq!(out.calls, ["stopProcess cat:cat", "startProcess cat:cat"]);
    assert_eq!(out.run.code, 1);
    memory(&["-a", "1"], &[TICK], |daemon| {
        daemon.fault("getAllProcessInfo ", 6, "SHUTDOWN_STATE");
    });
}

fn processes(room: &Room) -> Daemon {
    let process = |name, group, state| Process { name, group, state, pid: 7 };
    let all = [process("cat", "cat", 20), process("one", "web", 20), process("two", "web", 0)];
    Daemon::new(room, &all)
}

#[test]
fn httpok() {
    let fine = format!("http://{}/a?b=c", fake::web("200 OK", "all is well"));
    let down = format!("http://{}/a", fake::web("503 Not Now", ""));
    let moved = format!("http://{}", fake::web("302 Found", "elsewhere"));
    let events = [TICK, ("PROCESS_STATE_RUNNING", "x:y"), ("TICK_5", "when:5")];
    let ask = |args: &[&str], url: &str| {
        let args = [args, &["-m", "a@b", "-s", "SENDMAIL", url]].concat();
        compare("httpok", &args, &events, processes)
    };
    assert!(ask(&["-p", "cat"], &fine).calls.is_empty());
    let out = ask(&["-p", "cat"], &down);
    assert_eq!(out.calls, ["stopProcess cat", "startProcess cat"].repeat(2));
    assert_eq!(out.mails.len(), 2);
    assert!(out.mails[0].contains("bad status returned\n\nstatus contacting "), "{out:?}");
    let out = ask(&["-p", "web:one", "-p", "two", "-p", "no", "-p", "no:no", "-n", "x"], &down);
    assert_eq!(out.calls, ["stopProcess web:one", "startProcess web:one"].repeat(2));
    let out = ask(&["-a", "-p", "cat", "-p", "cat"], &down);
    assert_eq!(out.calls.len(), 8);
    assert!(ask(&["-c", "200", "--code=302", "-a"], &moved).calls.is_empty());
    assert_eq!(ask(&["-c", "503", "-p", "cat"], &moved).mails.len(), 2);
    assert!(ask(&["-E", "-p", "two"], &down).mails.is_empty());
    assert_eq!(ask(&["-E", "-e", "-p", "two"], &down).mails.len(), 2);
    compare("httpok", &["-p", "cat", &down], &events, processes);
}

#[test]
fn httpok_that_waits_in_vain() {
    let (_server, address) = fake::silent_web();
    let args =
        ["-p", "cat", "-t", "1", "-m", "a@b", "-s", "SENDMAIL", &format!("http://{address}/")];
    let out = compare("httpok", &args, &[TICK], processes);
    assert!(out.mails[0].contains(":\n\n timed out\n"), "{out:?}");
}

#[test]
fn httpok_that_cannot_restart() {
    let down = format!("http://{}/a", fake::web("500 No", ""));
    let prepare = |room: &Room| {
        let daemon = processes(room);
        daemon.fault("stopProcess cat", 70, "NOT_RUNNING: cat");
        daemon.fault("startProcess cat", 60, "ALREADY_STARTED: cat");
        daemon
    };
    let args = ["-p", "cat", "-m", "a@b", "-s", "SENDMAIL", &down];
    let out = compare("httpok", &args, &[TICK], prepare);
    assert!(out.mails[0].contains("Failed to start process cat: <Fault 60: 'ALREADY"), "{out:?}");
}

#[test]
fn httpok_with_core_files() {
    let down = format!("http://{}/a", fake::web("500 No", ""));
    let args = [
        "-p",
        "web:one",
        "-g",
        "echo core",
        "-d",
        "/tmp/cores",
        "-m",
        "a@b",
        "-s",
        "SENDMAIL",
        &down,
    ];
    let out = compare("httpok", &args, &[TICK], processes);
    assert!(out.mails[0].contains("gcore output for web:one:\n\n core /tmp/cores/web:one 7\n"));
}
