//! Servers that other machines can reach, the audit log, and what a later reading changes.

use super::access::{HASH, PROGRAMS};
use super::*;
use crate::config::settings::AuditLog;

fn server(lines: &str) -> Run {
    run(&format!("{BASE}[inet_http_server]\n{lines}\n[program:a]\ncommand=a\n"))
}

const ELSEWHERE: [&str; 9] = [
    "9001",
    ":9001",
    "*:9001",
    "0.0.0.0:9001",
    "[::]:9001",
    "[::ffff:0.0.0.0]:9001",
    "10.0.0.1:9001",
    "myhost:9001",
    "sixhost:9001",
];
const HERE: [&str; 5] =
    ["127.0.0.1:9001", "127.9.9.9:9001", "[::1]:9001", "[::ffff:127.0.0.1]:9001", "localhost:9001"];

#[test]
fn what_others_can_reach_asks_for_a_password_or_stays_closed() {
    for port in ELSEWHERE {
        let (table, settings) = server(&format!("port={port}")).ok();
        assert!(table.sockets.is_empty() && settings.servers.is_empty(), "{port}");
        let said = notes(&settings, Level::Critical);
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].starts_with("/etc/s.conf:4: [inet_http_server] port: "), "{}", said[0]);
        assert!(said[1].starts_with("  add these two lines to [inet_http_server] "), "{}", said[1]);
        assert_eq!(said[2], "  username=admin");
        assert!(said[3].starts_with("  password=$argon2id$"));
        assert_eq!(settings.processes.len(), 1);
        assert!(
            !texts(&entry(&table, 0).env).iter().any(|v| v.starts_with("SUPERVISOR_SERVER_URL"))
        );
        for more in ["username=u\npassword=p", &format!("[user:u]\npassword={HASH}")] {
            let (table, settings) = server(&format!("port={port}\n{more}")).ok();
            assert_eq!(table.sockets.len(), 1);
            assert!(settings.servers[0].guarded);
            let said = notes(&settings, Level::Warn);
            assert_eq!(said.len(), 1);
            assert!(said[0].contains("without encryption"), "{}", said[0]);
        }
        let (table, settings) = server(&format!("port={port}\ninsecure_no_auth=true")).ok();
        assert_eq!((table.sockets.len(), settings.servers[0].guarded), (1, false));
        let said = notes(&settings, Level::Warn);
        assert!(
            said[0].starts_with("/etc/s.conf:5: [inet_http_server] insecure_no_auth: "),
            "{said:?}"
        );
        assert!(notes(&settings, Level::Critical).is_empty());
    }
    for port in HERE {
        let (table, settings) = server(&format!("port={port}")).ok();
        assert_eq!((table.sockets.len(), settings.servers[0].guarded), (1, false), "{port}");
        assert!(notes(&settings, Level::Warn).is_empty());
    }
    // Whoever may look without a password has not given one.
    let anybody = "[role:r]\nmembers=anonymous\nprograms=*\nactions=view";
    assert!(server(&format!("port=9001\n{anybody}")).ok().0.sockets.is_empty());
}

#[test]
fn strict_refuses_what_others_can_reach() {
    for port in ELSEWHERE {
        for more in ["", "username=u\npassword=p", "insecure_no_auth=true"] {
            let errors =
                run(&format!("{BASE}strict=true\n[inet_http_server]\nport={port}\n{more}\n"))
                    .errors();
            assert_eq!(errors.len(), 1);
            assert!(errors[0].contains("which strict=true forbids: "), "{}", errors[0]);
            assert!(errors[0].ends_with(
                "\n  /etc/s.conf:5: [inet_http_server] port\n  /etc/s.conf:3: [supervisord] strict"
            ));
        }
    }
    for port in HERE {
        assert_eq!(
            run(&format!("{BASE}strict=true\n[inet_http_server]\nport={port}\n"))
                .ok()
                .0
                .sockets
                .len(),
            1
        );
    }
    let (table, _) = run(BASE).ok();
    let mut later = run(&format!("{BASE}strict=on\n[inet_http_server]\nport=9001\n"));
    later.facts.current = Some(table);
    let Outcome::Complain(complaints) = later.outcome() else { panic!() };
    assert!(complaints.fault.contains("strict=true forbids"), "{}", complaints.fault);
}

