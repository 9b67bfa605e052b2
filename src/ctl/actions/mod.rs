//! What the actions do. They are declared in [`super::table`].

pub mod control;
pub mod groups;
pub mod help;
pub mod logs;
pub mod show;

use super::server::{Info, list};
use super::session::Session;
use super::trouble::Trouble;
use crate::rpc::xml::Value;

fn all_infos(session: &mut Session) -> Result<Vec<Info>, Trouble> {
    list(&session.call("supervisor.getAllProcessInfo", &[])?)
}

/// A name as the user gave it: a process of a group, or a whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target<'a> {
    /// As given.
    given: &'a str,
    group: &'a str,
    /// `None` for the whole group.
    process: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// `process` (its group has the same name), `group:process`, `group:*` or `group:`.
    fn parse(given: &'a str) -> Target<'a> {
        let (group, process) = given.split_once(':').unwrap_or((given, given));
        let whole = given.contains(':') && (process.is_empty() || process == "*");
        Target { given, group, process: (!whole).then_some(process) }
    }

    fn value(&self) -> Value {
        Value::from(self.given)
    }
}

/// How a process is named to people: without its group where that has the same name.
fn full_name(group: &str, process: Option<&str>) -> String {
    match process {
        Some(process) if process == group => process.to_owned(),
        // What the reference shows for a group in a place where only a process fits.
        None => format!("{group}:None"),
        Some(process) => format!("{group}:{process}"),
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn names() {
        assert_eq!(full_name("a", Some("a")), "a");
        assert_eq!(full_name("a", Some("b")), "a:b");
        assert_eq!(full_name("a", None), "a:None");
    }
}
