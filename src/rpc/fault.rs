//! The faults of the interface: the reference's numbers and names.

use std::fmt::{self, Display};

/// What kind of fault an answer is, or what a result structure's `status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// No such method.
    UnknownMethod = 1,
    /// Number or types of the parameters.
    IncorrectParameters = 2,
    /// A parameter's value.
    BadArguments = 3,
    /// No such method to describe.
    SignatureUnsupported = 4,
    /// The daemon is going down.
    ShutdownState = 6,
    /// No such process or group.
    BadName = 10,
    /// No such signal.
    BadSignal = 11,
    /// No log file, or no program file.
    NoFile = 20,
    /// The program file cannot be executed.
    NotExecutable = 21,
    /// Something else failed.
    Failed = 30,
    /// The process left the running states while its start was awaited.
    AbnormalTermination = 40,
    /// The process could not be started.
    SpawnError = 50,
    /// The process runs already.
    AlreadyStarted = 60,
    /// The process does not run.
    NotRunning = 70,
    /// No fault; only in result structures.
    Success = 80,
    /// The group is in force already.
    AlreadyAdded = 90,
    /// A process of the group is not stopped.
    StillRunning = 91,
    /// The configuration cannot be used.
    CantReread = 92,
    /// The caller may see it but not do this to it. Outside of the reference's numbers.
    AccessDenied = 96,
}

impl Code {
    /// All codes, ascending.
    pub const ALL: [Code; 19] = [
        Code::UnknownMethod,
        Code::IncorrectParameters,
        Code::BadArguments,
        Code::SignatureUnsupported,
        Code::ShutdownState,
        Code::BadName,
        Code::BadSignal,
        Code::NoFile,
        Code::NotExecutable,
        Code::Failed,
        Code::AbnormalTermination,
        Code::SpawnError,
        Code::AlreadyStarted,
        Code::NotRunning,
        Code::Success,
        Code::AlreadyAdded,
        Code::StillRunning,
        Code::CantReread,
        Code::AccessDenied,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The code with this number; `None` for numbers of other faults.
    pub fn from_number(number: i64) -> Option<Code> {
        Code::ALL.into_iter().find(|code| i64::from(code.number()) == number)
    }

    /// The reference's name, which fault texts begin with.
    pub const fn name(self) -> &'static str {
        match self {
            Code::UnknownMethod => "UNKNOWN_METHOD",
            Code::IncorrectParameters => "INCORRECT_PARAMETERS",
            Code::BadArguments => "BAD_ARGUMENTS",
            Code::SignatureUnsupported => "SIGNATURE_UNSUPPORTED",
            Code::ShutdownState => "SHUTDOWN_STATE",
            Code::BadName => "BAD_NAME",
            Code::BadSignal => "BAD_SIGNAL",
            Code::NoFile => "NO_FILE",
            Code::NotExecutable => "NOT_EXECUTABLE",
            Code::Failed => "FAILED",
            Code::AbnormalTermination => "ABNORMAL_TERMINATION",
            Code::SpawnError => "SPAWN_ERROR",
            Code::AlreadyStarted => "ALREADY_STARTED",
            Code::NotRunning => "NOT_RUNNING",
            Code::Success => "SUCCESS",
            Code::AlreadyAdded => "ALREADY_ADDED",
            Code::StillRunning => "STILL_RUNNING",
            Code::CantReread => "CANT_REREAD",
            Code::AccessDenied => "ACCESS_DENIED",
        }
    }
}

impl Code {
    /// What it means, in a line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Code::UnknownMethod => "there is no such method",
            Code::IncorrectParameters => {
                "number or types of the parameters, or too much of something"
            }
            Code::BadArguments => "a parameter makes no sense",
            Code::SignatureUnsupported => "there is no such method to describe",
            Code::ShutdownState => "the daemon is going down",
            Code::BadName => "there is no such process or group",
            Code::BadSignal => "there is no such signal",
            Code::NoFile => "there is no log, no program file, or nobody who reads standard input",
            Code::NotExecutable => {
                "the program file cannot be executed, or the command line is wrong"
            }
            Code::Failed => "something else failed; the text says what",
            Code::AbnormalTermination => "the process was stopped while its start was awaited",
            Code::SpawnError => {
                "the process could not be started, or ended too soon; it may be tried again"
            }
            Code::AlreadyStarted => "the process runs already",
            Code::NotRunning => "the process does not run",
            Code::Success => "no fault: in status structures only",
            Code::AlreadyAdded => "the group is in force already",
            Code::StillRunning => "a process of the group is not stopped",
            Code::CantReread => "the configuration is wrong; the text says where",
            Code::AccessDenied => "the caller may see it, but not do this to it",
        }
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fault: code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The reference's number.
    pub code: i32,
    /// `NAME` or `NAME: extra`.
    pub text: String,
}

impl Fault {
    /// The fault without further text: `NAME`.
    pub fn new(code: Code) -> Fault {
        Fault { code: code.number(), text: code.name().to_owned() }
    }

    /// The fault with text that says what it is about: `NAME: extra`.
    pub fn with(self, extra: impl Display) -> Fault {
        Fault { code: self.code, text: format!("{}: {extra}", self.text) }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Fault {}: '{}'>", self.code, self.text)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let fault = Fault::new(Code::BadName);
        assert_eq!((fault.code, fault.text.as_str()), (10, "BAD_NAME"));
        assert_eq!(fault.with("cat").text, "BAD_NAME: cat");
    }

    #[test]
    fn numbers_lead_back() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(i64::from(code.number())), Some(code));
        }
        assert_eq!(Code::from_number(5), None);
        assert_eq!(Code::from_number(i64::MAX), None);
    }
}
