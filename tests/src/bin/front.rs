//! A web server that binds its port itself, as one does that is started as root.
//!
//! `front ADDRESS:PORT`   answers every connection with its process id and user; a line on standard output for each. HUP
//!                        reads nothing afresh, but says so; TERM and QUIT end it
//! `front deaf ADDRESS:PORT`   the same, and no signal but KILL ends it
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::exit;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::unistd::geteuid;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [address] => serve(address, false),
        ["deaf", address] => serve(address, true),
        _ => exit(64),
    }
}

fn serve(address: &str, deaf: bool) {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGUSR1] {
        set.add(signal);
    }
    let Some(mut signals) = set.thread_block().ok().and_then(|()| SignalFd::new(&set).ok()) else {
        exit(71);
    };
    let listener = TcpListener::bind(address).unwrap_or_else(|e| {
        eprintln!("front: cannot listen on {address}: {e}");
        exit(69)
    });
    println!("front: listening on {address} as user {}", geteuid());
    loop {
        let mut fds =
            [&signals.as_fd(), &listener.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
        if poll(&mut fds, PollTimeout::NONE).is_err() {
            exit(71);
        }
        match fds.map(|fd| fd.any() == Some(true)) {
            [true, _] => heed(&mut signals, deaf),
            [_, true] => listener.accept().map_or((), |(client, _)| answer(client)),
            _ => {}
        }
    }
}

fn heed(signals: &mut SignalFd, deaf: bool) {
    let Ok(Some(told)) = signals.read_signal() else {
        exit(71);
    };
    let number = i32::try_from(told.ssi_signo).unwrap_or(0);
    match Signal::try_from(number) {
        Ok(Signal::SIGHUP) => println!("front: HUP"),
        Ok(Signal::SIGUSR1) => println!("front: USR1"),
        _ if deaf => println!("front: no"),
        _ => {
            println!("front: bye");
            exit(0)
        }
    }
}

fn answer(mut client: TcpStream) {
    let _ = client.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = client.read(&mut [0; 4096]);
    let text = format!("{} {}\n", std::process::id(), geteuid());
    let _ = write!(client, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    println!("front: answered");
}
