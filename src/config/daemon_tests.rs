//! The daemon's own section, its command line and its users.

use super::*;

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
fn identifiers_cannot_lead_logs_elsewhere() {
    let error = run("[supervisord]\nuser=root\nidentifier=../x\n[program:a]\ncommand=a\n").error();
    assert!(error.starts_with("identifier '../x' cannot be part"), "{error}");
    let (table, _) = run("[supervisord]\nuser=root\nidentifier=../x\n").ok();
    assert_eq!(table.sweep, None);
}
