//! Completions for bash.

use super::{CONTROL, DAEMON};
use crate::config::getopt::{Opt, Takes};

const HEAD: &str =
    "# Made from the tables that the program reads its command line by. Do not edit.\n";

/// What the line is made of, up to the cursor. bash's own words are cut at colons, which names of processes have.
const WORDS: &str = r#"    local IFS=$' \t\n'
    local line="${COMP_LINE:0:COMP_POINT}" word takes='' action='' i=1 last
    local -a words pass=()
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    last=$((${#words[@]} - 1))
    cur="${words[last]}"
"#;

/// Only what comes after the last cut is replaced.
const REPLY: &str = r#"    local cut='' part tail
    for part in : =; do
        if [[ $cur == *"$part"* && $COMP_WORDBREAKS == *"$part"* ]]; then
            tail="${cur##*"$part"}"
            ((${#cur} - ${#tail} > ${#cut})) && cut="${cur:0:${#cur} - ${#tail}}"
        fi
    done
    local at
    for at in "${!COMPREPLY[@]}"; do
        COMPREPLY[at]="${COMPREPLY[at]#"$cut"}"
    done
"#;

/// Both forms of these options, as a pattern.
fn pattern<'o>(options: impl Iterator<Item = &'o Opt>) -> String {
    let forms = options.flat_map(|option| {
        let short = option.short.map(|letter| format!("-{letter}"));
        short.into_iter().chain([format!("--{}", option.long)])
    });
    forms.collect::<Vec<_>>().join("|")
}

/// How the value of an option is completed.
fn values(takes: Takes) -> String {
    match takes {
        Takes::File => "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$value\")".to_owned(),
        Takes::Directory => {
            "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$value\")".to_owned()
        }
        Takes::User => "mapfile -t COMPREPLY < <(compgen -u -- \"$value\")".to_owned(),
        Takes::Url => "compopt -o nospace; mapfile -t COMPREPLY < <(compgen -W 'http:// unix://' -- \"$value\")".to_owned(),
        Takes::Context => {
            "mapfile -t COMPREPLY < <(compgen -W \"$(\"$1\" __contexts 2> /dev/null < /dev/null)\" -- \"$value\")".to_owned()
        }
        Takes::Words(words) => {
            format!("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$value\")", words.join(" "))
        }
        Takes::Text => ":".to_owned(),
    }
}

/// A function that completes the value of the option `$2`, of which `$3` is typed.
fn value_function(name: &str, options: &[Opt]) -> String {
    let mut made = format!("_{name}_value() {{\n    local value=\"$3\"\n    case $2 in\n");
    for option in options {
        if let Some((_, takes)) = option.value {
            let pattern = pattern(std::iter::once(option));
            made.push_str(&format!(
                "        {pattern})\n            {}\n            ;;\n",
                values(takes)
            ));
        }
    }
    made + "    esac\n}\n\n"
}

fn long_forms(options: &[Opt]) -> String {
    options.iter().map(|option| format!("--{}", option.long)).collect::<Vec<_>>().join(" ")
}

fn valued(options: &[Opt]) -> impl Iterator<Item = &Opt> {
    options.iter().filter(|option| option.value.is_some())
}

/// The options before the action: which of them the program is to be asked with, and where the action begins.
fn before_the_action() -> String {
    let told = ["configuration", "serverurl", "username", "password-file", "context"];
    let server = pattern(CONTROL.iter().filter(|option| told.contains(&option.long)));
    let password = pattern(CONTROL.iter().filter(|option| option.long == "password"));
    let other = |option: &&Opt| !told.contains(&option.long) && option.long != "password";
    let other = pattern(valued(CONTROL).filter(other));
    format!(
        r#"    while ((i < last)); do
        word="${{words[i]}}"
        case $word in
            {server})
                ((i + 1 == last)) && takes="$word"
                pass+=("$word" "${{words[i + 1]/#\~\//$HOME/}}")
                ((i += 2))
                ;;
            {password})
                ((i + 1 == last)) && takes="$word"
                # By the environment: command lines can be seen by others.
                password="${{words[i + 1]}}"
                ((i += 2))
                ;;
            {other})
                ((i + 1 == last)) && takes="$word"
                ((i += 2))
                ;;
            --password=*)
                password="${{word#*=}}"
                ((i += 1))
                ;;
            --*=*)
                pass+=("$word")
                ((i += 1))
                ;;
            -*)
                ((i += 1))
                ;;
            *)
                action="${{words[*]:i}}"
                break
                ;;
        esac
    done
"#
    )
}

pub fn supervisorctl() -> String {
    let mut made = format!("{HEAD}\n{}", value_function("supervisorctl", CONTROL));
    made.push_str("_supervisorctl() {\n    local cur password=\"${SUPERVISOR_PASSWORD-}\"\n");
    made.push_str(WORDS);
    made.push_str(&before_the_action());
    made.push_str(&format!(
        r#"    COMPREPLY=()
    if [[ -n $takes ]]; then
        _supervisorctl_value "$1" "$takes" "$cur"
    elif [[ -z $action && $cur == --*=* ]]; then
        _supervisorctl_value "$1" "${{cur%%=*}}" "${{cur#*=}}"
        COMPREPLY=("${{COMPREPLY[@]/#/${{cur%%=*}}=}}")
    elif [[ -z $action && $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{options}' -- "$cur")
    else
        mapfile -t COMPREPLY < <(
            SUPERVISOR_PASSWORD="$password" "$1" "${{pass[@]}}" __complete "${{action:-$cur}}" 2> /dev/null < /dev/null
        )
    fi
"#,
        options = long_forms(CONTROL),
    ));
    made.push_str(REPLY);
    made + "}\n\ncomplete -F _supervisorctl supervisorctl\n"
}

pub fn supervisord() -> String {
    let mut made = format!("{HEAD}\n{}", value_function("supervisord", DAEMON));
    made.push_str("_supervisord() {\n    local cur\n");
    made.push_str(WORDS);
    made.push_str(&format!(
        r#"    COMPREPLY=()
    case ${{words[last - 1]}} in
        {valued})
            takes="${{words[last - 1]}}"
            ;;
    esac
    if ((last > 1)) && [[ -n $takes ]]; then
        _supervisord_value "$1" "$takes" "$cur"
    elif [[ $cur == --*=* ]]; then
        _supervisord_value "$1" "${{cur%%=*}}" "${{cur#*=}}"
        COMPREPLY=("${{COMPREPLY[@]/#/${{cur%%=*}}=}}")
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{options}' -- "$cur")
    fi
"#,
        valued = pattern(valued(DAEMON)),
        options = long_forms(DAEMON),
    ));
    made.push_str(REPLY);
    made + "}\n\ncomplete -F _supervisord supervisord\n"
}
