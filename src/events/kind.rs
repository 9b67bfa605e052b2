//! Types of events: the leaves that are sent, and the names that a pool can ask for.

/// A type of events that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    ProcessStateStopped,
    ProcessStateExited,
    ProcessStateStarting,
    ProcessStateStopping,
    ProcessStateBackoff,
    ProcessStateFatal,
    ProcessStateRunning,
    ProcessStateUnknown,
    ProcessCommunicationStdout,
    ProcessCommunicationStderr,
    ProcessLogStdout,
    ProcessLogStderr,
    RemoteCommunication,
    SupervisorStateChangeRunning,
    SupervisorStateChangeStopping,
    Tick5,
    Tick60,
    Tick3600,
    ProcessGroupAdded,
    ProcessGroupRemoved,
}

use Kind::*;

/// Every name with the types that it stands for, parents before their children.
const NAMES: [(&str, &[Kind]); 27] = [
    ("EVENT", &Kind::ALL),
    (
        "PROCESS_STATE",
        &[
            ProcessStateStopped,
            ProcessStateExited,
            ProcessStateStarting,
            ProcessStateStopping,
            ProcessStateBackoff,
            ProcessStateFatal,
            ProcessStateRunning,
            ProcessStateUnknown,
        ],
    ),
    ("PROCESS_STATE_STOPPED", &[ProcessStateStopped]),
    ("PROCESS_STATE_EXITED", &[ProcessStateExited]),
    ("PROCESS_STATE_STARTING", &[ProcessStateStarting]),
    ("PROCESS_STATE_STOPPING", &[ProcessStateStopping]),
    ("PROCESS_STATE_BACKOFF", &[ProcessStateBackoff]),
    ("PROCESS_STATE_FATAL", &[ProcessStateFatal]),
    ("PROCESS_STATE_RUNNING", &[ProcessStateRunning]),
    ("PROCESS_STATE_UNKNOWN", &[ProcessStateUnknown]),
    ("PROCESS_COMMUNICATION", &[ProcessCommunicationStdout, ProcessCommunicationStderr]),
    ("PROCESS_COMMUNICATION_STDOUT", &[ProcessCommunicationStdout]),
    ("PROCESS_COMMUNICATION_STDERR", &[ProcessCommunicationStderr]),
    ("PROCESS_LOG", &[ProcessLogStdout, ProcessLogStderr]),
    ("PROCESS_LOG_STDOUT", &[ProcessLogStdout]),
    ("PROCESS_LOG_STDERR", &[ProcessLogStderr]),
    ("REMOTE_COMMUNICATION", &[RemoteCommunication]),
    ("SUPERVISOR_STATE_CHANGE", &[SupervisorStateChangeRunning, SupervisorStateChangeStopping]),
    ("SUPERVISOR_STATE_CHANGE_RUNNING", &[SupervisorStateChangeRunning]),
    ("SUPERVISOR_STATE_CHANGE_STOPPING", &[SupervisorStateChangeStopping]),
    ("TICK", &[Tick5, Tick60, Tick3600]),
    ("TICK_5", &[Tick5]),
    ("TICK_60", &[Tick60]),
    ("TICK_3600", &[Tick3600]),
    ("PROCESS_GROUP", &[ProcessGroupAdded, ProcessGroupRemoved]),
    ("PROCESS_GROUP_ADDED", &[ProcessGroupAdded]),
    ("PROCESS_GROUP_REMOVED", &[ProcessGroupRemoved]),
];

/// The names that a pool can ask for.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

impl Kind {
    /// All types.
    pub const ALL: [Kind; 20] = [
        ProcessStateStopped,
        ProcessStateExited,
        ProcessStateStarting,
        ProcessStateStopping,
        ProcessStateBackoff,
        ProcessStateFatal,
        ProcessStateRunning,
        ProcessStateUnknown,
        ProcessCommunicationStdout,
        ProcessCommunicationStderr,
        ProcessLogStdout,
        ProcessLogStderr,
        RemoteCommunication,
        SupervisorStateChangeRunning,
        SupervisorStateChangeStopping,
        Tick5,
        Tick60,
        Tick3600,
        ProcessGroupAdded,
        ProcessGroupRemoved,
    ];

    /// The name in a header.
    pub fn name(self) -> &'static str {
        let own = |(_, kinds): &&(&str, &[Kind])| *kinds == [self];
        NAMES.iter().find(own).map_or("EVENT", |(name, _)| name)
    }

    /// Its place in [`Kind::ALL`].
    pub(super) const fn code(self) -> u8 {
        self as u8
    }

    pub(super) fn from_code(code: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(code)).copied()
    }
}

/// A set of types: what a pool is subscribed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// No type.
    pub const NONE: Kinds = Kinds(0);

    /// What a name that a pool asks for stands for: one type, or all below it.
    pub fn named(name: &str) -> Option<Kinds> {
        let (_, kinds) = NAMES.iter().find(|(known, _)| *known == name)?;
        Some(kinds.iter().copied().collect())
    }

    /// Whether it has this type.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind.code()) != 0
    }

    /// What is in either.
    pub const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn from_bits(bits: u32) -> Option<Kinds> {
        (bits >> Kind::ALL.len() == 0).then_some(Kinds(bits))
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Kinds {
        Kinds(kinds.into_iter().fold(0, |bits, kind| bits | 1 << kind.code()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_place_and_a_name_of_its_own() {
        for (at, kind) in (0..).zip(Kind::ALL) {
            assert_eq!((kind.code(), Kind::from_code(at)), (at, Some(kind)));
            assert_eq!(Kinds::named(kind.name()), Some([kind].into_iter().collect()));
        }
        assert_eq!(Kind::from_code(20), None);
        assert_eq!(Kind::Tick3600.name(), "TICK_3600");
        assert_eq!(Kind::RemoteCommunication.name(), "REMOTE_COMMUNICATION");
    }

    #[test]
    fn parents_stand_for_what_begins_with_their_names() {
        for parent in names().filter(|name| *name != "EVENT") {
            let below = |kind: &Kind| {
                let rest = kind.name().strip_prefix(parent);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
            };
            let expected: Kinds = Kind::ALL.into_iter().filter(below).collect();
            assert_eq!(Kinds::named(parent), Some(expected), "{parent}");
        }
        assert_eq!(Kinds::named("EVENT"), Some(Kind::ALL.into_iter().collect()));
        assert_eq!(Kinds::named("TICK_6"), None);
        assert_eq!(Kinds::named("tick"), None);
    }

    #[test]
    fn sets_hold_what_they_were_given() {
        let set = Kinds::named("TICK").unwrap().or(Kinds::named("PROCESS_LOG_STDERR").unwrap());
        let has: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| set.has(*kind)).collect();
        assert_eq!(has, [ProcessLogStderr, Tick5, Tick60, Tick3600]);
        assert_eq!(Kinds::from_bits(set.bits()), Some(set));
        assert_eq!(Kinds::from_bits(1 << 20), None);
        assert!(!Kinds::NONE.has(Tick5));
    }
}
