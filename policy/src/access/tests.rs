//! What is easily got wrong.

use std::rc::Rc;

use super::*;

fn unix(uid: u32, groups: &[u32]) -> Principal {
    Principal::new(Who::Unix { uid, groups: groups.into() }, Proof::Peer)
}

fn user(name: &str) -> Principal {
    Principal::new(Who::User(name.into()), Proof::Password)
}

fn anonymous() -> Principal {
    Principal::new(Who::Anonymous, Proof::None)
}

fn role(name: &str, members: &[Member], programs: &[&str], actions: &str) -> Role {
    Role {
        name: name.to_owned(),
        place: format!("/etc/x.conf:{}", name.len()),
        members: members.to_vec(),
        programs: programs.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
        grants: Grants::parse(actions).unwrap(),
    }
}

fn access(roles: Vec<Role>) -> Access {
    Access::new(Rules { roles, owner: 7 })
}

fn alice() -> Member {
    Member::User("alice".to_owned())
}

fn process<'a>(group: &'a str, name: &'a str) -> Target<'a> {
    Target::Process { group, name, labels: &[] }
}

fn covers(pattern: &str, group: &str, name: &str) -> bool {
    let access = access(vec![role("r", &[alice()], &[pattern], "view")]);
    let decision = access.decide(&user("alice"), Action::View, process(group, name));
    let direct = Pattern::parse(pattern).unwrap().covers(group, name, &[]);
    assert_eq!(decision.allowed, direct, "{pattern} {group} {name}");
    direct
}

fn wrong<T: std::fmt::Debug>(read: Result<T, Malformed>) -> String {
    read.unwrap_err().to_string()
}

#[test]
fn without_roles_nothing_is_refused() {
    let access = Access::default();
    for who in [anonymous(), user("x"), unix(5, &[])] {
        let decision = access.decide(&who, Action::Admin, Target::Daemon);
        assert_eq!(decision, Decision { allowed: true, rule: Rule::NoRoles });
        assert!(access.may_any(&who, Action::Config));
    }
}

#[test]
fn with_one_role_the_rest_is_refused() {
    let access = access(vec![role("web", &[alice()], &["nginx"], "restart")]);
    let decide = |who: &Principal, action, target| access.decide(who, action, target);
    let nginx = process("nginx", "nginx");
    let allowed = Decision { allowed: true, rule: Rule::Role(0) };
    let refused = Decision { allowed: false, rule: Rule::Default };
    assert_eq!(decide(&user("alice"), Action::Restart, nginx), allowed);
    assert_eq!(decide(&user("alice"), Action::View, nginx), allowed, "implied");
    assert_eq!(decide(&user("alice"), Action::View, Target::Daemon), allowed);
    for (who, action, target) in [
        (user("alice"), Action::Stop, nginx),
        (user("alice"), Action::Start, nginx),
        (user("alice"), Action::Signal(0), nginx),
        (user("alice"), Action::View, process("db", "db")),
        (user("alice"), Action::Admin, Target::Daemon),
        (user("alice"), Action::Config, Target::Daemon),
        // What is no act on a daemon takes all that there is.
        (user("alice"), Action::Restart, Target::Daemon),
        (user("Alice"), Action::View, nginx),
        (anonymous(), Action::View, Target::Daemon),
        (unix(5, &[6]), Action::View, nginx),
    ] {
        assert_eq!(decide(&who, action, target), refused, "{who} {action} {target:?}");
    }
}

#[test]
fn the_daemon_is_for_roles_about_everything() {
    for (programs, allowed) in [
        ("nginx", false),
        ("nginx*", false),
        ("@all", false),
        ("*:a", false),
        ("*", true),
        ("*:*", true),
    ] {
        let access = access(vec![role("all", &[alice()], &[programs], "admin")]);
        let decision = access.decide(&user("alice"), Action::Admin, Target::Daemon);
        assert_eq!(decision.allowed, allowed, "{programs}");
        let grants = access.grants(&user("alice"), Target::Daemon);
        assert_eq!(grants.has(Action::Admin), allowed, "{programs}");
        assert!(grants.has(Action::Config), "{programs}");
    }
}

