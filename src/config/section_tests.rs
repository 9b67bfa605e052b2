//! The kinds of sections beyond plain programs, and the keys that Supervisor does not have.

use privsep::table::Shared;

use super::*;
use crate::config::settings::{Group, Kind, Of};

fn refused(lines: &str) -> String {
    run(&format!("{BASE}{lines}\n")).error()
}

fn group<'s>(settings: &'s Settings, name: &str) -> &'s Group {
    settings.groups.iter().find(|group| group.name == name).unwrap()
}

fn shared(table: &Table, n: u32) -> &Shared {
    table.shared[usize::try_from(n).unwrap()].as_ref().unwrap()
}

fn env(table: &Table, slot: u32, name: &str) -> Option<String> {
    let all = texts(&entry(table, slot).env);
    all.iter().find_map(|word| word.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

#[test]
fn a_pool_of_event_listeners() {
    let (table, settings) = run(&format!(
        "{BASE}[eventlistener:e]\ncommand=e\nevents=tick_60, PROCESS_STATE,TICK_60\nbuffer_size=7\nnumprocs=2\n\
         process_name=e%(process_num)d\n[program:a]\ncommand=a\n[eventlistener:f]\ncommand=f\nevents=EVENT\npriority=5\n"
    ))
    .ok();
    let names: Vec<&str> = settings.groups.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["e", "f", "a"]);
    let pool = group(&settings, "e");
    assert_eq!((pool.priority, entry(&table, 0).wave), (-1, -1));
    assert_eq!(settings.processes[&0].priority, 999);
    let staging = [0, 1, 2, 3].map(|slot| entry(&table, slot).staging);
    assert_eq!(staging, [true, true, true, false]);
    let Of::Pool { buffer_size, events, result_handler } = &pool.of else { panic!("{pool:?}") };
    assert_eq!(
        (*buffer_size, events.as_slice()),
        (7, &["PROCESS_STATE".into(), "TICK_60".into()][..])
    );
    assert_eq!(result_handler, "supervisor.dispatchers:default_handler");
    assert_eq!(group(&settings, "f").priority, 5);
    assert_eq!(settings.processes[&2].priority, 5);
}

#[test]
fn errors_of_pools() {
    let error = |lines: &str| refused(&format!("[eventlistener:e]\ncommand=e\n{lines}"));
    assert_eq!(error(""), "[eventlistener:e] section requires an \"events\" line");
    assert_eq!(error("events="), "[eventlistener:e] section requires an \"events\" line");
    assert_eq!(error("events=FOO"), "Unknown event type FOO in [eventlistener:e] events");
    assert_eq!(error("events=TICK_5,"), "Unknown event type  in [eventlistener:e] events");
    assert_eq!(
        error("events=EVENT\nbuffer_size=0"),
        "[eventlistener:e] section sets invalid buffer_size (0)"
    );
    assert!(error("events=EVENT\nredirect_stderr=true").ends_with(
        "section sets redirect_stderr=true but this is not allowed because it will interfere with the eventlistener \
         protocol"
    ));
    let near = run(&format!("{BASE}[eventlistener:e]\ncommand=e\nevents=TICK_6\n")).errors();
    assert!(near[0].ends_with("\n  did you mean TICK_5?"), "{near:?}");
    let (_, settings) =
        run(&format!("{BASE}[eventlistener:e]\ncommand=e\nevents=EVENT\nresult_handler=a:b\n"))
            .ok();
    assert!(notes(&settings, Level::Warn)[0].contains("result_handler names Python code"));
}

#[test]
fn fcgi_programs_have_a_socket_as_standard_input() {
    let (table, settings) = run(&format!(
        "{BASE}[fcgi-program:f]\ncommand=f\nsocket=unix:///run/../tmp/%(program_name)s.sock\nnumprocs=2\n\
         process_name=f%(process_num)d\nuser=alice\nsocket_backlog=9\nsocket_mode=0770\n\
         [fcgi-program:t]\ncommand=t\nsocket=tcp://myhost:9000\n[fcgi-program:o]\ncommand=o\nsocket_owner=bob:staff\n\
         socket=unix:///o\nuser=alice\n[group:g]\nprograms=o\n"
    ))
    .ok();
    let f = group(&settings, "f");
    assert_eq!(f.of, Of::FastCgi { socket: "unix:///tmp/f.sock".into() });
    let numbers: Vec<_> = f.slots.iter().map(|slot| entry(&table, *slot).stdin).collect();
    assert_eq!(numbers[0], numbers[1]);
    let unix = |path: &str, mode, uid, gid| Socket::Unix {
        path: path.as_bytes().to_vec(),
        mode,
        uid: Some(uid),
        gid: Some(gid),
    };
    assert_eq!(
        *shared(&table, numbers[0].unwrap()),
        Shared { socket: unix("/tmp/f.sock", 0o770, 1000, 100), backlog: 9, held: false }
    );
    let t = group(&settings, "t");
    assert_eq!(t.of, Of::FastCgi { socket: "tcp://myhost:9000".into() });
    let tcp = shared(&table, entry(&table, t.slots[0]).stdin.unwrap());
    assert_eq!(tcp.socket, Socket::Tcp { address: 0xffff_0a00_0001, port: 9000 });
    // In a group it keeps its socket.
    let g = group(&settings, "g");
    assert_eq!(g.of, Of::Programs);
    let o = shared(&table, entry(&table, g.slots[0]).stdin.unwrap());
    assert_eq!(o.socket, unix("/o", 0o700, 1001, 50));
}

#[test]
fn errors_of_fcgi_programs() {
    let error = |lines: &str| refused(&format!("[fcgi-program:f]\ncommand=f\n{lines}"));
    for (lines, text) in [
        ("", "[fcgi-program:f] section requires a \"socket\" line"),
        ("socket=foo", "('Bad socket format %s', 'foo') in [fcgi-program:f] socket"),
        ("socket=tcp://h:x", "('Bad socket format %s', 'tcp://h:x') in [fcgi-program:f] socket"),
        (
            "socket=unix://rel/path",
            "('Unix socket path %s is not an absolute path', 'rel/path') in [fcgi-program:f] socket",
        ),
        ("socket=unix:///s\nsocket_mode=9", "Invalid socket_mode value 9"),
        ("socket=unix:///s\nsocket_owner=x", "Invalid socket_owner value x"),
        ("socket=unix:///s\nsocket_backlog=0", "Invalid socket_backlog value 0"),
        ("socket=unix:///s\nuser=x", "Invalid user name x"),
        (
            "socket=tcp://*:1\nsocket_mode=0700",
            "socket_owner and socket_mode params should only be used with a Unix domain socket in [fcgi-program:f] \
             socket",
        ),
        (
            "socket=tcp://nohost:1",
            "Socket tcp://nohost:1 names a host without an address (error -2) in [fcgi-program:f] socket",
        ),
        ("socket=tcp://*:0", "0 is below lower bound (1) in [fcgi-program:f] socket"),
        (
            "socket=unix:///%(process_num)d",
            "Format string 'unix:///%(process_num)d' for 'fcgi-program:f.socket' contains names ('process_num') which \
             cannot be expanded. Available names: ENV_HOME, ENV_PATH, ENV_X, here, program_name",
        ),
    ] {
        assert_eq!(error(lines), text, "{lines}");
    }
}

#[test]
fn listening_sockets_for_any_program() {
    let (table, settings) = program(
        "sockets=tcp://127.0.0.1:80, unix:///run/a:b.sock,\nnumprocs=2\nprocess_name=%(process_num)d\n\
         environment=LISTEN_FDS=\"7\"\n[program:b]\ncommand=b\nsockets=tcp://127.0.0.1:80\n\
         [program:c]\ncommand=c\nsockets=tcp://127.0.0.1:80\nsocket_backlog=3\n\
         [program:d]\ncommand=d\nnumprocs=2\nprocess_name=d%(process_num)d\nsockets=unix:///run/%(process_num)d\n",
    )
    .ok();
    assert_eq!(entry(&table, 0).listen, [0, 1]);
    assert_eq!(entry(&table, 1).listen, [0, 1]);
    assert_eq!(entry(&table, 2).listen, [0]);
    assert_eq!(entry(&table, 3).listen, [2]);
    assert_eq!((entry(&table, 4).listen[0], entry(&table, 5).listen[0]), (3, 4));
    assert!(shared(&table, 0).held && entry(&table, 0).stdin.is_none());
    assert_eq!(env(&table, 0, "LISTEN_FDS").unwrap(), "2");
    assert_eq!(env(&table, 0, "LISTEN_FDNAMES").unwrap(), "80:a_b.sock");
    assert_eq!(
        notes(&settings, Level::Warn),
        [
            "/etc/s.conf:9: [program:b] listens on 127.0.0.1:80, as /etc/s.conf:3: [program:a] does: they share the \
             socket",
            "/etc/s.conf:12: [program:c] listens on 127.0.0.1:80, as /etc/s.conf:3: [program:a] does, but by other \
             rules: only one of them can start",
        ]
    );
    assert_eq!(program_error("sockets=80"), "('Bad socket format %s', '80')");
    assert_eq!(program_error("sockets=tcp://*:1,tcp://*:1"), "sockets names tcp://*:1 twice");
    assert!(program_error("sockets=tcp://*:1\nsocket_mode=0700").starts_with("socket_owner and"));
}

#[test]
fn streams_and_syslog() {
    let (table, settings) = run(
        "[supervisord]\nuser=root\nlogfile=syslog\nstrip_ansi=true\nshutdown_timeout=8\n[program:a]\ncommand=a\n\
         stdout_syslog=true\nstdout_logfile=syslog\nstderr_syslog=yes\nstderr_logfile=NONE\nsyslog_tag=t-%(process_num)d\n\
         stdout_capture_maxbytes=1KB\nstdout_events_enabled=on\nstderr_logfile_maxbytes=-1\n[program:b]\ncommand=b\n\
         stdout_logfile=/dev/stdout\nstderr_logfile=\nserverurl=\n[unix_http_server]\nfile=/s\nusername=u\npassword=p\n",
    )
    .ok();
    assert_eq!(table.log(0), Some(&Sink::Syslog));
    assert_eq!(settings.logs[&0].kind, Kind::Syslog);
    assert!(table.activity_log && settings.strip_ansi);
    assert_eq!((table.shutdown, settings.shutdown_timeout), (Some(8_000), Some(8_000)));
    let a = &settings.processes[&0];
    assert_eq!((a.stdout.log, a.stdout.syslog, a.stderr.syslog), (None, Some(1), Some(1)));
    assert_eq!((a.stdout.capture, a.stdout.events), (1024, true));
    assert_eq!((a.stdout.logfile.as_str(), a.stderr.maxbytes), ("none", -1));
    assert_eq!(table.log(1), Some(&Sink::Syslog));
    assert_eq!(a.syslog_tag.as_deref(), Some("t-0"));
    let b = &settings.processes[&1];
    assert_eq!(b.syslog_tag, None);
    assert_eq!(table.log(b.stdout.log.unwrap()), Some(&Sink::Inherited(1)));
    assert_eq!((b.stderr.log, b.stderr.logfile.as_str()), (None, ""));
    assert_eq!((b.serverurl.as_deref(), env(&table, 1, "SUPERVISOR_SERVER_URL")), (Some(""), None));
    assert_eq!(env(&table, 0, "SUPERVISOR_SERVER_URL").as_deref(), Some("unix:///s"));
}

#[test]
fn owners_and_modes_of_logs() {
    let (table, _) = run(
        "[supervisord]\nuser=root\nlogfile=/tmp/d\nlogfile_owner=alice:staff\n[program:a]\ncommand=a\n\
         stdout_logfile=/tmp/a\nstdout_logfile_mode=0640\nstderr_logfile_owner=1001\n",
    )
    .ok();
    let file = |n| {
        let log = log(&table, n);
        (log.uid, log.gid, log.mode, log.exact)
    };
    assert_eq!(file(0), (Some(1000), Some(50), 0o666, false));
    assert_eq!(file(1), (None, None, 0o640, true));
    assert_eq!(file(2), (Some(1001), None, 0o600, false));
    assert!(
        program_error("stdout_logfile_owner=x")
            .starts_with("Invalid stdout_logfile_owner value x: ")
    );
    for mode in ["9", "0777", "07777"] {
        let error = program_error(&format!("stderr_logfile_mode={mode}"));
        assert!(
            error.starts_with(&format!("Invalid stderr_logfile_mode value {mode}: ")),
            "{error}"
        );
    }
}

#[test]
fn users_with_groups_and_logins() {
    let (table, _) = program(
        "user=alice:staff\nlogin_env=true\nkilltree=true\nenvironment=HOME=\"/h\"\n[program:b]\ncommand=b\n\
         user=1001\nlogin_env=on\n[program:c]\ncommand=c\nuser=root:staff\nlogin_env=on",
    )
    .ok();
    let identity = entry(&table, 0).identity.clone().unwrap();
    assert_eq!((identity.uid, identity.gid, identity.groups), (1000, 50, vec![50, 4]));
    assert!(entry(&table, 0).kill_tree);
    assert_eq!(env(&table, 0, "HOME").as_deref(), Some("/h"));
    assert_eq!(env(&table, 0, "LOGNAME").as_deref(), Some("alice"));
    assert_eq!(env(&table, 1, "HOME").as_deref(), Some("/home/bob"));
    assert_eq!(env(&table, 1, "SHELL").as_deref(), Some("/bin/bobsh"));
    assert_eq!(env(&table, 1, "USER").as_deref(), Some("bob"));
    // The daemon's own user, but another group.
    assert_eq!(entry(&table, 2).identity.as_ref().unwrap().gid, 50);
    assert_eq!(program_error("user=alice:nobodys"), "Invalid group name nobodys");
    let (table, _) =
        run("[supervisord]\nuser=alice:staff\n[program:a]\ncommand=a\nlogin_env=1\n").ok();
    assert_eq!(table.user.as_ref().unwrap().gid, 50);
    assert_eq!(env(&table, 0, "USER").as_deref(), Some("alice"));
    let (table, settings) = run("[supervisord]\nuser=root:staff\n").ok();
    assert!(table.user.is_none());
    assert!(
        notes(&settings, Level::Warn)[0]
            .starts_with("/etc/s.conf:2: [supervisord] user: the group")
    );
    let stranger = "[supervisord]\n[program:a]\ncommand=a\nlogin_env=1\n";
    let error = run(stranger).uid(7).error();
    assert_eq!(error, "login_env=true, but user id 7 is not in passwd");
}

#[test]
fn times_that_make_no_sense() {
    for text in ["0", "-1", "4294968"] {
        let error = refused(&format!("shutdown_timeout={text}"));
        assert!(error.starts_with("not a valid number of seconds: '"), "{error}");
    }
}

#[test]
fn plugins() {
    assert_eq!(
        refused("[rpcinterface:x]"),
        "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory"
    );
    let (_, settings) = run(&format!(
        "{BASE}[rpcinterface:x]\nsupervisor.rpcinterface_factory=a:b\nkey=1\n[rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n[ctlplugin:y]\n\
         supervisor.ctl_factory=c:d\nkey=2\n"
    ))
    .ok();
    let warnings = notes(&settings, Level::Warn);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with(
        "/etc/s.conf:4: [rpcinterface:x] supervisor.rpcinterface_factory names Python"
    ));
    assert!(
        warnings[1].starts_with("/etc/s.conf:9: [ctlplugin:y] supervisor.ctl_factory names Python")
    );
}
