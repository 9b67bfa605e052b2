//! `[role:NAME]`: who may do what to which programs, names resolved.

use std::collections::HashSet;

use policy::access::{
    Access, Action, Grants, Member, Pattern, Principal, Proof, Role, Rules, Target, Who as Somebody,
};

use super::expand::Names;
use super::host::Who;
use super::model::{Group, Server, User};
use super::principals::ANONYMOUS;
use super::reading::{Reading, Scope};
use super::text::{near, repr, shown};
use super::users;
use super::values::{Read, strings};
use super::words;

const KIND: &str = "role:";
/// The most comparisons of patterns with processes for the sake of advice.
const MAX_LOOKS: usize = 2_000_000;

/// What roles may refer to.
pub struct Known<'k> {
    /// `[user:NAME]` sections.
    pub users: &'k [User],
    /// Servers, for their `username`.
    pub servers: &'k [Server],
    /// Groups with their processes.
    pub groups: &'k [Group],
}

/// All roles, in the order of the configuration. `names` has ENV_ names.
pub fn read(r: &mut Reading<'_>, names: &Names<'_>, known: &Known<'_>) -> Vec<Role> {
    let here = r.here.clone();
    let names = Names::over(names).text("here", &here);
    let logins = users::known(known.users, known.servers);
    let mut roles: Vec<(String, Role)> = Vec::new();
    for section in r.sections(KIND) {
        let role = role(r, Scope::plain(&section, &names), &logins);
        roles.extend(role.map(|role| (section, role)));
    }
    r.twice("role", roles.iter().map(|(section, role)| (role.name.as_str(), section.as_str())));
    idle(r, &roles, known.groups);
    roles.into_iter().map(|(_, role)| role).collect()
}

fn role(r: &mut Reading<'_>, scope: Scope<'_>, logins: &[&str]) -> Option<Role> {
    let section = scope.section;
    r.only_known_keys(section);
    let name = r.principal(scope);
    let members = list(r, scope, "members", |r, word| member(r, word, logins));
    let programs = list(r, scope, "programs", |_, word| words::pattern(word).map(|p| vec![p]));
    let actions = value(r, scope, "actions", |_, text| match words::grants(text)? {
        none if none == Grants::default() => Err("actions= names nothing".to_owned()),
        grants => Ok(grants),
    });
    let place = r.doc.section(section).map(|s| s.place)?;
    let place = shown(&r.place(place));
    Some(Role { name: name?, place, members: members?, programs: programs?, grants: actions? })
}

