//! Accounts of the system that log in by PAM, with real passwords: who gets in, who does not, and what either is told.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use system_tests::config::broker_user;
use system_tests::wire::{Place, call};
use system_tests::{Account, Config, Daemon, Dist, Launch, People, Room, base64, wait_for};

use crate::site;

const PASSWORD: &str = "correct horse: battery-staple";
/// At the end of which a refusal is told.
const SLOT: Duration = Duration::from_millis(500);

/// A daemon with a unix socket that has `auth=pam`. It sees a directory of PAM services of the test's own.
struct Gate {
    daemon: Daemon,
    place: Place,
    room: Room,
    people: People,
    carol: Account,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.daemon.leave();
    }
}

impl Gate {
    fn new(more: impl FnOnce(&Ground<'_>, Config) -> Config) -> Gate {
        Gate::with_service(true, more)
    }

    fn with_service(service: bool, more: impl FnOnce(&Ground<'_>, Config) -> Config) -> Gate {
        let (room, mut people) = (Room::new(), People::new());
        let (staff, ops) = (people.group("staff"), people.group("ops"));
        let carol = people.user("carol", &staff, &[&ops]);
        people.password(&carol, PASSWORD);
        services(&room, service);
        let base = Config::new(&room).daemon(&format!("broker_user={}", broker_user())).program(
            "p",
            "/bin/sleep 100000",
            "autostart=false\nstartsecs=0",
        );
        let config = more(&Ground { room: &room, carol: &carol, ops: &ops }, base);
        let text = config.text().replacen(".sock\n", ".sock\nauth=pam\n", 1);
        let file = room.file("supervisord.conf", &text);
        let daemon = launch(&room, &file);
        let place = Place::unix(&room.path("supervisord.sock"));
        Gate { daemon, place, room, people, carol }
    }

    /// Status line, head without what differs from moment to moment, and body; and how long that took.
    fn ask(&self, method: &str, name: &str, password: &str) -> (String, Duration) {
        let credentials = base64(format!("{name}:{password}").as_bytes());
        let headers = format!("Authorization: Basic {credentials}\r\nConnection: close\r\n");
        let begun = Instant::now();
        let answer = self.place.ask(&call(method, &headers)).expect("an answer");
        let took = begun.elapsed();
        let lines = answer.lines().filter(|line| !line.to_lowercase().starts_with("date:"));
        (lines.collect::<Vec<_>>().join("\n"), took)
    }

    fn who(&self, name: &str, password: &str) -> String {
        self.ask("supervisor.whoAmI", name, password).0
    }
}

/// Starts a daemon that sees the room's PAM services, and nobody else does.
fn launch(room: &Room, config: &Path) -> Daemon {
    let inside = r#"mount --bind "$0" /etc/pam.d && exec "$@""#;
    Launch::new(room, Dist::plain().supervisord())
        .through(&["unshare", "--mount", "sh", "-c", inside, &room.text("pam.d")])
        .config(config)
        .ready()
}

/// What there is before the daemon.
struct Ground<'a> {
    room: &'a Room,
    carol: &'a Account,
    ops: &'a Account,
}

/// The machine's services, and ours as it is delivered.
fn services(room: &Room, ours: bool) {
    room.directory("pam.d");
    for entry in fs::read_dir("/etc/pam.d").expect("a system with PAM").flatten() {
        let to = room.path("pam.d").join(entry.file_name());
        fs::copy(entry.path(), to).expect("a service");
    }
    let place = room.path("pam.d/supervisor");
    let _ = fs::remove_file(&place);
    if ours {
        let delivered = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/pam.d/supervisor");
        fs::copy(delivered, place).expect("the service");
    }
}

fn ok(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn an_account_is_let_in_and_is_who_it_is() {
    let gate = Gate::new(|ground, config| {
        config.daemon(&format!("audit_logfile={}", ground.room.text("audit.log")))
    });
    let answer = gate.who(&gate.carol.name, PASSWORD);
    assert!(ok(&answer) && answer.contains(&format!("pam:{}", gate.carol.name)), "{answer}");
    // Remembered or asked again, it is the same.
    assert_eq!(gate.who(&gate.carol.name, PASSWORD), answer);
    let audit = || fs::read_to_string(gate.room.path("audit.log")).unwrap_or_default();
    let has = |words: &[&str]| audit().lines().any(|l| words.iter().all(|word| l.contains(word)));
    let (answer, _) = gate.ask("supervisor.startAllProcesses", &gate.carol.name, PASSWORD);
    assert!(ok(&answer), "{answer}");
    let by_pam = [r#""auth":"pam""#, &format!("pam:{}", gate.carol.name)];
    wait_for("what the account did in the audit log", || has(&by_pam));
    let helper = [r#""source":"spawner""#, r#""event":"login""#, r#""action":"pam-helper""#];
    wait_for("the helper in the audit log", || has(&helper));
    // The password is in no log and no file of the daemon's.
    let words: Vec<&str> = PASSWORD.split(' ').collect();
    let pair = base64(format!("{}:{PASSWORD}", gate.carol.name).as_bytes());
    for file in ["audit.log", "supervisord.log"] {
        let text = fs::read_to_string(gate.room.path(file)).expect("a log");
        assert!(!words.iter().any(|word| text.contains(word)), "{file}: {text}");
        assert!(!text.contains(&pair), "{file}");
    }
}

#[test]
fn whoever_is_not_let_in_is_told_the_same_at_the_end_of_a_slot() {
    let gate = Gate::new(|_, config| config);
    let mut people = People::new();
    let staff = people.group("others");
    let mut account = |word: &str, tool: &str, args: &[&str]| {
        let user = people.user(word, &staff, &[]);
        people.password(&user, PASSWORD);
        people.change(&user, tool, args);
        user.name
    };
    let kinds = [
        ("a wrong password", gate.carol.name.clone(), "wrong"),
        ("one that begins right", gate.carol.name.clone(), "correct horse: battery"),
        ("a locked account", account("locked", "usermod", &["--lock"]), PASSWORD),
        ("an expired account", account("expired", "chage", &["--expiredate", "0"]), PASSWORD),
        (
            "a password that has to be changed",
            account("old", "chage", &["--lastday", "0"]),
            PASSWORD,
        ),
        ("nobody", "svtest-no-such-account".to_owned(), PASSWORD),
        ("a name too long", "x".repeat(600), PASSWORD),
        ("a path", format!("../{}", gate.carol.name), PASSWORD),
        ("an option", format!("-{}", gate.carol.name), PASSWORD),
        ("a name in another case", gate.carol.name.to_uppercase(), PASSWORD),
    ];
    let mut first: Option<String> = None;
    for (kind, name, password) in kinds {
        let (answer, took) = gate.ask("supervisor.whoAmI", &name, password);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{kind}: {answer}");
        assert!(took >= SLOT, "{kind}: {took:?}");
        assert_eq!(&answer, first.get_or_insert_with(|| answer.clone()), "{kind}");
    }
    // Who is let in is not kept waiting by all that.
    assert!(ok(&gate.who(&gate.carol.name, PASSWORD)));
}

#[test]
fn groups_and_names_of_accounts_give_roles() {
    let gate = Gate::new(|ground, config| {
        config
            .section(&format!(
                "[role:starters]\nmembers=@{}\nprograms=p\nactions=start, view",
                ground.ops.name
            ))
            .section(&format!(
                "[role:stoppers]\nmembers=unix:{}\nprograms=p\nactions=view",
                ground.carol.name
            ))
    });
    let answer = gate.who(&gate.carol.name, PASSWORD);
    assert!(ok(&answer), "{answer}");
    for role in ["starters", "stoppers"] {
        assert!(answer.contains(role), "{answer}");
    }
    let (answer, _) = gate.ask("supervisor.getAllProcessInfo", &gate.carol.name, PASSWORD);
    assert!(answer.contains("<string>p</string>"), "{answer}");
    let (answer, _) = gate.ask("supervisor.shutdown", &gate.carol.name, PASSWORD);
    assert!(answer.contains("ACCESS_DENIED"), "{answer}");
}

#[test]
fn over_tls_an_account_does_what_its_role_says() {
    let (ground, mut people) = (site::Ground::new(), People::new());
    let staff = people.group("staff");
    let carol = people.user("carol", &staff, &[]);
    people.password(&carol, PASSWORD);
    services(&ground.room, true);
    let config = ground.write("auth=pam", |_, config| {
        config
            .program("p", "/bin/sleep 100000", "startsecs=0")
            .program("hidden", "/bin/sleep 100000", "startsecs=0")
            .section(&format!("[role:r]\nmembers={}\nprograms=p\nactions=view, stop", carol.name))
    });
    let daemon = launch(&ground.room, &config);
    let site = site::Site { daemon, config, ground };
    let ask = |method: &str, params: &str, password: &str| {
        let body = format!(
            "<methodCall><methodName>supervisor.{method}</methodName><params>{params}</params></methodCall>"
        );
        let login = format!("{}:{password}", carol.name);
        let said = site.curl_knowing(
            "/RPC2",
            &["-i", "-u", &login, "-H", "Content-Type: text/xml", "--data", &body],
        );
        said.out
    };
    let p = |name: &str| format!("<param><value><string>{name}</string></value></param>");
    let seen = ask("getAllProcessInfo", "", PASSWORD);
    assert!(seen.contains("<string>p</string>") && !seen.contains("hidden"), "{seen}");
    let stopped = ask("stopProcess", &p("p"), PASSWORD);
    assert!(stopped.contains("<boolean>1</boolean>"), "{stopped}");
    assert!(ask("stopProcess", &p("hidden"), PASSWORD).contains("BAD_NAME"));
    assert!(ask("stopProcess", &p("p"), "wrong").starts_with("HTTP/1.1 401 "));
    assert!(site.curl_knowing("/RPC2", &["-i"]).out.starts_with("HTTP/1.1 401 "));
}

#[test]
fn without_the_service_nobody_is_let_in() {
    let gate = Gate::with_service(false, |_, config| config);
    let answer = gate.who(&gate.carol.name, PASSWORD);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let words = ["ERRO", "/etc/pam.d/supervisor"];
    wait_for("what is missing, in the log", || site::has_line(&gate.daemon.activity(), &words));
}

#[test]
fn a_user_of_the_configuration_is_no_account() {
    let gate = Gate::new(|ground, config| {
        config.section(&format!("[user:{}]\npassword=another one", ground.carol.name))
    });
    assert!(gate.who(&gate.carol.name, PASSWORD).starts_with("HTTP/1.1 401 "));
    let answer = gate.who(&gate.carol.name, "another one");
    assert!(ok(&answer) && !answer.contains("pam:"), "{answer}");
}

#[test]
fn a_changed_password_counts_once_the_old_one_is_forgotten() {
    let gate = Gate::new(|_, config| config);
    assert!(ok(&gate.who(&gate.carol.name, PASSWORD)));
    gate.people.password(&gate.carol, "another one, by root");
    assert!(ok(&gate.who(&gate.carol.name, "another one, by root")));
    // It is remembered for a minute at most.
    wait_for_long("the old password to be refused", || {
        gate.who(&gate.carol.name, PASSWORD).starts_with("HTTP/1.1 401 ")
    });
}

/// The cache of good logins is a minute long.
fn wait_for_long(what: &str, condition: impl FnMut() -> bool) {
    let mut condition = condition;
    let found = system_tests::wait::within(Duration::from_secs(150), || condition().then_some(()));
    assert!(found.is_some(), "waited in vain for {what}");
}
