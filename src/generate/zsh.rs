//! Completions for zsh.

use super::{CONTROL, DAEMON};
use crate::config::getopt::{Opt, Takes};
use crate::ctl::table::ACTIONS;

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

pub fn supervisorctl() -> String {
    let told = ["configuration", "serverurl", "username", "password-file", "context"];
    let mut pass = String::new();
    for option in CONTROL.iter().filter(|option| told.contains(&option.long)) {
        for form in option
            .short
            .map(|letter| format!("-{letter}"))
            .into_iter()
            .chain([format!("--{}", option.long)])
        {
            pass.push_str(&format!(
                "    (( ${{+opt_args[{form}]}} )) && pass+=({form} ${{~${{(Q)opt_args[{form}]}}}})\n"
            ));
        }
    }
    let mut actions = String::new();
    for action in ACTIONS {
        actions.push_str(&format!(
            "            '{}:{}'\n",
            action.name,
            quoted(action.summary).replace("\\:", ":")
        ));
    }
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
        specs = specs(CONTROL),
    )
}

pub fn supervisord() -> String {
    let specs = specs(DAEMON);
    let specs = specs.trim_end_matches(" \\\n");
    format!("#compdef supervisord\n{HEAD}\n_arguments -s \\\n{specs}\n")
}
