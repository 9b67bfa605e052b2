//! Servers that speak TLS: versions, certificates, readings.

use std::rc::Rc;
use std::time::Duration;

use policy::access::Member;
use rcgen::{DnType, SanType, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::advance;
use tokio_rustls::client::TlsStream;

use super::asks::{get, post, role, status, users};
use super::bed::{Bed, Client, MAIN, Plan, eventually, header, passing};
use super::certs::{Authority, HEALTH, Pair, asked, connector, lines, run, settle};
use crate::config::settings::{Level, Server, Tls};
use crate::http::limits::IDLE_TIME;

/// Puts another certificate, key, authority into force, as a reading does.
fn reread(bed: &Bed, tls: Option<Tls>) {
    let mut settings = (**bed.site.settings.borrow()).clone();
    settings.servers = vec![Server {
        section: "inet_http_server".to_owned(),
        socket: 0,
        credentials: None,
        hosts: Vec::new(),
        legacy_get_actions: false,
        guarded: false,
        pam: false,
        tls,
    }];
    *bed.site.settings.borrow_mut() = Rc::new(settings);
}

/// The certificate that a server has shown.
fn shown(client: &Client<TlsStream<TcpStream>>) -> Vec<u8> {
    client.stream.get_ref().1.peer_certificates().expect("chain")[0].to_vec()
}

#[test]
fn both_versions_are_spoken_and_http_1_1_is_agreed_on() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        for version in [&TLS12, &TLS13] {
            let mut client = bed.try_tls(None, &[version]).await.expect("handshake");
            for _ in 0..3 {
                client.send(HEALTH).await;
                assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"));
            }
            let session = client.stream.get_ref().1;
            assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(session.protocol_version(), Some(version.version));
        }
        assert_eq!(lines(&bed), [""; 0]);
    });
}

#[test]
fn the_end_is_said() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        // A truncated stream would be an error here.
        let mut client = bed.tls(None).await;
        client.send("GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
        let mut text = String::new();
        client.stream.read_to_string(&mut text).await.expect("close_notify");
        assert!(text.ends_with("ok\n"), "{text}");
        let mut idle = bed.tls(None).await;
        idle.send(HEALTH).await;
        idle.answer().await;
        settle().await;
        advance(IDLE_TIME).await;
        assert_eq!(idle.stream.read(&mut [0; 16]).await.expect("close_notify"), 0);
    });
}

#[test]
fn a_certificate_is_asked_for() {
    let authority = Authority::new("ca");
    let good = authority.client("deploy", 1);
    run(authority.tls(Some(true), &[]), async |bed| {
        assert!(asked(&bed, Some(&good)).await.expect("answer").starts_with("HTTP/1.1 200"));
        let refused = asked(&bed, None).await.expect_err("an alert");
        assert!(refused.contains("CertificateRequired"), "{refused}");
        eventually(|| !lines(&bed).is_empty()).await;
        let line = lines(&bed).remove(0);
        assert!(line.starts_with("TLS handshake with 127.0.0.1:"), "{line}");
        assert!(line.ends_with(" failed: no certificate, and one is required"), "{line}");
    });
    run(authority.tls(Some(false), &[]), async |bed| {
        assert!(asked(&bed, None).await.expect("answer").starts_with("HTTP/1.1 200"));
        assert!(asked(&bed, Some(&good)).await.expect("answer").starts_with("HTTP/1.1 200"));
        let stranger = Authority::new("other").client("deploy", 1);
        assert!(asked(&bed, Some(&stranger)).await.is_err(), "optional is not any");
    });
}

