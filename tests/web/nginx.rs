//! Behind nginx, set up as docs/web.md says: below a path, with a password.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::{Child, Command, Stdio};

use system_tests::proxy::nginx;
use system_tests::wait::poll_until;
use system_tests::{Room, net};

use crate::browser::{look_at, not_tested};
use crate::client::{Answer, Site, answer, connect, with_echo};

const LOGIN: &str = "username=ann\npassword=sesame";
/// The same as browsers send it.
const AUTHORIZATION: &str = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n";
const PORT: u16 = 8_080;

/// What the manual puts into nginx's configuration.
fn documented() -> String {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/web.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    let (_, rest) = manual.split_once("\n    location /supervisor/ {\n").expect("its block");
    let (block, _) = rest.split_once("\n    }\n").expect("the block's end");
    format!("location /supervisor/ {{\n{block}\n}}\n")
}

/// A proxy of its own process, with all its files in a room.
struct Proxy {
    child: Child,
    address: Ipv4Addr,
}

impl Proxy {
    /// One that passes on to a site; says so where it cannot be tested.
    fn start(room: &Room, site: &Site) -> Option<Proxy> {
        let Some(nginx) = nginx() else {
            not_tested("behind a proxy, there is no nginx");
            return None;
        };
        let address = net::address();
        let block = documented();
        let block = block.replace("http://127.0.0.1:9001/", &site.url());
        assert!(block.contains(&site.url()), "{block}");
        let unix = format!("http://unix:{}:/", room.text("supervisord.sock"));
        let at_socket = block.replace("/supervisor/", "/socket/").replace(&site.url(), &unix);
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", room.text(kind)))
            .concat();
        let (pid, log) = (room.text("nginx.pid"), room.text("nginx.log"));
        let text = format!(
            "daemon off;\nmaster_process off;\npid {pid};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\nlisten {address}:{PORT};\n{block}{at_socket}\
             location /careless/ {{ proxy_pass {}; }}\n}}\n}}\n",
            site.url()
        );
        let file = room.file("nginx.conf", &text);
        let child = Command::new(nginx)
            .args(["-p", &room.text(""), "-e", &log, "-c"])
            .arg(file)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx");
        let mut proxy = Proxy { child, address };
        poll_until("nginx", || {
            let end = proxy.child.try_wait().expect("nginx");
            assert!(end.is_none(), "{end:?}: {}", fs::read_to_string(&log).unwrap_or_default());
            TcpStream::connect(proxy.place()).ok()
        });
        Some(proxy)
    }

    fn place(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, PORT)
    }

    fn ask(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.place(),
            body.len()
        );
        answer(connect(self.place()), request.as_bytes())
    }

    fn get(&self, path: &str, lines: &str) -> Answer {
        self.ask("GET", path, lines, "")
    }

    /// Presses a button as a browser does that shows the page at `from`.
    fn press(&self, from: &str, process: &str, action: &str) -> Answer {
        let page = self.get(from, AUTHORIZATION);
        assert_eq!(page.status, 200, "{page:?}");
        let lines = format!(
            "{AUTHORIZATION}Origin: http://{}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            self.place()
        );
        let path = format!("{from}index.html?processname={process}&action={action}");
        self.ask("POST", &path, &lines, &format!("token={}", page.token()))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pages_forms_and_passwords_pass_a_proxy() {
    let room = Room::new();
    let site = with_echo(&room, LOGIN);
    let Some(proxy) = Proxy::start(&room, &site) else { return };
    let moved = proxy.get("/supervisor", AUTHORIZATION);
    assert_eq!(moved.status, 301);
    assert!(moved.header("location").is_some_and(|to| to.ends_with("/supervisor/")), "{moved:?}");
    let closed = proxy.get("/supervisor/", "");
    assert_eq!(closed.status, 401);
    assert_eq!(closed.header("www-authenticate"), Some("Basic realm=\"default\""));
    assert_eq!(proxy.get("/supervisor/", AUTHORIZATION).status, 200);
    assert_eq!(proxy.get("/supervisor/stylesheets/supervisor.css", AUTHORIZATION).status, 200);
    assert_eq!(proxy.press("/supervisor/", "other", "stop").message(), "Process other stopped");
    assert_eq!(site.daemon.state("other"), "STOPPED");
    // By the unix socket, which asks for no password.
    assert_eq!(proxy.press("/socket/", "other", "start").message(), "Process other started");
    assert_eq!(site.daemon.state("other"), "RUNNING");
    // A proxy that hides what the browser calls the server is told from the page itself.
    let refused = proxy.press("/careless/", "other", "stop");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(site.daemon.state("other"), "RUNNING");
}

#[test]
fn calls_pass_a_proxy() {
    let room = Room::new();
    let site = with_echo(&room, LOGIN);
    let Some(proxy) = Proxy::start(&room, &site) else { return };
    let script = "import sys, xmlrpc.client\n\
                  daemon = xmlrpc.client.ServerProxy(sys.argv[1]).supervisor\n\
                  daemon.stopProcess('other')\n\
                  print(daemon.getProcessInfo('other')['statename'])";
    for path in ["supervisor", "socket", "careless"] {
        let url = format!("http://ann:sesame@{}/{path}/RPC2", proxy.place());
        let output = Command::new("python3").args(["-c", script, &url]).output().expect("python3");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, "STOPPED\n", "{path}: {}", String::from_utf8_lossy(&output.stderr));
        site.daemon.ask("supervisor.startProcess", &["other".into()]);
    }
}

#[test]
fn a_proxy_holds_back_nothing_of_a_log() {
    let room = Room::new();
    let site = with_echo(&room, LOGIN);
    let Some(proxy) = Proxy::start(&room, &site) else { return };
    // What nginx gathers by itself it leaves to this answer's own word.
    for (path, line) in [("supervisor", "one"), ("socket", "two"), ("careless", "three")] {
        let mut stream = connect(proxy.place());
        let request = format!(
            "GET /{path}/logtail/empty HTTP/1.1\r\nHost: {}\r\n{AUTHORIZATION}\r\n",
            proxy.place()
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("send");
        let got = until(&mut stream, Vec::new(), "\r\n\r\n");
        assert!(got.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&got));
        let text = format!("{line}\n");
        site.daemon.ask("supervisor.sendProcessStdin", &["empty".into(), text.as_str().into()]);
        until(&mut stream, got, &text);
    }
}

/// What has come when it ends like this, within a chunk of it.
fn until(stream: &mut TcpStream, mut got: Vec<u8>, end: &str) -> Vec<u8> {
    while !String::from_utf8_lossy(&got).contains(end) {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).expect("more of the log in time");
        assert!(count > 0, "an end of {:?}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&buffer[..count]);
    }
    got
}

#[test]
fn a_person_uses_the_page_behind_a_proxy() {
    let room = Room::new();
    let site = with_echo(&room, LOGIN);
    let Some(proxy) = Proxy::start(&room, &site) else { return };
    if look_at("behind", &format!("http://ann:sesame@{}/supervisor/", proxy.place())) {
        assert_eq!(site.daemon.state("other"), "STOPPED");
    }
}
