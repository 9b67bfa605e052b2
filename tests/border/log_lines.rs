//! Not a line is lost: copytruncate beside a writer, two streams or two programs on one path.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use system_tests::dist::Dist;
use system_tests::lines::{assert_exact, assert_stream, ends_with, whole};
use system_tests::{Config, Daemon, Launch, Room, wait_for};

fn start(room: &Room, config: &Config) -> Daemon {
    Launch::new(room, Dist::plain().supervisord()).config(&config.write(room)).ready()
}

/// Copies what is in the file and empties it, as logrotate's copytruncate does. Gives the copy.
fn copytruncate(log: &Path) -> Vec<u8> {
    let mut copy = Vec::new();
    File::open(log).and_then(|mut f| f.read_to_end(&mut copy)).expect("the log");
    OpenOptions::new().write(true).open(log).and_then(|f| f.set_len(0)).expect("the log");
    copy
}

#[test]
fn copytruncate_between_two_lines_loses_none() {
    let room = Room::new();
    let (log, pause) = (room.path("out.log"), room.path("pause"));
    let worker = room.helper("worker").display().to_string();
    let command = format!("{worker} pausing {} {}", pause.display(), room.text("stop"));
    let lines = format!("user=nobody\nstdout_logfile={}\nstdout_logfile_maxbytes=0", log.display());
    let _daemon = start(&room, &Config::new(&room).program("p", &command, &lines));
    let mut all = Vec::new();
    for _ in 0..10 {
        let size = || log.metadata().map_or(0, |m| m.len());
        wait_for("lines", || size() > 50_000);
        room.file("pause", "");
        wait_for("the writer to pause", || ends_with(&log, "pause\n"));
        let copy = copytruncate(&log);
        assert!(!copy.contains(&0), "there are NULs in the log");
        all.extend_from_slice(copy.strip_suffix(b"pause\n").expect("a pause at the end"));
        fs::remove_file(&pause).expect("the file of the pause");
    }
    room.file("stop", "");
    wait_for("the last line", || {
        let text = whole(&log);
        text.windows(4).any(|w| w == b"end ") && text.ends_with(b"\n")
    });
    all.extend(whole(&log));
    assert!(assert_exact(&all) > 50_000);
}

/// Whole lines of a piece of a log; what a cut left of a line at either end is dropped.
fn numbers(piece: &[u8], first: bool) -> Vec<u64> {
    let text = std::str::from_utf8(piece).expect("lines of digits");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    if !first && !lines.is_empty() {
        lines.remove(0);
    }
    lines.iter().filter(|l| !l.starts_with("end")).map(|l| l.parse().expect("a number")).collect()
}

#[test]
fn copytruncate_every_100_ms_beside_a_writer_loses_only_what_it_cuts() {
    let room = Room::new();
    let log = room.path("out.log");
    let worker = room.helper("worker").display().to_string();
    let command = format!("{worker} lines {}", room.text("stop"));
    let lines = format!("user=nobody\nstdout_logfile={}\nstdout_logfile_maxbytes=0", log.display());
    let _daemon = start(&room, &Config::new(&room).program("p", &command, &lines));
    wait_for("the log", || log.exists());
    let mut pieces = Vec::new();
    for _ in 0..30 {
        // The period of the attack, not a wait for anything.
        std::thread::sleep(Duration::from_millis(100));
        pieces.push(copytruncate(&log));
    }
    room.file("stop", "");
    wait_for("the last line", || {
        let text = whole(&log);
        text.rsplit(|b| *b == b'\n').nth(1).is_some_and(|l| l.starts_with(b"end "))
            && text.ends_with(b"\n")
    });
    pieces.push(whole(&log));
    let mut last = 0;
    for (n, piece) in pieces.iter().enumerate() {
        assert!(!piece.contains(&0), "there are NULs in piece {n}");
        let numbers = numbers(piece, n == 0);
        // Between two pieces lines may be missing, those between copy and truncate; within one, none.
        for pair in numbers.windows(2) {
            assert_eq!(pair[1], pair[0] + 1, "in piece {n}");
        }
        if let (Some(first), Some(end)) = (numbers.first(), numbers.last()) {
            assert!(*first > last, "piece {n} begins with {first} after {last}");
            last = *end;
        }
    }
    assert!(last > 100_000, "only {last} lines");
}