#[test]
fn certificates_that_are_no_good_are_refused_and_it_is_said_why() {
    let (authority, other) = (Authority::new("ca"), Authority::new("other"));
    let namesake = Authority::new("ca");
    let expired = authority.signs("deploy", |p| p.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.signs("deploy", |p| p.not_before = date_time_ymd(3000, 1, 1));
    let server = authority.signs("deploy", |p| {
        p.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let cases = [
        (other.client("deploy", 1), "UnknownCA", "unknown authority"),
        (namesake.client("deploy", 1), "DecryptError", "signed by another key"),
        (expired, "CertificateExpired", "certificate expired"),
        (early, "CertificateExpired", "not valid yet"),
        (authority.client("deploy", 7), "CertificateRevoked", "certificate revoked"),
        (server, "", "extendedKeyUsage lacks clientAuth"),
    ];
    run(authority.tls(Some(true), &[7]), async |bed| {
        for (pair, alert, reason) in cases {
            let told = asked(&bed, Some(&pair)).await.expect_err("an alert");
            assert!(told.contains(alert), "{told}");
            eventually(|| !lines(&bed).is_empty()).await;
            let line = lines(&bed).remove(0);
            assert!(line.contains(reason), "{line}");
            bed.site.lines.borrow_mut().clear();
        }
        assert!(asked(&bed, Some(&authority.client("deploy", 8))).await.is_ok());
    });
}

#[test]
fn where_there_are_lists_every_authority_needs_one() {
    let (authority, other) = (Authority::new("ca"), Authority::new("other"));
    let mut tls = authority.tls(Some(true), &[7]);
    tls.clients.as_mut().expect("clients").authorities.push(other.der());
    run(tls.clone(), async |bed| {
        assert!(asked(&bed, Some(&authority.client("deploy", 1))).await.is_ok());
        assert!(asked(&bed, Some(&other.client("deploy", 1))).await.is_err());
        eventually(|| !lines(&bed).is_empty()).await;
        assert!(lines(&bed)[0].ends_with("that tls_client_crl has no list of"));
        tls.clients.as_mut().expect("clients").revoked.push(other.revokes(&[2]));
        reread(&bed, Some(tls));
        assert!(asked(&bed, Some(&other.client("deploy", 1))).await.is_ok());
    });
}

/// Whom the server takes a client for.
async fn whoami(bed: &Bed, pair: Option<&Pair>) -> String {
    let call = "<methodCall><methodName>supervisor.whoAmI</methodName></methodCall>";
    let mut client = bed.tls(pair).await;
    client
        .send(format!(
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{call}",
            call.len()
        ))
        .await;
    client.answer().await
}

#[test]
fn a_certificate_is_a_principal() {
    let authority = Authority::new("ca");
    let text = |text: &str| text.try_into().expect("text");
    let pair = authority.signs("first", |p| {
        p.distinguished_name.push(DnType::CommonName, "Doe, Jané");
        p.subject_alt_names = vec![
            SanType::DnsName(text("ci.example.org")),
            SanType::URI(text("spiffe://example.org/ci")),
            SanType::Rfc822Name(text("jane@example.org")),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
    });
    let nameless = authority.signs("a\nb", |p| p.subject_alt_names = Vec::new());
    let role = role(Member::Certificate("CN=Doe, Jané".to_owned()), "cat", "view");
    let plan =
        Plan { tls: Some(authority.tls(Some(false), &[])), roles: vec![role], ..Plan::default() };
    plan.run(async |bed| {
        let answer = whoami(&bed, Some(&pair)).await;
        for part in ["cert:CN=Doe, Jané", "certificate", "<string>cat</string>"] {
            assert!(answer.contains(part), "{answer}");
        }
        for nobody in [Some(&nameless), None] {
            let answer = whoami(&bed, nobody).await;
            assert!(answer.contains("anonymous") && !answer.contains("cert"), "{answer}");
        }
    });
}

#[test]
fn another_certificate_is_taken_at_once_and_nobody_is_dropped() {
    let authority = Authority::new("ca");
    let (old, new) = (authority.tls(None, &[]), authority.tls(None, &[]));
    run(old.clone(), async |bed| {
        let mut clients = Vec::new();
        for _ in 0..200 {
            let mut client = bed.tls(None).await;
            client.send(HEALTH).await;
            client.answer().await;
            clients.push(client);
        }
        reread(&bed, Some(new.clone()));
        let mut fresh = bed.tls(None).await;
        assert_eq!(shown(&fresh), new.chain[0]);
        fresh.send(HEALTH).await;
        fresh.answer().await;
        for client in &mut clients {
            client.send(HEALTH).await;
            assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"));
            assert_eq!(shown(client), old.chain[0]);
        }
        // A section that is gone, or has no certificate any more, goes on as it was until the restart.
        reread(&bed, None);
        assert_eq!(shown(&bed.tls(None).await), new.chain[0]);
    });
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    let (authority, other) = (Authority::new("ca"), Authority::new("other"));
    let good = authority.tls(Some(false), &[]);
    run(good.clone(), async |bed| {
        let spoiled: [fn(&mut Tls, Tls); 4] = [
            |tls, other| tls.key = other.key,
            |tls, _| tls.chain = vec![b"no certificate".to_vec()],
            |tls, _| tls.key = b"no key".to_vec(),
            |tls, _| tls.clients.as_mut().expect("clients").authorities = Vec::new(),
        ];
        for spoil in spoiled {
            let mut bad = authority.tls(Some(false), &[]);
            spoil(&mut bad, other.tls(None, &[]));
            bed.site.lines.borrow_mut().clear();
            reread(&bed, Some(bad));
            for _ in 0..3 {
                assert_eq!(shown(&bed.tls(None).await), good.chain[0]);
            }
            let lines = bed.site.lines.borrow();
            let errors: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Error).collect();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].1.contains("[inet_http_server] cannot be used"), "{errors:?}");
        }
        reread(&bed, Some(authority.tls(None, &[])));
        assert_ne!(shown(&bed.tls(None).await), good.chain[0]);
    });
}

#[test]
fn a_server_without_usable_certificate_serves_nobody_until_it_has_one() {
    let authority = Authority::new("ca");
    let good = authority.tls(None, &[]);
    run(Tls { key: Vec::new(), ..good.clone() }, async |bed| {
        let refused = asked(&bed, None).await.expect_err("an alert");
        assert!(refused.contains("InternalError"), "{refused}");
        reread(&bed, Some(good.clone()));
        assert!(asked(&bed, None).await.is_ok());
    });
}

#[test]
fn a_revocation_counts_from_the_reading_on_though_the_client_was_here_before() {
    let authority = Authority::new("ca");
    let pair = authority.client("deploy", 7);
    run(authority.tls(Some(true), &[8]), async |bed| {
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("name");
        // One connector has one store of sessions, which it would use.
        let connector = connector(Some(&pair), rustls::ALL_VERSIONS);
        let connect = async || {
            let stream = connector.connect(name.clone(), bed.tcp().await.stream).await;
            let mut client = Client::new(stream.expect("handshake"));
            let _ = client.stream.write_all(HEALTH.as_bytes()).await;
            client.stream.read(&mut [0; 64]).await.map_err(|e| e.to_string())
        };
        assert!(connect().await.is_ok());
        assert!(connect().await.is_ok());
        reread(&bed, Some(authority.tls(Some(true), &[7])));
        assert!(connect().await.expect_err("refused").contains("CertificateRevoked"));
        reread(&bed, Some(authority.tls(Some(true), &[8])));
        assert!(connect().await.is_ok());
        reread(&bed, Some(Authority::new("next").tls(Some(true), &[])));
        assert!(connect().await.expect_err("refused").contains("UnknownCA"));
    });
}

#[test]
fn pages_that_came_without_tls_are_foreign() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        let mut client = bed.tls(None).await;
        for (origin, expected) in [
            ("http://localhost", 403),
            ("HTTP://localhost", 403),
            ("https://localhost", 200),
            ("https://localhost\r\nOrigin: http://localhost", 403),
        ] {
            client.send(get("/", &format!("Origin: {origin}\r\n"))).await;
            assert_eq!(status(&client.answer().await), expected, "{origin}");
        }
        // Probes and other routes without one are as ever.
        client.send(get("/", "")).await;
        assert_eq!(status(&client.answer().await), 200);
    });
}

