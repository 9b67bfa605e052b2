//! What a decision costs: `cargo run --release -p policy --example decisions`. Prints nanoseconds for one, with 1,000
//! roles; hot when the process was asked for before, cold when it was not.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use policy::access::{
    Access, Action, Grants, Member, Pattern, Principal, Proof, Role, Rules, Target, Who,
};

const ROLES: usize = 1_000;
const PROCESSES: usize = 2_000;
const ROUNDS: usize = 500;

/// Each role has three members, and a glob, a label and a whole group of its own.
fn rules(shared: bool) -> Rules {
    let role = |n: usize| {
        let everybody = Member::Gid(100);
        let own = [
            Member::User(format!("user{n}")),
            Member::Gid(1_000 + n as u32),
            Member::Certificate(format!("CN=c{n}")),
        ];
        let patterns = [format!("team{n}-*:w[a-z]b*"), format!("@label{n}"), format!("group{n}")];
        Role {
            name: format!("role{n}"),
            place: format!("/etc/supervisord.conf:{n}"),
            members: own.into_iter().chain(shared.then_some(everybody)).collect(),
            programs: patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
            grants: Grants::parse("view, log, restart, signal(HUP,USR1)").unwrap(),
        }
    };
    Rules { roles: (0..ROLES).map(role).collect(), owner: 7 }
}

fn decide(
    access: &Access,
    who: &Principal,
    names: &[(String, Vec<String>)],
    action: Action,
) -> usize {
    let one = |(group, labels): &&(String, Vec<String>)| {
        let target = Target::Process { group, name: "web", labels };
        access.decide(black_box(who), action, target).allowed
    };
    names.iter().filter(one).count()
}

fn token(role: &str, maker: Option<&str>) -> Principal {
    Principal::new(Who::token("ci", role, maker).unwrap(), Proof::Token)
}

fn main() {
    let name = |n: usize| (format!("team{}-{n}", n % ROLES), vec![format!("label{}", n % 7)]);
    let names: Vec<_> = (0..PROCESSES).map(name).collect();
    let unix = |groups: Vec<u32>| {
        Principal::new(Who::Unix { uid: 1_000, groups: groups.into() }, Proof::Peer)
    };
    let askers = [
        (
            "a user with one role",
            false,
            Principal::new(Who::User("user999".into()), Proof::Password),
        ),
        ("an account in 32 groups, 20 roles", false, unix((1_980..2_012).collect())),
        ("an account with all 1,000 roles", true, unix(vec![100])),
        ("nobody", false, Principal::new(Who::Anonymous, Proof::None)),
        (
            "a certificate with 10 names, one role",
            false,
            Principal::new(
                Who::Certificate {
                    names: (990..1_000).map(|n| format!("CN=c{n}").into()).collect(),
                },
                Proof::Certificate,
            ),
        ),
        ("a token, maker with 1,000 roles", true, token("role999", Some("unix:1000(100)"))),
        ("a token of an owner", false, token("role999", None)),
    ];
    for (what, shared, who) in &askers {
        // The best of some, since others use the machine, too.
        let mut cold = u128::MAX;
        for _ in 0..20 {
            let access = Access::new(rules(*shared));
            let start = Instant::now();
            black_box(decide(&access, who, &names, Action::Restart));
            cold = cold.min(start.elapsed().as_nanos() / PROCESSES as u128);
        }
        let access = Access::new(rules(*shared));
        let allowed = decide(&access, who, &names, Action::Restart);
        let hot = Instant::now();
        for _ in 0..ROUNDS {
            assert_eq!(decide(&access, who, &names, Action::Restart), allowed);
        }
        let hot = hot.elapsed().as_nanos() / (PROCESSES * ROUNDS) as u128;
        println!("{what:38} hot {hot:6} ns   cold {cold:6} ns   {allowed} of {PROCESSES} allowed");
    }
    let start = Instant::now();
    black_box(Access::new(rules(true)));
    println!("the index of {ROLES} roles is made in {} µs", start.elapsed().as_micros());
}
