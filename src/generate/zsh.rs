//! Completions for zsh.

use super::{CONTROL, DAEMON, TOLD, forms};
use crate::config::getopt::{Opt, Takes};
use crate::ctl::table::{ACTIONS, Action};

const HEAD: &str =
    "# Made from the tables that the program reads its command line by. Do not edit.\n";

/// Text inside single quotes, where brackets and colons have a meaning.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn spec(option: &Opt) -> String {
    let equals = if option.value.is_some() { "=" } else { "" };
    let long = format!("--{}", option.long);
    let value = option.value.map(|(name, takes)| {
        let action = match takes {
            Takes::File => "_files".to_owned(),
            Takes::Directory => "_files -/".to_owned(),
            Takes::User => "_users".to_owned(),
            Takes::Url => "(http\\:// unix\\://)".to_owned(),
            Takes::Context => "_supervisorctl_contexts".to_owned(),
            Takes::Words(words) => format!("({})", words.join(" ")),
            Takes::Text => " ".to_owned(),
        };
        format!(":{name}:{action}")
    });
    let value = value.unwrap_or_default();
    let help = quoted(option.help);
    match option.short {
        Some(letter) => {
            let plus = if option.value.is_some() { "+" } else { "" };
            format!("'(-{letter} {long})'{{-{letter}{plus},{long}{equals}}}'[{help}]{value}'")
        }
        None => format!("'{long}{equals}[{help}]{value}'"),
    }
}

fn specs(options: &[Opt]) -> String {
    options.iter().map(|option| format!("        {} \\\n", spec(option))).collect()
}

/// What the program is to be asked with, from what is typed, of which nothing but a leading `~/` is expanded.
fn passed() -> String {
    let told = CONTROL.iter().filter(|option| TOLD.contains(&option.long));
    let pass = |form: &String| {
        let value = format!("${{${{(Q)opt_args[{form}]}}/#\\~\\//$HOME/}}");
        format!("    (( ${{+opt_args[{form}]}} )) && pass+=({form} \"{value}\")\n")
    };
    forms(told).iter().map(pass).collect()
}

/// The actions and what they do.
fn actions() -> String {
    let line = |action: &Action| {
        let summary = quoted(action.summary).replace("\\:", ":");
        format!("            '{}:{summary}'\n", action.name)
    };
    ACTIONS.iter().map(line).collect()
}

pub fn supervisorctl() -> String {
    format!(
        r#"#compdef supervisorctl
{HEAD}
_supervisorctl_contexts() {{
    local -a found
    found=(${{(f)"$(_call_program contexts $service __contexts 2> /dev/null < /dev/null)"}})
    compadd -a found
}}

_supervisorctl_words() {{
    local -a pass found
    local password=${{(Q)opt_args[--password]:-${{(Q)opt_args[-p]:-$SUPERVISOR_PASSWORD}}}}
{pass}    # The password goes by the environment: command lines can be seen by others.
    found=(${{(f)"$(SUPERVISOR_PASSWORD=$password $service $pass __complete "${{(j: :)words[1,CURRENT]}}" 2> /dev/null < /dev/null)"}})
    compadd -a found
}}

_supervisorctl() {{
    local curcontext=$curcontext state line
    typeset -A opt_args
    _arguments -C -A '-*' \
{specs}        '*::action:->action' && return
    [[ $state == action ]] || return
    if (( CURRENT == 1 )); then
        local -a actions=(
{actions}        )
        _describe action actions
    else
        _supervisorctl_words
    fi
}}

_supervisorctl "$@"
"#,
        pass = passed(),
        specs = specs(CONTROL),
        actions = actions(),
    )
}

pub fn supervisord() -> String {
    let specs = specs(DAEMON);
    let specs = specs.trim_end_matches(" \\\n");
    format!("#compdef supervisord\n{HEAD}\n_arguments -s \\\n{specs}\n")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn what_is_typed_is_not_expanded() {
        assert!(!super::passed().contains("${~"));
        let drive = format!(
            "typeset -A opt_args; typeset -a pass; opt_args=(-c '~/c' -s '\\$HOME~/*')
             {}print -rl -- $pass",
            super::passed()
        );
        let zsh = Command::new("zsh").args(["-f", "-c", &drive]).env("HOME", "/home/x").output();
        // Not every machine has it.
        if let Ok(output) = zsh {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "-c\n/home/x/c\n-s\n$HOME~/*\n");
        }
    }
}
