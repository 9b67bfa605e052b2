//! Helpers overwritten on disk while the daemon runs: it stays one build.

use std::fs;
use std::path::Path;

use system_tests::dist::Dist;
use system_tests::{Config, Launch, Room, procfs};

#[test]
fn a_killed_broker_comes_back_as_the_old_build() {
    let room = Room::new();
    let dist = Dist::hooks().copy(&room);
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let mut daemon = Launch::new(&room, dist.supervisord()).config(&config.write(&room)).ready();
    let p = daemon.wait_running("p");
    let build = procfs::Status::of(daemon.broker()).text("Name").to_owned();
    // install(1) unlinks, package managers rename: either way the name leads elsewhere.
    dist.replace("supervisor-broker", Path::new("/bin/false"));
    daemon.replace_broker();
    fs::remove_file(dist.helper("supervisor-broker")).expect("the new build");
    fs::write(dist.helper("supervisor-broker"), "#!/bin/false\n").expect("a third build");
    for _ in 0..3 {
        let broker = daemon.replace_broker();
        assert_eq!(procfs::Status::of(broker).text("Name"), build);
        assert_eq!(daemon.program("p"), p);
    }
    assert_eq!(daemon.stop(), 0);
}
