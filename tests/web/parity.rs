//! Beside the reference: the same links, the same messages, the same tails.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use system_tests::dist::reference;
use system_tests::{Config, Launch, Room, net, wait_for};

use crate::client::{Answer, Site};

/// Every link, in an order in which each finds what it needs.
const LINKS: [&str; 30] = [
    "action=refresh",
    "action=stop&processname=a",
    "action=stop&processname=a",
    "action=start&processname=a",
    "action=start&processname=a",
    "action=restart&processname=a",
    "action=clearlog&processname=a",
    "action=start&processname=late",
    "action=restart&processname=late",
    "action=stop&processname=late",
    "action=restart&processname=late",
    "action=start&processname=gone",
    "action=start&processname=plain",
    "action=start&processname=brief",
    "action=restart&processname=gone",
    "action=stop&processname=m%3Am_0",
    "action=start&processname=m:m_0",
    "action=stop&processname=m_0",
    "action=stop&processname=m:*",
    "action=start&processname=m:",
    "action=stop&processname=m",
    "action=start&processname=nobody",
    "action=clearlog&processname=nolog",
    "action=clearlog&processname=nobody",
    "action=stop&processname=a&action=start",
    "action=stop&processname=a&processname=late",
    "action=refresh&processname=nobody",
    "action=stopall",
    "action=restartall",
    "action=stopall&processname=a",
];

const TAILS: [&str; 9] = [
    "",
    "processname=a",
    "processname=nobody",
    "processname=nolog",
    "processname=m:*",
    "processname=a&limit=x",
    "processname=a&limit=2000",
    "processname=a&limit=0",
    "processname=a&limit=1500&limit=3000",
];

fn config(room: &Room, stem: &str, address: Ipv4Addr, key: &str) -> std::path::PathBuf {
    let idle = "autostart=false\nstartretries=0";
    // Automatic logs of the one would be removed by the start of the other.
    let log = format!("startsecs=0\nstdout_logfile={}", room.text(&format!("{stem}.out")));
    Config::named(room, stem)
        .program("a", "/bin/sh -c 'seq 1000; exec sleep 100000'", &log)
        .program("late", "/bin/sleep 100000", "autostart=false\nstartsecs=1")
        .program("gone", "/nonexistent/program", idle)
        .program("plain", &room.text("plain"), idle)
        .program("brief", "/bin/false", idle)
        .program(
            "m",
            "/bin/sleep 100000",
            "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d\nstartsecs=0",
        )
        .program("nolog", "/bin/sleep 100000", "startsecs=0\nstdout_logfile=NONE")
        .section(&format!("[inet_http_server]\nport={address}:9001\n{key}"))
        .write_as(room, &format!("{stem}.conf"))
}

fn start(room: &Room, stem: &str, binary: &Path, key: &str) -> Site {
    let address = net::address();
    let file = config(room, stem, address, key);
    let launch = Launch::new(room, binary.to_owned()).stem(stem).config(&file);
    let site = Site { daemon: launch.ready(), address };
    for name in ["a", "m:m_0", "m:m_1", "nolog"] {
        site.daemon.wait_running(name);
    }
    let log = room.path(&format!("{stem}.out"));
    wait_for("the log", || fs::metadata(&log).is_ok_and(|meta| meta.len() == 3_893));
    site
}

/// Where an answer leads to, without the server's name and the time.
fn told(site: &Site, answer: &Answer) -> String {
    let location = answer.header("location").unwrap_or_default();
    let peer = SocketAddrV4::new(site.address, 9_001);
    let rest = location.trim_start_matches(&format!("http://{peer}")).trim_start_matches('.');
    let mut words: Vec<&str> = rest.split("%20").collect();
    if let Some(at) = words.iter().position(|word| *word == "at") {
        words.truncate(at);
    }
    words.join(" ")
}

/// Title, content and the address to look again.
fn seen(page: &Answer) -> (String, String, bool) {
    let between = |from: &str, to: &str| {
        let rest = page.body.split_once(from).map(|(_, rest)| rest)?;
        Some(rest.split_once(to)?.0.trim().to_owned())
    };
    let content = between("<pre>", "</pre>").or(between("<p class=\"nothing\">", "</p>"));
    (
        between("<title>", "</title>").unwrap_or_default(),
        content.unwrap_or_default(),
        page.body.contains("tail.html?"),
    )
}

#[test]
fn links_and_tails_say_what_the_reference_says() {
    let room = Room::new();
    room.file("plain", "not a program\n");
    let ours = system_tests::Dist::plain().supervisord();
    let ours = start(&room, "ours", &ours, "legacy_get_actions=true");
    let theirs = start(&room, "theirs", &reference("supervisord"), "");
    for query in TAILS {
        let path = format!("tail.html?{query}");
        let (mine, other) = (ours.get(&path), theirs.get(&path));
        assert_eq!((mine.status, seen(&mine)), (other.status, seen(&other)), "{query}");
    }
    for query in LINKS {
        let path = format!("index.html?{query}");
        let (mine, other) = (ours.get(&path), theirs.get(&path));
        assert_eq!((mine.status, other.status), (303, 301), "{query}");
        assert_eq!(told(&ours, &mine), told(&theirs, &other), "{query}");
        assert!(told(&ours, &mine).starts_with("/?message="), "{query}: {mine:?}");
    }
    // The one that ends at once may be stopped between two tries, or after the last.
    for name in ["a", "late", "gone", "plain", "m:m_0", "m:m_1", "nolog"] {
        assert_eq!(ours.daemon.state(name), theirs.daemon.state(name), "{name}");
    }
}
