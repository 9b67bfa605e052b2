//! `--policy`: what the report says.

use super::*;

fn leave(mut run: Run, options: &[&str]) -> (u8, String, String) {
    run = run.more(&["--policy"]).more(options);
    match run.outcome() {
        Outcome::Leave { status, stdout, stderr } => (status, stdout, stderr),
        other => panic!("{other:?}"),
    }
}

fn text(config: &str) -> String {
    let (status, stdout, _) = leave(run(config), &[]);
    assert_eq!(status, 0);
    stdout
}

fn json(config: &str) -> String {
    let (status, stdout, _) = leave(run(config), &["--json"]);
    assert_eq!(status, 0);
    stdout
}

/// The values of a key, in order.
fn values(json: &str, key: &str) -> Vec<String> {
    let key = format!("\"{key}\": \"");
    let lines = json.lines().filter_map(|line| line.trim().strip_prefix(&key));
    lines.map(|value| value.trim_end_matches(',').trim_end_matches('"').to_owned()).collect()
}

/// The lines of a heading, without the blanks before them.
fn section(text: &str, heading: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    lines.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";

/// Nothing in it is weak.
fn fine() -> String {
    format!(
        "[supervisord]\nuser=root\nlogfile=/var/log/s.log\npidfile=/run/s.pid\n[unix_http_server]\nfile=/run/s.sock\n\
         [user:carol]\npassword={HASH}\n[role:web]\nmembers=carol,alice,@staff\nprograms=web:*\nactions=viewer,restart\n\
         [program:web]\ncommand=/usr/bin/web -c /etc/web.conf\nuser=alice\nnumprocs=3\n\
         process_name=w%(process_num)d\nsockets=tcp://127.0.0.1:80\nlabels=front\n\
         [program:job]\ncommand=/usr/bin/job\nuser=bob\n"
    )
}

const BAD: &str = "[supervisord]\nlogfile=/var/log/s.log\npidfile=/home/alice/s.pid\naudit_logfile=none\n\
    [inet_http_server]\nport=127.0.0.1:1\nusername=u\npassword=hunter2\n\
    [inet_http_server:x]\nport=127.0.0.1:2\n[unix_http_server]\nfile=/run/s.sock\nchmod=0777\n\
    [program:a]\ncommand=/bin/sh /home/alice/run.sh\n[program:b]\ncommand=/root/b\nuser=root\n\
    [program:c]\ncommand=/home/alice/c\nuser=alice\n";

#[test]
fn nothing_weak() {
    let text = text(&fine());
    assert_eq!(section(&text, "Weak points: 0"), ["none was found"], "{text}");
    let root = section(&text, "What runs as root, and why");
    assert_eq!(root.len(), 2, "{root:?}");
    assert!(root[0].starts_with("supervisord "), "{root:?}");
    assert_eq!(
        section(&text, "Programs"),
        [
            "job:job",
            "user           bob (uid 1001): user=bob (/etc/s.conf:22)",
            "groups         101, 4",
            "capabilities   none",
            "sockets        none",
            "web:w0 to w2 (3 processes)",
            "user           alice (uid 1000): user=alice (/etc/s.conf:15)",
            "groups         100, 4",
            "capabilities   none",
            "sockets        tcp://127.0.0.1:80",
            "labels         front",
        ]
    );
    assert_eq!(
        section(&text, "Servers"),
        [
            "unix:///run/s.sock [unix_http_server] (/etc/s.conf:5)",
            "socket         mode 0700, owner root",
            "who asks       the system says who asks (SO_PEERCRED); passwords of users (carol)",
        ]
    );
    assert_eq!(
        section(&text, "Users"),
        ["carol (/etc/s.conf:8)", "password       argon2id", "roles          web"]
    );
    let by = "by role:web /etc/s.conf:9";
    let web = ["view on the daemon", "view, log, restart on web:w0 to w2 (3 processes)"];
    let mut all = vec!["root and the daemon's user, over a unix socket: everything".to_owned()];
    for who in ["user:carol", "unix:1000 (alice)", "@50 (staff)"] {
        all.push(format!("{who} {by}"));
        all.extend(web.map(str::to_owned));
    }
    assert_eq!(section(&text, "Who may do what"), all);
    assert_eq!(section(&text, "Audit log"), ["/var/log/audit.log"]);
    assert!(!text.contains("argon2id$"));
}

#[test]
fn the_gravest_first() {
    let json = json(BAD);
    assert_eq!(
        values(&json, "kind"),
        [
            "root program",
            "root program",
            "plain password",
            "open server",
            "writable path",
            "writable path",
            "open socket",
        ],
        "{json}"
    );
    assert_eq!(
        values(&json, "about"),
        [
            "a:a",
            "b:b",
            "[inet_http_server]",
            "[inet_http_server:x]",
            "a:a",
            "the pidfile",
            "[unix_http_server]"
        ]
    );
    let text = text(BAD);
    assert!(!text.contains("hunter2") && !json.contains("hunter2"));
    // What wraps is put together again.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "a:a: runs as root (no user=, and the daemon runs as root)",
        "b:b: runs as root (user=root)",
        "/etc/s.conf can be read by everybody",
        "tcp://127.0.0.1:2 asks for no password: every user and program of this machine may do everything",
        "/home/alice/run.sh is run as root; /home/alice belongs to alice, who could change files in it",
        "/home/alice/s.pid is the pidfile; /home/alice belongs to alice",
        "unix:///run/s.sock has mode 0777, and there is no role: every user of this machine may do everything",
        "not seen /root/b",
        "none: whoever passes a server's gate may do everything",
    ] {
        assert!(words.contains(part), "{part}: {text}");
    }
    // What alice runs she may change, and with a password a server is not open.
    assert!(!words.contains("c:c:"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 112), "{text}");
    assert!(section(&text, "Who may do what").is_empty());
}

