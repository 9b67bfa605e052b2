//! Random policies against a second, deliberately naive reading of the rules: it works on the words of the
//! configuration, one role after the other, and shares nothing with the code under test but the types that it asks with.

use super::*;

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    fn text(&mut self, alphabet: &[char], longest: usize) -> String {
        (0..self.below(longest + 1)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

/// A role, as somebody writes it.
#[derive(Debug)]
struct Written {
    members: Vec<String>,
    programs: Vec<String>,
    actions: Vec<String>,
}

/// Somebody, in words.
#[derive(Debug)]
enum Asker {
    Nobody,
    Login(String),
    Account(u32, Vec<u32>),
    /// The same, let in by PAM rather than by the kernel.
    Pam(u32, Vec<u32>),
    Certificate(Vec<String>),
    /// The number of its role, and its maker.
    Token(usize, Option<Box<Asker>>),
}

/// A process, or the daemon.
#[derive(Debug)]
enum Asked {
    Daemon,
    Process(String, String, Vec<String>),
}

const OWNER: u32 = 7;
const LOGINS: [&str; 5] = ["a", "b", "A", "é", "a.b"];
const CERTIFICATES: [&str; 5] =
    ["CN=a", "CN=A", "CN=a, b: \"c\" 100%", "DNS:a.example.org", "URI:spiffe://é/(a)#b;c?"];
const LABELS: [&str; 4] = ["a", "b", "web", "é"];
const NAMES: [char; 12] = ['a', 'a', 'b', 'b', 'c', 'é', '-', '*', '[', ']', ':', '\n'];
const GLOBS: [char; 14] = ['a', 'a', 'b', 'c', 'é', '-', '*', '*', '?', '[', '[', ']', ']', '!'];
const ACTIONS: [Action; 16] = [
    Action::View,
    Action::Log,
    Action::Clear,
    Action::Start,
    Action::Stop,
    Action::Restart,
    Action::Signal(0),
    Action::Signal(1),
    Action::Signal(10),
    Action::Signal(64),
    Action::Signal(65),
    Action::Signal(255),
    Action::Stdin,
    Action::Config,
    Action::Admin,
    Action::Signal(33),
];

// The naive reading.

fn glob(pattern: &[char], name: &[char]) -> bool {
    let Some(first) = pattern.first() else {
        return name.is_empty();
    };
    let eats = |many: usize| glob(&pattern[many..], &name[1..]);
    match first {
        '*' => {
            glob(&pattern[1..], name)
                || (!name.is_empty() && name[0] != ':' && glob(pattern, &name[1..]))
        }
        _ if name.is_empty() => false,
        '?' => name[0] != ':' && eats(1),
        '[' => {
            let from = if pattern.get(1) == Some(&'!') { 2 } else { 1 };
            let mut to = if pattern.get(from) == Some(&']') { from + 1 } else { from };
            while to < pattern.len() && pattern[to] != ']' {
                to += 1;
            }
            if to >= pattern.len() {
                return name[0] == '[' && eats(1);
            }
            let negated = from == 2;
            name[0] != ':' && listed(&pattern[from..to], name[0]) != negated && eats(to + 1)
        }
        c => *c == name[0] && eats(1),
    }
}

fn listed(set: &[char], c: char) -> bool {
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            if set[at] <= c && c <= set[at + 2] {
                return true;
            }
            at += 3;
        } else if set[at] == c {
            return true;
        } else {
            at += 1;
        }
    }
    false
}

fn matches(pattern: &str, name: &str) -> bool {
    let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<char>>());
    glob(&pattern, &name)
}

fn is_about(pattern: &str, asked: &Asked) -> bool {
    let Asked::Process(group, name, labels) = asked else {
        return true;
    };
    if let Some(label) = pattern.strip_prefix('@') {
        return labels.iter().any(|own| own == label);
    }
    match pattern.split_once(':') {
        Some((of, glob)) => matches(of, group) && matches(glob, name),
        None => matches(pattern, group),
    }
}

