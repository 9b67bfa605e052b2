//! Where the daemon listens, from a `serverurl`.

use std::fmt;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket's path.
    Unix(String),
    /// Host name or address, and port.
    Inet(String, u16),
    /// The same, spoken to by TLS.
    Tls(String, u16),
}

/// Why a `serverurl` cannot be used; the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl(String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Address {
    /// Reads `unix://PATH`, `http://HOST[:PORT][/…]` or the same with `https`. Credentials in it are ignored; without a port
    /// it is 80, or 443.
    pub fn parse(url: &str) -> Result<Address, BadUrl> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Address::Unix(path.to_owned()));
        }
        let (rest, tls) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(BadUrl(format!("Unknown protocol for serverurl {url}"))),
        };
        let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let (host, port) = split_port(place);
        let port = match port {
            None | Some("") => default_port(tls),
            Some(text) => read_port(text)?,
        };
        let host = host.to_ascii_lowercase();
        Ok(if tls { Address::Tls(host, port) } else { Address::Inet(host, port) })
    }

    /// The value of a `Host` header.
    pub fn host_header(&self) -> String {
        match self {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Inet(host, port) | Address::Tls(host, port) if host.contains(':') => {
                format!("[{host}]:{port}")
            }
            Address::Inet(host, 80) | Address::Tls(host, 443) => host.clone(),
            Address::Inet(host, port) | Address::Tls(host, port) => format!("{host}:{port}"),
        }
    }

    /// Whether it is spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Address::Tls(..))
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    }
}

fn read_port(text: &str) -> Result<u16, BadUrl> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadUrl(format!("Port could not be cast to integer value as '{text}'")));
    }
    text.parse().map_err(|_| BadUrl("Port out of range 0-65535".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(host: &str, port: u16) -> Result<Address, BadUrl> {
        Ok(Address::Inet(host.to_owned(), port))
    }

    #[test]
    fn addresses() {
        assert_eq!(Address::parse("unix:///run/s.sock"), Ok(Address::Unix("/run/s.sock".into())));
        assert_eq!(Address::parse("http://LOCALHOST:9001"), inet("localhost", 9001));
        assert_eq!(Address::parse("http://u:p@h:9/RPC2?x"), inet("h", 9));
        assert_eq!(Address::parse("http://h"), inet("h", 80));
        assert_eq!(Address::parse("http://h:"), inet("h", 80));
        assert_eq!(Address::parse("http://[::1]:9001/"), inet("::1", 9001));
        let tls = |host: &str, port| Ok(Address::Tls(host.to_owned(), port));
        assert_eq!(Address::parse("https://H.example/RPC2"), tls("h.example", 443));
        assert_eq!(Address::parse("https://u:p@[::1]:9001"), tls("::1", 9001));
    }

    #[test]
    fn bad_urls() {
        let text = |url| Address::parse(url).map_err(|bad| bad.to_string());
        assert_eq!(text("ftp://x"), Err("Unknown protocol for serverurl ftp://x".to_owned()));
        assert_eq!(
            text("http://h:abc"),
            Err("Port could not be cast to integer value as 'abc'".to_owned())
        );
        assert_eq!(text("http://h:70000"), Err("Port out of range 0-65535".to_owned()));
    }

    #[test]
    fn hosts() {
        let header = |url| Address::parse(url).map(|address| address.host_header());
        assert_eq!(header("unix:///x"), Ok("localhost".to_owned()));
        assert_eq!(header("http://h:9001"), Ok("h:9001".to_owned()));
        assert_eq!(header("http://h"), Ok("h".to_owned()));
        assert_eq!(header("http://[::1]:9001"), Ok("[::1]:9001".to_owned()));
        assert_eq!(header("https://h"), Ok("h".to_owned()));
        assert_eq!(header("https://h:80"), Ok("h:80".to_owned()));
    }
}
