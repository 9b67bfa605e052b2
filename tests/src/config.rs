//! Writing configurations.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::room::Room;

/// A user for a broker alone, so that the few spare ones are left to tests that need one found.
pub fn broker_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(64) % 1024;
    62_000 + own + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A configuration whose files all lie in a room.
#[derive(Debug, Clone)]
pub struct Config {
    dir: PathBuf,
    daemon: String,
    sections: String,
}

impl Config {
    /// One unix socket, an activity log, a pidfile, a directory for AUTO logs, no programs.
    pub fn new(room: &Room) -> Config {
        Config::named(room, "supervisord")
    }

    /// The same with another stem for socket, log and pidfile, for a second daemon in the room.
    pub fn named(room: &Room, stem: &str) -> Config {
        let dir = room.dir().to_owned();
        let at = |ext: &str| format!("{}/{stem}.{ext}", dir.display());
        let socket = at("sock");
        let daemon = format!(
            "[supervisord]\nlogfile={}\npidfile={}\nchildlogdir={}/auto\n",
            at("log"),
            at("pid"),
            dir.display()
        );
        let sections = format!(
            "[unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        );
        Config { dir, daemon, sections }
    }

    /// Adds a line to `[supervisord]`.
    pub fn daemon(mut self, line: &str) -> Config {
        self.daemon.push_str(line);
        self.daemon.push('\n');
        self
    }

    /// Adds any text after the other sections.
    pub fn section(mut self, text: &str) -> Config {
        self.sections.push_str(text);
        self.sections.push('\n');
        self
    }

    /// Adds a program; `lines` are further keys.
    pub fn program(mut self, name: &str, command: &str, lines: &str) -> Config {
        let _ = writeln!(self.sections, "[program:{name}]\ncommand={command}\n{lines}");
        self
    }

    /// Who may connect to the unix socket.
    pub fn with_socket_mode(mut self, mode: &str) -> Config {
        self.sections = self.sections.replacen(".sock\n", &format!(".sock\nchmod={mode}\n"), 1);
        self
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        format!("{}{}", self.daemon, self.sections)
    }

    /// Writes it to `supervisord.conf` in the room.
    pub fn write(&self, room: &Room) -> PathBuf {
        self.write_as(room, "supervisord.conf")
    }

    /// Writes it under another name.
    pub fn write_as(&self, room: &Room, name: &str) -> PathBuf {
        room.file(name, &self.text())
    }

    /// The directory of all its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
