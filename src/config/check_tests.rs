//! `--check`: what it prints.

use super::*;

fn check(config: &str, options: &[&str]) -> (u8, String, String) {
    match run(config).more(&["--check"]).more(options).outcome() {
        Outcome::Leave { status, stdout, stderr } => (status, stdout, stderr),
        other => panic!("{other:?}"),
    }
}

const CONFIG: &str = "[supervisord]\nuser=root\nenvironment=KEY=\"hunter2\"\n[inet_http_server]\nport=127.0.0.1:1\n\
    username=u\npassword=hunter2\n[program:a]\ncommand=/bin/%(program_name)s %(process_num)d\nnumprocs=2\n\
    process_name=a%(process_num)d\nautostart=off\nstopasgroup=true\n[program:b]\ncommand=b\nstrtsecs=1\n";

#[test]
fn a_fine_configuration() {
    let (status, stdout, stderr) = check(CONFIG, &[]);
    assert_eq!(status, 0);
    assert_eq!(stdout, "/etc/s.conf: the configuration is fine (3 processes in 2 groups)\n");
    assert_eq!(
        stderr,
        "Warning: /etc/s.conf:16: [program:b] strtsecs is not known and has no effect; did you mean startsecs?\n"
    );
}

#[test]
fn a_configuration_with_errors() {
    let (status, stdout, stderr) =
        check("[supervisord]\nuser=root\nnodeamon=1\nminfds=x\n[program:a]\n", &["--show"]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "Warning: /etc/s.conf:3: [supervisord] nodeamon is not known and has no effect; did you mean nodaemon?",
            "Error: invalid literal for int() with base 10: 'x'",
            "  /etc/s.conf:4: [supervisord] minfds",
            "Error: program section program:a does not specify a command in section 'program:a' (file: '/etc/s.conf')",
            "  /etc/s.conf:5: [program:a] command",
            "For help, use supervisord -h",
        ]
    );
}

#[test]
fn every_value_with_where_it_came_from() {
    let (status, stdout, _) = check(CONFIG, &["--show", "-e", "debug"]);
    assert_eq!(status, 0);
    let line = |start: &str| {
        let found = stdout.lines().find(|line| line.starts_with(start)).unwrap();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("loglevel"), "loglevel = debug ; command line");
    assert_eq!(line("user "), "user = root ; /etc/s.conf:2");
    assert_eq!(line("umask"), "umask = 022 ; default");
    assert_eq!(line("childlogdir"), "childlogdir = /tmp ; default");
    assert_eq!(line("audit_logfile "), "audit_logfile = none ; default");
    assert_eq!(line("; shutdown"), "; shutdown_timeout is not set");
    assert_eq!(line("autostart"), "autostart = off ; /etc/s.conf:12");
    assert_eq!(line("killasgroup"), "killasgroup = true ; default");
    assert_eq!(
        line("command"),
        "command = /bin/a 0 ; process 0, /etc/s.conf:9, expanded from '/bin/%(program_name)s %(process_num)d'"
    );
    assert!(stdout.contains("\n\n[program:b]\n"));
    assert!(!stdout.contains("hunter2"), "{stdout}");
    // Every key of every section is there, set or not.
    for section in ["supervisord", "program:a"] {
        for key in crate::config::keys::section(section).unwrap().all() {
            let line = |l: &str| l.starts_with(&format!("{} = ", key.name));
            let unset = format!("; {} is not set", key.name);
            assert!(stdout.lines().any(|l| line(l) || l == unset), "{}", key.name);
        }
    }
}

#[test]
fn as_json() {
    let (status, stdout, _) = check(CONFIG, &["--show", "--json"]);
    assert_eq!(status, 0);
    for part in [
        "\"config\": \"/etc/s.conf\"",
        "\"name\": \"a0\"",
        "\"argv\": [\"/bin/a\", \"0\"]",
        "\"stopsignal\": 15",
        "\"uid\": \"none\"",
        "\"exitcodes\": [0]",
        "\"autorestart\": \"unexpected\"",
        "\"KEY\": \"hunter2\"",
        "\"X\": \"1\"",
        "\"SUPERVISOR_SERVER_URL\": \"http://127.0.0.1:1\"",
    ] {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
    let usage = |words: &[&str]| run(CONFIG).more(words).error();
    assert_eq!(usage(&["--json"]), "--json goes with --check or --policy");
    assert_eq!(usage(&["--show"]), "--show goes with --check");
}
