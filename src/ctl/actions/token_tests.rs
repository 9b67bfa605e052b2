use super::*;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use nix::unistd::Uid;

use super::super::super::server::Server;
use super::super::rights::Me;
use super::maker::{Source, judge};
use crate::rpc::xml::{Value, decode_call, encode_fault, encode_response};

fn pair(key: &str, value: Value) -> (String, Value) {
    (key.to_owned(), value)
}

/// Who the caller is to a daemon, and how that daemon answers to the rest.
#[derive(Clone)]
struct Daemon {
    me: Value,
    reads: Result<(), (Code, &'static str)>,
    /// What it reads when it does.
    file: Option<String>,
}

impl Daemon {
    fn of(who: &str, auth: &str, roles: &[&str], owner: bool) -> Daemon {
        let roles = roles.iter().map(|role| Value::from(*role)).collect();
        let me = Value::Struct(vec![
            pair("name", who.split('(').next().unwrap().into()),
            pair("detailed", who.into()),
            pair("auth", auth.into()),
            pair("roles", Value::Array(roles)),
            pair("owner", Value::Bool(owner)),
        ]);
        Daemon { me, reads: Ok(()), file: None }
    }

    fn owner() -> Daemon {
        Daemon::of("unix:0(0)", "peer", &[], true)
    }

    fn fails(self, code: Code, text: &'static str) -> Daemon {
        Daemon { reads: Err((code, text)), ..self }
    }

    fn reads(self, file: &str) -> Daemon {
        Daemon { file: Some(file.to_owned()), ..self }
    }

    fn answer(&self, method: &str, params: &[Value], known: &mut Vec<String>) -> Vec<u8> {
        let fault = |code: Code, text: &str| {
            encode_fault(&crate::rpc::xml::Fault { code: code.number(), text: text.to_owned() })
        };
        match method {
            "supervisor.whoAmI" => encode_response(&self.me),
            "supervisor.reloadConfig" => match (self.reads, &self.file) {
                (Err((code, text)), _) => fault(code, text),
                (Ok(()), file) => {
                    let tokens = file.as_ref().map(|file| token_file::list(file).ok().unwrap());
                    *known = tokens.into_iter().flatten().map(|token| token.name).collect();
                    encode_response(&Value::Array(Vec::new()))
                }
            },
            "system.multicall" => {
                let [Value::Array(calls)] = params else { panic!("{params:?}") };
                let answer = |call: &Value| {
                    let Some(Value::Array(params)) = call.member("params") else { panic!() };
                    let user = params[0].as_str().unwrap().strip_prefix("token:").unwrap();
                    if self.file.is_none() {
                        return Value::Struct(vec![
                            pair("faultCode", Value::Int(i64::from(Code::AccessDenied.number()))),
                            pair("faultString", "ACCESS_DENIED: admin of daemon".into()),
                        ]);
                    }
                    if known.iter().any(|name| name == user) {
                        return Value::Struct(vec![
                            pair("allowed", Value::Bool(!user.starts_with("idle"))),
                            pair("rule", "role:x".into()),
                        ]);
                    }
                    Value::Struct(vec![
                        pair("faultCode", Value::Int(i64::from(Code::BadArguments.number()))),
                        pair("faultString", "BAD_ARGUMENTS: no such token".into()),
                    ])
                };
                encode_response(&Value::Array(calls.iter().map(answer).collect()))
            }
            _ => fault(Code::UnknownMethod, "UNKNOWN_METHOD"),
        }
    }

    /// A session with it, and the methods that it was asked by.
    fn session(self) -> (Session, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut known = Vec::new();
            for stream in listener.incoming().flatten() {
                self.talk(stream.try_clone().unwrap(), stream, &calls, &mut known);
            }
        });
        (Session::new(Server::new(url, None, None), false), asked)
    }

    /// The same by a unix socket there.
    fn local(self, path: &Path) -> (Session, Arc<Mutex<Vec<String>>>) {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut known = Vec::new();
            for stream in listener.incoming().flatten() {
                self.talk(stream.try_clone().unwrap(), stream, &calls, &mut known);
            }
        });
        let url = format!("unix://{}", path.display());
        (Session::new(Server::new(url, None, None), false), asked)
    }

    fn talk(
        &self,
        from: impl Read,
        mut to: impl Write,
        calls: &Mutex<Vec<String>>,
        known: &mut Vec<String>,
    ) {
        let mut from = BufReader::new(from);
        let (mut length, mut line) = (0, String::new());
        while from.read_line(&mut line).is_ok_and(|count| count > 0) {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                let mut body = vec![0; length];
                from.read_exact(&mut body).unwrap();
                let Ok((method, params)) = decode_call(&body) else { panic!("no call") };
                calls.lock().unwrap().push(method.clone());
                let body = self.answer(&method, &params, known);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                to.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            }
            line.clear();
        }
    }
}

struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Room {
        Room(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> String {
        self.0.path().join("tokens").to_str().unwrap().to_owned()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }

    /// What a line does with a daemon: its exit status.
    fn exit(&self, daemon: Daemon, line: &str) -> u8 {
        let (session, _) = daemon.local(&self.0.path().join("socket"));
        let mut session = session.with_tokens(Some(self.file()));
        session.run(line);
        session.exit
    }
}

#[test]
fn an_owner_makes_tokens_for_any_role() {
    let room = Room::new();
    let daemon = Daemon::owner().reads(&room.file());
    let line = "token create --role deploy --name ci --expires 30d";
    assert_eq!(room.exit(daemon.clone(), line), 0);
    let made = token_file::list(&room.file()).ok().unwrap().remove(0);
    assert_eq!((made.name.as_str(), made.role.as_str(), made.maker), ("ci", "deploy", None));
    let left = made.expires.unwrap() - now();
    assert!((30 * 24 * 3600 - 60..=30 * 24 * 3600).contains(&left), "{left}");
    assert!(!room.text().contains("svt_"));
    let mode = fs::metadata(room.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The same name once more, and one of its own.
    assert_eq!(room.exit(daemon.clone(), line), 1);
    assert_eq!(room.exit(daemon.clone(), "token create --role deploy --expires never"), 0);
    assert_eq!(room.exit(daemon, "token create --role deploy"), 0);
    let names: Vec<String> =
        token_file::list(&room.file()).ok().unwrap().into_iter().map(|token| token.name).collect();
    assert_eq!(names, ["ci", "deploy-1", "deploy-2"]);
}

#[test]
fn others_make_tokens_for_roles_of_their_own() {
    let room = Room::new();
    let alice = Daemon::of("user:alice", "password", &["web", "deploy"], false);
    assert_eq!(room.exit(alice.clone(), "token create --role deploy"), 0);
    let bob = Daemon::of("unix:1000(1000,33)", "peer", &["web"], false);
    assert_eq!(room.exit(bob.clone(), "token create --role web --name b"), 0);
    let makers: Vec<Option<String>> =
        token_file::list(&room.file()).ok().unwrap().into_iter().map(|token| token.maker).collect();
    assert_eq!(makers, [Some("user:alice".to_owned()), Some("unix:1000(1000,33)".to_owned())]);
    let before = room.text();
    let nobody = Daemon::of("anonymous", "none", &[], false);
    let machine = Daemon::of("token:ci", "token", &["deploy"], false);
    for (daemon, role) in [(bob, "deploy"), (nobody, "web"), (machine, "deploy"), (alice, "admin")]
    {
        assert_eq!(room.exit(daemon, &format!("token create --role {role}")), 1);
        assert_eq!(room.text(), before);
    }
}

#[test]
fn what_a_server_says_gets_no_lines_into_the_file() {
    let room = Room::new();
    fs::write(room.file(), "# mine\n").unwrap();
    let sum = "0".repeat(64);
    let lines = format!("user:x {sum}\nbackdoor admin never owner {sum}\n# ");
    let spaced = format!("cert:CN=x {sum}\nbackdoor admin never owner {sum}\n# ");
    let odd = "user:x\nbackdoor";
    for detailed in [&lines, &spaced, odd, "anonymous", "owner", "", "token:a:r", "user:"] {
        for owner in [false, true] {
            let daemon = Daemon::of(detailed, "password", &["r"], owner);
            assert_eq!(room.exit(daemon, "token create --role r"), 1, "{detailed:?}");
            assert_eq!(room.text(), "# mine\n");
        }
    }
    // White space is written as the reader has it.
    let spaced = Daemon::of("cert:CN=Jane Doe", "certificate", &["r"], false);
    assert_eq!(room.exit(spaced, "token create --role r --name jane"), 0);
    assert!(room.text().starts_with("# mine\njane r "), "{}", room.text());
    assert!(room.text().contains(" cert:CN=Jane%20Doe "), "{}", room.text());
}

#[test]
fn over_http_nobody_is_an_owner() {
    let room = Room::new();
    let exit = |daemon: Daemon| {
        let mut session = daemon.session().0.with_tokens(Some(room.file()));
        session.run("token create --role r --name a");
        session.exit
    };
    assert_eq!(exit(Daemon::owner()), 1);
    assert_eq!(exit(Daemon::of("user:alice", "password", &["r"], true)), 1);
    assert_eq!(exit(Daemon::of("unix:0(0)", "peer", &["r"], false)), 1);
    assert_eq!(room.text(), "");
    assert_eq!(exit(Daemon::of("user:alice", "password", &["r"], false)), 0);
    assert!(room.text().contains(" user:alice "));
}

#[test]
fn sockets_of_others_are_believed_little() {
    let me = |detailed: &str, owner: bool| Me {
        name: "x".to_owned(),
        detailed: detailed.to_owned(),
        auth: "peer".to_owned(),
        roles: vec!["r".to_owned(), "x\u{1b}[2J".to_owned()],
        owner,
    };
    let judged = |detailed: &str, owner, source| judge(&me(detailed, owner), "r", &source).ok();
    let own = Uid::effective().as_raw();
    let (mine, other) = (format!("unix:{own}(7)"), format!("unix:{}", own + 1));
    let named = |name: &str| Some(Maker { name: Some(name.to_owned()), daemon: true });
    assert_eq!(judged(&mine, false, Source::Socket), named(&mine));
    assert_eq!(judged("user:a", false, Source::Socket), named("user:a"));
    assert_eq!(judged(&other, false, Source::Trusted), named(&other));
    assert_eq!(judged(&mine, true, Source::Trusted), Some(Maker { name: None, daemon: true }));
    for (detailed, owner) in [(&mine, true), (&other, false), (&"user:a".to_owned(), true)] {
        assert_eq!(judged(detailed, owner, Source::Socket), None, "{detailed}");
    }
    // What a role cannot be called is not said again.
    let Err(Stop::Say(text, _)) = judge(&me(&mine, false), "q", &Source::Trusted) else { panic!() };
    assert!(text.contains("(it has r)") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn what_the_daemon_does_not_go_by_is_told() {
    let room = Room::new();
    let line = |name: &str| format!("token create --role r --name {name}");
    for (name, code, text) in [
        ("a", Code::CantReread, "CANT_REREAD: x is wrong"),
        ("b", Code::AccessDenied, "ACCESS_DENIED: config of daemon"),
        ("c", Code::ShutdownState, "SHUTDOWN_STATE"),
    ] {
        assert_eq!(room.exit(Daemon::owner().fails(code, text), &line(name)), NOT_IN_FORCE);
        let revoke = format!("token revoke {name}");
        assert_eq!(room.exit(Daemon::owner().fails(code, text), &revoke), NOT_IN_FORCE);
    }
    assert_eq!(room.text(), "");
    // One that does not tell by which file it goes: what is revoked may work.
    assert_eq!(room.exit(Daemon::owner(), &line("e")), 0);
    assert_eq!(room.exit(Daemon::owner(), "token revoke e"), NOT_IN_FORCE);
    // One that reads another file.
    let other = room.0.path().join("other").to_str().unwrap().to_owned();
    drop(TokenFile::open(&other, true));
    assert_eq!(room.exit(Daemon::owner().reads(&other), &line("d")), NOT_IN_FORCE);
    fs::copy(room.file(), &other).unwrap();
    assert_eq!(room.exit(Daemon::owner().reads(&other), "token revoke d"), NOT_IN_FORCE);
}

#[test]
fn a_token_that_may_do_nothing_is_told_of() {
    let room = Room::new();
    let daemon = Daemon::owner().reads(&room.file());
    let line = "token create --role nosuch --name idle";
    assert_eq!(room.exit(daemon.clone(), line), NOT_IN_FORCE);
    assert_eq!(room.exit(daemon, "token revoke idle"), 0);
}

#[test]
fn where_no_daemon_is_only_root_changes_the_file() {
    let room = Room::new();
    let server = Server::new("unix:///nonexistent".to_owned(), None, None);
    let mut session = Session::new(server, false).with_tokens(Some(room.file()));
    session.run("token create --role r --name a");
    if !Uid::effective().is_root() {
        assert_eq!((session.exit, room.text()), (1, String::new()));
        return;
    }
    assert_eq!(session.exit, 0);
    assert!(room.text().starts_with("a r "));
    session.run("token revoke a");
    assert_eq!((session.exit, room.text()), (NOT_IN_FORCE, String::new()));
}

#[test]
fn revoked_tokens_are_gone_and_the_rest_stays() {
    let room = Room::new();
    let daemon = Daemon::owner().reads(&room.file());
    for name in ["a", "b"] {
        let line = format!("token create --role r --name {name}");
        assert_eq!(room.exit(daemon.clone(), &line), 0);
    }
    fs::write(room.file(), format!("# of the lab\n\n{}  # a is not b\n", room.text())).unwrap();
    assert_eq!(room.exit(daemon.clone(), "token revoke a"), 0);
    let text = room.text();
    assert!(
        text.starts_with("# of the lab\n\nb r ") && text.ends_with("  # a is not b\n"),
        "{text}"
    );
    assert_eq!(room.exit(daemon.clone(), "token revoke a"), 1);
    assert_eq!(room.exit(daemon.clone(), "token revoke #"), 1);
    // Whoever types the token itself in its place gets no file changed by that.
    assert_eq!(room.exit(daemon, &format!("token revoke {}", token_line::token(&[1; 32]))), 1);
    assert_eq!(room.text(), text);
}

#[test]
fn without_a_file_the_line_is_told() {
    let room = Room::new();
    let (mut session, asked) = Daemon::owner().local(&room.0.path().join("socket"));
    session.run("token create --role r --json");
    assert_eq!(session.exit, NOT_IN_FORCE);
    assert_eq!(*asked.lock().unwrap(), ["supervisor.whoAmI"]);
    for line in ["token list", "token revoke x"] {
        session.exit = 0;
        session.run(line);
        assert_eq!(session.exit, 1, "{line}");
    }
}

#[test]
fn arguments_are_checked() {
    let exit = |line: &str| {
        let mut session = Daemon::owner().session().0;
        session.run(line);
        session.exit
    };
    for line in [
        "token",
        "token make",
        "token create",
        "token create x --role r",
        "token create --role a:b",
        "token create --role",
        "token create --role r --name #x",
        "token create --role r --expires soon",
        "token list x",
        "token revoke",
        "token revoke a b",
    ] {
        assert_eq!(exit(line), 2, "{line}");
    }
    let secret = token_line::token(&[1; 32]);
    let words = format!("create --role r --name {secret}");
    let words = crate::ctl::table::find("token").unwrap().words(&words).unwrap();
    assert!(!Wish::of(&words).unwrap_err().contains(&secret));
}

#[test]
fn times_to_expire_after() {
    for (text, seconds) in [
        ("90m", 5400),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        ("365250d", LONGEST * 86_400),
    ] {
        assert_eq!(duration(text), Ok(Some(seconds)), "{text}");
    }
    assert_eq!(duration("never"), Ok(None));
    for wrong in ["", "d", "30", "30s", "-1d", "+1d", "1.5h", "é", "1é", "30 d", "0d", "00w"] {
        assert!(duration(wrong).is_err(), "{wrong}");
    }
    for long in ["365251d", "99999999999999999999d", "18446744073709551615w"] {
        assert!(duration(long).unwrap_err().contains("write never"), "{long}");
    }
}

#[test]
fn the_list_has_columns() {
    let row = |words: [&str; 4]| words.map(str::to_owned);
    let rows = [row(["NAME", "ROLE", "EXPIRES", "MAKER"]), row(["ci-long", "r", "never", "owner"])];
    assert_eq!(columns(&rows), ["NAME     ROLE  EXPIRES  MAKER", "ci-long  r     never    owner"]);
}
