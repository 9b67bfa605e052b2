//! The way for files that refuse splice or that somebody else trims: copy, append, consume.
//!
//! Before bytes are appended, a note in the journal says where and what; after they are consumed it is taken back. A
//! broker that finds a note compares the pipe's first bytes with it: if they differ, they were consumed; if not, the
//! file's end tells how many of them have arrived.

use std::os::fd::AsFd;

use link::{Journal, bytes};
use nix::errno::Errno;
use privsep::journal::Payload;
use privsep::request::Instance;

use super::file::LogFile;
use super::stream::{Stream, Turn};
use super::{JOURNAL_STREAMS_AT, Output, Tools};

const CHUNK: usize = 64 << 10;
const NOTE: usize = 20;
/// The hash looks at this much of both ends of a chunk: enough to tell lines apart, little enough to cost nothing.
const LOOKED_AT: usize = 1 << 10;

/// What was about to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) instance: Instance,
    /// Where the file ended.
    at: u64,
    /// How many bytes; never 0.
    length: u32,
    hash: u32,
}

fn place(output: Output) -> usize {
    JOURNAL_STREAMS_AT + output.index() * NOTE
}

impl Note {
    fn new(instance: Instance, at: u64, chunk: &[u8]) -> Note {
        Note { instance, at, length: u32::try_from(chunk.len()).unwrap_or(0), hash: hash(chunk) }
    }

    fn encode(self) -> [u8; NOTE] {
        let mut bytes = [0; NOTE];
        let fields = (self.instance.to_le_bytes().into_iter())
            .chain(self.at.to_le_bytes())
            .chain(self.length.to_le_bytes())
            .chain(self.hash.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    #[cfg(test)]
    pub(super) fn of(instance: Instance, at: usize, chunk: &[u8]) -> Vec<u8> {
        Note::new(instance, u64::try_from(at).unwrap(), chunk).encode().to_vec()
    }

    /// The note of this stream in its slot's cell; any bytes give a note or none.
    pub(super) fn decode(payload: &Payload, output: Output) -> Option<Note> {
        let at = place(output);
        let (instance, rest) = payload.get(at..at + NOTE)?.split_first_chunk::<4>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let note = Note {
            instance: u32::from_le_bytes(*instance),
            at: u64::from_le_bytes(*at),
            length: u32::from_le_bytes(*length),
            hash: u32::from_le_bytes(*rest.first_chunk::<4>()?),
        };
        (1..=CHUNK).contains(&usize::try_from(note.length).ok()?).then_some(note)
    }
}

fn hash(chunk: &[u8]) -> u32 {
    let head = chunk.get(..LOOKED_AT).unwrap_or(chunk);
    let tail = chunk.len().saturating_sub(LOOKED_AT);
    let tail = chunk.get(tail..).unwrap_or_default();
    head.iter()
        .chain(tail)
        .fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

pub(super) struct Appender<'a> {
    pub(super) tools: &'a Tools,
    pub(super) journal: Option<&'a Journal>,
    /// Shared by all streams; empty until one needs it.
    pub(super) buffer: &'a mut Vec<u8>,
}

impl Appender<'_> {
    /// Moves at most one chunk. EAGAIN: the target has no room.
    pub(super) fn turn(&mut self, stream: &mut Stream, file: &mut LogFile) -> nix::Result<Turn> {
        if let Some(note) = stream.note.take()
            && let Err(e) = self.recover(stream, file, note)
        {
            stream.note = Some(note);
            return Err(e);
        }
        let chunk = match self.peek(stream, CHUNK) {
            Ok(0) => return Ok(Turn::End),
            Ok(n) => n,
            Err(Errno::EAGAIN) => return Ok(Turn::Empty),
            Err(e) => return Err(e),
        };
        let chunk = self.buffer.get(..chunk).unwrap_or_default();
        let end = bytes::end_of(file.fd())?;
        if let Some(at) = end {
            self.keep(stream, &Note::new(stream.instance, at, chunk).encode());
        }
        let result = file.append(chunk);
        if let Ok(written) = result {
            self.consume(stream, written)?;
        }
        if end.is_some() {
            self.keep(stream, &[0; NOTE]);
        }
        result.map(Turn::Moved)
    }

    /// Consumes what the broker before this one has appended and not consumed.
    fn recover(&mut self, stream: &Stream, file: &LogFile, note: Note) -> nix::Result<()> {
        let length = usize::try_from(note.length).unwrap_or(CHUNK);
        let there = match self.peek(stream, length) {
            Err(Errno::EAGAIN) => 0,
            other => other?,
        };
        let chunk = self.buffer.get(..there).unwrap_or_default();
        if there == length && hash(chunk) == note.hash {
            let end = bytes::end_of(file.fd())?.unwrap_or(note.at);
            let arrived = usize::try_from(end.saturating_sub(note.at)).unwrap_or(usize::MAX);
            self.consume(stream, arrived.min(length))?;
        }
        self.keep(stream, &[0; NOTE]);
        Ok(())
    }

    fn peek(&mut self, stream: &Stream, most: usize) -> nix::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer.resize(CHUNK, 0);
        }
        let room = self.buffer.get_mut(..most).ok_or(Errno::EOVERFLOW)?;
        self.tools.scratch.peek(stream.pipe.as_fd(), room)
    }

    fn consume(&self, stream: &Stream, mut bytes: usize) -> nix::Result<()> {
        while bytes > 0 {
            match bytes::drain(stream.pipe.as_fd(), self.tools.null.as_fd(), bytes)? {
                0 => return Ok(()),
                taken => bytes = bytes.saturating_sub(taken),
            }
        }
        Ok(())
    }

    fn keep(&self, stream: &Stream, note: &[u8]) {
        let cell = usize::try_from(stream.slot).ok().and_then(|n| n.checked_add(1));
        if let (Some(journal), Some(cell)) = (self.journal, cell) {
            journal.patch(cell, place(stream.output), note);
        }
    }
}
