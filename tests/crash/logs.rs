//! Lines through logs that are rotated, cleared, moved, full or read by somebody, while brokers die.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use system_tests::dist::Dist;
use system_tests::lines;
use system_tests::{Config, Daemon, Launch, Room, poll_until, wait_for};

const LINES: u64 = 50_000;

/// Lines as fast as may be, with a rest now and then, into a log with these keys.
fn paced(room: &Room, log: &str, keys: &str) -> Daemon {
    paced_lines(room, (LINES, 40), log, keys)
}

fn paced_lines(room: &Room, (lines, each): (u64, u64), log: &str, keys: &str) -> Daemon {
    let worker = room.helper("worker").display().to_string();
    let command = format!("{worker} paced {lines} {each} {}", room.text("stop"));
    let keys = format!("stdout_logfile={log}\nautorestart=false\nuser=nobody\n{keys}");
    let config = Config::new(room).program("p", &command, &keys);
    let daemon = Launch::new(room, Dist::hooks().supervisord()).config(&config.write(room)).ready();
    daemon.wait_running("p");
    daemon
}

const ROTATING: &str = "stdout_logfile_maxbytes=64KB\nstdout_logfile_backups=100";

fn wait_last_line(room: &Room, log: &str) {
    room.file("stop", "");
    let last = format!("end {LINES}\n");
    wait_for("the last line", || lines::ends_with(&room.path(log), &last));
}

/// A number that nobody foresees, below this.
fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)).expect("a number");
    u64::from_ne_bytes(bytes) % below
}

fn last_number(room: &Room, log: &str) -> u64 {
    let text = lines::whole(&room.path(log));
    let text = String::from_utf8_lossy(&text);
    text.lines().rev().find_map(|line| line.parse().ok()).unwrap_or(0)
}

/// Does something now and then until all lines are written; gives how often.
fn meanwhile(room: &Room, mut act: impl FnMut(u64)) -> u64 {
    let mut times = 0;
    let end = Instant::now() + Duration::from_secs(120);
    while last_number(room, "log") < LINES {
        assert!(Instant::now() < end, "the last line does not come");
        act(times);
        times += 1;
        std::thread::sleep(Duration::from_millis(random(30)));
    }
    times
}

#[test]
fn every_line_is_in_small_rotated_logs_while_signals_come_and_brokers_die() {
    let room = Room::new();
    let daemon = paced(&room, &room.text("log"), ROTATING);
    let p = daemon.program("p");
    let times = meanwhile(&room, |n| {
        if n % 4 == 3 {
            daemon.replace_broker();
        } else {
            daemon.signal(Signal::SIGUSR2);
        }
    });
    assert!(times > 1, "only {times}");
    wait_last_line(&room, "log");
    assert_eq!(lines::assert_exact(&lines::whole(&room.path("log"))), LINES);
    let files = lines::files(&room.path("log"));
    assert!(files.len() > 4, "{files:?}");
    for file in &files[..files.len() - 1] {
        assert!(file.metadata().expect("a file").len() >= 64 << 10, "{}", file.display());
    }
    assert_eq!(daemon.program("p"), p);
}

#[test]
fn a_file_that_is_moved_goes_on_under_its_name_after_the_signal() {
    let room = Room::new();
    let daemon = paced(&room, &room.text("log"), "stdout_logfile_maxbytes=0");
    let mut moved = Vec::new();
    let mut done = 0;
    while done < LINES {
        let name = format!("log-{:03}", moved.len());
        fs::rename(room.path("log"), room.path(&name)).expect("a log to move");
        moved.push(name);
        daemon.signal(Signal::SIGUSR2);
        wait_for("a new file", || room.path("log").exists());
        if random(3) == 0 {
            daemon.replace_broker();
        }
        std::thread::sleep(Duration::from_millis(random(40)));
        let files = moved.iter().rev().map(String::as_str);
        done = files.chain(["log"]).map(|f| last_number(&room, f)).max().unwrap_or(0);
    }
    wait_last_line(&room, "log");
    moved.push("log".to_owned());
    let text: Vec<u8> =
        moved.iter().flat_map(|name| fs::read(room.path(name)).expect("a file")).collect();
    assert_eq!(lines::assert_exact(&text), LINES);
}

