//! Values to text: one tag group a line, as Python's `xmlrpc.client` prints it.

use super::{Fault, Value, is_xml_char};

const PROLOG: &str = "<?xml version='1.0'?>\n";

/// The body of a call.
pub fn encode_call(method: &str, params: &[Value]) -> Vec<u8> {
    let mut out = Text::new();
    out.raw("<methodCall>\n<methodName>");
    out.escaped(method);
    out.raw("</methodName>\n<params>\n");
    for param in params {
        out.raw("<param>\n");
        out.value(param);
        out.raw("</param>\n");
    }
    out.raw("</params>\n</methodCall>\n");
    out.0.into_bytes()
}

/// The body of an answer.
pub fn encode_response(value: &Value) -> Vec<u8> {
    response(|out| {
        out.value(value);
        Ok::<_, Fault>(())
    })
    .unwrap_or_default()
}

/// The body of an answer whose one value `write` writes; nothing where it fails.
pub(crate) fn response<E>(write: impl FnOnce(&mut Text) -> Result<(), E>) -> Result<Vec<u8>, E> {
    let mut out = Text::new();
    out.raw("<methodResponse>\n<params>\n<param>\n");
    write(&mut out)?;
    out.raw("</param>\n</params>\n</methodResponse>\n");
    Ok(out.0.into_bytes())
}

/// The body of an answer that is a fault.
pub fn encode_fault(fault: &Fault) -> Vec<u8> {
    let mut out = Text::new();
    out.raw("<methodResponse>\n<fault>\n");
    out.structure(|out| {
        out.member("faultCode", |out| out.int(i64::from(fault.code)));
        out.member("faultString", |out| out.string(&fault.text));
    });
    out.raw("</fault>\n</methodResponse>\n");
    out.0.into_bytes()
}

/// The text of a document while it is written.
pub(crate) struct Text(String);

impl Text {
    fn new() -> Text {
        Text(PROLOG.to_owned())
    }

    /// Makes room for so many bytes more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// A structure whose members `fill` writes.
    pub(crate) fn framed(&mut self, frame: &Frame, fill: impl FnOnce(&mut Row<'_>)) {
        let mut row = Row { text: self, pieces: frame.0.iter() };
        fill(&mut row);
        row.go_on();
    }

    /// Any value.
    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Int(number) => self.int(*number),
            Value::Bool(truth) => self.boolean(*truth),
            Value::Str(text) => self.string(text),
            Value::Double(number) => self.scalar("double", &double(*number)),
            Value::DateTime(text) => self.scalar("dateTime.iso8601", text),
            Value::Array(items) => self.array(|out| items.iter().for_each(|item| out.value(item))),
            Value::Struct(members) => self.structure(|out| {
                members.iter().for_each(|(name, value)| out.member(name, |out| out.value(value)));
            }),
            Value::Nil => self.raw("<value><nil/></value>"),
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.raw("<value><string>");
        self.escaped(text);
        self.raw("</string></value>\n");
    }

    pub(crate) fn int(&mut self, number: i64) {
        self.raw("<value><int>");
        self.number(capped(number));
        self.raw("</int></value>\n");
    }

    pub(crate) fn boolean(&mut self, truth: bool) {
        self.raw(if truth {
            "<value><boolean>1</boolean></value>\n"
        } else {
            "<value><boolean>0</boolean></value>\n"
        });
    }

    /// An array whose values `fill` writes.
    pub(crate) fn array(&mut self, fill: impl FnOnce(&mut Text)) {
        self.raw("<value><array><data>\n");
        fill(self);
        self.raw("</data></array></value>\n");
    }

    /// A structure whose members `fill` writes.
    pub(crate) fn structure(&mut self, fill: impl FnOnce(&mut Text)) {
        self.raw("<value><struct>\n");
        fill(self);
        self.raw("</struct></value>\n");
    }

    /// A member whose value `write` writes.
    pub(crate) fn member(&mut self, name: &str, write: impl FnOnce(&mut Text)) {
        self.raw("<member>\n<name>");
        self.escaped(name);
        self.raw("</name>\n");
        write(self);
        self.raw("</member>\n");
    }

