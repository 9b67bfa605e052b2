//! TLS: pages whose certificate is anybody's, and mail that is sent to nobody else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use system_tests::Room;

use crate::both;
use crate::drive::{Drive, Run, exited, undated};
use crate::fake::{Daemon, Process};

const TICK: (&str, &str) = ("TICK_60", "when:1700000000");

struct Servers {
    child: Child,
    web: u16,
    mail: u16,
    mails: PathBuf,
}

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(name)
}

impl Servers {
    fn new(room: &Room) -> Servers {
        let mails = room.path("told");
        let mut child = Command::new("/usr/bin/python3")
            .arg(beside("tls_server.py"))
            .args([beside("tls_certificate.pem"), beside("tls_key.pem"), mails.clone()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("two ports");
        let mut ports = line.split_whitespace().map(|port| port.parse().expect("a port"));
        let (web, mail) = (ports.next().expect("a port"), ports.next().expect("a port"));
        Servers { child, web, mail, mails }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pages() {
    let room = Room::new();
    let servers = Servers::new(&room);
    for (path, calls) in [("good", 0), ("bad", 2)] {
        let url = format!("https://localhost:{}/{path}", servers.web);
        let runs = both("httpok").map(|program| {
            let process = Process { name: "cat", group: "cat", state: 20, pid: 7 };
            let daemon = Daemon::new(&room, &[process]);
            let run = Drive::new(&room, &program, &daemon.url, &["-p", "cat", &url]).run(&[TICK]);
            (run, daemon.take())
        });
        let [ours, theirs] = runs;
        assert_eq!((ours.0.answered, ours.1.len()), (1, calls), "{ours:?}");
        // Python has had no `ssl.wrap_socket` since 3.12: there it is always an error.
        if theirs.1.len() == calls {
            assert_eq!(ours, theirs);
        }
    }
}

fn mail(
    room: &Room,
    program: &Path,
    servers: &Servers,
    args: &[&str],
    trusted: bool,
) -> (Run, String) {
    let _ = fs::remove_file(&servers.mails);
    let crash = exited("cat", "pets", 0);
    let host = format!("-Hlocalhost:{}", servers.mail);
    let args = [&["-t", "a@b", "-f", "me@b", "--tls", &host], args].concat();
    let mut drive = Drive::new(room, program, "unix:///nowhere", &args);
    if trusted {
        let file = beside("tls_certificate.pem").display().to_string();
        drive.env.push(("SSL_CERT_FILE".to_owned(), file));
    }
    let run = drive.run(&[("PROCESS_STATE_EXITED", crash.as_str()), TICK]);
    let told = undated(&fs::read_to_string(&servers.mails).unwrap_or_default());
    let told =
        told.lines().filter(|line| !line.starts_with("Date:") && !line.starts_with("Message-ID:"));
    // Commands look as they like, and the size of a mail may be told with them.
    let told = told.map(|line| line.to_lowercase());
    let told = told.map(|line| line.split(" size=").next().unwrap_or_default().to_owned());
    (run, told.collect::<Vec<_>>().join("\n"))
}

#[test]
fn mails() {
    let room = Room::new();
    let servers = Servers::new(&room);
    let login = ["-u", "me", "-p", "secret"];
    let [ours, theirs] = both("crashmailbatch");
    let told = mail(&room, &ours, &servers, &login, true);
    assert!(told.1.starts_with("auth plain ag1lahnly3jlda=="), "{told:?}");
    assert_eq!(told, mail(&room, &theirs, &servers, &login, true));
    // Without a login it is encrypted all the same.
    assert!(mail(&room, &ours, &servers, &[], true).1.contains("rcpt to:<a@b>"));
    assert_eq!(mail(&room, &theirs, &servers, &[], true).1, "");
}

#[test]
fn no_password_for_a_stranger() {
    let room = Room::new();
    let servers = Servers::new(&room);
    let login = ["-u", "me", "-p", "secret"];
    let [ours, theirs] = both("crashmailbatch");
    let (run, told) = mail(&room, &ours, &servers, &login, false);
    assert_eq!(told, "");
    assert!(
        run.said.contains("Error sending email: ") && run.said.contains("certificate"),
        "{run:?}"
    );
    assert!(mail(&room, &theirs, &servers, &login, false).1.starts_with("auth plain "));
}