/// The runs of numbers that are missing, as (first, last). `CUT`: the first of them may be there in part.
fn missing<const CUT: bool>(text: &str) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    let mut next = 1;
    for line in text.lines().filter(|line| !line.starts_with("end ")) {
        // Nine in ten of the numbers have as many digits as the last: one that is shorter was cut.
        if CUT && line.len() < next.to_string().len() {
            continue;
        }
        let number: u64 = line.parse().expect("a whole line");
        assert!(number >= next, "{number} after {}", next - 1);
        if number > next {
            runs.push((next, number - 1));
        }
        next = number + 1;
    }
    runs
}

#[test]
fn a_clear_takes_one_run_of_lines_and_nothing_after_it() {
    let room = Room::new();
    // Slow enough that a clear comes long before what is written then.
    let daemon = paced_lines(&room, (LINES, 10), &room.text("log"), ROTATING);
    let mut clears = Vec::new();
    meanwhile(&room, |n| {
        // Far from the end: a clear that takes the last line would have it waited for in vain.
        if n % 3 == 0 && last_number(&room, "log") < LINES - 10_000 {
            daemon.ask("supervisor.clearProcessLogs", &["p".into()]);
            // Everything up to a line that was written before the call may be gone; what comes after is not.
            clears.push(last_number(&room, "log"));
        } else {
            daemon.signal(Signal::SIGUSR2);
        }
    });
    wait_last_line(&room, "log");
    let text = lines::whole(&room.path("log"));
    let text = String::from_utf8(text).expect("lines of digits");
    let runs = missing::<false>(&text);
    assert!(!runs.is_empty(), "nothing was cleared");
    assert!(runs.len() <= clears.len(), "{runs:?} by {} clears", clears.len());
    assert!(text.ends_with(&format!("\n{LINES}\nend {LINES}\n")));
}

#[test]
fn a_clear_ends_where_it_is_made() {
    let room = Room::new();
    let worker = room.helper("worker").display().to_string();
    room.file("pause", "");
    let command = format!("{worker} pausing {} {}", room.text("pause"), room.text("stop"));
    let keys = format!("stdout_logfile={}\n{ROTATING}0", room.text("log"));
    let config = Config::new(&room).program("p", &command, &keys);
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    daemon.wait_running("p");
    for _ in 0..5 {
        wait_for("a pause", || lines::ends_with(&room.path("log"), "pause\n"));
        let before = last_number(&room, "log");
        daemon.ask("supervisor.clearProcessLogs", &["p".into()]);
        assert_eq!(fs::read(room.path("log")).expect("a log"), b"");
        if random(2) == 0 {
            daemon.replace_broker();
        }
        let older = lines::files(&room.path("log")).len();
        fs::remove_file(room.path("pause")).expect("the pause");
        let first = poll_until("a line", || {
            let files = lines::files(&room.path("log"));
            // What was rotated since is before the file of the moment.
            let first = files.get(older - 1)?;
            let text = fs::read_to_string(first).ok()?;
            text.split_once('\n')?.0.parse::<u64>().ok()
        });
        assert_eq!(first, before + 1);
        room.file("pause", "");
    }
}

/// A small file system of its own.
struct Mount(PathBuf);

