//! A program for the daemon to run: numbered lines, and marks in a file that several of its kind share.
//!
//! `worker lines STOP`            1, 2, 3 … as fast as possible; once the file STOP is there, `end N` and rest
//! `worker pausing PAUSE STOP`    the same; while the file PAUSE is there, `pause` and rest
//! `worker count PREFIX N`        `PREFIX 1` … `PREFIX N` on standard output, then exit 0
//! `worker paced N EACH STOP`      1 … N, a millisecond of rest after each EACH lines; `end N` once the file STOP is there
//! `worker dressed N EACH STOP`    the same in bold, with a message between tags after each seventh line
//! `worker both N`                `o 1`, `e 1`, `o 2` … on standard output and standard error in turn, then exit 0
//! `worker wave MARKS NAME LATE BYE [TRIGGER N]`
//!     marks `start NAME`; when the file TRIGGER appears, writes `burst 1` … `burst N`; at SIGTERM marks `term NAME`,
//!     waits LATE ms, writes `bye 1` … `bye BYE`, marks `gone NAME` and exits 0
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lines", stop] => lines(None, Path::new(stop)),
        ["pausing", pause, stop] => lines(Some(Path::new(pause)), Path::new(stop)),
        ["count", prefix, n] => count(prefix, number(n)),
        ["paced", n, each, stop] => paced(number(n), number(each), Path::new(stop), false),
        ["dressed", n, each, stop] => paced(number(n), number(each), Path::new(stop), true),
        ["both", n] => both(number(n)),
        ["wave", marks, name, late, bye] => wave(marks, name, number(late), number(bye)),
        ["wave", marks, name, late, bye, trigger, n] => {
            let (trigger, n) = ((*trigger).to_owned(), number(n));
            block_term();
            std::thread::spawn(move || {
                rest_until(|| Path::new(&trigger).exists());
                count("burst", n);
            });
            wave(marks, name, number(late), number(bye));
        }
        _ => {
            eprintln!("worker: what is to be done?");
            std::process::exit(64);
        }
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| {
        eprintln!("worker: {word} is no number");
        std::process::exit(64)
    })
}

fn put(to: &impl AsFd, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match nix::unistd::write(to, rest) {
            Ok(n) => rest = &rest[n..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => std::process::exit(74),
        }
    }
}

fn rest_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(pause: Option<&Path>, stop: &Path) {
    let out = std::io::stdout();
    let mut line = String::new();
    for n in 1u64.. {
        line.clear();
        line.push_str(&n.to_string());
        line.push('\n');
        put(&out, &line);
        if n % 512 != 0 {
            continue;
        }
        if let Some(pause) = pause.filter(|p| p.exists()) {
            put(&out, "pause\n");
            rest_until(|| !pause.exists());
        }
        if stop.exists() {
            put(&out, &format!("end {n}\n"));
            break;
        }
    }
    rest_until(|| false);
}

fn count(prefix: &str, last: u64) {
    let out = std::io::stdout();
    for n in 1..=last {
        put(&out, &format!("{prefix} {n}\n"));
    }
}

fn paced(last: u64, each: u64, stop: &Path, dressed: bool) {
    let out = std::io::stdout();
    for n in 1..=last {
        if dressed {
            put(&out, &format!("\x1b[1m{n}\x1b[0m\n"));
        } else {
            put(&out, &format!("{n}\n"));
        }
        if dressed && n % 7 == 0 {
            // In two parts.
            put(&out, "<!--XSUPERVISOR:BEGIN-->mess");
            put(&out, &format!("age {n}\n<!--XSUPERVISOR:END-->"));
        }
        if n % each == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    rest_until(|| stop.exists());
    put(&out, &format!("end {last}\n"));
    rest_until(|| false);
}

fn both(last: u64) {
    let (out, err) = (std::io::stdout(), std::io::stderr());
    for n in 1..=last {
        put(&out, &format!("o {n}\n"));
        put(&err, &format!("e {n}\n"));
    }
}

fn block_term() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    if set.thread_block().is_err() {
        std::process::exit(71);
    }
    set
}

fn wave(marks: &str, name: &str, late: u64, bye: u64) {
    let set = block_term();
    let Ok(mut file) = OpenOptions::new().append(true).create(true).open(marks) else {
        std::process::exit(73);
    };
    let mut mark = |what: &str| {
        if file.write_all(format!("{what} {name}\n").as_bytes()).is_err() {
            std::process::exit(74);
        }
    };
    mark("start");
    if set.wait().is_err() {
        std::process::exit(71);
    }
    mark("term");
    std::thread::sleep(Duration::from_millis(late));
    count("bye", bye);
    mark("gone");
}
