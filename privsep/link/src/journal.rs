//! The journal's mapping: what this broker leaves to the next, and what the last one left.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::unistd::{Whence, lseek};
use privsep::journal::{self, COPY, Payload};

const WORDS: usize = COPY / 8;
/// Where the tape's head is: which half counts, then where each ends.
const HEAD: usize = journal::TAPE_AT - (1 << 16);

/// The mapped journal. Cell 0 is the broker's own, cell n + 1 that of slot n.
pub struct Journal {
    base: NonNull<AtomicU64>,
    bytes: NonZeroUsize,
    /// Number and copy of the text that was left last, once known: looking for it reads both copies.
    last: Cell<Option<(u64, bool)>>,
    /// What was written to each cell last, by number and copy: nobody else writes while we live.
    written: RefCell<HashMap<usize, (u64, bool, Payload)>>,
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
        Ok(Journal { base: base.cast(), bytes, last: Cell::new(None), written: RefCell::default() })
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
        if let Some((.., payload)) = self.written.borrow().get(&cell) {
            return Some(*payload);
        }
        let (first, second) = self.copies(cell)?;
        journal::newest(&load(first), &load(second)).map(|(_, payload, _)| payload)
    }

    /// Writes a cell: the older copy, so that the other stays whole if we are killed here. A cell that does not exist
    /// is left alone.
    pub fn write(&self, cell: usize, payload: &Payload) {
        let Some((first, second)) = self.copies(cell) else {
            return;
        };
        let mut written = self.written.borrow_mut();
        let known = written.get(&cell).map(|(seq, is_second, _)| (*seq, *is_second));
        let newest = || {
            let newest = journal::newest(&load(first), &load(second));
            newest.map(|(seq, _, is_second)| (seq, is_second))
        };
        let (seq, older, newer, is_second) = match known.or_else(newest) {
            Some((seq, true)) => (seq, first, second, false),
            Some((seq, false)) => (seq, second, first, true),
            None => (0, first, second, false),
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
        written.insert(cell, (next.unwrap_or(1), is_second, *payload));
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

/// What outlives a daemon that starts over.
impl Journal {
    fn carried_word(&self) -> Option<&AtomicU64> {
        self.words().get(journal::CARRIED_AT / 8)
    }

    /// The number that was left with [`carry`](Journal::carry), by a broker of the daemon before this one too; 0 at first.
    pub fn carried(&self) -> u64 {
        self.carried_word().map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Leaves a number to whoever comes.
    pub fn carry(&self, number: u64) {
        if let Some(word) = self.carried_word() {
            word.store(number, Ordering::Relaxed);
        }
    }
}

/// The tape. What is on it is input, and bytes beyond an end mean nothing.
impl Journal {
    /// Which half counts, and the ends of both.
    fn head(&self) -> Option<&[AtomicU64; 3]> {
        self.words().get(HEAD / 8..)?.first_chunk()
    }

    fn second(&self) -> bool {
        self.head().is_some_and(|[which, ..]| which.load(Ordering::Acquire) & 1 == 1)
    }

    fn end(&self, second: bool) -> Option<&AtomicU64> {
        self.head().map(|[_, a, b]| if second { b } else { a })
    }

    /// Address of a byte of a half. `at` is `TAPE` at most, so that it is inside the mapping or just behind it.
    fn byte(&self, second: bool, at: usize) -> NonNull<u8> {
        let at = journal::TAPE_AT + usize::from(second) * journal::TAPE + at.min(journal::TAPE);
        // SAFETY: the mapping has `SIZE` bytes, which is where the second half ends.
        unsafe { self.base.cast::<u8>().add(at) }
    }

    /// How many bytes are on the tape, `journal::TAPE` at most.
    pub fn tape_len(&self) -> usize {
        let end = self.end(self.second()).map_or(0, |end| end.load(Ordering::Acquire));
        usize::try_from(end).map_or(journal::TAPE, |end| end.min(journal::TAPE))
    }

    /// All that is on the tape: what it was started over with, and what was appended since.
    pub fn tape(&self) -> Vec<u8> {
        let from = self.byte(self.second(), 0);
        // SAFETY: as many bytes from there are inside the half, and nobody writes to it while they are copied: this
        // process has one thread that does, and no other has the journal while it lives.
        let bytes = unsafe { std::slice::from_raw_parts(from.as_ptr(), self.tape_len()) };
        bytes.to_vec()
    }

    /// Writes into a half, then publishes where it ends. Says whether there was room; if not, nothing has changed.
    fn record(&self, second: bool, at: usize, bytes: &[u8]) -> bool {
        let new = at.checked_add(bytes.len()).filter(|new| *new <= journal::TAPE);
        let new = new.and_then(|new| u64::try_from(new).ok());
        let (Some(new), Some(end)) = (new, self.end(second)) else {
            return false;
        };
        // SAFETY: as many bytes from there are inside the half, as was just checked; `bytes` is not, since nobody gets
        // a reference into the mapping.
        unsafe {
            let to = self.byte(second, at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len());
        }
        end.store(new, Ordering::Release);
        true
    }

    /// Appends to the tape: if we are killed here, all of it is there or nothing. False: there is no room, and nothing
    /// has changed.
    pub fn append(&self, bytes: &[u8]) -> bool {
        self.record(self.second(), self.tape_len(), bytes)
    }

    /// Puts this on the tape instead of all that is there: if we are killed here, one or the other is there as a whole.
    /// Gives back the memory of what was there. False: there is no room for it, and nothing has changed.
    pub fn start_over(&self, bytes: &[u8]) -> bool {
        let old = self.second();
        let Some([which, ..]) = self.head().filter(|_| self.record(!old, 0, bytes)) else {
            return false;
        };
        which.store(u64::from(!old), Ordering::Release);
        if let Some(end) = self.end(old) {
            end.store(0, Ordering::Release);
        }
        // SAFETY: the half is whole pages of a shared mapping of ours, and nobody holds a reference into it. A system
        // that cannot do it keeps the memory.
        let _ =
            unsafe { madvise(self.byte(old, 0).cast(), journal::TAPE, MmapAdvise::MADV_REMOVE) };
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
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    fn memfd(size: usize) -> File {
        let file = File::from(memfd_create("journal", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(u64::try_from(size).unwrap()).unwrap();
        file
    }

    /// The next broker's.
    fn next(file: &File) -> Journal {
        Journal::map(file.as_fd()).unwrap()
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
            assert_eq!(next(&file).read(0), Some([n; journal::PAYLOAD]));
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
        let journal = next(&file);
        assert_eq!(journal.read(0), Some([1; journal::PAYLOAD]));
        journal.write(0, &[3; journal::PAYLOAD]);
        assert_eq!(next(&file).read(0), Some([3; journal::PAYLOAD]));
    }

    #[test]
    fn a_number_is_left_beside_the_tape() {
        let file = memfd(journal::SIZE);
        let journal = next(&file);
        assert_eq!(journal.carried(), 0);
        assert!(journal.append(b"tape"));
        journal.carry(u64::MAX);
        let journal = next(&file);
        assert_eq!((journal.carried(), journal.tape().as_slice()), (u64::MAX, &b"tape"[..]));
        let mut bytes = [0; journal::CARRIED];
        file.read_exact_at(&mut bytes, journal::CARRIED_AT as u64).unwrap();
        assert_eq!(bytes, [255; 8], "where the spawner looks for it");
    }

    #[test]
    fn two_hands_write_one_cell() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        journal.patch(1, 72, &[5; 48]);
        journal.patch(1, 0, &[6; 72]);
        journal.patch(1, 100, &[7; 21]);
        let payload = next(&file).read(1).unwrap();
        assert_eq!((&payload[..72], &payload[72..]), (&[6; 72][..], &[5; 48][..]));
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
    fn a_second_broker_goes_on_with_the_tape() {
        let file = memfd(journal::SIZE);
        let first = Journal::map(file.as_fd()).unwrap();
        assert_eq!((first.tape(), first.tape_len()), (vec![], 0));
        assert!(first.append(b"one,") && first.append(b"") && first.append(b"two,"));
        drop(first);
        let second = Journal::map(file.as_fd()).unwrap();
        assert_eq!(second.tape(), b"one,two,");
        assert!(second.append(b"three") && second.start_over(b"from here:"));
        assert!(second.append(b"four"));
        drop(second);
        let third = Journal::map(file.as_fd()).unwrap();
        assert_eq!((third.tape(), third.tape_len()), (b"from here:four".to_vec(), 14));
        assert!(third.start_over(b"") && third.append(b"five"));
        assert_eq!(third.tape(), b"five");
    }

    #[test]
    fn a_writer_that_dies_leaves_the_tape_before() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        assert!(journal.append(b"whole"));
        // Killed while it appended: bytes are there that no end speaks of.
        file.write_all_at(b"half of it", (journal::TAPE_AT + 5) as u64).unwrap();
        assert_eq!(journal.tape(), b"whole");
        assert!(journal.append(b" again"));
        assert_eq!(journal.tape(), b"whole again");
        // Killed while it started over, before the switch.
        assert!(journal.record(true, 0, b"never counted, and rather long"));
        assert_eq!(journal.tape(), b"whole again");
        assert!(journal.start_over(b"new"));
        assert_eq!(journal.tape(), b"new");
        // Killed after the switch, before the end of the old half was taken back.
        journal.end(false).unwrap().store(11, Ordering::Relaxed);
        assert_eq!(journal.tape(), b"new");
        assert!(journal.start_over(b"newer") && journal.append(b"!"));
        assert_eq!(journal.tape(), b"newer!");
    }

    #[test]
    fn a_full_tape_takes_nothing() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        let most = vec![b'm'; journal::TAPE - 3];
        assert!(journal.append(&most) && journal.append(b"ab"));
        assert!(!journal.append(b"cd") && !journal.start_over(&vec![b'm'; journal::TAPE + 1]));
        assert_eq!(journal.tape_len(), journal::TAPE - 1);
        assert!(journal.append(b"e") && journal.append(b"") && !journal.append(b"f"));
        assert!(journal.tape().ends_with(b"mabe"));
        assert!(journal.start_over(&vec![b'n'; journal::TAPE]) && !journal.append(b"o"));
        assert_eq!(journal.tape().iter().filter(|byte| **byte == b'n').count(), journal::TAPE);
        assert!(journal.start_over(b"p"));
        assert_eq!(journal.tape(), b"p");
        // What is behind it, and in front of it, is as it was.
        assert_eq!((journal.text(), journal.read(0)), (None, None));
        assert_eq!(file.metadata().unwrap().len(), journal::SIZE as u64);
    }

    #[test]
    fn any_head_of_a_tape_is_read() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        assert!(journal.append(b"begin"));
        let most = journal::TAPE as u64;
        for (which, end) in [(0, most + 1), (2, u64::MAX), (u64::MAX - 1, 1 << 63), (0, most)] {
            for (word, value) in journal.head().unwrap().iter().zip([which, end, 7]) {
                word.store(value, Ordering::Relaxed);
            }
            assert_eq!(journal.tape_len(), journal::TAPE);
            assert!(journal.tape().starts_with(b"begin\0"));
            assert!(!journal.append(b"x"));
        }
        journal.head().unwrap()[0].store(u64::MAX, Ordering::Relaxed);
        assert_eq!(journal.tape(), [0; 7]);
        assert!(journal.append(b"x") && journal.start_over(b"y"));
        assert_eq!(journal.tape(), b"y");
    }

    #[test]
    fn an_old_half_gives_its_memory_back() {
        let file = memfd(journal::SIZE);
        let journal = Journal::map(file.as_fd()).unwrap();
        let kept = || file.metadata().unwrap().blocks() / 2;
        assert!(journal.tape().is_empty() && journal.read(0).is_none());
        assert!(kept() <= 3 * 64, "{} KiB for a tape that nobody used", kept());
        for _ in 0..5 {
            assert!(journal.append(&vec![1; 8 << 20]) && kept() > 8 << 10);
            assert!(journal.start_over(b"little"));
            assert!(kept() < 1 << 10, "{} KiB", kept());
        }
    }

    #[test]
    fn a_journal_that_is_too_short_is_refused() {
        let file = memfd(journal::SIZE - 1);
        assert!(Journal::map(file.as_fd()).is_err());
    }
}
