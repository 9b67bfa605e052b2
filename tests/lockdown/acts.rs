//! `GET /hook/NAME` makes the broker try a forbidden act. It answers with the error's name, or dies.

use std::fs;

use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, NOBODY, Room, poll_until, procfs};

fn start(room: &Room) -> Daemon {
    let config =
        Config::new(room).program("p", "/bin/sleep 100000", "user=nobody\nstartsecs=0").program(
            "log",
            "/bin/sh -c \"echo precious; exec sleep 100000\"",
            &format!("stdout_logfile={}", room.text("log")),
        );
    let daemon = Launch::new(room, Dist::hooks().supervisord()).config(&config.write(room)).ready();
    daemon.wait_running("p");
    poll_until("the line in the log", || {
        (fs::read_to_string(room.path("log")).ok()? == "precious\n").then_some(())
    });
    daemon
}

#[test]
fn what_is_forbidden_fails() {
    let room = Room::new();
    let daemon = start(&room);
    let broker = daemon.broker();
    for name in [
        "open_shadow",
        "create_tmp",
        "socket_inet",
        "pwrite",
        "ftruncate",
        "setfl",
        "fionbio",
        "lseek_start",
    ] {
        let (status, body) = daemon.client.get(&format!("/hook/{name}")).expect("an answer");
        assert_eq!(status, 200, "{name}: {body}");
        let errno = body.trim();
        assert!(
            errno.starts_with('E')
                && errno.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()),
            "{name} was answered with {errno:?}"
        );
        assert_eq!(daemon.try_broker(), Some(broker), "{name} ended the broker");
    }
    assert_eq!(fs::read_to_string(room.path("log")).expect("the log"), "precious\n");
}

#[test]
fn an_unknown_hook_is_not_an_answer() {
    // Without this, a router that answers anything would pass the test above.
    let room = Room::new();
    let daemon = start(&room);
    let (status, body) = daemon.client.get("/hook/nothing").expect("an answer");
    assert!(status != 200, "{body}");
}

#[test]
fn the_delivered_build_has_no_hooks() {
    let room = Room::new();
    let file = Config::new(&room).write(&room);
    let daemon = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    let (status, body) = daemon.client.get("/hook/open_shadow").expect("an answer");
    assert!(status != 200, "{body}");
    let broker = daemon.broker();
    let _ = daemon.client.get("/hook/fork");
    assert_eq!(daemon.try_broker(), Some(broker));
}

#[test]
fn what_no_broker_ever_does_ends_it() {
    let room = Room::new();
    let daemon = start(&room);
    let programs = [daemon.program("p"), daemon.program("log")];
    for name in ["execve", "ptrace", "kill", "fork"] {
        let told = || daemon.activity().matches("SIGSYS").count();
        let (broker, before) = (daemon.broker(), told());
        let answer = daemon.client.get(&format!("/hook/{name}"));
        assert!(answer.is_err(), "{name} was answered: {answer:?}");
        poll_until("another broker", || {
            let new = daemon.try_broker()?;
            (new != broker && daemon.client.call("supervisor.getState", &[]).is_ok()).then_some(new)
        });
        poll_until(&format!("the log to say how {name} ended the broker"), || {
            (told() > before).then_some(())
        });
        assert_eq!([daemon.program("p"), daemon.program("log")], programs, "after {name}");
        assert!(programs.into_iter().all(procfs::alive), "after {name}");
    }
    assert_eq!(procfs::Status::of(programs[0]).numbers("Uid"), [NOBODY; 4]);
}
