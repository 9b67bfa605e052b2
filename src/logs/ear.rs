//! Who hears what programs write, and when: before it leaves their pipes.

use privsep::request::{Instance, Slot};

use super::Output;

/// A stream of one life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// Which slot.
    pub slot: Slot,
    /// Which life of it.
    pub instance: Instance,
    /// Which of its outputs.
    pub output: Output,
}

/// A part of what a program has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Text for its log. Not cut inside a character where it is UTF-8.
    Text(Vec<u8>),
    /// A message between tags.
    Message(Vec<u8>),
    /// Bytes of a listener's protocol, as they are.
    Protocol(Vec<u8>),
}

/// What is wanted of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// [`Said::Text`].
    pub text: bool,
    /// [`Said::Message`].
    pub messages: bool,
    /// [`Said::Protocol`].
    pub protocol: bool,
}

impl Wants {
    pub(super) fn any(self) -> bool {
        self.text || self.messages || self.protocol
    }
}

/// Whoever wants to hear what programs write.
///
/// It is told before the bytes leave the pipe, and must have put down what it was told when it returns. A broker that
/// dies in between has its successor tell the same once more, with the same number.
pub trait Ear {
    /// What one chunk of a stream has come to. `turn` numbers these chunks from 1, and from 1 again after the highest
    /// number there is; the number of the last once more is a repeat.
    fn hear(&self, source: Source, turn: u32, said: Vec<Said>);
    /// The number of the last chunk of a stream that was heard; 0 before the first.
    fn turn(&self, source: Source) -> u32;
}
