//! Completions for bash.

use super::{CONTROL, DAEMON, forms, kinds};
use crate::config::getopt::{Opt, Takes};

const HEAD: &str =
    "# Made from the tables that the program reads its command line by. Do not edit.\n";

/// What the line is made of, up to the cursor. bash's own words are cut at colons, which names of processes have.
const WORDS: &str = r#"    local IFS=$' \t\n'
    local line="${COMP_LINE:0:COMP_POINT}" word takes='' action='' files='' i=1 last
    local -a words pass=()
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    last=$((${#words[@]} - 1))
    cur="${words[last]}"
"#;

/// Only what comes after the last cut is replaced. Names come from daemons and files: they are quoted, since what is put
/// on the line is run. Names of files bash quotes itself.
const REPLY: &str = r#"    local cut='' part tail
    [[ -n $files ]] || cur="${cur//\\/}"
    for part in : =; do
        if [[ $cur == *"$part"* && $COMP_WORDBREAKS == *"$part"* ]]; then
            tail="${cur##*"$part"}"
            ((${#cur} - ${#tail} > ${#cut})) && cut="${cur:0:${#cur} - ${#tail}}"
        fi
    done
    local at
    for at in "${!COMPREPLY[@]}"; do
        tail="${COMPREPLY[at]#"$cut"}"
        [[ -n $files || -z $tail ]] || printf -v tail %q "$tail"
        COMPREPLY[at]="$tail"
    done
"#;

/// How the value of an option is completed.
fn values(takes: Takes) -> String {
    match takes {
        Takes::File => "files=1; compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$value\")".to_owned(),
        Takes::Directory => {
            "files=1; compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$value\")".to_owned()
        }
        Takes::User => "mapfile -t COMPREPLY < <(compgen -u -- \"$value\")".to_owned(),
        Takes::Url => "compopt -o nospace; mapfile -t COMPREPLY < <(compgen -W 'http:// unix://' -- \"$value\")".to_owned(),
        Takes::Context => {
            // Not by `compgen -W`, which expands the words, command substitutions too.
            "mapfile -t COMPREPLY < <(\"$1\" __contexts \"${value//\\\\/}\" 2> /dev/null < /dev/null)".to_owned()
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
            let pattern = forms([option]).join("|");
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

/// The options before the action: which of them the program is to be asked with, and where the action begins.
fn before_the_action() -> String {
    let [server, password, other] = kinds().map(|forms| forms.join("|"));
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
        local asked="${{action:-$cur}}"
        mapfile -t COMPREPLY < <(
            SUPERVISOR_PASSWORD="$password" "$1" "${{pass[@]}}" __complete "${{asked//\\/}}" 2> /dev/null < /dev/null
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
        valued = forms(DAEMON.iter().filter(|option| option.value.is_some())).join("|"),
        options = long_forms(DAEMON),
    ));
    made.push_str(REPLY);
    made + "}\n\ncomplete -F _supervisord supervisord\n"
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    /// What bash puts on the line, where the program offers this name for everything; whether it ran a part of it.
    fn completed(line: &str, name: &str) -> (String, bool) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("supervisorctl");
        fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$NAME\"\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("script"), super::supervisorctl()).unwrap();
        let drive = "compopt() { :; }; source ./script; COMP_LINE=$1 COMP_POINT=${#1}
            _supervisorctl ./supervisorctl; printf '%s' \"${COMPREPLY[*]}\"";
        let output = Command::new("bash")
            .args(["--norc", "-c", drive, "bash", line])
            .env("NAME", name)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        (String::from_utf8(output.stdout).unwrap(), dir.path().join("ran").exists())
    }

    #[test]
    fn names_of_contexts_are_not_expanded() {
        let (line, ran) = completed("supervisorctl --context ", "$(touch ran)`touch ran`");
        assert!(!ran);
        assert_eq!(line, r"\$\(touch\ ran\)\`touch\ ran\`");
    }

    #[test]
    fn names_of_processes_are_quoted() {
        assert_eq!(completed("supervisorctl stop ", "a;b$(c)*").0, r"a\;b\$\(c\)\*");
        assert_eq!(completed("supervisorctl stop a\\;b:", "a;b:$c").0, r"\$c");
        assert_eq!(completed("supervisorctl stop w", "web:web_0").0, "web:web_0");
    }
}
