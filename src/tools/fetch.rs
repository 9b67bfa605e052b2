//! One GET request: status and body of what is at an address.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tls;
use crate::config::text;
use crate::ctl::http::{Body, read_head};

/// Most of a body that is read, in bytes.
const MAX_BODY: u64 = 64 << 20;
/// Most that is waited for a page.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Where a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    host: String,
    port: u16,
    /// Path and query.
    path: String,
    tls: bool,
    /// Name and password in front of the host, which Supervisor's own web server may want.
    credentials: Option<Vec<u8>>,
}

/// An address that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH][?QUERY]`, or the same with `https`.
    pub fn parse(text: &str) -> Result<Url, BadUrl> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let scheme = scheme.to_ascii_lowercase();
        let tls = match scheme.as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(BadUrl(format!("Bad scheme {scheme}"))),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let (credentials, place) = match place.rsplit_once('@') {
            Some((credentials, place)) => (Some(decoded(credentials)), place),
            None => (None, place),
        };
        let (host, port) = split_port(place);
        let port = match port {
            None | Some("") => default_port(tls),
            // It is not said: it may be the begin of a password that has a `/` in it.
            Some(port) => port.parse().map_err(|_| BadUrl("nonnumeric port".to_owned()))?,
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { host: host.to_owned(), port, path, tls, credentials })
    }

    fn host_header(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port(self.tls) { host } else { format!("{host}:{}", self.port) }
    }

    fn request(&self) -> String {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: identity\r\nUser-Agent: httpok\r\n\
             Connection: close\r\n",
            percent_encoding::utf8_percent_encode(&self.path, NOT_IN_A_LINE),
            self.host_header()
        );
        if let Some(credentials) = &self.credentials {
            request.push_str(&format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials)));
        }
        request.push_str("\r\n");
        request
    }
}

/// An address as it may be shown: without name and password.
pub fn shown(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    // Where the address is a bad one, the password may hold anything.
    let end = match Url::parse(text) {
        Ok(_) => rest.find(['/', '?', '#']).unwrap_or(rest.len()),
        Err(_) => rest.len(),
    };
    let begin = rest.get(..end).and_then(|place| place.rfind('@')).map_or(0, |at| at + 1);
    format!("{scheme}{}", rest.get(begin..).unwrap_or_default())
}

