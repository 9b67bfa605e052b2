//! Passwords are in nothing that others can read: not in the broker's memory, no log, no report.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use system_tests::base64;
use system_tests::dist::Dist;

use crate::ask::{Param, basic, get, last_call};
use crate::world::{World, hashed, told};

/// Words that are nowhere else.
const SECTION: &str = "q8Zr-section-password";
const PLAIN: &str = "q8Zr-plain-password";
const HASHED: &str = "q8Zr-hashed-password";
const WRONG: &str = "q8Zr-wrong-password";
const TYPED: &str = "q8Zr-typed-into-a-program";
const LOGGED: &str = "q8Zr-line-of-a-log";

fn world() -> World {
    let (world, _) = World::new(|room, _, config| {
        config
            .section(&format!(
                "[unix_http_server:staff]\nfile={}\nusername=staff\npassword={SECTION}",
                room.text("staff.sock")
            ))
            .section(&format!("[user:bob]\npassword={}", hashed(room, HASHED)))
            .section(&format!("[user:old]\npassword={PLAIN}"))
            .section("[role:all]\nmembers=bob, old, staff\nprograms=*\nactions=admin")
            .program(
                "cat",
                "/bin/cat",
                &format!("startsecs=0\nstdout_logfile={}", room.text("cat.out")),
            )
    });
    world.daemon.wait_running("cat");
    world
}

/// Whether the memory of a process has these bytes anywhere.
fn remembers(pid: i32, words: &[&str]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("a map");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("memory");
    let mut found = Vec::new();
    for line in maps.lines() {
        let mut parts = line.split_whitespace();
        let (Some(range), Some(modes)) = (parts.next(), parts.next()) else { continue };
        if !modes.starts_with('r') || line.contains("[vvar") {
            continue;
        }
        let bounds = range.split_once('-').expect("a range");
        let [from, to] =
            [bounds.0, bounds.1].map(|n| u64::from_str_radix(n, 16).expect("an address"));
        let mut bytes = vec![0; usize::try_from(to - from).expect("a size")];
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        for word in words {
            if bytes.windows(word.len()).any(|w| w == word.as_bytes()) {
                found.push((*word).to_owned());
            }
        }
    }
    found
}

#[test]
fn a_broker_that_is_read_out_has_no_password_of_the_configuration() {
    let world = world();
    let broker = world.daemon.broker();
    // That this finds what is there:
    assert!(!remembers(broker, &["supervisor.getAllProcessInfo"]).is_empty());
    assert_eq!(remembers(broker, &[SECTION, PLAIN, HASHED]), Vec::<String>::new());
    assert_eq!(world.root("reread").0, 0);
    assert_eq!(remembers(broker, &[SECTION, PLAIN, HASHED]), Vec::<String>::new());
}

#[test]
fn no_log_and_no_report_has_a_secret() {
    let world = world();
    let bob = basic("bob", HASHED);
    assert_eq!(world.ask(&last_call("supervisor.getState", &[], &bob)).code(), 0);
    assert_eq!(world.ask(&last_call("supervisor.getState", &[], &basic("old", PLAIN))).code(), 0);
    assert_eq!(world.ask(&last_call("supervisor.getState", &[], &basic("bob", WRONG))).status, 401);
    let typed = [Param::from("cat"), Param::from(format!("{TYPED}\n{LOGGED}\n").as_str())];
    assert_eq!(world.ask(&last_call("supervisor.sendProcessStdin", &typed, &bob)).code(), 0);
    world.recorded("what was typed", |l| l.action == "stdin" && l.decision == "allow");
    let log = [Param::from("cat"), Param::Int(0), Param::Int(0)];
    let read = last_call("supervisor.readProcessStdoutLog", &log, &bob);
    system_tests::wait_for("the line", || world.ask(&read).body.contains(LOGGED));
    let mut texts = vec![world.daemon.activity(), world.daemon.stderr(), world.daemon.stdout()];
    texts.push(fs::read_to_string(world.room.path("audit.log")).expect("an audit log"));
    texts.push(world.ask(&get("/", &bob)).body);
    let supervisord = Dist::plain().supervisord();
    for options in [&["--check", "--show"][..], &["--policy"], &["--policy", "--json"]] {
        let mut command = Command::new("timeout");
        command.arg("60").arg(&supervisord).args(options).arg("-c").arg(&world.config);
        let (code, text) = told(&command.output().expect("a report"));
        assert_eq!(code, 0, "{options:?}: {text}");
        texts.push(text);
    }
    let pair = base64(format!("bob:{HASHED}").as_bytes());
    for text in &texts {
        for secret in [SECTION, PLAIN, HASHED, WRONG, TYPED, LOGGED, &pair, "$argon2id$"] {
            assert!(!text.contains(secret), "{secret}:\n{text}");
        }
    }
    let mut all = String::new();
    for pid in system_tests::procfs::children(world.daemon.pid) {
        all.push_str(&system_tests::procfs::arguments(pid).join(" "));
        all.push_str(&system_tests::procfs::environment(pid).join(" "));
    }
    assert!(!all.contains("q8Zr"), "{all}");
}

#[test]
fn a_hash_is_one_that_others_can_check() {
    let room = system_tests::Room::new();
    let [one, other] = [(); 2].map(|()| hashed(&room, HASHED));
    assert_ne!(one, other, "each has a salt of its own");
    for hash in [&one, &other] {
        assert!(hash.starts_with("$argon2id$v=19$m=") && !hash.contains(HASHED), "{hash}");
    }
}
