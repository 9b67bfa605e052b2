//! One message or record: a checked cursor to read it and a writer to make it, both little endian.
//!
//! Lengths are bounded before anything is copied, and [`Cursor::end`] refuses bytes that are left over.

use std::fmt;

/// Why bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Fewer bytes than the format needs.
    Short,
    /// Bytes are left over after the last field.
    Long,
    /// The magic number or the version is not this build's.
    Version,
    /// A tag, an enum or a flag has a value that does not exist.
    Tag,
    /// A length or a count is over its limit.
    Limit,
    /// A field's value is not allowed; the name says which field.
    Value(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Short => f.write_str("it ends too early"),
            Error::Long => f.write_str("bytes are left over"),
            Error::Version => f.write_str("it is of another version"),
            Error::Tag => f.write_str("an unknown tag"),
            Error::Limit => f.write_str("a length over its limit"),
            Error::Value(field) => write!(f, "a value that is not allowed: {field}"),
        }
    }
}

impl std::error::Error for Error {}

/// Reads fields from the front of a byte slice.
#[derive(Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// Takes `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Error::Short)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[b]| b)
    }

    /// Takes a 16-bit number.
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes a 32-bit number.
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes a signed 32-bit number.
    pub fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_le_bytes)
    }

    /// Takes a 64-bit number.
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a truth value: exactly 0 or 1.
    pub fn bool(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::Tag),
        }
    }

    /// Takes a count of at most `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, Error> {
        let n = usize::try_from(self.u32()?).map_err(|_| Error::Limit)?;
        if n > most { Err(Error::Limit) } else { Ok(n) }
    }

    /// Takes a byte string of at most `most` bytes that holds no NUL, so that it fits a C string.
    pub fn text(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        let n = self.count(most)?;
        let bytes = self.take(n)?;
        if bytes.contains(&0) { Err(Error::Value("NUL in a string")) } else { Ok(bytes.to_vec()) }
    }

    /// Takes a list of at most `most` items. The list grows as items arrive, never by the count alone.
    pub fn list<T>(
        &mut self,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let n = self.count(most)?;
        let mut items = Vec::new();
        for _ in 0..n {
            items.push(item(self)?);
        }
        items.shrink_to_fit();
        Ok(items)
    }

    /// Succeeds when no byte is left.
    pub fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Long) }
    }
}

/// Appends fields to a byte vector, in the form that [`Cursor`] reads.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts empty.
    pub fn new() -> Self {
        Writer::default()
    }

    /// Appends raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, v: u8) -> &mut Self {
        self.raw(&[v])
    }

    /// Appends a 16-bit number.
    pub fn u16(&mut self, v: u16) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, v: u32) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }

    /// Appends a signed 32-bit number.
    pub fn i32(&mut self, v: i32) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, v: u64) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }

    /// Appends a truth value.
    pub fn bool(&mut self, v: bool) -> &mut Self {
        self.u8(u8::from(v))
    }

    /// Appends a count. Counts over 32 bits are written as the largest one, which every reader refuses.
    pub fn count(&mut self, n: usize) -> &mut Self {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX))
    }

    /// Appends a byte string with its length.
    pub fn text(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// Appends a list with its length.
    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.count(items.len());
        for i in items {
            item(self, i);
        }
        self
    }

    /// The bytes so far.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written() {
        let mut w = Writer::new();
        w.u8(1).u16(2).u32(3).i32(-4).u64(5).bool(true).text(b"six").list(&[7u32, 8], |w, v| {
            w.u32(*v);
        });
        let bytes = w.finish();
        let mut c = Cursor::new(&bytes);
        assert_eq!(c.u8(), Ok(1));
        assert_eq!(c.u16(), Ok(2));
        assert_eq!(c.u32(), Ok(3));
        assert_eq!(c.i32(), Ok(-4));
        assert_eq!(c.u64(), Ok(5));
        assert_eq!(c.bool(), Ok(true));
        assert_eq!(c.text(3), Ok(b"six".to_vec()));
        assert_eq!(c.list(2, Cursor::u32), Ok(vec![7, 8]));
        assert_eq!(c.end(), Ok(()));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(Cursor::new(&[1]).u16(), Err(Error::Short));
        assert_eq!(Cursor::new(&[2]).bool(), Err(Error::Tag));
        assert_eq!(Cursor::new(&[4, 0, 0, 0, b'a']).text(3), Err(Error::Limit));
        assert_eq!(Cursor::new(&[4, 0, 0, 0, b'a']).text(4), Err(Error::Short));
        assert_eq!(Cursor::new(&[1, 0, 0, 0, 0]).text(4), Err(Error::Value("NUL in a string")));
        assert_eq!(Cursor::new(&[0]).end(), Err(Error::Long));
        // A huge count costs nothing: the items are simply not there.
        assert_eq!(Cursor::new(&[255, 255, 0, 0]).list(65_535, Cursor::u32), Err(Error::Short));
    }
}