#[test]
fn two_streams_on_one_path_are_both_whole() {
    const LAST: u64 = 100_000;
    let room = Room::new();
    let worker = room.helper("worker").display().to_string();
    let log = room.text("out.log");
    let lines = format!(
        "user=nobody\nautorestart=false\nstartsecs=0\nstdout_logfile={log}\nstderr_logfile={log}\n\
         stdout_logfile_maxbytes=0\nstderr_logfile_maxbytes=0"
    );
    let daemon =
        start(&room, &Config::new(&room).program("p", &format!("{worker} both {LAST}"), &lines));
    daemon.wait_state("p", "EXITED");
    let text = fs::read_to_string(&log).expect("lines");
    assert_stream(&text, "o", LAST);
    assert_stream(&text, "e", LAST);
    assert_eq!(text.lines().count() as u64, 2 * LAST, "lines are torn");
}

#[test]
fn two_programs_on_one_path_are_both_whole() {
    const LAST: u64 = 200_000;
    for rotation in
        ["stdout_logfile_maxbytes=0", "stdout_logfile_maxbytes=500000\nstdout_logfile_backups=100"]
    {
        let room = Room::new();
        let worker = room.helper("worker").display().to_string();
        let log = room.path("out.log");
        let mut config = Config::new(&room);
        for name in ["a", "b"] {
            let lines = format!(
                "user=nobody\nautorestart=false\nstartsecs=0\nstdout_logfile={}\n{rotation}",
                log.display()
            );
            config = config.program(name, &format!("{worker} count {name} {LAST}"), &lines);
        }
        let daemon = start(&room, &config);
        daemon.wait_state("a", "EXITED");
        daemon.wait_state("b", "EXITED");
        let text = String::from_utf8(whole(&log)).expect("lines");
        assert_stream(&text, "a", LAST);
        assert_stream(&text, "b", LAST);
        assert_eq!(text.lines().count() as u64, 2 * LAST, "lines are torn");
    }
}

#[test]
fn output_and_errors_of_one_stream_keep_their_order() {
    const LAST: u64 = 50_000;
    let room = Room::new();
    let worker = room.helper("worker").display().to_string();
    let log = room.text("out.log");
    let lines = format!(
        "user=nobody\nautorestart=false\nstartsecs=0\nredirect_stderr=true\nstdout_logfile={log}\n\
         stdout_logfile_maxbytes=0"
    );
    let daemon =
        start(&room, &Config::new(&room).program("p", &format!("{worker} both {LAST}"), &lines));
    daemon.wait_state("p", "EXITED");
    let text = fs::read_to_string(&log).expect("lines");
    let expected = (1..=LAST).flat_map(|n| [format!("o {n}"), format!("e {n}")]);
    assert!(text.lines().map(str::to_owned).eq(expected), "lines are missing or out of order");
}

#[test]
fn logs_made_automatically_are_private_and_kept() {
    let room = Room::new();
    let config = Config::new(&room).program(
        "p",
        "/bin/sh -c \"echo out; echo err >&2; exec sleep 100000\"",
        "user=nobody",
    );
    let file = config.write(&room);
    let mut daemon = start(&room, &config);
    daemon.wait_running("p");
    let auto = |channel: &str| {
        let path = fs::read_dir(room.path("auto"))
            .expect("the directory of AUTO logs")
            .flatten()
            .map(|e| e.path());
        let prefix = format!("p-{channel}---supervisor-");
        let mut found: Vec<_> = path
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix)))
            .collect();
        assert_eq!(found.len(), 1, "one log for {channel}");
        found.remove(0)
    };
    for (channel, content) in [("stdout", "out\n"), ("stderr", "err\n")] {
        let path = auto(channel);
        wait_for("the line", || fs::read_to_string(&path).is_ok_and(|t| t == content));
        let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().expect("a log"));
        assert_eq!(mode & 0o7777, 0o600);
    }
    let old = auto("stdout");
    assert_eq!(daemon.stop(), 0);
    assert!(old.exists(), "it is kept until the next start");
    let again = Launch::new(&room, Dist::plain().supervisord()).config(&file).ready();
    again.wait_running("p");
    assert!(!old.exists(), "it is removed at the next start");
}

#[test]
fn an_automatic_log_of_somebody_s_is_read_among_everybody_s_files() {
    let room = Room::new();
    room.mode("auto", 0o1777);
    let config = Config::new(&room).program(
        "p",
        "/bin/sh -c \"echo out; exec sleep 100000\"",
        "stdout_logfile_owner=nobody",
    );
    let daemon = start(&room, &config);
    daemon.wait_running("p");
    wait_for("the line over RPC", || {
        let all = ["p".into(), 0.into(), 0.into()];
        daemon
            .client
            .call("supervisor.readProcessStdoutLog", &all)
            .is_ok_and(|text| text.str() == "out\n")
    });
}
