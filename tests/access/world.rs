//! A daemon in a network of its own, real users who talk to it, and what its audit log says about them.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use system_tests::config::broker_user;
use system_tests::dist::Dist;
use system_tests::wire::Place;
use system_tests::{Account, Config, Daemon, Launch, Network, People, Room};

use crate::ask::Answer;

/// Ends a client that hangs.
const PATIENCE: &str = "120";
/// Not from the environment of whoever runs the tests.
const PYTHON: &str = "/usr/bin/python3";
/// Daemons of this suite at a time: each audit writer takes one of the few user ids that are to spare.
const AT_ONCE: u32 = 4;

static SEATS: (Mutex<u32>, Condvar) = (Mutex::new(AT_ONCE), Condvar::new());

/// The place of a daemon among those that run at a time.
pub struct Seat;

impl Seat {
    /// Waits for one.
    pub fn take() -> Seat {
        let free = SEATS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = SEATS.1.wait_while(free, |free| *free == 0);
        *wait.unwrap_or_else(PoisonError::into_inner) -= 1;
        Seat
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *SEATS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        SEATS.1.notify_one();
    }
}

/// Says that something is over, also when a test fails meanwhile.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The port of the TCP server of every world.
pub const PORT: u16 = 9_001;

/// A daemon and those around it. What is declared first goes first.
pub struct World {
    pub daemon: Daemon,
    pub config: PathBuf,
    pub network: Network,
    pub room: Room,
    _people: People,
    _seat: Seat,
}

impl Drop for World {
    fn drop(&mut self) {
        self.daemon.leave();
    }
}

/// Who is there in every world: `web` has alice, `staff` has carol too; bob is nobody's account.
pub struct Cast {
    pub web: Account,
    pub alice: Account,
    pub carol: Account,
}

impl Cast {
    pub fn new(people: &mut People) -> Cast {
        let staff = people.group("staff");
        let web = people.group("web");
        let alice = people.user("alice", &staff, &[&web]);
        let carol = people.user("carol", &staff, &[]);
        Cast { web, alice, carol }
    }
}

impl World {
    /// Starts a daemon with a unix socket that everybody may connect to, a TCP server, and what `configure` adds.
    pub fn new(configure: impl FnOnce(&Room, &Cast, Config) -> Config) -> (World, Cast) {
        let seat = Seat::take();
        let mut people = People::new();
        let cast = Cast::new(&mut people);
        let (room, network) = (Room::new(), Network::new());
        let config = configure(&room, &cast, base(&room)).write(&room);
        let launch = Launch::new(&room, Dist::plain().supervisord()).config(&config);
        let daemon = network.inside(|| launch.ready());
        (World { daemon, config, network, room, _people: people, _seat: seat }, cast)
    }

    /// Where the TCP server is, in the network.
    pub fn tcp(&self) -> Place {
        Place::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))
    }

    /// Sends these bytes over TCP on a connection of their own; all that is answered.
    pub fn raw(&self, request: &[u8]) -> String {
        self.network.inside(|| self.tcp().ask(request)).expect("an answer")
    }

    /// A request over TCP from another address of 127.0.0.0/8, which is another client to the server.
    pub fn ask_from(&self, source: Ipv4Addr, request: &[u8]) -> Answer {
        let text = self.network.inside(|| {
            let mut wire = self.tcp().connect_from(source).expect("a connection");
            wire.send(request).expect("a question");
            wire.rest().expect("an answer")
        });
        Answer::read(&text)
    }

    /// A request over TCP.
    pub fn ask(&self, request: &[u8]) -> Answer {
        Answer::read(&self.raw(request))
    }

    /// The same for what may be no whole request: its sender says that nothing more comes.
    pub fn raw_until_quiet(&self, request: &[u8]) -> String {
        self.network.inside(|| {
            let mut wire = self.tcp().connect().expect("a connection");
            // The server may close before it has seen all of it.
            let _ = wire.send(request);
            wire.end();
            wire.rest().expect("an end")
        })
    }

    /// The same for one who has failed often and is told to wait.
    pub fn patient(&self, request: &[u8]) -> Answer {
        system_tests::poll_until("an answer that is not `later`", || {
            let answer = self.ask(request);
            (![429, 503].contains(&answer.status)).then_some(answer)
        })
    }

    /// Sends these bytes over the unix socket as a user of the system; all that is answered.
    pub fn raw_as(&self, who: &Account, request: &[u8]) -> String {
        let mut command = who.command(&self.room.helper("peer"));
        command.arg(self.room.path("supervisord.sock"));
        let output = feed(&mut command, request);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A request over the unix socket as a user of the system.
    pub fn ask_as(&self, who: &Account, request: &[u8]) -> Answer {
        Answer::read(&self.raw_as(who, request))
    }

    /// The client as a user of the system, over the unix socket: its exit status, and what it printed on both outputs.
    pub fn ctl(&self, who: &Account, line: &str) -> (i32, String) {
        let mut command = who.command(Path::new("/usr/bin/timeout"));
        command.arg(PATIENCE).arg(client(&self.room));
        command.args(["-s", &format!("unix://{}", self.room.text("supervisord.sock"))]);
        told(&command.args(line.split_whitespace()).output().expect("the client"))
    }

    /// The client as the daemon's own user.
    pub fn root(&self, line: &str) -> (i32, String) {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(client(&self.room)).arg("-c").arg(&self.config);
        told(&command.args(line.split_whitespace()).output().expect("the client"))
    }

    /// The client over TCP, with a name and a password.
    pub fn login(&self, name: &str, password: &str, line: &str) -> (i32, String) {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(client(&self.room));
        command.args(["-s", &format!("http://127.0.0.1:{PORT}"), "-u", name, "-p", password]);
        command.args(line.split_whitespace()).stdin(Stdio::null());
        told(&self.network.inside(|| command.output()).expect("the client"))
    }

    /// The process id of a program, as root sees it.
    pub fn pid(&self, name: &str) -> i32 {
        self.daemon.program(name)
    }

    /// The audit log so far.
    pub fn audit(&self) -> Vec<Line> {
        lines(&self.room.path("audit.log"))
    }

    /// Waits until the audit log has a line.
    pub fn recorded(&self, what: &str, so: impl Fn(&Line) -> bool) -> Line {
        system_tests::poll_until(&format!("a line about {what} in the audit log"), || {
            self.audit().into_iter().find(|line| so(line))
        })
    }
}