/// A value that must be there. What an expansion brings in is a word, never a separator or a wildcard.
fn value<T>(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    key: &str,
    read: impl FnOnce(&mut Reading<'_>, &str) -> Read<T>,
) -> Option<T> {
    let Some(raw) = r.raw(scope.section, key) else {
        let what = match key {
            "members" => "who has it, such as members=alice,@web",
            "programs" => "what it is about, such as programs=web or programs=*",
            _ => "what it grants, such as actions=view,restart",
        };
        let text = format!("section [{}] has no {key}: say {what}", scope.section);
        return r.check(scope, key, Err(text));
    };
    let count = |text: &str, c: char| text.chars().filter(|other| *other == c).count();
    r.get(scope, key, |r, text| {
        match [',', '*', '?', '[', ']', ':', '@', '(', ')'].into_iter().find(|c| count(text, *c) > count(&raw, *c)) {
            Some(c) => Err(format!(
                "an expansion brings the character {c} into {key}, where it would mean more than a name; write it out"
            )),
            None => read(r, text),
        }
    })
}

/// A list that has something in it. All that is wrong with its elements is said.
fn list<T>(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    key: &str,
    mut read: impl FnMut(&mut Reading<'_>, &str) -> Read<Vec<T>>,
) -> Option<Vec<T>>
where
    T: PartialEq,
{
    let elements = value(r, scope, key, |_, text| {
        let all: Vec<String> = strings(text).into_iter().filter(|word| !word.is_empty()).collect();
        if all.is_empty() { Err(format!("{key}= names nothing")) } else { Ok(all) }
    })?;
    let mut all: Option<Vec<T>> = Some(Vec::new());
    for element in elements {
        let read = read(r, &element);
        match (r.check(scope, key, read), &mut all) {
            (Some(some), Some(all)) => {
                for item in some {
                    if !all.contains(&item) {
                        all.push(item);
                    }
                }
            }
            _ => all = None,
        }
    }
    all
}

/// An element of `members=`: one or two kinds of members.
fn member(r: &mut Reading<'_>, word: &str, logins: &[&str]) -> Read<Vec<Member>> {
    let bad = word
        .chars()
        .find(|c| c.is_control() || super::text::is_space(*c) || "*?[](),".contains(*c));
    if let Some(c) = bad {
        let what = match c {
            '*' | '?' | '[' | ']' => {
                "members= has no wildcards; @GROUP is every member of a group of the system"
            }
            c if super::text::is_space(c) => "put commas between members",
            _ => "members= has names, user:NAME, unix:NAME, unix:UID, @GROUP and anonymous",
        };
        return Err(format!("Invalid member {}: {what}", repr(word)));
    }
    if let Some(group) = word.strip_prefix('@') {
        return group_of(r, group).map(|gid| vec![Member::Gid(gid)]);
    }
    match word.split_once(':') {
        Some(("user", name)) if logins.contains(&name) => Ok(vec![Member::User(name.to_owned())]),
        Some(("user", name)) => Err(format!(
            "Unknown user {}: there is no [user:{}] and no server with that username{}",
            repr(name),
            shown(name),
            meant(name, logins, "user:")
        )),
        Some(("unix", name)) => match account(r, name) {
            Some(uid) => Ok(vec![Member::Uid(uid)]),
            None => Err(format!("Unknown user {}: this system has no such account", repr(name))),
        },
        Some(_) => Err(format!(
            "Invalid member {}: members= has names, user:NAME, unix:NAME, unix:UID, @GROUP and anonymous",
            repr(word)
        )),
        None if word == ANONYMOUS => Ok(vec![Member::Anonymous]),
        None => plain(r, word, logins),
    }
}

/// A name alone stands for all whom it names.
fn plain(r: &mut Reading<'_>, name: &str, logins: &[&str]) -> Read<Vec<Member>> {
    let mut all = Vec::new();
    if logins.contains(&name) {
        all.push(Member::User(name.to_owned()));
    }
    if let Some(account) = r.host.account(&Who::Name(name.to_owned())).filter(|a| a.uid != u32::MAX)
    {
        all.push(Member::Uid(account.uid));
    }
    if !all.is_empty() {
        return Ok(all);
    }
    let hint = match number(name) {
        Some(_) => format!("; is unix:{name} meant?"),
        None if r.host.group(&Who::Name(name.to_owned())).is_some() => {
            format!("; is the group @{name} meant?")
        }
        None => meant(name, logins, ""),
    };
    Err(format!(
        "Unknown member {}: there is no [user:{}], no server with that username, and no such account of this system{hint}",
        repr(name),
        shown(name),
    ))
}

fn meant(name: &str, logins: &[&str], prefix: &str) -> String {
    let words = logins.iter().copied().chain(Some(ANONYMOUS).filter(|_| prefix.is_empty()));
    near(name, words).map_or(String::new(), |name| format!("; is {prefix}{name} meant?"))
}

/// An id written as a number, which needs no entry in the system's lists. −1 is nobody's.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|id| *id != u32::MAX)
}

fn account(r: &mut Reading<'_>, text: &str) -> Option<u32> {
    let named = || r.host.account(&Who::Name(text.to_owned())).map(|a| a.uid);
    number(text).or_else(named).filter(|id| *id != u32::MAX)
}

fn group_of(r: &mut Reading<'_>, text: &str) -> Read<u32> {
    let named = || r.host.group(&Who::Name(text.to_owned()));
    number(text).or_else(named).filter(|id| *id != u32::MAX).ok_or_else(|| {
        let hint = match r.host.account(&Who::Name(text.to_owned())) {
            Some(_) => format!("; is the user unix:{text} meant?"),
            None => String::new(),
        };
        format!("Unknown group {}: this system has no such group{hint}", repr(text))
    })
}

/// Patterns that nothing in the configuration matches: most likely misspelt.
fn idle(r: &mut Reading<'_>, roles: &[(String, Role)], groups: &[Group]) {
    let processes: usize = groups.iter().map(|group| group.processes.len()).sum();
    let patterns: usize = roles.iter().map(|(_, role)| role.programs.len()).sum();
    if processes.saturating_mul(patterns) > MAX_LOOKS {
        return;
    }
    for (section, role) in roles {
        let unused = role.programs.iter().filter(|pattern| !of_something(pattern, groups));
        let texts: Vec<String> = unused.map(|pattern| words::written(pattern, groups)).collect();
        for text in texts {
            let place = r.locate(section, "programs");
            r.problems.advice(format!("{place}: {text}"));
        }
    }
}

fn of_something(pattern: &Pattern, groups: &[Group]) -> bool {
    // `*` is about what there is, even where that is nothing yet.
    if [Pattern::Group("*".to_owned()), Pattern::Process("*".to_owned(), "*".to_owned())]
        .contains(pattern)
    {
        return true;
    }
    // The decision point itself is asked, so that this never says other than what counts.
    let mut grants = Grants::default();
    grants.add(Action::View);
    let role = Role {
        name: String::new(),
        place: String::new(),
        members: vec![Member::Anonymous],
        programs: vec![pattern.clone()],
        grants,
    };
    let access = Access::new(Rules { roles: vec![role], owner: 0 });
    let anybody = Principal::new(Somebody::Anonymous, Proof::None);
    groups.iter().any(|group| {
        let name = shown(&group.name);
        group.processes.iter().any(|process| {
            let target = Target::Process {
                group: &name,
                name: &shown(&process.name),
                labels: &process.program.labels,
            };
            access.decide(&anybody, Action::View, target).allowed
        })
    })
}

/// All labels that programs carry.
pub fn labels(groups: &[Group]) -> HashSet<&str> {
    let processes = groups.iter().flat_map(|group| &group.processes);
    processes.flat_map(|process| &process.program.labels).map(String::as_str).collect()
}
