//! `[role:NAME]`: who may do what to which programs, names resolved.

use policy::access::{Grants, Pattern, Role};

use super::expand::Names;
use super::idle;
use super::members;
use super::model::{Group, Server, User};
use super::reading::{Reading, Scope};
use super::text::shown;
use super::users;
use super::values::{Read, strings};

const KIND: &str = "role:";
/// Characters that mean more than themselves in one of the keys.
const SPECIAL: [char; 10] = [',', '*', '?', '[', ']', ':', '@', '(', ')', '"'];

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
    idle::advise(r, &roles, known.groups);
    roles.into_iter().map(|(_, role)| role).collect()
}

fn role(r: &mut Reading<'_>, scope: Scope<'_>, logins: &[&str]) -> Option<Role> {
    let section = scope.section;
    r.strictly(section);
    let name = r.principal(scope);
    let members = match r.raw(section, "members") {
        // It is for tokens alone.
        None => Some(Vec::new()),
        Some(_) => {
            list(r, scope, "members", members::words, |r, word| members::read(r, word, logins))
        }
    };
    let words = |text: &str| Ok(strings(text));
    let programs = list(r, scope, "programs", words, |_, word| {
        let pattern = Pattern::parse(&shown(word));
        pattern.map(|pattern| vec![pattern]).map_err(|why| format!("Invalid pattern: {why}"))
    });
    let actions = value(r, scope, "actions", |_, text| match Grants::parse(text) {
        Err(why) => Err(format!("Invalid action: {why}")),
        Ok(none) if none.is_empty() => Err("actions= names nothing".to_owned()),
        Ok(grants) => Ok(grants),
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
            "programs" => "what it is about, such as programs=web or programs=*",
            _ => "what it grants, such as actions=view,restart",
        };
        let text = format!("section [{}] has no {key}: say {what}", scope.section);
        return r.check(scope, key, Err(text));
    };
    let count = |text: &str, c: char| text.chars().filter(|other| *other == c).count();
    let literal = literal(&raw);
    r.get(scope, key, |r, text| match SPECIAL.into_iter().find(|c| count(text, *c) > count(&literal, *c)) {
        Some(c) => Err(format!(
            "an expansion brings the character {c} into {key}, where it would mean more than a name; write it out"
        )),
        None => read(r, text),
    })
}

/// A value without its expansions.
fn literal(raw: &str) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        rest = match after.strip_prefix('(').and_then(|name| name.split_once(')')) {
            Some((_, rest)) => rest,
            None => after.strip_prefix('%').unwrap_or(after),
        };
    }
    out + rest
}

/// A list that has something in it. All that is wrong with its elements is said.
fn list<T>(
    r: &mut Reading<'_>,
    scope: Scope<'_>,
    key: &str,
    words: impl Fn(&str) -> Read<Vec<String>>,
    mut read: impl FnMut(&mut Reading<'_>, &str) -> Read<Vec<T>>,
) -> Option<Vec<T>>
where
    T: PartialEq,
{
    let elements = value(r, scope, key, |_, text| {
        let all: Vec<String> = words(text)?.into_iter().filter(|word| !word.is_empty()).collect();
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
