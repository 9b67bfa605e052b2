//! What each setting of TLS does to openssl, curl and our client, and what the daemon's log says of those turned away.

use std::fs;

use system_tests::pki::{Authority, Kind, Life};

use system_tests::wire::Place;

use crate::site::{Ground, PORT, Said, Site, has_words, text};

fn plain() -> Site {
    Ground::new().start("", |_, config| config)
}

/// A server that asks for certificates like this.
fn asking(how: &str) -> Site {
    let ground = Ground::new();
    let lines = ground.asks(how);
    ground.start(&lines, |_, config| config)
}

/// Nobody is served: the handshake fails, or the connection ends before an answer. A reset may overtake the alert.
fn turned_away(said: &Said) {
    assert!(said.code > 0 && ![124, 127].contains(&said.code), "{said:?}");
    let why = ["ssl", "tls", "certificate", "reset by peer", "broken pipe"];
    assert!(why.iter().any(|word| has_words(&said.err, &[word])), "{said:?}");
    assert!(!said.out.contains("200 OK"), "{said:?}");
}

#[test]
fn both_versions_are_spoken_and_no_older_one() {
    let site = plain();
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = site.s_client(&[version, "-alpn", "http/1.1"]);
        let told = said.well();
        for part in [name, "Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "200 OK"] {
            assert!(told.contains(part), "{version}: {part}: {said:?}");
        }
    }
    for version in ["-tls1_1", "-tls1"] {
        let said = site.s_client(&[version, "-cipher", "DEFAULT@SECLEVEL=0"]);
        turned_away(&said);
        assert!(said.all().contains("SSL alert"), "{said:?}");
    }
    site.told(&["TLS handshake", "127.", "TLS"]);
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let said = site.curl_knowing("/healthz", version);
        assert_eq!(said.well().trim(), "ok", "{said:?}");
    }
    turned_away(&site.curl_knowing(
        "/healthz",
        &["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"],
    ));
}

#[test]
fn who_forgets_the_s_is_told() {
    let site = plain();
    let url = format!("http://{}/", site.place());
    let said = crate::site::said(crate::site::patient("curl").args(["-q", "-sS", "-i", &url]));
    assert!(has_words(&said.all(), &["400", "https"]), "{said:?}");
    let said = site.bare_ctl(&["-s", &format!("http://{}", site.place()), "status"]);
    said.refused(&["https"]);
    // Others are served as before.
    assert_eq!(site.ctl(&["pid"]).well().trim(), site.daemon.pid.to_string());
}

#[test]
fn our_client_knows_the_authority_or_says_what_it_misses() {
    let site = plain();
    assert_eq!(site.ctl(&["pid"]).well().trim(), site.daemon.pid.to_string());
    // The system's authorities have not signed it.
    let bare = ["-s", &site.url(), "pid"];
    site.bare_ctl(&bare).refused(&[&site.address.to_string(), "authority", "--cacert"]);
    turned_away(&site.curl("/healthz", &[]));
    site.told(&["TLS", "127."]);
    let other = Authority::new(&site.room, "other");
    let cert = text(&other.cert());
    site.bare_ctl(&["-s", &site.url(), "--cacert", &cert, "pid"]).refused(&["authority"]);
    turned_away(&site.curl("/healthz", &["--cacert", &cert]));
    let said = site.bare_ctl(&["-s", &site.url(), "--insecure", "pid"]);
    assert_eq!(said.well().trim(), site.daemon.pid.to_string());
    assert!(has_words(&said.err, &["insecure", &site.address.to_string()]), "{said:?}");
    assert_eq!(site.curl("/healthz", &["-k"]).well().trim(), "ok");
}

#[test]
fn a_chain_is_sent_whole() {
    let ground = Ground::new();
    let between = ground.authority.below(&ground.room, "between");
    let server = between.server(&format!("IP:{}", ground.address));
    let ground = Ground { server, ..ground };
    let site = ground.start("", |_, config| config);
    assert_eq!(site.curl_knowing("/healthz", &[]).well().trim(), "ok");
    assert_eq!(site.ctl(&["pid"]).well().trim(), site.daemon.pid.to_string());
    let said = site.s_client(&["-showcerts"]);
    assert_eq!(said.well().matches("BEGIN CERTIFICATE").count(), 2, "{said:?}");
}

