//! The shell, `fg` and questions.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use system_tests::dist::Dist;

use super::terminal::Terminal;
use super::{Place, each};

const PROMPT: &str = "supervisor> ";

impl Place {
    fn client(&self, args: &[&str], env: &[(&str, &str)]) -> Terminal {
        let args: Vec<&str> = ["-c", &self.config].iter().chain(args).copied().collect();
        Terminal::start(&Dist::plain().supervisorctl(), &args, env)
    }

    /// A shell that waits for its first line.
    fn shell(&self, args: &[&str]) -> Terminal {
        let mut terminal = self.client(args, &[]);
        let status = terminal.expect(PROMPT);
        assert!(status.contains("RUNNING"), "the status is not shown: {status}");
        terminal
    }
}

#[test]
fn the_tab_key_completes_actions_and_names() {
    each(
        |config| config,
        |place| {
            let mut shell = place.shell(&[]);
            let pid = place.daemon.program("cat").to_string();
            shell.send("pi\tca\t\r");
            shell.expect(&format!("{PROMPT}pid cat \n{pid}\n"));
            shell.expect(PROMPT);
            // As far as all of the group have in common; what is typed then completes it.
            shell.send("status w\t*\r");
            shell.expect("web:web_0  ");
            shell.expect("web:web_1  ");
            shell.expect(PROMPT);
            shell.send("sta\t\t");
            shell.expect("start");
            shell.expect("status");
            // Ctrl-U: a line of its own.
            shell.send("\u{15}clear w\t1\u{17}all\r");
            shell.expect("cat: cleared");
            shell.expect(PROMPT);
            shell.send("quit\r");
            assert_eq!(shell.end(), 0);
        },
    );
}

#[test]
fn completion_is_silent_while_the_daemon_is_away() {
    each(
        |config| config,
        |place| {
            let mut shell = place.shell(&[]);
            shell.send("open unix:///nonexistent\r");
            shell.expect("unix:///nonexistent no such file");
            shell.expect(PROMPT);
            shell.send("stop \t\t\tca\t\u{15}version\r");
            let text = shell.expect("no such file");
            assert!(!text.contains("error"), "{text}");
            shell.expect(PROMPT);
            shell.send("\u{4}");
            assert_eq!(shell.end(), 0);
        },
    );
}

#[test]
fn lines_are_remembered_by_the_next_shell() {
    each(
        |config| config,
        |place| {
            let file = place.room.text("history");
            let mut shell = place.shell(&["-r", &file]);
            shell.send("pid cat\r");
            shell.expect(PROMPT);
            shell.send("open http://u:hunter2@127.0.0.1:1\r");
            shell.expect("refused connection");
            shell.expect(PROMPT);
            // Killed: nothing is lost.
            drop(shell);
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
            assert_eq!(fs::read_to_string(&file).unwrap(), "pid cat\n");

            let mut shell = place.shell(&["-r", &file]);
            let pid = place.daemon.program("cat").to_string();
            shell.send("\u{1b}[A\r");
            shell.expect(&format!("pid cat\n{pid}\n"));
            shell.expect(PROMPT);
            shell.send("exit\r");
            assert_eq!(shell.end(), 0);
        },
    );
}

#[test]
fn the_configuration_names_the_history() {
    each(
        |config| config,
        |place| {
            let file = place.room.text("history");
            let text = fs::read_to_string(&place.config).unwrap();
            let with = text.replace(
                "[supervisorctl]\n",
                &format!("[supervisorctl]\nhistory_file={file}\nprompt=here\n"),
            );
            place.room.file("ctl.conf", &with);
            let conf = place.room.text("ctl.conf");
            let ctl = Dist::plain().supervisorctl();
            let mut shell = Terminal::start(&ctl, &["-c", &conf], &[]);
            shell.expect("here> ");
            shell.send("version\r");
            shell.expect("4.3.0\n");
            shell.expect("here> ");
            shell.send("\u{4}");
            assert_eq!(shell.end(), 0);
            assert_eq!(fs::read_to_string(&file).unwrap(), "version\n");
        },
    );
}

