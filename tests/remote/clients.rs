//! The clients that people have: the original's, Python's, curl, ours, a browser; straight and by way of proxies.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use system_tests::browser::{self, not_tested};
use system_tests::dist::reference;
use system_tests::pki::Pair;
use system_tests::proxy::{nginx, stunnel};
use system_tests::wait::poll_until;
use system_tests::{Config, wait_for};

use crate::site::{Ground, Said, Site, hashed, patient, said, text};

const PASSWORD: &str = "from far away";
/// Where proxies listen, at the server's address.
const FRONT: u16 = 8_443;
const TUNNEL: u16 = 9_002;

fn with_program(_: &Ground, config: Config) -> Config {
    config.program("web", "/bin/sleep 100000", "startsecs=0")
}

fn with_bob(ground: &Ground, config: Config) -> Config {
    let bob = format!("[user:bob]\npassword={}", hashed(&ground.room, PASSWORD));
    with_program(ground, config).section(&bob)
}

/// A server that nobody reaches without a certificate, and one that counts.
fn mutual() -> (Site, Pair) {
    let ground = Ground::new();
    let lines = ground.asks("required");
    let deploy = ground.authority.client("deploy");
    let site = ground.start(&lines, with_program);
    site.daemon.wait_running("web");
    (site, deploy)
}

/// A program that passes connections on, until it goes.
struct Proxy(Child);

