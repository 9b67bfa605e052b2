//! XML-RPC values and their text, both directions.
//!
//! Reading follows the reference's habits where clients see them, and refuses whatever XML has beyond elements and
//! text. Writing has the layout of Python's `xmlrpc.client`.

mod read;
mod write;

pub use super::fault::Fault;
pub use read::{BadAnswer, BadCall, Limit, decode_call, decode_response};
#[cfg(test)]
pub(crate) use read::{MAX_CALL_NODES, MAX_DEPTH};
pub(crate) use write::{Frame, Row, Text, response};
pub use write::{encode_call, encode_fault, encode_response};

/// A value of a call or an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `int`; answers never carry more than 32 bits.
    Int(i64),
    /// `boolean`.
    Bool(bool),
    /// `string`, and what the reference reads as one (`base64`, unknown tags).
    Str(String),
    /// `double`.
    Double(f64),
    /// `dateTime.iso8601`, as written.
    DateTime(String),
    /// `array`.
    Array(Vec<Value>),
    /// `struct`, in order.
    Struct(Vec<(String, Value)>),
    /// `nil`; read, never part of an answer.
    Nil,
}

impl Value {
    /// The member of a `struct` with this name.
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(members) => {
                members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// About how many bytes it takes, in memory or written, whichever is more.
    pub fn size(&self) -> usize {
        let own = size_of::<Value>().max("<value><string></string></value>\n".len());
        let member = "<member>\n<name></name>\n</member>\n".len();
        let parts: usize = match self {
            Value::Str(text) | Value::DateTime(text) => written(text),
            Value::Array(items) => items.iter().map(Value::size).sum(),
            Value::Struct(members) => {
                members.iter().map(|(name, value)| member + written(name) + value.size()).sum()
            }
            Value::Int(_) | Value::Bool(_) | Value::Double(_) | Value::Nil => 0,
        };
        own.saturating_add(parts)
    }

    /// The text, if it is a `string`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is an `int`.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

/// How many bytes a text takes when it is written, or more.
pub(super) fn written(text: &str) -> usize {
    let more = |byte: u8| match byte {
        b'&' => 4,
        b'<' | b'>' => 3,
        0..b' ' | 0x7F => 2,
        _ => 0,
    };
    text.bytes().fold(text.len(), |sum, byte| sum.saturating_add(more(byte)))
}

/// Whether XML 1.0 can carry this character.
pub(crate) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
