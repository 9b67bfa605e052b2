//! What an ordinary user's program may try against the daemon.
//!
//! `attacker swap A B`       exchanges two names in a loop until it is killed
//! `attacker stop CAUGHT`    stops the first process of its own user that is still the daemon's child before exec, and
//!                           writes its process id to the file CAUGHT
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::exit;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["swap", a, b] => swap(Path::new(a), Path::new(b)),
        ["stop", caught] => stop(Path::new(caught)),
        _ => exit(64),
    }
}

fn swap(a: &Path, b: &Path) {
    loop {
        if let Err(error) = renameat2(AT_FDCWD, a, AT_FDCWD, b, RenameFlags::RENAME_EXCHANGE) {
            eprintln!("attacker: cannot exchange: {error}");
            exit(1);
        }
    }
}

/// The process id that was given out last.
fn last_pid(loadavg: &File) -> Option<i32> {
    let mut text = [0; 128];
    let n = loadavg.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(&text[..n]).ok()?;
    text.trim_end().rsplit(' ').next()?.parse().ok()
}

fn stop(caught: &Path) {
    let Ok(loadavg) = File::open("/proc/loadavg") else {
        exit(66);
    };
    // Itself, and what turned out to be somebody else.
    let mut passed = vec![std::process::id().cast_signed()];
    loop {
        let Some(last) = last_pid(&loadavg) else {
            exit(66);
        };
        for pid in (last - 12).max(2)..=last {
            if passed.contains(&pid) || kill(Pid::from_raw(pid), Signal::SIGSTOP).is_err() {
                continue;
            }
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() == "supervisord" {
                let partial = caught.with_extension("part");
                if fs::write(&partial, pid.to_string())
                    .and_then(|()| fs::rename(&partial, caught))
                    .is_err()
                {
                    exit(73);
                }
                return;
            }
            let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
            passed.push(pid);
            if passed.len() > 64 {
                passed.remove(1);
            }
        }
    }
}
