//! Completions for fish.

use super::{CONTROL, DAEMON, kinds};
use crate::config::getopt::{Opt, Takes};
use crate::ctl::table::ACTIONS;

const HEAD: &str =
    "# Made from the tables that the program reads its command line by. Do not edit.\n";

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn option(program: &str, option: &Opt, condition: &str) -> String {
    let short = option.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
    let value = match option.value.map(|(_, takes)| takes) {
        None => String::new(),
        Some(Takes::File) => " -r -F".to_owned(),
        Some(Takes::Directory) => " -x -a '(__fish_complete_directories)'".to_owned(),
        Some(Takes::User) => " -x -a '(__fish_complete_users)'".to_owned(),
        Some(Takes::Url) => " -x -a 'http:// unix://'".to_owned(),
        Some(Takes::Context) => {
            format!(" -x -a '({program} __contexts 2> /dev/null < /dev/null)'")
        }
        Some(Takes::Words(words)) => format!(" -x -a {}", quoted(&words.join(" "))),
        Some(Takes::Text) => " -x".to_owned(),
    };
    let long = option.long;
    let help = quoted(option.help);
    format!("complete -c {program}{condition}{short} -l {long}{value} -d {help}\n")
}

/// What finds the action.
fn action_function() -> String {
    let valued = kinds().concat().join(" ");
    format!(
        r#"# The action and what follows it, up to the cursor.
function __supervisorctl_action
    set -l tokens (commandline -opc)
    set -e tokens[1]
    while set -q tokens[1]
        switch $tokens[1]
            case {valued}
                set -e tokens[1]
                set -q tokens[1]; and set -e tokens[1]
            case '-*'
                set -e tokens[1]
            case '*'
                string join \n -- $tokens
                return 0
        end
    end
    return 1
end

"#
    )
}

/// What asks the program what can follow.
fn words_function() -> String {
    let [server, password, other] = kinds().map(|forms| forms.join(" "));
    format!(
        r#"function __supervisorctl_words
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l pass
    set -lx SUPERVISOR_PASSWORD $SUPERVISOR_PASSWORD
    while set -q tokens[2]
        switch $tokens[1]
            case {server}
                set -a pass $tokens[1] (string replace -r '^~/' "$HOME/" -- $tokens[2])
                set -e tokens[1..2]
            case {password}
                # By the environment: command lines can be seen by others.
                set SUPERVISOR_PASSWORD $tokens[2]
                set -e tokens[1..2]
            case {other}
                set -e tokens[1..2]
            case '--password=*'
                set SUPERVISOR_PASSWORD (string replace -- '--password=' '' $tokens[1])
                set -e tokens[1]
            case '--*=*'
                set -a pass $tokens[1]
                set -e tokens[1]
            case '-*'
                set -e tokens[1]
            case '*'
                break
        end
    end
    set -l line (string join ' ' -- (__supervisorctl_action) (commandline -ct))
    supervisorctl $pass __complete "$line" 2> /dev/null < /dev/null
end

"#
    )
}

pub fn supervisorctl() -> String {
    let mut made = format!("{HEAD}\n{}{}", action_function(), words_function());
    made.push_str("complete -c supervisorctl -f\n");
    let none = " -n 'not __supervisorctl_action > /dev/null'";
    for one in CONTROL {
        made.push_str(&option("supervisorctl", one, none));
    }
    for action in ACTIONS {
        let (name, help) = (action.name, quoted(action.summary));
        made.push_str(&format!("complete -c supervisorctl{none} -a {name} -d {help}\n"));
    }
    made.push_str(
        "complete -c supervisorctl -n '__supervisorctl_action > /dev/null' -a '(__supervisorctl_words)'\n",
    );
    made
}

pub fn supervisord() -> String {
    let mut made = format!("{HEAD}\ncomplete -c supervisord -f\n");
    for one in DAEMON {
        made.push_str(&option("supervisord", one, ""));
    }
    made
}
