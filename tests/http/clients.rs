//! Many clients, and slow ones.

use std::thread;
use std::time::{Duration, Instant};

use system_tests::Room;
use system_tests::wait::PATIENCE;

use crate::beside::{Beside, daemon};
use crate::wire::{Place, call};

/// Clients at the same time.
const MANY: usize = 200;
const CALLS: usize = 50;

fn many(place: &Place) {
    let clients: Vec<_> = (0..MANY)
        .map(|n| {
            let place = place.clone();
            thread::spawn(move || {
                let mut wire = place.connect().expect("a connection");
                for turn in 0..CALLS {
                    let method = ["getState", "getAllProcessInfo", "getPID"][(n + turn) % 3];
                    wire.send(&call(&format!("supervisor.{method}"), "")).expect("a question");
                    let (head, body) = wire.answer().expect("an answer");
                    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
                    assert!(body.contains("<params>") && !body.contains("<fault>"), "{body}");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("a client that was always answered");
    }
}

#[test]
fn two_hundred_clients_are_all_answered() {
    let room = Room::new();
    let (daemon, unix, tcp) = daemon(&room, "");
    let beside = Beside::begin(&daemon, &unix);
    many(&tcp);
    many(&unix);
    beside.end(&daemon);
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let room = Room::new();
    let (daemon, unix, tcp) = daemon(&room, "");
    let beside = Beside::begin(&daemon, &unix);
    let silent: Vec<_> = (0..600).map(|_| tcp.connect().expect("a connection")).collect();
    beside.more();
    let mut late = tcp.connect().expect("a connection");
    late.send(&call("supervisor.getState", "")).expect("a question");
    assert!(late.answer().expect("an answer").0.starts_with("HTTP/1.1 200 OK"));
    drop((silent, late));
    beside.end(&daemon);
}

/// Sends a byte a second until the server has had enough; what it said, and after how long.
fn drip(place: &Place, at_once: &str) -> (String, Duration) {
    let mut wire = place.connect().expect("a connection");
    wire.send(at_once.as_bytes()).expect("a beginning");
    let mut sender = wire.sender();
    let start = Instant::now();
    let dripping = thread::spawn(move || {
        while start.elapsed() < PATIENCE && sender.send(b"x").is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    });
    let said = wire.rest().expect("an end");
    let after = start.elapsed();
    drop(wire);
    dripping.join().expect("a client");
    (said, after)
}

#[test]
fn a_byte_a_second_is_not_waited_for() {
    let room = Room::new();
    let (daemon, unix, tcp) = daemon(&room, "");
    let beside = Beside::begin(&daemon, &unix);
    let cases = [
        ("", ""),
        ("GET /", ""),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX: ", ""),
        (
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 1000000\r\n\r\n",
            "408",
        ),
    ];
    let clients: Vec<_> = cases
        .into_iter()
        .flat_map(|case| [(case, tcp.clone()), (case, unix.clone())])
        .map(|((at_once, status), place)| {
            thread::spawn(move || {
                let (said, after) = drip(&place, at_once);
                let code = said.split(' ').nth(1).unwrap_or_default();
                assert_eq!(code, status, "after {at_once:?}: {said:?}");
                // The clock is not set anew by each byte.
                assert!(after < PATIENCE, "after {at_once:?}");
            })
        })
        .collect();
    for client in clients {
        client.join().expect("a client that was given up");
    }
    beside.end(&daemon);
}

#[test]
fn answers_that_nobody_takes_are_bounded() {
    let room = Room::new();
    let (daemon, unix, _) = daemon(&room, "");
    let beside = Beside::begin(&daemon, &unix);
    // Each asks for the list of methods again and again, and takes nothing.
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut wire = unix.connect().expect("a connection");
            let question = call("system.listMethods", "").repeat(4_000);
            thread::spawn(move || {
                // The server reads no further while its answers lie about.
                wire.hurry(Duration::from_secs(2));
                assert!(wire.send(&question).is_err(), "all of it was taken");
                wire
            })
        })
        .collect();
    let wires: Vec<_> = clients.into_iter().map(|c| c.join().expect("a client")).collect();
    beside.more();
    drop(wires);
    beside.end(&daemon);
}
