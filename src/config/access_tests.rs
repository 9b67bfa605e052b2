//! Users, roles and labels; servers that other machines can reach; the audit log.

use policy::access::{
    Access, Action, Member, Pattern, Principal, Proof, Role, Target, Who as Somebody,
};

use super::*;
use crate::config::settings::AuditLog;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
const PROGRAMS: &str = "[program:nginx]\ncommand=n\nlabels=web, public\n[program:db]\ncommand=d\nnumprocs=2\n\
    process_name=db%(process_num)d\n";

fn with(lines: &str) -> Run {
    run(&format!("{BASE}{PROGRAMS}{lines}\n"))
}

fn role(members: &str, programs: &str, actions: &str) -> Run {
    let role = format!("[role:web]\nmembers={members}\nprograms={programs}\nactions={actions}\n");
    with(&format!(
        "[user:ann]\npassword={HASH}\n[unix_http_server]\nfile=/s\nusername=op\npassword=p\n{role}"
    ))
}

/// The one role of a configuration.
fn compiled(run: Run) -> Role {
    let (_, settings) = run.ok();
    let [role] = settings.access.roles.as_slice() else { panic!("{:?}", settings.access) };
    role.clone()
}

fn warnings(run: Run) -> Vec<String> {
    notes(&run.ok().1, Level::Warn)
}

#[test]
fn users_and_their_passwords() {
    let sha = "82ab876d1387bfafe46cc1c8a2ef074eae50cb1d";
    let (_, settings) = with(&format!(
        "[user:ann]\npassword={HASH}\n[user: b.ob@example.com ]\npassword={{SHA}}{sha}\n[user:carol]\n\
         password=hunter2%%  ; a comment\n"
    ))
    .ok();
    let found: Vec<(&str, &Password)> =
        settings.users.iter().map(|u| (&*u.name, &u.password)).collect();
    assert_eq!(
        found,
        [
            ("ann", &Password::Argon2(HASH.to_owned())),
            ("b.ob@example.com", &Password::Sha1(sha.to_owned())),
            ("carol", &Password::Plain("hunter2%".to_owned())),
        ]
    );
    assert_eq!(
        notes(&settings, Level::Warn),
        [
            "/etc/s.conf:13: [user: b.ob@example.com ] password is a SHA-1 hash without salt: easy to find out for \
             whoever reads the file; put what supervisorctl passwd prints in its place",
            "/etc/s.conf:15: [user:carol] password is plain text: whoever reads the file has it; put what \
             supervisorctl passwd prints in its place",
        ]
    );
    assert!(!format!("{settings:?}").contains("hunter2"));
    let weak = HASH.replace("m=19456", "m=64");
    let warnings = warnings(with(&format!("[user:ann]\npassword={weak}\n")));
    assert!(warnings[0].contains("cheap to guess against"), "{warnings:?}");
}

#[test]
fn nobodys_password_is_ever_said() {
    let bad = [
        "password=hunter2%",
        "password=hunter2%(ENV_NONE)s",
        "password=hunter2\n second",
        "password={SSHA}hunter2",
        "password={SHA}hunter2",
        "password=$argon2id$v=19$m=1,t=2,p=1$hunter2$hunter2",
        "password=$2b$12$hunter2",
        "password=hunter2\nusername=x",
    ];
    for lines in bad {
        for options in [&[][..], &["--check"], &["--check", "--show"], &["--check", "--json"]] {
            let Outcome::Leave { status, stdout, stderr } =
                with(&format!("[user:a]\n{lines}\n[role:r]\nmembers=a\n")).more(options).outcome()
            else {
                panic!("{lines}")
            };
            assert_eq!(status, 2);
            assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{stderr}");
            assert!(stderr.contains("/etc/s.conf:1"), "{stderr}");
        }
    }
    for good in ["password=hunter2", "password=%(ENV_X)shunter2"] {
        for options in [&["--check"][..], &["--check", "--show"], &["--check", "--json"]] {
            let run = with(&format!("[user:a]\n{good}\n")).more(options).outcome();
            let Outcome::Leave { status: 0, stdout, stderr } = run else { panic!("{run:?}") };
            assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"), "{stdout}{stderr}");
        }
    }
}

