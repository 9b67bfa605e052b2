//! Accounts of the system that a test makes, and that go with it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::wait::within;

/// How every name begins: nobody else's does. The process id of the test comes next.
const PREFIX: &str = "svtest-";

/// The tools lock the files, and those who come second give up.
static TOOLS: Mutex<()> = Mutex::new(());

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// Users and groups of a test. They are removed when this goes, also when the test fails.
#[derive(Debug)]
pub struct People {
    users: Vec<Account>,
    groups: Vec<Account>,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u32,
}

impl People {
    /// Nobody yet. What tests that were killed have left behind is removed.
    pub fn new() -> People {
        sweep();
        People { users: Vec::new(), groups: Vec::new() }
    }

    /// Makes a group, whose name ends in `word`.
    pub fn group(&mut self, word: &str) -> Account {
        let name = unique(word);
        tool("groupadd", &[&name]);
        let group = find("/etc/group", &name);
        self.groups.push(group.clone());
        group
    }

    /// Makes a user, whose name ends in `word`, of a first and of further groups.
    pub fn user(&mut self, word: &str, first: &Account, further: &[&Account]) -> Account {
        let name = unique(word);
        let further: Vec<&str> = further.iter().map(|g| g.name.as_str()).collect();
        let further = further.join(",");
        let mut args = vec!["--no-create-home", "--home-dir", "/nonexistent", "--no-user-group"];
        args.extend(["--shell", "/bin/sh", "--gid", &first.name]);
        if !further.is_empty() {
            args.extend(["--groups", &further]);
        }
        args.push(&name);
        tool("useradd", &args);
        let user = find("/etc/passwd", &name);
        self.users.push(user.clone());
        user
    }

    /// Gives a user a password, which is then in the file of passwords as any.
    pub fn password(&self, user: &Account, password: &str) {
        let output = attempt("chpasswd", &[], &format!("{}:{password}\n", user.name));
        assert!(output.status.success(), "chpasswd: {output:?}");
    }

    /// Changes an account by one of the system's tools, as `usermod --lock` does.
    pub fn change(&self, user: &Account, name: &str, args: &[&str]) {
        tool(name, &[args, &[&user.name]].concat());
    }
}

impl Default for People {
    fn default() -> Self {
        People::new()
    }
}

impl Drop for People {
    fn drop(&mut self) {
        for user in &self.users {
            remove("userdel", &user.name);
        }
        for group in &self.groups {
            remove("groupdel", &group.name);
        }
    }
}

impl Account {
    /// A command that this user runs, with all groups that the user has and a known environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={}", self.name))
            .arg(format!("--regid={}", self.first_group()));
        command.args(["--init-groups", "--reset-env", "--"]).arg(program);
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn first_group(&self) -> String {
        let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let line = text.lines().find(|l| l.split(':').next() == Some(&self.name));
        let group = line.and_then(|l| l.split(':').nth(3));
        group.expect("an account that is there").to_owned()
    }
}

fn unique(word: &str) -> String {
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{number}-{word}", std::process::id())
}

fn alone() -> MutexGuard<'static, ()> {
    TOOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one of the tools on this input; another process of tests may hold the lock for a while.
fn attempt(name: &str, args: &[&str], input: &str) -> Output {
    let _alone = alone();
    let mut last = None;
    let done = within(Duration::from_secs(60), || {
        let output = run(name, args, input);
        let output = output.unwrap_or_else(|e| panic!("this test needs {name}(8): {e}"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let busy = !output.status.success() && text.contains("lock");
        last = Some(output);
        (!busy).then_some(())
    });
    let output = last.expect("it has run");
    assert!(done.is_some(), "{name}: {output:?}");
    output
}

fn run(name: &str, args: &[&str], input: &str) -> io::Result<Output> {
    let mut command = Command::new(name);
    command.args(args).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // One that reads nothing may have ended already.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    child.wait_with_output()
}

fn tool(name: &str, args: &[&str]) {
    let output = attempt(name, args, "");
    assert!(output.status.success(), "{name} {args:?}: {output:?}");
}

/// Never fails: it runs while a test fails.
fn remove(name: &str, who: &str) {
    let _alone = alone();
    within(Duration::from_secs(30), || {
        let output = Command::new(format!("/usr/sbin/{name}")).arg(who).output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (!text.contains("lock")).then_some(())
    });
}

fn find(file: &str, name: &str) -> Account {
    let text = fs::read_to_string(file).expect("accounts");
    let line = text.lines().find(|l| l.split(':').next() == Some(name));
    let id = line.and_then(|l| l.split(':').nth(2)).and_then(|id| id.parse().ok());
    Account { name: name.to_owned(), id: id.expect("the account that was made") }
}

/// Removes the accounts of tests that are no more.
fn sweep() {
    for (file, tool) in [("/etc/passwd", "userdel"), ("/etc/group", "groupdel")] {
        let text = fs::read_to_string(file).unwrap_or_default();
        for name in text.lines().filter_map(|l| l.split(':').next()) {
            let Some(pid) = name.strip_prefix(PREFIX).and_then(|n| n.split('-').next()) else {
                continue;
            };
            if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
                remove(tool, name);
            }
        }
    }
}
