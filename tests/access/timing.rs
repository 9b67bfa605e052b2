//! How long a refused login takes: whether the time tells a user that there is from one that there is not.
//!
//!     make build
//!     cargo run --release -p system-tests --example login-timing -- 1000
//!
//! Each try comes from an address of its own, so that nobody is made to wait for earlier failures. Known and unknown names,
//! and wrong passwords of the right and of another length, are tried in turn, on connections that are open already. It prints
//! the median, the quartiles and how far each median is from that of the first kind. Times of a busy machine say nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use system_tests::config::broker_user;
use system_tests::dist::Dist;
use system_tests::wire::Place;
use system_tests::{Config, Launch, Network, Room};

const PORT: u16 = 9_001;
/// `name:password` in Base64.
const KINDS: [(&str, &str); 5] = [
    ("known, wrong password", "Ym9iOndyb25nLXBhc3N3b3Jk"),
    ("unknown, wrong password", "bm9iOndyb25nLXBhc3N3b3Jk"),
    ("known, first half right", "Ym9iOmNvcnJlY3QtaG9yc2UtYmFkLW9uZQ=="),
    ("known, a longer one", "Ym9iOndyb25nLXBhc3N3b3JkLXRoYXQtaXMtYS1nb29kLWRlYWwtbG9uZ2Vy"),
    ("unknown, a longer name", "bm9ib2R5LWJ5LXRoaXMtdmVyeS1sb25nLW5hbWU6d3JvbmctcGFzc3dvcmQ="),
];

fn main() {
    let tries = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_usize);
    let (room, network) = (Room::new(), Network::new());
    let mut passwd = std::process::Command::new("sh");
    passwd.args(["-c", "echo correct-horse-battery | \"$0\" passwd --stdin --hash"]);
    let output = passwd.arg(Dist::plain().supervisorctl()).output().expect("the client");
    let hash = String::from_utf8(output.stdout).expect("a hash");
    let config = Config::new(&room)
        .daemon(&format!("broker_user={}", broker_user()))
        .section(&format!("[inet_http_server]\nport=127.0.0.1:{PORT}"))
        .section(&format!("[user:bob]\npassword={hash}"));
    let config = config.write(&room);
    let launch = Launch::new(&room, Dist::plain().supervisord()).config(&config);
    let _daemon = network.inside(|| launch.ready());
    let place = Place::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let times = network.inside(|| measure(&place, tries));
    report(times);
}

/// The times of all tries of each kind, sorted.
fn measure(place: &Place, tries: usize) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::with_capacity(tries); KINDS.len()];
    for round in 0..tries {
        for turn in 0..KINDS.len() {
            // Another one is first in each round.
            let kind = (round + turn) % KINDS.len();
            let number = u32::try_from(round * KINDS.len() + turn + 256).expect("few tries");
            let source = Ipv4Addr::from(0x7f10_0000 + number);
            let mut wire = place.connect_from(source).expect("a connection");
            let request = format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {}\r\n\r\n",
                KINDS[kind].1
            );
            let begin = Instant::now();
            wire.send(request.as_bytes()).expect("a question");
            let (head, _) = wire.answer().expect("an answer");
            let taken = begin.elapsed();
            assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
            times[kind].push(taken);
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    times
}

fn report(times: Vec<Vec<Duration>>) {
    let at = |times: &[Duration], quarter: usize| {
        let index = (times.len() * quarter / 4).min(times.len().saturating_sub(1));
        times[index].as_secs_f64() * 1e3
    };
    let first = at(&times[0], 2);
    println!("{:28}{:>10}{:>10}{:>10}{:>10}", "ms", "quarter", "median", "quarter", "%");
    for ((name, _), times) in KINDS.iter().zip(&times) {
        let [low, median, high] = [1, 2, 3].map(|quarter| at(times, quarter));
        let off = (median / first - 1.0) * 100.0;
        println!("{name:28}{low:10.3}{median:10.3}{high:10.3}{off:+10.3}");
    }
}
