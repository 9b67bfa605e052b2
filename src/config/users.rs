//! `[user:NAME]`: who logs in by a password.

use std::collections::HashMap;

use super::expand::Names;
use super::model::{Server, User};
use super::password;
use super::reading::{Reading, Scope};

const KIND: &str = "user:";
const PASSWORD: &str = "password";

/// All users. `names` has ENV_ names.
pub fn read(r: &mut Reading<'_>, names: &Names<'_>, servers: &[Server]) -> Vec<User> {
    let here = r.here.clone();
    let names = Names::over(names).text("here", &here);
    let mut users: Vec<User> = Vec::new();
    for section in r.sections(KIND) {
        users.extend(user(r, Scope::plain(&section, &names)));
    }
    let all = users.iter().map(|user| (user.name.as_str(), user.section.as_str()));
    r.twice("user", all);
    both(r, &users, servers);
    users
}

fn user(r: &mut Reading<'_>, scope: Scope<'_>) -> Option<User> {
    let section = scope.section;
    r.strictly(section);
    let name = r.principal(scope);
    if r.doc.get(section, PASSWORD).is_none() {
        let text = format!("section [{section}] has no password: {}", password::REMEDY);
        r.check::<()>(scope, PASSWORD, Err(text));
    }
    let password = r.plain(scope, PASSWORD, password::of_user)?;
    let place = r.locate(section, PASSWORD);
    if let Some(what) = password::legacy(&password) {
        r.problems
            .advice(format!("{place} {what}; put what supervisorctl passwd prints in its place"));
    }
    if password::weak(&password) {
        r.problems.advice(format!(
            "{place} is a hash that is cheap to guess against; supervisorctl passwd makes one that is not"
        ));
    }
    Some(User { name: name?, section: section.to_owned(), password })
}

/// Who logs in under one name by two passwords ought to be one person.
fn both(r: &mut Reading<'_>, users: &[User], servers: &[Server]) {
    let sections: HashMap<&str, &User> = users.iter().map(|u| (u.name.as_str(), u)).collect();
    for server in servers {
        let name = server.credentials.as_ref().map(|(name, _)| name.as_str());
        if let Some(user) = name.and_then(|name| sections.get(name)) {
            let (here, there) =
                (r.locate_section(&user.section), r.locate(&server.section, "username"));
            r.problems.advice(format!(
                "{here} has the name that {there} has: either password is right there"
            ));
        }
    }
}

/// The names that log in by a password.
pub fn known<'u>(users: &'u [User], servers: &'u [Server]) -> Vec<&'u str> {
    let named = servers.iter().filter_map(|server| server.credentials.as_ref());
    let mut all: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    all.extend(named.map(|(name, _)| name.as_str()));
    all.sort_unstable();
    all.dedup();
    all
}
