//! Another certificate while clients are connected: nobody is cut off, and who comes then sees the new one.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use system_tests::pki::{Pair, openssl};

use crate::site::{Ground, PYTHON, Site, patient, text};

/// Connections that stay.
const MANY: usize = 200;

/// Clients that keep their connections.
struct Clients {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Clients {
    fn connect(site: &Site, count: usize) -> (Clients, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("remote/reload.py");
        let mut command = patient(PYTHON);
        command.arg("-B").arg(script).arg(site.url()).arg(site.authority.cert());
        command.arg(count.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut clients = Clients { child, stdin, lines };
        let before = clients.line("before ");
        (clients, before)
    }

    fn line(&mut self, start: &str) -> String {
        let line = self.lines.next().expect("clients that go on").expect("text");
        let rest = line.strip_prefix(start);
        rest.unwrap_or_else(|| panic!("{line:?} does not begin with {start:?}")).to_owned()
    }

    /// All are asked once more, on their connections; what a new connection is shown.
    fn ask(&mut self) -> String {
        let stdin = self.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"new\n").expect("clients that go on");
        self.line("new ")
    }

    fn end(mut self) {
        self.stdin = None;
        assert_eq!(self.line("all answered"), "");
        assert!(self.child.wait().expect("an end").success());
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// SHA-256 of a certificate, as Python writes it.
fn digest(pair: &Pair) -> String {
    let cert = text(&pair.cert);
    let told =
        openssl(Path::new("/"), &["x509", "-in", &cert, "-noout", "-fingerprint", "-sha256"]);
    let (_, hex) = told.trim().split_once('=').expect("a fingerprint");
    hex.replace(':', "").to_lowercase()
}

/// Puts another certificate and key where the server's are, as renewal does.
fn renew(site: &Site) -> Pair {
    let new = site.authority.server(&format!("DNS:localhost,IP:{}", site.address));
    fs::copy(&new.key, &site.server.key).expect("a key");
    fs::copy(&new.cert, &site.server.cert).expect("a certificate");
    new
}

#[test]
fn two_hundred_connections_outlive_the_certificate_that_they_began_with() {
    let site = Ground::new().start("", |_, config| config);
    let (mut clients, before) = Clients::connect(&site, MANY);
    assert_eq!(before, digest(&site.server));
    // A file alone changes nothing.
    let new = renew(&site);
    assert_eq!(clients.ask(), before);
    site.reread().well();
    assert_eq!(clients.ask(), digest(&new));
    assert_ne!(digest(&new), before);
    // And once more, for those who began before either.
    let newer = renew(&site);
    site.reread().well();
    assert_eq!(clients.ask(), digest(&newer));
    clients.end();
}

#[test]
fn a_certificate_that_cannot_serve_is_not_taken() {
    let site = Ground::new().start("", |_, config| config);
    let (mut clients, before) = Clients::connect(&site, 3);
    let key = fs::read(&site.server.key).expect("a key");
    let strange = site.authority.client("strange");
    fs::copy(&strange.key, &site.server.key).expect("a key");
    site.reread().refused(&["tls_key", "belong"]);
    assert_eq!(clients.ask(), before);
    fs::write(&site.server.key, "no key").expect("a key");
    site.reread().refused(&["tls_key", "PEM"]);
    assert_eq!(clients.ask(), before);
    fs::write(&site.server.key, key).expect("a key");
    site.reread().well();
    assert_eq!(clients.ask(), before);
    clients.end();
}

#[test]
fn what_is_followed_goes_on_under_another_certificate() {
    let site = Ground::new().start("", |ground, config| {
        let log = format!("startsecs=0\nstdout_logfile={}", ground.room.text("cat.log"));
        config.program("cat", "/bin/cat", &log)
    });
    site.daemon.wait_running("cat");
    let say = |line: &str| {
        site.daemon.ask("supervisor.sendProcessStdin", &["cat".into(), line.into()]);
    };
    let mut command = patient("curl");
    command.args(["-q", "-sSN", "--cacert"]).arg(site.authority.cert());
    command.arg(format!("{}/logtail/cat", site.url())).stdout(Stdio::piped());
    let mut child = command.spawn().expect("curl");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a log that goes on").expect("text");
    say("one\n");
    assert_eq!(next(), "one");
    renew(&site);
    site.reread().well();
    say("two\n");
    assert_eq!(next(), "two");
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn who_is_taken_off_the_list_gets_in_no_more() {
    let ground = Ground::new();
    let list = ground.authority.list();
    let lines = format!("{}\ntls_client_crl={}", ground.asks("required"), list.display());
    let site = ground.start(&lines, |_, config| config);
    let (stays, goes) = (site.authority.client("stays"), site.authority.client("goes"));
    assert_eq!(site.ctl_as(&goes, &["pid"]).code, 0);
    site.authority.revoke(&goes);
    site.authority.list();
    assert_eq!(site.ctl_as(&goes, &["pid"]).code, 0, "nobody has read the list");
    site.reread().well();
    site.ctl_as(&goes, &["pid"]).refused(&["revoked"]);
    site.told(&["TLS", "127.", "revoked"]);
    assert_eq!(site.ctl_as(&stays, &["pid"]).code, 0);
}
