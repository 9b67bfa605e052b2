//! Files that are read, what they include, and what is said of them.

use super::*;

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
