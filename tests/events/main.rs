//! Events of a real daemon: pools that hear a lot, listeners that misbehave, listeners that are asleep, the examples.

mod examples;
mod forged;
mod idle;
mod many;
mod misuse;
mod replaced;

use std::fs;

use system_tests::config::broker_user;
use system_tests::{Config, Daemon, Dist, Launch, Room};

/// Messages of a long run.
const MANY: u64 = 10_000;
const MESSAGES: &str = "events=PROCESS_COMMUNICATION_STDOUT";

/// What a listener has heard of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    serial: u64,
    pool_serial: u64,
    of_type: String,
    last_line: String,
}

/// All that a listener wrote down; a line that is being written is left out.
fn heard(room: &Room, file: &str) -> Vec<Heard> {
    let text = fs::read_to_string(room.path(file)).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(parse).collect()
}

fn parse(line: &str) -> Heard {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("half a line: {line}")).to_owned();
    let number = |word: String| word.parse().unwrap_or_else(|_| panic!("no number in {line}"));
    let (serial, pool_serial) = (number(word()), number(word()));
    Heard { serial, pool_serial, of_type: word(), last_line: word() }
}

fn numbers(heard: &[Heard]) -> Vec<u64> {
    heard.iter().map(|event| event.last_line.parse().expect("a message's number")).collect()
}

fn launch(room: &Room, config: &Config) -> Daemon {
    // The few spare users are left to tests that need one found.
    let config = config.clone().daemon(&format!("broker_user={}", broker_user()));
    Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready()
}

/// A pool of listeners of these tests; `how` are the arguments of the helper.
fn pool(room: &Room, name: &str, how: &str, lines: &str) -> String {
    let command = format!("{} {how}", room.helper("listener").display());
    format!("[eventlistener:{name}]\ncommand={command}\nstartsecs=0\n{lines}\n")
}

/// A program that says the messages of these numbers once the file is there.
fn speaker(room: &Room, first: u64, last: u64, go: &str) -> (String, &'static str) {
    let helper = room.helper("listener");
    let command = format!("{} says {first} {last} {}", helper.display(), room.text(go));
    (command, "stdout_capture_maxbytes=1KB\nstartsecs=0")
}

/// A daemon with a pool that has room for so many messages, and a program that says them once the file `go` is there.
fn launch_many(room: &Room, (name, how, keys): (&str, &str, &str), many: u64) -> Daemon {
    let (command, lines) = speaker(room, 1, many, "go");
    let keys = format!("{MESSAGES}\nbuffer_size={many}\n{keys}");
    let config = Config::new(room).section(&pool(room, name, how, &keys));
    launch(room, &config.program("speaker", &command, lines))
}