#[test]
fn a_chain_with_a_gap_is_refused() {
    let ground = Ground::new();
    let between = ground.authority.below(&ground.room, "between");
    let server = between.server(&format!("IP:{}", ground.address));
    let chain = fs::read_to_string(&server.cert).expect("a chain");
    let end = chain.find("-----END CERTIFICATE-----\n").expect("a certificate") + 26;
    fs::write(&server.cert, &chain[..end]).expect("a certificate");
    let ground = Ground { server, ..ground };
    let site = ground.start("", |_, config| config);
    turned_away(&site.curl_knowing("/healthz", &[]));
    site.ctl(&["pid"]).refused(&["authority"]);
}

#[test]
fn a_server_whose_certificate_is_over_runs_and_is_refused() {
    let ground = Ground::new();
    let names = format!("IP:{}", ground.address);
    let server = ground.authority.issue(Kind::Server, Life::Over, "/CN=server", &names);
    let site = Ground { server, ..ground }.start("", |_, config| config);
    site.told(&["WARN", "tls_cert", "expired", "2020"]);
    site.ctl(&["pid"]).refused(&["expired", "2020", &site.address.to_string()]);
    let said = site.curl_knowing("/healthz", &[]);
    said.refused(&["expired"]);
    assert_eq!(said.code, 60, "{said:?}");
    site.told(&["TLS", "expired", "127."]);
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let ground = Ground::new();
    let server = ground.authority.server("DNS:elsewhere.example.org,IP:192.0.2.1");
    let site = Ground { server, ..ground }.start("", |_, config| config);
    site.ctl(&["pid"]).refused(&["elsewhere.example.org", &site.address.to_string()]);
    let said = site.curl_knowing("/healthz", &[]);
    assert_eq!(said.code, 60, "{said:?}");
    // By the right name it is right.
    let to = format!("elsewhere.example.org:9001:{}", site.address);
    let authority = text(&site.authority.cert());
    let mut command = crate::site::patient("curl");
    command.args(["-q", "-sS", "--cacert", &authority, "--resolve", &to]);
    command.arg("https://elsewhere.example.org:9001/healthz");
    assert_eq!(crate::site::said(&mut command).well().trim(), "ok");
}

#[test]
fn a_server_whose_certificate_was_taken_back_is_refused_by_who_has_the_list() {
    let site = plain();
    let before = text(&site.authority.list());
    assert_eq!(site.ctl(&["--crl", &before, "pid"]).code, 0);
    assert_eq!(site.curl_knowing("/healthz", &["--crlfile", &before]).code, 0);
    site.authority.revoke(&site.server);
    let list = text(&site.authority.list());
    site.ctl(&["--crl", &list, "pid"]).refused(&["revoked", &site.address.to_string()]);
    site.curl_knowing("/healthz", &["--crlfile", &list]).refused(&["revoked"]);
    site.told(&["TLS", "127.", "revoked"]);
}

#[test]
fn a_certificate_that_is_required_is_missed_in_words() {
    let site = asking("required");
    site.ctl(&["pid"]).refused(&["certificate", "--cert", &site.address.to_string()]);
    turned_away(&site.curl_knowing("/healthz", &[]));
    turned_away(&site.s_client(&["-tls1_2"]));
    site.told(&["TLS", "127.", "certificate"]);
    let deploy = site.authority.client("deploy");
    assert_eq!(site.ctl_as(&deploy, &["pid"]).well().trim(), site.daemon.pid.to_string());
    let (cert, key) = (text(&deploy.cert), text(&deploy.key));
    for version in ["1.2", "1.3"] {
        let said =
            site.curl_knowing("/healthz", &["--cert", &cert, "--key", &key, "--tls-max", version]);
        assert_eq!(said.well().trim(), "ok", "{version}");
    }
    let said = site.s_client(&["-cert", &cert, "-key", &key]);
    assert!(said.well().contains("200 OK"), "{said:?}");
}

#[test]
fn certificates_that_do_not_count_are_named_on_both_sides() {
    let site = asking("required");
    let over = site.authority.issue(Kind::Client, Life::Over, "/CN=over", "");
    let later = site.authority.issue(Kind::Client, Life::Later, "/CN=later", "");
    let serving = site.authority.server("DNS:localhost");
    let stranger = Authority::new(&site.room, "stranger").client("deploy");
    let cases = [
        (over, &["expired"][..], "expired"),
        (later, &["certificate"], "valid"),
        (serving, &["certificate"], "certificate"),
        (stranger, &["certificate"], "unknown"),
    ];
    for (pair, ours, theirs) in cases {
        let seen = site.daemon.activity().len();
        site.ctl_as(&pair, &["pid"]).refused(ours);
        system_tests::wait_for(&format!("a line about {theirs}"), || {
            let log = site.daemon.activity();
            crate::site::has_line(&log[seen..], &["TLS", "127.", theirs])
        });
        let (cert, key) = (text(&pair.cert), text(&pair.key));
        turned_away(&site.curl_knowing("/healthz", &["--cert", &cert, "--key", &key]));
    }
    // And somebody with a good one is served all the same.
    assert_eq!(site.ctl_as(&site.authority.client("deploy"), &["pid"]).code, 0);
}

