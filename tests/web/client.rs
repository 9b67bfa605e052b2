//! A daemon with a page, and requests as they are written on the wire.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use system_tests::config::broker_user;
use system_tests::dist::Dist;
use system_tests::wait::PATIENCE;
use system_tests::{Config, Daemon, Launch, Room, net};

const PORT: u16 = 9_001;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The message that it leads to.
    pub fn message(&self) -> String {
        assert_eq!(self.status, 303, "{self:?}");
        let location = self.header("location").expect("a location");
        let text = location.strip_prefix("./?message=").expect("an address without a host");
        unquote(text)
    }

    /// The token of the page's form.
    pub fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").expect("a form");
        rest.split('"').next().expect("a token").to_owned()
    }
}

fn unquote(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let pair: String = rest.by_ref().take(2).map(char::from).collect();
        bytes.push(u8::from_str_radix(&pair, 16).expect("two digits"));
    }
    String::from_utf8(bytes).expect("text")
}

/// Connects to an address.
pub fn connect(to: SocketAddrV4) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream
}

/// Sends these bytes and takes all that is answered.
pub fn answer(mut stream: TcpStream, request: &[u8]) -> Answer {
    stream.write_all(request).expect("send");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A daemon whose pages are looked at.
pub struct Site {
    pub daemon: Daemon,
    pub address: Ipv4Addr,
}

impl Site {
    /// Starts one with a TCP server, to which `lines` are further keys.
    pub fn start(room: &Room, config: &Config, lines: &str) -> Site {
        let address = net::address();
        let server = format!("[inet_http_server]\nport={address}:{PORT}\n{lines}");
        let own = format!("broker_user={}", broker_user());
        let file = config.clone().daemon(&own).section(&server).write(room);
        let daemon = Launch::new(room, Dist::plain().supervisord()).config(&file).ready();
        Site { daemon, address }
    }

    /// What a browser calls it.
    pub fn host(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.host())
    }

    pub fn connect(&self) -> TcpStream {
        connect(SocketAddrV4::new(self.address, PORT))
    }

    /// Sends these bytes and takes all that is answered.
    pub fn raw(&self, request: &[u8]) -> Answer {
        answer(self.connect(), request)
    }

    /// A request with further header lines, each with its end.
    pub fn ask(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        self.raw(self.request(method, path, lines, body).as_bytes())
    }

    /// The text of such a request.
    pub fn request(&self, method: &str, path: &str, lines: &str, body: &str) -> String {
        let host = match lines.contains("Host:") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.host()),
        };
        let form = match method {
            "POST" if !lines.contains("Content-Type:") => {
                "Content-Type: application/x-www-form-urlencoded\r\n"
            }
            _ => "",
        };
        let length = match method {
            "POST" => format!("Content-Length: {}\r\n", body.len()),
            _ => String::new(),
        };
        format!(
            "{method} /{path} HTTP/1.1\r\n{host}{form}{length}{lines}Connection: close\r\n\r\n{body}"
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// What a person does: opens the page and presses a button.
    pub fn press(&self, action: &str, process: &str) -> Answer {
        let token = self.get("").token();
        let body = format!("action={action}&processname={process}&token={token}");
        self.ask("POST", "index.html", "", &body)
    }
}

/// A daemon with a program that writes what it reads, and another one, both up.
pub fn with_echo(room: &Room, lines: &str) -> Site {
    let config = Config::new(room).program("empty", "/bin/cat", "startsecs=0").program(
        "other",
        "/bin/sleep 100000",
        "startsecs=0",
    );
    let site = Site::start(room, &config, lines);
    site.daemon.wait_running("empty");
    site.daemon.wait_running("other");
    site
}

/// A daemon with nothing but this program, up.
pub fn with_sleeper(room: &Room, lines: &str) -> Site {
    let config = Config::new(room).program("a", "/bin/sleep 100000", "startsecs=0");
    let site = Site::start(room, &config, lines);
    site.daemon.wait_running("a");
    site
}
