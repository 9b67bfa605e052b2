//! What the manual shows works: each file of `examples/delegation` is started, and who may do what is as the manual says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use system_tests::config::broker_user;
use system_tests::dist::Dist;
use system_tests::{Account, Daemon, Launch, Network, People, Room, browser};

use crate::world::{PORT, Seat, client, hashed, told};

const MANUAL: &str = include_str!("../../docs/delegation.md");

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/delegation")
}

/// All examples, by name.
fn examples() -> Vec<(String, String)> {
    let entries = fs::read_dir(directory()).expect("the examples").flatten();
    let mut files: Vec<(String, String)> = entries
        .map(|e| {
            let text = fs::read_to_string(e.path()).expect("an example");
            (e.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    files.sort();
    files
}

/// Those that the examples name.
struct Named {
    accounts: Vec<(&'static str, Account)>,
}

impl Named {
    fn new(people: &mut People) -> Named {
        let staff = people.group("staff");
        let (web, dev) = (people.group("web"), people.group("dev"));
        let alice = people.user("alice", &staff, &[&web]);
        let dora = people.user("dora", &staff, &[&dev]);
        let deploy = people.user("deploy", &staff, &[]);
        let pairs = [
            ("@staff", staff.clone()),
            ("@web", web),
            ("@dev", dev),
            ("alice", alice),
            ("dora", dora),
            ("deploy", deploy),
        ];
        Named { accounts: pairs.into() }
    }

    fn account(&self, word: &str) -> Option<&Account> {
        self.accounts.iter().find(|(w, _)| *w == word).map(|(_, account)| account)
    }

    /// The name that stands for one of a line.
    fn name(&self, word: &str) -> String {
        match self.account(word) {
            Some(account) if word.starts_with('@') => format!("@{}", account.name),
            Some(account) => account.name.clone(),
            None => word.to_owned(),
        }
    }
}

/// The example with paths of the room, accounts that there are, and programs that run anywhere.
fn adjusted(text: &str, room: &Room, named: &Named) -> String {
    let front = room.helper("front").display().to_string();
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line
            .replace("/run/", &room.text("run/"))
            .replace("/var/log/supervisor", &room.text("log"));
        let Some((key, value)) = line.split_once(" = ") else {
            lines.push(line);
            continue;
        };
        let value = match key {
            "command" if value.contains("nginx") => format!("{front} 0.0.0.0:80"),
            "command" => "/bin/sleep 100000".to_owned(),
            "user" => "nobody".to_owned(),
            "password" => hashed(room, "change me"),
            "chown" => value.replace("staff", &named.name("@staff")[1..]),
            "members" => {
                let words = value.split(',').map(|w| named.name(w.trim()));
                words.collect::<Vec<_>>().join(", ")
            }
            _ => value.to_owned(),
        };
        lines.push(format!("{key} = {value}"));
    }
    let own = format!("[supervisord]\nbroker_user={}", broker_user());
    lines.join("\n").replace("[supervisord]", &own) + "\n"
}

struct Site {
    daemon: Daemon,
    network: Network,
    config: PathBuf,
    room: Room,
    named: Named,
    _people: People,
    _seat: Seat,
}

fn start(name: &str) -> Site {
    let (_, text) = examples().into_iter().find(|(file, _)| file == name).expect("an example");
    let seat = Seat::take();
    let mut people = People::new();
    let named = Named::new(&mut people);
    let (room, network) = (Room::new(), Network::new());
    room.directory("run");
    room.directory("log");
    let config = room.file("supervisord.conf", &adjusted(&text, &room, &named));
    let launch =
        Launch::new(&room, Dist::plain().supervisord()).config(&config).stem("run/supervisor");
    let daemon = network.inside(|| launch.ready());
    let check =
        Command::new(Dist::plain().supervisord()).args(["--check", "-c"]).arg(&config).output();
    let (code, text) = told(&check.expect("a check"));
    assert_eq!(code, 0, "{name}: {text}");
    assert!(!text.contains("matches nothing"), "{name}: {text}");
    Site { daemon, network, config, room, named, _people: people, _seat: seat }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.daemon.leave();
    }
}

impl Site {
    /// `supervisorctl can`, asked by root.
    fn can(&self, who: &str, action: &str, target: &str) -> bool {
        let mut command = Command::new("timeout");
        command.arg("60").arg(client(&self.room)).arg("-c").arg(&self.config);
        command.args(["can", &self.named.name(who), action, target]);
        let (code, text) = told(&command.output().expect("the client"));
        assert!([0, 1].contains(&code), "can {who} {action} {target}: {text}");
        code == 0
    }

    /// Each line is `WHO ACTION TARGET…`, and `not` before it where it may not be done.
    fn check(&self, table: &str) {
        for line in table.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (wanted, line) = match line.strip_prefix("not ") {
                Some(rest) => (false, rest),
                None => (true, line),
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let [who, action, targets @ ..] = words.as_slice() else { panic!("{line}") };
            for target in targets {
                assert_eq!(self.can(who, action, target), wanted, "{who} {action} {target}");
            }
        }
    }
}

#[test]
fn five_lines() {
    let site = start("five-lines.conf");
    site.check(
        "alice view nginx
         alice log nginx
         alice restart nginx
         not alice stop nginx
         not alice start nginx
         not alice clear nginx
         not alice stdin nginx
         not alice view database
         not alice restart database
         not dora view nginx
         not anonymous view nginx
         root stop nginx database",
    );
    let alice = site.named.account("alice").expect("alice");
    let mut command = alice.command(&client(&site.room));
    command.args([
        "-s",
        &format!("unix://{}", site.room.text("run/supervisor.sock")),
        "restart",
        "nginx",
    ]);
    let told = told(&command.output().expect("the client"));
    assert_eq!(told, (0, "nginx: stopped\nnginx: started\n".to_owned()));
}

#[test]
fn passwords() {
    let site = start("passwords.conf");
    site.check(
        "bob restart nginx
         bob log nginx
         not bob stop nginx
         not bob view database
         not alice view nginx",
    );
    // Nobody gets a password that stands in an example.
    let text = fs::read_to_string(&site.config).expect("a configuration");
    let mut lines: Vec<&str> = text.lines().collect();
    let hash = lines.iter().position(|l| l.starts_with("password = ")).expect("a password");
    let (_, example) =
        examples().into_iter().find(|(name, _)| name == "passwords.conf").expect("it");
    lines[hash] = example.lines().find(|l| l.starts_with("password = ")).expect("a password");
    let file = site.room.file("as-it-stands.conf", &(lines.join("\n") + "\n"));
    let check =
        Command::new(Dist::plain().supervisord()).args(["--check", "-c"]).arg(file).output();
    let (code, text) = told(&check.expect("a check"));
    assert!(code != 0 && text.contains("[user:bob]"), "{text}");
}

#[test]
fn teams() {
    let site = start("teams.conf");
    site.check(
        "alice start nginx shop jobs:mailer jobs:worker_0
         not alice stdin nginx
         not alice config nginx
         dora restart shop jobs:worker_0 jobs:worker_2 jobs:mailer
         not dora stop shop jobs:mailer
         dora signal(HUP) shop
         not dora signal(TERM) shop
         not dora view nginx
         dora view shop
         deploy log shop jobs:worker_1
         not deploy restart shop
         not deploy view nginx jobs:mailer",
    );
}

#[test]
fn dashboard() {
    let site = start("dashboard.conf");
    site.check(
        "anonymous view nginx
         not anonymous log nginx
         not anonymous restart nginx
         not anonymous view database
         bob stop nginx
         not bob view database",
    );
    let url = format!("http://127.0.0.1:{PORT}/");
    site.network.inside(|| browser::look("access/browser.py", "corridor", &[&url, "change me"]));
}

#[test]
fn audited() {
    let site = start("audited.conf");
    site.check(
        "alice restart nginx
         bob restart nginx
         not bob stop nginx
         deploy stop nginx
         deploy config nginx",
    );
    let log = site.room.path("log/audit.log");
    assert!(fs::read_to_string(log).is_ok_and(|text| text.contains("\"hash\"")));
}

#[test]
fn each_example_has_a_test_and_a_place_in_the_manual() {
    let tested =
        ["audited.conf", "dashboard.conf", "five-lines.conf", "passwords.conf", "teams.conf"];
    let names: Vec<String> = examples().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, tested);
    for name in names {
        assert!(MANUAL.contains(&format!("../examples/delegation/{name}")), "{name}");
    }
}

/// Blocks of the manual that are parts of a configuration.
fn blocks() -> Vec<Vec<String>> {
    let mut blocks = Vec::new();
    let mut block: Vec<String> = Vec::new();
    for line in MANUAL.lines().chain([""]) {
        match line.strip_prefix("    ") {
            Some(line) => block.push(line.trim_end().to_owned()),
            None if line.is_empty() && !block.is_empty() => block.push(String::new()),
            None => {
                if block.first().is_some_and(|l| l.starts_with('[') && l.contains(']')) {
                    blocks.push(std::mem::take(&mut block));
                }
                block.clear();
            }
        }
    }
    blocks
}

#[test]
fn what_the_manual_quotes_is_in_an_example() {
    let lines: BTreeSet<String> = examples()
        .iter()
        .flat_map(|(_, text)| {
            text.lines().map(|l| l.split(" ;").next().unwrap_or(l).trim_end().to_owned())
        })
        .collect();
    let blocks = blocks();
    assert!(blocks.len() >= 5, "{blocks:?}");
    for line in blocks.iter().flatten().filter(|l| !l.is_empty()) {
        assert!(lines.contains(line.split(" ;").next().unwrap_or(line).trim_end()), "{line}");
    }
}