#[test]
fn certificates_that_were_taken_back_are_turned_away() {
    let ground = Ground::new();
    let (good, bad) = (ground.authority.client("good"), ground.authority.client("bad"));
    ground.authority.revoke(&bad);
    let list = ground.authority.list();
    let lines = format!("{}\ntls_client_crl={}", ground.asks("required"), list.display());
    let site = ground.start(&lines, |_, config| config);
    assert_eq!(site.ctl_as(&good, &["pid"]).code, 0);
    site.ctl_as(&bad, &["pid"]).refused(&["revoked"]);
    site.told(&["TLS", "127.", "revoked"]);
    let (cert, key) = (text(&bad.cert), text(&bad.key));
    turned_away(&site.curl_knowing("/healthz", &["--cert", &cert, "--key", &key]));
}

#[test]
fn a_client_behind_another_authority_shows_the_way_to_it() {
    let site = asking("required");
    let between = site.authority.below(&site.room, "between");
    let team = between.client("team");
    assert_eq!(site.ctl_as(&team, &["pid"]).code, 0);
    let (cert, key) = (text(&team.cert), text(&team.key));
    let said = site.curl_knowing("/healthz", &["--cert", &cert, "--key", &key]);
    assert_eq!(said.well().trim(), "ok");
}

#[test]
fn an_optional_certificate_may_be_missing_and_not_wrong() {
    let site = asking("optional");
    assert_eq!(site.ctl(&["pid"]).code, 0);
    assert_eq!(site.curl_knowing("/healthz", &[]).well().trim(), "ok");
    assert_eq!(site.ctl_as(&site.authority.client("deploy"), &["pid"]).code, 0);
    let over = site.authority.issue(Kind::Client, Life::Over, "/CN=over", "");
    site.ctl_as(&over, &["pid"]).refused(&["expired"]);
}

/// A start that the configuration does not let happen.
fn not_started(ground: &Ground, lines: &str, words: &[&str]) {
    let config = ground.write(lines, |_, config| config);
    let check = crate::site::said(
        crate::site::patient(&text(&system_tests::Dist::plain().supervisord()))
            .args(["--check", "-c"])
            .arg(&config),
    );
    check.refused(words);
    let place = check.all();
    assert!(place.contains("supervisord.conf:"), "no line: {check:?}");
}

#[test]
fn what_cannot_work_is_said_before_the_start() {
    let ground = Ground::new();
    let other = ground.authority.server("DNS:localhost");
    let lines = ground.asks("sometimes");
    not_started(&ground, &lines, &["tls_client_auth", "required", "optional"]);
    let mismatch = Ground {
        server: system_tests::pki::Pair { key: other.key, ..ground.server.clone() },
        ..ground
    };
    not_started(&mismatch, "", &["tls_key", "belong"]);
    let gone = system_tests::pki::Pair {
        cert: mismatch.room.path("gone.pem"),
        key: mismatch.server.key.clone(),
    };
    let gone = Ground { server: gone, ..mismatch };
    not_started(&gone, "", &["tls_cert", "gone.pem"]);
}

#[test]
fn handshakes_that_lead_nowhere_cost_nobody_anything() {
    let site = plain();
    let place = Place::Tcp((site.address, PORT).into());
    let silent: Vec<_> = (0..100).map(|_| place.connect().expect("a connection")).collect();
    for turn in 0..500 {
        let mut wire = place.connect().expect("a connection");
        // A record of TLS that is none, the beginning of one, and something else.
        let junk: &[u8] = match turn % 3 {
            0 => &[22, 3, 1, 0, 4, 1, 2, 3, 4],
            1 => &[22, 3, 1, 2, 0, 1],
            _ => b"\0\xff\xfe SSH-2.0-x\r\n\r\n",
        };
        let _ = wire.send(junk);
    }
    assert_eq!(site.ctl(&["pid"]).well().trim(), site.daemon.pid.to_string());
    assert_eq!(site.curl_knowing("/healthz", &[]).well().trim(), "ok");
    let lines = site.daemon.activity().matches("TLS").count();
    assert!((1..100).contains(&lines), "{lines} lines:\n{}", site.daemon.activity());
    drop(silent);
}