#[test]
fn errors_of_users() {
    let error = |lines: &str| with(lines).errors().remove(0);
    assert_eq!(
        error("[user:ann]"),
        "section [user:ann] has no password: supervisorctl passwd makes a hash\n  /etc/s.conf:10: [user:ann] password"
    );
    assert_eq!(
        error("[user:ann]\npassword=x\npasword=y"),
        "[user:ann] pasword is not known; did you mean password?\n  /etc/s.conf:12: [user:ann] pasword"
    );
    assert_eq!(
        error("[user:ann]\npassword=x\n[user: ann]\npassword=y"),
        "there are two sections of the user ann; keep one\n  /etc/s.conf:10: [user:ann]\n  /etc/s.conf:12: [user: ann]"
    );
    assert_eq!(
        error("[usr:ann]\npassword=x"),
        "section [usr:ann] is not known; did you mean [user:ann]?\n  /etc/s.conf:10: [usr:ann]"
    );
    let hostile = [
        "",
        "a b",
        "a:b",
        "a/b",
        "a,b",
        "@web",
        "-x",
        "a*",
        "anonymous",
        "a\u{1b}[2J",
        "\u{202e}x",
        "a\u{200b}b",
        "a;b",
    ];
    for name in hostile {
        for kind in ["user", "role"] {
            let more = "password=x\nmembers=root\nprograms=*\nactions=view";
            let errors = with(&format!("[{kind}:{name}]\n{more}")).errors();
            let error = errors.iter().find(|e| e.starts_with("Invalid name: ")).unwrap();
            assert!(error.contains("\n  /etc/s.conf:10: ["), "{error}");
            let first = error.lines().next().unwrap();
            assert!(!first.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{first:?}");
        }
    }
}

#[test]
fn members_are_looked_up() {
    let members = |text: &str| compiled(role(text, "*", "view")).members;
    let user = |name: &str| Member::User(name.to_owned());
    assert_eq!(members("ann, op"), [user("ann"), user("op")]);
    assert_eq!(members("alice,@staff"), [Member::Uid(1000), Member::Gid(50)]);
    assert_eq!(
        members("unix:bob,unix:77,@78,@0"),
        [1001, 77].map(Member::Uid).into_iter().chain([78, 0].map(Member::Gid)).collect::<Vec<_>>()
    );
    assert_eq!(members("anonymous,user:ann,ann,,\n user:ann,"), [Member::Anonymous, user("ann")]);
    // One name can be both, and says which if it is to be one.
    let both = |text: &str| {
        let role = format!("[role:web]\nmembers={text}\nprograms=*\nactions=view\n");
        compiled(with(&format!("[user:alice]\npassword={HASH}\n{role}"))).members
    };
    assert_eq!(both("alice"), [user("alice"), Member::Uid(1000)]);
    assert_eq!(both("user:alice"), [user("alice")]);
    assert_eq!(both("unix:alice"), [Member::Uid(1000)]);
}

#[test]
fn members_that_nobody_is() {
    for (member, text) in [
        (
            "an",
            "Unknown member 'an': there is no [user:an], no server with that username, and no such account of this \
                system; is ann meant?",
        ),
        ("anonymus", "; is anonymous meant?"),
        ("staff", "; is the group @staff meant?"),
        ("1000", "; is unix:1000 meant?"),
        (
            "user:alice",
            "Unknown user 'alice': there is no [user:alice] and no server with that username",
        ),
        ("user:an", "; is user:ann meant?"),
        ("unix:ann", "Unknown user 'ann': this system has no such account"),
        ("unix:4294967295", "no such account"),
        ("@4294967295", "no such group"),
        (
            "@alice",
            "Unknown group 'alice': this system has no such group; is the user unix:alice meant?",
        ),
        ("@", "Invalid member: "),
        ("unix:", "Invalid member: "),
        ("user:", "Invalid member: "),
        ("group:staff", "Invalid member: "),
        ("uid:0", "Invalid member: "),
        ("alice bob", "commas stand between members"),
        ("alice\n bob", "commas stand between members"),
        ("*", "members= has no wildcards; @GROUP is"),
        ("unix:*", "members= has no wildcards"),
        ("@sta??", "members= has no wildcards"),
        ("[ab]nn", "members= has no wildcards"),
        ("ann\u{200b}", "Unknown member 'ann\\u200b'"),
        ("\u{430}nn", "Unknown member"),
        ("ANN", "Unknown member 'ANN'"),
        ("a\u{1b}[2Jnn", "Invalid member"),
        ("", "members= names nothing"),
        (",,", "members= names nothing"),
    ] {
        let errors = role(member, "*", "view").errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(text), "{member}: {}", errors[0]);
        assert!(errors[0].ends_with("\n  /etc/s.conf:17: [role:web] members"), "{}", errors[0]);
        assert!(!errors[0].contains('\u{1b}'));
    }
}

