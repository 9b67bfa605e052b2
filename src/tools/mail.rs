//! Mail by way of a sendmail command.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

use crate::config::text;

/// The command that is used where none is given.
pub const SENDMAIL: &str = "/usr/sbin/sendmail -t -i";

/// A mail's text: two header lines and the body.
pub fn compose(to: &str, subject: &str, body: &str) -> String {
    format!("To: {}\nSubject: {}\n\n{body}", one_line(to), one_line(subject))
}

/// A header is a line: what would begin another one is a blank.
pub fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Gives a mail to a command of the shell. What the command prints goes to standard error: standard output is for the
/// daemon. The error says what became of the command.
pub fn send(command: &str, mail: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot run {command}: {error}");
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(OsString::from_vec(text::bytes(command)))
        .stdin(Stdio::piped())
        .stdout(io::stderr())
        .spawn()
        .map_err(failed)?;
    let written = match child.stdin.take() {
        Some(mut input) => input.write_all(&text::bytes(mail)),
        None => Ok(()),
    };
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(format!("{command} failed, {status}"));
    }
    written.map_err(|error| format!("{command} did not read all of the mail: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails() {
        assert_eq!(compose("a@b", "s", "x\ny"), "To: a@b\nSubject: s\n\nx\ny");
        assert_eq!(compose("a", "s\nBcc: z", ""), "To: a\nSubject: s Bcc: z\n\n");
    }

    #[test]
    fn commands() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mail");
        let command = format!("cat >{}; echo sent", file.display());
        assert_eq!(send(&command, "To: ä\n"), Ok(()));
        assert_eq!(std::fs::read_to_string(file).unwrap(), "To: ä\n");
        assert_eq!(send("exit 3", "x"), Err("exit 3 failed, exit status: 3".to_owned()));
        assert!(send("/nowhere/sendmail 2>/dev/null", "x").unwrap_err().contains("127"));
    }
}