#[test]
fn a_hash_in_a_server_section() {
    let (_, settings) = server(&format!("port=127.0.0.1:1\nusername=u\npassword={HASH}")).ok();
    let credentials = settings.servers[0].credentials.clone();
    assert_eq!(credentials, Some(("u".to_owned(), Password::Argon2(HASH.to_owned()))));
    let dear = HASH.replace("m=19456", "m=4194304");
    let errors = server(&format!("port=127.0.0.1:1\nusername=u\npassword={dear}")).errors();
    assert!(
        errors[0].starts_with("the hash has m=4194304 KiB, which must be from 8 to 65536"),
        "{errors:?}"
    );
    assert!(errors[0].ends_with("\n  /etc/s.conf:6: [inet_http_server] password"), "{errors:?}");
    // What the reference takes is taken without a word.
    let (_, settings) = server("port=127.0.0.1:1\nusername=u\npassword=plain").ok();
    assert!(notes(&settings, Level::Warn).is_empty());
    let (_, settings) =
        server(&format!("port=127.0.0.1:1\nusername=u\npassword=p\n[user:u]\npassword={HASH}"))
            .ok();
    assert_eq!(
        notes(&settings, Level::Warn),
        [
            "/etc/s.conf:7: [user:u] has the name that /etc/s.conf:5: [inet_http_server] username has: either password is \
          right there"
        ]
    );
}

#[test]
fn users_roles_and_labels_are_those_of_the_last_reading() {
    let before = format!("{BASE}{PROGRAMS}[inet_http_server]\nport=127.0.0.1:1\n");
    let (table, first) = run(&before).ok();
    let after = before.replace("labels=web, public", "labels=other")
        + &format!(
            "[user:ann]\npassword={HASH}\n[role:r]\nmembers=ann\nprograms=@other\nactions=view\n"
        );
    let mut later = run(&after);
    later.facts.current = Some(table.clone());
    let (again, settings) = later.ok();
    assert_eq!(again.entries, table.entries);
    assert_eq!(settings.servers, first.servers);
    assert_eq!((settings.users.len(), settings.access.roles.len()), (1, 1));
    let changes = crate::process::roster::changes(&first, &settings);
    assert!(changes.changed.is_empty(), "{changes:?}");
    // One that could not be opened at the start waits for the next one.
    let closed = before.replace("127.0.0.1:1", "*:1");
    let (table, _) = run(&closed).ok();
    assert!(table.sockets.is_empty());
    let mut later = run(&format!("{closed}[user:ann]\npassword={HASH}\n"));
    later.facts.current = Some(table);
    let (again, settings) = later.ok();
    assert!(again.sockets.is_empty() && settings.servers.is_empty());
    let said = notes(&settings, Level::Warn);
    assert!(said.iter().any(|w| w.contains("takes effect at the next restart")), "{said:?}");
    // One that is open stays open when its password goes, and is told of.
    let open = closed.replace("port=*:1\n", "port=*:1\nusername=u\npassword=p\n");
    let (table, _) = run(&open).ok();
    let mut later = run(&closed);
    later.facts.current = Some(table.clone());
    let (again, settings) = later.ok();
    assert_eq!(again.sockets, table.sockets);
    let said = notes(&settings, Level::Critical);
    assert!(said[0].contains("*:1 is not opened at the next start: "), "{said:?}");
}

fn audit(lines: &str) -> Option<AuditLog> {
    run(&format!("{BASE}{lines}\n")).ok().1.audit
}

#[test]
fn where_the_audit_log_is() {
    let user = format!("[user:ann]\npassword={HASH}");
    let role = "[role:r]\nmembers=root\nprograms=*\nactions=view";
    let log = |path: &str| {
        Some(AuditLog { path: path.to_owned(), maxbytes: 50 << 20, backups: 10, syslog: false })
    };
    assert_eq!(audit(""), None);
    assert_eq!(audit("audit_syslog=true"), None);
    assert_eq!(audit(&user), log("/srv/app/audit.log"));
    assert_eq!(audit(role), log("/srv/app/audit.log"));
    assert_eq!(audit(&format!("logfile=/var/log/s.log\n{role}")), log("/var/log/audit.log"));
    assert_eq!(audit(&format!("audit_logfile=NONE\n{role}")), None);
    assert_eq!(audit("audit_logfile=a.log"), log("/srv/app/a.log"));
    let all = "audit_logfile=~/a.log\naudit_logfile_maxbytes=64KB\naudit_logfile_backups=3\naudit_syslog=on";
    let expected =
        AuditLog { path: "/home/alice/a.log".into(), maxbytes: 65_536, backups: 3, syslog: true };
    assert_eq!(audit(all), Some(expected));
    for logfile in ["syslog", "/dev/stdout", "/dev/null"] {
        let (_, settings) = run(&format!("{BASE}logfile={logfile}\n{role}\n")).ok();
        assert_eq!(settings.audit, None);
        assert!(
            notes(&settings, Level::Warn)[0].starts_with("there is no audit log: "),
            "{logfile}"
        );
    }
    let said =
        notes(&run(&format!("{BASE}audit_logfile=none\naudit_syslog=1\n")).ok().1, Level::Warn);
    assert_eq!(
        said,
        ["/etc/s.conf:4: [supervisord] audit_syslog has no effect: there is no audit log"]
    );
}

