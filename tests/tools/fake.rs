//! What a listener meets: a daemon that answers as it is told, a mail server, a web server, a sendmail.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use system_tests::Room;

/// A command that takes mails, and the mails it took.
pub struct Sendmail {
    file: std::path::PathBuf,
    /// The command.
    pub command: String,
}

impl Sendmail {
    /// In a room.
    pub fn new(room: &Room) -> Sendmail {
        Sendmail::named(room, "sendmail")
    }

    /// One of several; everybody may use it.
    pub fn named(room: &Room, name: &str) -> Sendmail {
        let file = room.directory(&format!("{name}.d")).join("mails");
        room.mode(&format!("{name}.d"), 0o777);
        let text = format!("#!/bin/sh\ncat >>{0}\necho '<end of mail>' >>{0}\n", file.display());
        room.file(name, &text);
        room.mode(name, 0o755);
        Sendmail { file, command: format!("{} -t -i", room.text(name)) }
    }

    /// All mails since the last look.
    pub fn take(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        if !text.ends_with("<end of mail>\n") {
            // None, or one that is being written.
            return Vec::new();
        }
        let _ = fs::remove_file(&self.file);
        let mails = text.split("<end of mail>\n").map(crate::drive::undated);
        mails.filter(|mail| !mail.is_empty()).collect()
    }
}

/// A process that the daemon knows.
#[derive(Debug, Clone)]
pub struct Process {
    pub name: &'static str,
    pub group: &'static str,
    pub state: i32,
    pub pid: u32,
}

/// What the daemon is.
#[derive(Debug, Clone, Default)]
struct Told {
    processes: Vec<Process>,
    /// A method and a process, and the fault that is the answer.
    faults: Vec<(String, i32, String)>,
    calls: Vec<String>,
}

/// A daemon that does nothing but answer.
pub struct Daemon {
    told: Arc<Mutex<Told>>,
    /// Its address.
    pub url: String,
}

impl Daemon {
    /// One with these processes.
    pub fn new(room: &Room, processes: &[Process]) -> Daemon {
        let path = room.path("fake.sock");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let told = Told { processes: processes.to_vec(), ..Told::default() };
        let told = Arc::new(Mutex::new(told));
        let shared = Arc::clone(&told);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Daemon { told, url: format!("unix://{}", path.display()) }
    }

    /// From now on this call of a method is answered with a fault.
    pub fn fault(&self, call: &str, code: i32, text: &str) {
        let mut told = self.told.lock().expect("a lock");
        told.faults.push((call.to_owned(), code, text.to_owned()));
    }

    /// The calls since the last look, those that only ask apart.
    pub fn take(&self) -> Vec<String> {
        let mut told = self.told.lock().expect("a lock");
        let calls = std::mem::take(&mut told.calls);
        calls.into_iter().filter(|call| !call.starts_with("get")).collect()
    }
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let rest = text.split_once(begin).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(inner, _)| inner)
}

/// Head and body of a request; `None` at the end of the connection.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let lower = head.to_lowercase();
    let length = between(&lower, "content-length: ", "\r\n").parse().unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

fn serve(stream: UnixStream, told: &Mutex<Told>) {
    let mut writer = stream.try_clone().expect("a socket");
    let mut reader = BufReader::new(stream);
    while let Some((_, body)) = request(&mut reader) {
        let method = between(&body, "<methodName>supervisor.", "</methodName>").to_owned();
        let name = between(&body, "<string>", "</string>").to_owned();
        let answer = answer(&mut told.lock().expect("a lock"), &method, &name);
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(told: &mut Told, method: &str, name: &str) -> String {
    let call = format!("{method} {name}");
    told.calls.push(call.clone());
    if let Some((_, code, text)) = told.faults.iter().find(|(fault, ..)| *fault == call) {
        return format!(
            "<?xml version='1.0'?><methodResponse><fault><value><struct>\
             <member><name>faultCode</name><value><int>{code}</int></value></member>\
             <member><name>faultString</name><value><string>{text}</string></value></member>\
             </struct></value></fault></methodResponse>"
        );
    }
    let value = match method {
        "getAllProcessInfo" => {
            let all: String = told.processes.iter().map(info).collect();
            format!("<array><data>{all}</data></array>")
        }
        "getProcessInfo" => {
            let found = told.processes.iter().find(|process| {
                name == process.name || name == format!("{}:{}", process.group, process.name)
            });
            return response(&info(found.expect("a process that is known")));
        }
        _ => "<boolean>1</boolean>".to_owned(),
    };
    response(&format!("<value>{value}</value>"))
}

fn response(value: &str) -> String {
    format!(
        "<?xml version='1.0'?><methodResponse><params><param>{value}</param></params></methodResponse>"
    )
}

fn info(process: &Process) -> String {
    let int = |name: &str, number: i64| {
        format!("<member><name>{name}</name><value><int>{number}</int></value></member>")
    };
    let text = |name: &str, text: &str| {
        format!("<member><name>{name}</name><value><string>{text}</string></value></member>")
    };
    format!(
        "<value><struct>{}{}{}{}{}{}</struct></value>",
        text("name", process.name),
        text("group", process.group),
        int("state", i64::from(process.state)),
        int("pid", i64::from(process.pid)),
        int("start", 1_700_000_000),
        int("now", 1_700_000_100),
    )
}

/// A web server that answers every request alike.
pub fn web(status: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut writer = stream.try_clone().expect("a socket");
            if request(&mut BufReader::new(stream)).is_some() {
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = writer.write_all(text.as_bytes());
            }
        }
    });
    address
}

