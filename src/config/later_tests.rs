//! Later readings: what is in force keeps its numbers.

use privsep::frame::Wire;

use super::*;
use crate::config::merge;
use crate::config::python::Random;
use crate::config::settings::Of;

const CONFIG: &str = "[supervisord]\nuser=root\n[unix_http_server]\nfile=/s\n[program:a]\ncommand=a\n\
    stdout_syslog=true\n[program:b]\ncommand=b\nnumprocs=2\nprocess_name=b%(process_num)d\n\
    stdout_logfile=/tmp/b\nstderr_logfile=/tmp/b\nsockets=tcp://*:80\n[fcgi-program:f]\ncommand=f\n\
    socket=unix:///f\nredirect_stderr=true\n";

/// A later reading on top of a table.
fn later(current: &Table, config: &str) -> (Table, Settings) {
    let mut run = run(config);
    run.facts.start.again = true;
    run.facts.current = Some(current.clone());
    let (table, settings) = run.ok();
    assert!(table.keeps(current));
    let bytes = settings.encode().unwrap();
    assert_eq!(Settings::decode(&bytes).as_ref(), Some(&settings));
    (table, settings)
}

/// What the spawner does when a slot is retired.
fn retire(table: &mut Table, slot: u32) {
    let at = usize::try_from(slot).unwrap();
    let old = table.entries[at].take().unwrap();
    let left = || table.entries.iter().flatten();
    let (mut logs, mut sockets) = (Vec::new(), Vec::new());
    for log in old.stdout_log.into_iter().chain(old.stderr_log) {
        let used = left().any(|e| [e.stdout_log, e.stderr_log].contains(&Some(log)));
        if !used && log != 0 {
            logs.push(log);
        }
    }
    for socket in old.stdin.into_iter().chain(old.listen) {
        if !left().any(|e| e.stdin == Some(socket) || e.listen.contains(&socket)) {
            sockets.push(socket);
        }
    }
    for n in logs {
        table.logs[usize::try_from(n).unwrap()] = None;
    }
    for n in sockets {
        table.shared[usize::try_from(n).unwrap()] = None;
    }
}

/// Retires all slots that the settings do not have.
fn retire_others(table: &mut Table, settings: &Settings) {
    for slot in 0..u32::try_from(table.entries.len()).unwrap() {
        if table.entry(slot).is_some() && !settings.processes.contains_key(&slot) {
            retire(table, slot);
        }
    }
}

#[test]
fn an_unchanged_configuration_changes_nothing() {
    let (table, first) = run(CONFIG).ok();
    let (again, settings) = later(&table, CONFIG);
    assert_eq!(again, table);
    assert_eq!(settings.processes, first.processes);
    assert_eq!(settings.groups, first.groups);
    assert_eq!(settings.logs, first.logs);
    assert_eq!(settings.servers, first.servers);
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
    assert!(settings.boundary);
}

#[test]
fn a_changed_program_gets_a_new_slot_and_keeps_what_it_can() {
    let (table, first) = run(CONFIG).ok();
    let (again, settings) = later(&table, &CONFIG.replace("command=a\n", "command=a 2\n"));
    assert_eq!(again.entries.len(), table.entries.len() + 1);
    assert_eq!(settings.group("a").unwrap().slots, [4]);
    assert_eq!(settings.group("b").unwrap(), first.group("b").unwrap());
    // The automatic logs go on under their names and numbers.
    let (old, new) = (entry(&table, 0), entry(&again, 4));
    assert_eq!((old.stdout_log, old.stderr_log), (new.stdout_log, new.stderr_log));
    assert_eq!(again.logs, table.logs);
    assert_eq!(settings.processes[&4].stdout, first.processes[&0].stdout);
    // Other limits make it another log.
    let config = CONFIG.replace("command=a\n", "command=a\nstderr_logfile_backups=2\n");
    let (again, _) = later(&table, &config);
    let new = entry(&again, 4);
    assert_eq!(new.stdout_log, old.stdout_log);
    assert_ne!(new.stderr_log, old.stderr_log);
    // Sockets and files stay with a program that is changed otherwise.
    let (again, settings) = later(&table, &CONFIG.replace("command=b\n", "command=b 2\n"));
    let slots = &settings.group("b").unwrap().slots;
    assert_eq!(slots, &[4, 5]);
    for slot in slots {
        assert_eq!(entry(&again, *slot).listen, entry(&table, 1).listen);
        assert_eq!(entry(&again, *slot).stdout_log, entry(&table, 1).stdout_log);
    }
    assert_eq!((&again.logs, &again.shared), (&table.logs, &table.shared));
    let (again, settings) = later(&table, &CONFIG.replace("unix:///f", "unix:///g"));
    let slot = settings.group("f").unwrap().slots[0];
    assert_eq!((slot, entry(&again, slot).stdin), (4, Some(2)));
    assert_eq!(settings.group("f").unwrap().of, Of::FastCgi { socket: "unix:///g".into() });
}