#[test]
fn programs_and_actions() {
    let role =
        compiled(role("ann", "nginx, db:*,@web, n*:[a-o]?", "view, restart ,signal(HUP, usr1)"));
    assert_eq!((&*role.name, &*role.place), ("web", "/etc/s.conf:16"));
    assert_eq!(
        role.programs,
        [
            Pattern::Group("nginx".into()),
            Pattern::Process("db".into(), "*".into()),
            Pattern::Label("web".into()),
            Pattern::Process("n*".into(), "[a-o]?".into()),
        ]
    );
    for (action, granted) in [
        (Action::View, true),
        (Action::Restart, true),
        (Action::Signal(1), true),
        (Action::Signal(10), true),
        (Action::Signal(9), false),
        (Action::Stop, false),
        (Action::Admin, false),
    ] {
        assert_eq!(role.grants.has(action), granted, "{action:?}");
    }
}

#[test]
fn programs_and_actions_that_mean_nothing() {
    for (programs, actions, text) in [
        ("", "view", "programs= names nothing"),
        ("a:b:c", "view", "Invalid pattern: "),
        ("web:", "view", "Invalid pattern: "),
        (":web", "view", "Invalid pattern: "),
        ("@", "view", "Invalid pattern: "),
        ("@*", "view", "Invalid pattern: "),
        ("nginx db", "view", "Invalid pattern: "),
        ("nginx\n db", "view", "Invalid pattern: "),
        ("[ngi", "view", "Invalid pattern: "),
        ("a\u{1b}*", "view", "Invalid pattern: "),
        ("nginx", "", "actions= names nothing"),
        ("nginx", ",", "Invalid action: "),
        ("nginx", "restar", "is restart meant?"),
        ("nginx", "all", "Invalid action: "),
        ("nginx", "*", "Invalid action: "),
        ("nginx", "signal(FOO)", "Invalid action: "),
        ("nginx", "signal(HUP", "Invalid action: "),
        ("nginx", "view restart", "Invalid action: "),
        ("nginx", "view\n restart", "Invalid action: "),
        ("nginx", "vi\u{1b}ew", "Invalid action: "),
    ] {
        let errors = role("ann", programs, actions).errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(text), "{programs} {actions}: {}", errors[0]);
        assert!(
            errors[0].contains("\n  /etc/s.conf:1") && !errors[0].contains('\u{1b}'),
            "{}",
            errors[0]
        );
    }
}