#[test]
fn no_audit_log_is_made_where_others_could_make_it() {
    let role = "[role:r]\nmembers=root\nprograms=*\nactions=view";
    for (logfile, part) in [("/tmp/s.log", "/tmp"), ("/home/alice/s.log", "/home/alice")] {
        let (_, settings) = run(&format!("{BASE}logfile={logfile}\n{role}\n")).ok();
        assert_eq!(settings.audit, None);
        let said = notes(&settings, Level::Warn).remove(0);
        let why = format!(
            "others could make or change {part}/audit.log, as {part} is theirs to write; set audit_log"
        );
        assert!(said.starts_with(&format!("there is no audit log: {why}")), "{said}");
    }
    // Who asks for it gets it, and who runs the daemon is no other.
    assert!(audit("audit_logfile=/tmp/a.log").is_some());
    let own = format!("[supervisord]\nuser=alice\nlogfile=/home/alice/s.log\n{role}\n");
    assert_eq!(run(&own).ok().1.audit.unwrap().path, "/home/alice/audit.log");
    assert_eq!(run(&own).uid(1000).ok().1.audit.unwrap().path, "/home/alice/audit.log");
    // Groups have what root gave them.
    assert!(audit(&format!("logfile=/srv/app/shared/s.log\n{role}")).is_some());
}

#[test]
fn a_rotation_keeps_what_was_written() {
    assert_eq!(audit("audit_logfile=/tmp/a\naudit_logfile_maxbytes=0").unwrap().maxbytes, 0);
    assert_eq!(audit("audit_logfile=/tmp/a\naudit_logfile_backups=1").unwrap().backups, 1);
    for (line, text) in [
        (
            "audit_logfile_backups=0",
            "Invalid audit_logfile_backups value '0': a rotation would empty",
        ),
        ("audit_logfile_backups=-1", "Invalid audit_logfile_backups value '-1': a rotation would"),
        (
            "audit_logfile_maxbytes=1",
            "Invalid audit_logfile_maxbytes value '1': 1 bytes are too few",
        ),
        ("audit_logfile_maxbytes=65535", "Invalid audit_logfile_maxbytes value '65535': 65535 by"),
    ] {
        let error = run(&format!("{BASE}{line}\n")).errors().remove(0);
        assert!(error.starts_with(text), "{error}");
        assert!(error.contains("\n  /etc/s.conf:3: [supervisord] audit_logfile_"), "{error}");
    }
}

#[test]
fn the_audit_log_in_force_is_no_log_of_a_program() {
    let from = "audit_logfile=/tmp/a\n";
    let (table, _) = run(&format!("{BASE}{from}")).ok();
    for to in ["audit_logfile=none\n", "audit_logfile=/tmp/b\n", ""] {
        for log in ["/tmp/a", "/tmp/a.1", "/tmp/a.anchor", "/tmp/x/../a.3"] {
            let program = format!("[program:p]\ncommand=p\nstdout_logfile={log}\n");
            let mut later = run(&format!("{BASE}{to}{program}"));
            later.facts.current = Some(table.clone());
            let error = later.error();
            assert!(
                error.ends_with("until the daemon is restarted, /tmp/a is its audit log; give the log another file"),
                "{to} {log}: {error}"
            );
        }
    }
    let mut later = run(&format!("{BASE}{from}[program:p]\ncommand=p\nstderr_logfile=/tmp/a\n"));
    later.facts.current = Some(table);
    assert_eq!(later.errors().len(), 1, "it is told once");
}