/// The configuration that all worlds begin with.
pub fn base(room: &Room) -> Config {
    let text = format!("[inet_http_server]\nport=127.0.0.1:{PORT}\n");
    let config = Config::new(room)
        .daemon(&format!("broker_user={}", broker_user()))
        .daemon(&format!("audit_logfile={}", room.text("audit.log")))
        .section(&text);
    config.with_socket_mode("0777")
}

/// A copy of the client where everybody can run it.
pub fn client(room: &Room) -> PathBuf {
    let path = room.path("supervisorctl");
    if !path.exists() {
        fs::copy(Dist::plain().supervisorctl(), &path).expect("a copy of the client");
        room.mode("supervisorctl", 0o755);
    }
    path
}

/// The hash of a password, as `supervisorctl passwd` makes it.
pub fn hashed(room: &Room, password: &str) -> String {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(client(room)).args(["passwd", "--stdin", "--hash"]);
    let output = feed(&mut command, format!("{password}\n").as_bytes());
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success() && text.starts_with("$argon2id$"), "{output:?}");
    text
}

/// Runs a command on an input.
pub fn feed(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a command");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the end of a command");
    // It may end before it has read all.
    let _ = feeding.join().expect("a feeder");
    output
}

/// Exit status and both outputs.
pub fn told(output: &Output) -> (i32, String) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (output.status.code().unwrap_or(-1), text.concat())
}

/// A line of the audit log, what tests look at; a field that is not there is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub event: String,
    pub who: String,
    pub auth: String,
    pub peer: String,
    pub action: String,
    pub target: String,
    pub decision: String,
    pub rule: String,
    pub outcome: String,
}

/// Each line by itself is one JSON document of ASCII without control characters: a reader of another kind says so.
const READ: &str = r#"
import json, sys
fields = ("event", "who", "auth", "peer", "action", "target", "decision", "rule", "outcome")
for line in open(sys.argv[1], "rb").read().split(b"\n")[:-1]:
    assert len(line) <= 4096, len(line)
    assert all(byte >= 32 and byte != 127 for byte in line), line
    record = json.loads(line)
    assert isinstance(record, dict), line
    print("\t".join(str(record.get(field, "")).replace("\t", " ").replace("\n", "\\n") for field in fields))
"#;

fn lines(path: &Path) -> Vec<Line> {
    if !path.exists() {
        return Vec::new();
    }
    let output = Command::new(PYTHON).args(["-c", READ]).arg(path).output().expect("python3");
    assert!(output.status.success(), "{}: {output:?}", path.display());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(line).collect()
}

fn line(text: &str) -> Line {
    let mut fields = text.split('\t').map(str::to_owned);
    let mut next = || fields.next().expect("all fields");
    Line {
        event: next(),
        who: next(),
        auth: next(),
        peer: next(),
        action: next(),
        target: next(),
        decision: next(),
        rule: next(),
        outcome: next(),
    }
}