#[test]
fn what_is_removed_stays_until_it_is_retired() {
    let (table, _) = run(CONFIG).ok();
    let fewer = CONFIG.replace("numprocs=2", "numprocs=1");
    let (mut again, settings) = later(&table, &fewer);
    assert_eq!(again.entries, table.entries);
    assert_eq!(settings.group("b").unwrap().slots, [1]);
    assert!(!settings.processes.contains_key(&2));
    // The same program comes back before it is retired, and after.
    let (back, settings) = later(&again, CONFIG);
    assert_eq!((back.entries.len(), settings.group("b").unwrap().slots.len()), (4, 2));
    retire(&mut again, 2);
    let (back, settings) = later(&again, CONFIG);
    assert_eq!(back, table);
    assert_eq!(settings.group("b").unwrap().slots, [1, 2]);
    // A hole is filled first.
    let other = format!("{fewer}[program:c]\ncommand=c\n");
    let (filled, settings) = later(&again, &other);
    assert_eq!(settings.group("c").unwrap().slots, [2]);
    assert_eq!(filled.entries.len(), 4);
}

#[test]
fn what_the_daemon_itself_is_stays_and_is_said() {
    let (table, first) = run(CONFIG).ok();
    let config = CONFIG.replace("file=/s", "file=/t\n[inet_http_server]\nport=127.0.0.1:1").replace(
        "user=root\n",
        "user=root\nlogfile=/tmp/other\npidfile=/tmp/pid\numask=077\nminfds=2000\nidentifier=x\nnodaemon=1\n\
         shutdown_timeout=3\nloglevel=debug\nbroker_user=7777\nsandbox=required\n",
    );
    let (again, settings) = later(&table, &config);
    assert_eq!(again, table);
    assert_eq!(settings.processes, first.processes);
    assert_eq!(settings.logs, first.logs);
    assert!(settings.servers.is_empty() && settings.daemon && !settings.sandbox_required);
    assert_eq!((settings.shutdown_timeout, settings.activity.level), (None, Level::Debug));
    let keys = [
        "broker_user",
        "nodaemon",
        "umask",
        "sandbox",
        "minfds",
        "pidfile",
        "shutdown_timeout",
        "logfile",
        "childlogdir, identifier or nocleanup",
    ];
    let mut texts: Vec<String> = keys.map(|key| format!("[supervisord] {key}")).into();
    texts.push("[unix_http_server] or [inet_http_server]".to_owned());
    let expected: Vec<(Level, String)> = (texts.iter())
        .map(|t| (Level::Warn, format!("{t} changed; it takes effect at the next restart")))
        .collect();
    assert_eq!(settings.notes, expected);
    // A server that is still there keeps its number.
    let (_, settings) = later(
        &table,
        &CONFIG.replace("[program:a]", "[inet_http_server]\nport=127.0.0.1:1\n[program:a]"),
    );
    assert_eq!(settings.servers, first.servers);
}

