//! Clients that send too much, or nonsense.

use std::collections::BTreeMap;
use std::io;
use std::thread;

use system_tests::Room;

use crate::beside::{Beside, daemon};
use crate::wire::{Place, call};

/// Sends the beginning, then `piece` until `size` bytes are out or nobody takes them; the status of the answer.
fn flood(place: &Place, beginning: &str, piece: &[u8], size: usize) -> String {
    let mut wire = place.connect().expect("a connection");
    let mut sender = wire.sender();
    let (beginning, piece) = (beginning.to_owned(), piece.repeat(64 << 10));
    let sending = thread::spawn(move || -> io::Result<()> {
        sender.send(beginning.as_bytes())?;
        for _ in 0..size / piece.len() {
            sender.send(&piece)?;
        }
        Ok(())
    });
    let answer = wire.rest().expect("an end");
    drop(wire);
    let _ = sending.join().expect("a client");
    answer.split(' ').nth(1).unwrap_or("closed").to_owned()
}

#[test]
fn what_is_too_large_is_refused_and_never_kept() {
    const MB: usize = 1_000_000;
    let room = Room::new();
    let (daemon, unix, tcp) = daemon(&room, "");
    let beside = Beside::begin(&daemon, &unix);
    let post = "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n";
    for place in [&unix, &tcp] {
        let flood = |beginning: &str, piece: &[u8], size| flood(place, beginning, piece, size);
        let length = format!("{post}Content-Length: {}\r\n\r\n", 50 * MB);
        assert_eq!(flood(&length, b"x", 50 * MB), "413");
        let chunks = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(flood(&chunks, b"8\r\nxxxxxxxx\r\n", 50 * MB), "411");
        assert_eq!(flood(&format!("{post}X-Long: "), b"x", 10 * MB), "431");
        assert_eq!(flood(post, b"X: y\r\n", 10 * MB), "431");
        assert_eq!(flood("GET /", b"x", 10 * MB), "431");
        assert_eq!(flood("", b"x", 10 * MB), "431");
        assert_eq!(flood("", b"\0", 10 * MB), "400");
        // What comes after a call is the next request.
        let more = String::from_utf8(call("supervisor.getState", "")).expect("text");
        assert_eq!(flood(&more, b"{}", 10 * MB), "200");
        beside.more();
    }
    beside.end(&daemon);
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % sides
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

const BODIES: [&str; 14] = [
    "",
    "x",
    "<",
    "<methodCall>",
    "<methodCall></methodCall>",
    "<methodCall><methodName></methodName></methodCall>",
    "<methodCall><methodName>no.such</methodName></methodCall>",
    "<methodCall><methodName>supervisor.startProcess</methodName></methodCall>",
    "<methodCall><methodName>supervisor.getProcessInfo</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]><methodCall><methodName>&b;</methodName></methodCall>",
    "<a><b><c><d><e><f><g><h><i><j><k><l><m><n><o><p><q><r><s><t><u><v><w><x><y><z>",
    "\u{0}\u{1}\u{ffff}",
    "<methodCall><methodName>system.multicall</methodName><params><param><value><int>1</int></value></param></params></methodCall>",
    "<?xml version='1.0' encoding='UTF-16'?><methodCall/>",
];

/// A request that is wrong, but whose end can be told: it has exactly one answer.
fn framed(dice: &mut Dice) -> Vec<u8> {
    let method = dice.of(&["POST", "POST", "POST", "GET", "PUT", "HEAD", "BREW", "get", "OPTIONS"]);
    let path = dice.of(&[
        "/RPC2",
        "/RPC2",
        "/RPC2",
        "/RPC2/..",
        "/%",
        "/%zz%00%ff",
        "/logtail",
        "/logtail/%2e%2e/%2e%2e/etc/passwd",
        "/logtail//////",
        "/nothing?a=%&b==&&;",
        "*",
        "//",
        "/healthz/../RPC2",
    ]);
    let headers = dice.of(&[
        "",
        "X:\r\n",
        "Authorization: Basic\r\n",
        "Authorization: Basic AAAA=AAA\r\n",
        "Connection: ,,;x\r\n",
        "Expect: something\r\n",
        "Origin: null\r\n",
        "Cookie: \u{80}\u{ff}\r\n",
        "Accept-Encoding: \t\r\n",
    ]);
    // A body that is not wanted ends the connection; browsers are not wanted there.
    let browser = ["Origin", "Cookie"].iter().any(|name| headers.starts_with(name));
    let call = method == "POST" && path.starts_with("/RPC2") && !browser;
    let body = if call { dice.of(&BODIES) } else { "" };
    let (length, kind) = (body.len(), if call { "Content-Type: text/xml\r\n" } else { "" });
    let headers = format!("Host: localhost\r\n{headers}{kind}Content-Length: {length}\r\n");
    format!("{method} {path} HTTP/1.1\r\n{headers}\r\n{body}").into_bytes()
}

/// Bytes that began as a request.
fn wild(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = if dice.roll(4) == 0 { framed(dice) } else { call("supervisor.getState", "") };
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(bytes.len().max(1)).min(bytes.len());
        match dice.roll(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, b"\0\r\n :\xff%"[dice.roll(7)]),
            2 if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).expect("a byte"),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => bytes.splice(at..at, *b"Transfer-Encoding: chunked\r\n").for_each(drop),
            _ => bytes.splice(at..at, *b"Content-Length: 9999999999999\r\n").for_each(drop),
        }
    }
    bytes
}

fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.split("HTTP/1.").skip(1);
    lines.map(|l| l.get(2..5).and_then(|code| code.parse().ok()).expect("a status")).collect()
}

/// Sends `count` requests that are framed, `most` on each connection; the answers by status.
fn send_framed(place: &Place, dice: &mut Dice, count: usize, most: usize) -> BTreeMap<u16, usize> {
    let mut seen = BTreeMap::new();
    let mut sent = 0;
    while sent < count {
        let batch = most.min(count - sent);
        let mut bytes: Vec<u8> = (0..batch).flat_map(|_| framed(dice)).collect();
        bytes.extend(b"GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut wire = place.connect().expect("a connection");
        let mut sender = wire.sender();
        let sending = thread::spawn(move || sender.send(&bytes));
        let answers = statuses(&wire.rest().expect("an end"));
        sending.join().expect("a client").expect("all is taken");
        assert_eq!(answers.len(), batch + 1, "one answer each: {answers:?}");
        for status in answers {
            *seen.entry(status).or_default() += 1;
        }
        sent += batch;
    }
    seen
}

/// Sends `count` requests that are damaged, each on a connection of its own.
fn send_wild(place: &Place, dice: &mut Dice, count: usize) -> BTreeMap<u16, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..count {
        let mut wire = place.connect().expect("a connection");
        // The server may close before it has seen all of it.
        let _ = wire.send(&wild(dice));
        wire.end();
        for status in statuses(&wire.rest().expect("an end")) {
            *seen.entry(status).or_default() += 1;
        }
    }
    seen
}

#[test]
fn a_hundred_thousand_malformed_requests() {
    let room = Room::new();
    let (daemon, unix, tcp) = daemon(&room, "");
    let beside = Beside::begin(&daemon, &unix);
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    let mut add = |more: BTreeMap<u16, usize>| {
        more.into_iter().for_each(|(status, n)| *seen.entry(status).or_default() += n);
    };
    let mut dice = Dice(0x5eed);
    add(send_framed(&unix, &mut dice, 70_000, 200));
    add(send_framed(&tcp, &mut dice, 10_000, 200));
    beside.more();
    add(send_wild(&unix, &mut dice, 15_000));
    add(send_wild(&tcp, &mut dice, 5_000));
    beside.end(&daemon);
    let known = [100, 200, 303, 400, 403, 404, 411, 413, 414, 415, 421, 431];
    assert!(seen.keys().all(|status| known.contains(status)), "{seen:?}");
    assert!(seen.values().sum::<usize>() > 95_000, "{seen:?}");
    assert!(seen[&400] > 10_000 && seen[&404] > 10_000, "{seen:?}");
}