fn has(role: &Written, number: usize, asker: &Asker) -> bool {
    if let Asker::Token(own, _) = asker {
        return *own == number;
    }
    role.members.iter().any(|member| match asker {
        Asker::Nobody => member == "anonymous",
        Asker::Login(name) => *member == format!("user:{name}"),
        Asker::Account(uid, groups) | Asker::Pam(uid, groups) => {
            *member == format!("unix:{uid}") || groups.iter().any(|g| *member == format!("@{g}"))
        }
        Asker::Certificate(names) => names.iter().any(|name| *member == format!("cert:{name}")),
        Asker::Token(..) => false,
    })
}

fn grants(role: &Written, action: Action) -> bool {
    role.actions.iter().any(|word| match (word.as_str(), action) {
        ("admin", Action::Signal(n)) => n <= 64,
        ("admin", _) | (_, Action::View) => true,
        ("viewer", action) => action == Action::Log,
        ("operator" | "signal", Action::Signal(n)) => n <= 64,
        ("operator", action) => !matches!(action, Action::Stdin | Action::Config | Action::Admin),
        ("signal(HUP)", Action::Signal(n)) => n == 0 || n == 1,
        ("signal(1, SIGUSR1,64)", Action::Signal(n)) => [0, 1, 10, 64].contains(&n),
        (_, Action::Signal(_)) => false,
        (word, action) => word == action.word(),
    })
}

/// Whether it is allowed, and the role that says so.
fn naive(roles: &[Written], asker: &Asker, action: Action, asked: &Asked) -> (bool, Option<usize>) {
    if let Asker::Token(_, maker) = asker {
        return of_token(roles, asker, maker.as_deref(), action, asked);
    }
    if roles.is_empty() || matches!(asker, Asker::Account(uid, _) if *uid == 0 || *uid == OWNER) {
        return (true, None);
    }
    by_roles(roles, asker, action, asked)
}

/// A token has nothing but its role. Whether any signal may be sent is asked of each that there is.
fn of_token(
    roles: &[Written],
    asker: &Asker,
    maker: Option<&Asker>,
    action: Action,
    asked: &Asked,
) -> (bool, Option<usize>) {
    let Some(maker) = maker else { return by_roles(roles, asker, action, asked) };
    if action == Action::Signal(0) && matches!(asked, Asked::Process(..)) {
        let one = |n| of_token(roles, asker, Some(maker), Action::Signal(n), asked);
        return (1..=64).map(one).find(|(yes, _)| *yes).unwrap_or((false, None));
    }
    match by_roles(roles, asker, action, asked) {
        (true, role) if naive(roles, maker, action, asked).0 => (true, role),
        _ => (false, None),
    }
}

fn by_roles(
    roles: &[Written],
    asker: &Asker,
    action: Action,
    asked: &Asked,
) -> (bool, Option<usize>) {
    for (number, role) in roles.iter().enumerate() {
        let asked_for = match (asked, action) {
            (Asked::Daemon, Action::View | Action::Config) | (Asked::Process(..), _) => action,
            (Asked::Daemon, _) => Action::Admin,
        };
        let all = || role.programs.iter().any(|p| p == "*" || p == "*:*");
        let about = match asked {
            Asked::Daemon => asked_for != Action::Admin || all(),
            _ => role.programs.iter().any(|p| is_about(p, asked)),
        };
        if has(role, number, asker) && about && grants(role, asked_for) {
            return (true, Some(number));
        }
    }
    (false, None)
}

// Random policies, and what the code under test makes of their words.

fn some_role(dice: &mut Dice) -> Written {
    let member = |dice: &mut Dice| match dice.below(5) {
        0 => "anonymous".to_owned(),
        1 => format!("user:{}", dice.one(&LOGINS)),
        4 => format!("cert:{}", dice.one(&CERTIFICATES)),
        2 => format!("unix:{}", dice.below(9)),
        _ => format!("@{}", dice.below(6)),
    };
    let action = |dice: &mut Dice| {
        let words = ["viewer", "operator", "signal", "signal(HUP)", "signal(1, SIGUSR1,64)"];
        match dice.below(3) {
            0 => dice.one(&words).to_owned(),
            _ => {
                let plain = ACTIONS.map(Action::word);
                dice.one(&plain).to_owned()
            }
        }
    };
    Written {
        members: (0..dice.below(4)).map(|_| member(dice)).collect(),
        programs: (0..dice.below(4)).map(|_| some_pattern(dice)).collect(),
        actions: (0..dice.below(4)).map(|_| action(dice)).collect(),
    }
}

