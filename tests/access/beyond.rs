//! Servers that more than this machine can reach, with and without a password.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use system_tests::config::broker_user;
use system_tests::dist::Dist;
use system_tests::wire::Place;
use system_tests::{Config, Daemon, Launch, Network, Outcome, Room, procfs};

use crate::ask::{Answer, basic, last_call};
use crate::world::{Seat, hashed};

/// One of those that documentation is written with; here it is the machine's own.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const PORT: u16 = 9_001;

struct Site {
    daemon: Daemon,
    network: Network,
    _room: Room,
    _seat: Seat,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.daemon.leave();
    }
}

fn network() -> Network {
    let network = Network::new();
    network.address(&format!("{OUTSIDE}/32"));
    network
}

fn config(room: &Room, daemon: &str, server: &str) -> PathBuf {
    Config::new(room)
        .daemon(&format!("broker_user={}\n{daemon}", broker_user()))
        .program("runs", "/bin/sleep 100000", "startsecs=0")
        .section(server)
        .write(room)
}

fn start(daemon: &str, server: impl Fn(&Room) -> String) -> Site {
    let seat = Seat::take();
    let (room, network) = (Room::new(), network());
    let file = config(&room, daemon, &server(&room));
    let launch = Launch::new(&room, Dist::plain().supervisord()).config(&file);
    let daemon = network.inside(|| launch.ready());
    daemon.wait_running("runs");
    Site { daemon, network, _room: room, _seat: seat }
}

/// The status of an answer to `getState` there; `None`: nobody listens.
fn state(place: &Site, address: SocketAddr, lines: &str) -> Option<u16> {
    let request = last_call("supervisor.getState", &[], lines);
    let text = place.network.inside(|| Place::Tcp(address).ask(&request)).ok()?;
    Some(Answer::read(&text).status)
}

fn outside() -> SocketAddr {
    SocketAddr::from((OUTSIDE, PORT))
}

fn inside() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
}

fn levels<'a>(log: &'a str, level: &str) -> Vec<&'a str> {
    log.lines().filter(|l| l.contains(&format!(" {level} "))).collect()
}

#[test]
fn without_a_password_nothing_listens_and_all_else_runs() {
    for port in ["*:9001", ":9001", "9001", "0.0.0.0:9001", "[::]:9001", "192.0.2.7:9001"] {
        let place = start("", |_| format!("[inet_http_server]\nport={port}"));
        assert_eq!(state(&place, outside(), ""), None, "{port}");
        assert_eq!(state(&place, inside(), ""), None, "{port}");
        let table = place.network.inside(|| {
            ["tcp", "tcp6"]
                .map(|name| std::fs::read_to_string(format!("/proc/thread-self/net/{name}")))
        });
        for text in table.map(|text| text.expect("the table of sockets")) {
            assert!(!text.contains(":2329 "), "{port}: {text}");
        }
        let log = place.daemon.activity();
        let told = levels(&log, "CRIT").join("\n");
        for part in ["username", "password", "insecure_no_auth", "inet_http_server"] {
            assert!(told.contains(part), "{port}: {part}: {log}");
        }
        // It stays so when the configuration is read again, and when the broker is another one.
        place.daemon.client.call("supervisor.reloadConfig", &[]).expect("a reading");
        place.daemon.replace_broker();
        assert_eq!(state(&place, outside(), ""), None, "{port}");
        assert_eq!(place.daemon.state("runs"), "RUNNING");
    }
}

#[test]
fn a_role_for_anonymous_is_no_password() {
    let role = "[role:looking]\nmembers=anonymous\nprograms=*\nactions=viewer";
    let place = start("", |_| format!("[inet_http_server]\nport=*:9001\n{role}"));
    assert_eq!(state(&place, outside(), ""), None);
    assert!(!levels(&place.daemon.activity(), "CRIT").is_empty());
}

#[test]
fn what_is_meant_to_be_open_is_and_says_so() {
    let server = "[inet_http_server]\nport=*:9001\ninsecure_no_auth=true";
    let place = start("", |_| server.to_owned());
    assert_eq!(state(&place, outside(), ""), Some(200));
    let log = place.daemon.activity();
    assert!(levels(&log, "WARN").iter().any(|l| l.contains("insecure_no_auth")), "{log}");
}

#[test]
fn with_a_password_it_is_open_to_who_has_it() {
    let by_section =
        |_: &Room| "[inet_http_server]\nport=*:9001\nusername=u\npassword=p".to_owned();
    let by_user = |room: &Room| {
        format!("[inet_http_server]\nport=*:9001\n[user:u]\npassword={}", hashed(room, "p"))
    };
    let ways: [&dyn Fn(&Room) -> String; 2] = [&by_section, &by_user];
    for server in ways {
        let place = start("", server);
        assert_eq!(state(&place, outside(), ""), Some(401));
        assert_eq!(state(&place, outside(), &basic("u", "p")), Some(200));
        let log = place.daemon.activity();
        let warned = levels(&log, "WARN");
        assert!(warned.iter().any(|l| l.contains("without encryption")), "{log}");
    }
}

#[test]
fn on_loopback_nothing_of_this_is_asked() {
    for port in ["127.0.0.1:9001", "127.9.8.7:9001", "localhost:9001"] {
        let place = start("strict=true", |_| format!("[inet_http_server]\nport={port}"));
        assert_eq!(state(&place, outside(), ""), None, "{port}");
        let address = if port.starts_with("127.9") {
            Ipv4Addr::new(127, 9, 8, 7)
        } else {
            Ipv4Addr::LOCALHOST
        };
        assert_eq!(state(&place, (address, PORT).into(), ""), Some(200), "{port}");
    }
}

fn refused(daemon: &str, server: &str) -> Outcome {
    let (room, network) = (Room::new(), network());
    let file = config(&room, daemon, server);
    let launch = Launch::new(&room, Dist::plain().supervisord()).config(&file).args(&["-n"]);
    let outcome = network.inside(|| launch.run());
    assert_ne!(outcome.code(), 0, "{server}: {outcome:?}");
    assert!(room.processes().iter().all(|pid| !procfs::alive(*pid)), "nothing has started");
    outcome
}

#[test]
fn strict_is_a_refusal_of_both() {
    for (server, word) in [
        ("[inet_http_server]\nport=*:9001", "password"),
        ("[inet_http_server]\nport=*:9001\ninsecure_no_auth=true", "password"),
        ("[inet_http_server]\nport=*:9001\nusername=u\npassword=p", "encryption"),
    ] {
        let outcome = refused("strict=true", server);
        assert!(outcome.stderr.contains(word), "{server}: {outcome:?}");
        assert!(outcome.stderr.contains("supervisord.conf:"), "{server}: {outcome:?}");
    }
}
