//! A daemon that speaks TLS, its authority, and the clients that people have.

use std::fs;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use system_tests::config::broker_user;
use system_tests::pki::{Authority, Pair};
use system_tests::{Config, Daemon, Dist, Launch, Room, net, wait_for};

/// Not from the environment of whoever runs the tests.
pub const PYTHON: &str = "/usr/bin/python3";
/// The port of every server here; each has an address of its own.
pub const PORT: u16 = 9_001;
/// Ends a client that hangs.
const PATIENCE: &str = "90";

/// What is there before the daemon is.
pub struct Ground {
    pub room: Room,
    pub address: Ipv4Addr,
    pub authority: Authority,
    /// The server's own certificate.
    pub server: Pair,
}

impl Ground {
    /// An authority, and a certificate for the address that the server will have.
    pub fn new() -> Ground {
        let (room, address) = (Room::new(), net::address());
        let authority = Authority::new(&room, "authority");
        let server = authority.server(&format!("DNS:localhost,IP:{address}"));
        Ground { room, address, authority, server }
    }

    /// The daemon with one TLS server, which has these lines more, and what `more` adds. Nothing is recorded unless it
    /// says so.
    pub fn start(self, lines: &str, more: impl FnOnce(&Ground, Config) -> Config) -> Site {
        let config = self.write(lines, more);
        let daemon = Launch::new(&self.room, Dist::plain().supervisord()).config(&config).ready();
        Site { daemon, config, ground: self }
    }

    /// The configuration alone.
    pub fn write(&self, lines: &str, more: impl FnOnce(&Ground, Config) -> Config) -> PathBuf {
        let base = Config::new(&self.room)
            .daemon(&format!("broker_user={}", broker_user()))
            .section(&format!("[inet_http_server]\nport={}:{PORT}\n{}", self.address, self.tls()))
            .section(lines);
        let config = more(self, base);
        let text = config.text();
        let config = if text.contains("audit_logfile") {
            config
        } else {
            config.daemon("audit_logfile=none")
        };
        config.write(&self.room)
    }

    fn tls(&self) -> String {
        format!("tls_cert={}\ntls_key={}", self.server.cert.display(), self.server.key.display())
    }

    /// `https://ADDRESS:PORT`
    pub fn url(&self) -> String {
        format!("https://{}:{PORT}", self.address)
    }

    /// `ADDRESS:PORT`
    pub fn place(&self) -> String {
        format!("{}:{PORT}", self.address)
    }

    /// The line that has clients show certificates of the authority.
    pub fn asks(&self, how: &str) -> String {
        format!("tls_client_ca={}\ntls_client_auth={how}", self.authority.cert().display())
    }

    /// curl on a path of the server, silent but for its complaints, without any authority of its own.
    pub fn curl(&self, path: &str, args: &[&str]) -> Said {
        let mut command = patient("curl");
        command.args(["-q", "-sS", "--max-time", "60"]).args(args);
        said(command.arg(format!("{}{path}", self.url())))
    }

    /// The same with the authority.
    pub fn curl_knowing(&self, path: &str, args: &[&str]) -> Said {
        let authority = self.authority.cert();
        self.curl(path, &[&["--cacert", &text(&authority)], args].concat())
    }

    /// `openssl s_client`, which asks for the page that needs no password.
    pub fn s_client(&self, args: &[&str]) -> Said {
        let mut command = patient("openssl");
        command.args(["s_client", "-connect", &self.place(), "-verify_return_error"]);
        command.arg("-CAfile").arg(self.authority.cert());
        command.args(["-ign_eof"]).args(args);
        feed(&mut command, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    }

    /// The client, told of nothing but these arguments.
    pub fn bare_ctl(&self, args: &[&str]) -> Said {
        said(patient(&text(&Dist::plain().supervisorctl())).args(args))
    }

    /// The client on the TLS server, with the authority.
    pub fn ctl(&self, args: &[&str]) -> Said {
        let authority = text(&self.authority.cert());
        self.bare_ctl(&[&["-s", &self.url(), "--cacert", &authority], args].concat())
    }

    /// The same with a certificate.
    pub fn ctl_as(&self, who: &Pair, args: &[&str]) -> Said {
        let (cert, key) = (text(&who.cert), text(&who.key));
        self.ctl(&[&["--cert", &cert, "--key", &key], args].concat())
    }

    /// A script of Python: what it prints. Its arguments are the URL, the authority, and these.
    pub fn python(&self, script: &str, args: &[&str]) -> Said {
        let mut command = patient(PYTHON);
        command.args(["-c", script, &self.url()]).arg(self.authority.cert());
        said(command.args(args))
    }
}

/// A daemon on its ground.
pub struct Site {
    pub daemon: Daemon,
    pub config: PathBuf,
    pub ground: Ground,
}

impl Deref for Site {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.daemon.leave();
    }
}

impl Site {
    /// The client as the daemon's own user over the unix socket.
    pub fn root(&self, args: &[&str]) -> Said {
        self.bare_ctl(&[&["-c", &text(&self.config)], args].concat())
    }

    /// Reads the configuration again.
    pub fn reread(&self) -> Said {
        self.root(&["reread"])
    }

    /// Changes the configuration and reads it again.
    pub fn change(&self, from: &str, to: &str) {
        let before = fs::read_to_string(&self.config).expect("a configuration");
        assert!(before.contains(from), "{from:?} is not in:\n{before}");
        fs::write(&self.config, before.replace(from, to)).expect("a configuration");
        let said = self.reread();
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// Waits for a line of the activity log that has all these words.
    pub fn told(&self, words: &[&str]) {
        wait_for(&format!("a line of the log with {words:?}"), || {
            has_line(&self.daemon.activity(), words)
        });
    }
}

/// Whether one line has all these words, in any case.
pub fn has_line(log: &str, words: &[&str]) -> bool {
    log.lines().any(|line| has_words(line, words))
}

/// Whether the text has all these words, in any case.
pub fn has_words(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(&word.to_lowercase()))
}

/// How a command ended and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Fails the test unless it ended well.
    pub fn well(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.out
    }

    /// Fails the test unless it failed and what it said has all these words, in any case.
    pub fn refused(&self, words: &[&str]) {
        assert!(self.code > 0 && self.code != 124, "{self:?}");
        assert!(has_words(&self.all(), words), "not all of {words:?}: {self:?}");
    }
}

/// A command that is ended when it hangs, in a directory and an environment that say nothing.
pub fn patient(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(program).current_dir("/").stdin(Stdio::null()).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/nonexistent");
    command.env("LANG", "C.UTF-8");
    command
}

/// Runs a command.
pub fn said(command: &mut Command) -> Said {
    Said::of(&command.output().expect("this test needs this command"))
}

/// Runs a command on an input that stays open until the command ends.
pub fn feed(command: &mut Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("this test needs this command");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end before it has read all.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    let output = child.wait_with_output().expect("the end of a command");
    drop(stdin);
    Said::of(&output)
}

/// The hash of a password, as `supervisorctl passwd` makes it.
pub fn hashed(room: &Room, password: &str) -> String {
    let client = Dist::plain().supervisorctl();
    let mut command = patient(&text(&client));
    command.args(["passwd", "--stdin", "--hash"]).current_dir(room.dir());
    let said = feed(&mut command, &format!("{password}\n"));
    said.well().trim().to_owned()
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}
