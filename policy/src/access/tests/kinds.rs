//! Kinds of principals: how they are written, and what accounts, certificates and tokens may do.

use super::*;

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