#[test]
fn cookies_stay_within_tls() {
    let authority = Authority::new("ca");
    let plan = Plan { tls: Some(authority.tls(None, &[])), ..users() };
    plan.run(async |bed| {
        let mut client = bed.tls(None).await;
        client
            .send(post("/login.html", "Origin: https://localhost\r\n", "user=bob&password=bobs"))
            .await;
        let answer = passing(client.answer()).await;
        let cookie = header(&answer, "set-cookie").expect("a cookie");
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    });
}

/// What a connection answers, and that it ends behind it.
async fn last_answer(client: &mut Client<TlsStream<TcpStream>>) -> String {
    client.send(get("/", "")).await;
    let mut text = String::new();
    client.stream.read_to_string(&mut text).await.expect("close_notify");
    text
}

#[test]
fn a_connection_whose_certificate_is_taken_back_has_no_further_request() {
    let authority = Authority::new("ca");
    let (stolen, good) = (authority.client("deploy", 7), authority.client("deploy", 9));
    run(authority.tls(Some(true), &[8]), async |bed| {
        let mut clients = Vec::new();
        for pair in [&stolen, &stolen, &good, &good] {
            let mut client = bed.tls(Some(pair)).await;
            client.send(get("/", "")).await;
            assert_eq!(status(&client.answer().await), 200);
            clients.push(client);
        }
        reread(&bed, Some(authority.tls(Some(true), &[7])));
        for stolen in &mut clients[..2] {
            let answer = last_answer(stolen).await;
            assert_eq!(status(&answer), 401, "{answer}");
            assert_eq!(header(&answer, "connection"), Some("close"), "{answer}");
        }
        let told = lines(&bed);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("TLS connection of 127.0.0.1:"), "{told:?}");
        assert!(told[0].ends_with("any more: certificate revoked"), "{told:?}");
        for good in &mut clients[2..] {
            good.send(get("/", "")).await;
            assert_eq!(status(&good.answer().await), 200, "nobody else is dropped");
        }
        // Another authority, too, and none at all.
        reread(&bed, Some(Authority::new("next").tls(Some(true), &[])));
        assert_eq!(status(&last_answer(&mut clients[2]).await), 401);
        reread(&bed, Some(authority.tls(None, &[])));
        assert_eq!(status(&last_answer(&mut clients[3]).await), 401);
    });
}