/// Name and password without the quoting of an address, as they are sent.
fn decoded(credentials: &str) -> Vec<u8> {
    let quoted = text::bytes(credentials);
    let mut plain: Vec<u8> = percent_encoding::percent_decode(&quoted).collect();
    if !credentials.contains(':') {
        plain.push(b':');
    }
    plain
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// What a request line cannot have.
const NOT_IN_A_LINE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');

fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its words.
    pub reason: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks for a page. All of it may take so long, from connecting to the end of the body.
pub fn get(url: &Url, patience: Duration) -> Result<Answer, String> {
    fetch(url, patience).map_err(|error| words(&error))
}

fn fetch(url: &Url, patience: Duration) -> io::Result<Answer> {
    let stream = Hurried::connect(url, patience)?;
    if url.tls { exchange(tls::over(stream, &url.host)?, url) } else { exchange(stream, url) }
}

/// A connection with one deadline for all that is done with it: a server that sends a little now and then does not
/// move it.
struct Hurried {
    stream: TcpStream,
    deadline: Instant,
}

impl Hurried {
    /// Connects to the first address of the host that answers. Each gets its part of the time, so that one that is
    /// silent leaves some to the next.
    fn connect(url: &Url, patience: Duration) -> io::Result<Hurried> {
        let deadline = Instant::now() + patience.min(LONGEST);
        let addresses: Vec<SocketAddr> = (url.host.as_str(), url.port).to_socket_addrs()?.collect();
        let mut last = io::Error::other("the host has no address");
        for (address, waiting) in addresses.iter().zip((1..=addresses.len()).rev()) {
            let part = left(deadline)? / u32::try_from(waiting).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(address, part.max(Duration::from_millis(1))) {
                Ok(stream) => return Ok(Hurried { stream, deadline }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// How long it is until then, which is more than nothing.
fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

impl Read for Hurried {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(buffer)
    }
}

impl Write for Hurried {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn exchange(mut stream: impl Read + Write, url: &Url) -> io::Result<Answer> {
    stream.write_all(url.request().as_bytes())?;
    stream.flush()?;
    let mut reader = BufReader::new(stream);
    let mut head = read_head(&mut reader)?;
    // `100 Continue` and the like come before the answer itself.
    while (100..200).contains(&head.status) {
        head = read_head(&mut reader)?;
    }
    let mut body = Vec::new();
    if !matches!(head.status, 204 | 304) {
        Body::new(&mut reader, head.framing).take(MAX_BODY).read_to_end(&mut body)?;
    }
    Ok(Answer { status: head.status, reason: head.reason, body })
}

/// What went wrong, in the words that Python has for it.
pub fn words(error: &io::Error) -> String {
    if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
        return "timed out".to_owned();
    }
    let text = error.to_string();
    if let Some(number) = error.raw_os_error() {
        let suffix = format!(" (os error {number})");
        return format!("[Errno {number}] {}", text.strip_suffix(&suffix).unwrap_or(&text));
    }
    if let Some((_, reason)) = text.split_once("lookup address information: ") {
        let number = if reason.starts_with("Temporary") { -3 } else { -2 };
        return format!("[Errno {number}] {reason}");
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "Remote end closed connection without response".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn addresses() {
        let url = |text| Url::parse(text).map(|url| (url.host_header(), url.path));
        let ok = |host: &str, path: &str| Ok((host.to_owned(), path.to_owned()));
        assert_eq!(url("http://localhost:8080/a/b?c=d#e"), ok("localhost:8080", "/a/b?c=d"));
        assert_eq!(url("HTTP://h"), ok("h", "/"));
        assert_eq!(url("https://h:443/x"), ok("h", "/x"));
        assert_eq!(url("https://h:80/x"), ok("h:80", "/x"));
        assert_eq!(url("http://h?x"), ok("h", "/?x"));
        assert_eq!(url("http://[::1]:9001/x"), ok("[::1]:9001", "/x"));
        assert_eq!(url("ftp://h"), Err(BadUrl("Bad scheme ftp".to_owned())));
        assert_eq!(url("h:80/"), Err(BadUrl("Bad scheme ".to_owned())));
        assert_eq!(url("http://h:x/"), Err(BadUrl("nonnumeric port".to_owned())));
        let with = Url::parse("http://u:p@h/a b").unwrap().request();
        assert!(with.starts_with("GET /a%20b HTTP/1.1\r\nHost: h\r\n"), "{with}");
    }

    #[test]
    fn credentials() {
        let sent = |place: &str| {
            let request = Url::parse(&format!("http://{place}h/")).unwrap().request();
            let line = request.lines().find_map(|line| line.strip_prefix("Authorization: Basic "));
            line.map(|line| STANDARD.decode(line).unwrap())
        };
        assert_eq!(sent(""), None);
        assert_eq!(sent("u:p@"), Some(b"u:p".to_vec()));
        assert_eq!(sent("u:p%40s%2Fs%3A%25:@"), Some(b"u:p@s/s:%:".to_vec()));
        assert_eq!(sent("me%20too:%FF%zz@"), Some(b"me too:\xff%zz".to_vec()));
        assert_eq!(sent("u@"), Some(b"u:".to_vec()));
    }

    #[test]
    fn what_is_shown_has_no_password() {
        for (url, expected) in [
            ("http://me:secret@h:8080/a?b#c", "http://h:8080/a?b#c"),
            ("HTTPS://me:sec@secret@[::1]/", "HTTPS://[::1]/"),
            ("http://secret@h", "http://h"),
            ("http://h/@me?a=b@c", "http://h/@me?a=b@c"),
            ("http://h?mail=a@b", "http://h?mail=a@b"),
            // Addresses that are none.
            ("http://me:secret/s@h/x", "http://h/x"),
            ("http://me:secret?s#s@h/x", "http://h/x"),
            ("ftp://me:secret@h/", "ftp://h/"),
            ("me:secret@h/", "h/"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
            let said = Url::parse(url).err().map(|bad| bad.to_string()).unwrap_or_default();
            assert!(!said.contains("secret"), "{said}");
        }
    }

    fn serve(answer: &'static [u8]) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            stream.write_all(answer).unwrap();
            if answer.is_empty() {
                // Until the other end has had enough.
                let _ = reader.read_line(&mut line);
            }
        });
        Url::parse(&url).unwrap()
    }

    #[test]
    fn answers() {
        let url =
            serve(b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 503 Not now\r\nContent-Length: 2\r\n\r\nxyz");
        let answer = get(&url, Duration::from_secs(20)).unwrap();
        assert_eq!((answer.status, answer.reason.as_str()), (503, "Not now"));
        assert_eq!(answer.body, b"xy");
        let silent = serve(b"");
        assert_eq!(get(&silent, Duration::from_millis(50)), Err("timed out".to_owned()));
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = Url::parse(&format!("http://{refused}/")).unwrap();
        let refused = "[Errno 111] Connection refused";
        assert_eq!(get(&url, Duration::from_secs(20)), Err(refused.to_owned()));
    }
    /// A server that says `begin`, then `again` every few milliseconds for some seconds.
    fn drip(begin: &'static str, again: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = stream.write_all(begin.as_bytes());
            for _ in 0..300 {
                said = said.and_then(|()| stream.write_all(again.as_bytes()));
                thread::sleep(Duration::from_millis(10));
            }
            let _ = said.and_then(|()| stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
        });
        Url::parse(&url).unwrap()
    }

    #[test]
    fn a_server_that_is_never_done_is_given_up() {
        let ok = "HTTP/1.1 200 OK\r\n";
        for (begin, again) in
            [("", "HTTP/1.1 100 Go\r\n\r\n"), (ok, "X: y\r"), ("HTTP/1.1 200 OK\r\n\r\n", "x")]
        {
            let answer = get(&drip(begin, again), Duration::from_millis(300));
            assert_eq!(answer, Err("timed out".to_owned()), "{begin}{again}");
        }
        let answer = get(&serve(b"HTTP/1.1 200 OK\r\n\r\n"), Duration::MAX);
        assert_eq!(answer.map(|answer| answer.status), Ok(200));
    }
}
