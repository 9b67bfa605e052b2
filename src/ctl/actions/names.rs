//! Names as the user gives them: a process, a group, a pattern.

use super::super::server::Info;
use super::super::session::Session;
use super::super::trouble::Trouble;
use super::all_infos;
use crate::config::glob;
use crate::config::json::Json;
use crate::rpc::names;
use crate::rpc::xml::Value;

/// A name as the user gave it: a process of a group, or a whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// As given.
    pub given: &'a str,
    /// The group.
    pub group: &'a str,
    /// `None` for the whole group.
    pub process: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// `process` (its group has the same name), `group:process`, `group:*` or `group:`.
    pub fn parse(given: &'a str) -> Target<'a> {
        let (group, process) = given.split_once(':').unwrap_or((given, given));
        let whole = given.contains(':') && (process.is_empty() || process == "*");
        Target { given, group, process: (!whole).then_some(process) }
    }

    /// The parameter of a method.
    pub fn value(&self) -> Value {
        Value::from(self.given)
    }

    /// Whether a process is meant.
    pub fn covers(&self, group: &str, process: &str) -> bool {
        self.group == group && self.process.is_none_or(|name| name == process)
    }

    /// Whether a process may be meant by both.
    pub fn overlaps(&self, other: &Target<'_>) -> bool {
        self.group == other.group
            && (self.process.is_none() || other.process.is_none() || self.process == other.process)
    }
}

/// How a process is named to people.
pub fn full_name(group: &str, process: Option<&str>) -> String {
    // `None` is what the reference shows for a group in a place where only a process fits.
    process.map_or_else(|| format!("{group}:None"), |process| names::short(group, process))
}

/// What a document says of a process, before anything else.
pub fn subject(group: &str, process: &str) -> Vec<(&'static str, Json)> {
    vec![
        ("name", Json::text(full_name(group, Some(process)))),
        ("group", Json::text(group)),
        ("process", Json::text(process)),
    ]
}

/// Whether a name may stand for several processes, other than by `group:*`.
pub fn is_pattern(name: &str) -> bool {
    let target = Target::parse(name);
    glob::is_magic(if target.process.is_none() { target.group } else { name })
}

/// Whether a process is called like this by a pattern: by its own name or with its group.
fn matches(pattern: &str, info: &Info) -> bool {
    // Names are no files: a leading dot is not special.
    let matches = |name: &str| glob::matches(&format!(":{pattern}"), &format!(":{name}"));
    matches(&info.name) || matches(&format!("{}:{}", info.group, info.name))
}

/// The processes that a name stands for, in the daemon's order. A name that exists as it is wins over the pattern.
pub fn select<'i>(infos: &'i [Info], name: &str) -> Vec<&'i Info> {
    let target = Target::parse(name);
    let literal: Vec<&Info> =
        infos.iter().filter(|info| target.covers(&info.group, &info.name)).collect();
    if literal.is_empty() && is_pattern(name) {
        return infos.iter().filter(|info| matches(name, info)).collect();
    }
    literal
}

/// The names with each pattern replaced by what it stands for. What stands for nothing stays, and is no process.
pub fn expand(session: &mut Session, names: &[&str]) -> Result<Vec<String>, Trouble> {
    if !names.iter().any(|name| is_pattern(name)) {
        return Ok(names.iter().map(|name| (*name).to_owned()).collect());
    }
    Ok(expand_among(&all_infos(session)?, names))
}

fn expand_among(infos: &[Info], names: &[&str]) -> Vec<String> {
    let mut expanded: Vec<String> = Vec::new();
    for name in names {
        let target = Target::parse(name);
        let literal = infos.iter().any(|info| target.covers(&info.group, &info.name));
        let found = if literal { Vec::new() } else { select(infos, name) };
        if found.is_empty() {
            expanded.push((*name).to_owned());
            continue;
        }
        for info in found {
            let found = full_name(&info.group, Some(&info.name));
            if !expanded.contains(&found) {
                expanded.push(found);
            }
        }
    }
    expanded
}

#[cfg(test)]
pub mod tests {
    use super::*;

    #[test]
    fn targets() {
        let parts = |given| {
            let target = Target::parse(given);
            (target.group, target.process)
        };
        assert_eq!(parts("a"), ("a", Some("a")));
        assert_eq!(parts("a:b"), ("a", Some("b")));
        assert_eq!(parts("a:*"), ("a", None));
        assert_eq!(parts("a:"), ("a", None));
        assert_eq!(parts("*"), ("*", Some("*")));
        assert_eq!(parts("a:b:c"), ("a", Some("b:c")));
        let overlap = |a, b| Target::parse(a).overlaps(&Target::parse(b));
        assert!(overlap("a:*", "a:b") && overlap("a", "a:a") && overlap("a", "a:*"));
        assert!(!overlap("a:b", "a:c") && !overlap("a", "b:a") && !overlap("a:*", "b:*"));
    }

    #[test]
    fn names() {
        assert_eq!(full_name("a", Some("a")), "a");
        assert_eq!(full_name("a", Some("b")), "a:b");
        assert_eq!(full_name("a", None), "a:None");
    }

    /// A process that runs.
    pub fn info(group: &str, name: &str) -> Info {
        Info {
            name: name.to_owned(),
            group: group.to_owned(),
            state: 20,
            statename: "RUNNING".to_owned(),
            description: String::new(),
            pid: 1,
        }
    }

    #[test]
    fn patterns() {
        let infos = [
            info("web-1", "web-1"),
            info("pool", "worker_0"),
            info("pool", "worker_4"),
            info("web-2", "web-2"),
            info("[x]", "[x]"),
            info("x", "x"),
            info("ab", "c"),
        ];
        let expand = |names: &[&str]| expand_among(&infos, names).join(" ");
        assert_eq!(expand(&["web-*"]), "web-1 web-2");
        assert_eq!(expand(&["*:worker_[0-3]"]), "pool:worker_0");
        assert_eq!(expand(&["worker_?", "*_4", "x"]), "pool:worker_0 pool:worker_4 x");
        assert_eq!(expand(&["a?:*"]), "ab:c");
        assert_eq!(expand(&["p?ol:worker_4"]), "pool:worker_4");
        assert_eq!(expand(&["nope-*", "web-1"]), "nope-* web-1");
        // Groups as a whole, and names that look like patterns.
        assert_eq!(expand(&["pool:*", "web*", "pool:*"]), "pool:* web-1 web-2 pool:*");
        assert_eq!(expand(&["[x]"]), "[x]");
        assert_eq!(expand(&["*"]).split(' ').count(), 7);
        assert!(
            !is_pattern("pool:*") && !is_pattern("pool:") && is_pattern("*") && is_pattern("*:*")
        );
    }
}
