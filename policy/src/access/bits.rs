//! Sets of roles, one bit each.

/// Roles by number. Sets of one [`super::Access`] all have the same length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// The empty set, for so many roles.
    pub(super) fn none(roles: usize) -> Bits {
        Bits(vec![0; roles.div_ceil(64)].into())
    }

    pub(super) fn insert(&mut self, role: usize) {
        if let Some(word) = self.0.get_mut(role / 64) {
            *word |= 1 << (role % 64);
        }
    }

    pub(super) fn join(&mut self, other: &Bits) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// The lowest role that is in both.
    pub(super) fn first_of_both(&self, b: &Bits) -> Option<usize> {
        let mut words = self.0.iter().zip(&b.0).map(|(a, b)| a & b);
        lowest(&mut words)
    }

    /// The lowest role that is in all three.
    pub(super) fn first_of_three(&self, b: &Bits, c: &Bits) -> Option<usize> {
        let mut words = self.0.iter().zip(&b.0).zip(&c.0).map(|((a, b), c)| a & b & c);
        lowest(&mut words)
    }

    /// The roles that are in both, ascending.
    pub(super) fn both(&self, b: &Bits) -> impl Iterator<Item = usize> {
        let words = self.0.iter().zip(&b.0).map(|(a, b)| a & b).enumerate();
        words.flat_map(|(at, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }

    /// All roles in it, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.both(self)
    }
}

fn lowest(words: &mut impl Iterator<Item = u64>) -> Option<usize> {
    let (at, word) = words.enumerate().find(|(_, word)| *word != 0)?;
    Some(at * 64 + usize::try_from(word.trailing_zeros()).ok()?)
}
