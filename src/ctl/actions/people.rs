//! Who is meant by the name of a user. The daemon knows those who log in by name; those of the system it knows by
//! numbers alone, which are looked up here.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// A number that no account has.
const NOBODY: u32 = u32::MAX - 1;

/// What a name of `members=` is to the daemon: numbers in place of the system's names. `None` for a plain name, which
/// may be that of somebody who logs in.
pub fn resolve(name: &str) -> Result<Option<String>, String> {
    let known = ["user:", "cert:", "token:"];
    if name == "anonymous" || known.iter().any(|kind| name.starts_with(kind)) {
        return Ok(Some(name.to_owned()));
    }
    if let Some(group) = name.strip_prefix('@') {
        // Somebody who is in this group and nothing else.
        return group_number(group).map(|gid| Some(format!("unix:{NOBODY}({gid})")));
    }
    if let Some(account) = name.strip_prefix("pam:") {
        return account_of_pam(account).map(Some);
    }
    match name.strip_prefix("unix:") {
        Some(numbers) if numbers.contains('(') => Ok(Some(name.to_owned())),
        Some(user) => match of_the_system(user)? {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(format!("this system has no user {user}")),
        },
        None => Ok(None),
    }
}

/// `pam:NAME:UID(GID,…)` of an account of this system; what has numbers already stays.
fn account_of_pam(account: &str) -> Result<String, String> {
    if account.contains(':') {
        return Ok(format!("pam:{account}"));
    }
    let numbers = of_the_system(account)?.filter(|_| account.parse::<u32>().is_err());
    let numbers = numbers.and_then(|numbers| Some(numbers.strip_prefix("unix:")?.to_owned()));
    numbers
        .map(|numbers| format!("pam:{account}:{numbers}"))
        .ok_or_else(|| format!("this system has no account {account}"))
}

/// `unix:UID(GID,…)` of a user of this system, by name or number; `None` where there is none. A number need not have an
/// account.
pub fn of_the_system(user: &str) -> Result<Option<String>, String> {
    let failed = |errno: nix::Error| format!("the user {user} could not be looked up: {errno}");
    let number = user.parse::<u32>().ok().map(Uid::from_raw);
    let found = match number {
        Some(uid) => User::from_uid(uid).map_err(failed)?,
        None => User::from_name(user).map_err(failed)?,
    };
    let Some(found) = found else {
        return Ok(number.map(|uid| format!("unix:{uid}()")));
    };
    let name = CString::new(found.name).map_err(|_| format!("{user} is no name"))?;
    let groups = getgrouplist(&name, found.gid).map_err(failed)?;
    let groups: Vec<String> = groups.iter().map(Gid::to_string).collect();
    Ok(Some(format!("unix:{}({})", found.uid, groups.join(","))))
}

/// The same where it is the name of whoever runs the client.
pub fn myself(user: &str) -> Option<String> {
    let me = User::from_uid(Uid::effective()).ok().flatten()?;
    if me.name == user { of_the_system(user).ok().flatten() } else { None }
}

fn group_number(group: &str) -> Result<Gid, String> {
    if let Ok(gid) = group.parse() {
        return Ok(Gid::from_raw(gid));
    }
    let found = Group::from_name(group)
        .map_err(|errno| format!("the group {group} could not be looked up: {errno}"))?;
    found.map(|group| group.gid).ok_or_else(|| format!("this system has no group {group}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_system_become_numbers() {
        let resolved = |name| resolve(name).unwrap();
        let root = resolved("unix:root").unwrap();
        assert!(root.starts_with("unix:0(0"), "{root}");
        assert_eq!(resolved("unix:0").unwrap(), root);
        assert_eq!(resolved("@root").unwrap(), "unix:4294967294(0)");
        let root = resolved("pam:root").unwrap();
        assert!(root.starts_with("pam:root:0(0"), "{root}");
        assert!(resolve("pam:0").is_err() && resolve("pam:no such user").is_err());
        assert_eq!(resolved("@17").unwrap(), "unix:4294967294(17)");
        assert_eq!(resolved("unix:4000000000").unwrap(), "unix:4000000000()");
        assert!(resolve("unix:no such user").unwrap_err().contains("no user no such user"));
        assert!(resolve("@no such group").unwrap_err().contains("no group no such group"));
        assert!(resolve("unix:-1").is_err() && resolve("unix:4294967296").is_err());
    }

    #[test]
    fn what_the_daemon_knows_stays() {
        for name in [
            "anonymous",
            "user:alice",
            "unix:1000(1000,2000)",
            "token:ci-1",
            "cert:CN=deploy",
            "pam:carol:5(5)",
        ] {
            assert_eq!(resolve(name), Ok(Some(name.to_owned())));
        }
        assert_eq!(resolve("alice"), Ok(None));
    }
}
