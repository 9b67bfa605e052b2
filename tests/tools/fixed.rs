//! What the tools of superlance get wrong and ours do not; each on both.

use std::path::Path;

use system_tests::Room;

use crate::both;
use crate::drive::{Drive, exited};
use crate::fake::{self, Daemon, Process, Sendmail};
use crate::side_by_side::{Outcome, Running};

const TICK: (&str, &str) = ("TICK_60", "when:1700000000");

fn outcome(
    program: &Path,
    args: &[&str],
    events: &[(&str, &str)],
    processes: &[Process],
) -> Outcome {
    let room = Room::new();
    let sendmail = Sendmail::new(&room);
    let daemon = Daemon::new(&room, processes);
    let args = [args, &["-m", "a@b", "-s", &sendmail.command]].concat();
    let run = Drive::new(&room, program, &daemon.url, &args).run(events);
    Outcome { run, mails: sendmail.take(), calls: daemon.take() }
}

/// The outcomes of ours and theirs.
fn outcomes(
    tool: &str,
    args: &[&str],
    events: &[(&str, &str)],
    processes: &[Process],
) -> [Outcome; 2] {
    both(tool).map(|program| outcome(&program, args, events, processes))
}

fn process(name: &'static str, group: &'static str, pid: u32) -> Process {
    Process { name, group, state: 20, pid }
}

#[test]
fn memmon_takes_full_names() {
    let sleep = Running::new("exec sleep 100000");
    let processes = [process("one", "web", sleep.pid())];
    let [ours, theirs] = outcomes("memmon", &["-p", "web:one=1"], &[TICK], &processes);
    assert_eq!(ours.calls, ["stopProcess web:one", "startProcess web:one"]);
    assert!(theirs.calls.is_empty() && theirs.run.answered == 0, "{theirs:?}");
}

#[test]
fn memmon_restarts_a_process_once() {
    let sleep = Running::new("exec sleep 100000");
    let processes = [process("cat", "cat", sleep.pid())];
    let [ours, theirs] = outcomes("memmon", &["-p", "cat=1", "-a", "1"], &[TICK], &processes);
    assert_eq!(ours.calls, ["stopProcess cat:cat", "startProcess cat:cat"]);
    assert_eq!(theirs.calls.len(), 4);
}

#[test]
fn memmon_keeps_the_name_that_it_was_given() {
    let sleep = Running::new("exec sleep 100000");
    let processes = [process("cat", "cat", sleep.pid())];
    let [ours, theirs] = outcomes("memmon", &["-n", "web 1", "-p", "cat=1"], &[TICK], &processes);
    assert!(ours.mails[0].contains("Subject: memmon [web 1]: "));
    assert!(theirs.mails[0].contains("Subject: memmon [cat]: "));
}

#[test]
fn nobody_stops_itself() {
    let sleep = Running::new("exec sleep 100000");
    let processes = [process("listener", "listeners", sleep.pid())];
    let [ours, theirs] = outcomes("memmon", &["-a", "1"], &[TICK], &processes);
    assert!(ours.calls.is_empty(), "{ours:?}");
    assert_eq!(theirs.calls, ["stopProcess listeners:listener", "startProcess listeners:listener"]);
    let url = format!("http://{}/", fake::web("500 No", ""));
    let run = |program: &Path| {
        let room = Room::new();
        let daemon = Daemon::new(&room, &processes);
        Drive::new(&room, program, &daemon.url, &["-a", &url]).run(&[TICK]);
        daemon.take()
    };
    let [ours, theirs] = both("httpok").map(|program| run(&program));
    assert!(ours.is_empty(), "{ours:?}");
    assert_eq!(theirs.len(), 2);
}

#[test]
fn httpok_reads_the_body() {
    let url = format!("http://{}/", fake::web("200 OK", "all is well"));
    let processes = [process("cat", "cat", 7)];
    let run = |program: &Path, text: &str| {
        let room = Room::new();
        let daemon = Daemon::new(&room, &processes);
        let args = ["-p", "cat", "-b", text, url.as_str()];
        let run = Drive::new(&room, program, &daemon.url, &args).run(&[TICK]);
        (run.answered, daemon.take().len())
    };
    let [ours, theirs] = both("httpok");
    assert_eq!(run(&ours, "is well"), (1, 0));
    assert_eq!(run(&ours, "is ill"), (1, 2));
    assert_eq!(run(&theirs, "is well"), (0, 0));
}