    fn scalar(&mut self, tag: &str, text: &str) {
        for part in ["<value><", tag, ">"] {
            self.raw(part);
        }
        self.escaped(text);
        for part in ["</", tag, "></value>\n"] {
            self.raw(part);
        }
    }

    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Text with markup escaped, and U+FFFD for what XML 1.0 cannot carry: a log may hold any byte.
    fn escaped(&mut self, text: &str) {
        if text.bytes().fold(true, |plain, byte| plain & !suspect(byte)) {
            return self.raw(text);
        }
        let mut rest = text;
        // Nearly all text has nothing to be escaped and is copied in one piece.
        while let Some(at) = rest.bytes().position(suspect) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.raw(plain);
            let mut chars = special.chars();
            match chars.next() {
                Some('&') => self.raw("&amp;"),
                Some('<') => self.raw("&lt;"),
                Some('>') => self.raw("&gt;"),
                Some(c) if is_xml_char(c) => self.0.push(c),
                Some(_) => self.0.push(char::REPLACEMENT_CHARACTER),
                None => {}
            }
            rest = chars.as_str();
        }
        self.raw(rest);
    }

    fn number(&mut self, number: i64) {
        let mut digits = [0_u8; 20];
        let mut left = number.unsigned_abs();
        let mut from = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
            from = at;
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            self.0.push('-');
        }
        let digits = digits.get(from..).unwrap_or_default();
        self.raw(std::str::from_utf8(digits).unwrap_or_default());
    }
}

/// The text that stands around the values of a structure's members: one piece before each value and one after the last.
/// To copy these whole is several times as fast as tag by tag.
#[derive(Debug)]
pub(crate) struct Frame(Vec<String>);

impl Frame {
    /// For members of these names and tags; those without a tag write their own.
    pub(crate) fn new(
        members: impl Iterator<Item = (&'static str, Option<&'static str>)>,
    ) -> Frame {
        let mut pieces = Vec::new();
        let mut piece = Text("<value><struct>\n".to_owned());
        for (name, tag) in members {
            piece.raw("<member>\n<name>");
            piece.escaped(name);
            piece.raw("</name>\n");
            let mut after = Text(String::new());
            if let Some(tag) = tag {
                piece.0 += &format!("<value><{tag}>");
                after.0 += &format!("</{tag}></value>\n");
            }
            after.raw("</member>\n");
            pieces.push(std::mem::replace(&mut piece, after).0);
        }
        piece.raw("</struct></value>\n");
        pieces.push(piece.0);
        Frame(pieces)
    }
}

/// A structure whose members are written, in the order of its frame.
pub(crate) struct Row<'t> {
    text: &'t mut Text,
    pieces: std::slice::Iter<'t, String>,
}

impl Row<'_> {
    fn go_on(&mut self) {
        if let Some(piece) = self.pieces.next() {
            self.text.raw(piece);
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.go_on();
        self.text.escaped(text);
    }

    /// A number, or a truth as 0 or 1.
    pub(crate) fn number(&mut self, number: i64) {
        self.go_on();
        self.text.number(capped(number));
    }

    /// A value with its tags, where the frame has none.
    pub(crate) fn any(&mut self, value: &Value) {
        self.go_on();
        self.text.value(value);
    }
}

/// Whether a byte begins a character that is not always written as it is: markup, control characters, U+FFFE and U+FFFF.
fn suspect(byte: u8) -> bool {
    byte < b' ' && byte != b'\n' && byte != b'\t' && byte != b'\r'
        || matches!(byte, b'&' | b'<' | b'>' | 0xef)
}

