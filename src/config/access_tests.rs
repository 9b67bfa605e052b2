//! Users, roles and labels.

use ::policy::access::{
    Access, Action, Member, Pattern, Principal, Proof, Role, Target, Who as Somebody,
};

use super::*;

pub(super) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
pub(super) const PROGRAMS: &str = "[program:nginx]\ncommand=n\nlabels=web, public\n[program:db]\ncommand=d\nnumprocs=2\n\
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
            // Plain text does not leave the reader.
            ("carol", &Password::Sha1("e3c8136abde672759414a3a9c67337a9a631d468".to_owned())),
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
fn names_of_certificates() {
    let members = |text: &str| compiled(role(text, "*", "view")).members;
    let cert = |name: &str| Member::Certificate(name.to_owned());
    assert_eq!(
        members("cert:CN=deploy, cert:DNS:*.example.org,ann,cert:URI:spiffe://x/y?z[1]"),
        [
            cert("CN=deploy"),
            cert("DNS:*.example.org"),
            Member::User("ann".to_owned()),
            cert("URI:spiffe://x/y?z[1]"),
        ]
    );
    assert_eq!(
        members("\"cert:CN=Doe, Jane\" , \"@staff\",\n \"cert:CN=say \"\"x\"\"\""),
        [cert("CN=Doe, Jane"), Member::Gid(50), cert("CN=say \"x\"")]
    );
    // In the middle of a name a quote is one.
    assert_eq!(members("cert:CN=a\"b,\"\",cert:CN=100%%"), [cert("CN=a\"b"), cert("CN=100%")]);
    let shown = role("\"cert:CN=Doe, Jane\",cert:CN=x", "*", "view").ok().1.access.roles;
    let shown: Vec<String> = shown[0].members.iter().map(ToString::to_string).collect();
    assert_eq!(members(&shown.join(",")), [cert("CN=Doe, Jane"), cert("CN=x")]);
}

#[test]
fn members_that_nobody_is() {
    for (member, text) in [
        ("cert:", "write cert:CN=NAME"),
        ("cert:deploy", "write cert:CN=NAME"),
        ("cert:cn=deploy", "in capitals"),
        ("cert:O=x", "write cert:CN=NAME"),
        ("cert:CN=", "is missing"),
        ("cert:CN=a\n b", "cannot have '\\n'"),
        ("\"cert:CN=Doe, Jane", "no quote closes the one before"),
        ("\"ann\" bob", "'bob' stands between a closing quote and a comma"),
        ("token:ci", "is no member"),
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

#[test]
fn a_role_or_user_stands_in_one_file() {
    let role = "[role:web]\nmembers=root\nprograms=nginx\nactions=view\n";
    for (here, there, section) in [
        (role, "[role:web]\nprograms=*\n", "role:web"),
        ("[role:web]\n", role, "role:web"),
        (&*format!("[user:ann]\npassword={HASH}\n"), "[user:ann]\npassword=x\n", "user:ann"),
    ] {
        let text = format!("{BASE}{here}{PROGRAMS}[include]\nfiles=/etc/more.conf\n");
        let errors = run(&text).file("/etc/more.conf", there).errors();
        let error = format!("[{section}] stands in two files; give one of them another name");
        assert!(errors[0].starts_with(&error), "{errors:?}");
        assert!(errors[0].contains("\n  /etc/s.conf:3: ["), "{errors:?}");
        assert!(errors[0].contains("\n  /etc/more.conf:2: ["), "{errors:?}");
    }
    let text = format!("{BASE}{PROGRAMS}[include]\nfiles=/etc/more.conf\n");
    let (_, settings) = run(&text).file("/etc/more.conf", role).ok();
    assert_eq!(settings.access.roles[0].place, "/etc/more.conf:1");
}
