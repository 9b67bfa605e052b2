//! Texts that scripts parse: exits, signals, start errors. To the letter the reference's.

use nix::errno::Errno;
use privsep::reply::{Failure, Stage};

/// The status number of a wait status (−1 for anything but an exit) and what the log says of it.
pub fn exit(status: i32) -> (i32, String) {
    let signo = status & 0x7f;
    match signo {
        0 => {
            let code = (status >> 8) & 0xff;
            (code, format!("exit status {code}"))
        }
        0x7f => (-1, format!("unknown termination cause 0x{:04x}", status.cast_unsigned())),
        _ => {
            let core = if status & 0x80 == 0 { "" } else { " (core dumped)" };
            (-1, format!("terminated by {}{core}", signal(signo)))
        }
    }
}

/// Names of the signals 1 to 31, as the reference prints them on Linux.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGPOLL",
    "SIGPWR",
    "SIGSYS",
];
/// Names that mean the same as one above.
const ALIASES: [(&str, u8); 5] =
    [("SIGIOT", 6), ("SIGCLD", 17), ("SIGIO", 29), ("SIGRTMIN", 34), ("SIGRTMAX", 64)];

/// A signal's name, or `signal N`.
pub fn signal(signo: i32) -> String {
    let named = || {
        let at = usize::try_from(signo).ok()?.checked_sub(1)?;
        SIGNALS.get(at).copied()
    };
    match (signo, named()) {
        (_, Some(name)) => name.to_owned(),
        (34, _) => "SIGRTMIN".to_owned(),
        (64, _) => "SIGRTMAX".to_owned(),
        _ => format!("signal {signo}"),
    }
}

/// The number of a signal given by number or by name, with or without `SIG`, in any case. 0 is one, as in the
/// reference; numbers without a name are not.
pub fn signal_number(text: &str) -> Option<u8> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return u8::try_from(number).ok().filter(|n| matches!(n, 0..=31 | 34 | 64));
    }
    let mut name = text.to_uppercase();
    if !name.starts_with("SIG") {
        name.insert_str(0, "SIG");
    }
    let plain = (1u8..).zip(SIGNALS).map(|(n, name)| (name, n));
    plain.chain(ALIASES).find(|(known, _)| *known == name).map(|(_, n)| n)
}

/// An error number's name, or the number where it has none.
pub fn errno(number: i32) -> String {
    match Errno::from_raw(number) {
        Errno::UnknownErrno => number.to_string(),
        known => format!("{known:?}"),
    }
}

/// Whether a failure to find the executable means that there is none.
pub fn is_missing(failure: Failure) -> bool {
    !matches!(
        Errno::from_raw(failure.errno),
        Errno::EISDIR | Errno::ENOEXEC | Errno::EACCES | Errno::EPERM
    )
}

/// Why an executable cannot be started. `word` is the command's first word, quoted.
pub fn find(failure: Failure, word: &str) -> String {
    match Errno::from_raw(failure.errno) {
        Errno::EISDIR => format!("command at {word} is a directory"),
        Errno::ENOEXEC => format!("command at {word} is not executable"),
        Errno::EACCES | Errno::EPERM => format!("no permission to run command {word}"),
        _ => format!("can't find command {word}"),
    }
}

/// Why no process could be made. `word` is the command's first word, quoted.
pub fn spawn_error(failure: Failure, name: &str, word: &str) -> String {
    match (failure.stage, Errno::from_raw(failure.errno)) {
        (Stage::Find, _) => find(failure, word),
        (Stage::Pipes, Errno::EMFILE) => format!("too many open files to spawn '{name}'"),
        (Stage::Pipes, _) => {
            format!("unknown error making dispatchers for '{name}': {}", errno(failure.errno))
        }
        (Stage::Socket, _) => {
            format!("could not create a socket of '{name}': {}", errno(failure.errno))
        }
        (_, Errno::EAGAIN) => {
            format!("Too many processes in process table to spawn '{name}'")
        }
        _ => format!("unknown error during fork for '{name}': {}", errno(failure.errno)),
    }
}

