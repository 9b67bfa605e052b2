//! What bash, zsh and fish complete, each driven by itself.

use std::path::Path;
use std::process::Command;

use system_tests::dist::Dist;

use super::terminal::Terminal;
use super::{Place, each};

/// What bash makes of this line, its cursor at the end.
fn bash(place: &Place, line: &str) -> Vec<String> {
    let share = Path::new(env!("CARGO_MANIFEST_DIR")).join("../share/bash-completion/completions");
    let drive = r#"
        compopt() { :; }
        source "$1/supervisorctl"
        source "$1/supervisord"
        COMP_LINE="$2" COMP_POINT=${#2}
        "_${2%% *}" "${2%% *}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let share = share.to_str().expect("a path that is text");
    words(place, Command::new("bash").args(["--norc", "-c", drive, "bash", share, line]))
}

/// What fish makes of it.
fn fish(place: &Place, line: &str) -> Vec<String> {
    let share = Path::new(env!("CARGO_MANIFEST_DIR")).join("../share/fish/vendor_completions.d");
    let drive = format!("source {}/supervisorctl.fish; complete -C \"$argv\"", share.display());
    let found = words(place, Command::new("fish").args(["--no-config", "-c", &drive, line]));
    found.into_iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

fn words(place: &Place, command: &mut Command) -> Vec<String> {
    let client = Dist::plain().supervisorctl();
    let path = format!("{}:/usr/bin:/bin", client.parent().expect("a directory").display());
    let home = place.room.dir();
    let output = command
        .env_clear()
        .envs([("PATH", path.as_str()), ("TERM", "dumb")])
        .env("HOME", home)
        .current_dir(home)
        .output()
        .expect("cannot start a shell");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.is_empty(), "{error}");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words: Vec<String> =
        text.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort();
    words
}

fn contexts(place: &Place) {
    place.room.directory(".config/supervisor");
    let socket = place.room.text("supervisord.sock");
    let text = format!(
        "[context:here]\nserverurl=unix://{socket}\n[context:there]\nserverurl=unix:///x\n"
    );
    place.room.file(".config/supervisor/contexts.ini", &text);
}

#[test]
fn bash_completes_options_actions_and_names() {
    each(
        |config| config,
        |place| {
            contexts(place);
            let told = format!("supervisorctl -c {}", place.config);
            let at = |rest: &str| bash(place, &format!("{told} {rest}"));
            assert_eq!(at("sta"), ["start", "status"]);
            assert_eq!(at("restart ca"), ["cat"]);
            // Of a name with a colon bash replaces what follows it alone.
            assert_eq!(at("stop web:"), ["\\*", "web_0", "web_1"]);
            assert_eq!(at("stop we"), ["web:\\*", "web:web_0", "web:web_1"]);
            assert_eq!(at("update "), ["cat", "stubborn", "web"]);
            assert_eq!(at("signal US"), ["USR1", "USR2"]);
            assert_eq!(at("signal HUP web:web_1 c"), ["cat"]);
            assert_eq!(at("update --d"), ["--dry-run"]);
            assert_eq!(at("version "), [""; 0]);
            assert_eq!(at("--pass"), ["--password", "--password-file"]);
            assert_eq!(at("-c "), bash(place, "supervisorctl --configuration "));
            assert_eq!(bash(place, "supervisorctl --context t"), ["there"]);
            assert_eq!(bash(place, "supervisorctl --context=h"), ["here"]);
            assert_eq!(bash(place, "supervisorctl --context here status c"), ["cat"]);
            // A daemon that is not there has no names, and nobody is told.
            assert_eq!(bash(place, "supervisorctl -s unix:///nonexistent stop "), [""; 0]);
            assert_eq!(bash(place, "supervisord -e wa"), ["warn"]);
            assert_eq!(bash(place, "supervisord --no"), ["--nocleanup", "--nodaemon"]);
        },
    );
}

#[test]
fn fish_completes_options_actions_and_names() {
    if Command::new("fish").arg("--version").output().is_err() {
        eprintln!("not checked: there is no fish");
        return;
    }
    each(
        |config| config,
        |place| {
            contexts(place);
            let told = format!("supervisorctl -c {}", place.config);
            let at = |rest: &str| fish(place, &format!("{told} {rest}"));
            assert_eq!(at("sta"), ["start", "status"]);
            assert_eq!(at("restart ca"), ["cat"]);
            assert_eq!(at("stop we"), ["web:*", "web:web_0", "web:web_1"]);
            assert_eq!(at("signal US"), ["USR1", "USR2"]);
            assert_eq!(at("update --d"), ["--dry-run"]);
            assert_eq!(fish(place, "supervisorctl --context t"), ["there"]);
            assert_eq!(fish(place, "supervisorctl --context here status c"), ["cat"]);
            assert_eq!(fish(place, "supervisorctl -s unix:///nonexistent stop "), [""; 0]);
        },
    );
}

#[test]
fn man_pages_have_no_mistakes() {
    let share = Path::new(env!("CARGO_MANIFEST_DIR")).join("../share/man");
    for page in ["man1/supervisorctl.1", "man8/supervisord.8"] {
        let page = share.join(page);
        let checks: [&[&str]; 2] = [&["groff", "-ww", "-man", "-Tutf8"], &["mandoc", "-Tlint"]];
        for check in checks {
            let (program, args) = check.split_first().expect("a program");
            match Command::new(program).args(args).arg(&page).output() {
                Err(_) => eprintln!("not checked: there is no {program}"),
                Ok(output) => {
                    let said = [
                        &output.stderr[..],
                        if *program == "mandoc" { &output.stdout } else { b"" },
                    ];
                    let said = String::from_utf8_lossy(&said.concat()).into_owned();
                    assert!(output.status.success() && said.is_empty(), "{program}: {said}");
                }
            }
        }
    }
}

#[test]
fn zsh_completes_options_actions_and_names() {
    let Some(zsh) = ["/usr/bin/zsh", "/bin/zsh"].into_iter().find(|path| Path::new(path).exists())
    else {
        eprintln!("not checked: there is no zsh");
        return;
    };
    each(
        |config| config,
        |place| {
            contexts(place);
            let client = Dist::plain().supervisorctl();
            let path = format!("{}:/usr/bin:/bin", client.parent().expect("a directory").display());
            let share = Path::new(env!("CARGO_MANIFEST_DIR")).join("../share/zsh/site-functions");
            let home = place.room.text("");
            let env = [("PATH", path.as_str()), ("HOME", home.as_str()), ("LANG", "C.UTF-8")];
            let mut shell = Terminal::start(Path::new(zsh), &["-f", "-i"], &env);
            shell.send(&format!(
                "PS1='ready''> '; fpath=({} $fpath); autoload -Uz compinit; compinit -u -D\r",
                share.display()
            ));
            shell.expect("ready> ");
            let mut at = |typed: &str, made: &str| {
                // The line is printed instead of being carried out.
                shell.send(&format!("supervisorctl {typed}\t\u{1}print -r -- \u{5}\r"));
                shell.expect(&format!("\nsupervisorctl {made}\n"));
                shell.expect("ready> ");
            };
            let told = format!("-c {}", place.config);
            at(&format!("{told} avai"), &format!("{told} avail"));
            at(&format!("{told} restart ca"), &format!("{told} restart cat"));
            at(&format!("{told} stop web:web_1 ca"), &format!("{told} stop web:web_1 cat"));
            at("--context th", "--context there");
            at("--context here fg ca", "--context here fg cat");
        },
    );
}
