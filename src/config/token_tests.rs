//! Tokens: what the file lists, and what programs are given.

use super::*;
use crate::config::settings::Token;
use crate::config::token_line::{digest, is_token};

const PATH: &str = "/etc/tokens";
const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
const ROLES: &str = "[role:ci]\nmembers=unix:root\nprograms=*\nactions=view\n\
                     [role:ear]\nmembers=unix:root\nprograms=*\nactions=view\n";

fn with(tokens: &str) -> Run {
    run(&format!("[supervisord]\nuser=root\ntokens_file={PATH}\n{ROLES}")).file(PATH, tokens)
}

#[test]
fn the_file_lists_tokens_a_line_each() {
    let other = HASH.replace('0', "1");
    let more = HASH.replace('0', "2");
    let (_, settings) = with(&format!(
        "# tokens\n\n  deploy ci never owner {HASH}\nnight.ly\tear  2090-01-02T03:04:05Z   user:alice\t{other}\n\
         web ci 2090-01-02T03:04:05Z unix:1000(100,4) {more} \r\n"
    ))
    .ok();
    let found: Vec<(&str, &str, Option<&str>, Option<u64>)> = (settings.tokens.iter())
        .map(|t| (&*t.name, &*t.role, t.maker.as_deref(), t.expires))
        .collect();
    let end = Some(3_787_009_445);
    assert_eq!(
        found,
        [
            ("deploy", "ci", None, None),
            ("night.ly", "ear", Some("user:alice"), end),
            ("web", "ci", Some("unix:1000(100,4)"), end),
        ]
    );
    assert_eq!(settings.tokens[0].digest[..4], [0, 0x11, 0x22, 0x33]);
    assert_eq!(settings.tokens[0].digest[28..], [0xcc, 0xdd, 0xee, 0xff]);
    assert!(notes(&settings, Level::Warn).is_empty(), "{:?}", settings.notes);
    // One that is not there lists none, without a word.
    let (_, settings) = run(&format!("[supervisord]\nuser=root\ntokens_file={PATH}\n{ROLES}")).ok();
    assert!(settings.tokens.is_empty() && notes(&settings, Level::Warn).is_empty());
}

#[test]
fn makers_are_who_they_are_now() {
    let makers = [
        ("a", "unix:1000(100,33,4,27)", Some("unix:1000(100,4)")),
        ("b", "unix:1000(33)", Some("unix:1000")),
        ("c", "pam:bob:1001(27,101)", Some("pam:bob:1001(101)")),
        ("d", "cert:CN=x", Some("cert:CN=x")),
        ("e", "user:gone", Some("user:gone")),
        ("f", "unix:1002(100)", None),
        ("g", "pam:carol:1002(100)", None),
        // Somebody else has the name now.
        ("h", "pam:bob:1000(100)", None),
    ];
    let line = |(n, (name, maker, _)): (usize, &(&str, &str, Option<&str>))| {
        format!("{name} ci never {maker} {n:064}\n")
    };
    let (_, settings) = with(&makers.iter().enumerate().map(line).collect::<String>()).ok();
    let found: Vec<(&str, Option<&str>)> =
        settings.tokens.iter().map(|token| (&*token.name, token.maker.as_deref())).collect();
    let expected: Vec<(&str, Option<&str>)> = (makers.iter())
        .filter(|(.., now)| now.is_some())
        .map(|(name, _, now)| (*name, *now))
        .collect();
    assert_eq!(found, expected);
    let end = "has no account; take the line out, or: supervisorctl token revoke";
    assert_eq!(
        notes(&settings, Level::Warn),
        [
            format!("{PATH}:6: the token f works no more: its maker, user id 1002, {end} f"),
            format!(
                "{PATH}:7: the token g works no more: its maker, 'carol' with user id 1002, {end} g"
            ),
            format!(
                "{PATH}:8: the token h works no more: its maker, 'bob' with user id 1000, {end} h"
            ),
        ]
    );
}