#[test]
fn roles_that_give_more_than_they_seem_to() {
    let more = "[role:a]\nmembers=anonymous\nprograms=*\nactions=view,restart\n\
                [role:b]\nmembers=anonymous\nprograms=*\nactions=viewer\n\
                [role:c]\nmembers=carol\nprograms=web\nactions=admin\n\
                [role:d]\nmembers=carol\nprograms=*\nactions=admin\n[user:dora]\npassword=x\n";
    let json = json(&(fine() + more));
    assert_eq!(values(&json, "kind"), ["plain password", "anonymous"]);
    let text = text(&(fine() + more));
    let users = section(&text, "Users");
    assert!(users.contains(&"roles          no role, may do nothing".to_owned()), "{users:?}");
    let who = section(&text, "Who may do what");
    let anonymous = who.iter().position(|line| line.starts_with("anonymous by")).unwrap();
    assert_eq!(who[anonymous + 2], "view, log, restart on job:job, web:w0 to w2 (3 processes)");
}

#[test]
fn servers_that_others_reach() {
    let server = "[inet_http_server]\nport=*:9001\n";
    let (status, text, stderr) = leave(run(&format!("{BASE}{server}")), &[]);
    assert_eq!(status, 0);
    let servers = section(&text, "Servers");
    assert!(servers[0].starts_with("not opened: /etc/s.conf:4: "), "{servers:?}");
    assert!(stderr.contains("*:9001 is not opened"), "{stderr}");
    let open = json(&format!("{BASE}{server}insecure_no_auth=true\n"));
    assert_eq!(values(&open, "kind")[0], "open server");
    assert!(open.contains("\"authentication\": [\"nothing\"]"), "{open}");
    let asks = json(&(fine() + server));
    assert_eq!(values(&asks, "kind"), ["no encryption"]);
    assert!(asks.contains("\"from_other_machines\": true"));
    let strict = format!("[supervisord]\nuser=root\nstrict=true\n{server}");
    let (status, stdout, stderr) = leave(run(&strict), &[]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.contains("strict=true forbids"), "{stderr}");
}

#[test]
fn what_the_system_lacks() {
    let mut lacking = run(&fine());
    lacking.facts.missing = vec!["seccomp"];
    let (_, text, _) = leave(lacking, &[]);
    assert!(section(&text, "Sandbox").contains(&"missing        seccomp".to_owned()), "{text}");
    assert!(section(&text, "Weak points: 1")[0].starts_with("sandbox         seccomp: "), "{text}");
    let broker = section(&text, "Supervisor's own processes");
    assert!(broker.iter().all(|line| !line.contains("seccomp")), "{broker:?}");
}

#[test]
fn without_root() {
    let mut plain = run("[supervisord]\n[program:a]\ncommand=/bin/a\n");
    plain.facts.start.uid = 1000;
    let (_, text, _) = leave(plain, &[]);
    assert_eq!(section(&text, "What runs as root, and why"), ["nothing"]);
    let programs = section(&text, "Programs");
    assert_eq!(programs[1], "user           alice (uid 1000): the daemon's user (/etc/s.conf:2)");
    assert!(
        section(&text, "Weak points: 1")[0].starts_with("sandbox         one user: "),
        "{text}"
    );
}

#[test]
fn a_configuration_with_errors_has_no_report() {
    let config = "[supervisord]\nminfds=x\n";
    let (status, stdout, stderr) = leave(run(config), &["--json"]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.starts_with("Error: "), "{stderr}");
    let usage = |words: &[&str]| run(BASE).more(&["--policy"]).more(words).error();
    assert_eq!(usage(&["--check"]), "--check and --policy do not go together");
    assert_eq!(usage(&["--show"]), "--show goes with --check");
}