#[test]
fn owners_are_accounts_and_not_logins() {
    let access = access(vec![role("web", &[alice()], &["nginx"], "view")]);
    for (who, owner) in [
        (unix(0, &[]), true),
        (unix(7, &[]), true),
        (unix(8, &[0, 7]), false),
        (user("0"), false),
        (user("root"), false),
        (anonymous(), false),
    ] {
        assert_eq!(access.is_owner(&who), owner, "{who}");
        let decision = access.decide(&who, Action::Admin, Target::Daemon);
        assert_eq!(decision.allowed, owner, "{who}");
        assert_eq!(decision.rule == Rule::Owner, owner, "{who}");
        assert_eq!(access.may_any(&who, Action::Config), owner, "{who}");
    }
}

#[test]
fn members_of_one_kind_do_not_stand_for_another() {
    let all = [Member::Uid(5), Member::Gid(6), Member::User("9".to_owned()), Member::Anonymous];
    let askers = [unix(5, &[]), unix(1, &[6]), user("9"), anonymous()];
    for (n, member) in all.iter().enumerate() {
        let access = access(vec![role("r", std::slice::from_ref(member), &["*"], "view")]);
        for (m, who) in askers.iter().enumerate() {
            let decision = access.decide(who, Action::View, process("a", "a"));
            assert_eq!(decision.allowed, n == m, "{member} {who}");
        }
        for who in [unix(6, &[5]), unix(9, &[9]), user("5"), user("6"), user("anonymous")] {
            assert!(!access.decide(&who, Action::View, process("a", "a")).allowed);
        }
    }
}

#[test]
fn of_overlapping_roles_the_first_that_grants_it_decides() {
    let access = access(vec![
        role("other", &[Member::Uid(1)], &["*"], "admin"),
        role("view", &[alice()], &["*"], "view"),
        role("web", &[alice()], &["web"], "restart"),
        role("all", &[alice()], &["*"], "operator"),
    ]);
    let decide = |action| access.decide(&user("alice"), action, process("web", "a")).rule;
    assert_eq!(decide(Action::View), Rule::Role(1));
    assert_eq!(decide(Action::Restart), Rule::Role(2));
    assert_eq!(decide(Action::Stop), Rule::Role(3));
    assert_eq!(decide(Action::Stdin), Rule::Default);
    let names: Vec<&str> = access.roles_of(&user("alice")).iter().map(|r| &*r.name).collect();
    assert_eq!(names, ["view", "web", "all"]);
}

#[test]
fn labels_are_compared_whole_and_are_not_remembered_for_others() {
    let access = access(vec![role("r", &[alice()], &["@web"], "view")]);
    let decide = |labels: &[String]| {
        let target = Target::Process { group: "a", name: "a", labels };
        access.decide(&user("alice"), Action::View, target).allowed
    };
    let labels = |all: &[&str]| all.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    // One process under the same name, with other labels after each reread.
    assert!(decide(&labels(&["x", "web"])));
    assert!(!decide(&[]));
    assert!(!decide(&labels(&["Web", "web2", "@web", "we", ""])));
    assert!(decide(&labels(&["web"])));
    assert!(!decide(&labels(&["*"])));
}

#[test]
fn globs_never_reach_over_a_colon() {
    for (pattern, group, name, expected) in [
        ("web", "web", "a", true),
        ("web", "webs", "a", false),
        ("web", "Web", "a", false),
        ("web", "a", "web", false),
        ("web*", "web:db", "a", false),
        ("*", "web:db", "a", false),
        ("*", "web", "a:b", true),
        ("*:*", "web", "a:b", false),
        ("*:*", "web", "a", true),
        ("*:*", "", "", true),
        ("*:a", "a", "b", false),
        ("we?:*", "web", "x", true),
        ("we?", "we", "x", false),
        ("we?", "we:", "x", false),
        ("we[!a]", "we:", "x", false),
        ("we[!a]", "web", "x", true),
        ("we[9-;]", "we:", "x", false),
        ("w*b*:a?", "wxbyb", "ab", true),
        ("w*b", "wbx", "a", false),
        ("*", "a\nb", "a", true),
        ("a?c", "a\u{0}c", "a", true),
        ("?", "é", "a", true),
        ("??", "é", "a", false),
        ("[à-ü]", "é", "a", true),
        ("é", "e\u{301}", "a", false),
        ("a\\*", "a*", "a", false),
        ("a\\*", "a\\b", "a", true),
    ] {
        assert_eq!(covers(pattern, group, name), expected, "{pattern} {group:?} {name:?}");
    }
}

