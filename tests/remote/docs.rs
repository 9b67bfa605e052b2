//! docs/remote.md, from its first command to its last: all are run, and what they print is what it says.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use system_tests::{Account, Dist, Network, People, Room, wait_for};

use crate::site::{PYTHON, Said, patient, said, text};

const MANUAL: &str = include_str!("../../docs/remote.md");
/// What it calls the server, and what the server is called here.
const NAMES: (&str, &str) = ("ops.example.org", "localhost");
/// Somebody with an account.
const PERSON: &str = "carol";
const PASSWORD: &str = "carol's own words";
/// Directories that are the test's own.
const OWN: [&str; 3] = ["/etc/supervisor", "/var/log", "/run/"];
/// Stands for what is another each time.
const ANY: char = '…';

/// A fenced block.
struct Block {
    line: usize,
    kind: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in MANUAL.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(kind), None) => {
                open = Some(Block { line: number + 1, kind: kind.to_owned(), text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// The machine that the manual is about.
struct Machine {
    room: Room,
    network: Network,
    carol: Account,
    _people: People,
}

impl Machine {
    fn new() -> Machine {
        let (room, network) = (Room::new(), Network::new());
        for name in ["etc/supervisor/conf.d", "var/log/supervisor", "run", "home"] {
            room.directory(name);
        }
        let mut people = People::new();
        let staff = people.group("staff");
        let carol = people.user(PERSON, &staff, &[]);
        people.password(&carol, PASSWORD);
        room.file("home/carol.password", &format!("{PASSWORD}\n"));
        room.mode("home/carol.password", 0o600);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        symlink(sources, room.path("home/supervisor")).expect("a link");
        let copy = Command::new("cp").args(["-r", "/etc/pam.d"]).arg(room.path("pam.d")).status();
        assert!(copy.expect("cp").success());
        let _ = fs::remove_file(room.path("pam.d/supervisor"));
        Machine { room, network, carol, _people: people }
    }

    /// The one way in which it is not as the manual has it: names of directories and of the server.
    fn here(&self, text: &str) -> String {
        let text =
            text.replace(NAMES.0, NAMES.1).replace(" carol ", &format!(" {} ", self.carol.name));
        let text = text.replace("= carol\n", &format!("= {}\n", self.carol.name));
        let text = text.replace("pam:carol\n", &format!("pam:{}\n", self.carol.name));
        OWN.iter().fold(text, |text, dir| text.replace(dir, &self.room.text(&dir[1..])))
    }

    /// A block that begins with the name of its file.
    fn write(&self, block: &Block) -> PathBuf {
        let first = block.text.lines().next().unwrap_or_default();
        let name = first.trim_start_matches(['#', ';', ' ']);
        let path = match name.strip_prefix("~/") {
            Some(rest) => self.room.path("home").join(rest),
            None => PathBuf::from(self.here(name)),
        };
        assert!(path.starts_with(self.room.dir()), "line {}: {first:?}", block.line);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, self.here(&block.text)).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        path
    }

    fn run(&self, command: &mut Command) -> Said {
        let bin = Dist::plain().supervisord();
        let bin = bin.parent().expect("a directory");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
        let (mark, value) = self.room.mark().split_once('=').map(own).expect("a mark");
        command.env("PATH", path).env("HOME", self.room.path("home")).env(mark, value);
        command.current_dir(self.room.path("home"));
        self.network.inside(|| said(command))
    }

    /// A daemon that is on its way has arrived.
    fn settle(&self) {
        let config = self.room.path("etc/supervisor/supervisord.conf");
        if self.room.path("run/supervisord.pid").exists() {
            wait_for("the daemon", || {
                let mut command = patient("supervisorctl");
                let said = self.run(command.arg("-c").arg(&config).arg("status"));
                said.out.contains("RUNNING")
            });
        }
    }

    fn script(&self, block: &Block) -> Said {
        let text = self.here(&block.text);
        let file = self.room.file("block", &text);
        let (program, options): (&str, &[&str]) =
            if block.kind == "sh" { ("/bin/sh", &["-eu"]) } else { (PYTHON, &["-B"]) };
        // With services of PAM that are the test's own; both outputs as they come, as on a terminal.
        let mut command = patient("unshare");
        let inside = "mount --bind \"$0\" /etc/pam.d && exec \"$@\" 2>&1";
        command.args(["--mount", "sh", "-c", inside, &self.room.text("pam.d"), program]);
        command.args(options).arg(file);
        let before = starts(&self.room);
        let said = self.run(&mut command);
        assert_eq!(said.code, 0, "docs/remote.md, line {}: {}", block.line, said.out);
        if text.lines().any(|line| line.starts_with("supervisord -c")) {
            wait_for("the pidfile", || self.room.path("run/supervisord.pid").exists());
        }
        if text.contains(" reload\n") {
            wait_for("the daemon to begin anew", || starts(&self.room) > before);
        }
        self.settle();
        said
    }
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// How often the daemon has begun.
fn starts(room: &Room) -> usize {
    let log = fs::read_to_string(room.path("var/log/supervisor/supervisord.log"));
    log.map_or(0, |log| log.matches("supervisord started with pid").count())
}

/// Whether a line is as the manual has it.
fn fits(line: &str, shown: &str) -> bool {
    let parts: Vec<&str> = shown.split(ANY).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return line == shown };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether lines are as the manual has them; one that is a mark alone stands for any number.
fn all_fit(lines: &[&str], shown: &[&str]) -> bool {
    match (lines, shown) {
        ([], []) => true,
        (_, [first, rest @ ..]) if *first == ANY.to_string() => {
            all_fit(lines, rest) || (!lines.is_empty() && all_fit(&lines[1..], shown))
        }
        ([line, lines @ ..], [first, rest @ ..]) => fits(line, first) && all_fit(lines, rest),
        _ => false,
    }
}

#[test]
fn every_command_works_and_prints_what_is_shown() {
    let machine = Machine::new();
    let mut last: Option<Said> = None;
    let mut ran = 0;
    for block in blocks() {
        match block.kind.as_str() {
            "ini" => {
                machine.write(&block);
                last = None;
            }
            "sh" | "python" => {
                last = Some(machine.script(&block));
                ran += 1;
            }
            "text" => {
                let said = last.take().expect("a command before its output");
                let shown = machine.here(&block.text);
                let (lines, shown): (Vec<&str>, Vec<&str>) =
                    (said.out.lines().collect(), shown.lines().collect());
                assert!(all_fit(&lines, &shown), "line {}: {}", block.line, said.out);
            }
            other => panic!("docs/remote.md, line {}: what is {other:?}?", block.line),
        }
    }
    assert!(ran > 10, "{ran}");
    let config = machine.room.path("etc/supervisor/supervisord.conf");
    let end = machine.run(patient("supervisorctl").arg("-c").arg(config).arg("shutdown"));
    assert_eq!(end.code, 0, "{end:?}");
    let pidfile = machine.room.path("run/supervisord.pid");
    wait_for("the end of the daemon", || !pidfile.exists());
}

#[test]
fn its_files_are_those_of_the_examples() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/remote");
    let mut shown: Vec<String> = Vec::new();
    for block in blocks().iter().filter(|block| block.kind == "ini") {
        let name = block.text.lines().next().and_then(|l| l.rsplit('/').next()).expect("a name");
        let example = fs::read_to_string(directory.join(name)).expect("an example");
        assert_eq!(example, block.text, "{name}");
        shown.push(name.to_owned());
    }
    shown.sort();
    let mut there: Vec<String> = fs::read_dir(&directory)
        .expect("the examples")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(there, shown, "{}", text(&directory));
}

#[test]
fn marks_stand_for_what_changes_and_for_nothing_else() {
    let cases = [
        ("a 1 b", "a … b", true),
        ("a 1 c", "a … b", false),
        ("a 1", "a …", true),
        ("a", "a …", false),
        ("xa", "…a", true),
        ("xab", "…a", false),
        ("xab", "…a…", true),
        ("", "", true),
        ("a", "", false),
    ];
    for (line, shown, fit) in cases {
        assert_eq!(fits(line, shown), fit, "{line:?} {shown:?}");
    }
    for (lines, shown, fit) in [
        (&["a", "b"][..], &["…", "b"][..], true),
        (&["b"], &["…", "b"], true),
        (&["a", "b"], &["…", "a"], false),
        (&["a", "b"], &["a"], false),
    ] {
        assert_eq!(all_fit(lines, shown), fit, "{lines:?} {shown:?}");
    }
}
