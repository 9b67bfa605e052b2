//! Who may do what to which program, as the decision point says.

use policy::access::{Access, Member, Principal, Proof, Target, Who};

use super::super::host;
use super::super::reading::Reading;
use super::report::Grantee;
use super::{Subject, clean};

/// The most decisions about each program.
const MAX_LOOKS: usize = 2_000_000;

/// Everybody whom a role names, and whether there were too many to say it for each program.
pub fn grantees(r: &mut Reading<'_>, s: &Subject<'_>) -> (Vec<Grantee>, bool) {
    let access = Access::new(s.settings.access.clone());
    let mut members: Vec<&Member> = Vec::new();
    for member in s.settings.access.roles.iter().flat_map(|role| &role.members) {
        if !members.contains(&member) {
            members.push(member);
        }
    }
    let cut = members.len().saturating_mul(s.settings.processes.len()) > MAX_LOOKS;
    let grantee = |member: &&Member| {
        let (who, name) = principal(r, member);
        let roles = access.roles_of(&who);
        Grantee {
            who: clean(&member.to_string()),
            name,
            roles: roles
                .iter()
                .map(|role| format!("role:{} {}", role.name, clean(&role.place)))
                .collect(),
            daemon: access.grants(&who, Target::Daemon),
            programs: if cut { Vec::new() } else { programs(s, &access, &who) },
        }
    };
    (members.iter().map(grantee).collect(), cut)
}

/// Numbers of programs are their places in starting order.
fn programs(
    s: &Subject<'_>,
    access: &Access,
    who: &Principal,
) -> Vec<(usize, policy::access::Grants)> {
    let slots = s.settings.groups.iter().flat_map(|group| &group.slots);
    let processes = slots.filter_map(|slot| s.settings.process(*slot));
    let grants = processes.map(|p| {
        access.grants(who, Target::Process { group: &p.group, name: &p.name, labels: &p.labels })
    });
    grants.enumerate().filter(|(_, grants)| !grants.is_empty()).collect()
}

/// An account is taken with its groups: what it may do by these counts, too.
fn principal(r: &mut Reading<'_>, member: &Member) -> (Principal, Option<String>) {
    match member {
        Member::Anonymous => (Principal::new(Who::Anonymous, Proof::None), None),
        Member::User(name) => {
            (Principal::new(Who::User(name.as_str().into()), Proof::Password), None)
        }
        Member::Certificate(name) => {
            let names = [name.as_str().into()].into();
            (Principal::new(Who::Certificate { names }, Proof::Certificate), None)
        }
        Member::Uid(uid) => {
            let account = r.host.account(&host::Who::Id(*uid));
            let groups = account.as_ref().map_or(Vec::new(), |account| account.groups.clone());
            let who = Who::Unix { uid: *uid, groups: groups.into() };
            (Principal::new(who, Proof::Peer), account.map(|account| clean(&account.name)))
        }
        Member::Gid(gid) => {
            // Nobody has this uid: what is left is what the group gives.
            let who = Who::Unix { uid: u32::MAX, groups: [*gid].into() };
            (Principal::new(who, Proof::Peer), group(r, *gid))
        }
    }
}

/// The name by which some role calls a group.
fn group(r: &mut Reading<'_>, gid: u32) -> Option<String> {
    let values = r.sections("role:").into_iter().filter_map(|section| r.raw(&section, "members"));
    let words: Vec<String> = values
        .flat_map(|value| value.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>())
        .collect();
    let names = words.iter().filter_map(|word| word.strip_prefix('@'));
    let known = |name: &&str| r.host.group(&host::Who::Name((*name).to_owned())) == Some(gid);
    names.map(|name| name as &str).find(known).map(clean)
}
