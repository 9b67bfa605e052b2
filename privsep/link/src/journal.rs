//! The journal's mapping: what this broker leaves to the next, and what the last one left.

use std::cell::Cell;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{Whence, lseek};
use privsep::journal::{self, COPY, Payload};

const WORDS: usize = COPY / 8;

/// The mapped journal. Cell 0 is the broker's own, cell n + 1 that of slot n.
pub struct Journal {
    base: NonNull<AtomicU64>,
    bytes: NonZeroUsize,
    /// Number and copy of the text that was left last, once known: looking for it reads both copies.
    last: Cell<Option<(u64, bool)>>,
}

impl Journal {
    /// Maps the journal. Errors: the system's, or `InvalidData` when the descriptor holds fewer bytes than that.
    pub fn map(fd: BorrowedFd<'_>) -> io::Result<Journal> {
        let size = journal::SIZE;
        let there = lseek(fd, 0, Whence::SeekEnd)?;
        let bytes =
            NonZeroUsize::new(size).filter(|_| usize::try_from(there).is_ok_and(|n| n >= size));
        let Some(bytes) = bytes else {
            let text = format!("the journal has {there} bytes, not {size}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: no address is asked for, so no mapping of ours is replaced; the object's size was just read, and the
        // spawner has sealed it, so that the pages stay there.
        let base = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Journal { base: base.cast(), bytes, last: Cell::new(None) })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page aligned, `bytes` long (a multiple of 8), readable and writable, and lives as long
        // as `self`; the spawner and others only ever see it through atomics or after this process is gone.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.bytes.get() / 8) }
    }

    fn copies(&self, cell: usize) -> Option<(&[AtomicU64], &[AtomicU64])> {
        let at = cell.checked_mul(2 * WORDS)?;
        let cells = self.words().get(..journal::CELLS / 8)?;
        let cell = cells.get(at..at.checked_add(2 * WORDS)?)?;
        cell.split_at_checked(WORDS)
    }

    /// The newest whole payload of a cell; `None` when it was never written or does not exist.
    pub fn read(&self, cell: usize) -> Option<Payload> {
        let (first, second) = self.copies(cell)?;
        journal::newest(&load(first), &load(second)).map(|(_, payload, _)| payload)
    }

    /// Writes a cell: the older copy, so that the other stays whole if we are killed here. A cell that does not exist
    /// is left alone.
    pub fn write(&self, cell: usize, payload: &Payload) {
        let Some((first, second)) = self.copies(cell) else {
            return;
        };
        let newest = journal::newest(&load(first), &load(second));
        let (seq, older, newer) = match newest {
            Some((seq, _, true)) => (seq, first, second),
            Some((seq, _, false)) => (seq, second, first),
            None => (0, first, second),
        };
        let next = seq.checked_add(1);
        if next.is_none() {
            // Nobody counts so far: a broker that was not ours has left this, and nothing would ever be newer.
            newer.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        let bytes = journal::encode(next.unwrap_or(1), payload);
        for (word, bytes) in older.iter().zip(bytes.as_chunks::<8>().0) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
    }
}

impl Journal {
    /// Writes a part of a cell's payload and keeps the rest, zeros where there was nothing. A part that does not fit is
    /// left out.
    pub fn patch(&self, cell: usize, at: usize, part: &[u8]) {
        let mut payload = self.read(cell).unwrap_or([0; journal::PAYLOAD]);
        let end = at.saturating_add(part.len());
        if let Some(room) = payload.get_mut(at..end) {
            room.copy_from_slice(part);
            self.write(cell, &payload);
        }
    }
}

impl Journal {
    fn long(&self, second: bool) -> &[AtomicU64] {
        let at = (journal::CELLS + usize::from(second) * journal::LONG) / 8;
        self.words().get(at..at + journal::LONG / 8).unwrap_or_default()
    }

    /// The sequence number and text of one copy, if it is whole.
    fn read_copy(&self, second: bool) -> Option<(u64, Vec<u8>)> {
        let (head, words) = self.long(second).split_first_chunk::<3>()?;
        let [sum, seq, len] = head.each_ref().map(|word| word.load(Ordering::Relaxed));
        let len = usize::try_from(len).ok()?;
        let words = words.get(..len.div_ceil(8))?;
        let mut text: Vec<u8> =
            words.iter().flat_map(|w| w.load(Ordering::Relaxed).to_ne_bytes()).collect();
        text.truncate(len);
        (seq != 0 && journal::checksum(seq, &text) == sum).then_some((seq, text))
    }

    fn newest_copy(&self) -> Option<(u64, Vec<u8>, bool)> {
        let copies = [false, true].into_iter();
        let whole = copies.filter_map(|n| self.read_copy(n).map(|(seq, text)| (seq, text, n)));
        whole.max_by_key(|(seq, ..)| *seq)
    }

    /// The long text that was left last; `None` when there was none.
    pub fn text(&self) -> Option<Vec<u8>> {
        self.newest_copy().map(|(_, text, _)| text)
    }

    /// Leaves a long text: over the older copy, so that the other stays whole if we are killed here. Says whether it
    /// fits.
    pub fn write_text(&self, text: &[u8]) -> bool {
        let last = || self.newest_copy().map(|(seq, _, second)| (seq, second));
        let last = self.last.get().or_else(last);
        let second = last.is_some_and(|(_, second)| !second);
        let seq = last.and_then(|(seq, _)| seq.checked_add(1)).unwrap_or(1);
        if seq == 1 {
            // The other copy would be newer for ever.
            self.long(!second).iter().take(3).for_each(|word| word.store(0, Ordering::Relaxed));
        }
        let Some((head, words)) = self.long(second).split_first_chunk::<3>() else { return false };
        let Some(words) = words.get(..text.len().div_ceil(8)) else { return false };
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let sum = journal::checksum(seq, text);
        head.iter().zip([sum, seq, len]).for_each(|(to, n)| to.store(n, Ordering::Relaxed));
        for (word, bytes) in words.iter().zip(text.chunks(8)) {
            let mut whole = [0; 8];
            whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
        self.last.set(Some((seq, second)));
        true
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping that `map` made; `words` borrows `self`, so nobody holds a reference into it.
        let _ = unsafe { munmap(self.base.cast(), self.bytes.get()) };
    }
}

fn load(copy: &[AtomicU64]) -> [u8; COPY] {
    let mut bytes = [0; COPY];
    for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(copy) {
        *to = word.load(Ordering::Relaxed).to_ne_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn memfd(size: usize) -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(u64::try_from(size).unwrap()).unwrap();
        file
    }

    #[test]
    fn a_second_broker_reads_what_the_first_wrote() {
        let file = memfd(journal::SIZE);
        let first = Journal::map(file.as_fd()).unwrap();
        assert_eq!(first.read(0), None);
        for n in 1..=9u8 {
            first.write(2, &[n; journal::PAYLOAD]);
        }
        first.write(0, &[77; journal::PAYLOAD]);
        drop(first);
        let second = Journal::map(file.as_fd()).unwrap();
        assert_eq!(second.read(0), Some([77; journal::PAYLOAD]));
        assert_eq!(second.read(1), None);
        assert_eq!(second.read(2), Some([9; journal::PAYLOAD]));
        assert_eq!(second.read(3), None);
        second.write(3, &[1; journal::PAYLOAD]);
    }

    #[test]
    fn the_last_number_is_not_the_last_word() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        let left = journal::encode(u64::MAX, &[1; journal::PAYLOAD]);
        for (word, bytes) in journal.words().iter().zip(left.as_chunks::<8>().0) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        assert_eq!(journal.read(0), Some([1; journal::PAYLOAD]));
        for n in 2..=4 {
            journal.write(0, &[n; journal::PAYLOAD]);
            assert_eq!(journal.read(0), Some([n; journal::PAYLOAD]));
        }
    }

    #[test]
    fn the_copy_before_survives_a_torn_one() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        journal.write(0, &[1; journal::PAYLOAD]);
        journal.write(0, &[2; journal::PAYLOAD]);
        // The second copy holds the newer payload; a writer that dies half-way leaves it like this.
        journal.words()[WORDS + 5].store(0, Ordering::Relaxed);
        assert_eq!(journal.read(0), Some([1; journal::PAYLOAD]));
        journal.write(0, &[3; journal::PAYLOAD]);
        assert_eq!(journal.read(0), Some([3; journal::PAYLOAD]));
    }

    #[test]
    fn two_hands_write_one_cell() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        journal.patch(1, 72, &[5; 40]);
        journal.patch(1, 0, &[6; 72]);
        journal.patch(1, 100, &[7; 13]);
        let payload = journal.read(1).unwrap();
        assert_eq!((&payload[..72], &payload[72..]), (&[6; 72][..], &[5; 40][..]));
    }