#[test]
fn brackets() {
    for (pattern, matching, other) in [
        ("[ab]", "ab", "c[]"),
        ("[a-c]", "abc", "d-"),
        ("[!a-c]", "d-!", "abc"),
        ("[^a]", "^a", "b"),
        ("[]a]", "]a", "[b"),
        ("[!]a]", "[b", "]a"),
        ("[a-]", "a-", "b"),
        ("[-a]", "a-", "b"),
        ("[[]", "[", "]"),
        ("[*?]", "*?", "a"),
        ("[a!]", "a!", "b"),
        ("]", "]", "["),
    ] {
        let one = |c: char| covers(pattern, &c.to_string(), "x");
        assert!(matching.chars().all(one), "{pattern}");
        assert!(!other.chars().any(one), "{pattern}");
    }
}

#[test]
fn a_glob_of_many_stars_takes_no_longer_than_pattern_times_name() {
    let pattern = Pattern::Group("*a".repeat(200) + "b");
    assert!(!pattern.covers(&"a".repeat(2_000), "x", &[]));
}

#[test]
fn a_name_is_no_pattern() {
    let access = access(vec![role("r", &[alice()], &["web:a"], "view")]);
    for (group, name) in [
        ("*", "*"),
        ("web", "*"),
        ("w?b", "a"),
        ("", ""),
        ("web:a", ""),
        ("", "web:a"),
        ("web", "a "),
    ] {
        let decision = access.decide(&user("alice"), Action::View, process(group, name));
        assert!(!decision.allowed, "{group:?} {name:?}");
    }
}

#[test]
fn patterns_that_cannot_match_are_refused() {
    let parse = |text| wrong(Pattern::parse(text));
    for (text, part) in [
        ("", "write *"),
        ("web:", "lacks a name"),
        (":a", "lacks a name"),
        (":", "lacks a name"),
        ("a:b:c", "more than one colon"),
        ("a b", "commas stand between"),
        ("a\tb", "commas stand between"),
        ("a/b", "commas stand between"),
        ("a\u{1b}", "\\u{1b}"),
        ("a[b", "never closed"),
        ("a[]", "never closed"),
        ("web:[!", "never closed"),
        ("a[z-a]", "write a-z"),
        ("@", "label is empty"),
        ("@a*", "cannot have '*'"),
        ("@@a", "cannot begin with @"),
        ("@a:b", "cannot have ':'"),
    ] {
        assert!(parse(text).contains(part), "{text:?}: {}", parse(text));
    }
    for text in ["web", "web:*", "*", "@frontend", "w[ab]?:[!x]*", "[[]", "é"] {
        assert_eq!(Pattern::parse(&format!(" {text} ")).unwrap().to_string(), text);
    }
}

#[test]
fn words_of_actions() {
    let parse = |text: &str| Grants::parse(text).unwrap();
    for (text, shown) in [
        ("", ""),
        ("view", "view"),
        ("viewer", "view, log"),
        ("operator", "view, log, clear, start, stop, restart, signal"),
        ("admin", "admin"),
        ("view,admin", "admin"),
        ("restart", "view, restart"),
        ("signal( hup , SIGUSR1,10)", "view, signal(HUP,USR1)"),
        ("signal (34,35,64)", "view, signal(RTMIN,35,RTMAX)"),
        ("signal(HUP), signal", "view, signal"),
        ("viewer, stdin, config,", "view, log, stdin, config"),
    ] {
        assert_eq!(parse(text).to_string(), shown, "{text:?}");
        assert_eq!(parse(&parse(text).to_string()).to_string(), shown, "{text:?}");
    }
    assert!(Action::ALL.into_iter().all(|action| parse("admin").has(action)));
}