#[test]
fn httpok_that_is_not_eager_knows_groups() {
    let url = format!("http://{}/", fake::web("500 No", ""));
    let run = |program: &Path, args: &[&str]| {
        let room = Room::new();
        let daemon = Daemon::new(&room, &[process("one", "web", 7)]);
        let args = [args, &["-E", url.as_str()]].concat();
        Drive::new(&room, program, &daemon.url, &args).run(&[TICK]);
        daemon.take().len()
    };
    let [ours, theirs] = both("httpok");
    for args in [&["-p", "web:one"][..], &["-a"]] {
        assert_eq!((run(&ours, args), run(&theirs, args)), (2, 0), "{args:?}");
    }
}

#[test]
fn httpok_says_why_nobody_answers() {
    let run = |program: &Path| {
        let room = Room::new();
        let daemon = Daemon::new(&room, &[]);
        let sendmail = Sendmail::new(&room);
        let args = ["-a", "-m", "a@b", "-s", &sendmail.command, "http://127.0.0.1:1/"];
        Drive::new(&room, program, &daemon.url, &args).run(&[TICK]);
        sendmail.take().concat()
    };
    let [ours, theirs] = both("httpok").map(|program| run(&program));
    assert!(
        ours.contains("error contacting http://127.0.0.1:1/:\n\n [Errno 111] Connection refused\n")
    );
    assert!(
        theirs.contains("error contacting http://127.0.0.1:1/:\n\n getaddrinfo returns an empty")
    );
}

#[test]
fn httpok_tells_nobody_its_password() {
    let address = fake::web("500 No", "");
    let run = |program: &Path, url: &str| {
        let room = Room::new();
        let sendmail = Sendmail::new(&room);
        let daemon = Daemon::new(&room, &[process("cat", "cat", 7)]);
        let args = ["-p", "cat", "-m", "a@b", "-s", &sendmail.command, url];
        let said = Drive::new(&room, program, &daemon.url, &args).run(&[TICK]).said;
        (sendmail.take().concat(), said)
    };
    let [ours, theirs] = both("httpok");
    let url = format!("http://me:secret@{address}/");
    let (mail, said) = run(&ours, &url);
    let subject = format!("Subject: httpok: http://{address}/: bad status returned\n\n");
    assert!(mail.contains(&subject) && said.contains(&subject), "{mail}{said}");
    assert!(!mail.contains("secret") && !said.contains("secret"), "{mail}{said}");
    assert!(run(&theirs, &url).0.contains("secret"));
    // Nor where it cannot be used.
    for url in ["ftp://me:secret@h/", "http://me:secret/s@h/"] {
        let (_, said) = run(&ours, url);
        assert!(said.contains("cannot be asked for") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn crashmail_mails_of_the_processes_it_was_given() {
    let [cat, dog] = ["cat", "dog"].map(|name| exited(name, "pets", 0));
    let events = [("PROCESS_STATE_EXITED", cat.as_str()), ("PROCESS_STATE_EXITED", dog.as_str())];
    for name in ["cat", "pets:cat"] {
        let [ours, theirs] = outcomes("crashmail", &["-p", name], &events, &[]);
        assert_eq!((ours.mails.len(), theirs.mails.len()), (1, 2), "{name}");
    }
}

#[test]
fn crashmail_without_an_address_mails_nobody() {
    let crash = exited("cat", "pets", 0);
    let run = |program: &Path| {
        let room = Room::new();
        let sendmail = Sendmail::new(&room);
        let args = ["-a", "-s", &sendmail.command];
        let run = Drive::new(&room, program, "unix:///nowhere", &args)
            .run(&[("PROCESS_STATE_EXITED", crash.as_str())]);
        assert_eq!(run.answered, 1);
        sendmail.take().len()
    };
    assert_eq!(both("crashmail").map(|program| run(&program)), [0, 1]);
}

#[test]
fn what_sendmail_prints_is_no_answer() {
    let crash = exited("cat", "pets", 0);
    let events = [("PROCESS_STATE_EXITED", crash.as_str())];
    let run = |program: &Path| {
        let room = Room::new();
        let args = ["-a", "-m", "a@b", "-s", "cat >/dev/null; echo chatter; exit 75"];
        Drive::new(&room, program, "unix:///nowhere", &args).run(&events)
    };
    let [ours, theirs] = both("crashmail");
    let ours = run(&ours);
    assert!(ours.said.contains("chatter\ncrashmail: cannot mail: "), "{ours:?}");
    assert!(ours.said.contains("exit status: 75"), "{ours:?}");
    assert_eq!(ours.answered, 1);
    let theirs = std::panic::catch_unwind(|| run(&theirs));
    assert!(theirs.is_err(), "the daemon was told `chatter`");
}
