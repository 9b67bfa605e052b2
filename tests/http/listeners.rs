//! Several listeners, both internet protocols, and the names they answer to.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use system_tests::net;
use system_tests::{Config, Daemon, Dist, Launch, Room, procfs, wait_for};

use crate::wire::{Place, call, header};

fn launch(room: &Room, config: &Config) -> Daemon {
    Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready()
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

/// The status of what is answered, 0 where nobody answers.
fn status(place: &Place, request: &[u8]) -> u16 {
    let answer = place.ask(request).unwrap_or_default();
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn state(place: &Place, headers: &str) -> u16 {
    status(place, &call("supervisor.getState", &format!("Connection: close\r\n{headers}")))
}

#[test]
fn each_section_is_a_listener_with_rules_of_its_own() {
    let room = Room::new();
    let [open, closed] = [(); 2].map(|()| Place::free("127.0.0.1"));
    let config = Config::new(&room).section(&format!(
        "[unix_http_server:staff]\nfile={}\nchmod=0770\nusername=staff\npassword=s\n\
         [inet_http_server:open]\nport={open}\n\
         [inet_http_server:closed]\nport={closed}\nusername=user\n\
         password={{SHA}}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n",
        room.text("staff.sock")
    ));
    let daemon = launch(&room, &config.program("cat", "/bin/cat", ""));
    let staff = Place::unix(&room.path("staff.sock"));
    let (open, closed) = (Place::Tcp(open), Place::Tcp(closed));
    let (user, other) = (
        "Authorization: Basic dXNlcjp0aGVwYXNzd29yZA==\r\n",
        "Authorization: Basic c3RhZmY6cw==\r\n",
    );
    assert_eq!(state(&Place::unix(&room.path("supervisord.sock")), ""), 200);
    assert_eq!([state(&staff, ""), state(&staff, user), state(&staff, other)], [401, 401, 200]);
    assert_eq!(state(&open, ""), 200);
    assert_eq!([state(&closed, ""), state(&closed, user), state(&closed, other)], [401, 200, 401]);
    // Programs are told the first unix socket.
    let pid = daemon.wait_running("cat");
    let url = format!("SUPERVISOR_SERVER_URL=unix://{}", room.text("supervisord.sock"));
    assert!(procfs::environment(pid).contains(&url));
    // All of them outlive a broker.
    daemon.replace_broker();
    assert_eq!([state(&staff, other), state(&open, ""), state(&closed, user)], [200; 3]);
}

#[test]
fn an_open_listener_answers_to_names_that_nobody_else_can_have() {
    let room = Room::new();
    let [open, named, closed] = [(); 3].map(|()| Place::free("127.0.0.1"));
    let config = Config::new(&room).section(&format!(
        "[inet_http_server]\nport={open}\n\
         [inet_http_server:named]\nport={named}\nallowed_hosts=Proc.Example.com, other.example\n\
         [inet_http_server:closed]\nport={closed}\nusername=user\npassword=thepassword\n"
    ));
    let _daemon = launch(&room, &config);
    let [open, named, closed] = [open, named, closed].map(Place::Tcp);
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let node = node.trim();
    let host = |name: &str| get("/mainlogtail/no", &format!("Host: {name}\r\n"));
    let ask = |place: &Place, name: &str| {
        // It is a log that goes on: the first line is enough.
        let mut wire = place.connect().expect("a connection");
        wire.send(&host(name)).expect("a question");
        wire.until("\r\n").expect("an answer")
    };
    for good in ["127.0.0.1", "localhost:9001", "[::1]:9001", "10.0.0.7", node] {
        assert_eq!(ask(&open, good), "HTTP/1.1 200 OK\r\n", "{good}");
    }
    for bad in ["evil.example", "proc.example.com", "localhost.evil.example", ""] {
        assert_eq!(ask(&open, bad), "HTTP/1.1 421 Misdirected Request\r\n", "{bad}");
        let answer = open.ask(&host(bad)).expect("an answer");
        assert!(answer.contains("allowed_hosts"), "{answer}");
    }
    for good in ["proc.example.com:80", "OTHER.example.", "127.0.0.1"] {
        assert_eq!(ask(&named, good), "HTTP/1.1 200 OK\r\n", "{good}");
    }
    assert_eq!(ask(&named, "evil.example"), "HTTP/1.1 421 Misdirected Request\r\n");
    assert_eq!(ask(&closed, "evil.example"), "HTTP/1.1 401 Unauthorized\r\n");
    for place in [&open, &named, &closed] {
        assert_eq!(status(place, &get("/healthz", "Host: a\r\nHost: a\r\n")), 400);
        assert_eq!(status(place, &get("/healthz", "")), 400);
        assert_eq!(status(place, &get("/healthz", "Host: balancer\r\n")), 200);
    }
    // Calls as pages; those that prove who makes them go by any name.
    let evil = |more: &str| {
        let text = String::from_utf8(call("supervisor.getState", more)).expect("text");
        text.replace("Host: localhost", "Host: evil.example\r\nConnection: close").into_bytes()
    };
    assert_eq!(status(&open, &evil("")), 421);
    assert_eq!(status(&open, &call("supervisor.getState", "Connection: close\r\n")), 200);
    let user = "Authorization: Basic dXNlcjp0aGVwYXNzd29yZA==\r\n";
    assert_eq!(status(&closed, &evil(user)), 200);
    for page in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(status(&closed, &evil(&format!("{user}{page}"))), 403, "{page}");
    }
}

#[test]
fn ipv6_alone() {
    let room = Room::new();
    let address = Place::free("::1");
    // No unix socket: programs are told this one.
    let text = Config::new(&room).section(&format!("[inet_http_server]\nport={address}\n")).text();
    let text = text.replace("[unix_http_server]\nfile=", "[ignored]\nfile=");
    let file = room.file("supervisord.conf", &format!("{text}[program:cat]\ncommand=/bin/cat\n"));
    let daemon =
        Launch::new(&room, Dist::plain().supervisord()).config(&file).args(&["-n"]).start();
    wait_for("an answer", || state(&Place::Tcp(address), "") == 200);
    assert_eq!(state(&Place::Tcp((Ipv4Addr::LOCALHOST, address.port()).into()), ""), 0);
    let url = format!("SUPERVISOR_SERVER_URL=http://[::1]:{}", address.port());
    let program =
        || procfs::children(daemon.pid).into_iter().find(|p| procfs::arguments(*p) == ["/bin/cat"]);
    wait_for("the program", || program().is_some_and(|p| procfs::environment(p).contains(&url)));
    let ctl = Dist::plain().supervisorctl();
    let status = std::process::Command::new(ctl)
        .args(["-s", &format!("http://[::1]:{}", address.port()), "pid"])
        .output()
        .expect("a client");
    let pid = String::from_utf8_lossy(&status.stdout).trim().to_owned();
    assert_eq!(pid, daemon.pid.to_string(), "{status:?}");
}

#[test]
fn all_addresses_are_those_of_both_protocols() {
    for host in ["", "*:", "[::]:"] {
        let room = Room::new();
        let port = Place::free("::").port();
        let config = Config::new(&room)
            .section(&format!("[inet_http_server]\nport={host}{port}\ninsecure_no_auth=true\n"));
        let _daemon = launch(&room, &config);
        for address in [
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv4Addr::new(127, 3, 2, 1), port)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ] {
            assert_eq!(state(&Place::Tcp(address), ""), 200, "port={host}{port}, {address}");
        }
    }
}

