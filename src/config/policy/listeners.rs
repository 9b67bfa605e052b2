//! Servers, and how they find out who asks.

use policy::access::Member;
use privsep::table::Socket;

use super::super::reading::Reading;
use super::super::settings::{Server, Tls};
use super::gather::{account, address, kept, place};
use super::report::{Certificates, Listener};
use super::{Subject, clean};

/// Those that are opened.
pub fn all(r: &mut Reading<'_>, s: &Subject<'_>) -> Vec<Listener> {
    let mut all = Vec::new();
    for server in &s.settings.servers {
        let Some(socket) = socket(s, server) else {
            continue;
        };
        all.push(Listener {
            section: clean(&server.section),
            place: place(r, &server.section, ""),
            address: address(socket),
            guard: guard(r, s, socket),
            asks: asks(s, server, socket),
            beyond: beyond(socket),
            tls: server.tls.as_ref().map(certificates),
        });
    }
    all
}

/// Those that are not: the lines that say so, without those that put it right.
pub fn closed(r: &Reading<'_>) -> Vec<String> {
    let alarms = r.problems.alarms.iter();
    alarms.filter(|line| !line.starts_with(' ')).map(|line| clean(line)).collect()
}

/// The socket of a server.
pub fn socket<'s>(s: &Subject<'s>, server: &Server) -> Option<&'s Socket> {
    s.table.sockets.get(usize::try_from(server.socket).ok()?)
}

/// Whether other machines reach it.
pub fn beyond(socket: &Socket) -> bool {
    match socket {
        Socket::Unix { .. } => false,
        Socket::Tcp { address, .. } => {
            !std::net::Ipv6Addr::from_bits(*address).to_canonical().is_loopback()
        }
    }
}

/// Whether a TCP server asks everybody who proves nothing to go away.
pub fn asks_all(s: &Subject<'_>, server: &Server) -> bool {
    takes_secrets(s, server)
        || server.guarded
        || server.tls.as_ref().map(certificates) == Some(Certificates::Required)
}

/// Whether passwords or tokens are sent to it.
pub fn takes_secrets(s: &Subject<'_>, server: &Server) -> bool {
    let settings = s.settings;
    let users = !settings.users.is_empty() || !settings.tokens.is_empty();
    server.credentials.is_some() || server.pam || users
}

fn certificates(tls: &Tls) -> Certificates {
    match &tls.clients {
        None => Certificates::Unasked,
        Some(clients) if clients.required => Certificates::Required,
        Some(_) => Certificates::Optional,
    }
}

/// Whether some role is for whoever comes.
pub fn anonymous(s: &Subject<'_>) -> bool {
    s.settings.access.roles.iter().any(|role| role.members.contains(&Member::Anonymous))
}

fn guard(r: &mut Reading<'_>, s: &Subject<'_>, socket: &Socket) -> Option<String> {
    let Socket::Unix { mode, uid, gid, .. } = socket else {
        return None;
    };
    let owner = account(r, uid.unwrap_or(s.own));
    let group = gid.map_or(String::new(), |gid| format!(", group {gid}"));
    Some(format!("mode {mode:04o}, owner {owner}{group}"))
}

fn asks(s: &Subject<'_>, server: &Server, socket: &Socket) -> Vec<String> {
    let mut all = Vec::new();
    let unix = matches!(socket, Socket::Unix { .. });
    if unix && server.credentials.is_none() {
        all.push("the system says who asks (SO_PEERCRED)".to_owned());
    }
    match server.tls.as_ref().map(certificates) {
        Some(Certificates::Required) => all.push("a client certificate is required".to_owned()),
        Some(Certificates::Optional) => {
            all.push("a client certificate, where there is one".to_owned());
        }
        Some(Certificates::Unasked) | None => {}
    }
    if let Some((name, password)) = &server.credentials {
        all.push(format!("password of {} ({})", clean(name), kept(password)));
    }
    if !s.settings.users.is_empty() {
        let names: Vec<String> = s.settings.users.iter().map(|user| clean(&user.name)).collect();
        all.push(format!("passwords of users ({})", names.join(", ")));
    }
    if server.pam {
        all.push("passwords of accounts of the system (PAM)".to_owned());
    }
    if !s.settings.tokens.is_empty() {
        all.push(format!("tokens ({})", s.settings.tokens.len()));
    }
    if !unix && !asks_all(s, server) {
        all.push("nothing".to_owned());
    } else if !unix && anonymous(s) {
        all.push("whoever gives no password is anonymous".to_owned());
    }
    all
}
