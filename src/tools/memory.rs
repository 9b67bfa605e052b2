//! Resident memory of processes, from /proc.

use std::collections::{HashMap, HashSet};
use std::fs;

/// What /proc says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    parent: i64,
    /// In KiB.
    resident: i64,
}

/// Resident memory of a process in bytes; `None` where there is none.
pub fn resident(pid: i64) -> Option<i64> {
    usage(pid)?.resident.checked_mul(1024)
}

/// Resident memory of a process and all its descendants in bytes, from one look at all processes.
pub fn resident_of_tree(pid: i64) -> Option<i64> {
    let entries = fs::read_dir("/proc").ok()?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: HashMap<i64, Usage> = pids.filter_map(|pid| Some((pid, usage(pid)?))).collect();
    sum(pid, &all)?.checked_mul(1024)
}

fn sum(pid: i64, all: &HashMap<i64, Usage>) -> Option<i64> {
    let mut total = all.get(&pid)?.resident;
    let mut children: HashMap<i64, Vec<i64>> = HashMap::new();
    for (child, usage) in all {
        children.entry(usage.parent).or_default().push(*child);
    }
    // A number that was used anew while looking could make a ring of what was seen.
    let mut seen = HashSet::from([pid]);
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        for child in children.get(&pid).into_iter().flatten().filter(|child| seen.insert(**child)) {
            total = total.saturating_add(all.get(child).map_or(0, |usage| usage.resident));
            waiting.push(*child);
        }
    }
    Some(total)
}

fn usage(pid: i64) -> Option<Usage> {
    read(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// A process without memory, one that was not waited for, has no line about it.
fn read(status: &str) -> Option<Usage> {
    let number = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Usage { parent: number("PPid:")?, resident: number("VmRSS:").unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory() {
        let own = i64::from(std::process::id());
        let resident = resident(own).unwrap();
        assert!(resident > 100 * 1024, "{resident}");
        assert!(resident_of_tree(own).unwrap() > 100 * 1024);
        assert_eq!(super::resident(i64::MAX), None);
        assert_eq!(resident_of_tree(-1), None);
    }

    #[test]
    fn lines_of_status() {
        let text = "Name:\tx\nPPid:\t7\nVmPeak:\t  99 kB\nVmRSS:\t    1234 kB\n";
        assert_eq!(read(text), Some(Usage { parent: 7, resident: 1234 }));
        assert_eq!(read("PPid:\t7\n"), Some(Usage { parent: 7, resident: 0 }));
        assert_eq!(read(""), None);
    }

    #[test]
    fn trees() {
        let all = [(1, 0, 1), (2, 1, 10), (3, 2, 100), (4, 1, 1000), (5, 6, 7), (6, 5, 8)];
        let all = all.map(|(pid, parent, resident)| (pid, Usage { parent, resident }));
        let all = HashMap::from(all);
        assert_eq!(sum(1, &all), Some(1111));
        assert_eq!(sum(2, &all), Some(110));
        assert_eq!(sum(5, &all), Some(15));
        assert_eq!(sum(9, &all), None);
    }
}