#[test]
fn all_that_is_wrong_with_a_role_is_said_at_once() {
    let errors = with("[role:web]\nmembers=nobody1,@nogroup1\nprogams=x\nactions=fly\n").errors();
    let places: Vec<&str> = errors.iter().map(|e| e.lines().last().unwrap()).collect();
    assert_eq!(
        places,
        [
            "  /etc/s.conf:12: [role:web] progams",
            "  /etc/s.conf:11: [role:web] members",
            "  /etc/s.conf:11: [role:web] members",
            "  /etc/s.conf:10: [role:web] programs",
            "  /etc/s.conf:13: [role:web] actions",
        ]
    );
    assert!(errors[0].starts_with("[role:web] progams is not known; did you mean programs?"));
    assert!(errors[3].starts_with("section [role:web] has no programs: say what it is about"));
    assert!(with("[rol:web]\nmembers=ann\n").error().ends_with("did you mean [role:web]?"));
    assert!(with("[Role:web]\nactions=x\n").error().ends_with("did you mean [role:web]?"));
    let twice = "[role:a]\nmembers=root\nprograms=*\nactions=view\n[role: a]\nmembers=bob\nprograms=*\nactions=view\n";
    assert_eq!(with(twice).error(), "there are two sections of the role a; keep one");
    // What only looks alike is what it was.
    assert_eq!(warnings(with("[rolex:web]\nx=1\n[roles]\ny=1\n")).len(), 2);
}

#[test]
fn an_expansion_widens_nothing() {
    let expanded = |value: &str, line: &str| {
        let text = format!(
            "[supervisord]\nuser=root\nenvironment=V=\"{value}\"\n{PROGRAMS}[user:ann]\npassword={HASH}\n"
        );
        let role = ["members=ann", "programs=nginx", "actions=view"].map(|default| {
            let (key, _) = default.split_once('=').unwrap();
            if line.starts_with(key) { line } else { default }
        });
        run(&format!("{text}[role:web]\n{}\n", role.join("\n")))
    };
    assert_eq!(
        compiled(expanded("nn", "members=a%(ENV_V)s")).members,
        [Member::User("ann".into())]
    );
    let programs = compiled(expanded("ngi", "programs=%(ENV_V)s*,@web")).programs;
    assert_eq!(programs, [Pattern::Group("ngi*".into()), Pattern::Label("web".into())]);
    for (value, line) in [
        ("*", "programs=%(ENV_V)s"),
        ("?????", "programs=%(ENV_V)s"),
        ("[a-z]b", "programs=%(ENV_V)s"),
        ("nginx,db", "programs=%(ENV_V)s"),
        ("@web", "programs=%(ENV_V)s"),
        ("nginx:x", "programs=%(ENV_V)s"),
        ("ann,alice", "members=%(ENV_V)s"),
        ("@staff", "members=%(ENV_V)s"),
        ("unix:0", "members=%(ENV_V)s"),
        ("view,admin", "actions=%(ENV_V)s"),
        ("signal(KILL)", "actions=%(ENV_V)s"),
    ] {
        let error = expanded(value, line).error();
        assert!(error.starts_with("an expansion brings the character "), "{value} {line}: {error}");
    }
    let error = expanded("x", "members=%(ENV_W)s").error();
    assert!(error.starts_with("Format string '%(ENV_W)s' for 'role:web.members' "), "{error}");
}

#[test]
fn labels_of_programs_and_groups() {
    let (_, settings) = run(&format!(
        "{BASE}[program:a]\ncommand=a\nlabels=x,%(program_name)s-%(group_name)s\nnumprocs=2\nprocess_name=%(process_num)d\n\
         [program:b]\ncommand=b\nlabels=x\n[fcgi-program:f]\ncommand=f\nsocket=unix:///f\nlabels=fcgi\n\
         [eventlistener:e]\ncommand=e\nevents=EVENT\nlabels=ear\n[group:g]\nprograms=a,b\nlabels= y , x\n"
    ))
    .ok();
    let labels = |group: &str, name: &str| {
        let mut all = settings.processes.values();
        all.find(|p| p.group == group && p.name == name).unwrap().labels.join(" ")
    };
    assert_eq!(labels("g", "0"), "x a-g y");
    assert_eq!(labels("g", "1"), "x a-g y");
    assert_eq!(labels("g", "b"), "x y");
    assert_eq!(labels("f", "f"), "fcgi");
    assert_eq!(labels("e", "e"), "ear");
    assert!(program_error("labels=a b").starts_with("Invalid label 'a b': "));
    assert!(program_error("labels=@a").starts_with("Invalid label '@a': "));
    assert!(program_error("labels=*").starts_with("Invalid label '*': "));
    let error = with("[group:g]\nprograms=db\nlabels=a:b\n").errors().remove(0);
    assert!(error.ends_with("\n  /etc/s.conf:12: [group:g] labels"), "{error}");
}

