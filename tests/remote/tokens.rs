//! Tokens: a machine gets in with one, does what its role says and no more, and is out as soon as the token is.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use system_tests::dist::reference;
use system_tests::wait::poll_until;
use system_tests::{Config, Dist, base64, wait_for};

use crate::site::{Ground, PYTHON, Said, Site, hashed, patient, said, text};

const PASSWORD: &str = "bob's own password";

/// `web` and `database`; bob, who may do anything to `web`; the role `ci`, which may restart it.
fn ground(ground: &Ground, config: Config) -> Config {
    config
        .daemon(&format!("tokens_file={}", ground.room.text("tokens")))
        .program("web", "/bin/sleep 100000", "startsecs=0")
        .program("database", "/bin/sleep 100000", "startsecs=0")
        .section(&format!("[user:bob]\npassword={}", hashed(&ground.room, PASSWORD)))
        .section("[role:web]\nmembers=bob\nprograms=web\nactions=operator")
        .section("[role:ci]\nmembers=bob\nprograms=web\nactions=restart")
        .section("[role:all]\nmembers=bob\nprograms=database\nactions=view")
}

fn site() -> Site {
    let site = Ground::new().start("", ground);
    site.daemon.wait_running("web");
    site.daemon.wait_running("database");
    site
}

/// What `token create` prints, which is the token.
fn made(said: &Said) -> String {
    let token = said.well().strip_suffix('\n').expect("a line").to_owned();
    let tail = token.strip_prefix("svt_").expect("a token");
    let digits = tail.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    assert!(tail.len() == 43 && digits, "{said:?}");
    assert!(!said.err.contains(&token), "{said:?}");
    token
}

impl Site {
    /// A token of the role `ci` that root makes.
    fn token(&self, args: &[&str]) -> String {
        made(&self.root(&[&["token", "create", "--role", "ci"], args].concat()))
    }

    fn file(&self) -> PathBuf {
        self.room.path("tokens")
    }

    /// The client with a token for its password.
    fn with(&self, name: &str, token: &str, args: &[&str]) -> Said {
        said(&mut self.client(name, token, args))
    }

    fn client(&self, name: &str, token: &str, args: &[&str]) -> Command {
        let client = text(&Dist::plain().supervisorctl());
        let mut command = patient(&client);
        command.env("SUPERVISOR_PASSWORD", token).args(["-s", &self.url(), "-u", name]);
        command.arg("--cacert").arg(self.authority.cert()).args(args);
        command
    }

    /// The status of an answer to a call with a header, by curl.
    fn status(&self, authorization: &str) -> u16 {
        let body = "<?xml version='1.0'?><methodCall><methodName>supervisor.getState</methodName></methodCall>";
        // As a file: what is in a command line, everybody reads.
        let header = self.room.path("header");
        fs::write(&header, format!("Authorization: {authorization}\n")).expect("a file");
        let from = format!("@{}", header.display());
        let args =
            ["-o", "/dev/null", "-w", "%{http_code}", "-H", &from, "-H", "Content-Type: text/xml"];
        let said = self.curl_knowing("/RPC2", &[&args[..], &["-d", body]].concat());
        said.well().parse().expect("a status")
    }

    fn bearer(&self, token: &str) -> u16 {
        self.status(&format!("Bearer {token}"))
    }

    /// The token as the password of a name, as clients send it that know no tokens.
    fn basic(&self, name: &str, token: &str) -> u16 {
        self.status(&format!("Basic {}", base64(format!("{name}:{token}").as_bytes())))
    }

    /// Changes the lines of the tokens file.
    fn edit(&self, change: impl Fn(&str) -> String) {
        let before = fs::read_to_string(self.file()).expect("the tokens file");
        fs::write(self.file(), change(&before)).expect("the tokens file");
    }
}