impl Proxy {
    fn start(command: &mut Command, site: &Site, port: u16) -> Proxy {
        let log = fs::File::create(site.room.path("stderr.proxy")).expect("a file");
        let child = command.stdin(Stdio::null()).stderr(log).spawn().expect("a proxy");
        let mut proxy = Proxy(child);
        poll_until("the proxy", || {
            let end = proxy.0.try_wait().expect("the proxy");
            let said = || fs::read_to_string(site.room.path("stderr.proxy"));
            assert!(end.is_none(), "{end:?}: {:?}", said());
            TcpStream::connect((site.address, port)).ok()
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// stunnel, which speaks TLS to the server for clients that cannot.
fn tunnel(site: &Site, who: &Pair) -> Option<Proxy> {
    let Some(binary) = stunnel() else {
        not_tested("through a tunnel, there is no stunnel");
        return None;
    };
    let text = format!(
        "foreground = yes\npid =\nsyslog = no\n[supervisor]\nclient = yes\naccept = {0}:{TUNNEL}\n\
         connect = {1}\nCAfile = {2}\nverifyChain = yes\ncheckIP = {0}\ncert = {3}\nkey = {4}\n",
        site.address,
        site.place(),
        site.authority.cert().display(),
        who.cert.display(),
        who.key.display()
    );
    let file = site.room.file("stunnel.conf", &text);
    Some(Proxy::start(Command::new(binary).arg(file), site, TUNNEL))
}

/// nginx with one server: what it listens on and what it does.
fn front(site: &Site, port: u16, lines: &str) -> Option<Proxy> {
    let Some(binary) = nginx() else {
        not_tested("behind a proxy, there is no nginx");
        return None;
    };
    let room = &site.room;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", room.text(kind)))
        .concat();
    let (pid, log) = (room.text("nginx.pid"), room.text("nginx.log"));
    let text = format!(
        "daemon off;\nmaster_process off;\npid {pid};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
         server {{\n{lines}\n}}\n}}\n"
    );
    let file = room.file("nginx.conf", &text);
    let mut command = Command::new(binary);
    command.args(["-p", &room.text(""), "-e", &log, "-c"]).arg(file);
    Some(Proxy::start(&mut command, site, port))
}

/// The original's client.
fn original(site: &Site, port: u16, args: &[&str]) -> Said {
    let url = format!("http://{}:{port}", site.address);
    let section = format!("[supervisorctl]\nserverurl={url}\n");
    let file = site.room.file("original.conf", &section);
    let client = text(&reference("supervisorctl"));
    said(patient(&client).arg("-c").arg(file).args(args))
}

fn restarts(site: &Site, ask: impl Fn(&[&str]) -> Said) {
    let before = site.daemon.program("web");
    let status = ask(&["status"]);
    assert!(status.all().contains("RUNNING"), "{status:?}");
    assert_eq!(ask(&["restart", "web"]).well(), "web: stopped\nweb: started\n");
    assert_ne!(site.daemon.program("web"), before);
}

#[test]
fn the_original_s_client_through_stunnel() {
    let (site, deploy) = mutual();
    let Some(_tunnel) = tunnel(&site, &deploy) else { return };
    restarts(&site, |args| original(&site, TUNNEL, args));
}

#[test]
fn the_original_s_client_through_nginx_at_its_own_end() {
    let (site, deploy) = mutual();
    let lines = format!(
        "listen {0}:{TUNNEL};\nlocation / {{\nproxy_pass {1};\nproxy_http_version 1.1;\nproxy_set_header Host $http_host;\n\
         proxy_ssl_certificate {2};\nproxy_ssl_certificate_key {3};\nproxy_ssl_trusted_certificate {4};\n\
         proxy_ssl_verify on;\nproxy_ssl_name localhost;\n}}",
        site.address,
        site.url(),
        deploy.cert.display(),
        deploy.key.display(),
        site.authority.cert().display()
    );
    let Some(_proxy) = front(&site, TUNNEL, &lines) else { return };
    restarts(&site, |args| original(&site, TUNNEL, args));
}

#[test]
fn a_proxy_that_speaks_tls_for_the_daemon() {
    let (site, _) = mutual();
    let lines = format!(
        "listen {}:{FRONT} ssl;\nssl_certificate {};\nssl_certificate_key {};\n\
         location / {{\nproxy_pass http://unix:{}:/;\nproxy_set_header Host $http_host;\n}}",
        site.address,
        site.server.cert.display(),
        site.server.key.display(),
        site.room.text("supervisord.sock")
    );
    let Some(_proxy) = front(&site, FRONT, &lines) else { return };
    let (url, authority) =
        (format!("https://{}:{FRONT}", site.address), text(&site.authority.cert()));
    restarts(&site, |args| site.bare_ctl(&[&["-s", &url, "--cacert", &authority], args].concat()));
    let said = said(patient("curl").args([
        "-q",
        "-sS",
        "--cacert",
        &authority,
        &format!("{url}/healthz"),
    ]));
    assert_eq!(said.well().trim(), "ok");
}

/// A call by Python's own client. What it prints is the state, or the name of the error.
const CALL: &str = r#"
import ssl, sys, xmlrpc.client
url, authority, cert, key, login, header = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if cert:
    context.load_cert_chain(cert, key)
headers = [("Authorization", header)] if header else []
if login:
    url = url.replace("https://", "https://" + login + "@")
try:
    with xmlrpc.client.ServerProxy(url + "/RPC2", context=context, headers=headers) as proxy:
        # On one connection, as long as the server has it.
        states = {proxy.supervisor.getState()["statename"] for _ in range(3)}
        print(*states)
except (OSError, xmlrpc.client.ProtocolError) as error:
    print(type(error).__name__, getattr(error, "errcode", ""))
    sys.exit(3)
"#;

#[test]
fn python_with_a_certificate() {
    let (site, deploy) = mutual();
    let (cert, key) = (text(&deploy.cert), text(&deploy.key));
    assert_eq!(site.python(CALL, &[&cert, &key, "", ""]).well(), "RUNNING\n");
    let without = site.python(CALL, &["", "", "", ""]);
    assert_eq!(without.code, 3, "{without:?}");
}

#[test]
fn python_with_a_password() {
    let site = Ground::new().start("", with_bob);
    assert_eq!(site.python(CALL, &["", "", "bob:from%20far%20away", ""]).well(), "RUNNING\n");
    for login in ["", "bob:wrong"] {
        let refused = site.python(CALL, &["", "", login, ""]);
        assert_eq!((refused.code, refused.out.trim()), (3, "ProtocolError 401"), "{refused:?}");
    }
}

#[test]
fn python_with_a_token() {
    let ground = Ground::new();
    let tokens = ground.room.text("tokens");
    let site = ground.start("", |ground, config| {
        let role = "[role:looking]\nmembers=bob\nprograms=*\nactions=view";
        with_bob(ground, config).daemon(&format!("tokens_file={tokens}")).section(role)
    });
    let made = site.root(&["token", "create", "--role", "looking"]);
    let token = made.well().trim().to_owned();
    assert_eq!(site.python(CALL, &["", "", "", &format!("Bearer {token}")]).well(), "RUNNING\n");
    assert_eq!(site.python(CALL, &["", "", &format!("token:{token}"), ""]).well(), "RUNNING\n");
    let last = if token.ends_with('x') { 'y' } else { 'x' };
    let wrong = format!("Bearer {}{last}", &token[..token.len() - 1]);
    let refused = site.python(CALL, &["", "", "", &wrong]);
    assert_eq!((refused.code, refused.out.trim()), (3, "ProtocolError 401"), "{refused:?}");
}

/// A file of the client, for its owner alone.
fn own(site: &Site, name: &str, content: &str) {
    let path = site.room.path(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(&path, content).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
}

#[test]
fn our_client_by_context_file_and_by_configuration() {
    let (site, deploy) = mutual();
    let lines = format!(
        "serverurl={}\ncacert={}\ncert={}\nkey={}\n",
        site.url(),
        site.authority.cert().display(),
        deploy.cert.display(),
        deploy.key.display()
    );
    own(&site, "home/supervisor/contexts.ini", &format!("[context:far]\n{lines}"));
    own(&site, "far.conf", &format!("[supervisorctl]\n{lines}"));
    let client = text(&system_tests::Dist::plain().supervisorctl());
    restarts(&site, |args| {
        let mut command = patient(&client);
        command.env("XDG_CONFIG_HOME", site.room.path("home"));
        said(command.args(["--context", "far"]).args(args))
    });
    let file = site.room.text("far.conf");
    restarts(&site, |args| site.bare_ctl(&[&["-c", &file], args].concat()));
    restarts(&site, |args| {
        let mut command = patient(&client);
        command.env("SUPERVISOR_CACERT", site.authority.cert());
        command.env("SUPERVISOR_CERT", &deploy.cert).env("SUPERVISOR_KEY", &deploy.key);
        said(command.args(["-s", &site.url()]).args(args))
    });
    // Everybody could be deploy then.
    fs::set_permissions(&deploy.key, fs::Permissions::from_mode(0o644)).expect("a mode");
    site.ctl_as(&deploy, &["pid"]).refused(&[&text(&deploy.key), "chmod"]);
}

#[test]
fn our_listener_by_the_url_of_its_environment() {
    let site = Ground::new().start("", |ground, config| {
        let memmon = system_tests::Dist::plain().tool("memmon");
        let listener = format!(
            "[eventlistener:memmon]\ncommand={} -p web=1\nevents=TICK_5\nserverurl={}\n\
             environment=SUPERVISOR_CACERT=\"{}\"\nstderr_logfile={}",
            memmon.display(),
            ground.url(),
            ground.authority.cert().display(),
            ground.room.text("memmon.log")
        );
        with_program(ground, config).section(&listener)
    });
    let before = site.daemon.wait_running("web");
    let log = site.room.path("memmon.log");
    wait_for("a restart by memmon", || {
        let pid = site.daemon.info("web").get("pid").int();
        pid != 0 && pid != i64::from(before)
    });
    wait_for("what memmon says", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("Restarting web"))
    });
}

#[test]
fn the_page_in_a_browser() {
    let site = Ground::new().start("", |ground, config| {
        let role = "[role:team]\nmembers=bob\nprograms=web\nactions=view, restart";
        with_bob(ground, config).section(role)
    });
    site.daemon.wait_running("web");
    let cert = text(&site.server.cert);
    // The hash of the key that the browser is to take for a known one.
    let script = "openssl x509 -in \"$1\" -noout -pubkey | openssl pkey -pubin -outform der \
                  | openssl dgst -sha256 -binary | openssl base64";
    let key = said(patient("/bin/sh").args(["-c", script, "sh", &cert]));
    let url = format!("{}/", site.url());
    let before = site.daemon.program("web");
    if browser::look("remote/page.py", "secure", &[&url, PASSWORD, key.well().trim()]) {
        assert_ne!(site.daemon.program("web"), before);
    }
}
