//! The other end of a unix socket, as whoever runs this.
//!
//! `peer SOCKET`   connects, sends all of its standard input, prints all that is answered
//! `peer heir SOCKET REQUEST GO`   connects and ends; its child, which has the connection, sends the file REQUEST once
//!                 the file GO is there, and prints all that is answered
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write, copy, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::time::{Duration, Instant};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [socket] => ask(socket),
        ["heir", socket, request, go] => leave(socket, request, go),
        ["inherited", request, go] => inherited(request, Path::new(go)),
        _ => exit(64),
    }
}

fn connect(socket: &str) -> UnixStream {
    UnixStream::connect(socket).unwrap_or_else(|e| {
        eprintln!("peer: cannot connect to {socket}: {e}");
        exit(69)
    })
}

fn fail(what: &str) -> ! {
    eprintln!("peer: {what}");
    exit(74)
}

fn ask(socket: &str) {
    let stream = connect(socket);
    let mut request = Vec::new();
    let Ok(mut sender) = stream.try_clone() else { fail("no descriptor") };
    if stdin().read_to_end(&mut request).is_err() {
        fail("no request");
    }
    // Who is refused before all is sent has an answer all the same.
    let sending = std::thread::spawn(move || sender.write_all(&request));
    tell(stream);
    let _ = sending.join();
}

fn tell(mut stream: UnixStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = copy(&mut stream, &mut stdout());
    let _ = stdout().flush();
}

fn leave(socket: &str, request: &str, go: &str) {
    let stream = OwnedFd::from(connect(socket));
    let Ok(own) = std::env::current_exe() else { fail("no name") };
    let child =
        Command::new(own).args(["inherited", request, go]).stdin(Stdio::from(stream)).spawn();
    if child.is_err() {
        fail("no child");
    }
}

fn inherited(request: &str, go: &Path) {
    let Ok(stream) = stdin().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        fail("no connection")
    };
    let end = Instant::now() + Duration::from_secs(60);
    while !go.exists() {
        if Instant::now() > end {
            fail("nobody says go");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let Ok(bytes) = fs::read(request) else { fail("no request") };
    if (&stream).write_all(&bytes).is_err() {
        fail("nobody takes the request");
    }
    tell(stream);
}