/// Capped rather than sent as a string: the type that clients expect stays, as the reference itself does with times.
fn capped(number: i64) -> i64 {
    number.clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

/// As Python prints it. Infinity and NaN are no numbers of XML-RPC, but Python writes and reads them.
fn double(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { format!("{number:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::fault::Code;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    // The expected texts are what Python 3.11's xmlrpc.client.dumps prints.

    #[test]
    fn calls() {
        assert_eq!(
            text(encode_call("x.y", &[])),
            "<?xml version='1.0'?>\n<methodCall>\n<methodName>x.y</methodName>\n<params>\n</params>\n</methodCall>\n"
        );
        assert_eq!(
            text(encode_call("m.n", &["a<&>\"'".into(), Value::Int(-16), true.into()])),
            "<?xml version='1.0'?>\n<methodCall>\n<methodName>m.n</methodName>\n<params>\n\
             <param>\n<value><string>a&lt;&amp;&gt;\"'</string></value>\n</param>\n\
             <param>\n<value><int>-16</int></value>\n</param>\n\
             <param>\n<value><boolean>1</boolean></value>\n</param>\n</params>\n</methodCall>\n"
        );
    }

    #[test]
    fn answers() {
        let value = Value::Array(vec![
            Value::Int(1),
            Value::Struct(vec![("a".to_owned(), Value::Array(vec![]))]),
            Value::Double(1.5),
        ]);
        assert_eq!(
            text(encode_response(&value)),
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
             <value><int>1</int></value>\n<value><struct>\n<member>\n<name>a</name>\n\
             <value><array><data>\n</data></array></value>\n</member>\n</struct></value>\n\
             <value><double>1.5</double></value>\n\
             </data></array></value>\n</param>\n</params>\n</methodResponse>\n"
        );
    }

    #[test]
    fn state_answer_has_the_length_clients_saw() {
        let state = Value::Struct(vec![
            ("statecode".to_owned(), Value::Int(1)),
            ("statename".to_owned(), "RUNNING".into()),
        ]);
        assert_eq!(encode_response(&state).len(), 279);
    }

    #[test]
    fn faults() {
        assert_eq!(
            text(encode_fault(&Fault::new(Code::BadName).with("cat"))),
            "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n\
             <name>faultCode</name>\n<value><int>10</int></value>\n</member>\n<member>\n\
             <name>faultString</name>\n<value><string>BAD_NAME: cat</string></value>\n</member>\n\
             </struct></value>\n</fault>\n</methodResponse>\n"
        );
    }

    #[test]
    fn what_xml_cannot_carry_is_replaced() {
        let mut out = Text(String::new());
        out.escaped("a\0b\x1b[1m\t\r\n\u{7f}\u{fffe}\u{ffff}é\u{10ffff}");
        assert_eq!(out.0, "a\u{fffd}b\u{fffd}[1m\t\r\n\u{7f}\u{fffd}\u{fffd}é\u{10ffff}");
    }

    #[test]
    fn big_numbers_are_capped() {
        let big = text(encode_response(&Value::Int(3 << 30)));
        assert!(big.contains("<int>2147483647</int>"));
        let small = text(encode_response(&Value::Int(i64::MIN)));
        assert!(small.contains("<int>-2147483648</int>"));
    }

    #[test]
    fn what_stands_around_members_is_what_stands_there_tag_by_tag() {
        let names =
            [("a<", Some("string")), ("b", Some("int")), ("c", Some("boolean")), ("d", None)];
        let frame = Frame::new(names.into_iter());
        let mut framed = Text(String::new());
        framed.framed(&frame, |row| {
            row.string("&");
            row.number(5 << 40);
            row.number(1);
            row.any(&Value::Array(vec![]));
        });
        let members = [
            ("a<".to_owned(), "&".into()),
            ("b".to_owned(), Value::Int(5 << 40)),
            ("c".to_owned(), true.into()),
            ("d".to_owned(), Value::Array(vec![])),
        ];
        let mut plain = Text(String::new());
        plain.value(&Value::Struct(members.into()));
        assert_eq!(framed.0, plain.0);
    }

    #[test]
    fn numbers_are_written_to_the_last_digit() {
        for number in [0, 9, 10, 65_535, i64::from(i32::MAX), -1, i64::from(i32::MIN), i64::MIN] {
            let mut out = Text(String::new());
            out.number(number);
            assert_eq!(out.0, number.to_string());
        }
    }
}