/// The first word of a command by the shell's rules, or the command itself where it has none.
pub fn first_word(command: &str) -> String {
    let mut word = String::new();
    let mut chars = command.trim_start_matches([' ', '\t', '\r', '\n']).chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ' | '\t' | '\r' | '\n') => break,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '\\') => word.extend(chars.next()),
            // Between double quotes a backslash hides a quote or a backslash and is itself otherwise.
            (Some('"'), '\\') => match chars.next() {
                Some(hidden @ ('"' | '\\')) => word.push(hidden),
                Some(other) => word.extend(['\\', other]),
                None => word.push('\\'),
            },
            _ => word.push(c),
        }
    }
    word
}

/// A text in quotes as Python writes it, which the reference's messages carry.
pub fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == quote => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_read_as_the_reference_has_them() {
        assert_eq!(exit(0), (0, "exit status 0".into()));
        assert_eq!(exit(0x7f00), (127, "exit status 127".into()));
        assert_eq!(exit(9), (-1, "terminated by SIGKILL".into()));
        assert_eq!(exit(0x8b), (-1, "terminated by SIGSEGV (core dumped)".into()));
        assert_eq!(exit(35), (-1, "terminated by signal 35".into()));
        assert_eq!(exit(64), (-1, "terminated by SIGRTMAX".into()));
        assert_eq!(exit(0x137f), (-1, "unknown termination cause 0x137f".into()));
        for status in [i32::MIN, -1, i32::MAX] {
            exit(status);
        }
    }

    #[test]
    fn signals_by_name_and_number() {
        for (text, n) in [
            ("HUP", 1),
            ("sighup", 1),
            (" 15 ", 15),
            ("SIGCLD", 17),
            ("io", 29),
            ("rtmin", 34),
            ("0", 0),
            ("64", 64),
        ] {
            assert_eq!(signal_number(text), Some(n), "{text}");
        }
        for text in ["", "FOO", "-1", "32", "33", "35", "65", "256", "1.5"] {
            assert_eq!(signal_number(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_word_follows_shell_quoting() {
        for (command, word) in [
            ("/bin/cat -n", "/bin/cat"),
            ("  cat", "cat"),
            ("'a b' c", "a b"),
            ("\"a \\\" \\x\"y z", "a \" \\xy"),
            ("a\\ b c", "a b"),
            ("", ""),
            ("\"open", "open"),
        ] {
            assert_eq!(first_word(command), word, "{command}");
        }
    }

    #[test]
    fn quotes_as_python_does() {
        assert_eq!(quoted("a"), "'a'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("'\""), "'\\'\"'");
        assert_eq!(quoted("a\n\\\x01é"), "'a\\n\\\\\\x01é'");
    }

    #[test]
    fn start_errors_have_their_texts() {
        let text = |stage, errno| spawn_error(Failure { stage, errno }, "n", "'w'");
        assert_eq!(text(Stage::Find, 2), "can't find command 'w'");
        assert_eq!(text(Stage::Find, 21), "command at 'w' is a directory");
        assert_eq!(text(Stage::Find, 8), "command at 'w' is not executable");
        assert_eq!(text(Stage::Find, 13), "no permission to run command 'w'");
        assert_eq!(text(Stage::Pipes, 24), "too many open files to spawn 'n'");
        assert_eq!(text(Stage::Pipes, 13), "unknown error making dispatchers for 'n': EACCES");
        let busy = "could not create a socket of 'n': EADDRINUSE";
        assert_eq!(text(Stage::Socket, 98), busy);
        assert_eq!(text(Stage::Fork, 11), "Too many processes in process table to spawn 'n'");
        assert_eq!(text(Stage::Fork, 12), "unknown error during fork for 'n': ENOMEM");
        assert_eq!(text(Stage::Fork, 9999), "unknown error during fork for 'n': 9999");
    }
}
