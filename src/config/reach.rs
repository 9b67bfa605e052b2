//! Servers that other machines can reach: what they must ask for.

use super::model::{Address, Daemon, Server, User};
use super::reading::Reading;

/// Takes out the servers that anybody could use from elsewhere, unless that is what the configuration wants, and warns of
/// others that ask for a password where it can be read on its way. `strict=true` makes
/// errors of both.
pub fn admit(
    r: &mut Reading<'_>,
    servers: Vec<Server>,
    users: &[User],
    daemon: &Daemon,
) -> Vec<Server> {
    let mut admitted = Vec::new();
    for server in servers {
        let Address::Inet { address, .. } = &server.address else {
            admitted.push(server);
            continue;
        };
        if address.to_canonical().is_loopback() {
            admitted.push(server);
            continue;
        }
        let asks = asks(&server, users, daemon);
        if server.tls.is_some() && asks {
            // Who has shown a certificate that must be shown is nobody of whom nothing is known.
            let guarded = !server.insecure_no_auth && !certified(&server);
            admitted.push(Server { guarded, ..server });
            continue;
        }
        if daemon.strict {
            refuse(r, &server, asks);
            continue;
        }
        match (asks, server.insecure_no_auth) {
            (true, open) => {
                let place = r.locate(&server.section, "port");
                r.problems.advice(format!(
                    "{place} can be reached from other machines, without encryption: passwords can be read on their \
                     way; set tls_cert and tls_key"
                ));
                admitted.push(Server { guarded: !open, ..server });
            }
            (false, true) => {
                let place = r.locate(&server.section, "insecure_no_auth");
                r.problems.advice(format!(
                    "{place}: whoever can reach {} may use it, without a password",
                    shown(&server)
                ));
                admitted.push(server);
            }
            (false, false) => close(r, &server),
        }
    }
    admitted
}

/// Whether it lets in nobody whom it does not know.
fn asks(server: &Server, users: &[User], daemon: &Daemon) -> bool {
    let known = server.credentials.is_some() || !users.is_empty() || server.pam;
    known || certified(server) || daemon.tokens_file.is_some()
}

/// Whether all its clients have to show a certificate.
fn certified(server: &Server) -> bool {
    let clients = server.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    clients.is_some_and(|clients| clients.required)
}

fn shown(server: &Server) -> String {
    match &server.address {
        Address::Inet { host, port, .. } if host.is_empty() => format!("*:{port}"),
        Address::Inet { host, port, .. } => format!("{host}:{port}"),
        Address::Unix { path, .. } => path.clone(),
    }
}

/// It is left out, and said loudly, with the two lines that put it right.
fn close(r: &mut Reading<'_>, server: &Server) {
    let place = r.locate(&server.section, "port");
    let where_to = shown(server);
    let force = r.facts.current.iter().flat_map(|current| &current.sockets);
    let closed = match force.into_iter().any(|socket| *socket == super::table::socket(server)) {
        true => "is not opened at the next start",
        false => "is not opened",
    };
    r.problems.alarm(vec![
        format!(
            "{place}: {where_to} {closed}: it asks for no password, and whoever can reach it could use it"
        ),
        format!(
            "  add these two lines to [{}] (supervisorctl passwd makes the hash), or listen on 127.0.0.1, or say \
             insecure_no_auth=true:",
            server.section
        ),
        "  username=admin".to_owned(),
        "  password=$argon2id$v=19$...".to_owned(),
    ]);
}

fn refuse(r: &mut Reading<'_>, server: &Server, asks: bool) {
    let (why, remedy) = match asks {
        true => (
            "passwords could be read on their way, for it has no encryption",
            "set tls_cert and tls_key, or listen on 127.0.0.1",
        ),
        false => (
            "it asks for no password, and whoever can reach it could use it",
            "listen on 127.0.0.1, or have it ask, and speak TLS",
        ),
    };
    let text = format!(
        "{} can be reached from other machines, which strict=true forbids: {why}; {remedy}",
        shown(server)
    );
    let details = vec![r.locate(&server.section, "port"), r.locate("supervisord", "strict")];
    r.problems.error(text, details);
}
