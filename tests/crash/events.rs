//! Events while brokers die: each reaches its listener once, whole and in order.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, Room, wait_for};

/// Puts each event that it is sent down, one a line, and says so. What is no event ends it with a word.
const LISTENER: &str = r#"
import os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
def take(n):
    got = b''
    while len(got) < n:
        more = os.read(0, n - len(got))
        if not more:
            sys.exit(0)
        got += more
    return got
def line():
    got = b''
    while not got.endswith(b'\n'):
        got += take(1)
    return got[:-1]
while True:
    os.write(1, b'READY\n')
    head = line()
    try:
        fields = dict(word.split(b':', 1) for word in head.split(b' '))
        length = int(fields[b'len'])
    except Exception:
        os.write(out, b'TORN ' + repr(head).encode() + b'\n')
        sys.exit(1)
    body = take(length)
    if int(fields[b'serial']) % 7 == 3:
        # An answer in pieces.
        os.write(out, head + b'|' + body.replace(b'\n', b'/') + b'\n')
        for part in (b'RES', b'ULT 2', b'\nO', b'K'):
            os.write(1, part)
    else:
        os.write(out, head + b'|' + body.replace(b'\n', b'/') + b'\n')
        os.write(1, b'RESULT 2\nOK')
"#;

/// Says messages with the numbers from 1, text between them, until there is a file; then `end N`.
const SPEAKER: &str = r#"
import os, random, sys, time
n = 0
while not os.path.exists(sys.argv[1]):
    for _ in range(random.randrange(1, 20)):
        n += 1
        say = b'<!--XSUPERVISOR:BEGIN-->%d<!--XSUPERVISOR:END-->' % n
        if n % 5 == 0:
            say = b'text %d\n' % n + say
        at = random.randrange(len(say)) if n % 3 == 0 else 0
        if at:
            os.write(1, say[:at])
        os.write(1, say[at:])
    time.sleep(random.random() / 100)
os.write(1, b'<!--XSUPERVISOR:BEGIN-->end %d<!--XSUPERVISOR:END-->' % n)
time.sleep(1000)
"#;

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).expect("a number");
    u64::from_ne_bytes(bytes) % below
}

fn python(room: &Room, name: &str, text: &str, argument: &str) -> String {
    let script = room.file(name, text);
    format!("/usr/bin/python3 -u {} {argument}", script.display())
}

fn listening(room: &Room, log: &str) -> Daemon {
    room.directory_of(65_534, "heard");
    let ear = python(room, "listener.py", LISTENER, &room.text("heard/all"));
    let speaker = python(room, "speaker.py", SPEAKER, &room.text("stop"));
    let own = if log == "NONE" { "NONE" } else { &room.text("ear.log") };
    let pool = format!(
        "[eventlistener:ear]\ncommand={ear}\nuser=nobody\nbuffer_size=100000\nstdout_logfile={own}\n\
         events=PROCESS_COMMUNICATION,PROCESS_STATE,SUPERVISOR_STATE_CHANGE,PROCESS_GROUP\n"
    );
    let keys = format!("user=nobody\nstdout_capture_maxbytes=1MB\nstdout_logfile={log}");
    let config = Config::new(room).section(&pool).program("speaker", &speaker, &keys).program(
        "brief",
        "/bin/sleep 0.05",
        "startsecs=0\nautorestart=true\nuser=nobody",
    );
    let daemon = Launch::new(room, Dist::hooks().supervisord()).config(&config.write(room)).ready();
    daemon.wait_running("ear");
    daemon
}

struct Heard {
    serial: u64,
    poolserial: u64,
    name: String,
    body: String,
}

fn heard(room: &Room) -> Vec<Heard> {
    let text = fs::read_to_string(room.path("heard/all")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| {
        let (head, body) = line.split_once('|').unwrap_or_else(|| panic!("{line:?}"));
        let fields: HashMap<&str, &str> =
            head.split(' ').filter_map(|word| word.split_once(':')).collect();
        let number = |name: &str| fields[name].parse().expect("a number");
        assert_eq!((fields["ver"], fields["server"]), ("3.0", "supervisor"), "{line}");
        assert_eq!(fields["pool"], "ear", "{line}");
        Heard {
            serial: number("serial"),
            poolserial: number("poolserial"),
            name: fields["eventname"].to_owned(),
            body: body.to_owned(),
        }
    };
    whole.lines().map(parse).collect()
}

/// The numbers of the messages, and the last one if it was told.
fn messages(heard: &[Heard]) -> (Vec<u64>, Option<u64>) {
    let mut numbers = Vec::new();
    for event in heard.iter().filter(|event| event.name == "PROCESS_COMMUNICATION_STDOUT") {
        let (head, data) = event.body.split_once('/').expect("a head and data");
        assert!(head.starts_with("processname:speaker groupname:speaker pid:"), "{head}");
        if let Some(last) = data.strip_prefix("end ") {
            return (numbers, Some(last.parse().expect("a number")));
        }
        numbers.push(data.parse().unwrap_or_else(|_| panic!("{data:?}")));
    }
    (numbers, None)
}

/// The changes of a process: each begins where the one before it ended.
fn assert_chain(heard: &[Heard], name: &str) -> usize {
    let mut state = "STOPPED".to_owned();
    let mut count = 0;
    for event in heard {
        let (Some(to), true) = (
            event.name.strip_prefix("PROCESS_STATE_"),
            event.body.starts_with(&format!("processname:{name} ")),
        ) else {
            continue;
        };
        let from = event.body.split("from_state:").nth(1).expect("a state");
        let from = from.split(' ').next().expect("a word");
        assert_eq!(from, state, "serial {}: {}", event.serial, event.body);
        state = to.to_owned();
        count += 1;
    }
    count
}

fn survives(log: &str) {
    let room = Room::new();
    let log = if log == "NONE" { log.to_owned() } else { room.text(log) };
    let daemon = listening(&room, &log);
    let ear = daemon.program("ear");
    let end = Instant::now() + Duration::from_secs(20);
    let mut kills = 0;
    while Instant::now() < end {
        daemon.replace_broker();
        kills += 1;
        std::thread::sleep(Duration::from_millis(random(150)));
    }
    room.file("stop", "");
    wait_for("the last message", || messages(&heard(&room)).1.is_some());
    daemon.ask("supervisor.stopProcess", &["brief".into()]);
    let is_last = |event: &Heard| {
        event.name == "PROCESS_STATE_STOPPED" && event.body.starts_with("processname:brief ")
    };
    wait_for("the last state", || heard(&room).last().is_some_and(is_last));
    let heard = heard(&room);
    for (at, event) in (0..).zip(&heard) {
        assert_eq!((event.serial, event.poolserial), (at, at), "{}", event.body);
    }
    let (numbers, last) = messages(&heard);
    let last = last.expect("an end");
    assert!(numbers.iter().copied().eq(1..=last), "of {last} messages: {numbers:?}");
    assert!(assert_chain(&heard, "brief") > 20, "it was not restarted");
    assert!(kills > 5 && last > 500, "{kills} kills, {last} messages");
    let once = |name: &str| heard.iter().filter(|event| event.name == name).count();
    assert_eq!(once("SUPERVISOR_STATE_CHANGE_RUNNING"), 1);
    assert_eq!(daemon.program("ear"), ear, "the listener was restarted");
    let activity = daemon.activity();
    assert!(!activity.contains("UNKNOWN"), "{activity}");
}

#[test]
fn each_event_is_heard_once_and_in_order_while_brokers_die() {
    survives("log");
}

#[test]
fn each_event_is_heard_once_where_nothing_is_logged() {
    survives("NONE");
}
