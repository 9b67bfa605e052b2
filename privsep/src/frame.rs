//! How everything on the border is written: little endian, bounded, exact.
//!
//! Lengths are checked before anything is copied, lists grow as items arrive, and no byte may be left over.

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

/// Version of all messages and records together: the processes are of one build.
pub const VERSION: u8 = 1;
/// The longest byte string, as Linux allows for one argument or variable.
pub const MAX_TEXT: usize = 131_072;
/// The most items of a list.
pub const MAX_LIST: usize = 65_536;

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

    /// Takes a fixed number of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Takes a count of at most `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, Error> {
        let n = usize::try_from(u32::get(self)?).map_err(|_| Error::Limit)?;
        if n > most { Err(Error::Limit) } else { Ok(n) }
    }

    /// Succeeds when no byte is left.
    pub fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Long) }
    }
}

/// A value that has one form on the border.
pub trait Wire: Sized {
    /// Appends it.
    fn put(&self, to: &mut Vec<u8>);
    /// Takes it.
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error>;

    /// The bytes of this value alone.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }

    /// Reads bytes that are this value and nothing else.
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(bytes);
        let value = Self::get(&mut cursor)?;
        cursor.end().map(|()| value)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
                from.array().map(<$number>::from_le_bytes)
            }
        }
    )*};
}
numbers!(u8, u16, u32, i32, u64, i64, u128);

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
        match u8::get(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::Tag),
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        self.iter().for_each(|value| value.put(to));
    }
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
        if bool::get(from)? { T::get(from).map(Some) } else { Ok(None) }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
        Ok((A::get(from)?, B::get(from)?))
    }
}

/// A byte string without NUL, so that it fits a C string.
impl Wire for Vec<u8> {
    fn put(&self, to: &mut Vec<u8>) {
        count(self.len(), to);
        to.extend_from_slice(self);
    }
    fn get(from: &mut Cursor<'_>) -> Result<Self, Error> {
        let n = from.count(MAX_TEXT)?;
        let bytes = from.take(n)?;
        if bytes.contains(&0) { Err(Error::Value("NUL in a string")) } else { Ok(bytes.to_vec()) }
    }
}

/// Counts over 32 bits are written as the largest one, which every reader refuses.
pub(crate) fn count(n: usize, to: &mut Vec<u8>) {
    u32::try_from(n).unwrap_or(u32::MAX).put(to);
}

/// Lists of these; a list grows as items arrive, never by its count alone.
macro_rules! lists {
    ($($item:ty),*) => {$(
        impl $crate::frame::Wire for Vec<$item> {
            fn put(&self, to: &mut Vec<u8>) {
                $crate::frame::count(self.len(), to);
                self.iter().for_each(|item| item.put(to));
            }
            fn get(from: &mut $crate::frame::Cursor<'_>) -> Result<Self, $crate::frame::Error> {
                let n = from.count($crate::frame::MAX_LIST)?;
                let mut items = Vec::new();
                for _ in 0..n {
                    items.push(<$item>::get(from)?);
                }
                items.shrink_to_fit();
                Ok(items)
            }
        }
    )*};
}
lists!(u32, Vec<u8>);

/// A struct whose fields are written in order.
macro_rules! record {
    ($(#[$about:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* pub $field:ident: $type:ty,)*
    }) => {
        $(#[$about])*
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }

        impl $crate::frame::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)*
            }
            fn get(from: &mut $crate::frame::Cursor<'_>) -> Result<Self, $crate::frame::Error> {
                Ok($name { $($field: <$type as $crate::frame::Wire>::get(from)?,)* })
            }
        }
    };
}

/// An enum: a tag byte, then the variant's fields in order.
macro_rules! tagged {
    ($(#[$about:meta])* pub enum $name:ident {
        $($(#[$what:meta])* $tag:literal $variant:ident
            $({ $($(#[$doc:meta])* $field:ident: $type:ty,)* })?
            $(( $($place:ident: $inner:ty),* ))?,)*
    }) => {
        $(#[$about])*
        pub enum $name {
            $($(#[$what])* $variant $({ $($(#[$doc])* $field: $type,)* })? $(( $($inner),* ))?,)*
        }

        impl $crate::frame::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(( $($place),* ))? => {
                        to.push($tag);
                        $($($field.put(to);)*)?
                        $($($place.put(to);)*)?
                    })*
                }
            }
            fn get(from: &mut $crate::frame::Cursor<'_>) -> Result<Self, $crate::frame::Error> {
                Ok(match u8::get(from)? {
                    $($tag => Self::$variant
                        $({ $($field: <$type>::get(from)?),* })?
                        $(( $(<$inner>::get(from)?),* ))?,)*
                    _ => return Err($crate::frame::Error::Tag),
                })
            }
        }
    };
}

pub(crate) use {lists, record, tagged};

/// A message of exactly `N` bytes: magic, version, the value, zeros.
pub fn seal<const N: usize>(magic: u16, value: &impl Wire) -> [u8; N] {
    let mut bytes = magic.encode();
    bytes.push(VERSION);
    value.put(&mut bytes);
    debug_assert!(bytes.len() <= N);
    let mut sealed = [0; N];
    sealed.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    sealed
}

/// Reads what [`seal`] made.
pub fn unseal<const N: usize, T: Wire>(magic: u16, bytes: &[u8]) -> Result<T, Error> {
    let mut from = Cursor::new(bytes);
    if u16::get(&mut from)? != magic || u8::get(&mut from)? != VERSION {
        return Err(Error::Version);
    }
    let value = T::get(&mut from)?;
    match bytes.len() {
        n if n < N => Err(Error::Short),
        n if n > N => Err(Error::Long),
        _ if from.rest.iter().any(|byte| *byte != 0) => Err(Error::Tag),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written() {
        let value = (Some(7u16), (vec![b"six".to_vec(), Vec::new()], (vec![1u32, 2], true)));
        let bytes = value.encode();
        assert_eq!(Wire::decode(&bytes), Ok(value));
        assert_eq!(
            <(i32, (u64, i64))>::decode(&(-4i32, (5u64, -6i64)).encode()),
            Ok((-4, (5, -6)))
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(u16::decode(&[1]), Err(Error::Short));
        assert_eq!(u8::decode(&[1, 2]), Err(Error::Long));
        assert_eq!(bool::decode(&[2]), Err(Error::Tag));
        assert_eq!(Vec::<u8>::decode(&[4, 0, 0, 0, b'a']), Err(Error::Short));
        assert_eq!(Vec::<u8>::decode(&[4, 0, 0, 1, b'a']), Err(Error::Limit));
        assert_eq!(Vec::<u8>::decode(&[1, 0, 0, 0, 0]), Err(Error::Value("NUL in a string")));
        // A huge count costs nothing: the items are simply not there.
        assert_eq!(Vec::<u32>::decode(&[0, 0, 1, 0]), Err(Error::Short));
        assert_eq!(Vec::<u32>::decode(&[1, 0, 1, 0]), Err(Error::Limit));
    }

    #[test]
    fn sealed_messages_have_one_form() {
        let bytes: [u8; 8] = seal(0x1234, &7u16);
        assert_eq!(unseal::<8, u16>(0x1234, &bytes), Ok(7));
        assert_eq!(unseal::<8, u16>(0x1235, &bytes), Err(Error::Version));
        assert_eq!(unseal::<8, u16>(0x1234, &bytes[..7]), Err(Error::Short));
        assert_eq!(unseal::<8, u16>(0x1234, &[0x34, 0x12, 1, 7, 0, 0, 0, 1]), Err(Error::Tag));
    }
}
