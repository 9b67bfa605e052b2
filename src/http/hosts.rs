//! The name that a browser calls a server by.
//!
//! A page of somebody else's can have its own name lead to this machine (DNS rebinding); its scripts may then read what
//! an open server tells. The browser still sends the page's name in `Host`, so an open server answers to names that
//! nobody else can have: addresses, localhost, the machine's own name, and those that the configuration lists.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::HOST;
use hyper::{Request, Version};

/// The entry of `allowed_hosts` that stands for every name.
const ANY: &str = "*";

/// The names that a TCP server answers to.
pub(super) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// Of `names`, lower case, besides those that are always good.
    pub(super) fn new(names: &[String]) -> Hosts {
        Hosts { names: names.to_vec() }
    }

    /// Whether the request's own idea of where it goes is good.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> bool {
        let said = request.headers().get(HOST).map(|value| value.as_bytes());
        // A client of HTTP/1.0 may leave it out; no browser does.
        let header = said.is_none_or(|value| self.knows(value));
        // The form that proxies are asked in; it goes before `Host`.
        let target = request.uri().authority().is_none_or(|a| self.knows(a.as_str().as_bytes()));
        header && target
    }

    fn knows(&self, said: &[u8]) -> bool {
        let Some(name) = std::str::from_utf8(said).ok().and_then(name) else {
            return false;
        };
        if let Some(inner) = name.strip_prefix('[') {
            return inner.strip_suffix(']').is_some_and(|a| a.parse::<Ipv6Addr>().is_ok());
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let same = |known: &str| known.eq_ignore_ascii_case(name);
        name.parse::<Ipv4Addr>().is_ok()
            || same("localhost")
            || self.names.iter().any(|known| known == ANY || same(known))
    }
}

/// The name or address before the port; `None` where it is not of that form.
fn name(said: &str) -> Option<&str> {
    let end = if said.starts_with('[') { said.find(']')? } else { 0 };
    let (name, port) = match said.get(end..)?.find(':') {
        Some(at) => said.split_at_checked(end + at)?,
        None => (said, ""),
    };
    let digits = port.strip_prefix(':').unwrap_or_default();
    let fits = digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
    (fits && !name.is_empty()).then_some(name)
}

/// Whether there are as many `Host` lines as the protocol has it: one, in HTTP/1.0 none or one.
pub(super) fn counted<B>(request: &Request<B>) -> bool {
    let least = usize::from(request.version() >= Version::HTTP_11);
    (least..=1).contains(&request.headers().get_all(HOST).iter().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(hosts: &Hosts, said: &str) -> bool {
        let request = Request::builder().header(HOST, said).body(()).expect("a request");
        hosts.admit(&request)
    }

    #[test]
    fn names_that_nobody_else_can_have() {
        let hosts = Hosts::new(&["web1".to_owned(), "proc.example.com".to_owned()]);
        for good in [
            "localhost",
            "LocalHost:9001",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:9001",
            "127.0.0.1:",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:9001",
            "[FD00::6]:9001",
            "web1",
            "WEB1:9001",
            "proc.example.com.:9001",
        ] {
            assert!(admits(&hosts, good), "{good}");
        }
        for bad in [
            "",
            ":9001",
            "evil.example",
            "evil.example:9001",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127.0.0.1",
            "127.0.0.1:80:80",
            "127.0.0.1:123456",
            "127.0.0.1:8a",
            "0x7f.1",
            "127.1",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x:80",
            "[evil.example]",
            "web1.evil.example",
            "web1 evil.example",
            "user@localhost",
            "*",
            "..",
        ] {
            assert!(!admits(&hosts, bad), "{bad}");
        }
    }

    #[test]
    fn the_admin_may_open_it_to_every_name() {
        let hosts = Hosts::new(&[ANY.to_owned()]);
        assert!(admits(&hosts, "evil.example"));
        assert!(!admits(&hosts, ""));
    }

    #[test]
    fn a_target_with_a_name_counts_too() {
        let hosts = Hosts::new(&[]);
        let request = |uri: &str| {
            Request::builder().uri(uri).header(HOST, "localhost").body(()).expect("a request")
        };
        assert!(hosts.admit(&request("http://127.0.0.1/logtail/x")));
        assert!(!hosts.admit(&request("http://evil.example/logtail/x")));
        assert!(!hosts.admit(&request("http://localhost@evil.example/")));
    }

    #[test]
    fn one_name_and_no_more() {
        let counted = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            super::counted(&request.body(()).expect("a request"))
        };
        assert!(!counted(Version::HTTP_11, &[]));
        assert!(counted(Version::HTTP_11, &["a"]));
        assert!(!counted(Version::HTTP_11, &["a", "a"]));
        assert!(counted(Version::HTTP_10, &[]));
        assert!(counted(Version::HTTP_10, &["a"]));
        assert!(!counted(Version::HTTP_10, &["a", "b"]));
    }
}
