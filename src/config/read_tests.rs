//! Whole readings over files, users and directories in memory: the machine of the tests; the tests by topic.

use std::collections::BTreeMap;
use std::net::IpAddr;

use privsep::files::Answer;
use privsep::start::Start;
use privsep::table::{Entry, LogFile, Sink, Socket};

use super::*;
use crate::config::files::{Denied, Listing, Named};
use crate::config::host::{Account, Kind, Look, Part, Who};
use crate::config::settings::{Autorestart, Level, Password, Zone};

const ENOENT: i32 = 2;

#[derive(Default)]
struct Memory {
    files: BTreeMap<String, Result<Vec<u8>, Denied>>,
    dirs: Vec<String>,
    asked: Vec<String>,
    /// Owner, group and mode of a file, where it is not root's alone.
    modes: BTreeMap<String, (u32, u32, u32)>,
}

impl Files for Memory {
    fn main(&mut self, path: &str) -> Result<Vec<u8>, Denied> {
        self.asked.push(path.to_owned());
        self.files.get(path).cloned().unwrap_or(Err(Denied::Answer(Answer::Errno(ENOENT))))
    }

    fn directory(&mut self, path: &str) -> Result<(u16, Listing), Denied> {
        let inside = format!("{}/", path.trim_end_matches('/'));
        let mut listing = Listing::new();
        for rest in self.files.keys().filter_map(|p| p.strip_prefix(&inside)) {
            let (name, dir) = match rest.split_once('/') {
                Some((name, _)) => (name, true),
                None => (rest, false),
            };
            if !listing.iter().any(|(n, _)| n == name) {
                listing.push((name.to_owned(), dir));
            }
        }
        if listing.is_empty() {
            return Err(Denied::Answer(Answer::Errno(ENOENT)));
        }
        self.dirs.push(inside);
        let number = u16::try_from(self.dirs.len() - 1).unwrap();
        Ok((number, listing))
    }

    fn file(&mut self, directory: u16, name: &str) -> Result<Vec<u8>, Denied> {
        let path = format!("{}{name}", self.dirs[usize::from(directory)]);
        self.main(&path)
    }

    fn named(&mut self, path: &str) -> Result<Named, Denied> {
        let (uid, gid, mode) = self.modes.get(path).copied().unwrap_or((0, 0, 0o600));
        Ok(Named { bytes: self.main(path)?, uid, gid, mode: mode | 0o100_000 })
    }
}

#[derive(Default)]
struct Machine;

fn account(name: &str, uid: u32, gid: u32) -> Account {
    Account {
        name: name.to_owned(),
        uid,
        gid,
        groups: vec![gid, 4],
        home: format!("/home/{name}"),
        shell: format!("/bin/{name}sh"),
        chosen: false,
    }
}

impl Host for Machine {
    fn account(&mut self, who: &Who) -> Option<Account> {
        let all = [account("root", 0, 0), account("alice", 1000, 100), account("bob", 1001, 101)];
        all.into_iter().find(|a| match who {
            Who::Name(name) => a.name == *name,
            Who::Id(id) => a.uid == *id,
        })
    }

    fn group(&mut self, who: &Who) -> Option<u32> {
        match who {
            Who::Name(name) if name == "root" => Some(0),
            Who::Name(name) => (name == "staff").then_some(50),
            Who::Id(id) => (*id == 50).then_some(50),
        }
    }

    fn address(&mut self, name: &str) -> Result<IpAddr, i32> {
        match name {
            "localhost" => Ok([127, 0, 0, 1].into()),
            "myhost" => Ok([10, 0, 0, 1].into()),
            "sixhost" => Ok([0xfd00, 0, 0, 0, 0, 0, 0, 6].into()),
            _ => Err(-2),
        }
    }

    fn aliases(&mut self, name: &str) -> Vec<String> {
        if name == "node1" { vec!["Node1.example.com".to_owned()] } else { Vec::new() }
    }

    fn kind(&mut self, path: &str) -> Kind {
        match crate::config::path::normalise(path).trim_end_matches('/') {
            ""
            | "/srv/app"
            | "/srv/app/shared"
            | "/dev"
            | "/run"
            | "/srv"
            | "/var/log/supervisor"
            | "/etc"
            | "/tmp"
            | "/var/log"
            | "/home/alice" => Kind::Directory,
            _ => Kind::Missing,
        }
    }

    fn look(&mut self, path: &str, uids: &[u32], _: &[u32]) -> Look {
        let part = |path: &str, uid, mode, directory| Part {
            path: path.to_owned(),
            uid,
            gid: uid,
            mode,
            directory,
        };
        let by = match path {
            _ if path.starts_with("/home/alice/") && !uids.contains(&1000) => {
                Some(part("/home/alice", 1000, 0o755, true))
            }
            _ if path.starts_with("/tmp/") => Some(part("/tmp", 0, 0o1777, true)),
            _ if path.starts_with("/srv/app/shared/") => {
                Some(part("/srv/app/shared", 0, 0o775, true))
            }
            _ => None,
        };
        let last = (!path.ends_with("/missing")).then(|| part(path, 0, 0o644, false));
        Look { by, last, hidden: path.starts_with("/root/") }
    }
}

