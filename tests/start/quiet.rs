//! What must not happen: signals without a meaning, waiting, odd names of files and places leave the daemon as it is.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use system_tests::dist::Dist;
use system_tests::{Config, Daemon, Launch, Room, Value, procfs, wait_for};

const SLEEP: &str = "/bin/sleep 100000";

fn ready(room: &Room, config: &Config) -> Daemon {
    Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready()
}

#[test]
fn a_signal_without_a_meaning_changes_nothing() {
    let room = Room::new();
    let mut daemon = ready(&room, &Config::new(&room).program("p", SLEEP, ""));
    let (program, broker) = (daemon.wait_running("p"), daemon.broker());
    let heard = [
        (Signal::SIGUSR1, "SIGUSR1"),
        (Signal::SIGALRM, "SIGALRM"),
        (Signal::SIGVTALRM, "SIGVTALRM"),
        (Signal::SIGPROF, "SIGPROF"),
        (Signal::SIGXFSZ, "SIGXFSZ"),
        (Signal::SIGXCPU, "SIGXCPU"),
        (Signal::SIGPWR, "SIGPWR"),
    ];
    for (signal, name) in heard {
        daemon.signal(signal);
        let line = format!("received {name} indicating nothing");
        wait_for(&line, || daemon.activity().contains(&line));
    }
    for signal in [Signal::SIGPIPE, Signal::SIGWINCH, Signal::SIGURG, Signal::SIGCONT] {
        daemon.signal(signal);
    }
    // Heard after all of those.
    daemon.signal(Signal::SIGUSR2);
    wait_for("USR2", || {
        daemon.activity().contains("received SIGUSR2 indicating log reopen request")
    });
    assert_eq!((daemon.program("p"), daemon.broker()), (program, broker));
    assert_eq!(daemon.stop(), 0);
}

/// Processor time that a process has taken, in hundredths of a second.
fn taken(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(')').expect("the end of the name");
    let field = |n: usize| fields.split_whitespace().nth(n).and_then(|f| f.parse::<u64>().ok());
    field(11).zip(field(12)).map(|(user, system)| user + system).expect("times")
}

#[test]
fn to_wait_for_a_stop_costs_nothing() {
    let room = Room::new();
    let stubborn = "/bin/sh -c \"trap '' TERM; echo ready; while :; do sleep 0.1; done\"";
    let out = room.text("out");
    let lines = format!("stopwaitsecs=4\nstdout_logfile={out}\nstartsecs=0");
    let daemon = ready(&room, &Config::new(&room).program("p", stubborn, &lines));
    wait_for("the program to be deaf", || fs::read_to_string(&out).is_ok_and(|t| !t.is_empty()));
    let all = [daemon.pid, daemon.broker()];
    let sum = || all.iter().map(|pid| taken(*pid)).sum::<u64>();
    let (before, began) = (sum(), Instant::now());
    daemon.client.call("supervisor.stopProcess", &["p".into()]).expect("a stop");
    assert!(began.elapsed() >= Duration::from_secs(3), "it was not waited for");
    let cost = sum() - before;
    // A tenth of the time; a loop without a pause takes all of it that it is given.
    assert!(cost <= 40, "{cost} hundredths of a second in {:?}", began.elapsed());
}

#[test]
fn a_crash_counts_when_it_happened_not_when_it_is_heard_of() {
    let room = Room::new();
    let go = room.text("go");
    let crash = format!("/bin/sh -c 'while ! test -e {go}; do sleep 0.02; done; exit 1'");
    let lines = "startsecs=5\nstartretries=0\nautostart=false";
    let daemon = ready(&room, &Config::new(&room).program("p", &crash, lines));
    let broker = daemon.broker();
    daemon.client.call("supervisor.startProcess", &["p".into(), false.into()]).expect("a start");
    wait_for("a process", || daemon.program("p") != 0);
    let program = daemon.program("p");
    assert!(procfs::signal(broker, Signal::SIGSTOP));
    room.file("go", "");
    wait_for("the crash", || !procfs::alive(program));
    // Until it would have been up for long enough.
    std::thread::sleep(Duration::from_millis(5_500));
    assert!(procfs::signal(broker, Signal::SIGCONT));
    let info = daemon.wait_state("p", "FATAL");
    let error = info.get("spawnerr").str().to_owned();
    assert_eq!(error, "Exited too quickly (process log may have details)");
}

#[test]
fn a_relative_configuration_is_the_same_file_at_every_reading() {
    let room = Room::new();
    let config = Config::new(&room).daemon("directory=/usr").program("p", SLEEP, "");
    config.write(&room);
    let launch = Launch::new(&room, Dist::plain().supervisord()).cwd(room.dir());
    let mut daemon = launch.args(&["-c", "supervisord.conf"]).background();
    assert_eq!(procfs::directory(daemon.pid), Path::new("/usr"));
    config.program("new", SLEEP, "").write(&room);
    let lists = daemon.ask("supervisor.reloadConfig", &[]);
    assert_eq!(lists.array()[0].array()[0], Value::Array(vec!["new".into()]));
    daemon.signal(Signal::SIGHUP);
    wait_for("the restarted daemon", || {
        let info = daemon.client.call("supervisor.getProcessInfo", &["new".into()]);
        info.is_ok_and(|info| info.get("statename").str() == "RUNNING")
    });
    assert_eq!(daemon.stop(), 0);
    assert!(!room.path("supervisord.pid").exists(), "the pidfile is left");
}

/// As /dev/null is.
fn device(room: &Room, name: &str) -> std::path::PathBuf {
    let path = room.path(name);
    let mode = Mode::from_bits_truncate(0o666);
    mknod(&path, SFlag::S_IFCHR, mode, makedev(1, 3)).expect("the right to make a device");
    path
}

#[test]
fn a_device_is_no_pidfile_and_no_log_to_remove() {
    let room = Room::new();
    let (pid, log) = (device(&room, "pid"), device(&room, "log"));
    let lines = format!("stdout_logfile={}\nstdout_logfile_maxbytes=0", log.display());
    let config = Config::new(&room)
        .daemon(&format!("pidfile={}", pid.display()))
        .program("p", SLEEP, &lines);
    let mut daemon = ready(&room, &config);
    daemon.wait_running("p");
    // There is nothing to empty, which is no failure.
    daemon.ask("supervisor.clearProcessLogs", &["p".into()]);
    daemon.ask("supervisor.stopProcess", &["p".into()]);
    daemon.ask("supervisor.clearProcessLogs", &["p".into()]);
    assert_eq!(daemon.stop(), 0);
    for path in [pid, log] {
        let kind = fs::symlink_metadata(&path).expect("the device").file_type();
        assert!(kind.is_char_device(), "{} is {kind:?}", path.display());
    }
}

#[test]
fn a_directory_that_takes_no_logs_fails_the_program_alone() {
    let room = Room::new();
    let config = Config::new(&room)
        .daemon("childlogdir=/proc")
        .program("auto", SLEEP, "startretries=0")
        .program("other", SLEEP, "stdout_logfile=NONE\nstderr_logfile=NONE");
    let daemon = ready(&room, &config);
    daemon.wait_running("other");
    let error = daemon.wait_state("auto", "FATAL").get("spawnerr").str().to_owned();
    assert!(error.starts_with("unknown error making dispatchers for 'auto': E"), "{error}");
}