#[test]
fn errors_are_complaints_and_nothing_else() {
    let (table, _) = run(CONFIG).ok();
    let complain = |config: &str| {
        let mut run = run(config);
        run.facts.current = Some(table.clone());
        match run.outcome() {
            Outcome::Complain(complaints) => complaints,
            other => panic!("{other:?}"),
        }
    };
    let two =
        complain(&CONFIG.replace("command=a\n", "command=a\nstartsecs=x\nautostart=y\nusr=1\n"));
    let first =
        "invalid literal for int() with base 10: 'x' in section 'program:a' (file: '/etc/s.conf')";
    // Boolean values are read before it.
    let second = "not a valid boolean value: 'y' in section 'program:a' (file: '/etc/s.conf')";
    assert_eq!(two.fault, second);
    let lines: Vec<&str> = two.lines.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            &format!("configuration error: {second}"),
            "  /etc/s.conf:8: [program:a] autostart",
            &format!("configuration error: {first}"),
            "  /etc/s.conf:7: [program:a] startsecs",
            "/etc/s.conf:9: [program:a] usr is not known and has no effect; did you mean user?",
        ]
    );
    let secret = complain(&format!("{CONFIG}hunter2\n"));
    assert_eq!(secret.fault, "Source contains parsing errors: '/etc/s.conf'\n\t[line 19]");
    let secret = complain("hunter2\n");
    assert_eq!(secret.fault, "File contains no section headers.\nfile: '/etc/s.conf', line: 1");
}

#[test]
fn relative_paths_mean_the_same_at_every_reading() {
    let start = Start { cwd: b"/srv/app".to_vec(), ..Start::default() };
    assert_eq!(Facts::gather(start).cwd, "/srv/app");
    assert!(Facts::gather(Start::default()).cwd.starts_with('/'));
}

#[test]
fn nobody_becomes_the_brokers_user() {
    let (table, _) = run(CONFIG).ok();
    let mut run = run(&CONFIG.replace("command=a\n", "command=a\nuser=alice\n"));
    run.facts.start.again = true;
    let mut current = table.clone();
    current.broker.as_mut().unwrap().uid = 1000;
    run.facts.current = Some(current);
    assert_eq!(
        run.error(),
        "a:a cannot run as user id 1000: it is the broker's until the daemon is restarted"
    );
}

#[test]
fn thousands_of_readings_leave_nothing_behind() {
    let configs = [
        CONFIG.to_owned(),
        CONFIG.replace("command=a\n", "command=a 2\nstdout_logfile_backups=1\n"),
        CONFIG.replace("numprocs=2", "numprocs=5").replace("tcp://*:80", "tcp://*:81"),
        CONFIG.replace("/tmp/b\n", "/tmp/c\n").replace("unix:///f", "unix:///g"),
    ];
    let (mut table, _) = run(CONFIG).ok();
    for config in configs.iter().cycle().take(100) {
        let (next, settings) = later(&table, config);
        table = next;
        retire_others(&mut table, &settings);
    }
    // From here on without the parsing, which keeps nothing.
    let fresh: Vec<(Table, Settings)> = configs.iter().map(|config| run(config).ok()).collect();
    let mut longest = [0; 3];
    for (new, settings) in fresh.iter().cycle().take(10_000) {
        let (mut new, mut settings) = (new.clone(), settings.clone());
        merge::merge(&table, &mut new, &mut settings);
        assert!(new.keeps(&table));
        table = new;
        let lengths = [table.entries.len(), table.logs.len(), table.shared.len()];
        longest = [0, 1, 2].map(|n| longest[n].max(lengths[n]));
        retire_others(&mut table, &settings);
    }
    assert!(longest[0] <= 12 && longest[1] <= 12 && longest[2] <= 5, "{longest:?}");
    assert!(Table::read(&table.encode()).is_ok());
}

