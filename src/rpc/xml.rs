//! XML-RPC values.

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
    /// `nil`; read, never written.
    Nil,
}

/// A fault: code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The reference's number.
    pub code: i32,
    /// `NAME` or `NAME: extra`.
    pub text: String,
}
