//! The words of `programs=` and `actions=`, as the decision point reads them.

use policy::access::{Action, Grants, Pattern};

use super::model::Group;
use super::principals;
use super::roles;
use super::text::{near, repr, shown};
use super::values::{self, Read};

/// An element of `programs=`.
pub fn pattern(word: &str) -> Read<Pattern> {
    if let Some(label) = word.strip_prefix('@') {
        return Ok(Pattern::Label(principals::label(label)?));
    }
    let bad = |why: &str| Err(format!("Invalid pattern {}: {why}", repr(word)));
    if word.chars().any(|c| c.is_control() || super::text::is_space(c)) {
        return bad("put commas between patterns");
    }
    if word.contains('/') {
        return bad("names of groups and processes have no slash");
    }
    match word.split(':').collect::<Vec<_>>().as_slice() {
        [group] => Ok(Pattern::Group(shown(group))),
        [group, name] if !group.is_empty() && !name.is_empty() => {
            Ok(Pattern::Process(shown(group), shown(name)))
        }
        [_, _] => {
            bad("there must be a pattern on both sides of the colon; GROUP:* is all of a group")
        }
        _ => bad("it is GROUP, GROUP:PROCESS or @LABEL"),
    }
}

/// What is said of a pattern that matches nothing.
pub fn written(pattern: &Pattern, groups: &[Group]) -> String {
    let names = groups.iter().map(|group| group.name.as_str());
    match pattern {
        Pattern::Label(label) => {
            let mut labels: Vec<&str> = roles::labels(groups).into_iter().collect();
            labels.sort_unstable();
            let hint = near(label, labels).map_or(String::new(), |l| format!("; is @{l} meant?"));
            format!("no program has the label {label}{hint}")
        }
        Pattern::Group(glob) => {
            let hint = near(glob, names).map_or(String::new(), |g| format!("; is {g} meant?"));
            format!("no group is called {glob}{hint}")
        }
        Pattern::Process(group, name) => format!("no process is called {group}:{name}"),
    }
}

/// `actions=`.
pub fn grants(text: &str) -> Read<Grants> {
    let mut grants = Grants::default();
    for word in elements(text) {
        let all = match word {
            "admin" => ALL,
            "viewer" => ALL.get(..2).unwrap_or_default(),
            "operator" => ALL.get(..7).unwrap_or_default(),
            word => match ALL.iter().find(|(name, _)| *name == word) {
                Some(one) => std::slice::from_ref(one),
                None => {
                    let list = word.strip_prefix("signal(").and_then(|rest| rest.strip_suffix(')'));
                    let Some(list) = list else {
                        return Err(format!("Unknown action {}", repr(word)));
                    };
                    for name in list.split(',') {
                        grants.add(Action::Signal(values::signal(super::text::strip(name))?));
                    }
                    &[]
                }
            },
        };
        all.iter().for_each(|(_, action)| grants.add(*action));
    }
    Ok(grants)
}

const ALL: &[(&str, Action)] = &[
    ("view", Action::View),
    ("log", Action::Log),
    ("clear", Action::Clear),
    ("start", Action::Start),
    ("stop", Action::Stop),
    ("restart", Action::Restart),
    ("signal", Action::Signal(0)),
    ("stdin", Action::Stdin),
    ("config", Action::Config),
    ("admin", Action::Admin),
];

fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    let parts = text.split(move |c| {
        inside = match c {
            '(' => true,
            ')' => false,
            _ => inside,
        };
        c == ',' && !inside
    });
    parts.map(super::text::strip).filter(|word| !word.is_empty())
}
