//! Logs that are followed over HTTP.

use std::fs;

use system_tests::{Config, Daemon, Dist, Launch, Room, wait_for};

use crate::wire::{Place, header};

fn launch(room: &Room) -> (Daemon, Place) {
    let address = Place::free("127.0.0.1");
    let out = room.text("out.log");
    let config = Config::new(room)
        .section(&format!("[inet_http_server]\nport={address}\n"))
        .program(
            "talk",
            &format!(
                "/bin/sh -c \"echo first; while read line; do echo $line; done < {}\"",
                room.text("in")
            ),
            &format!("stdout_logfile={out}\nstartsecs=0\nautorestart=false"),
        )
        .program("mute", "/bin/cat", &format!("stdout_logfile={}", room.text("mute.log")));
    nix::unistd::mkfifo(&room.path("in"), nix::sys::stat::Mode::from_bits_truncate(0o600))
        .expect("a pipe");
    let daemon = Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready();
    (daemon, Place::Tcp(address))
}

#[test]
fn a_client_of_http_1_0_follows_a_log() {
    let room = Room::new();
    let (mut daemon, tcp) = launch(&room);
    let mut input = fs::OpenOptions::new().write(true).open(room.path("in")).expect("the pipe");
    wait_for("a first line", || {
        fs::read_to_string(room.path("out.log")).is_ok_and(|t| t == "first\n")
    });
    for place in [&tcp, &Place::unix(&room.path("supervisord.sock"))] {
        let mut old = place.connect().expect("a connection");
        old.send(b"GET /logtail/talk HTTP/1.0\r\n\r\n").expect("a question");
        let head = old.until("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        assert_eq!(header(&head, "transfer-encoding"), None);
        assert_eq!(header(&head, "content-length"), None);
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&head, "x-accel-buffering"), Some("no"));
        assert_eq!(old.until("first\n").expect("the log"), "first\n");
    }
    let mut old = tcp.connect().expect("a connection");
    old.send(b"GET /logtail/talk HTTP/1.0\r\n\r\n").expect("a question");
    old.until("first\n").expect("the log");
    std::io::Write::write_all(&mut input, b"second\n").expect("the pipe");
    assert_eq!(old.until("second\n").expect("the log"), "second\n");
    // The end of the connection is the end of it.
    assert_eq!(daemon.stop(), 0);
    assert_eq!(old.rest().expect("an end"), "");
}

#[test]
fn the_head_of_an_empty_log_comes_at_once() {
    let room = Room::new();
    let (daemon, tcp) = launch(&room);
    daemon.wait_running("mute");
    let mut wire = tcp.connect().expect("a connection");
    wire.send(b"GET /logtail/mute HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a question");
    let head = wire.until("\r\n\r\n").expect("a head, though there is nothing to read");
    assert_eq!(header(&head, "transfer-encoding"), Some("chunked"));
    fs::OpenOptions::new()
        .append(true)
        .open(room.path("mute.log"))
        .and_then(|mut log| std::io::Write::write_all(&mut log, b"x\n"))
        .expect("the log");
    drop(wire);
}

#[test]
fn head_has_no_body() {
    let room = Room::new();
    let (_daemon, tcp) = launch(&room);
    let mut wire = tcp.connect().expect("a connection");
    for (path, status) in
        [("/healthz", "200"), ("/nothing", "404"), ("/RPC2", "400"), ("/logtail/talk", "400")]
    {
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .expect("a question");
        let head = wire.until("\r\n\r\n").expect("a head");
        assert_eq!(head.split(' ').nth(1), Some(status), "{path}: {head}");
        assert!(header(&head, "content-length").is_some_and(|n| n != "0"), "{path}: {head}");
    }
    // The next answer begins where the heads end.
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a question");
    assert_eq!(wire.answer().expect("an answer").1, "ok\n");
}
