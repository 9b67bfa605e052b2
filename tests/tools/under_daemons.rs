//! Listeners at work: a program that crashes, one that cannot be started, one that uses too much memory, one whose page
//! is out of order. Whose listeners they are makes no difference, and whose daemon it is neither.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use system_tests::dist::{Dist, reference};
use system_tests::{Config, Daemon, Launch, Room, poll_until};

use crate::fake::{self, Mailbox, Manners, Sendmail};

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The first mail of each listener that calls sendmail.
    mails: Vec<String>,
    /// The mail of each that speaks SMTP: who it is from and to, and its text.
    batches: Vec<(String, Vec<String>, String)>,
}

/// Whose listeners.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    Ours,
    Theirs,
}

const LISTENERS: [&str; 6] =
    ["crashmail", "memmon", "httpok", "crashmailbatch", "fatalmailbatch", "crashsms"];

/// Numbers differ from one run to the next.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('N') {
            out.push('N');
        }
    }
    out
}

/// Where a listener is; ours are put where the user nobody can run them.
fn listener(room: &Room, whose: Whose, name: &str) -> PathBuf {
    if whose == Whose::Theirs {
        return reference(name);
    }
    let dir = room.directory("tools");
    let all = dir.join("supervisor-tools");
    if !all.exists() {
        fs::copy(Dist::plain().tool("supervisor-tools"), &all).expect("a copy");
        room.mode("tools/supervisor-tools", 0o755);
    }
    symlink("supervisor-tools", dir.join(name)).expect("a link");
    dir.join(name)
}

fn config(
    room: &Room,
    whose: Whose,
    sendmails: &[Sendmail; 3],
    page: SocketAddr,
    boxes: &[Mailbox; 3],
) -> Config {
    let quiet = "stdout_logfile=NONE\nstderr_logfile=NONE\n";
    let by_hand = format!("autostart=false\nautorestart=false\n{quiet}");
    let mut config = Config::new(room)
        .daemon(&format!("broker_user={}", system_tests::config::broker_user()))
        .program("crash", "/bin/sh -c 'sleep 2; exit 3'", &by_hand)
        // The reference takes it for a success where its clock strikes a second before it looks.
        .program("hopeless", "/bin/false", &format!("{by_hand}startretries=0\nstartsecs=20"))
        .program("hog", "/bin/sleep 100000", quiet)
        // It runs before anybody asks for its page.
        .program("web", "/bin/sleep 100000", &format!("{quiet}startsecs=0"));
    let mail = |n: usize| format!("-m a@b -s '{}'", sendmails[n].command);
    let smtp = |n: usize| format!("-t a@b,c@d -f me@b -e TICK_5 -i 0.05 -H {}", boxes[n].address);
    let lines = [
        (format!("-a -o test {}", mail(0)), "PROCESS_STATE_EXITED"),
        (format!("-p hog=1KB {}", mail(1)), "TICK_5"),
        (format!("-p web {} http://{page}/health", mail(2)), "TICK_5"),
        (smtp(0), "PROCESS_STATE_EXITED,TICK_5"),
        (smtp(1), "PROCESS_STATE_FATAL,TICK_5"),
        (smtp(2), "PROCESS_STATE,TICK_5"),
    ];
    for (name, (args, events)) in LISTENERS.into_iter().zip(lines) {
        let program = listener(room, whose, name);
        // Those that ask the daemon nothing need no rights at all.
        let asks = matches!(name, "memmon" | "httpok");
        let user = if asks || whose == Whose::Theirs { "root" } else { "nobody" };
        config = config.section(&format!(
            "[eventlistener:{name}]\ncommand={} {args}\nevents={events}\nuser={user}\nbuffer_size=100\n\
             stderr_logfile={}\n",
            program.display(),
            room.text(&format!("stderr.{name}"))
        ));
    }
    config
}

fn first<T: Clone>(what: &str, take: impl Fn() -> Vec<T>) -> T {
    poll_until(what, || take().first().cloned())
}

/// Has everything happen under a daemon.
fn world(supervisord: PathBuf, whose: Whose, page: SocketAddr) -> Outcome {
    let room = Room::new();
    let sendmails = ["one", "two", "three"].map(|name| Sendmail::named(&room, name));
    let boxes = [(); 3].map(|()| Mailbox::new(Manners::default()));
    let config = config(&room, whose, &sendmails, page, &boxes).write(&room);
    let daemon = Launch::new(&room, supervisord).config(&config).ready();
    for name in LISTENERS {
        daemon.wait_running(name);
    }
    let before = ["hog", "web"].map(|name| daemon.wait_running(name));
    for name in ["crash", "hopeless"] {
        let _ = daemon.client.call("supervisor.startProcess", &[name.into(), false.into()]);
    }
    let mails =
        sendmails.each_ref().map(|sendmail| without_numbers(&first("a mail", || sendmail.take())));
    let batches = boxes.each_ref().map(|mailbox| {
        let mail = first("a mail by SMTP", || mailbox.take());
        (mail.from, mail.to, without_numbers(&mail.text))
    });
    for (name, before) in ["hog", "web"].into_iter().zip(before) {
        poll_until("a restart", || (running(&daemon, name)? != before).then_some(()));
    }
    for name in LISTENERS {
        assert_eq!(daemon.state(name), "RUNNING", "{name}");
    }
    Outcome { mails: mails.to_vec(), batches: batches.to_vec() }
}

/// The process id, while it runs.
fn running(daemon: &Daemon, name: &str) -> Option<i32> {
    Some(daemon.program(name)).filter(|pid| *pid != 0)
}

#[test]
fn listeners_and_daemons_may_be_mixed() {
    let page = fake::web("500 No", "");
    let theirs = || reference("supervisord");
    let original = world(theirs(), Whose::Theirs, page);
    assert!(original.mails[1].contains("memmon.py restarted the process named hog:hog at TIME"));
    assert!(original.batches[1].2.contains("Process hopeless:hopeless failed to start"));
    assert_eq!(world(theirs(), Whose::Ours, page), original);
    let ours = || Dist::plain().supervisord();
    assert_eq!(world(ours(), Whose::Theirs, page), original);
    assert_eq!(world(ours(), Whose::Ours, page), original);
}
