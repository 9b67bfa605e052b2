//! Listening sockets of programs: `socket` of `[fcgi-program:x]`, and `sockets` of any program.

use privsep::table::{MAX_LISTEN, Shared, Socket};

use super::expand::Names;
use super::host::{Account, NoAddress, address, bits};
use super::model::SocketRules;
use super::path::{self, normalise};
use super::reading::{Reading, Scope};
use super::servers::SOCKET_PATH;
use super::text::{bytes, repr};
use super::values::{self, Read, integer};

/// What the system caps itself.
const SOMAXCONN: u32 = 4_096;

/// `socket_backlog`, `socket_owner` and `socket_mode`, in the reference's order.
pub fn rules(r: &mut Reading<'_>, scope: Scope<'_>) -> SocketRules {
    let backlog = r.plain(scope, "socket_backlog", |text| {
        let number = integer(text)?;
        let fits = u32::try_from(number).ok().filter(|n| (1..=65_535).contains(n));
        fits.ok_or_else(|| format!("Invalid socket_backlog value {number}"))
    });
    let owner = r.get(scope, "socket_owner", |r, text| {
        r.owner(text).map_err(|_| format!("Invalid socket_owner value {text}"))
    });
    let mode = r.plain(scope, "socket_mode", |text| {
        values::octal(text).map_err(|_| format!("Invalid socket_mode value {text}"))
    });
    SocketRules { owner, mode, backlog }
}

/// The socket of a `[fcgi-program:x]` with its URL; `names` has ENV_ names and `here`.
pub fn fcgi(
    r: &mut Reading<'_>,
    section: &str,
    name: &str,
    names: &Names<'_>,
) -> Option<(String, Shared)> {
    const KEY: &str = "socket";
    let scope = Scope::plain(section, names);
    let user = r.get(scope, "user", |r, t| r.user(t));
    let rules = rules(r, scope);
    let names = Names::over(names).text("program_name", name);
    let scope = Scope::plain(section, &names);
    if r.raw(section, KEY).is_none_or(|text| text.is_empty()) {
        let text = format!("[{section}] section requires a \"socket\" line");
        r.check::<()>(scope, KEY, Err(text));
        return None;
    }
    let url = r.text(scope, KEY)?;
    let shared = shared(r, &url, user.as_ref(), &rules, false);
    let shared = shared.map_err(|why| format!("{why} in [{section}] socket"));
    let shared = r.check(scope, KEY, shared)?;
    let url = match &shared.socket {
        Socket::Unix { path, .. } => format!("unix://{}", super::text::from_bytes(path)),
        Socket::Tcp { .. } => url,
    };
    Some((url, shared))
}

/// `sockets`: the sockets with the names that LISTEN_FDNAMES gives them.
pub fn list(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    user: Option<&Account>,
    rules: &SocketRules,
) -> Vec<(String, Shared)> {
    const KEY: &str = "sockets";
    let found = r.get(scope, KEY, |r, text| {
        let mut all: Vec<(String, Shared)> = Vec::new();
        let urls = values::strings(text);
        for url in urls.iter().filter(|url| !url.is_empty()) {
            let shared = shared(r, url, user, rules, true)?;
            if all.iter().any(|(_, other)| *other == shared) {
                return Err(format!("sockets names {url} twice"));
            }
            all.push((name(&shared.socket), shared));
        }
        if all.len() > MAX_LISTEN {
            return Err(format!("sockets names {} sockets, the limit is {MAX_LISTEN}", all.len()));
        }
        Ok(all)
    });
    let found = found.unwrap_or_default();
    let unix = |(_, shared): &(String, Shared)| matches!(shared.socket, Socket::Unix { .. });
    let unused = rules.owner.is_some() || rules.mode.is_some();
    if !found.is_empty() && unused && !found.iter().any(unix) {
        let text =
            "socket_owner and socket_mode params should only be used with a Unix domain socket";
        r.check::<()>(scope, KEY, Err(text.to_owned()));
    }
    found
}

/// Port or file name: what cannot stand in LISTEN_FDNAMES becomes an underscore.
fn name(socket: &Socket) -> String {
    match socket {
        Socket::Tcp { port, .. } => port.to_string(),
        Socket::Unix { path, .. } => {
            let path = super::text::from_bytes(path);
            let plain = |c: char| if c == ':' || !c.is_ascii_graphic() { '_' } else { c };
            path::basename(&path).chars().map(plain).collect()
        }
    }
}

fn shared(
    r: &mut Reading<'_>,
    url: &str,
    user: Option<&Account>,
    rules: &SocketRules,
    held: bool,
) -> Read<Shared> {
    let socket = match url.strip_prefix("unix://") {
        Some(path) => unix(r, path, user, rules)?,
        None => {
            if !held && (rules.owner.is_some() || rules.mode.is_some()) {
                let text = "socket_owner and socket_mode params should only be used with a Unix domain socket";
                return Err(text.to_owned());
            }
            tcp(r, url)?
        }
    };
    Ok(Shared { socket, backlog: rules.backlog.unwrap_or(SOMAXCONN), held })
}

fn unix(r: &Reading<'_>, path: &str, user: Option<&Account>, rules: &SocketRules) -> Read<Socket> {
    if !path.starts_with('/') {
        // The reference prints the pair as it is.
        let path = repr(path);
        return Err(format!("('Unix socket path %s is not an absolute path', {path})"));
    }
    let path = normalise(path);
    if bytes(&path).len() > SOCKET_PATH {
        return Err(format!("Unix socket path {path} is longer than {SOCKET_PATH} bytes"));
    }
    let user = user.filter(|user| user.uid != r.facts.start.uid);
    let owner = rules.owner.or_else(|| user.map(|user| (user.uid, Some(user.gid))));
    Ok(Socket::Unix {
        path: bytes(&path),
        mode: rules.mode.unwrap_or(0o700) & 0o777,
        uid: owner.map(|(uid, _)| uid),
        gid: owner.and_then(|(_, gid)| gid),
    })
}

fn tcp(r: &mut Reading<'_>, url: &str) -> Read<Socket> {
    let bad = || format!("('Bad socket format %s', {})", repr(url));
    let (host, port) = url.strip_prefix("tcp://").and_then(halves).ok_or_else(bad)?;
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    if host.is_empty() || host.contains(super::text::is_space) || !digits {
        return Err(bad());
    }
    let port = values::port(port)?;
    let address = address(r.host, host).map_err(|why| match why {
        NoAddress::Malformed => bad(),
        NoAddress::Unknown(code) => {
            format!("Socket {url} names a host without an address (error {code})")
        }
    })?;
    Ok(Socket::Tcp { address: bits(address), port })
}

/// Host and port. The colons of an IPv6 address stand in brackets.
fn halves(place: &str) -> Option<(&str, &str)> {
    let end = if place.starts_with('[') { place.find(']')? } else { 0 };
    let colon = end + place.get(end..)?.find(':')?;
    let (host, port) = place.split_at_checked(colon)?;
    Some((host, port.strip_prefix(':')?))
}