impl Mount {
    fn new(room: &Room, size: &str) -> Mount {
        let at = room.directory("disk");
        let options = format!("size={size},mode=0755");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&at).status();
        assert!(status.expect("mount").success(), "this test needs to mount a tmpfs");
        Mount(at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_holds_up_nobody_and_is_told_once() {
    let room = Room::new();
    let disk = Mount::new(&room, "128k");
    let log = disk.0.join("log").display().to_string();
    // 6.9 MB, where disk and pipe together hold less than one: without a reader the program would stand still.
    let (last, bytes) = (1_000_000, 6_888_896);
    let keys = "stdout_logfile_maxbytes=0\nredirect_stderr=true";
    let daemon = paced_lines(&room, (last, 1_000), &log, keys);
    let p = daemon.program("p");
    wait_for("all lines to be written", || {
        let io = fs::read_to_string(format!("/proc/{p}/io")).unwrap_or_default();
        let written = io.lines().find_map(|l| l.strip_prefix("wchar: ")?.parse::<u64>().ok());
        written.is_some_and(|n| n >= bytes)
    });
    wait_for("the trouble", || daemon.activity().contains("could not write to "));
    assert_eq!(daemon.activity().matches("could not write to ").count(), 1);
    daemon.replace_broker();
    let again = Command::new("mount").args(["-o", "remount,size=2m"]).arg(&disk.0).status();
    assert!(again.expect("mount").success());
    room.file("stop", "");
    let end = format!("end {last}\n");
    wait_for("the last line", || lines::ends_with(&disk.0.join("log"), &end));
    wait_for("the end of it", || daemon.activity().contains("can be written to again"));
    let text = fs::read_to_string(disk.0.join("log")).expect("a log");
    // Where the disk was full a line is cut; what comes after the gap begins a new one.
    let runs = missing::<true>(&text);
    assert_eq!(runs.len(), 1, "{:?}", runs.get(..10));
    let activity = daemon.activity();
    assert_eq!(activity.matches("could not write to ").count(), 1, "{activity}");
    let missing = runs.iter().flat_map(|(first, last)| *first..=*last);
    let least: usize = missing.map(|n| n.to_string().len() + 1).sum();
    let told = activity.split("written to again; ").nth(1).and_then(|text| text.split(' ').next());
    let told: usize = told.and_then(|n| n.parse().ok()).expect("a number of bytes");
    // Of a line that was cut a part is there.
    assert!((least..least + 20).contains(&(told + 10)), "{told} for {least}");
    assert_eq!(activity.matches("can be written to again").count(), 1, "{activity}");
    assert_eq!(daemon.program("p"), p);
}

#[test]
fn messages_and_sequences_stay_out_of_the_log_while_brokers_die() {
    let room = Room::new();
    let worker = room.helper("worker").display().to_string();
    let command = format!("{worker} dressed {LINES} 40 {}", room.text("stop"));
    let keys = format!(
        "stdout_logfile={}\nuser=nobody\nstdout_capture_maxbytes=1MB\n{ROTATING}",
        room.text("log")
    );
    let config = Config::new(&room).daemon("strip_ansi=true").program("p", &command, &keys);
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    let p = daemon.wait_running("p");
    let times = meanwhile(&room, |n| match n % 3 {
        0 => daemon.signal(Signal::SIGUSR2),
        _ => drop(daemon.replace_broker()),
    });
    assert!(times > 1, "only {times}");
    wait_last_line(&room, "log");
    assert_eq!(lines::assert_exact(&lines::whole(&room.path("log"))), LINES);
    assert_eq!(daemon.program("p"), p);
}

/// A start that finds another /dev, in which the system's log is a socket of the room.
const OWN_DEV: &str = "set -e; mount -t tmpfs none \"$1\"; for n in null zero full random urandom; do \
     touch \"$1/$n\"; mount --bind /dev/$n \"$1/$n\"; done; ln -s /proc/self/fd \"$1/fd\"; ln -s fd/1 \"$1/stdout\"; \
     ln -s \"$2\" \"$1/log\"; mount --rbind \"$1\" /dev; shift 2; exec \"$@\"";

fn syslogd(room: &Room) -> UnixDatagram {
    let _ = fs::remove_file(room.path("syslog"));
    let socket = UnixDatagram::bind(room.path("syslog")).expect("a socket");
    room.mode("syslog", 0o666);
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    socket
}

fn message(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 4_000];
    let n = socket.recv(&mut bytes).expect("a message");
    let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
    let text = text.strip_prefix("<14>").expect("the priority of all messages");
    text.get(16..).expect("a time").to_owned()
}

#[test]
fn the_system_s_log_has_each_line_and_may_be_restarted() {
    let room = Room::new();
    let (dev, socket) = (room.directory("dev").display().to_string(), room.text("syslog"));
    let first = syslogd(&room);
    // The program takes the file away after its line: only then is there place for the next.
    let go = || {
        wait_for("the file to go", || !room.path("go").exists());
        fs::write(room.path("go"), "").expect("a file");
    };
    go();
    let command = format!(
        "/bin/sh -c \"n=0; while :; do test -e {} && n=$((n+1)) && echo line $n && rm {}; sleep 0.01; done\"",
        room.text("go"),
        room.text("go")
    );
    let config =
        Config::new(&room).program("p", &command, "stdout_syslog=true\nstdout_logfile=NONE");
    let through = ["unshare", "-m", "sh", "-c", OWN_DEV, "sh", dev.as_str(), socket.as_str()];
    let daemon = Launch::new(&room, Dist::hooks().supervisord())
        .through(&through)
        .config(&config.write(&room))
        .ready();
    assert_eq!(message(&first), "supervisord: p line 1");
    drop(first);
    let second = syslogd(&room);
    go();
    assert_eq!(message(&second), "supervisord: p line 2");
    daemon.replace_broker();
    go();
    let mut next = message(&second);
    // A line that was sent but still in the pipe when its broker died is sent once more.
    if next == "supervisord: p line 2" {
        next = message(&second);
    }
    assert_eq!(next, "supervisord: p line 3");
}

#[test]
fn a_system_s_log_that_nobody_takes_yet_keeps_nothing_from_starting() {
    let room = Room::new();
    let (dev, socket) = (room.directory("dev").display().to_string(), room.text("syslog"));
    let config = Config::new(&room).daemon("logfile=syslog\nuser=root").program(
        "p",
        "/bin/sleep 100000",
        "",
    );
    let through = ["unshare", "-m", "sh", "-c", OWN_DEV, "sh", dev.as_str(), socket.as_str()];
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .through(&through)
        .config(&config.write(&room))
        .ready();
    daemon.wait_running("p");
    let fault = daemon.client.call("supervisor.readLog", &[0.into(), 0.into()]);
    assert!(format!("{fault:?}").contains("NO_FILE: syslog"), "{fault:?}");
    let log = syslogd(&room);
    daemon.ask("supervisor.stopProcess", &["p".into()]);
    wait_for("the stop", || message(&log).contains(" stopped: p "));
}

#[test]
fn lines_of_the_activity_log_are_whole_in_the_system_s_log() {
    let room = Room::new();
    let (dev, socket) = (room.directory("dev").display().to_string(), room.text("syslog"));
    let log = syslogd(&room);
    let config = Config::new(&room).daemon("logfile=syslog\nuser=root");
    let through = ["unshare", "-m", "sh", "-c", OWN_DEV, "sh", dev.as_str(), socket.as_str()];
    let daemon = Launch::new(&room, Dist::plain().supervisord())
        .through(&through)
        .config(&config.write(&room))
        .ready();
    let first = message(&log);
    assert!(first.starts_with("supervisord: 20"), "no tag and time of its own: {first:?}");
    assert!(first.ends_with(" INFO Set uid to user 0 succeeded\n"), "{first:?}");
    let started = format!(" INFO supervisord started with pid {}\n", daemon.pid);
    wait_for("the start", || message(&log).ends_with(&started));
    assert!(!room.path("supervisord.log").exists());
}

#[test]
fn fifos_and_inherited_descriptors_need_no_special_keys() {
    let room = Room::new();
    let fifo = room.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o622)).expect("a FIFO");
    let worker = room.helper("worker").display().to_string();
    let said = |name: &str, prefix: &str, log: &str| {
        (
            name.to_owned(),
            format!("{worker} count {prefix} 2000"),
            format!("stdout_logfile={log}\nstartsecs=0\nautorestart=false"),
        )
    };
    let fifo_log = fifo.display().to_string();
    let mut config = Config::new(&room);
    for (name, command, keys) in [
        said("a", "fifo", &fifo_log),
        said("b", "out", "/dev/stdout"),
        said("c", "err", "/dev/fd/2"),
    ] {
        config = config.program(&name, &command, &keys);
    }
    let daemon =
        Launch::new(&room, Dist::hooks().supervisord()).config(&config.write(&room)).ready();
    wait_for("the lines", || {
        daemon.stdout().contains("out 2000\n") && daemon.stderr().contains("err 2000\n")
    });
    lines::assert_stream(&daemon.stdout(), "out", 2_000);
    lines::assert_stream(&daemon.stderr(), "err", 2_000);
    // Nobody has read the FIFO yet.
    let mut options = fs::OpenOptions::new();
    let mut reader =
        options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo).expect("the FIFO");
    let mut text = Vec::new();
    wait_for("the lines of the FIFO", || {
        let _ = reader.read_to_end(&mut text);
        text.ends_with(b"fifo 2000\n")
    });
    lines::assert_stream(&String::from_utf8_lossy(&text), "fifo", 2_000);
    daemon.wait_state("a", "EXITED");
    let activity = daemon.activity();
    assert!(!activity.contains("Illegal seek"), "{activity}");
    assert_eq!(activity.matches("could not open").count(), 1, "{activity}");
}