#[test]
fn words_that_are_no_actions() {
    for (text, part) in [
        ("View", "is view meant?"),
        ("restrat", "there are view, log"),
        ("restar", "is restart meant?"),
        ("restarts", "is restart meant?"),
        ("operater", "is operator meant?"),
        ("view log", "there are view, log"),
        ("view,,log", "between two commas"),
        (",", "between two commas"),
        ("stop(HUP)", "only signal has a list"),
        ("signal()", "lacks a name"),
        ("signal(HUP,)", "lacks a name"),
        ("signal(0)", "\"0\" is no signal"),
        ("signal(65)", "\"65\" is no signal"),
        ("signal(+1)", "\"+1\" is no signal"),
        ("signal(HUP", "parenthesis"),
        ("signal(HUP))", "parenthesis"),
        ("signal((HUP))", "parenthesis"),
        ("signal:HUP", "signal(HUP)"),
        ("view\u{1b}[2J", "\\u{1b}"),
    ] {
        let said = wrong(Grants::parse(text));
        assert!(said.contains(part), "{text:?}: {said}");
    }
}

#[test]
fn one_action_by_its_word() {
    let parse = |text: &str| Action::parse(text).unwrap();
    for action in Action::ALL.into_iter().chain((1..=64).map(Action::Signal)) {
        assert_eq!(parse(&action.to_string()), action);
    }
    assert_eq!(parse("signal(sigterm)"), Action::Signal(15));
    for text in ["viewer", "operator", "", "signal(1,2)", "all"] {
        assert!(Action::parse(text).is_err(), "{text}");
    }
}

#[test]
fn signals_are_granted_one_by_one() {
    let grants = Grants::parse("signal(HUP,RTMAX)").unwrap();
    let granted = (0..=255).filter(|n| grants.has(Action::Signal(*n))).collect::<Vec<u8>>();
    assert_eq!(granted, [0, 1, 64]);
    let all = Grants::parse("signal").unwrap();
    assert_eq!((0..=255).filter(|n| all.has(Action::Signal(*n))).count(), 65);
    assert!(!Grants::parse("view").unwrap().has(Action::Signal(0)));
    let mut none = Grants::default();
    none.add(Action::Signal(65));
    assert!(none.is_empty() && !none.has(Action::View));
}

#[test]
fn a_role_without_actions_grants_nothing_at_all() {
    let access = access(vec![role("r", &[alice()], &["*"], "")]);
    for target in [Target::Daemon, process("a", "a")] {
        assert!(!access.decide(&user("alice"), Action::View, target).allowed);
    }
}

#[test]
fn words_of_members() {
    use MemberName::*;
    let text = |text: &str| text.to_owned();
    for (word, member) in [
        ("alice", Either(text("alice"))),
        (" alice@example.com ", Either(text("alice@example.com"))),
        ("user:alice", User(text("alice"))),
        ("unix:alice", Account(text("alice"))),
        ("unix:DOMAIN\\domain users", Account(text("DOMAIN\\domain users"))),
        ("unix:1000", Account(text("1000"))),
        ("@web", Group(text("web"))),
        ("anonymous", Anonymous),
        ("Anonymous", Either(text("Anonymous"))),
        ("cert:CN=deploy", Certificate(text("CN=deploy"))),
        (" cert:CN=Doe, Jane ", Certificate(text("CN=Doe, Jane"))),
        ("cert:DNS:*.example.org", Certificate(text("DNS:*.example.org"))),
        ("cert:EMAIL:a@b", Certificate(text("EMAIL:a@b"))),
        ("cert:URI:spiffe://x/y?z", Certificate(text("URI:spiffe://x/y?z"))),
    ] {
        assert_eq!(MemberName::parse(word), Ok(member), "{word}");
    }
    let long = format!("cert:CN={}", "x".repeat(256));
    for (word, part) in [
        ("", "empty"),
        ("@", "missing"),
        ("user:", "empty"),
        ("unix:", "missing"),
        ("group:web", "write NAME, user:NAME"),
        ("user:a:b", "cannot have ':'"),
        ("a b", "cannot have ' '"),
        ("a/b", "cannot have '/'"),
        ("user:anonymous", "no user can be called anonymous"),
        ("user:@a", "cannot begin with @"),
        ("a\nb", "\\n"),
        ("@a\nb", "\\n"),
        ("cert:", "write cert:CN=NAME"),
        ("cert:deploy", "write cert:CN=NAME"),
        ("cert:cn=deploy", "in capitals"),
        ("cert:O=x", "write cert:CN=NAME"),
        ("cert: CN=x", "write cert:CN=NAME"),
        ("cert:CN=", "is missing"),
        ("cert:DNS:", "is missing"),
        ("cert:CN=a\tb", "cannot have '\\t'"),
        (&long, "longer than 255"),
        ("token:ci", "is no member"),
        ("pam:alice", "is no member"),
    ] {
        let said = wrong(MemberName::parse(word));
        assert!(said.contains(part), "{word:?}: {said}");
    }
}