struct Run {
    files: Memory,
    facts: Facts,
}

fn run(config: &str) -> Run {
    let mut files = Memory::default();
    files.files.insert("/etc/s.conf".to_owned(), Ok(config.as_bytes().to_vec()));
    let words = |words: &[&str]| words.iter().map(|w| w.as_bytes().to_vec()).collect();
    let start = Start {
        again: false,
        cwd: Vec::new(),
        uid: 0,
        gid: 0,
        spare: 0x3ffe,
        nofile: (1024, 4096),
        nproc: (u64::MAX, u64::MAX),
        args: words(&["supervisord", "-c", "/etc/s.conf"]),
        env: words(&["HOME=/home/alice", "PATH=/bin:/usr/bin", "X=1"]),
    };
    let facts = Facts {
        start,
        cwd: "/srv/app".to_owned(),
        node: "node1".to_owned(),
        cgroup: None,
        zone: Zone::Utc,
        descriptors: Some(1_000_000),
        missing: Vec::new(),
        current: None,
    };
    Run { files, facts }
}

impl Run {
    fn args(mut self, args: &[&str]) -> Self {
        self.facts.start.args = args.iter().map(|w| w.as_bytes().to_vec()).collect();
        self
    }

    fn more(mut self, args: &[&str]) -> Self {
        let more = args.iter().map(|w| w.as_bytes().to_vec());
        self.facts.start.args.extend(more);
        self
    }

    fn uid(mut self, uid: u32) -> Self {
        self.facts.start.uid = uid;
        self
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.files.insert(path.to_owned(), Ok(text.as_bytes().to_vec()));
        self
    }

    fn denied(mut self, path: &str, answer: Answer) -> Self {
        self.files.files.insert(path.to_owned(), Err(Denied::Answer(answer)));
        self
    }

    fn outcome(&mut self) -> Outcome {
        read(&self.facts, &mut self.files, &mut Machine)
    }

    fn ok(mut self) -> (Table, Settings) {
        match self.outcome() {
            Outcome::Accept(result) => *result,
            Outcome::Leave { stderr, .. } => panic!("{stderr}"),
            Outcome::Complain(complaints) => panic!("{complaints:?}"),
        }
    }

    /// The errors, each with its additions.
    fn errors(mut self) -> Vec<String> {
        match self.outcome() {
            Outcome::Accept(_) => panic!("accepted"),
            Outcome::Complain(complaints) => vec![complaints.fault],
            Outcome::Leave { status, stderr, .. } => {
                assert_eq!(status, 2);
                let body = stderr.strip_suffix("For help, use supervisord -h\n");
                let body = body.unwrap().strip_prefix("Error: ").unwrap();
                body.split("\nError: ").map(|e| e.trim_end().to_owned()).collect()
            }
        }
    }

    /// The first line of the one error.
    fn error(self) -> String {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        errors[0].lines().next().unwrap().to_owned()
    }
}

const BASE: &str = "[supervisord]\nuser=root\n";

fn entry(table: &Table, slot: u32) -> &Entry {
    table.entry(slot).unwrap()
}

fn log(table: &Table, n: u32) -> &LogFile {
    match table.log(n) {
        Some(Sink::File(log)) => log,
        other => panic!("{other:?}"),
    }
}

fn program(lines: &str) -> Run {
    run(&format!("{BASE}[program:a]\ncommand=/bin/cat\n{lines}\n"))
}

fn program_error(lines: &str) -> String {
    let error = program(lines).error();
    let suffix = " in section 'program:a' (file: '/etc/s.conf')";
    match error.strip_suffix(suffix) {
        Some(text) => text.to_owned(),
        None => panic!("{error}"),
    }
}

fn notes(settings: &Settings, level: Level) -> Vec<String> {
    let notes = settings.notes.iter().filter(|(l, _)| *l == level);
    notes.map(|(_, text)| text.clone()).collect()
}

fn texts(words: &[Vec<u8>]) -> Vec<String> {
    words.iter().map(|w| text::from_bytes(w)).collect()
}

#[path = "access_tests.rs"]
mod access;
#[path = "check_tests.rs"]
mod check;
#[path = "daemon_tests.rs"]
mod daemons;
#[path = "later_tests.rs"]
mod later;
#[path = "server_tests.rs"]
mod listeners;
#[path = "manual_tests.rs"]
mod manual;
#[path = "program_tests.rs"]
mod processes;
#[path = "reach_tests.rs"]
mod reach;
#[path = "file_tests.rs"]
mod reads;
#[path = "policy_tests.rs"]
mod report;
#[path = "section_tests.rs"]
mod sections;
#[path = "tls_tests.rs"]
mod tls;
#[path = "token_tests.rs"]
mod tokens;