#[test]
fn patterns_of_nothing_are_told_of() {
    let said = |programs: &str| {
        let all = warnings(role("ann", programs, "view"));
        let place = "/etc/s.conf:18: [role:web] programs: ";
        all.iter().map(|w| w.strip_prefix(place).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(said("nginx,db:db0,*,*:*,@web,n*").is_empty());
    assert_eq!(said("nginy"), ["no group with a process in it is called nginy; is nginx meant?"]);
    assert_eq!(said("db0"), ["no group with a process in it is called db0; is db:db0 meant?"]);
    assert_eq!(
        said("@wob,@x"),
        ["no program has the label wob; is @web meant?", "no program has the label x"]
    );
    assert_eq!(said("db:x*,x*:*"), ["no process is called db:x*", "no process is called x*:*"]);
    assert!(
        warnings(run(&format!("{BASE}[role:r]\nmembers=root\nprograms=*\nactions=admin\n")))
            .is_empty()
    );
}

#[test]
fn the_rules_decide_as_they_were_written() {
    let (_, settings) = role("ann,alice", "nginx,@public", "restart").ok();
    let access = Access::new(settings.access.clone());
    let ann = Principal::new(Somebody::User("ann".into()), Proof::Password);
    let unix = |uid| Principal::new(Somebody::Unix { uid, groups: [uid].into() }, Proof::Peer);
    for (who, action, group, name, allowed) in [
        (&ann, Action::Restart, "nginx", "nginx", true),
        (&ann, Action::View, "nginx", "nginx", true),
        (&ann, Action::Stop, "nginx", "nginx", false),
        (&ann, Action::View, "db", "db0", false),
        (&unix(1000), Action::Restart, "nginx", "nginx", true),
        (&unix(1001), Action::Restart, "nginx", "nginx", false),
        (&unix(0), Action::Stop, "db", "db0", true),
    ] {
        let process = settings.processes.values().find(|p| p.name == name).unwrap();
        let target = Target::Process { group, name, labels: &process.labels };
        assert_eq!(
            access.decide(who, action, target).allowed,
            allowed,
            "{who:?} {action:?} {name}"
        );
    }
}

#[test]
fn the_owner_is_who_runs_the_daemon() {
    let owner = |run: Run| run.ok().1.access.owner;
    assert_eq!(owner(run("[supervisord]\nuser=root\n")), 0);
    assert_eq!(owner(run("[supervisord]\nuser=alice\n")), 1000);
    assert_eq!(owner(run("[supervisord]\n").uid(1001)), 1001);
    // Who it became at its start it stays.
    let (table, _) = run("[supervisord]\nuser=alice\n").ok();
    let mut later = run("[supervisord]\nuser=bob\n");
    later.facts.current = Some(table);
    assert_eq!(owner(later), 1000);
}

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
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("/etc/s.conf:4: [inet_http_server] port: "), "{}", said[0]);
        assert_eq!(said[1], "  username=admin");
        assert!(said[2].starts_with("  password=$argon2id$"));
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
    let all = "audit_logfile=~/a.log\naudit_logfile_maxbytes=1KB\naudit_logfile_backups=3\naudit_syslog=on";
    let expected =
        AuditLog { path: "/home/alice/a.log".into(), maxbytes: 1024, backups: 3, syslog: true };
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
