//! Servers that other machines can reach: TLS and a way to know who comes are enough, TLS alone is not.

use std::net::{Ipv4Addr, SocketAddr};

use system_tests::pki::Authority;
use system_tests::wire::Place;
use system_tests::{Config, Daemon, Dist, Launch, Network, Outcome, Room, wait_for};

use crate::site::{hashed, patient, said, text};

/// One of those that documentation is written with; here it is the machine's own.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const PORT: u16 = 9_001;

struct Ground {
    room: Room,
    network: Network,
    authority: Authority,
    tls: String,
}

impl Ground {
    fn new() -> Ground {
        let (room, network) = (Room::new(), Network::new());
        network.address(&format!("{OUTSIDE}/32"));
        let authority = Authority::new(&room, "authority");
        let pair = authority.server(&format!("IP:{OUTSIDE}"));
        let tls = format!("tls_cert={}\ntls_key={}", pair.cert.display(), pair.key.display());
        Ground { room, network, authority, tls }
    }

    fn launch(&self, daemon: &str, lines: &str) -> Launch<'_> {
        let file = Config::new(&self.room)
            .daemon(&format!("audit_logfile=none\n{daemon}"))
            .daemon(&format!("broker_user={}", system_tests::config::broker_user()))
            .section(&format!("[inet_http_server]\nport=*:{PORT}\n{lines}"))
            .write(&self.room);
        Launch::new(&self.room, Dist::plain().supervisord()).config(&file)
    }

    fn start(&self, daemon: &str, lines: &str) -> Daemon {
        self.network.inside(|| self.launch(daemon, lines).ready())
    }

    fn refused(&self, daemon: &str, lines: &str) -> Outcome {
        let outcome = self.network.inside(|| self.launch(daemon, lines).args(&["-n"]).run());
        assert_ne!(outcome.code(), 0, "{lines}: {outcome:?}");
        outcome
    }

    /// What our client says there.
    fn ctl(&self, args: &[&str]) -> crate::site::Said {
        let client = text(&Dist::plain().supervisorctl());
        let mut command = patient(&client);
        command.args(["-s", &format!("https://{OUTSIDE}:{PORT}"), "--cacert"]);
        command.arg(self.authority.cert()).args(args);
        self.network.inside(|| said(&mut command))
    }

    fn listens(&self) -> bool {
        let place = Place::Tcp(SocketAddr::from((OUTSIDE, PORT)));
        self.network.inside(|| place.connect().is_ok())
    }
}

#[test]
fn tls_and_a_password_are_enough_for_strict_eyes() {
    let ground = Ground::new();
    let hash = hashed(&ground.room, "sesame");
    let lines = format!("{}\n[user:ann]\npassword={hash}", ground.tls);
    let mut daemon = ground.start("strict=true", &lines);
    assert_eq!(ground.ctl(&["-u", "ann", "-p", "sesame", "pid"]).code, 0);
    assert_ne!(ground.ctl(&["-u", "ann", "-p", "wrong", "pid"]).code, 0);
    assert!(!daemon.activity().contains("without encryption"), "{}", daemon.activity());
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn so_is_a_certificate_and_nothing_else() {
    let ground = Ground::new();
    let authority = ground.authority.cert();
    let lines = format!("{}\ntls_client_ca={}", ground.tls, authority.display());
    let mut daemon = ground.start("strict=true", &lines);
    let ann = ground.authority.client("ann");
    let (cert, key) = (text(&ann.cert), text(&ann.key));
    assert_eq!(ground.ctl(&["--cert", &cert, "--key", &key, "pid"]).code, 0);
    ground.ctl(&["pid"]).refused(&["certificate"]);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn tls_alone_is_not() {
    let ground = Ground::new();
    let mut daemon = ground.start("", &ground.tls);
    assert!(!ground.listens());
    // It may answer before it has its log.
    wait_for("why", || daemon.activity().contains(" CRIT "));
    assert_eq!(daemon.stop(), 0);
    let outcome = ground.refused("strict=true", &ground.tls);
    assert!(outcome.stderr.contains("supervisord.conf:"), "{outcome:?}");
}

#[test]
fn accounts_are_for_tls_alone() {
    let ground = Ground::new();
    for host in ["*", "127.0.0.1"] {
        let file = ground.launch("", "auth=pam");
        let config = ground.room.path("supervisord.conf");
        let text = std::fs::read_to_string(&config).expect("a configuration");
        let text = text.replace("port=*", &format!("port={host}"));
        std::fs::write(&config, text).expect("a configuration");
        let outcome = ground.network.inside(|| file.args(&["-n"]).run());
        assert_ne!(outcome.code(), 0, "{host}: {outcome:?}");
        assert!(crate::site::has_words(&outcome.stderr, &["auth", "tls_cert"]), "{outcome:?}");
        assert!(outcome.stderr.contains("supervisord.conf:"), "{outcome:?}");
    }
}