/// The time of that many seconds from now, as the tokens file has it.
fn after(seconds: i64) -> String {
    let when = format!("@{}", now() + seconds);
    let said = said(patient("date").args(["-u", "-d", &when, "+%Y-%m-%dT%H:%M:%SZ"]));
    said.well().trim().to_owned()
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("a clock").as_secs()).expect("a time")
}

/// The fields of the one token there is.
fn fields(text: &str) -> Vec<String> {
    let line = text.lines().find(|l| !l.is_empty() && !l.starts_with('#')).expect("a token");
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_token_is_made_listed_and_works() {
    let site = site();
    let token = site.token(&["--name", "pipeline", "--expires", "30d"]);
    let kept = fs::read_to_string(site.file()).expect("the tokens file");
    assert!(!kept.contains(&token[4..]), "{kept}");
    let fields = fields(&kept);
    let digest = fields.last().expect("a digest");
    assert_eq!(fields[..2], ["pipeline", "ci"], "{kept}");
    assert_eq!((fields[3].as_str(), digest.len()), ("owner", 64), "{kept}");
    let mode = fs::metadata(site.file()).expect("the tokens file").permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let listed = site.root(&["token", "list"]);
    for word in ["pipeline", "ci", "owner", &fields[2]] {
        assert!(listed.well().contains(word), "{word}: {listed:?}");
    }
    assert!(!listed.all().contains(digest) && !listed.all().contains(&token), "{listed:?}");
    // It works at once, in each of its ways.
    assert_eq!(site.bearer(&token), 200);
    for name in ["token", "pipeline"] {
        let before = site.daemon.program("web");
        let restarted = site.with(name, &token, &["restart", "web"]);
        assert_eq!(restarted.well(), "web: stopped\nweb: started\n");
        assert_ne!(site.daemon.program("web"), before);
    }
    for (name, status) in [("token", 200), ("pipeline", 200), ("bob", 401), ("", 401)] {
        assert_eq!(site.basic(name, &token), status, "{name}");
    }
    // And not with a letter less.
    assert_eq!(site.bearer(&token[..token.len() - 1]), 401);
    assert_eq!(site.bearer(""), 401);
}

#[test]
fn a_token_has_its_role_and_nothing_else() {
    let site = site();
    let token = site.token(&[]);
    let before = site.daemon.program("web");
    let ask = |args: &[&str]| site.with("token", &token, args);
    let seen = ask(&["status"]);
    assert!(seen.out.contains("web") && !seen.out.contains("database"), "{seen:?}");
    ask(&["stop", "web"]).refused(&["not allowed"]);
    ask(&["restart", "database"]).refused(&["no such process"]);
    for args in [&["shutdown"][..], &["reload"], &["reread"], &["maintail"]] {
        let said = ask(args);
        assert!(!said.all().contains("Shut down") && !said.all().contains("Restarted"), "{said:?}");
    }
    let whoami = ask(&["whoami"]);
    assert!(whoami.well().contains("token:") && whoami.out.contains("ci"), "{whoami:?}");
    // It makes no tokens: not of its role, and not of another.
    let file = text(&site.file());
    let kept = fs::read_to_string(site.file()).expect("the tokens file");
    for role in ["ci", "web"] {
        let more = ask(&["token", "create", "--role", role, "--file", &file]);
        more.refused(&["token"]);
        assert!(!more.out.contains("svt_"), "{more:?}");
    }
    assert_eq!(fs::read_to_string(site.file()).expect("the tokens file"), kept);
    assert_eq!(site.daemon.program("web"), before);
}

#[test]
fn a_token_is_never_more_than_who_made_it() {
    let site = site();
    let file = text(&site.file());
    let create = |role: &str| {
        site.with(
            "bob",
            PASSWORD,
            &["token", "create", "--role", role, "--name", "of-bob", "--file", &file],
        )
    };
    // A role that bob does not have he cannot give.
    site.change("[role:all]\nmembers=bob", "[role:all]\nmembers=anonymous");
    let refused = create("all");
    refused.refused(&["all"]);
    assert!(!refused.out.contains("svt_") && !site.file().exists(), "{refused:?}");
    let said = create("ci");
    // Bob may not read the configuration again, and is told so.
    said.refused(&["does not work yet", "reread"]);
    let token = made(&Said { code: 0, ..said });
    assert_ne!(site.with("token", &token, &["restart", "web"]).code, 0);
    let kept = fs::read_to_string(site.file()).expect("the tokens file");
    assert_eq!(fields(&kept)[3], "user:bob", "{kept}");
    site.reread().well();
    assert_eq!(site.with("token", &token, &["restart", "web"]).code, 0);
    // What bob loses, it loses.
    site.change("[role:ci]\nmembers=bob", "[role:ci]\nmembers=anonymous");
    site.change("actions=operator", "actions=viewer");
    let pid = site.daemon.program("web");
    let said = site.with("token", &token, &["restart", "web"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert_eq!(site.daemon.program("web"), pid);
    // And with bob it goes.
    site.change("bob", "robert");
    let said = site.with("token", &token, &["restart", "web"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert_eq!(site.daemon.program("web"), pid);
}

#[test]
fn a_token_that_is_revoked_is_out_at_once() {
    let site = site();
    let (token, other) = (site.token(&["--name", "gone"]), site.token(&["--name", "stays"]));
    let mut held = Held::begin(&site, &token);
    assert_eq!(held.ask(), "200");
    let revoked = site.root(&["token", "revoke", "gone"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(held.ask(), "401", "a connection that was open");
    assert_eq!(site.bearer(&token), 401);
    assert_eq!(site.bearer(&other), 200);
    let listed = site.root(&["token", "list"]);
    assert!(listed.out.contains("stays") && !listed.out.contains("gone"), "{listed:?}");
    site.root(&["token", "revoke", "gone"]).refused(&["gone"]);
}

#[test]
fn a_token_ends_at_its_time() {
    let site = site();
    let token = site.token(&["--name", "short", "--expires", "1h"]);
    let expires = fields(&fs::read_to_string(site.file()).expect("the tokens file"))[2].clone();
    assert_eq!(site.bearer(&token), 200);
    let past = "2020-01-01T00:00:00Z";
    site.edit(|text| text.replace(&expires, past));
    site.reread().well();
    assert_eq!(site.bearer(&token), 401);
    site.told(&["WARN", "short", "expired"]);
    // While a connection is open, without anybody reading anything.
    let soon = after(5);
    site.edit(|text| text.replace(past, &soon));
    site.reread().well();
    let mut held = Held::begin(&site, &token);
    let first = held.ask();
    assert!(first == "200" || after(0) >= soon, "{first}");
    wait_for("the token's end", || held.ask() == "401");
    assert!(after(0) >= soon, "it ended before its time");
    assert_eq!(site.bearer(&token), 401);
}

/// A connection that stays open, with a token in each request.
struct Held {
    child: std::process::Child,
    stdin: std::process::ChildStdin,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

/// Asks once for each line that comes, on one connection.
const HELD: &str = r#"
import http.client, ssl, sys, urllib.parse
place = urllib.parse.urlsplit(sys.argv[1])
context = ssl.create_default_context(cafile=sys.argv[2])
connection = http.client.HTTPSConnection(place.hostname, place.port, timeout=60, context=context)
token = sys.stdin.readline().strip()
connection.connect()
body = b"<?xml version='1.0'?><methodCall><methodName>supervisor.getState</methodName></methodCall>"
for line in sys.stdin:
    connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", "Authorization": "Bearer " + token})
    answer = connection.getresponse()
    answer.read()
    print(answer.status, flush=True)
"#;

impl Held {
    fn begin(site: &Site, token: &str) -> Held {
        let mut command = patient(PYTHON);
        command.args(["-c", HELD, &site.url()]).arg(site.authority.cert());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, format!("{token}\n").as_bytes()).expect("a line");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Held { child, stdin, lines }
    }

    fn ask(&mut self) -> String {
        std::io::Write::write_all(&mut self.stdin, b"\n").expect("a client that goes on");
        self.lines.next().expect("a client that goes on").expect("text")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_token_is_in_nothing_that_is_written_or_shown() {
    let site = Ground::new().start("", |g, config| {
        let log = format!("stdout_logfile={}", g.room.text("env.log"));
        ground(g, config)
            .daemon(&format!("audit_logfile={}\nloglevel=trace", g.room.text("audit.log")))
            .program("has", "/bin/sleep 100000", &format!("token=ci\nstartsecs=0\n{log}"))
            .section("[role:looking]\nmembers=bob\nprograms=has\nactions=log")
    });
    let token = site.token(&["--name", "quiet"]);
    let looking = made(&site.root(&["token", "create", "--role", "looking"]));
    let has = site.daemon.wait_running("has");
    let own = environment(has, "SUPERVISOR_TOKEN").expect("a token of its own");
    let wrong = format!("svt_{}", "W".repeat(43));
    assert_eq!(site.bearer(&token), 200);
    assert_eq!(site.bearer(&own), 200);
    assert_eq!(site.bearer(&wrong), 401);
    assert_eq!(site.with("token", &token, &["restart", "web"]).code, 0);
    assert_ne!(site.with("token", &wrong, &["restart", "web"]).code, 0);
    assert_ne!(site.with("token", &token, &["stop", "web"]).code, 0);
    let mut texts = vec![site.daemon.activity(), site.daemon.stderr(), site.daemon.stdout()];
    let audit = || fs::read_to_string(site.room.path("audit.log")).unwrap_or_default();
    poll_until("what the token did", || audit().contains("\"stop\"").then_some(()));
    texts.push(audit());
    texts.push(fs::read_to_string(site.file()).expect("the tokens file"));
    let supervisord = text(&Dist::plain().supervisord());
    for options in [&["--check", "--show"][..], &["--policy"], &["--policy", "--json"]] {
        let mut command = patient(&supervisord);
        let report = said(command.args(options).arg("-c").arg(&site.config));
        assert!(report.code == 0 || options[0] == "--policy", "{report:?}");
        texts.push(report.all());
    }
    texts.push(lines_beside(site.client("token", &looking, &["tail", "-f", "has"])));
    for secret in [&token, &own, &wrong, &looking] {
        for text in &texts {
            let at = text.find(&secret[4..]);
            assert!(at.is_none(), "{secret} in …{}", &text[at.unwrap_or(0).saturating_sub(200)..]);
        }
    }
}

/// A variable of a process.
fn environment(pid: i32, name: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).expect("an environment");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value = text.split('\0').find_map(|v| v.strip_prefix(name)?.strip_prefix('='));
    value.map(str::to_owned)
}

/// The command lines of all processes of the machine while this client follows a log.
fn lines_beside(mut client: Command) -> String {
    let mut child = client.stdout(Stdio::piped()).spawn().expect("a client");
    let mut said = String::new();
    let output = child.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut said).expect("a line");
    let lines = command_lines();
    // To timeout(1), which passes it on.
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process"));
    kill(pid, Signal::SIGTERM).expect("a client that is at work");
    child.wait().expect("its end");
    assert!(said.contains("Press Ctrl-C"), "{said:?}");
    assert!(lines.contains("\0tail\0-f\0has\0"), "{lines}");
    lines
}

/// The command lines of all processes of the machine.
fn command_lines() -> String {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|e| fs::read(e.path().join("cmdline")).ok());
    lines.map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n").collect()
}

/// A listener with the original's library: at each tick it looks at `web`, stops and starts it, and tries more.
const LISTENER: &str = r#"
import os, sys, xmlrpc.client
from supervisor import childutils
rpc = childutils.getRPCInterface(os.environ)
def attempt(what, *args):
    try:
        return what(*args)
    except xmlrpc.client.Fault as fault:
        return fault.faultCode
    except xmlrpc.client.ProtocolError as error:
        return error.errcode
while True:
    headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
    print("state", attempt(rpc.supervisor.getProcessInfo, "web")["statename"],
          "stop", attempt(rpc.supervisor.stopProcess, "web"), "start", attempt(rpc.supervisor.startProcess, "web"),
          "other", attempt(rpc.supervisor.stopProcess, "database"),
          "shutdown", attempt(rpc.supervisor.shutdown), file=sys.stderr, flush=True)
    childutils.listener.ok(sys.stdout)
"#;

#[test]
fn a_listener_of_the_original_s_has_the_token_that_its_section_names() {
    let site = Ground::new().start("", |g, config| {
        let script = g.room.file("listener.py", LISTENER);
        let python = reference("supervisord").with_file_name("python");
        // The library speaks no TLS: it comes by loopback, where a password is asked for all the same.
        let listener = |name: &str, lines: &str| {
            format!(
                "[eventlistener:{name}]\ncommand={} {}\nevents=TICK_5\nserverurl=http://{}:9003\n\
                 stderr_logfile={}\n{lines}",
                python.display(),
                script.display(),
                g.address,
                g.room.text(&format!("{name}.log"))
            )
        };
        ground(g, config)
            .section(&format!("[inet_http_server:inside]\nport={}:9003", g.address))
            .section("[role:listener]\nmembers=bob\nprograms=web\nactions=view, stop, start")
            .section(&listener("has", "token=listener"))
            .section(&listener("none", "").replace("[\"statename\"]", ""))
    });
    let heard = |name: &str| fs::read_to_string(site.room.path(name)).unwrap_or_default();
    wait_for("a tick", || heard("has.log").contains("shutdown"));
    let log = heard("has.log");
    let first = log.lines().find(|l| l.contains("shutdown")).expect("a line");
    assert_eq!(first, "state RUNNING stop True start True other 10 shutdown 96", "{log}");
    // Who has none is let in nowhere.
    wait_for("its end", || heard("none.log").contains("TypeError"));
    assert!(!heard("none.log").contains("RUNNING"));
}

#[test]
fn a_program_keeps_its_token_when_the_configuration_is_read_again() {
    let site = Ground::new().start("", |g, config| {
        ground(g, config).program("has", "/bin/sleep 100000", "token=ci\nstartsecs=0")
    });
    let has = site.daemon.wait_running("has");
    let own = environment(has, "SUPERVISOR_TOKEN").expect("a token of its own");
    assert_eq!(environment(has, "SUPERVISOR_PASSWORD").as_deref(), Some(own.as_str()));
    assert_eq!(environment(has, "SUPERVISOR_USERNAME").as_deref(), Some("token"));
    assert_eq!(site.bearer(&own), 200);
    let said = site.root(&["update"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(site.daemon.program("has"), has, "nothing has changed");
    assert_eq!(site.bearer(&own), 200);
    site.daemon.replace_broker();
    assert_eq!(site.bearer(&own), 200);
    // Without the line it is no token any more.
    site.change("token=ci\n", "");
    assert_eq!(site.bearer(&own), 401);
}

#[test]
fn a_tokens_file_that_others_read_is_refused() {
    let site = site();
    let token = site.token(&[]);
    site.room.mode("tokens", 0o644);
    site.reread().refused(&["tokens", "0644"]);
    assert_eq!(site.bearer(&token), 200, "the last reading stays");
    site.room.mode("tokens", 0o600);
    site.edit(|text| format!("{text}a line of nonsense\n"));
    site.reread().refused(&["tokens:"]);
    let check =
        said(Command::new(Dist::plain().supervisord()).args(["--check", "-c"]).arg(&site.config));
    assert!(check.code != 0 && check.all().contains("tokens:"), "{check:?}");
}