#[test]
fn lines_that_are_wrong_are_said_by_their_numbers_alone() {
    let secret = "svt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (line, expected) in [
        ("x".to_owned(), "it has too few fields"),
        (secret.to_owned(), "it has too few fields"),
        (format!("x ci never {HASH}"), "it has too few fields"),
        (format!("{secret} ci never owner {HASH}"), "its first field looks like a token"),
        (format!("x:y ci never owner {HASH}"), "Invalid name: 'x:y'"),
        (format!("x c:i never owner {HASH}"), "its second field is no name"),
        (format!("x ci 30d owner {HASH}"), "its third field is neither never nor a time"),
        (format!("x ci 1960-01-01T00:00:00Z owner {HASH}"), "its third field"),
        (format!("x ci never alice {HASH}"), "its fourth field says not who made it"),
        (format!("x ci never owner {secret}"), "its last field is not 64 hexadecimal digits"),
        (format!("x ci never owner {HASH}0"), "its last field is not 64 hexadecimal digits"),
        (
            format!("x ci never owner +{}", &HASH[1..]),
            "its last field is not 64 hexadecimal digits",
        ),
        (
            format!("deploy ci never owner {}", HASH.replace('0', "1")),
            "there is a token deploy in line 1",
        ),
        (format!("x ci never owner {}", HASH.to_lowercase()), "another line has the same SHA-256"),
    ] {
        let errors = with(&format!("deploy ci never owner {HASH}\n{line}\n")).errors();
        let [error] = errors.as_slice() else { panic!("{errors:#?}") };
        assert!(error.starts_with(&format!("{PATH}:2: {expected}")), "{error}");
        assert!(error.contains("\n  /etc/s.conf:3: [supervisord] tokens_file\n"), "{error}");
        assert!(!error.contains(secret) && !error.contains(&HASH[1..]), "{error}");
    }
}

#[test]
fn the_file_is_its_owners_alone() {
    let line = format!("deploy ci never owner {HASH}\n");
    let owned = |owner: (u32, u32, u32), user: &str| {
        let mut run = with(&line);
        let text = String::from_utf8(run.files.files["/etc/s.conf"].clone().unwrap()).unwrap();
        let text = text.replace("user=root", &format!("user={user}"));
        run.files.files.insert("/etc/s.conf".to_owned(), Ok(text.into_bytes()));
        run.files.modes.insert(PATH.to_owned(), owner);
        run
    };
    for (owner, user) in [
        ((0, 0, 0o600), "root"),
        ((0, 0, 0o400), "alice"),
        ((1000, 100, 0o600), "alice"),
        ((0, 100, 0o640), "alice"),
    ] {
        assert_eq!(owned(owner, user).ok().1.tokens.len(), 1, "{owner:?}");
    }
    for (owner, user, expected, remedy) in [
        (
            (0, 0, 0o640),
            "root",
            "has mode 0640, it is for its owner alone",
            "chmod 600 /etc/tokens",
        ),
        ((0, 0, 0o604), "alice", "has mode 0604", "chmod 600 /etc/tokens"),
        ((0, 101, 0o640), "alice", "has mode 0640", "chmod 600 /etc/tokens"),
        ((1001, 101, 0o600), "alice", "belongs to user id 1001", "chown root: /etc/tokens"),
        ((1000, 100, 0o600), "root", "belongs to user id 1000", "chown root: /etc/tokens"),
    ] {
        let errors = owned(owner, user).errors();
        let [error] = errors.as_slice() else { panic!("{errors:#?}") };
        assert!(error.starts_with(&format!("tokens_file {PATH} {expected}")), "{error}");
        let (first, _) = error.split_once('\n').unwrap();
        assert!(first.ends_with(&format!("; put it right with: {remedy}")), "{error}");
    }
    let unsafe_ = Answer::Unsafe { upto: 4, uid: 0, mode: 0o40_777 };
    let errors = with("").denied(PATH, unsafe_).errors();
    assert!(errors[0].contains("others than root could make tokens"), "{errors:?}");
}

