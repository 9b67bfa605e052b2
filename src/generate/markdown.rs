//! The parts of `docs/supervisorctl.md` that stand between `<!-- table: NAME -->` and `<!-- end -->`.

use crate::ctl::table::{ACTIONS, Action, ENVIRONMENT, EXITS};

/// The document with its parts made anew. A mark without its end, or of an unknown part, is a mistake of the document.
pub fn renewed(text: &str) -> String {
    let (mark, end) = ("<!-- table: ", "<!-- end -->");
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        let (before, found) = rest.split_at(at);
        let (name, after) = found[mark.len()..].split_once(" -->\n").unwrap();
        let (_, after) = after.split_once(end).unwrap();
        made.push_str(&format!("{before}{mark}{name} -->\n\n{}\n{end}", part(name)));
        rest = after;
    }
    made + rest
}

fn part(name: &str) -> String {
    match name {
        "options" => options(),
        "environment" => environment(),
        "exits" => exits(EXITS),
        "actions" => ACTIONS.iter().map(action).collect::<Vec<_>>().join("\n"),
        other => panic!("there is no part {other}"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn options() -> String {
    let mut made = "| option | meaning |\n|---|---|\n".to_owned();
    for option in super::CONTROL {
        made.push_str(&format!(
            "| `{}` | {} |\n",
            option.form().replace('/', ", "),
            cell(option.help)
        ));
    }
    made
}

fn environment() -> String {
    let mut made = "| variable | meaning |\n|---|---|\n".to_owned();
    for (name, meaning) in ENVIRONMENT {
        made.push_str(&format!("| `{name}` | {} |\n", cell(meaning)));
    }
    made
}

fn exits(exits: &[(u8, &str)]) -> String {
    let mut made = "| status | when |\n|---|---|\n".to_owned();
    for (status, when) in exits {
        made.push_str(&format!("| {status} | {} |\n", cell(when)));
    }
    made
}

fn action(action: &Action) -> String {
    let mut made = format!("### {}\n\n| form | meaning |\n|---|---|\n", action.name);
    for (form, meaning) in action.forms {
        made.push_str(&format!("| `{}` | {} |\n", cell(form), cell(meaning)));
    }
    for flag in action.flags {
        made.push_str(&format!("| `{}` | {} |\n", cell(&flag.form()), cell(flag.help)));
    }
    if !action.details.is_empty() {
        made.push_str(&format!("\n{}\n", action.details));
    }
    if !action.exits.is_empty() {
        let exits = action.exits.iter().map(|(status, when)| format!("{status}: {when}"));
        made.push_str(&format!("\nExit status {}.\n", exits.collect::<Vec<_>>().join("; ")));
    }
    made
}

#[test]
fn only_marked_parts_are_made_anew() {
    let made = renewed("a\n<!-- table: exits -->\nold\n<!-- end -->\nb\n");
    assert!(made.starts_with("a\n<!-- table: exits -->\n\n| status | when |\n"));
    assert!(made.ends_with("|\n\n<!-- end -->\nb\n") && !made.contains("old"));
    assert_eq!(renewed(&made), made);
}
