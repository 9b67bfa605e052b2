//! Ctrl-C. A thread waits for the signal: whoever listens is told through a descriptor; where nobody does it ends the
//! program.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::pipe2;

/// Exit status of a program that an interrupt ends, as shells give it.
const INTERRUPTED: u8 = 130;

/// Who is told, and the exit status where nobody is.
static STATE: Mutex<State> =
    Mutex::new(State { listener: None, exit: INTERRUPTED, terminal: None });
static WATCH: Once = Once::new();

struct State {
    listener: Option<OwnedFd>,
    exit: u8,
    /// The terminal as it was, which whoever reads from it may have changed.
    terminal: Option<Termios>,
}

fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
    act(&mut STATE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Holds the signal back in this thread and those it starts, and starts the thread that waits for it.
fn watch() {
    WATCH.call_once(|| {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGINT);
        if mask.thread_block().is_ok() {
            std::thread::spawn(move || {
                while mask.wait().is_ok() {
                    with(tell);
                }
            });
        }
    });
}

fn tell(state: &mut State) {
    match &state.listener {
        // A full pipe has told it already.
        Some(listener) => drop(nix::unistd::write(listener, b"!")),
        None => {
            if let Some(terminal) = &state.terminal
                && tcsetattr(io::stdin(), SetArg::TCSANOW, terminal).is_err()
                && let Ok(tty) = File::open("/dev/tty")
            {
                let _ = tcsetattr(&tty, SetArg::TCSANOW, terminal);
            }
            end_line();
            std::process::exit(i32::from(state.exit));
        }
    }
}

/// Ends the line, if somebody reads it: whoever writes may hold the lock of standard output and wait for room.
fn end_line() {
    let out = io::stdout();
    let mut ready = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
        let _ = nix::unistd::write(&out, b"\n");
    }
}

/// From now on an interrupt that nobody listens for is an orderly end: a line end, and exit status 0.
pub fn end_in_order() {
    with(|state| {
        state.exit = 0;
        state.terminal = tcgetattr(io::stdin()).ok();
    });
    watch();
}

/// From now on an interrupt that nobody listens for leaves the terminal as it was.
pub fn keep_terminal(terminal: &Termios) {
    with(|state| state.terminal = Some(terminal.clone()));
    watch();
}

/// Who is told of interrupts while it lives. One at a time.
pub struct Listener(OwnedFd);

/// Listens for interrupts.
pub fn listen() -> io::Result<Listener> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    with(|state| state.listener = Some(write));
    watch();
    Ok(Listener(read))
}

impl Listener {
    /// Whether there was an interrupt since the last look. The descriptor can be polled for one.
    pub fn take(&self) -> bool {
        let mut buffer = [0; 64];
        nix::unistd::read(&self.0, &mut buffer).is_ok_and(|count| count > 0)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        with(|state| state.listener = None);
    }
}