#[test]
fn tokens_without_a_role_or_a_future_are_told_of() {
    let other = HASH.replace('0', "1");
    let (_, settings) =
        with(&format!("a gone never owner {HASH}\nb ci 2020-01-01T00:00:00Z owner {other}\n")).ok();
    assert_eq!(settings.tokens.len(), 2);
    assert_eq!(
        notes(&settings, Level::Warn),
        [
            "/etc/tokens:2: the token b has expired; take the line out, or: supervisorctl token revoke b",
            "/etc/s.conf:3: [supervisord] tokens_file: the token a may do nothing: there is no [role:gone]",
        ]
    );
}

#[test]
fn roles_may_be_for_tokens_alone() {
    let text = |program: &str| {
        format!(
            "[supervisord]\nuser=root\ntokens_file={PATH}\n[program:p]\ncommand=p\n{program}\
             [role:ci]\nprograms=*\nactions=view\n"
        )
    };
    let advice = |program: &str, tokens: &str| {
        let (_, settings) = run(&text(program)).file(PATH, tokens).ok();
        let [role] = settings.access.roles.as_slice() else { panic!("{:?}", settings.access) };
        assert!(role.members.is_empty());
        notes(&settings, Level::Warn)
    };
    assert_eq!(
        advice("", ""),
        [
            "/etc/s.conf:6: [role:ci]: nobody has this role: it has no members=, and there is no token for it"
        ]
    );
    let none: [&str; 0] = [];
    assert_eq!(advice("", &format!("deploy ci never owner {HASH}\n")), none);
    assert_eq!(advice("token=ci\n", ""), none);
    // A list that names nobody is a mistake all the same.
    let errors = run(&text("").replace("programs=*", "members=\nprograms=*")).errors();
    assert!(errors[0].starts_with("members= names nothing"), "{errors:?}");
}

const EARS: &str = "[eventlistener:e]\ncommand=e\nevents=TICK\nnumprocs=2\n\
                    process_name=e%(process_num)d\ntoken=ear\n[program:p]\ncommand=p\n";

fn value<'e>(env: &'e [String], name: &str) -> Option<&'e str> {
    env.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The token that a process was given.
fn given(table: &Table, slot: u32) -> String {
    value(&texts(&entry(table, slot).env), "SUPERVISOR_TOKEN").unwrap().to_owned()
}

#[test]
fn programs_get_tokens_of_their_own() {
    let text = format!("{BASE}{ROLES}{EARS}");
    let (table, settings) = run(&text).ok();
    let named = |name: &str| {
        let found = settings.processes.iter().find(|(_, process)| process.name == name);
        *found.unwrap().0
    };
    let mut expected = Vec::new();
    for name in ["e0", "e1"] {
        let env = texts(&entry(&table, named(name)).env);
        let token = given(&table, named(name));
        assert!(is_token(&token), "{token}");
        assert_eq!(value(&env, "SUPERVISOR_USERNAME"), Some("token"));
        assert_eq!(value(&env, "SUPERVISOR_PASSWORD"), Some(token.as_str()));
        let (name, role) = (format!("program:e:{name}"), "ear".to_owned());
        expected.push(Token { name, role, maker: None, expires: None, digest: digest(&token) });
    }
    let mut found = settings.tokens.clone();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found, expected);
    assert_ne!(found[0].digest, found[1].digest);
    assert!(texts(&entry(&table, named("p")).env).iter().all(|word| !word.contains("svt_")));
    let bytes = settings.encode().unwrap();
    assert!(!bytes.windows(4).any(|part| part == b"svt_"), "the settings have hashes alone");
}

