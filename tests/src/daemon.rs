//! Starting a daemon and talking to it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::procfs;
use crate::room::{MARK, Room};
use crate::rpc::{Client, Error, Value};
use crate::wait::{PATIENCE, poll_until, within};

static STARTS: AtomicU32 = AtomicU32::new(0);

/// How a daemon is to be started.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    room: &'a Room,
    binary: PathBuf,
    wrapper: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    uid: Option<u32>,
    cwd: PathBuf,
    stem: String,
}

/// How a start ended.
#[derive(Debug)]
pub struct Outcome {
    /// The status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit status, −1 where a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

impl<'a> Launch<'a> {
    /// A start of this binary in the room, without arguments, under a known environment.
    pub fn new(room: &'a Room, binary: PathBuf) -> Launch<'a> {
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("LANG", "C.UTF-8"),
            ("HOME", "/"),
        ];
        let mut env: Vec<(String, String)> =
            env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        env.push((MARK.to_owned(), room.text("")));
        Launch {
            room,
            binary,
            wrapper: Vec::new(),
            args: Vec::new(),
            env,
            uid: None,
            cwd: PathBuf::from("/"),
            stem: "supervisord".to_owned(),
        }
    }

    /// Adds arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    /// Adds `-c FILE`.
    pub fn config(mut self, file: &Path) -> Self {
        self.args.extend([OsString::from("-c"), file.into()]);
        self
    }

    /// Adds a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it as this user and the group of the same number, without further groups.
    pub fn user(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Starts it by way of a command that ends in exec, such as `sh -c 'umask 077; exec "$@"' sh`.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(OsString::from).collect();
        self
    }

    /// Starts it in this directory.
    pub fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = dir.to_owned();
        self
    }

    /// The stem of its socket, log and pidfile where it is not `supervisord`.
    pub fn stem(mut self, stem: &str) -> Self {
        self.stem = stem.to_owned();
        self
    }

    fn spawn(&self) -> (Child, PathBuf, PathBuf) {
        let n = STARTS.fetch_add(1, Ordering::Relaxed);
        let out = self.room.path(&format!("stdout.{n}"));
        let err = self.room.path(&format!("stderr.{n}"));
        let mut words = self.wrapper.clone();
        words.push(self.binary.clone().into());
        words.extend(self.args.iter().cloned());
        let (first, rest) = words.split_first().expect("a command");
        let mut command = Command::new(first);
        command.args(rest).env_clear().envs(self.env.iter().cloned()).current_dir(&self.cwd);
        command.stdin(Stdio::null());
        command.stdout(File::create(&out).expect("cannot create a file"));
        command.stderr(File::create(&err).expect("cannot create a file"));
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        match command.spawn() {
            Ok(child) => (child, out, err),
            Err(e) => panic!("cannot start {}: {e}", first.to_string_lossy()),
        }
    }

    /// Starts it and does not wait for anything.
    pub fn start(&self) -> Daemon {
        let (child, stdout, stderr) = self.spawn();
        let pid = i32::try_from(child.id()).expect("a process id");
        let dir = self.room.dir();
        Daemon {
            pid,
            child: Some(child),
            stdout,
            stderr,
            log: dir.join(format!("{}.log", self.stem)),
            client: Client::new(&dir.join(format!("{}.sock", self.stem))),
        }
    }

    /// Starts it in the foreground (`-n`) and waits until it answers.
    pub fn ready(self) -> Daemon {
        let mut daemon = self.args(&["-n"]).start();
        daemon.wait_ready();
        daemon
    }

    /// Starts it and waits for the end of what was started; a daemon's parent, for instance.
    pub fn run(&self) -> Outcome {
        let (mut child, out, err) = self.spawn();
        let status = within(PATIENCE, || child.try_wait().ok().flatten());
        let text =
            |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let (stdout, stderr) = (text(&out), text(&err));
        match status {
            Some(status) => Outcome { status, stdout, stderr },
            None => {
                let _ = child.kill();
                panic!("the start did not end within {PATIENCE:?}:\n{stdout}{stderr}")
            }
        }
    }

    /// Starts it in the background and waits for its parent, then for the answer of the daemon itself.
    pub fn background(&self) -> Daemon {
        let outcome = self.run();
        assert_eq!(outcome.code(), 0, "the start failed: {outcome:?}");
        let dir = self.room.dir();
        let pidfile = dir.join(format!("{}.pid", self.stem));
        let pid =
            poll_until("the pidfile", || fs::read_to_string(&pidfile).ok()?.trim().parse().ok());
        let mut daemon = Daemon {
            pid,
            child: None,
            stdout: PathBuf::new(),
            stderr: PathBuf::new(),
            log: dir.join(format!("{}.log", self.stem)),
            client: Client::new(&dir.join(format!("{}.sock", self.stem))),
        };
        daemon.wait_ready();
        daemon
    }
}