#[test]
fn members_are_shown_as_they_are_written() {
    let shown = |name: &str| Member::Certificate(name.to_owned()).to_string();
    assert_eq!(shown("CN=deploy"), "cert:CN=deploy");
    assert_eq!(shown("CN=say \"x\""), "cert:CN=say \"x\"");
    assert_eq!(shown("CN=Doe, \"Jane\""), "\"cert:CN=Doe, \"\"Jane\"\"\"");
}

#[test]
fn principals_in_words() {
    for text in ["anonymous", "user:alice", "unix:0", "unix:1000(33,1000)"] {
        assert_eq!(Who::parse(text).unwrap().detailed(), text);
    }
    for text in [
        "pam:alice:1000",
        "pam:alice:1000(1000,33)",
        "cert:CN=deploy",
        "cert:CN=Doe%2C%20Jane,DNS:ci.example.org,URI:spiffe://x/%28y%29",
        "token:ci:web",
        "token:program%3Aweb%3Aw%201:web",
        "token:ci:web(user:alice)",
        "token:ci:web(unix:1000(1000,33))",
        "token:ci:web(pam:DOMAIN\\a%20b:5(6))",
        "token:ci:web(cert:CN=a%2Cb,DNS:c)",
    ] {
        assert_eq!(Who::parse(text).unwrap().detailed(), text);
    }
    assert_eq!(Who::parse("unix:5()").unwrap().detailed(), "unix:5");
    for (text, shown) in [
        ("pam:alice:1000(5)", "pam:alice"),
        ("cert:CN=Doe%2C Jane,DNS:x", "cert:CN=Doe, Jane"),
        ("token:program%3Aweb%3Aw1:web(unix:5)", "token:program:web:w1"),
    ] {
        assert_eq!(Who::parse(text).unwrap().to_string(), shown);
    }
    let odd = Who::Account { name: "a\nb\u{1b}[2J".into(), uid: 1, groups: [].into() };
    assert_eq!(odd.to_string(), "pam:a\\nb\\u{1b}[2J");
    assert_eq!(Who::parse(&odd.detailed()), Ok(odd));
    assert_eq!(unix(1000, &[33]).to_string(), "unix:1000");
    for text in [
        "",
        "alice",
        "unix:",
        "unix:-1",
        "unix:4294967296",
        "unix:1(",
        "unix:1(a)",
        "unix:1(2))",
        "user:",
        "user:%",
        "user:%+1",
        "user:%ff",
        "user:a%2Cb",
        "pam:alice",
        "pam::5",
        "pam:alice:x",
        "pam:alice:5(6",
        "cert:",
        "cert:deploy",
        "cert:CN=a,",
        "cert:CN=a,b",
        "cert:CN=a%0Ab",
        "cert:CN=a%2",
        "token:ci",
        "token::web",
        "token:ci:",
        "token:ci:web(",
        "token:ci:web()",
        "token:ci:web(anonymous)",
        "token:ci:web(token:a:b)",
        "token:ci:web(user:alice))",
    ] {
        assert!(Who::parse(text).is_err(), "{text}");
    }
}

#[test]
fn makers_of_tokens() {
    for text in ["user:alice", "unix:0", "unix:5(6)", "pam:a:5", "cert:CN=x"] {
        assert_eq!(Who::maker(text).unwrap().detailed(), text);
    }
    for text in ["anonymous", "token:ci:web", "token:ci:web(user:alice)"] {
        assert!(wrong(Who::maker(text)).contains("makes no tokens"), "{text}");
        assert!(Who::token("ci", "web", Some(text)).is_err(), "{text}");
    }
    assert!(wrong(Who::maker("owner")).contains("is nobody"));
}