#[test]
fn a_program_keeps_its_token() {
    let text = format!("{BASE}{ROLES}{EARS}");
    let (first, settings) = run(&text).ok();
    let later = |table: &Table, text: &str| {
        let mut run = run(text);
        run.facts.start.again = true;
        run.facts.current = Some(table.clone());
        run.ok()
    };
    let (again, same) = later(&first, &text);
    assert_eq!((&again, &same.tokens), (&first, &settings.tokens));
    // Changed otherwise, it has the same token.
    let known: Vec<[u8; 32]> = settings.tokens.iter().map(|token| token.digest).collect();
    let (changed, other) = later(&first, &text.replace("command=e\n", "command=f\n"));
    let new = other.groups.iter().find(|group| group.name == "e").unwrap().slots.clone();
    assert!(new.iter().all(|slot| !settings.processes.contains_key(slot)));
    assert!(new.iter().all(|slot| known.contains(&digest(&given(&changed, *slot)))));
    assert_eq!(other.tokens, settings.tokens);
    // With another role, or as another user, it has another one: the one who had it before gains nothing.
    let role = |text: &str| text.replace("token=ear", "token=ci");
    let user = |text: &str| text.replace("command=e\n", "command=e\nuser=alice\n");
    for changed in [role(&text), user(&text)] {
        let (table, other) = later(&first, &changed);
        assert_eq!(other.tokens.len(), 2);
        assert!(other.tokens.iter().all(|token| !known.contains(&token.digest)), "{changed}");
        // From then on it keeps that, and as it was it has what it had.
        let (same, again) = later(&table, &changed);
        assert_eq!((&same, &again.tokens), (&table, &other.tokens));
        assert_eq!(later(&table, &text).1.tokens, settings.tokens);
    }
    // Without the key it is nobody's.
    let (_, none) = later(&first, &text.replace("token=ear\n", ""));
    assert!(none.tokens.is_empty());
}

#[test]
fn what_the_environment_sets_stays() {
    let of = |environment: &str| {
        run(&format!("{BASE}{ROLES}[program:p]\ncommand=p\ntoken=ear\nenvironment={environment}\n"))
    };
    let (table, _) = of("SUPERVISOR_USERNAME=\"me\"").ok();
    let env = texts(&entry(&table, 0).env);
    assert_eq!(value(&env, "SUPERVISOR_USERNAME"), Some("me"));
    assert_eq!(value(&env, "SUPERVISOR_PASSWORD"), None);
    assert!(is_token(&given(&table, 0)));
    let error = of("SUPERVISOR_TOKEN=\"x\"").error();
    assert_eq!(error, "token= and SUPERVISOR_TOKEN in environment= exclude each other");
    let error = of("SUPERVISOR_TOKEN_ROLE=\"x\"").error();
    assert_eq!(error, "token= and SUPERVISOR_TOKEN_ROLE in environment= exclude each other");
    let errors = run(&format!("{BASE}[program:p]\ncommand=p\ntoken=no\n")).errors();
    assert_eq!(
        errors,
        ["Unknown role 'no'\n  /etc/s.conf:5: [program:p] token\n  add a section [role:no]"]
    );
    assert!(program_error("token=a b").starts_with("Invalid name: 'a b'"));
}

#[test]
fn what_is_somebody_elses_token_is_none_of_a_program() {
    let set = format!(
        "{BASE}{ROLES}[program:p]\ncommand=p\nenvironment=SUPERVISOR_TOKEN=\"svt_{}\",SUPERVISOR_TOKEN_ROLE=\"ear\"\n",
        "A".repeat(43)
    );
    let token = format!("svt_{}", "A".repeat(43));
    let (table, _) = run(&set).ok();
    let hash: String = digest(&token).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut run = run(&format!(
        "[supervisord]\nuser=root\ntokens_file={PATH}\n{ROLES}[program:p]\ncommand=p\ntoken=ear\n"
    ))
    .file(PATH, &format!("theirs ci never owner {hash}\n"));
    run.facts.start.again = true;
    run.facts.current = Some(table);
    let (table, settings) = run.ok();
    let slot = settings.groups[0].slots[0];
    assert_ne!(given(&table, slot), token);
    assert_ne!(settings.tokens[0].digest, settings.tokens[1].digest);
}

#[test]
fn tokens_are_not_shown() {
    let text = format!("{BASE}{ROLES}{EARS}");
    for how in [&["--check", "--show"][..], &["--check", "--json"], &["--policy"]] {
        let Outcome::Leave { status: 0, stdout, stderr } = run(&text).more(how).outcome() else {
            panic!();
        };
        assert!(!stdout.contains("svt_") && !stderr.contains("svt_"), "{how:?}\n{stdout}");
        let shown = stdout.replace(' ', "").contains("\"SUPERVISOR_TOKEN\":\"***\"");
        assert_eq!(shown, how.contains(&"--json"), "{stdout}");
    }
}
