//! The states of a process: the reference's numbers and names.

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started yet, or stopped by request.
    Stopped,
    /// Started, and not yet up for `startsecs`.
    Starting,
    /// Up.
    Running,
    /// Failed to start; it is tried again.
    Backoff,
    /// Told to stop, not yet gone.
    Stopping,
    /// Ended by itself.
    Exited,
    /// Failed to start too often.
    Fatal,
    /// A signal to it was refused.
    Unknown,
}

impl State {
    /// All states.
    pub const ALL: [State; 8] = [
        State::Stopped,
        State::Starting,
        State::Running,
        State::Backoff,
        State::Stopping,
        State::Exited,
        State::Fatal,
        State::Unknown,
    ];

    /// The number that RPC shows.
    pub const fn code(self) -> i32 {
        match self {
            State::Stopped => 0,
            State::Starting => 10,
            State::Running => 20,
            State::Backoff => 30,
            State::Stopping => 40,
            State::Exited => 100,
            State::Fatal => 200,
            State::Unknown => 1000,
        }
    }

    /// The name that RPC shows.
    pub const fn name(self) -> &'static str {
        match self {
            State::Stopped => "STOPPED",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            State::Backoff => "BACKOFF",
            State::Stopping => "STOPPING",
            State::Exited => "EXITED",
            State::Fatal => "FATAL",
            State::Unknown => "UNKNOWN",
        }
    }

    /// Whether there is nothing to wait for at shutdown.
    pub const fn is_stopped(self) -> bool {
        matches!(self, State::Stopped | State::Exited | State::Fatal | State::Unknown)
    }

    /// Whether a start is refused and a stop is possible.
    pub const fn is_running(self) -> bool {
        matches!(self, State::Starting | State::Running | State::Backoff)
    }

    /// Whether it can be sent a signal.
    pub const fn is_signallable(self) -> bool {
        matches!(self, State::Starting | State::Running | State::Stopping)
    }
}
