//! `[inet_http_server*]` and `[unix_http_server*]`.

use std::net::IpAddr;

use privsep::table::{Socket, Table, endpoint};

use super::expand::Names;
use super::host::{self, NoAddress};
use super::model::{Address, Server};
use super::password;
use super::reading::{Reading, Scope};
use super::settings::Password;
use super::text::{self, repr, strip};
use super::values::{self, Read};

/// The longest path of a unix socket.
pub const SOCKET_PATH: usize = 107;

/// All servers, inet ones first, as the reference opens them. `names` has ENV_ names.
pub fn read(r: &mut Reading<'_>, names: &Names<'_>) -> Vec<Server> {
    let sections: Vec<String> = r.doc.sections.iter().map(|s| s.name.clone()).collect();
    let mut servers = Vec::new();
    for section in sections.iter().filter(|s| s.starts_with("inet_http_server")) {
        servers.extend(inet(r, section, names));
    }
    for section in sections.iter().filter(|s| s.starts_with("unix_http_server")) {
        servers.extend(unix(r, section, names));
    }
    if servers.len() > privsep::table::MAX_SOCKETS {
        let most = privsep::table::MAX_SOCKETS;
        let text = format!("{} HTTP servers are more than the limit of {most}", servers.len());
        r.problems.error(text, vec![]);
    }
    servers
}