    #[test]
    fn a_text_is_whole_or_the_one_before_it() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        assert_eq!(journal.text(), None);
        for text in [&b"first"[..], b"", b"nine bytes"] {
            assert!(journal.write_text(text));
            assert_eq!(journal.text().as_deref(), Some(text));
        }
        // A writer that dies half-way leaves one copy torn, and the one before it counts.
        journal.long(false)[3].store(0, Ordering::Relaxed);
        assert_eq!(journal.text().as_deref(), Some(&b""[..]));
        let long = vec![b'x'; privsep::start::SETTINGS_MAX];
        assert!(journal.write_text(&long));
        assert_eq!(journal.text(), Some(long));
        assert!(!journal.write_text(&vec![b'x'; privsep::start::SETTINGS_MAX + 1]));
        // A number that nothing could follow, and a length beyond the room.
        for (n, value) in [(1, u64::MAX), (2, u64::MAX)] {
            journal.long(false)[n].store(value, Ordering::Relaxed);
            journal.long(true)[n].store(value, Ordering::Relaxed);
            assert_eq!(journal.text(), None);
        }
        assert!(journal.write_text(b"again"));
        assert_eq!(journal.text().as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn a_journal_that_is_too_short_is_refused() {
        let file = memfd(journal::SIZE - 1);
        assert!(Journal::map(file.as_fd()).is_err());
    }
}
