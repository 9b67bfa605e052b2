//! The pipe for what is on its way to a listener: it outlives the broker, and no program has it.

use std::fs;

use system_tests::dist::{self, Dist};
use system_tests::{Config, Launch, Room, poll_until, procfs};

#[test]
fn what_is_staged_outlives_the_broker_and_no_program_has_the_pipe() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    dist.replace("supervisor-broker", &dist::helper("staging-broker"));
    let runs = "dist/libexec/supervisor/runs";
    room.directory(runs);
    room.mode(runs, 0o777);
    let lines = "user=nobody\nautostart=false\nstdout_logfile=NONE\nstderr_logfile=NONE";
    let config = Config::new(&room)
        .section(&format!("[eventlistener:canary]\ncommand=/bin/cat\nevents=TICK_60\n{lines}"))
        .program("other", "/bin/sleep 100000", lines);
    let mut daemon =
        Launch::new(&room, dist.supervisord()).args(&["-n"]).config(&config.write(&room)).start();
    let read = |name: &str| fs::read_to_string(room.path(runs).join(name)).unwrap_or_default();
    let broker: i32 = poll_until("the third broker to have done its part", || {
        assert_eq!(read("breach"), "");
        read("staying").parse().ok()
    });
    assert_eq!(read("count"), "...");

    // A pipe of which the spawner has both ends: that of the one instance which runs.
    let mut own: Vec<_> = procfs::descriptors(daemon.pid).into_values().collect();
    own.retain(|path| path.to_string_lossy().starts_with("pipe:"));
    own.sort();
    let both: Vec<_> = own.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert_eq!(both.len(), 1, "{own:?}");
    let mut programs = procfs::children(daemon.pid);
    programs.retain(|pid| *pid != broker);
    assert_eq!(programs.len(), 2);
    for pid in programs {
        let theirs = procfs::descriptors(pid);
        assert_eq!(theirs.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "{theirs:?}");
        assert!(theirs.values().all(|path| *path != both[0][0]));
    }
    assert_eq!(daemon.stop(), 0);
}
