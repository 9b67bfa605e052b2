//! Where the daemon listens, from a `serverurl`.

use std::fmt;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket's path.
    Unix(String),
    /// Host name or address, and port.
    Inet(String, u16),
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
    /// Reads `unix://PATH` or `http://HOST[:PORT][/…]`. Credentials in it are ignored; without a port it is 80.
    pub fn parse(url: &str) -> Result<Address, BadUrl> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Address::Unix(path.to_owned()));
        }
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| BadUrl(format!("Unknown protocol for serverurl {url}")))?;
        let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let (host, port) = split_port(place);
        let port = match port {
            None | Some("") => 80,
            Some(text) => read_port(text)?,
        };
        Ok(Address::Inet(host.to_ascii_lowercase(), port))
    }

    /// The value of a `Host` header.
    pub fn host_header(&self) -> String {
        match self {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Inet(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Address::Inet(host, 80) => host.clone(),
            Address::Inet(host, port) => format!("{host}:{port}"),
        }
    }
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
    }
}