/// A web server that takes connections and says nothing.
pub fn silent_web() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A mail that came by SMTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// How the sender logged in: the mechanism and what was sent with it.
    pub auth: String,
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, without Date and Message-ID, with times replaced.
    pub text: String,
}

/// How a mail server answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// It knows AUTH.
    pub auth: bool,
    /// It refuses recipients that begin with `bad`.
    pub refuses: bool,
    /// It refuses what it was sent.
    pub full: bool,
}

/// A mail server.
pub struct Mailbox {
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl Mailbox {
    pub fn new(manners: Manners) -> Mailbox {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let mails = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&mails);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || take_mail(stream, manners, &shared));
            }
        });
        Mailbox { address, mails }
    }

    /// All mails since the last look.
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut self.mails.lock().expect("a lock"))
    }
}

fn take_mail(stream: TcpStream, manners: Manners, mails: &Mutex<Vec<Mail>>) {
    let mut writer = stream.try_clone().expect("a socket");
    let mut say = |text: &str| {
        let _ = writer.write_all(format!("{text}\r\n").as_bytes());
    };
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut mail = Mail::default();
    say("220 sink ESMTP");
    while let Some(line) = lines.next() {
        let upper = line.to_uppercase();
        let path = || between(&line, "<", ">").to_owned();
        if upper.starts_with("EHLO") {
            say(if manners.auth { "250-sink\r\n250 AUTH PLAIN LOGIN" } else { "250 sink" });
        } else if upper.starts_with("AUTH") {
            mail.auth = line.split_once(' ').map_or("", |(_, rest)| rest).to_owned();
            say("235 welcome");
        } else if upper.starts_with("MAIL") {
            mail.from = path();
            say("250 ok");
        } else if upper.starts_with("RCPT") {
            if manners.refuses && path().starts_with("bad") {
                say("550 no such user");
            } else {
                mail.to.push(path());
                say("250 ok");
            }
        } else if upper == "DATA" {
            say("354 go on");
            mail.text = text(&mut lines);
            let kept = std::mem::take(&mut mail);
            if manners.full {
                say("552 too much");
            } else {
                mails.lock().expect("a lock").push(kept);
                say("250 taken");
            }
        } else if upper == "QUIT" {
            say("221 bye");
            return;
        } else {
            say("250 ok");
        }
    }
}

fn text(lines: &mut impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines.take_while(|line| line != ".") {
        if !line.starts_with("Date: ") && !line.starts_with("Message-ID: ") {
            text.push_str(line.strip_prefix("..").map_or(line.as_str(), |_| &line[1..]));
            text.push('\n');
        }
    }
    if let Some((head, body)) = text.split_once("\n\n").filter(|_| text.contains("base64\n")) {
        text = format!("{head}\n\n{}", decoded(body));
    }
    crate::drive::undated(&text)
}

/// Text of base64, the ends of its lines marked.
fn decoded(lines: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for letter in lines.bytes() {
        if let Some(value) = LETTERS.iter().position(|l| *l == letter) {
            bits = bits << 6 | u32::try_from(value).unwrap_or(0);
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count & 0xff) as u8);
            }
        }
    }
    format!("{} in {} lines", String::from_utf8_lossy(&bytes), lines.lines().count())
}