#[test]
fn errors_of_the_audit_log() {
    for value in [
        "",
        "syslog",
        "/tmp/",
        "/dev/stdout",
        "/proc/self/fd/1",
        "/dev/../dev/null",
        "/nowhere/a.log",
        "a\n b",
    ] {
        let error = run(&format!("{BASE}audit_logfile={value}\n")).errors().remove(0);
        assert!(error.ends_with("\n  /etc/s.conf:3: [supervisord] audit_logfile"), "{error}");
    }
    for lines in [
        "logfile=/tmp/a\naudit_logfile=/tmp/a",
        "pidfile=/tmp/a\naudit_logfile=/tmp/a",
        "logfile=/tmp/a\naudit_logfile=/tmp/a.1",
        "logfile=/tmp/a.anchor\naudit_logfile=/tmp/a",
        "audit_logfile=/tmp/a\n[program:a]\ncommand=a\nstdout_logfile=/tmp/a.12",
        "audit_logfile=/tmp/a\n[program:a]\ncommand=a\nstderr_logfile=/tmp//x/../a",
    ] {
        let errors = run(&format!("{BASE}{lines}\n")).errors();
        assert!(
            errors[0].starts_with("the audit log cannot be where /tmp/"),
            "{lines}: {errors:?}"
        );
    }
    assert!(audit("logfile=/tmp/a\naudit_logfile=/tmp/a.b").is_some());
}

#[test]
fn the_audit_writer_is_nobody_else() {
    let role = "[role:r]\nmembers=root\nprograms=*\nactions=view\n";
    let (table, settings) = run(&format!("{BASE}audit_syslog=true\n{role}")).ok();
    let audit = table.audit.clone().unwrap();
    assert_eq!(
        (audit.log.path.as_slice(), audit.log.mode, audit.syslog),
        (&b"/srv/app/audit.log"[..], 0o600, true)
    );
    // The first spare id is the broker's.
    let uid = |identity: &Option<privsep::table::Identity>| identity.as_ref().unwrap().uid;
    assert_eq!((uid(&table.broker), uid(&audit.identity)), (65_521, 65_522));
    assert_eq!(settings.audit.unwrap().path, "/srv/app/audit.log");
    // Without a boundary there is one user.
    let (table, _) = run(&format!("[supervisord]\nuser=alice\n{role}")).ok();
    assert_eq!(table.audit.unwrap().identity, None);
    let mut few = run(&format!("{BASE}{role}"));
    few.facts.start.spare = 2;
    assert_eq!(
        few.error(),
        "there is no user for the audit writer: no user supervisor-audit, and all ids from 65520 to 65533 are in use; \
         make a user supervisor-audit, or set audit_logfile=none"
    );
}

#[test]
fn the_audit_log_stays_what_it_was_at_the_start() {
    let role = "[role:r]\nmembers=root\nprograms=*\nactions=view\n";
    let again = |from: &str, to: &str| {
        let (table, _) = run(&format!("{BASE}{from}")).ok();
        let mut later = run(&format!("{BASE}{to}"));
        later.facts.current = Some(table.clone());
        let (again, settings) = later.ok();
        assert_eq!(again.audit, table.audit);
        (settings.audit.clone().map(|a| a.path), notes(&settings, Level::Warn))
    };
    let path = Some("/srv/app/audit.log".to_owned());
    assert_eq!(again(role, role), (path.clone(), vec![]));
    let said = "the audit log /srv/app/audit.log begins at the next restart: until then nothing is recorded";
    assert_eq!(again("", role), (None, vec![said.to_owned()]));
    let said = "[supervisord] audit_logfile, its limits or audit_syslog changed; it takes effect at the next restart";
    assert_eq!(again(role, ""), (path.clone(), vec![said.to_owned()]));
    assert_eq!(
        again(role, &format!("audit_logfile_backups=3\n{role}")),
        (path, vec![said.to_owned()])
    );
    // No program becomes the writer.
    let (mut table, _) = run(&format!("{BASE}{role}")).ok();
    table.audit.as_mut().unwrap().identity.as_mut().unwrap().uid = 1000;
    let mut later = run(&format!("{BASE}{role}[program:a]\ncommand=a\nuser=alice\n"));
    later.facts.current = Some(table);
    assert_eq!(
        later.error(),
        "a:a cannot run as user id 1000: it is the audit writer's until the daemon is restarted"
    );
}
