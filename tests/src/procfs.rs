//! What /proc says about a process. All of it is read from outside the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The fields of /proc/PID/stat that tests look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// R, S, D, T, Z …
    pub state: char,
    /// Parent.
    pub ppid: i32,
    /// Process group.
    pub pgrp: i32,
    /// Session.
    pub session: i32,
    /// Controlling terminal, 0 for none.
    pub tty: i32,
    /// Start time in clock ticks since boot.
    pub start: u64,
}

/// Reads /proc/PID/stat; `None` when there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    // The name in parentheses may hold anything, so count from its end.
    let rest: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let int = |n: usize| rest.get(n)?.parse::<i32>().ok();
    Some(Stat {
        state: rest.first()?.chars().next()?,
        ppid: int(1)?,
        pgrp: int(2)?,
        session: int(3)?,
        tty: int(4)?,
        start: rest.get(19)?.parse().ok()?,
    })
}

/// Whether the process is there and no zombie.
pub fn alive(pid: i32) -> bool {
    stat(pid).is_some_and(|s| !matches!(s.state, 'Z' | 'X'))
}

/// Every process id there is now.
pub fn all() -> Vec<i32> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// The children of a process, zombies included.
pub fn children(pid: i32) -> Vec<i32> {
    let mut found: Vec<i32> =
        all().into_iter().filter(|p| stat(*p).is_some_and(|s| s.ppid == pid)).collect();
    found.sort_unstable();
    found
}

/// /proc/PID/status as name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(BTreeMap<String, String>);

impl Status {
    /// Reads it; fails the test when there is no such process.
    pub fn of(pid: i32) -> Status {
        Status::try_of(pid).unwrap_or_else(|| panic!("process {pid} is gone"))
    }

    /// Reads it; `None` when there is no such process.
    pub fn try_of(pid: i32) -> Option<Status> {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let pairs = text.lines().filter_map(|l| l.split_once(':'));
        Some(Status(pairs.map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect()))
    }

    /// The text of a field.
    pub fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(value) => value,
            None => panic!("/proc/PID/status has no field {name}"),
        }
    }

    /// A field of decimal numbers.
    pub fn numbers(&self, name: &str) -> Vec<u32> {
        let words = self.text(name).split_whitespace();
        words.filter_map(|w| w.parse().ok()).collect()
    }

    /// A field that is one hexadecimal mask.
    pub fn mask(&self, name: &str) -> u64 {
        u64::from_str_radix(self.text(name), 16).expect("a hexadecimal mask")
    }

    /// Resident memory in KiB.
    pub fn rss(&self) -> u32 {
        self.numbers("VmRSS").first().copied().unwrap_or(0)
    }
}

/// Open descriptors and what they lead to.
pub fn descriptors(pid: i32) -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    entries
        .flatten()
        .filter_map(|e| {
            let n = e.file_name().to_str()?.parse().ok()?;
            Some((n, fs::read_link(e.path()).ok()?))
        })
        .collect()
}

/// How many descriptors a process has open.
pub fn descriptor_count(pid: i32) -> usize {
    descriptors(pid).len()
}

fn words(pid: i32, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let parts = bytes.split(|b| *b == 0);
    let mut words: Vec<String> = parts.map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    if words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    words
}

/// The arguments.
pub fn arguments(pid: i32) -> Vec<String> {
    words(pid, "cmdline")
}

/// The environment that the process was started with, sorted.
pub fn environment(pid: i32) -> Vec<String> {
    let mut words = words(pid, "environ");
    words.sort_unstable();
    words
}

/// The working directory.
pub fn directory(pid: i32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default()
}

/// The resource limits, line by line.
pub fn limits(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The file that the process runs.
pub fn executable(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Sends a signal; whether there was such a process.
pub fn signal(pid: i32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid), signal).is_ok()
}

/// Every process that was started with this variable (NAME=VALUE).
pub fn started_with(variable: &str) -> Vec<i32> {
    let has = |pid: &i32| alive(*pid) && environment(*pid).iter().any(|v| v == variable);
    all().into_iter().filter(has).collect()
}

/// Every process that has this word among its arguments.
pub fn with_argument(word: &str) -> Vec<i32> {
    let has = |pid: &i32| alive(*pid) && arguments(*pid).iter().any(|a| a == word);
    all().into_iter().filter(has).collect()
}
