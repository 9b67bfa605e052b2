//! Whole readings over files, users and directories in memory.

use std::collections::BTreeMap;
use std::net::IpAddr;

use privsep::files::Answer;
use privsep::start::Start;
use privsep::table::{Entry, LogFile, Sink, Socket};

use super::*;
use crate::config::files::{Denied, Listing};
use crate::config::host::{Account, Kind, Look, Part, Who};
use crate::config::settings::{Autorestart, Level, Password, Zone};

const ENOENT: i32 = 2;

#[derive(Default)]
struct Memory {
    files: BTreeMap<String, Result<Vec<u8>, Denied>>,
    dirs: Vec<String>,
    asked: Vec<String>,
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
#[path = "later_tests.rs"]
mod later;
#[path = "manual_tests.rs"]
mod manual;
#[path = "reach_tests.rs"]
mod reach;
#[path = "policy_tests.rs"]
mod report;
#[path = "section_tests.rs"]
mod sections;

#[test]
fn defaults_of_the_daemon() {
    let (table, settings) = run("[supervisord]\n").ok();
    assert!(table.daemon && !table.stdout && table.activity_log);
    assert_eq!(table.umask, 0o22);
    assert_eq!(log(&table, 0).path, b"/srv/app/supervisord.log");
    assert_eq!((log(&table, 0).maxbytes, log(&table, 0).backups), (50 << 20, 10));
    assert_eq!(log(&table, 0).mode, 0o666);
    assert_eq!(table.pidfile.unwrap(), b"/srv/app/supervisord.pid");
    assert_eq!(table.nofile, Some((1024, 4096)));
    assert_eq!(table.nproc, None);
    let sweep = table.sweep.unwrap();
    assert_eq!((&sweep.directory[..], &sweep.infix[..]), (&b"/tmp"[..], &b"---supervisor-"[..]));
    assert_eq!(settings.identifier, "supervisor");
    assert_eq!(settings.activity.level, Level::Info);
    assert!(settings.boundary);
    assert_eq!(notes(&settings, Level::Critical).len(), 1);
    assert!(notes(&settings, Level::Critical)[0].starts_with("Supervisor is running as root."));
}

#[test]
fn the_daemons_keys() {
    let config = "[supervisord]\nuser=root\nlogfile=/var/log/s.log\nlogfile_maxbytes=1KB\nlogfile_backups=-3\n\
        loglevel=DEBUG\npidfile=~/s.pid\numask=077\nnodaemon=true\nsilent=false\nminfds=2000\nnocleanup=yes\n\
        childlogdir=/var/log\nidentifier=x\nsandbox=required\nbroker_user=bob\nenvironment=A=\"1\"\n";
    let (table, settings) = run(config).ok();
    assert!(!table.daemon && table.stdout && table.sandbox_required);
    assert_eq!((log(&table, 0).maxbytes, log(&table, 0).backups), (1024, 0));
    assert_eq!(table.pidfile.unwrap(), b"/home/alice/s.pid");
    assert_eq!(table.umask, 0o77);
    assert_eq!(table.nofile, Some((2000, 4096)));
    assert_eq!(table.sweep, None);
    assert_eq!(table.broker.unwrap().uid, 1001);
    assert_eq!(settings.activity.level, Level::Debug);
    assert!(settings.activity.stdout);
    assert_eq!(
        notes(&settings, Level::Info),
        ["Set uid to user 0 succeeded", "Increased RLIMIT_NOFILE limit to 2000"]
    );
    assert!(notes(&settings, Level::Critical).is_empty());
}

#[test]
fn the_command_line_overrides_the_file() {
    let (table, settings) = run("[supervisord]\nlogfile=/var/log/a.log\nloglevel=info\n")
        .more(&[
            "-n",
            "-s",
            "-l",
            "/tmp/b.log",
            "-e",
            "error",
            "--minp",
            "7",
            "-y",
            "2MB",
            "-i",
            "me",
            "-u",
            "bob",
        ])
        .ok();
    assert!(!table.daemon && !table.stdout);
    assert_eq!(log(&table, 0).path, b"/tmp/b.log");
    assert_eq!(log(&table, 0).maxbytes, 2 << 20);
    assert_eq!(settings.activity.level, Level::Error);
    assert_eq!(settings.identifier, "me");
    assert_eq!(table.user.unwrap().uid, 1001);
    assert_eq!(table.broker, None);
    assert!(!settings.boundary);
    assert_eq!(notes(&settings, Level::Info), ["Set uid to user 1001 succeeded"]);
}

#[test]
fn usage_errors() {
    for (args, text) in [
        (&["-e", "foo"][..], "invalid value for -e 'foo': bad logging level name 'foo'"),
        (&["-c", "x"], "conflicting command line option '-c'"),
        (&["--bogus"], "option --bogus not recognized"),
        (&["foo", "bar"], "positional arguments are not supported: ['foo', 'bar']"),
        (&["-d", "/no"], "invalid value for -d '/no': /no is not an existing directory"),
        (&["-d", ""], "invalid value for -d '':  is not an existing directory"),
        (&["-a", "x"], "invalid value for -a 'x': invalid literal for int() with base 10: 'x'"),
    ] {
        assert_eq!(run("").more(args).error(), text);
    }
    let print = |args: &[&str]| match run("").args(args).outcome() {
        Outcome::Leave { status: 0, stdout, .. } => stdout,
        other => panic!("{other:?}"),
    };
    assert_eq!(print(&["supervisord", "-v"]), "4.3.0\n");
    assert!(print(&["sd", "--help"]).contains("Usage: sd [options]"));
}

#[test]
fn the_search_path() {
    let none = run("").args(&["/opt/bin/supervisord"]).uid(1000).outcome();
    let Outcome::Leave { stderr, status: 2, .. } = none else {
        panic!("{none:?}");
    };
    assert_eq!(
        stderr.lines().next().unwrap(),
        "Error: No config file found at default paths (/opt/etc/supervisord.conf, /opt/supervisord.conf, \
         supervisord.conf, etc/supervisord.conf, /etc/supervisord.conf, /etc/supervisor/supervisord.conf); use the \
         -c option to specify a config file at a different path"
    );
    let here = || run("").file("/srv/app/supervisord.conf", "[supervisord]\n");
    here().args(&["supervisord"]).uid(1000).ok();
    // As root the current directory is nobody's word.
    let mut root = here().args(&["supervisord"]);
    assert!(matches!(root.outcome(), Outcome::Leave { status: 2, .. }));
    let asked = ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
    assert_eq!(root.files.asked, asked);
    here().args(&["supervisord", "-c", "supervisord.conf"]).ok();
}

#[test]
fn files_that_are_not_there_or_not_safe() {
    let with = |answer| run("").denied("/etc/s.conf", answer).errors();
    assert_eq!(with(Answer::Errno(ENOENT)), ["could not find config file /etc/s.conf"]);
    assert!(with(Answer::Errno(13))[0].starts_with("could not read config file /etc/s.conf\n"));
    assert!(with(Answer::Kind)[0].starts_with("could not read config file /etc/s.conf\n"));
    let refused = &with(Answer::Unsafe { upto: 4, uid: 1000, mode: 0o40775 })[0];
    let lines: Vec<&str> = refused.lines().collect();
    assert_eq!(lines[0], "could not read config file /etc/s.conf");
    assert_eq!(
        lines[1],
        "  /etc belongs to alice (uid 1000) and has mode 0775: others than root could change what is run"
    );
    assert_eq!(lines[2], "  put it right with: chown root: /etc && chmod go-w /etc");
}

#[test]
fn all_errors_come_at_once_with_their_places() {
    let errors = run(
        "[supervisord]\nuser=root\nminfds=x\nnodaemon=maybe\n[program:a]\ncommand=/bin/cat\nstartsecs=abc\n\
         stopsignal=FOO\n[program:b]\n[unix_http_server]\nchmod=9\n",
    )
    .errors();
    assert_eq!(
        errors,
        [
            "invalid literal for int() with base 10: 'x'\n  /etc/s.conf:3: [supervisord] minfds",
            "not a valid boolean value: 'maybe'\n  /etc/s.conf:4: [supervisord] nodaemon",
            "invalid literal for int() with base 10: 'abc' in section 'program:a' (file: '/etc/s.conf')\n  \
             /etc/s.conf:7: [program:a] startsecs",
            "value 'FOO' is not a valid signal name in section 'program:a' (file: '/etc/s.conf')\n  \
             /etc/s.conf:8: [program:a] stopsignal",
            "program section program:b does not specify a command in section 'program:b' (file: '/etc/s.conf')\n  \
             /etc/s.conf:9: [program:b] command",
            "section [unix_http_server] has no file value\n  /etc/s.conf:10: [unix_http_server] file",
            "Invalid chmod value 9\n  /etc/s.conf:11: [unix_http_server] chmod",
        ]
    );
}

#[test]
fn parse_errors_stop_before_the_sections() {
    assert_eq!(
        run("[supervisord]\nautostart\n").errors(),
        [
            "Source contains parsing errors: '/etc/s.conf'\n\t[line  2]: 'autostart\\n'\n  /etc/s.conf:2"
        ]
    );
    assert_eq!(
        run("[program:a]\ncommand=x\n").error(),
        ".ini file does not include supervisord section"
    );
}

#[test]
fn a_program_with_defaults() {
    let (table, settings) = run("[supervisord]\n[program:a]\ncommand=cat -u \"x y\"\n").ok();
    let (entry, process) = (entry(&table, 0), &settings.processes[&0]);
    assert_eq!(texts(&entry.argv), ["cat", "-u", "x y"]);
    assert_eq!(texts(&entry.executables), ["/bin/cat", "/usr/bin/cat"]);
    assert_eq!(
        texts(&entry.env),
        ["SUPERVISOR_ENABLED=1", "SUPERVISOR_GROUP_NAME=a", "SUPERVISOR_PROCESS_NAME=a"]
    );
    assert_eq!(
        (entry.identity.as_ref(), entry.umask, entry.directory.as_ref()),
        (None, None, None)
    );
    assert_eq!((entry.stop_signal, entry.stop_wait, entry.wave), (15, 10_000, 999));
    let (out, err) = (log(&table, 1), log(&table, 2));
    let out_path = text::from_bytes(&out.path);
    let random = out_path
        .strip_prefix("/tmp/a-stdout---supervisor-")
        .and_then(|p| p.strip_suffix(".log"))
        .unwrap();
    assert_eq!(random.len(), 8);
    assert!(out.auto && err.auto && out.mode == 0o600);
    assert_ne!(out.path, err.path);
    assert_eq!((process.startsecs, process.startretries, process.stopwaitsecs), (1, 3, 10));
    assert_eq!(process.autorestart, Autorestart::Unexpected);
    assert_eq!(process.exitcodes, [0]);
    assert!(process.autostart && process.command_error.is_none());
    assert_eq!(settings.groups[0].name, "a");
    assert_eq!(texts(&table.env), ["HOME=/home/alice", "PATH=/bin:/usr/bin", "X=1"]);
}

#[test]
fn a_program_with_everything() {
    let (table, settings) = program(
        "process_name=p%(process_num)02d\nnumprocs=2\nnumprocs_start=5\npriority=5\nautostart=no\nautorestart=true\n\
         startsecs=-1\nstartretries=0\nexitcodes=0,2\nstopsignal=HUP\nstopwaitsecs=3\nstopasgroup=true\nuser=alice\n\
         umask=027\ndirectory=/srv/%(process_num)d\nenvironment=N=\"%(process_num)d\",PATH=/opt\n\
         redirect_stderr=true\nstdout_logfile=/var/log/%(ENV_N)s.log\nserverurl=http://x\n\
         stdout_logfile_backups=2\nstdout_logfile_maxbytes=0",
    )
    .ok();
    assert_eq!(table.entries.len(), 2);
    let (entry, process) = (entry(&table, 1), &settings.processes[&1]);
    assert_eq!(process.name, "p06");
    assert_eq!(entry.directory.as_deref(), Some(&b"/srv/6"[..]));
    assert_eq!(entry.umask, Some(0o27));
    assert!(entry.stop_group && entry.kill_group && entry.redirect_stderr);
    assert_eq!((entry.stop_signal, entry.stop_wait, entry.wave), (1, 3000, 5));
    assert_eq!(entry.identity.as_ref().unwrap().groups, [100, 4]);
    assert_eq!(
        texts(&entry.env),
        [
            "N=6",
            "PATH=/opt",
            "SUPERVISOR_ENABLED=1",
            "SUPERVISOR_GROUP_NAME=a",
            "SUPERVISOR_PROCESS_NAME=p06",
            "SUPERVISOR_SERVER_URL=http://x"
        ]
    );
    let log = log(&table, entry.stdout_log.unwrap());
    assert_eq!((&log.path[..], log.maxbytes, log.backups), (&b"/var/log/6.log"[..], 0, 2));
    assert_eq!(entry.stderr_log, None);
    assert_eq!(process.uid, Some(1000));
    assert_eq!(settings.groups[0].priority, 5);
}

#[test]
fn program_errors_have_the_references_texts() {
    for (lines, text) in [
        ("autostart=foo", "not a valid boolean value: 'foo'"),
        ("autorestart=foo", "invalid 'autorestart' value 'foo'"),
        ("exitcodes=a", "not a valid list of exit codes: 'a'"),
        ("user=mallory", "Invalid user name mallory"),
        ("user=99999", "Invalid user id 99999"),
        ("umask=9", "9 can not be converted to an octal type"),
        ("process_name=a b", "Invalid name: 'a b' because of character: ' '"),
        ("numprocs=2", "%(process_num) must be present within process_name when numprocs > 1"),
        (
            "stopasgroup=true\nkillasgroup=false",
            "Cannot set stopasgroup=true and killasgroup=false",
        ),
        (
            "stdout_logfile=/no/x.log",
            "The directory named as part of the path /no/x.log does not exist",
        ),
        (
            "stdout_logfile=/tmp/a%%b.log",
            "Format string '/tmp/a%b.log' for 'stdout_logfile' is badly formatted: unsupported format character 'b' \
             (0x62) at index 7",
        ),
        (
            "directory=%(x",
            "Format string '%(x' for 'program:a.directory' is badly formatted: incomplete format key",
        ),
        // Expansion brings in what a name must not have.
        (
            "environment=A=\"b c\"\nprocess_name=%(ENV_A)s",
            "Invalid name: 'b c' because of character: ' '",
        ),
    ] {
        assert_eq!(program_error(lines), text, "{lines}");
    }
    // Read for the group and for the process, reported once, as the group's.
    assert_eq!(program("priority=x").error(), "invalid literal for int() with base 10: 'x'");
    assert!(
        program_error("command=date +%s").contains("badly formatted: %s without a name"),
        "the mapping must not be printed"
    );
    let secret = program_error("environment=KEY=hunter2,X");
    assert!(!secret.contains("hunter2"), "{secret}");
}

#[test]
fn names_that_expansions_may_use() {
    let available = |lines: &str| {
        let error = program_error(lines);
        let (_, names) = error.split_once("Available names: ").unwrap();
        names.replace("ENV_HOME, ENV_PATH, ENV_X, ", "E ")
    };
    assert_eq!(available("startsecs=%(z)s"), "E group_name, here, host_node_name, program_name");
    assert_eq!(
        available("directory=%(z)s"),
        "E group_name, here, host_node_name, numprocs, process_num, program_name"
    );
    let (table, _) = program("directory=%(here)s/%(host_node_name)s/%(group_name)s").ok();
    assert_eq!(entry(&table, 0).directory.as_deref(), Some(&b"/etc/node1/a"[..]));
}

#[test]
fn commands_that_cannot_be_parsed_fail_at_start_not_here() {
    for (command, error) in [
        ("/bin/sh -c 'x", "can't parse command \"/bin/sh -c 'x\": No closing quotation"),
        ("", "command is empty"),
    ] {
        let (table, settings) = run(&format!("{BASE}[program:a]\ncommand={command}\n")).ok();
        assert_eq!(settings.processes[&0].command_error.as_deref(), Some(error));
        assert!(entry(&table, 0).argv.is_empty());
    }
}

#[test]
fn search_for_the_executable() {
    let find = |command: &str, lines: &str| {
        let (table, _) = run(&format!("{BASE}{lines}\n[program:a]\ncommand={command}\n")).ok();
        texts(&entry(&table, 0).executables)
    };
    assert_eq!(find("bin/x y", ""), ["bin/x"]);
    assert_eq!(find("x", "environment=PATH=\"/a:\""), ["/a/x", "x"]);
    let mut none = run(&format!("{BASE}[program:a]\ncommand=x\n"));
    none.facts.start.env = vec![b"PATH=".to_vec()];
    assert_eq!(
        texts(&entry(&none.ok().0, 0).executables),
        ["/bin/x", "/usr/bin/x", "/usr/local/bin/x"]
    );
}

#[test]
fn groups_and_their_order() {
    let (table, settings) = run(&format!(
        "{BASE}[program:z]\ncommand=z\npriority=1\n[program:a]\ncommand=a\n[program:c]\ncommand=c\nnumprocs=2\n\
         process_name=c%(process_num)d\npriority=7\n[group:g]\nprograms=c,a\npriority=7\n[group:h]\nprograms=a\n\
         [group:empty]\nprograms=\n"
    ))
    .ok();
    let all: Vec<(&str, i64, Vec<&str>)> = settings
        .groups
        .iter()
        .map(|g| {
            let names = g.slots.iter().map(|s| settings.processes[s].name.as_str());
            (g.name.as_str(), g.priority, names.collect())
        })
        .collect();
    assert_eq!(
        all,
        [
            ("z", 1, vec!["z"]),
            ("g", 7, vec!["c0", "c1", "a"]),
            ("empty", 999, vec![]),
            ("h", 999, vec!["a"]),
        ]
    );
    assert_eq!(entry(&table, 1).wave, 7);
    assert!(texts(&entry(&table, 3).env).contains(&"SUPERVISOR_GROUP_NAME=g".to_owned()));
    assert_eq!(settings.processes[&4].group, settings.groups[3].name);
}

#[test]
fn group_errors() {
    let error = |lines: &str| run(&format!("{BASE}[program:a]\ncommand=a\n{lines}\n")).error();
    assert_eq!(error("[group:g]\nprograms=x"), "[group:g] names unknown program or fcgi-program x");
    assert_eq!(
        error(
            "[fcgi-program:a]\ncommand=a\nsocket=tcp://*:1\nprocess_name=b\n[group:g]\nprograms=a"
        ),
        "[group:g] name a is ambiguous (exists as program and fcgi-program)"
    );
    assert!(error("[program: a ]\ncommand=b").starts_with("there are two groups named a;"));
    assert!(
        error("[program:b]\ncommand=b\nprocess_name=a\n[group:g]\nprograms=a,b")
            .starts_with("two processes of group g are named a;")
    );
    assert_eq!(error("[group:g h]\nprograms="), "Invalid name: 'g h' because of character: ' '");
}

#[test]
fn templates_without_processes_are_accepted() {
    for number in ["0", "-3"] {
        let (table, settings) = program(&format!("numprocs={number}")).ok();
        assert!(table.entries.is_empty());
        assert_eq!(settings.groups.len(), 1);
    }
    assert!(program_error("numprocs=99999999\nprocess_name=%(process_num)d").contains("limit"));
}

#[test]
fn every_section_that_begins_so_is_a_server_and_has_names_of_its_own() {
    let (_, settings) = run(&format!(
        "{BASE}[unix_http_server:b]\nfile=/b\n[inet_http_server:x]\nport=[::1]:1\nallowed_hosts= Web.Example , other\n\
         [unix_http_server]\nfile=/a\n[inet_http_server2]\nport=127.0.0.2:2\nallowed_hosts=\n"
    ))
    .ok();
    let found: Vec<(&str, u32, Vec<&str>)> = (settings.servers.iter())
        .map(|s| (&*s.section, s.socket, s.hosts.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        found,
        [
            ("inet_http_server:x", 0, vec!["node1", "node1.example.com", "other", "web.example"]),
            ("inet_http_server2", 1, vec!["node1", "node1.example.com"]),
            ("unix_http_server:b", 2, vec![]),
            ("unix_http_server", 3, vec![]),
        ]
    );
    for bad in ["http://web", "web:9001", "a b", "[::1]", "user@web"] {
        let text = format!("{BASE}[inet_http_server]\nport=1\nallowed_hosts=web1, {bad}\n");
        let error = run(&text).error();
        assert!(error.contains("allowed_hosts has names alone"), "{error}");
    }
}

#[test]
fn servers_of_both_internet_protocols() {
    for (port, address, url) in [
        ("9001", 0, "http://localhost:9001"),
        (":9001", 0, "http://localhost:9001"),
        ("*:9001", 0, "http://localhost:9001"),
        ("[::]:9001", 0, "http://localhost:9001"),
        ("0.0.0.0:9001", 0xffff_0000_0000, "http://0.0.0.0:9001"),
        ("[::1]:9001", 1, "http://[::1]:9001"),
        ("[FD00::6]:9001", 0xfd00 << 112 | 6, "http://[fd00::6]:9001"),
        ("[::ffff:10.0.0.1]:9001", 0xffff_0a00_0001, "http://[::ffff:10.0.0.1]:9001"),
        ("sixhost:9001", 0xfd00 << 112 | 6, "http://sixhost:9001"),
    ] {
        let text = format!(
            "{BASE}[inet_http_server]\nport={port}\ninsecure_no_auth=true\n[program:a]\ncommand=a\n"
        );
        let (table, _) = run(&text).ok();
        assert_eq!(table.sockets, [Socket::Tcp { address, port: 9001 }], "{port}");
        let url = format!("SUPERVISOR_SERVER_URL={url}");
        assert!(table.entries[0].as_ref().unwrap().env.contains(&url.into_bytes()), "{port}");
    }
    for port in ["::1:9001", "[::1:9001", "[localhost]:9001", "[]:9001", "nohost:9001"] {
        let errors = run(&format!("{BASE}[inet_http_server]\nport={port}\n")).errors();
        assert_eq!(errors.len(), 1, "{port}: {errors:?}");
    }
}

#[test]
fn servers() {
    let (table, settings) = run(&format!(
        "{BASE}[unix_http_server]\nfile= ~/s.sock\nchmod=0770\nchown=alice:staff\nusername=u\npassword=p\n\
         [inet_http_server:x]\nport=myhost:9001\nusername=u\npassword={{SHA}}abc\n[inet_http_server]\nport=*:80\n\
         insecure_no_auth=yes\n[program:a]\ncommand=a\n"
    ))
    .ok();
    assert_eq!(
        table.sockets,
        [
            Socket::Tcp { address: 0xffff_0a00_0001, port: 9001 },
            Socket::Tcp { address: 0, port: 80 },
            Socket::Unix {
                path: b"/home/alice/s.sock".to_vec(),
                mode: 0o770,
                uid: Some(1000),
                gid: Some(50)
            },
        ]
    );
    assert_eq!(settings.servers[0].section, "inet_http_server:x");
    assert_eq!(
        settings.servers[0].credentials,
        Some(("u".to_owned(), Password::Sha1("abc".to_owned())))
    );
    assert_eq!(settings.servers[1].credentials, None);
    assert_eq!(settings.servers[2].socket, 2);
    let url = "SUPERVISOR_SERVER_URL=unix:///home/alice/s.sock".to_owned();
    assert!(texts(&entry(&table, 0).env).contains(&url));
    let (table, _) = run(&format!(
        "{BASE}[inet_http_server]\nport=127.1.2.3:1\n[inet_http_server:b]\nport=[::1]:2\n[inet_http_server:c]\nport=3\n\
         [program:a]\ncommand=a\n"
    ))
    .ok();
    // One that is not opened is none.
    let url = "SUPERVISOR_SERVER_URL=http://[::1]:2".to_owned();
    assert!(texts(&entry(&table, 0).env).contains(&url));
}

#[test]
fn server_errors() {
    for (lines, text) in [
        ("[inet_http_server]", "section [inet_http_server] has no port value"),
        ("[inet_http_server]\nport=x", "not a valid port number: 'x' "),
        (
            "[inet_http_server]\nport=nohost:1",
            "Cannot open an HTTP server: socket.error reported -2",
        ),
        ("[unix_http_server]\nfile=/s\nchown=x", "Invalid sockchown value x"),
        (
            "[unix_http_server]\nfile=/s\nusername=u",
            "Section [unix_http_server] contains incomplete authentication: If a username or a password is \
             specified, both the username and password must be specified",
        ),
    ] {
        assert_eq!(run(&format!("{BASE}{lines}\n")).error(), text);
    }
    let long = format!("{BASE}[unix_http_server]\nfile=/{}\n", "x".repeat(107));
    assert!(run(&long).error().ends_with("AF_UNIX path too long"));
    let secret =
        run(&format!("{BASE}[inet_http_server]\nport=1\nusername=u\npassword=hunter2%\n")).error();
    assert!(!secret.contains("hunter2"));
    let (_, settings) =
        run(&format!("{BASE}[inet_http_server]\nport=127.0.0.1:1\nusername=\npassword=\n")).ok();
    assert_eq!(settings.servers[0].credentials, None);
}

#[test]
fn includes() {
    let (table, settings) = run(&format!(
        "{BASE}[include]\nfiles=conf.d/*.ini none/*.conf\n  /etc/one.conf sub/*/x.conf %(host_node_name)s.conf\n\
         [program:m]\ncommand=%(here)s/m\n"
    ))
    .file("/etc/conf.d/b.ini", "[program:b]\ncommand=%(here)s/b\n[include]\nfiles=/etc/never.conf\n")
    .file("/etc/conf.d/a.ini", "[supervisord]\nloglevel=error\n")
    .file("/etc/conf.d/.hidden.ini", "[program:h]\ncommand=h\n")
    .file("/etc/never.conf", "[program:n]\ncommand=n\n")
    .file("/etc/one.conf", "[program:m]\npriority=2\n")
    .file("/etc/sub/q/x.conf", "[program:q]\ncommand=%(here)s/q\n")
    .denied("/etc/node1.conf", Answer::Errno(13))
    .ok();
    assert_eq!(
        notes(&settings, Level::Info),
        [
            "Included extra file \"/etc/conf.d/a.ini\" during parsing",
            "Included extra file \"/etc/conf.d/b.ini\" during parsing",
            "Included extra file \"/etc/one.conf\" during parsing",
            "Included extra file \"/etc/sub/q/x.conf\" during parsing",
            "Included extra file \"/etc/node1.conf\" during parsing",
            "Set uid to user 0 succeeded",
        ]
    );
    assert_eq!(notes(&settings, Level::Warn), ["No file matches via include \"/etc/none/*.conf\""]);
    let commands: Vec<String> =
        table.entries.iter().flatten().map(|e| texts(&e.argv).remove(0)).collect();
    assert_eq!(commands, ["/etc/m", "/etc/conf.d/b", "/etc/sub/q/q"]);
    assert_eq!(settings.activity.level, Level::Error);
}

#[test]
fn include_errors() {
    assert_eq!(
        run(&format!("{BASE}[include]\n")).error(),
        ".ini file has [include] section, but no files setting"
    );
    let errors = run(&format!("{BASE}[include]\nfiles=*.ini\n"))
        .file("/etc/a.ini", "[program:a]\nbad\n")
        .file("/etc/b.ini", "bad\n")
        .denied("/etc/c.ini", Answer::Unsafe { upto: 10, uid: 77, mode: 0o100666 })
        .errors();
    assert_eq!(errors.len(), 3);
    assert!(errors[0].contains("'/etc/a.ini'") && errors[1].contains("'/etc/b.ini'"));
    assert!(errors[2].contains("/etc/c.ini belongs to uid 77 and has mode 0666"));
    let value = run(&format!("{BASE}[include]\nfiles=a.ini\n"))
        .file("/etc/a.ini", "\n[program:a]\ncommand=x\nstartsecs=y\n")
        .errors();
    assert_eq!(
        value,
        [
            "invalid literal for int() with base 10: 'y' in section 'program:a' (file: '/etc/a.ini')\n  \
             /etc/a.ini:4: [program:a] startsecs"
        ]
    );
}

#[test]
fn users_and_the_broker() {
    // Not root: nothing of its own for the broker, and no change of user.
    let (table, settings) = run("[supervisord]\n").uid(1000).ok();
    assert!(table.broker.is_none() && table.user.is_none() && !settings.boundary);
    assert!(notes(&settings, Level::Critical).is_empty());
    assert_eq!(
        run("[supervisord]\nuser=bob\n").uid(1000).error(),
        "Can't drop privilege as nonroot user"
    );
    let (table, settings) = run("[supervisord]\nuser=alice\n").uid(1000).ok();
    assert!(table.user.is_none());
    assert_eq!(notes(&settings, Level::Info), ["Set uid to user 1000 succeeded"]);
    let foreign =
        "[supervisord]\n[program:a]\ncommand=a\nuser=bob\n[program:b]\ncommand=b\nuser=alice\n";
    let (table, _) = run(foreign).uid(1000).ok();
    assert_eq!(entry(&table, 0).identity.as_ref().unwrap().uid, 1001);
    assert_eq!(entry(&table, 1).identity, None);
    assert_eq!(run("[supervisord]\nuser=x\n").error(), "Invalid user name x");
    // The first spare id that the start record has free.
    let (table, _) = run(BASE).ok();
    let broker = table.broker.unwrap();
    assert_eq!((broker.uid, broker.gid, broker.groups), (65_521, 65_521, vec![]));
    for user in ["root", "65534", "alice"] {
        let config = format!("{BASE}broker_user={user}\n[program:a]\ncommand=a\nuser=alice\n");
        let error = run(&config).error();
        assert!(error.starts_with(&format!("broker_user {user} cannot be")), "{error}");
    }
    let (table, _) = run(&format!("{BASE}broker_user=7777\n")).ok();
    assert_eq!(table.broker.unwrap().uid, 7777);
    let mut full = run(BASE);
    full.facts.start.spare = 0;
    assert!(full.error().starts_with("there is no user for the broker"));
}

#[test]
fn limits_that_cannot_be_had() {
    let error = run("[supervisord]\nminfds=5000\n").uid(1000).error();
    assert!(
        error.starts_with(
            "The minimum number of file descriptors required to run this process is 5000 as per the \"minfds\" "
        ),
        "{error}"
    );
    let (table, _) = run("[supervisord]\nminfds=5000\n").ok();
    assert_eq!(table.nofile, Some((5000, 5000)));
}

#[test]
fn logs_that_share_a_path_share_a_number() {
    let (table, settings) = run(
        "[supervisord]\nuser=root\ndirectory=/tmp\nlogfile=/var/log/d.log\n[program:a]\ncommand=a\n\
         stdout_logfile=x.log\nstderr_logfile=/tmp/./x.log\n[program:b]\ncommand=b\nstdout_logfile=/var/log/d.log\n\
         stderr_logfile=NONE\n[program:c]\ncommand=c\nstdout_logfile=\nstderr_logfile=off\n",
    )
    .ok();
    let paths: Vec<String> =
        (0..).zip(&table.logs).map(|(n, _)| text::from_bytes(&log(&table, n).path)).collect();
    assert_eq!(paths, ["/var/log/d.log", "/tmp/x.log"]);
    assert_eq!(settings.logs[&1].path, "x.log");
    let logs: Vec<_> =
        table.entries.iter().flatten().map(|e| (e.stdout_log, e.stderr_log)).collect();
    assert_eq!(logs, [(Some(1), Some(1)), (Some(0), None), (None, None)]);
    assert_eq!(table.directory.as_deref(), Some(&b"/tmp"[..]));
    // In the foreground nobody changes directory.
    let (table, _) = run(
        "[supervisord]\nnodaemon=1\ndirectory=/tmp\n[program:a]\ncommand=a\nstdout_logfile=x.log\n",
    )
    .ok();
    assert_eq!(log(&table, 1).path, b"/srv/app/x.log");
    assert_eq!(table.directory, None);
}

#[test]
fn warnings() {
    let (_, settings) = run(
        "[supervisord]\nuser=root\nautstart=1\n[program:a]\ncommand=a;b ; c # d\nstdout_logfile=syslog\n\
         stderr_logfile=/tmp/x\nredirect_stderr=true\nautostrat=true\n[program:b]\ncommand=b\n\
         stdout_logfile_maxbytes=0\n[Program:c]\ncommand=c\n[rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n[supervisorctl]\n\
         promt=x\n[group:g]\nprogramms=b\n[foo]\nbar=100%\n",
    )
    .ok();
    assert_eq!(
        notes(&settings, Level::Warn),
        [
            "For [program:a], stdout_logfile=syslog but this is deprecated and will be removed.  Use \
             stdout_syslog=true to enable syslog instead.",
            "For [program:a], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename \
             has been ignored",
            "For [program:b], AUTO logging used for stdout_logfile without rollover, set maxbytes > 0 to avoid \
             filling up filesystem unintentionally",
            "/etc/s.conf:5: Python releases before 3.13 find another comment on this line; put comments on lines of \
             their own",
            "/etc/s.conf:3: [supervisord] autstart is not known and has no effect",
            "/etc/s.conf:13: [Program:c] is not known and has no effect; did you mean [program:c]?",
            "/etc/s.conf:18: [supervisorctl] promt is not known and has no effect; did you mean prompt?",
            "/etc/s.conf:21: [foo] is not known and has no effect",
            "/etc/s.conf:20: [group:g] programms is not known and has no effect; did you mean programs?",
            "/etc/s.conf:9: [program:a] autostrat is not known and has no effect; did you mean autostart?",
        ]
    );
}

#[test]
fn the_daemons_environment_is_expanded_twice_or_once() {
    let env = |value: &str| {
        let (table, _) = run(&format!(
            "{BASE}environment={value}\n[program:a]\ncommand=a\ndirectory=%(ENV_A)s\n"
        ))
        .ok();
        text::from_bytes(entry(&table, 0).directory.as_ref().unwrap())
    };
    assert_eq!(env("A=\"50%%%%\""), "50%");
    assert_eq!(env("A=\"50%%\""), "50%");
    assert_eq!(env("A=\"%(host_node_name)s\""), "node1");
    assert_eq!(env("A=\"%(here)s%(ENV_X)s\""), "/etc1");
}

#[test]
fn bytes_that_are_no_text_reach_the_program() {
    let mut raw = program("directory=/x%(ENV_R)s");
    raw.facts.start.env.push(b"R=\xff\xfe".to_vec());
    let (table, settings) = raw.ok();
    assert_eq!(entry(&table, 0).directory.as_deref(), Some(&b"/x\xff\xfe"[..]));
    assert_eq!(settings.processes[&0].directory.as_deref(), Some("/x\u{fffd}\u{fffd}"));
    assert_eq!(table.env.last().unwrap(), b"R=\xff\xfe");
}

#[test]
fn identifiers_cannot_lead_logs_elsewhere() {
    let error = run("[supervisord]\nuser=root\nidentifier=../x\n[program:a]\ncommand=a\n").error();
    assert!(error.starts_with("identifier '../x' cannot be part"), "{error}");
    let (table, _) = run("[supervisord]\nuser=root\nidentifier=../x\n").ok();
    assert_eq!(table.sweep, None);
}

#[test]
fn thousands_of_programs_are_read_in_time() {
    let mut config = BASE.to_owned();
    for n in 0..3_000 {
        config.push_str(&format!("[program:p{n}]\ncommand=/bin/cat {n}\nuser=alice\n"));
    }
    let (table, settings) = run(&config).ok();
    assert_eq!((table.entries.len(), settings.groups.len()), (3_000, 3_000));
}