/// What programs are told in SUPERVISOR_SERVER_URL: the first unix server, else the last inet one.
pub fn url(servers: &[Server]) -> Option<String> {
    let unix = servers.iter().find_map(|s| match &s.address {
        Address::Unix { path, .. } => Some(format!("unix://{path}")),
        Address::Inet { .. } => None,
    });
    unix.or_else(|| {
        servers.iter().rev().find_map(|s| match &s.address {
            Address::Inet { host, port, .. } => {
                let host = if matches!(&**host, "" | "[::]") { "localhost" } else { host };
                let scheme = scheme(s.tls.is_some());
                Some(format!("{scheme}://{host}:{port}"))
            }
            Address::Unix { .. } => None,
        })
    })
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// The same at a later reading, when the sockets in force stay what they are. `fresh` are those of `servers`.
pub fn url_in_force(servers: &[Server], fresh: &[Socket], current: &Table) -> Option<String> {
    let force = &current.sockets;
    let path = force.iter().find_map(|socket| match socket {
        Socket::Unix { path, .. } => Some(format!("unix://{}", text::from_bytes(path))),
        Socket::Tcp { .. } => None,
    });
    path.or_else(|| {
        let last = force.last()?;
        let place = u32::try_from(force.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let tls = current.tls.contains(&place);
        let here = |server: &Server, socket: &Socket| socket == last && server.tls.is_some() == tls;
        let named = servers.iter().zip(fresh).rfind(|(server, socket)| here(server, socket));
        let scheme = scheme(tls);
        match (named, last) {
            (Some((server, _)), _) => url(std::slice::from_ref(server)),
            (None, Socket::Tcp { address: 0, port }) => {
                Some(format!("{scheme}://localhost:{port}"))
            }
            (None, Socket::Tcp { address, port }) => {
                Some(format!("{scheme}://{}", endpoint(*address, *port)))
            }
            (None, Socket::Unix { .. }) => None,
        }
    })
}

fn inet(r: &mut Reading<'_>, section: &str, names: &Names<'_>) -> Option<Server> {
    let scope = Scope::plain(section, names);
    let credentials = credentials(r, scope);
    let legacy_get_actions = legacy_get_actions(r, scope);
    let pam = pam(r, scope);
    let insecure_no_auth = r.plain(scope, "insecure_no_auth", values::boolean).unwrap_or(false);
    r.unknown_keys(section);
    if r.doc.get(section, "port").is_none() {
        let text = format!("section [{section}] has no port value");
        r.check::<()>(scope, "port", Err(text));
    }
    let (host, port) = r.plain(scope, "port", values::inet)?;
    let hosts = hosts(r, scope);
    let address = address(r, &host);
    let address = r.check(scope, "port", address)?;
    Some(Server {
        section: section.to_owned(),
        address: Address::Inet { host, address, port },
        credentials,
        hosts,
        legacy_get_actions,
        insecure_no_auth,
        guarded: false,
        pam,
        tls: None,
    })
}

/// `allowed_hosts`, and the machine's own names: as the kernel has it, in short, and as /etc/hosts completes it.
fn hosts(r: &mut Reading<'_>, scope: Scope<'_>) -> Vec<String> {
    let listed = r.plain(scope, "allowed_hosts", |text| {
        let names: Vec<String> = values::strings(&text.to_lowercase());
        let bad = |name: &&String| name.contains(['/', ':', '@']) || name.contains(text::is_space);
        match names.iter().find(bad) {
            Some(name) => Err(format!(
                "{} is no host name; allowed_hosts has names alone, without scheme and port",
                repr(name)
            )),
            None => Ok(names.into_iter().filter(|name| !name.is_empty()).collect()),
        }
    });
    let mut names: Vec<String> = listed.unwrap_or_default();
    let node = r.facts.node.to_lowercase();
    let short = node.split('.').next().unwrap_or_default().to_owned();
    let others = r.host.aliases(&node);
    let own = others.into_iter().map(|name| name.to_lowercase()).chain([node, short]);
    names.extend(own.filter(|name| !name.is_empty()));
    names.sort();
    names.dedup();
    names
}

fn address(r: &mut Reading<'_>, host: &str) -> Read<IpAddr> {
    host::address(r.host, host).map_err(|why| match why {
        NoAddress::Malformed => format!(
            "{host} is no address; one of IPv6 is written in brackets, as in port=[::1]:9001"
        ),
        NoAddress::Unknown(code) => {
            format!("Cannot open an HTTP server: socket.error reported {code}")
        }
    })
}

fn unix(r: &mut Reading<'_>, section: &str, names: &Names<'_>) -> Option<Server> {
    let here = r.here.clone();
    let with_here = Names::over(names).text("here", &here);
    let scope = Scope::plain(section, names);
    if r.doc.get(section, "file").is_none() {
        let text = format!("section [{section}] has no file value");
        r.check::<()>(scope, "file", Err(text));
    }
    let path = r.get(Scope::plain(section, &with_here), "file", |r, t| {
        let path = r.normal_path(strip(t));
        if text::bytes(&path).len() > SOCKET_PATH {
            return Err("Cannot open an HTTP server: socket.error reported AF_UNIX path too long"
                .to_owned());
        }
        Ok(path)
    });
    let credentials = credentials(r, scope);
    let owner = r.get(scope, "chown", |r, t| {
        host::owner(r.host, t).map_err(|_| format!("Invalid sockchown value {t}"))
    });
    let mode = r.plain(scope, "chmod", |t| {
        values::octal(t).map_err(|_| format!("Invalid chmod value {t}"))
    });
    let legacy_get_actions = legacy_get_actions(r, scope);
    let pam = pam(r, scope);
    r.unknown_keys(section);
    Some(Server {
        section: section.to_owned(),
        address: Address::Unix {
            path: path?,
            mode: mode.unwrap_or(0o700) & 0o777,
            uid: owner.map(|(uid, _)| uid),
            gid: owner.and_then(|(_, gid)| gid),
        },
        credentials,
        hosts: Vec::new(),
        legacy_get_actions,
        insecure_no_auth: false,
        guarded: false,
        pam,
        tls: None,
    })
}

fn legacy_get_actions(r: &mut Reading<'_>, scope: Scope<'_>) -> bool {
    r.plain(scope, "legacy_get_actions", values::boolean).unwrap_or(false)
}

/// `auth`: whether those who are no `[user:NAME]` are accounts of the system.
fn pam(r: &mut Reading<'_>, scope: Scope<'_>) -> bool {
    let pam = r.plain(scope, "auth", |text| match text {
        "password" => Ok(false),
        "pam" => Ok(true),
        _ => Err(format!("not a valid auth value: {}; it is password or pam", repr(text))),
    });
    pam.unwrap_or(false)
}

/// Name and password: both or neither, and two empty ones are neither.
fn credentials(r: &mut Reading<'_>, scope: Scope<'_>) -> Option<(String, Password)> {
    let username = r.text(scope, "username");
    let password = r.text(scope, "password");
    let (username, password) = match (username, password) {
        (None, None) => return None,
        (Some(u), Some(p)) if u.is_empty() && p.is_empty() => return None,
        // The reference asks for no authentication at all when the name alone is empty.
        (Some(u), Some(p)) if !u.is_empty() => (u, p),
        (username, _) => {
            let section = scope.section;
            let missing =
                if username.is_none_or(|u| u.is_empty()) { "username" } else { "password" };
            let text = format!(
                "Section [{section}] contains incomplete authentication: If a username or a password is specified, \
                 both the username and password must be specified"
            );
            // A value that is there but failed was reported already.
            let failed = r.raw(section, missing).is_some_and(|v| v.contains('%'));
            if !failed {
                r.check::<()>(scope, missing, Err(text));
            }
            return None;
        }
    };
    let password = r.check(scope, "password", password::of_server(&password))?;
    Some((username, password))
}
