//! `pidproxy`: what it passes on, how it ends, and what that of the reference does instead.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::procfs::{self, Status};
use system_tests::{Room, poll_until, wait_for};

use crate::both;
use crate::ours;
use crate::side_by_side::Running;

struct Proxy<'r> {
    room: &'r Room,
    child: Child,
}

impl<'r> Proxy<'r> {
    /// Starts one whose pidfile is `pid` in the room; `PIDFILE` and `LOG` in the command stand for files there.
    fn start(room: &'r Room, program: &Path, command: &[&str]) -> Proxy<'r> {
        let pidfile = room.text("pid");
        let words = command
            .iter()
            .map(|word| word.replace("PIDFILE", &pidfile).replace("LOG", &room.text("log")));
        let child = Command::new(program)
            .arg(&pidfile)
            .args(words)
            .env(system_tests::room::MARK, room.text(""))
            .current_dir(room.dir())
            .stdin(Stdio::null())
            .stdout(fs::File::create(room.path("out")).expect("a file"))
            .stderr(fs::File::create(room.path("err")).expect("a file"))
            .spawn()
            .expect("a proxy");
        Proxy { room, child }
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    fn signal(&self, signal: Signal) {
        assert!(procfs::signal(self.pid(), signal), "the proxy is gone");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.room.path("log")).unwrap_or_default()
    }

    fn out(&self) -> String {
        fs::read_to_string(self.room.path("out")).unwrap_or_default()
    }

    fn err(&self) -> String {
        fs::read_to_string(self.room.path("err")).unwrap_or_default()
    }

    /// Its exit status when it has ended.
    fn end(&mut self) -> i32 {
        let status = poll_until("the end of the proxy", || self.child.try_wait().ok().flatten());
        status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
    }
}

impl Drop for Proxy<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that starts a daemon, which writes the signals that it gets, and waits for it without heeding any.
const WRAPPER: &str = "
for s in HUP INT QUIT USR1 USR2 TERM; do trap '' $s; done
/usr/bin/python3 -c '
import os, signal, sys
def got(number, _):
    os.write(log, signal.Signals(number).name.encode() + b\"\\n\")
    if number == signal.SIGTERM: os._exit(7)
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for name in [\"HUP\", \"INT\", \"QUIT\", \"USR1\", \"USR2\", \"TERM\"]:
    signal.signal(getattr(signal, \"SIG\" + name), got)
open(sys.argv[2], \"w\").write(str(os.getpid()) + \"\\n\")
while True: signal.pause()
' LOG PIDFILE &
while :; do wait $!; s=$?; kill -0 $! 2>/dev/null || break; done
exit $s";

#[test]
fn passes_signals_on() {
    for (program, status) in both("pidproxy").iter().zip([7, 0]) {
        let room = Room::new();
        let mut proxy = Proxy::start(&room, program, &["/bin/sh", "-c", WRAPPER]);
        wait_for("a pidfile", || {
            fs::read_to_string(room.path("pid")).is_ok_and(|t| t.ends_with('\n'))
        });
        let mut expected = String::new();
        for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP] {
            proxy.signal(signal);
            expected.push_str(&format!("{signal}\n"));
            wait_for("a signal", || proxy.log() == expected);
        }
        proxy.signal(Signal::SIGTERM);
        wait_for("the last signal", || proxy.log() == format!("{expected}SIGTERM\n"));
        // Ours knows how the daemon ended, from the command that waited for it.
        assert_eq!(proxy.end(), status, "{}", proxy.err());
    }
}

#[test]
fn a_daemon_that_lives_on_keeps_the_proxy() {
    let room = Room::new();
    let mut proxy = Proxy::start(&room, &ours("pidproxy"), &["/bin/sh", "-c", WRAPPER]);
    wait_for("a pidfile", || fs::read_to_string(room.path("pid")).is_ok_and(|t| t.ends_with('\n')));
    // This daemon does not end at it, so the proxy does not either.
    proxy.signal(Signal::SIGINT);
    wait_for("a signal", || proxy.log() == "SIGINT\n");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(proxy.child.try_wait().is_ok_and(|status| status.is_none()));
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end(), 7);
}

#[test]
fn exit_statuses() {
    for (script, status) in
        [("exit 0", 0), ("exit 5", 5), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
    {
        let [ours, theirs] = both("pidproxy").map(|program| {
            let room = Room::new();
            let begin = Instant::now();
            let code = Proxy::start(&room, &program, &["/bin/sh", "-c", script]).end();
            (code, begin.elapsed())
        });
        assert_eq!((ours.0, theirs.0), (status, 0), "{script}");
        assert!(ours.1 < Duration::from_secs(4), "{:?}", ours.1);
    }
}

#[test]
fn commands_are_looked_for() {
    let run = |command: &str| {
        let room = Room::new();
        room.file("here", "#!/bin/sh\nexit 3\n");
        room.mode("here", 0o755);
        room.file("plain", "");
        let mut proxy = Proxy::start(&room, &ours("pidproxy"), &[command]);
        (proxy.end(), proxy.err())
    };
    assert_eq!(run("false").0, 1);
    assert_eq!(run("/bin/true").0, 0);
    assert_eq!(run("./here").0, 3);
    // As the reference takes it, where PATH has none.
    assert_eq!(run("here").0, 3);
    let (status, said) = run("no-such-command");
    assert_eq!(status, 127);
    assert!(said.starts_with("pidproxy: cannot run no-such-command: No such file"), "{said}");
    assert_eq!(run("./plain").0, 126);
    let room = Room::new();
    let mut theirs = Proxy::start(&room, &both("pidproxy")[1], &["false"]);
    assert_eq!((theirs.end(), theirs.err()), (0, String::new()));
}

#[test]
fn too_few_words() {
    for program in both("pidproxy") {
        for args in [&[][..], &["/run/x.pid"]] {
            let output = Command::new(&program).args(args).output().expect("a proxy");
            assert_eq!(output.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&output.stdout).contains("pidproxy"));
        }
    }
}

#[test]
fn pidfiles_that_name_nothing() {
    for content in [None, Some("x"), Some("-1"), Some("1"), Some("0")] {
        let room = Room::new();
        if let Some(content) = content {
            room.file("pid", content);
        }
        let text = format!("Can't read child pidfile {}!\n", room.text("pid"));
        let command = ["/bin/sh", "-c", "echo $$ >LOG; exec sleep 100000"];
        let mut proxy = Proxy::start(&room, &ours("pidproxy"), &command);
        wait_for("the command", || proxy.log().ends_with('\n'));
        proxy.signal(Signal::SIGHUP);
        wait_for("the text", || proxy.out() == text);
        assert!(proxy.child.try_wait().is_ok_and(|status| status.is_none()));
        // There is nothing but the command that could be ended.
        proxy.signal(Signal::SIGTERM);
        assert_eq!(proxy.end(), 143);
        assert_eq!(proxy.out(), text.repeat(2));
    }
    let room = Room::new();
    let text = format!("Can't read child pidfile {}!\n", room.text("pid"));
    let theirs = Proxy::start(
        &room,
        &both("pidproxy")[1],
        &["/bin/sh", "-c", "echo >LOG; exec sleep 100000"],
    );
    wait_for("the command", || !theirs.log().is_empty());
    theirs.signal(Signal::SIGTERM);
    wait_for("the text", || theirs.out() == text);
}

#[test]
fn a_pidfile_that_is_a_fifo_is_not_waited_for() {
    let room = Room::new();
    let made = Command::new("mkfifo").arg(room.path("pid")).status();
    assert!(made.is_ok_and(|status| status.success()));
    let command = ["/bin/sh", "-c", "echo $$ >LOG; exec sleep 100000"];
    let mut proxy = Proxy::start(&room, &ours("pidproxy"), &command);
    wait_for("the command", || proxy.log().ends_with('\n'));
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end(), 143);
    assert_eq!(proxy.out(), format!("Can't read child pidfile {}!\n", room.text("pid")));
}

#[test]
fn a_command_that_stays_gets_the_signal_last() {
    let room = Room::new();
    let sleep = Running::new("exec sleep 100000");
    room.file("pid", &sleep.pid().to_string());
    let mut proxy = Proxy::start(&room, &ours("pidproxy"), &["sleep", "100000"]);
    let command = poll_until("the command", || procfs::children(proxy.pid()).first().copied());
    let begin = Instant::now();
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end(), 143);
    assert!(begin.elapsed() >= Duration::from_millis(900), "{:?}", begin.elapsed());
    assert!(!procfs::alive(command) && !procfs::alive(sleep.pid().cast_signed()));
}

#[test]
fn a_process_that_is_not_there() {
    let room = Room::new();
    room.file("pid", "4194303");
    let mut proxy = Proxy::start(&room, &ours("pidproxy"), &["sleep", "100000"]);
    poll_until("the command", || procfs::children(proxy.pid()).first().copied());
    proxy.signal(Signal::SIGQUIT);
    assert_eq!(proxy.end(), 128 + Signal::SIGQUIT as i32);
    assert!(proxy.err().contains("process 4194303, which "), "{}", proxy.err());
}

#[test]
fn a_daemon_that_its_command_leaves_behind_is_stayed_with() {
    let room = Room::new();
    // The pidfile comes after the end of the command.
    let script = "(sleep 0.5; sh -c 'echo $PPID' >PIDFILE; sleep 0.5; exit 9) & exit 0";
    let mut proxy = Proxy::start(&room, &ours("pidproxy"), &["/bin/sh", "-c", script]);
    assert_eq!(proxy.end(), 9);
    let script = "/usr/bin/python3 -c 'import signal; signal.pause()' & echo $! >PIDFILE";
    let mut proxy = Proxy::start(&room, &ours("pidproxy"), &["/bin/sh", "-c", script]);
    wait_for("the end of the command", || {
        procfs::children(proxy.pid()).iter().all(|pid| procfs::arguments(*pid)[0] != "/bin/sh")
    });
    let daemon: i32 = poll_until("a pidfile", || {
        let pid = fs::read_to_string(room.path("pid")).ok()?.trim().parse().ok()?;
        procfs::children(proxy.pid()).contains(&pid).then_some(pid)
    });
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end(), 143);
    assert!(!procfs::alive(daemon));
}

#[test]
fn commands_begin_with_clean_signals() {
    let room = Room::new();
    let proxy = Proxy::start(&room, &ours("pidproxy"), &["sleep", "100000"]);
    let command = poll_until("the command", || {
        let command = procfs::children(proxy.pid()).first().copied()?;
        (procfs::arguments(command).first().map(String::as_str) == Some("sleep")).then_some(command)
    });
    let status = Status::of(command);
    assert_eq!(status.mask("SigBlk"), 0);
    assert_eq!(status.mask("SigIgn") & 1 << (Signal::SIGPIPE as i32 - 1), 0);
}