#[test]
fn an_interrupt_leaves_the_shell_but_only_ends_what_follows_a_log() {
    each(
        |config| config,
        |place| {
            let mut shell = place.shell(&[]);
            shell.send("\u{3}");
            assert_eq!(shell.end(), 0);

            let mut shell = place.shell(&[]);
            shell.send("tail -f cat\r");
            shell.expect("==> Press Ctrl-C to exit <==");
            shell.send("\u{3}");
            shell.expect(PROMPT);
            // During an action.
            place.daemon.ask("supervisor.startProcess", &["stubborn".into()]);
            shell.send("stop stubborn\r");
            place.daemon.wait_state("stubborn", "STOPPING");
            shell.send("\u{3}");
            assert_eq!(shell.end(), 0);
            assert!(shell.shown().ends_with("^C\n"), "{:?}", shell.shown());
        },
    );
}

#[test]
fn an_action_alone_ends_by_an_interrupt() {
    each(
        |config| config,
        |place| {
            place.daemon.ask("supervisor.startProcess", &["stubborn".into()]);
            let mut client = place.client(&["stop", "stubborn"], &[]);
            place.daemon.wait_state("stubborn", "STOPPING");
            client.send("\u{3}");
            // By the signal, which its parent sees.
            assert_eq!(client.end(), -1);
        },
    );
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let port = free_port();
    each(
        |config| {
            config.section(&format!(
                "[inet_http_server]\nport=127.0.0.1:{port}\nusername=u\npassword=hunter2\n"
            ))
        },
        |place| {
            let file = place.room.text("history");
            let url = format!("http://127.0.0.1:{port}");
            let mut shell = place.client(&["-s", &url, "-r", &file], &[]);
            shell.expect("Server requires authentication\nUsername:");
            shell.send("u\r");
            shell.expect("Password:");
            shell.send("wrong\r");
            shell.expect("Server requires authentication\nUsername:");
            shell.send("u\r");
            shell.expect("Password:");
            shell.send("hunter2\r");
            let status = shell.expect(PROMPT);
            assert!(status.contains("RUNNING"), "{status}");
            shell.send("version\r");
            shell.expect("4.3.0\n");
            shell.expect(PROMPT);
            shell.send("\u{4}");
            assert_eq!(shell.end(), 0);
            assert!(!shell.shown().contains("hunter2"), "{:?}", shell.shown());
            assert_eq!(fs::read_to_string(&file).unwrap(), "version\n");

            // From a file, from the environment, and unseen from the terminal.
            let secret = place.room.text("secret");
            place.room.file("secret", "hunter2\n");
            place.room.mode("secret", 0o600);
            let login = ["-s", &url, "-u", "u"];
            let with = |more: &[&'static str]| -> Vec<String> {
                login.iter().chain(more).map(|word| (*word).to_owned()).collect()
            };
            let version = with(&["version"]);
            let version: Vec<&str> = version.iter().map(String::as_str).collect();
            let mut client = place.client(&version, &[("SUPERVISOR_PASSWORD", "hunter2")]);
            client.expect("4.3.0\n");
            let mut client = place.client(&version, &[("SUPERVISOR_PASSWORD_FILE", &secret)]);
            client.expect("4.3.0\n");
            let asked = with(&["--password-file", "-", "version"]);
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            let mut client = place.client(&asked, &[]);
            client.expect("Password:");
            client.send("hunter2\r");
            client.expect("4.3.0\n");
            assert!(!client.shown().contains("hunter2"), "{:?}", client.shown());
            assert_eq!(client.end(), 0);

            // Interrupted at the question, it leaves a terminal that shows what is typed.
            let mut client = place.client(&["-s", &url, "-i", "version"], &[]);
            client.expect("Username:");
            client.send("u\r");
            client.expect("Password:");
            assert!(!client.echoes());
            client.send("\u{3}");
            assert_eq!(client.end(), 130);
            assert!(client.echoes());
        },
    );
}