/// Sections and keys from which configurations are drawn.
const PIECES: &[&str] = &[
    "[program:a]\ncommand=a\n",
    "[program:b]\ncommand=/b %(process_num)d\nprocess_name=%(process_num)d\n",
    "[fcgi-program:f]\ncommand=f\nsocket=unix:///f\n",
    "[fcgi-program:t]\ncommand=t\nsocket=tcp://*:9\n",
    "[eventlistener:e]\ncommand=e\nevents=EVENT\n",
    "[group:g]\nprograms=a\n",
    "[group:h]\nprograms=f,b\n",
    "[unix_http_server]\nfile=/s\n",
    "[inet_http_server]\nport=8\n",
    "[inet_http_server]\nport=127.0.0.1:8\n",
    "insecure_no_auth=true\n",
    "[user:alice]\npassword=x\n",
    "[user:carol]\npassword=x\n",
    "[role:r]\nmembers=alice,@staff\nprograms=a, g:*, @l\nactions=viewer\n",
    "labels=l\n",
    "[role:s]\n",
    "members=alice\nprograms=*\nactions=admin\n",
    "members=user:%(ENV_X)s,unix:0,@50,anonymous\n",
    "actions=signal(HUP\n",
    "[user:x]\n",
    "password=$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ\n",
    "[rol:x]\n",
    "audit_logfile=/tmp/x\n",
    "audit_logfile=none\n",
    "audit_syslog=1\n",
    "strict=true\n",
    "[inet_http_server:x]\nport=myhost:9\n",
    "[supervisord]\n",
    "[include]\nfiles=none\n",
    "numprocs=2\n",
    "numprocs=0\n",
    "priority=3\n",
    "user=alice\n",
    "user=bob:staff\n",
    "login_env=on\n",
    "stdout_logfile=/tmp/x\n",
    "stderr_logfile=/tmp/x\n",
    "stderr_logfile=NONE\n",
    "stdout_logfile=/dev/stdout\n",
    "stdout_syslog=true\n",
    "stdout_logfile_maxbytes=%(process_num)dKB\n",
    "redirect_stderr=true\n",
    "sockets=tcp://*:7, unix:///u\n",
    "sockets=tcp://*:7\n",
    "socket_backlog=4\n",
    "environment=A=\"%(group_name)s\"\n",
    "logfile=/tmp/x\n",
    "logfile=syslog\n",
    "logfile_mode=0600\n",
    "nodaemon=true\n",
    "directory=/tmp\n",
    "stopasgroup=true\n",
    "killtree=true\n",
    "autostart=%(bad\n",
    "startsecs=99999999999999999999\n",
    "junk\n",
    "  more\n",
];

fn drawn(random: &mut Random, count: usize) -> Vec<String> {
    random.texts(count, 9, PIECES).into_iter().map(|text| format!("{BASE}{text}")).collect()
}

#[test]
fn whatever_is_accepted_is_sound_and_stays_what_it_is() {
    let mut random = Random::new();
    let mut accepted: Vec<(String, Table)> = Vec::new();
    for config in drawn(&mut random, 1_500) {
        let (table, first) = match run(&config).outcome() {
            Outcome::Accept(result) => *result,
            Outcome::Leave { status: 2, stderr, .. } => {
                assert!(stderr.starts_with("Error: "), "{config}\n{stderr}");
                continue;
            }
            other => panic!("{config}\n{other:?}"),
        };
        let (again, settings) = later(&table, &config);
        assert_eq!(again, table, "{config}");
        let same = (&settings.processes, &settings.groups, &settings.logs, &settings.servers);
        assert_eq!(
            same,
            (&first.processes, &first.groups, &first.logs, &first.servers),
            "{config}"
        );
        accepted.push((config, table));
    }
    assert!(accepted.len() > 200, "{}", accepted.len());
    // From any configuration to any other and back.
    for pair in accepted.windows(2) {
        let [(config, table), (other, _)] = pair else { panic!() };
        let mut run_other = run(other);
        run_other.facts.current = Some(table.clone());
        // Only the broker's user may be in the way.
        let Outcome::Accept(between) = run_other.outcome() else { panic!("{config}\n{other}") };
        let (mut between, settings) = *between;
        assert!(between.keeps(table), "{config}\n{other}");
        assert!(Settings::decode(&settings.encode().unwrap()).is_some(), "{config}\n{other}");
        retire_others(&mut between, &settings);
        let (back, _) = later(&between, config);
        let live = |table: &Table| table.entries.iter().flatten().count();
        assert!(live(&back) >= live(table), "{config}\n{other}");
    }
}