#[test]
fn who_has_shown_nothing_goes_on_unless_something_is_required_now() {
    let authority = Authority::new("ca");
    run(authority.tls(None, &[]), async |bed| {
        let mut client = bed.tls(None).await;
        for now in [None, Some(false)] {
            reread(&bed, Some(authority.tls(now, &[])));
            client.send(get("/", "")).await;
            assert_eq!(status(&client.answer().await), 200);
        }
        reread(&bed, Some(authority.tls(Some(true), &[])));
        assert_eq!(status(&last_answer(&mut client).await), 401);
    });
}

#[test]
fn a_certificate_ends_on_connections_too() {
    let authority = Authority::new("ca");
    let short = authority.signs("deploy", |p| p.not_after = date_time_ymd(2090, 1, 1));
    run(authority.tls(Some(true), &[]), async |bed| {
        let mut client = bed.tls(Some(&short)).await;
        client.send(get("/", "")).await;
        assert_eq!(status(&client.answer().await), 200);
        bed.site.wall.set(Duration::from_secs(3_786_912_001));
        assert_eq!(status(&last_answer(&mut client).await), 401);
        assert!(lines(&bed)[0].ends_with("certificate expired"), "{:?}", lines(&bed));
    });
}

#[test]
fn following_ends_with_the_certificate() {
    let authority = Authority::new("ca");
    let (stolen, good) = (authority.client("deploy", 7), authority.client("deploy", 9));
    run(authority.tls(Some(true), &[8]), async |bed| {
        bed.site.write(MAIN, "a\n");
        let mut clients = Vec::new();
        for pair in [&stolen, &good] {
            let mut client = bed.tls(Some(pair)).await;
            client.send("GET /mainlogtail HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            client.until("a\n").await;
            clients.push(client);
        }
        eventually(|| bed.site.followers(MAIN) == 2).await;
        reread(&bed, Some(authority.tls(Some(true), &[7])));
        bed.site.write(MAIN, "b\n");
        clients[1].until("b\n").await;
        eventually(|| bed.site.followers(MAIN) == 1).await;
        let mut rest = Vec::new();
        let _ = clients[0].stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains('b'));
        assert!(lines(&bed)[0].ends_with("certificate revoked"), "{:?}", lines(&bed));
    });
}

#[test]
fn a_section_of_the_same_name_on_another_socket_is_another_server() {
    let authority = Authority::new("ca");
    let (old, new) = (authority.tls(None, &[]), authority.tls(None, &[]));
    run(old.clone(), async |bed| {
        let move_to = |socket| {
            reread(&bed, Some(new.clone()));
            let mut settings = (**bed.site.settings.borrow()).clone();
            settings.servers[0].socket = socket;
            *bed.site.settings.borrow_mut() = Rc::new(settings);
        };
        move_to(7);
        assert_eq!(shown(&bed.tls(None).await), old.chain[0]);
        move_to(0);
        assert_eq!(shown(&bed.tls(None).await), new.chain[0]);
    });
}
