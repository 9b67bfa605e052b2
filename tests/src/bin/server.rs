//! A program that serves the socket that is its standard input. Each connection is answered with its process id, a
//! space and its WORD, and closed.
//!
//! `server plain WORD`           ends as any program does
//! `server graceful LATE WORD`   begins LATE ms after its start; at SIGTERM it finishes what it has accepted and exits 0
#![forbid(unsafe_code)]

use std::io::stdin;
use std::os::fd::AsFd;
use std::process::exit;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::socket::{MsgFlags, Shutdown, accept, send, shutdown};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["plain", word] => loop {
            answer(word);
        },
        ["graceful", late, word] => graceful(late.parse().unwrap_or(0), word),
        _ => exit(64),
    }
}

fn graceful(late: u64, word: &str) {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    let Some(signals) = term.thread_block().ok().and_then(|()| SignalFd::new(&term).ok()) else {
        exit(71);
    };
    std::thread::sleep(Duration::from_millis(late));
    let input = stdin();
    loop {
        let mut fds =
            [&signals.as_fd(), &input.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
        if poll(&mut fds, PollTimeout::NONE).is_err() {
            exit(71);
        }
        let ready = fds.map(|fd| fd.any() == Some(true));
        match ready {
            [true, _] => exit(0),
            [_, true] => answer(word),
            _ => {}
        }
    }
}

fn answer(word: &str) {
    let Ok(client) = accept(0) else {
        exit(74);
    };
    let text = format!("{} {word}", std::process::id());
    let _ = send(client, text.as_bytes(), MsgFlags::MSG_NOSIGNAL);
    let _ = shutdown(client, Shutdown::Both);
    let _ = nix::unistd::close(client);
}