fn account(uid: u32, groups: &[u32]) -> Principal {
    let groups = groups.into();
    Principal::new(Who::Account { name: "alice".into(), uid, groups }, Proof::Pam)
}

fn certificate(names: &[&str]) -> Principal {
    let names = names.iter().copied().map(Rc::from).collect();
    Principal::new(Who::Certificate { names }, Proof::Certificate)
}

fn token(role: &str, maker: Option<&str>) -> Principal {
    Principal::new(Who::token("ci", role, maker).unwrap(), Proof::Token)
}

#[test]
fn accounts_have_what_their_ids_give_and_are_no_owners() {
    let members = [Member::Uid(1000), Member::Gid(33)];
    let access = access(vec![role("web", &members, &["web"], "restart")]);
    let may = |who: &Principal| access.decide(who, Action::Restart, process("web", "web")).allowed;
    assert!(may(&account(1000, &[])) && may(&account(5, &[1, 33])));
    for who in [account(0, &[0]), account(7, &[7]), account(5, &[1000]), user("alice")] {
        assert!(!may(&who) && !access.is_owner(&who), "{who:?}");
        assert!(access.grants(&who, Target::Daemon).is_empty());
    }
    assert!(may(&unix(0, &[])) && may(&unix(7, &[])));
}

#[test]
fn certificates_have_what_any_of_their_names_gives() {
    let named = |name: &str| Member::Certificate(name.to_owned());
    let access = access(vec![
        role("ci", &[named("CN=deploy")], &["web"], "restart"),
        role("sub", &[named("DNS:ci.example.org")], &["db"], "view"),
    ]);
    let may = |names: &[&str], group| {
        access.decide(&certificate(names), Action::View, process(group, "x")).allowed
    };
    assert!(may(&["CN=deploy"], "web") && !may(&["CN=deploy"], "db"));
    assert!(may(&["CN=x", "DNS:ci.example.org", "CN=deploy"], "web"));
    assert!(may(&["CN=x", "DNS:ci.example.org", "CN=deploy"], "db"));
    for no in
        ["CN=Deploy", "DNS:deploy", "CN=deploy ", "CN=deploy,CN=x", "deploy", "cert:CN=deploy"]
    {
        assert!(!may(&[no], "web"), "{no}");
    }
    assert!(!may(&[], "web"));
}

#[test]
fn a_token_has_its_role_and_nothing_beside() {
    let everybody = [Member::Anonymous, alice(), Member::Uid(0), Member::Uid(7)];
    let access = access(vec![
        role("all", &everybody, &["*"], "admin"),
        role("web", &[], &["web"], "restart, signal(HUP)"),
    ]);
    let may =
        |who: &Principal, action, group| access.decide(who, action, process(group, "x")).allowed;
    let web = token("web", None);
    assert!(may(&web, Action::Restart, "web") && may(&web, Action::View, "web"));
    assert!(!may(&web, Action::Stop, "web") && !may(&web, Action::View, "db"));
    assert!(!access.is_owner(&web) && !access.is_free(&web));
    let names = |who: &Principal| {
        access.roles_of(who).iter().map(|role| role.name.clone()).collect::<Vec<String>>()
    };
    assert_eq!(names(&web), ["web"]);
    assert_eq!(access.grants(&web, Target::Daemon).to_string(), "view");
    let gone = token("nope", Some("unix:0"));
    assert!(names(&gone).is_empty());
    for action in Action::ALL {
        assert!(!access.decide(&gone, action, Target::Daemon).allowed, "{action}");
        assert!(!may(&gone, action, "web") && !access.may_any(&gone, action), "{action}");
        assert!(!access.decide_of_missing(&gone, action, ("web", "x")).allowed);
    }
    assert_eq!(
        access.explain(&gone, Action::View, Target::Daemon).why,
        "token:ci has the role nope, which there is not"
    );
    // Its name is no role, and names somebody else's rights neither.
    let sly = Principal::new(Who::token("all", "user:alice", None).unwrap(), Proof::Token);
    assert!(!may(&sly, Action::View, "web"));
}