/// Without blanks around it: they do not count.
fn some_pattern(dice: &mut Dice) -> String {
    let pattern = match dice.below(8) {
        0 => format!("@{}", dice.one(&LABELS)),
        1 => "*".to_owned(),
        2 | 3 => dice.text(&NAMES, 2),
        4 | 5 => dice.text(&GLOBS, 5),
        _ => format!("{}:{}", dice.text(&GLOBS, 4), dice.text(&GLOBS, 4)),
    };
    pattern.trim().to_owned()
}

fn some_asker(dice: &mut Dice) -> Asker {
    match dice.below(4) {
        0 => Asker::Nobody,
        // Also of a role that there is not.
        1 => {
            let maker = dice.below(4) != 0;
            Asker::Token(dice.below(6), maker.then(|| Box::new(somebody(dice))))
        }
        _ => somebody(dice),
    }
}

/// Whoever can make a token.
fn somebody(dice: &mut Dice) -> Asker {
    match dice.below(5) {
        0 => Asker::Login(dice.one(&LOGINS).to_owned()),
        1 => {
            let names = 0..=dice.below(3);
            Asker::Certificate(names.map(|_| dice.one(&CERTIFICATES).to_owned()).collect())
        }
        kind => {
            let groups = (0..dice.below(3)).map(|_| dice.below(6) as u32).collect();
            let uid = dice.below(9) as u32;
            if kind == 2 { Asker::Pam(uid, groups) } else { Asker::Account(uid, groups) }
        }
    }
}

fn some_asked(dice: &mut Dice) -> Asked {
    if dice.below(6) == 0 {
        return Asked::Daemon;
    }
    let labels = (0..dice.below(3)).map(|_| dice.one(&LABELS).to_owned()).collect();
    Asked::Process(dice.text(&NAMES, 3), dice.text(&NAMES, 3), labels)
}

/// What the reader makes of a pattern; one that it refuses is built by hand, as a settings blob could hold it.
fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|_| match (text.strip_prefix('@'), text.split_once(':')) {
        (Some(label), _) => Pattern::Label(label.to_owned()),
        (None, Some((of, name))) => Pattern::Process(of.to_owned(), name.to_owned()),
        (None, None) => Pattern::Group(text.to_owned()),
    })
}

fn member(text: &str) -> Member {
    match MemberName::parse(text).unwrap() {
        MemberName::Anonymous => Member::Anonymous,
        MemberName::User(name) => Member::User(name),
        MemberName::Account(uid) => Member::Uid(uid.parse().unwrap()),
        MemberName::Group(gid) => Member::Gid(gid.parse().unwrap()),
        MemberName::Certificate(name) => Member::Certificate(name),
        MemberName::Either(name) => panic!("{name}"),
    }
}

fn rules(written: &[Written]) -> Rules {
    let role = |(number, role): (usize, &Written)| Role {
        name: format!("r{number}"),
        place: format!("x.conf:{number}"),
        members: role.members.iter().map(|text| member(text)).collect(),
        programs: role.programs.iter().map(|text| pattern(text)).collect(),
        grants: Grants::parse(&role.actions.join(", ")).unwrap(),
    };
    Rules { roles: written.iter().enumerate().map(role).collect(), owner: OWNER }
}

fn principal(asker: &Asker) -> Principal {
    let proof = match asker {
        Asker::Nobody => Proof::None,
        Asker::Login(_) => Proof::Password,
        Asker::Account(..) => Proof::Peer,
        Asker::Pam(..) => Proof::Pam,
        Asker::Certificate(_) => Proof::Certificate,
        Asker::Token(..) => Proof::Token,
    };
    let who = who(asker);
    assert_eq!(Who::parse(&who.detailed()), Ok(who.clone()));
    assert!(!who.detailed().contains(char::is_whitespace), "{who:?}");
    Principal::new(who, proof)
}

