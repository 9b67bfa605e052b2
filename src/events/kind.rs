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

/// Every type with its name in a header. The place is the type's code.
const TYPES: [(Kind, &str); 20] = [
    (ProcessStateStopped, "PROCESS_STATE_STOPPED"),
    (ProcessStateExited, "PROCESS_STATE_EXITED"),
    (ProcessStateStarting, "PROCESS_STATE_STARTING"),
    (ProcessStateStopping, "PROCESS_STATE_STOPPING"),
    (ProcessStateBackoff, "PROCESS_STATE_BACKOFF"),
    (ProcessStateFatal, "PROCESS_STATE_FATAL"),
    (ProcessStateRunning, "PROCESS_STATE_RUNNING"),
    (ProcessStateUnknown, "PROCESS_STATE_UNKNOWN"),
    (ProcessCommunicationStdout, "PROCESS_COMMUNICATION_STDOUT"),
    (ProcessCommunicationStderr, "PROCESS_COMMUNICATION_STDERR"),
    (ProcessLogStdout, "PROCESS_LOG_STDOUT"),
    (ProcessLogStderr, "PROCESS_LOG_STDERR"),
    (RemoteCommunication, "REMOTE_COMMUNICATION"),
    (SupervisorStateChangeRunning, "SUPERVISOR_STATE_CHANGE_RUNNING"),
    (SupervisorStateChangeStopping, "SUPERVISOR_STATE_CHANGE_STOPPING"),
    (Tick5, "TICK_5"),
    (Tick60, "TICK_60"),
    (Tick3600, "TICK_3600"),
    (ProcessGroupAdded, "PROCESS_GROUP_ADDED"),
    (ProcessGroupRemoved, "PROCESS_GROUP_REMOVED"),
];

/// Names that stand for all types below them, whose names they begin; EVENT stands for all there are.
const PARENTS: [&str; 6] = [
    "PROCESS_STATE",
    "PROCESS_COMMUNICATION",
    "PROCESS_LOG",
    "SUPERVISOR_STATE_CHANGE",
    "TICK",
    "PROCESS_GROUP",
];
const ALL: &str = "EVENT";

fn stands_for(name: &str, of_type: &str) -> bool {
    let rest = of_type.strip_prefix(name);
    name == ALL || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// The names that a pool can ask for, parents before their children.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut parents = PARENTS.into_iter().peekable();
    let with_parent = TYPES.into_iter().flat_map(move |(_, name)| {
        let parent = parents.next_if(|parent| stands_for(parent, name));
        parent.into_iter().chain([name])
    });
    std::iter::once(ALL).chain(with_parent)
}

impl Kind {
    /// All types.
    pub const ALL: [Kind; TYPES.len()] = {
        let (mut all, mut at) = ([ProcessStateStopped; TYPES.len()], 0);
        while at < all.len() {
            all[at] = TYPES[at].0;
            at += 1;
        }
        all
    };

    /// The name in a header.
    pub fn name(self) -> &'static str {
        TYPES.get(usize::from(self.code())).map_or(ALL, |(_, name)| name)
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
        let below = TYPES.into_iter().filter(|(_, of_type)| stands_for(name, of_type));
        names().any(|known| known == name).then(|| below.map(|(kind, _)| kind).collect())
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
    fn parents_come_first_and_stand_for_what_begins_with_their_names() {
        let all: Vec<&str> = names().collect();
        assert_eq!(all[..3], ["EVENT", "PROCESS_STATE", "PROCESS_STATE_STOPPED"]);
        assert_eq!(all[20..24], ["TICK", "TICK_5", "TICK_60", "TICK_3600"]);
        assert_eq!(all.len(), 27, "{all:?}");
        let count = |name| Kinds::named(name).map(|kinds| kinds.bits().count_ones());
        assert_eq!(PARENTS.map(count), [8, 2, 2, 2, 3, 2].map(Some));
        assert_eq!(
            (count("EVENT"), count("TICK_60"), count("PROCESS_LOG_STDERR")),
            (Some(20), Some(1), Some(1))
        );
        for name in ["TICK_6", "tick", "PROCESS", "REMOTE", "", "EVENT_"] {
            assert_eq!(Kinds::named(name), None, "{name}");
        }
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