#[test]
fn without_roles_a_token_grants_nothing() {
    let access = Access::default();
    for maker in [None, Some("unix:0"), Some("user:alice")] {
        let who = token("web", maker);
        assert!(!access.is_free(&who) && access.roles_of(&who).is_empty());
        for action in Action::ALL {
            for target in [Target::Daemon, process("web", "web")] {
                let refused = Decision { allowed: false, rule: Rule::Default };
                assert_eq!(access.permit(&who, action, target).unwrap_err(), refused);
                assert!(access.grants(&who, target).is_empty());
            }
            assert!(!access.decide_of_missing(&who, action, ("web", "x")).allowed);
            assert!(!access.may_any(&who, action));
        }
    }
    assert!(access.is_free(&account(5, &[])) && access.is_free(&certificate(&["CN=x"])));
}

#[test]
fn a_token_does_no_more_than_its_maker_may_now() {
    let named = |name: &str| Member::Certificate(name.to_owned());
    let web = |members: &[Member]| role("web", members, &["*"], "operator");
    let all = |more: Vec<Role>| {
        let fixed = [
            role("users", &[alice()], &["web"], "restart"),
            role("certs", &[named("CN=x")], &["web"], "signal(HUP)"),
            role("gone", &[], &["*"], "signal(TERM), view"),
        ];
        access(fixed.into_iter().chain(more).collect())
    };
    let access = all(vec![web(&[Member::Gid(33)])]);
    let may = |who: &Principal, action| access.decide(who, action, process("web", "w")).allowed;
    for (maker, restart, stop) in [
        (None, true, true),
        (Some("user:alice"), true, false),
        (Some("user:bob"), false, false),
        (Some("cert:CN=y,CN=x"), false, false),
        (Some("unix:5(33)"), true, true),
        (Some("pam:alice:5(33)"), true, true),
        (Some("pam:root:0"), false, false),
        (Some("unix:0"), true, true),
        (Some("unix:7"), true, true),
    ] {
        let who = token("web", maker);
        assert_eq!(
            (may(&who, Action::Restart), may(&who, Action::Stop)),
            (restart, stop),
            "{maker:?}"
        );
        assert!(!may(&who, Action::Admin) && !access.is_owner(&who));
    }
    let who = token("web", Some("user:alice"));
    let explain = |action| access.explain(&who, action, process("web", "w")).why;
    assert_eq!(
        explain(Action::Restart),
        "role web grants restart on web:w to token:ci, and user:alice, who made it, may do it, too"
    );
    assert_eq!(
        explain(Action::Stop),
        "role web grants stop on web:w, but user:alice, who made token:ci, may not do it now: a token may do no more \
         than its maker"
    );
    assert!(explain(Action::Admin).starts_with("no role of token:ci grants admin on web:w"));
    assert_eq!(access.grants(&who, process("web", "w")).to_string(), "view, restart");
    assert!(access.may_any(&who, Action::Restart) && !access.may_any(&who, Action::Stop));
    // Any signal is one that both may send; to see something is what both may, by whatever right.
    let who = token("gone", Some("cert:CN=x"));
    assert!(may(&who, Action::View) && !may(&who, Action::Signal(0)));
    assert!(!may(&who, Action::Signal(1)) && !may(&who, Action::Signal(15)));
    assert_eq!(access.grants(&who, process("web", "w")).to_string(), "view");
    // What the maker loses the token loses.
    let later = all(vec![]);
    let who = token("gone", Some("unix:5(33)"));
    assert!(may(&who, Action::View));
    assert!(!later.decide(&who, Action::View, process("web", "w")).allowed);
}

#[test]
fn a_maker_that_is_a_token_or_nobody_gives_nothing() {
    let access = access(vec![role("web", &[Member::Anonymous], &["*"], "admin")]);
    let inner = Who::token("a", "web", None).unwrap();
    for maker in [inner, Who::Anonymous] {
        let (name, role) = ("b".into(), "web".into());
        let who = Who::Token { name, role, maker: Some(Rc::new(maker)) };
        let who = Principal::new(who, Proof::Token);
        for action in Action::ALL {
            assert!(!access.decide(&who, action, process("a", "a")).allowed);
            assert!(!access.decide(&who, action, Target::Daemon).allowed);
            assert!(!access.may_any(&who, action));
        }
        assert!(access.grants(&who, process("a", "a")).is_empty());
    }
}

