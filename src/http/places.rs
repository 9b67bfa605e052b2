//! Places for what takes long, of which one source is not to have all.

use std::cell::RefCell;

use super::limits::Source;

/// How many there are, and who has them.
pub(super) struct Places {
    most: usize,
    of_one: usize,
    taken: RefCell<Vec<Source>>,
}

/// One of them, given back when dropped.
pub(super) struct Taken<'a>(&'a Places, Source);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut taken = self.0.taken.borrow_mut();
        if let Some(at) = taken.iter().position(|source| *source == self.1) {
            taken.swap_remove(at);
        }
    }
}

impl Places {
    /// So many in all, and for one source.
    pub(super) fn new(most: usize, of_one: usize) -> Places {
        Places { most, of_one, taken: RefCell::default() }
    }

    /// One, if there is one left.
    pub(super) fn take(&self, source: Source) -> Option<Taken<'_>> {
        let mut taken = self.taken.borrow_mut();
        let own = taken.iter().filter(|other| **other == source).count();
        (taken.len() < self.most && own < self.of_one).then(|| {
            taken.push(source);
            Taken(self, source)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_source_takes_all_of_them_and_they_come_back() {
        let places = Places::new(3, 2);
        let own: Vec<_> = (0..5).filter_map(|_| places.take(Source::User(1))).collect();
        assert_eq!(own.len(), 2);
        let other = places.take(Source::User(2));
        assert!(other.is_some() && places.take(Source::User(3)).is_none());
        drop(own);
        assert!(places.take(Source::User(1)).is_some());
        drop(other);
        assert_eq!(places.taken.borrow().len(), 0);
    }
}