fn free_port() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

#[test]
fn in_the_foreground_lines_go_to_the_program_and_its_output_comes_back() {
    each(
        |config| config,
        |place| {
            let mut shell = place.shell(&[]);
            shell.send("fg cat\r");
            shell.expect("==> Press Ctrl-C to exit <==\n");
            for line in ["hello", "gr\u{fc}n", ""] {
                shell.send(&format!("{line}\r"));
                // Once by the terminal, once by the program.
                shell.expect(&format!("{line}\n{line}\n"));
            }
            shell.send("\u{3}");
            shell.expect("Exiting foreground\n");
            shell.expect(PROMPT);
            // Left by the end of input, the shell goes on too.
            shell.send("fg cat\r");
            shell.expect("==> Press Ctrl-C to exit <==\n");
            shell.send("\u{4}");
            shell.expect("Exiting foreground\n");
            shell.expect(PROMPT);
            // A program that ends is noticed without a line being typed.
            shell.send("fg cat\r");
            shell.expect("==> Press Ctrl-C to exit <==\n");
            place.daemon.ask("supervisor.stopProcess", &["cat".into()]);
            shell.expect("Process got killed\nExiting foreground\n");
            shell.expect(PROMPT);
            shell.send("fg cat\r");
            shell.expect("ERROR: process not running\n");
            shell.expect(PROMPT);
            shell.send("quit\r");
            assert_eq!(shell.end(), 0);
        },
    );
}

#[test]
fn fg_as_an_action_is_left_by_an_interrupt_and_shows_what_would_control_the_terminal() {
    each(
        |config| config,
        |place| {
            fs::write(place.room.path("cat.out"), "\u{1b}]0;title\u{7}\n").unwrap();
            let mut client = place.client(&["fg", "cat"], &[]);
            client.expect("==> Press Ctrl-C to exit <==\n");
            client.expect("\\x1b]0;title\\x07\n");
            // Escape, as it is.
            client.send("\u{16}\u{1b}\r");
            client.expect("ERROR: not sent: XML-RPC cannot carry U+001B\n");
            client.send("\u{3}");
            client.expect("Exiting foreground\n");
            assert_eq!(client.end(), 0);
        },
    );
}

#[test]
fn what_a_pipe_says_is_answered_before_fg_ends() {
    each(
        |config| config,
        |place| {
            let mut client = Command::new(Dist::plain().supervisorctl())
                .args(["-c", &place.config, "fg", "cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("cannot start the client");
            let mut stdin = client.stdin.take().expect("a pipe");
            stdin.write_all(b"one\ntwo").expect("cannot write");
            drop(stdin);
            let output = client.wait_with_output().expect("cannot wait");
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text, "==> Press Ctrl-C to exit <==\none\ntwo\nExiting foreground\n");
            assert_eq!(output.status.code(), Some(0));
        },
    );
}

#[test]
fn questions_are_asked_before_the_daemon_is_stopped() {
    each(
        |config| config,
        |place| {
            let mut shell = place.shell(&[]);
            shell.send("reload\r");
            shell.expect("Really restart the remote supervisord process y/N? ");
            shell.send("\r");
            shell.expect(PROMPT);
            shell.send("shutdown\r");
            shell.expect("Really shut the remote supervisord process down y/N? ");
            shell.send("n\r");
            shell.expect(PROMPT);
            assert!(place.daemon.program("cat") > 0);
            shell.send("shutdown\r");
            shell.expect("y/N? ");
            shell.send("y\r");
            shell.expect("Shut down\n");
            shell.expect(PROMPT);
            shell.send("\u{4}");
            assert_eq!(shell.end(), 0);
        },
    );
}
