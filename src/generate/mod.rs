//! Man pages, completions of the shells and parts of the documentation, made from the tables that the programs read
//! their command lines by. The results are kept in the repository; a test holds them to the tables, and writes them anew
//! when `SUPERVISOR_WRITE` is set (`make generated`).

mod bash;
mod fish;
mod man;
mod markdown;
mod zsh;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config;
use crate::config::getopt::Opt;
use crate::ctl::table;
use crate::tools;

const CONTROL: &[Opt] = table::OPTIONS;
const DAEMON: &[Opt] = config::options::OPTIONS;

/// What the program is to be asked with, if the line has it before the action. The password is told by the environment.
const TOLD: [&str; 9] = [
    "configuration",
    "serverurl",
    "username",
    "password-file",
    "context",
    "cacert",
    "cert",
    "key",
    "crl",
];

/// The client's options that take a value, as completions need them: those of [`TOLD`], the password, and the others.
fn kinds() -> [Vec<String>; 3] {
    let is_told = |option: &Opt| TOLD.contains(&option.long);
    let is_password = |option: &Opt| option.long == "password";
    let other = |option: &Opt| option.value.is_some() && !is_told(option) && !is_password(option);
    [
        forms(CONTROL.iter().filter(|option| is_told(option))),
        forms(CONTROL.iter().filter(|option| is_password(option))),
        forms(CONTROL.iter().filter(|option| other(option))),
    ]
}

/// Both forms of these options.
fn forms<'o>(options: impl IntoIterator<Item = &'o Opt>) -> Vec<String> {
    let forms = options.into_iter().flat_map(|option| {
        let short = option.short.map(|letter| format!("-{letter}"));
        short.into_iter().chain([format!("--{}", option.long)])
    });
    forms.collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn in_step(path: &str, text: &str) {
    let path: PathBuf = root().join(path);
    if std::env::var_os("SUPERVISOR_WRITE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} differs from the tables: run `make generated`", path.display());
}

#[test]
fn man_pages_are_in_step() {
    in_step("share/man/man1/supervisorctl.1", &man::supervisorctl());
    in_step("share/man/man8/supervisord.8", &man::supervisord());
    for tool in tools::TOOLS {
        in_step(&format!("share/man/man1/{}.1", tool.name), &man::tool(tool));
    }
}

#[test]
fn completions_are_in_step() {
    in_step("share/bash-completion/completions/supervisorctl", &bash::supervisorctl());
    in_step("share/bash-completion/completions/supervisord", &bash::supervisord());
    in_step("share/zsh/site-functions/_supervisorctl", &zsh::supervisorctl());
    in_step("share/zsh/site-functions/_supervisord", &zsh::supervisord());
    in_step("share/fish/vendor_completions.d/supervisorctl.fish", &fish::supervisorctl());
    in_step("share/fish/vendor_completions.d/supervisord.fish", &fish::supervisord());
}

#[test]
fn the_documentation_is_in_step() {
    let path = "docs/supervisorctl.md";
    let kept = fs::read_to_string(root().join(path)).unwrap();
    in_step(path, &markdown::renewed(&kept));
}