/// A daemon that was started. The room it lives in ends it.
#[derive(Debug)]
pub struct Daemon {
    /// Its process id.
    pub pid: i32,
    child: Option<Child>,
    stdout: PathBuf,
    stderr: PathBuf,
    log: PathBuf,
    /// Its unix socket.
    pub client: Client,
}

impl Daemon {
    /// Waits until the daemon answers; fails the test when it ends instead.
    pub fn wait_ready(&mut self) {
        poll_until("the daemon's first answer", || {
            if let Some(status) = self.ended() {
                panic!("the daemon ended instead of starting: {status}\n{}", self.stderr());
            }
            self.client.call("supervisor.getState", &[]).ok()
        });
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// What it wrote to standard output.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    /// The activity log.
    pub fn activity(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Calls a method; a daemon that is between two brokers is asked again. For calls that may be repeated.
    pub fn ask(&self, method: &str, params: &[Value]) -> Value {
        poll_until(method, || match self.client.call(method, params) {
            Ok(value) => Some(value),
            Err(Error::Io(_)) => None,
            Err(Error::Fault(code, text)) => panic!("{method}: fault {code} {text}"),
        })
    }

    /// getProcessInfo.
    pub fn info(&self, name: &str) -> Value {
        self.ask("supervisor.getProcessInfo", &[name.into()])
    }

    /// The state's name.
    pub fn state(&self, name: &str) -> String {
        self.info(name).get("statename").str().to_owned()
    }

    /// The process id of a program.
    pub fn program(&self, name: &str) -> i32 {
        i32::try_from(self.info(name).get("pid").int()).expect("a process id")
    }

    /// Waits until the program has this state; gives its information then.
    pub fn wait_state(&self, name: &str, state: &str) -> Value {
        poll_until(&format!("{name} to be {state}"), || {
            let info = self.info(name);
            (info.get("statename").str() == state).then_some(info)
        })
    }

    /// Waits until the program runs; gives its process id.
    pub fn wait_running(&self, name: &str) -> i32 {
        i32::try_from(self.wait_state(name, "RUNNING").get("pid").int()).expect("a process id")
    }

    /// The broker of the moment, if there is one.
    pub fn try_broker(&self) -> Option<i32> {
        procfs::children(self.pid).into_iter().find(|pid| is_broker(*pid))
    }

    /// The broker, when there is one again.
    pub fn broker(&self) -> i32 {
        poll_until("a broker", || self.try_broker())
    }

    /// Kills the broker; gives its process id.
    pub fn kill_broker(&self) -> i32 {
        let broker = self.broker();
        procfs::signal(broker, Signal::SIGKILL);
        broker
    }

    /// Kills the broker and waits until another one answers.
    pub fn replace_broker(&self) -> i32 {
        let old = self.kill_broker();
        poll_until("another broker", || {
            let new = self.try_broker()?;
            (new != old && self.client.call("supervisor.getState", &[]).is_ok()).then_some(new)
        })
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: Signal) {
        assert!(procfs::signal(self.pid, signal), "the daemon is gone\n{}", self.stderr());
    }

    /// Waits for the end of the daemon; its exit status, −1 where a signal ended it. A daemon in the background has
    /// none to give: 0.
    pub fn wait_end(&mut self) -> i32 {
        if self.child.is_none() {
            let pid = self.pid;
            poll_until("the end of the daemon", || (!procfs::alive(pid)).then_some(()));
            return 0;
        }
        let status = poll_until("the end of the daemon", || self.ended());
        assert_eq!(status.signal(), None, "the daemon was ended by a signal\n{}", self.stderr());
        status.code().unwrap_or(-1)
    }

    /// Has it stop everything, where that takes no more than some seconds: one that is killed leaves helpers to process 1,
    /// which may take its time to bury them, and their users are taken until then. Never fails.
    pub fn leave(&mut self) {
        if self.ended().is_none() && procfs::signal(self.pid, Signal::SIGTERM) {
            within(Duration::from_secs(5), || self.ended());
        }
    }

    /// Sends TERM and waits for the end.
    pub fn stop(&mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        self.wait_end()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if let Ok(None) = child.try_wait() {
                // What it runs is found and ended by the room.
                let own = procfs::children(self.pid);
                let _ = child.kill();
                for pid in own {
                    procfs::signal(pid, Signal::SIGKILL);
                }
            }
            let _ = child.wait();
        }
    }
}

fn is_broker(pid: i32) -> bool {
    let named = |name: &str| name.ends_with("supervisor-broker");
    if !procfs::alive(pid) {
        return false;
    }
    procfs::arguments(pid).first().is_some_and(|a| named(a))
        || fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|c| c.trim() == "supervisor-brok")
}