#[test]
fn a_busy_address_of_ipv6_is_named() {
    let room = Room::new();
    let busy = std::net::TcpListener::bind("[::1]:0").expect("an address");
    let address = busy.local_addr().expect("an address");
    let config = Config::new(&room).section(&format!("[inet_http_server]\nport={address}\n"));
    let outcome = Launch::new(&room, Dist::plain().supervisord())
        .config(&config.write(&room))
        .args(&["-n"])
        .run();
    assert_ne!(outcome.code(), 0);
    let text = "Another program is already listening on a port that one of our HTTP servers is";
    assert!(outcome.stderr.contains(text), "{outcome:?}");
    assert!(outcome.stderr.contains(&format!("({address})")), "{outcome:?}");
}

#[test]
fn programs_listen_on_ipv6_too() {
    let room = Room::new();
    let [held, fast, all] = ["::1", "::1", "::"].map(Place::free);
    let server = room.helper("server").display().to_string();
    let config = Config::new(&room)
        .program(
            "web",
            &format!("/bin/sh -c \"exec {server} graceful 0 hello 0<&3\""),
            &format!("startsecs=0\nsockets=tcp://{held},tcp://*:{}\n", all.port()),
        )
        .section(&format!(
            "[fcgi-program:fast]\ncommand={server} plain hello\nstartsecs=0\nsocket=tcp://{fast}\n"
        ));
    let daemon = launch(&room, &config);
    for (name, address) in [("web", held), ("fast", fast)] {
        let pid = daemon.wait_running(name);
        let answer = Place::Tcp(address).ask(b"").expect("an answer");
        assert_eq!(answer, format!("{pid} hello"), "{name}");
    }
    let pid = daemon.wait_running("web");
    let names = format!("LISTEN_FDNAMES={}:{}", held.port(), all.port());
    assert!(procfs::environment(pid).contains(&names), "{names}");
    assert!(net::socket_at(pid, 4).is_some());
    // Nobody accepts there, but both protocols connect.
    for address in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(address.parse().expect("an address"), all.port());
        assert!(std::net::TcpStream::connect(address).is_ok(), "{address}");
    }
}

#[test]
fn whether_it_serves() {
    let room = Room::new();
    let address = Place::free("127.0.0.1");
    let config = Config::new(&room)
        .section(&format!("[inet_http_server]\nport={address}\nusername=u\npassword=p\n"))
        .program(
            "deaf",
            "/bin/sh -c \"trap '' TERM; while :; do sleep 1; done\"",
            "stopwaitsecs=600",
        );
    let mut daemon = launch(&room, &config);
    let deaf = daemon.wait_running("deaf");
    let place = Place::Tcp(address);
    let probe = || place.ask(&get("/healthz", "Host: x\r\n")).expect("an answer");
    let answer = probe();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"));
    assert_eq!(header(&answer, "content-type"), Some("text/plain"));
    assert_eq!(status(&place, &get("/healthz/x", "Host: x\r\n")), 401);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    wait_for("the end to begin", || probe().starts_with("HTTP/1.1 503 "));
    procfs::signal(deaf, nix::sys::signal::Signal::SIGKILL);
    assert_eq!(daemon.wait_end(), 0);
}