fn who(asker: &Asker) -> Who {
    match asker {
        Asker::Nobody => Who::Anonymous,
        Asker::Login(name) => Who::User(name.as_str().into()),
        Asker::Account(uid, groups) => Who::Unix { uid: *uid, groups: groups.as_slice().into() },
        Asker::Pam(uid, groups) => {
            let groups = groups.as_slice().into();
            Who::Account { name: format!("n {uid}").into(), uid: *uid, groups }
        }
        Asker::Certificate(names) => {
            Who::Certificate { names: names.iter().map(|name| name.as_str().into()).collect() }
        }
        Asker::Token(role, maker) => {
            let maker = maker.as_deref().map(|maker| who(maker).detailed());
            Who::token("a token", &format!("r{role}"), maker.as_deref()).unwrap()
        }
    }
}

/// One policy, some askers, some processes: every action of each on each.
fn agree(seed: u64, roles: usize, tries: usize) -> [usize; 2] {
    let mut dice = Dice::new(seed);
    let written: Vec<Written> = (0..roles).map(|_| some_role(&mut dice)).collect();
    let access = Access::new(rules(&written));
    let mut count = [0; 2];
    let processes: Vec<Asked> = (0..tries).map(|_| some_asked(&mut dice)).collect();
    for _ in 0..tries {
        let asker = some_asker(&mut dice);
        let who = principal(&asker);
        for asked in &processes {
            let target = match asked {
                Asked::Daemon => Target::Daemon,
                Asked::Process(group, name, labels) => Target::Process { group, name, labels },
            };
            let grants = access.grants(&who, target);
            for action in [0; 3].map(|_| ACTIONS[dice.below(ACTIONS.len())]) {
                let decision = access.decide(&who, action, target);
                let role = match decision.rule {
                    Rule::Role(number) => Some(number),
                    Rule::NoRoles | Rule::Owner | Rule::Default => None,
                };
                assert_eq!(
                    (decision.allowed, role),
                    naive(&written, &asker, action, asked),
                    "seed {seed}, {roles} roles: {asker:?} {action:?} {asked:?} {written:#?}"
                );
                let missing = match target {
                    Target::Process { group, name, labels: [] } => {
                        access.decide_of_missing(&who, action, (group, name))
                    }
                    _ => decision.clone(),
                };
                assert_eq!(missing, decision, "seed {seed}: {asker:?} {action:?} {asked:?}");
                let permit = access.permit(&who, action, target).map(|p| p.rule().clone());
                assert_eq!(permit.is_ok(), decision.allowed);
                let explained = access.explain(&who, action, target);
                assert_eq!(explained.decision, decision);
                let beyond = matches!(action, Action::Signal(65..)) && decision.allowed;
                let some = !decision.allowed || beyond || access.may_any(&who, action);
                assert!(some, "seed {seed}: {asker:?} {action:?}");
                let granted = grants.has(action);
                assert_eq!(
                    granted,
                    decision.allowed && !beyond,
                    "seed {seed}: {asker:?} {action:?}"
                );
                count[usize::from(decision.allowed)] += 1;
            }
        }
        let own = access.roles_of(&who);
        let own: Vec<&str> = own.iter().map(|role| &*role.name).collect();
        let has = written.iter().enumerate().filter(|(n, role)| has(role, *n, &asker));
        let has: Vec<String> = has.map(|(number, _)| format!("r{number}")).collect();
        assert_eq!(own, has, "seed {seed}: {asker:?} {written:#?}");
        let any = access.may_any(&who, Action::Config);
        let config = naive(&written, &asker, Action::Config, &Asked::Daemon).0;
        assert_eq!(any, config, "seed {seed}: {asker:?} {written:#?}");
    }
    count
}

#[test]
fn a_hundred_thousand_policies_decide_as_the_naive_reading_does() {
    let mut count = [0; 2];
    for seed in 1..=100_000 {
        let more = agree(seed, (seed % 5) as usize, 2);
        count = [count[0] + more[0], count[1] + more[1]];
    }
    // Neither answer is rare: a model that always said no would be found out.
    assert!(count.iter().all(|n| *n > 200_000), "{count:?}");
}

#[test]
fn more_roles_than_a_word_has_bits_make_no_difference() {
    for seed in 1..=60 {
        agree(seed, 60 + seed as usize * 3, 6);
    }
}
