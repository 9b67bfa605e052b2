//! Programs, their groups and logs.

use super::*;

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
fn bytes_that_are_no_text_reach_the_program() {
    let mut raw = program("directory=/x%(ENV_R)s");
    raw.facts.start.env.push(b"R=\xff\xfe".to_vec());
    let (table, settings) = raw.ok();
    assert_eq!(entry(&table, 0).directory.as_deref(), Some(&b"/x\xff\xfe"[..]));
    assert_eq!(settings.processes[&0].directory.as_deref(), Some("/x\u{fffd}\u{fffd}"));
    assert_eq!(table.env.last().unwrap(), b"R=\xff\xfe");
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