#[test]
fn texts_make_no_lines_of_their_own() {
    let config = "[supervisord]\nuser=root\n[program:a]\ncommand=/home/alice/\u{1b}[2J\n";
    let text = text(config);
    assert!(text.contains("/home/alice/\\u{1b}[2J is run as root"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn signals_have_one_name_in_roles_and_programs() {
    for signo in 1..=64 {
        let shown = ::policy::access::Action::Signal(signo).to_string();
        let name = shown.strip_prefix("signal(").and_then(|rest| rest.strip_suffix(')')).unwrap();
        if name.parse::<u8>() != Ok(signo) {
            assert_eq!(crate::config::values::signal(name), Ok(signo), "{name}");
        } else {
            assert!(crate::config::values::signal(name).is_err(), "{name} has a name");
        }
    }
}

/// The report of a configuration whose server over TCP, on all addresses, is changed after it was read.
fn altered(json: bool, alter: impl Fn(&mut crate::config::settings::Settings)) -> String {
    let mut run = run(&format!("{}[inet_http_server]\nport=*:9001\n", fine()));
    let mut machine = Machine;
    let mut reading = Reading {
        host: &mut machine,
        facts: &run.facts,
        problems: Default::default(),
        doc: Default::default(),
        config: String::new(),
        here: String::new(),
        trace: Default::default(),
    };
    let words: Vec<String> = ["supervisord", "-c", "/etc/s.conf"].map(str::to_owned).into();
    let Ok(options) = crate::config::options::parse(&mut reading, &words) else {
        panic!("options")
    };
    let read = super::super::whole(&mut reading, &mut run.files, &options, "supervisord");
    let (model, table, mut settings) = read.unwrap();
    alter(&mut settings);
    let key = b"[inet_http_server]\ntls_key=%(here)s/server.key\n";
    reading.doc.read("/etc/more.conf", key).unwrap();
    crate::config::policy::report(&mut reading, json, &model, &table, &settings)
}

fn tls(clients: Option<bool>) -> Option<crate::config::settings::Tls> {
    let clients = clients.map(|required| crate::config::settings::Clients {
        authorities: vec![],
        revoked: vec![],
        required,
    });
    let key = b"secret key".to_vec();
    Some(crate::config::settings::Tls { chain: vec![b"chain".to_vec()], key, clients })
}

#[test]
fn servers_that_speak_tls() {
    let plain = altered(true, |_| {});
    assert_eq!(values(&plain, "kind"), ["no encryption"]);
    for (clients, word, asks) in [
        (None, "none", "passwords of users (carol)"),
        (Some(false), "optional", "a client certificate, where there is one"),
        (Some(true), "required", "a client certificate is required"),
    ] {
        let json = altered(true, |settings| settings.servers[0].tls = tls(clients));
        // The machine of these tests shows every file to everybody.
        assert_eq!(values(&json, "kind"), ["readable key"], "{json}");
        assert_eq!(values(&json, "client_certificates"), [word]);
        assert!(json.contains("\"encrypted\": true") && json.contains(asks), "{json}");
        let text = altered(false, |settings| settings.servers[0].tls = tls(clients));
        let servers = section(&text, "Servers");
        assert!(servers.contains(&format!("encryption     TLS; client certificates: {word}")));
        assert!(servers.contains(&"reached        from other machines, over TLS".to_owned()));
        assert!(text.contains("the key /etc/server.key can be read by everybody"), "{text}");
        assert!(!text.contains("secret key"));
    }
    // Without any authentication it is as open as another.
    let open = |clients| {
        altered(true, |settings| {
            settings.users.clear();
            settings.servers[0].guarded = false;
            settings.servers[0].tls = tls(clients);
        })
    };
    assert!(values(&open(None), "kind").contains(&"open server".to_owned()));
    assert!(values(&open(Some(false)), "kind").contains(&"open server".to_owned()));
    assert!(!values(&open(Some(true)), "kind").contains(&"open server".to_owned()));
}

#[test]
fn pam_and_tokens() {
    let token = |name: &str, role: &str| crate::config::settings::Token {
        name: name.to_owned(),
        role: role.to_owned(),
        maker: None,
        expires: None,
        digest: [0xab; 32],
    };
    let alter = |settings: &mut crate::config::settings::Settings| {
        settings.servers[0].tls = tls(None);
        settings.servers[0].pam = true;
        settings.tokens = vec![token("ci", "web"), token("x", "gone"), token("program:a:a", "web")];
    };
    let text = altered(false, alter);
    assert_eq!(
        section(&text, "Tokens"),
        [
            "2 tokens with role web",
            "ci, program:a:a",
            "1 token with role gone, which there is not: they do nothing",
            "x",
        ]
    );
    let root = section(&text, "What runs as root, and why");
    let helper = root.iter().find(|line| line.starts_with("supervisor-pam ")).unwrap();
    assert!(helper.contains("auth=pam: PAM reads what only root may"), "{root:?}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("passwords of accounts of the system (PAM); tokens (3)"), "{text}");
    let json = altered(true, alter);
    assert!(json.contains("\"count\": 2") && json.contains("\"role_exists\": false"), "{json}");
    assert!(!json.contains("abab") && !text.contains("abab") && !json.contains("171"));
    let none = altered(false, |_| {});
    assert!(!none.contains("\nTokens\n") && !none.contains("supervisor-pam"));
}
