//! The client: what it does beyond Supervisor's, and at a terminal: the shell, its completion and history, questions,
//! `fg`; and what other shells complete, each part on a daemon of ours and on one of the reference.

mod beyond;
mod client;
mod completion;
mod documents;
mod logs;
mod rights;
mod shell;
mod terminal;

use system_tests::dist::{Dist, reference};
use system_tests::{Config, Daemon, Launch, Room};

/// A daemon to speak to, and where.
pub struct Place {
    // Ended before the room is.
    pub daemon: Daemon,
    pub config: String,
    pub room: Room,
}

/// The programs that the tests know: `cat` alone, and `web`, a group of two.
fn programs(room: &Room) -> Config {
    let log = |name: &str| format!("stdout_logfile={}", room.text(name));
    Config::new(room)
        .daemon(&format!("broker_user={}", system_tests::config::broker_user()))
        .program("cat", "/bin/cat", &log("cat.out"))
        .program(
            "web",
            "/bin/sleep 100000",
            "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d\n",
        )
        .program(
            "stubborn",
            "/bin/sleep 100000",
            // Which it does not heed.
            "autostart=false\nstartsecs=0\nstopsignal=WINCH\nstopwaitsecs=100000\n",
        )
}

/// Both daemons, one after the other, each with this configuration.
pub fn each(configure: impl Fn(Config) -> Config, test: impl Fn(&Place)) {
    for binary in [Dist::plain().supervisord(), reference("supervisord")] {
        let room = Room::new();
        let config = configure(programs(&room)).write(&room);
        let daemon = Launch::new(&room, binary).config(&config).ready();
        for name in ["cat", "web:web_0", "web:web_1"] {
            daemon.wait_running(name);
        }
        test(&Place { daemon, config: config.display().to_string(), room });
    }
}
