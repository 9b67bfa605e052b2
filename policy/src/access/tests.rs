//! What is easily got wrong.

mod kinds;

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
