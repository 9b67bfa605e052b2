//! Later readings: what a server asks from then on.

use policy::access::Member;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::asks::{alice, basic, call, get, over_tcp, reread, role, status, users_in_plain_text};
use super::bed::{Bed, Client, Plan, passing};
use super::certs::{Authority, HEALTH};
use super::tokens::machines;
use crate::config::settings::{Password, Server, Settings};

/// The section of the TCP server, as the reading has it.
fn inet(settings: &mut Settings) -> &mut Server {
    let mut servers = settings.servers.iter_mut();
    servers.find(|server| server.section == "inet_http_server").expect("a server")
}

/// It listens elsewhere, or is to begin or to cease to speak TLS: the reading has it no more.
fn drop_inet(settings: &mut Settings) {
    settings.servers.retain(|server| server.section != "inet_http_server");
}

/// The status of an answer. The clock stands still where it is not the time that tells of a wrong password: a connection
/// that goes on is not to be idle for too long.
async fn answered(client: &mut Client<TlsStream<TcpStream>>, proof: &str) -> u16 {
    status(&match proof {
        "" => client.answer().await,
        _ => passing(client.answer()).await,
    })
}

/// The status on a connection that goes on.
async fn on(client: &mut Client<TlsStream<TcpStream>>, proof: &str) -> u16 {
    client.send(get("/ok.html", proof)).await;
    answered(client, proof).await
}

/// A connection that is under way. What is refused ends it.
async fn under_way(bed: &Bed) -> Client<TlsStream<TcpStream>> {
    let mut client = bed.tls(None).await;
    client.send(HEALTH).await;
    assert_eq!(status(&client.answer().await), 200);
    client
}

/// The status on a new connection over TLS.
async fn anew(bed: &Bed, proof: &str) -> u16 {
    let mut client = bed.tls(None).await;
    client.send(call(proof)).await;
    answered(&mut client, proof).await
}

#[test]
fn users_that_make_way_for_pam_leave_no_open_server() {
    let tls = Some(Authority::new("ca").tls(None, &[]));
    Plan { tls, ..users_in_plain_text() }.run(async |bed| {
        let (mut kept, mut other) = (under_way(&bed).await, under_way(&bed).await);
        assert_eq!(on(&mut kept, &basic("alice:password")).await, 200);
        assert_eq!(anew(&bed, "").await, 401);
        reread(&bed, |settings| {
            settings.users.clear();
            inet(settings).pam = true;
        });
        assert_eq!(on(&mut kept, "").await, 401);
        assert_eq!(anew(&bed, "").await, 401);
        assert_eq!(anew(&bed, &basic("alice:password")).await, 401);
        // Nor do users that make way for nothing.
        reread(&bed, |settings| inet(settings).pam = false);
        assert_eq!((on(&mut other, "").await, anew(&bed, "").await), (401, 401));
        reread(&bed, |settings| settings.users = vec![alice()]);
        assert_eq!(anew(&bed, "").await, 401);
    });
}

#[test]
fn users_that_make_way_for_certificates_leave_no_open_connection() {
    let authority = Authority::new("ca");
    let ci = authority.client("ci", 1);
    let (before, after) = (authority.tls(None, &[]), authority.tls(Some(true), &[]));
    for users in [users_in_plain_text().users, Vec::new()] {
        let (before, after) = (before.clone(), after.clone());
        let were = !users.is_empty();
        Plan { tls: Some(before), users, ..Plan::default() }.run(async |bed| {
            let mut kept = under_way(&bed).await;
            let (mut other, mut last) = (under_way(&bed).await, under_way(&bed).await);
            assert_eq!(on(&mut kept, &basic("alice:password")).await, 200);
            reread(&bed, |settings| {
                settings.users.clear();
                inet(settings).tls = Some(after);
            });
            assert_eq!(on(&mut kept, "").await, 401);
            // Where there was no password before, a certificate is enough; else only one with a role.
            let mut certain = bed.tls(Some(&ci)).await;
            assert_eq!(on(&mut certain, "").await, if were { 401 } else { 200 });
            let mut certain = bed.tls(Some(&ci)).await;
            reread(&bed, |settings| {
                let ci = Member::Certificate("CN=ci".to_owned());
                settings.access.roles = vec![role(ci, "cat", "log")];
            });
            assert_eq!(on(&mut certain, "").await, 200);
            assert_eq!(on(&mut other, "").await, 401);
            // What once was right is heeded now, and wrong.
            assert_eq!(on(&mut last, &basic("alice:password")).await, 401);
        });
    }
}

#[test]
fn a_server_that_a_reading_lacks_asks_on() {
    let tls = || Some(Authority::new("ca").tls(None, &[]));
    Plan { tls: tls(), pam: true, ..Plan::default() }.run(async |bed| {
        let mut kept = under_way(&bed).await;
        assert_eq!(anew(&bed, "").await, 401);
        reread(&bed, drop_inet);
        assert_eq!((on(&mut kept, "").await, anew(&bed, "").await), (401, 401));
    });
    // Nor is what one reading added lost by the next.
    Plan { tls: tls(), ..Plan::default() }.run(async |bed| {
        assert_eq!(anew(&bed, "").await, 200);
        reread(&bed, |settings| inet(settings).pam = true);
        assert_eq!(anew(&bed, "").await, 401);
        reread(&bed, drop_inet);
        assert_eq!(anew(&bed, "").await, 401);
    });
    let tokens = Plan { users: Vec::new(), roles: Vec::new(), ..machines() };
    let tokens = Plan { tls: tls(), ..tokens };
    tokens.run(async |bed| {
        assert_eq!(anew(&bed, "").await, 401);
        reread(&bed, |settings| settings.tokens.clear());
        assert_eq!(anew(&bed, "").await, 401);
    });
}

#[test]
fn a_server_without_any_of_that_asks_as_the_reading_says() {
    Plan::default().run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call("")).await), 200);
        reread(&bed, |settings| settings.users = users_in_plain_text().users);
        assert_eq!(status(&over_tcp(&bed, call("")).await), 401);
        assert_eq!(status(&over_tcp(&bed, call(&basic("alice:password"))).await), 200);
        reread(&bed, |settings| settings.users.clear());
        assert_eq!(status(&over_tcp(&bed, call("")).await), 200);
        // A name and a password of the section, or another port, wait for the restart as in the reference.
        let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
        reread(&bed, |settings| inet(settings).credentials = credentials);
        assert_eq!(status(&over_tcp(&bed, call("")).await), 200);
        reread(&bed, drop_inet);
        assert_eq!(status(&over_tcp(&bed, call("")).await), 200);
    });
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { credentials, ..Plan::default() }.run(async |bed| {
        for change in [|settings: &mut Settings| inet(settings).credentials = None, drop_inet] {
            reread(&bed, change);
            assert_eq!(status(&over_tcp(&bed, call("")).await), 401);
            assert_eq!(status(&over_tcp(&bed, call(&basic("u:p"))).await), 200);
        }
    });
}
