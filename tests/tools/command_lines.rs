//! Exit statuses of command lines, and the texts that are said of them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::both;

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(program: &Path, args: &[&str], url: bool) -> Outcome {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(args).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    if url {
        command.env("SUPERVISOR_SERVER_URL", "unix:///nowhere");
    }
    let output = command.output().expect("a tool");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Compares exit statuses and whether there is a help. The first lines are compared where they are no help.
fn compare(tool: &str, args: &[&str], url: bool) -> Outcome {
    let [ours, theirs] = both(tool).map(|program| run(&program, args, url));
    assert_eq!(ours.code, theirs.code, "{tool} {args:?}: {} {}", ours.stderr, theirs.stderr);
    assert_eq!(ours.stdout.is_empty(), theirs.stdout.is_empty(), "{tool} {args:?}");
    if theirs.stdout.starts_with("Unparseable") {
        assert_eq!(ours.stdout.lines().next(), theirs.stdout.lines().next());
    }
    if !theirs.stderr.contains("Traceback") {
        assert_eq!(ours.stderr, theirs.stderr, "{tool} {args:?}");
    }
    ours
}

#[test]
fn help() {
    for tool in ["memmon", "httpok", "crashmail", "crashmailbatch", "fatalmailbatch", "crashsms"] {
        for form in ["-h", "--help", "--hel"] {
            let out = compare(tool, &[form], false);
            assert_eq!(out.code, Some(0));
            let [_, theirs] = both(tool);
            let theirs = run(&theirs, &[form], false).stdout;
            for option in
                theirs.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2)
            {
                let name = option.split(['=', ']', ',']).next().unwrap_or_default();
                assert!(out.stdout.contains(name), "{tool}: {name}");
            }
        }
    }
}

#[test]
fn wrong_words() {
    for args in [
        &[][..],
        &["-x"],
        &["--bogus"],
        &["-p"],
        &["-p", "x"],
        &["-p", "x=1=2"],
        &["-a", "1x"],
        &["-g", "x=y"],
        &["-u", "1w", "-a", "1"],
        &["--p", "x"],
    ] {
        assert_eq!(compare("memmon", args, true).code, Some(255), "{args:?}");
    }
    for args in [
        &[][..],
        &["-x", "http://h"],
        &["http://h", "http://h"],
        &["http://h", "-a"],
        &["-t"],
        &["--co=1", "x"],
    ] {
        assert_eq!(compare("httpok", args, true).code, Some(255), "{args:?}");
    }
    for args in [&["-x"][..], &["--any=1"], &["-m"], &["--bogus"]] {
        assert_eq!(compare("crashmail", args, true).code, Some(255), "{args:?}");
    }
    for tool in ["crashmailbatch", "fatalmailbatch", "crashsms"] {
        for args in [
            &["-x"][..],
            &["--bogus"],
            &["-i", "x"],
            &["--interval=x"],
            &["-i"],
            &["--toEmail"],
            &["--s", "a"],
            &["--tls=1"],
        ] {
            assert_eq!(compare(tool, args, true).code, Some(2), "{args:?}");
        }
        for args in [
            &[][..],
            &["-t", "a@b"],
            &["-f", "a@b"],
            &["-t", "", "-f", "a"],
            &["-t", "a", "-f", "b", "-e", "x"],
            &["-t", "a", "-f", "b", "-e", "TICK_x"],
        ] {
            assert_eq!(compare(tool, args, true).code, Some(1), "{args:?}");
        }
    }
}

#[test]
fn without_a_daemon() {
    assert_eq!(compare("crashmail", &["-a"], false).code, Some(0));
    assert_eq!(compare("httpok", &["http://h/"], false).code, Some(0));
    assert_eq!(compare("memmon", &["-a", "1"], false).code, Some(1));
    for tool in ["crashmailbatch", "fatalmailbatch", "crashsms"] {
        assert_eq!(compare(tool, &["-t", "a", "-f", "b", "word"], false).code, Some(1));
    }
    let [ours, theirs] = both("httpok").map(|program| run(&program, &["ftp://h/"], true));
    assert_eq!((ours.code, theirs.code), (Some(1), Some(1)));
    assert!(ours.stderr.contains("Bad scheme ftp"), "{}", ours.stderr);
    assert!(theirs.stderr.contains("Bad scheme ftp"), "{}", theirs.stderr);
}