#[test]
fn decisions_in_words() {
    let access = access(vec![
        role("web", &[alice()], &["nginx"], "restart"),
        role("secret", &[Member::Uid(1)], &["db"], "admin"),
    ]);
    let explain = |who, action, target| access.explain(&who, action, target);
    let yes = explain(user("alice"), Action::Restart, process("nginx", "nginx"));
    assert_eq!((yes.rule.as_str(), yes.place.as_str()), ("role:web", "/etc/x.conf:3"));
    assert_eq!(yes.why, "role web grants restart on nginx:nginx to user:alice");
    assert_eq!(access.describe(&yes.decision.rule), "role:web /etc/x.conf:3");
    let no = explain(user("alice"), Action::Stop, process("nginx", "nginx"));
    assert_eq!((no.rule.as_str(), no.place.as_str()), ("default", ""));
    assert_eq!(
        no.why,
        "no role of user:alice grants stop on nginx:nginx: about it are web (view, restart)"
    );
    let hidden = explain(user("alice"), Action::View, process("db", "db"));
    assert_eq!(hidden.why, "no role of user:alice is about db:db; it has web");
    assert_eq!(explain(user("eve"), Action::View, Target::Daemon).why, "user:eve has no role");
    let daemon = explain(user("alice"), Action::Restart, Target::Daemon);
    assert_eq!(
        daemon.why,
        "that takes a role with actions=admin and programs=*; user:alice has web"
    );
    assert_eq!(explain(unix(0, &[]), Action::Admin, Target::Daemon).rule, "owner");
    assert_eq!(Access::default().describe(&Rule::NoRoles), "no roles");
    assert_eq!(access.describe(&Rule::Role(9)), "role number 9");
}

#[test]
fn long_names_and_many_of_them_are_decided_as_others() {
    let access = access(vec![role("r", &[alice()], &["web*:a"], "view")]);
    let decide = |group: &str, name: &str| {
        access.decide(&user("alice"), Action::View, process(group, name)).allowed
    };
    let long = format!("web{}", "x".repeat(100_000));
    assert!(decide(&long, "a") && !decide(&long, "b"));
    for n in 0..40_000 {
        let group = format!("web{n}");
        assert!(decide(&group, "a") && !decide(&group, "b"));
    }
    assert!(decide("web0", "a") && !decide("web0", "b"));
}

#[test]
fn principals_take_turns() {
    let members: Vec<Member> = (100..140).map(Member::Uid).collect();
    let access = access(vec![role("r", &members, &["*"], "view")]);
    for round in 0..3 {
        for uid in 90..150 {
            let decision = access.decide(&unix(uid, &[round]), Action::View, process("a", "a"));
            assert_eq!(decision.allowed, (100..140).contains(&uid), "{uid}");
        }
    }
}

#[test]
fn a_permit_says_what_was_permitted_and_a_refusal_why() {
    let access = access(vec![role("web", &[alice()], &["nginx"], "signal(HUP)")]);
    let ask = |action| access.permit(&user("alice"), action, process("nginx", "nginx"));
    let permit = ask(Action::Signal(1)).unwrap();
    assert_eq!((permit.action(), permit.rule()), (Action::Signal(1), &Rule::Role(0)));
    assert!(permit.is_for("nginx", "nginx") && !permit.is_for_daemon());
    assert!(!permit.is_for("nginx", "other") && !permit.is_for("other", "nginx"));
    let daemon = access.permit(&user("alice"), Action::View, Target::Daemon).unwrap();
    assert!(daemon.is_for_daemon() && !daemon.is_for("nginx", "nginx"));
    let owner = access.permit(&unix(0, &[]), Action::Stop, process("a", "b")).unwrap();
    assert!(owner.is_for("a", "b") && !owner.is_for("a", "c") && !owner.is_for_daemon());
    let free = Access::default().permit(&anonymous(), Action::Stop, Target::Daemon).unwrap();
    assert!(free.is_for("a", "b") && free.is_for_daemon());
    let refused = Decision { allowed: false, rule: Rule::Default };
    for action in [Action::Signal(2), Action::Signal(65), Action::Stop, Action::Config] {
        assert_eq!(ask(action).unwrap_err(), refused, "{action}");
    }
}
