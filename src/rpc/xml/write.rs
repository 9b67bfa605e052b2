//! Values to text: one tag group a line, as Python's `xmlrpc.client` prints it.

use super::{Fault, Value, is_xml_char};

const PROLOG: &str = "<?xml version='1.0'?>\n";

/// The body of a call.
pub fn encode_call(method: &str, params: &[Value]) -> Vec<u8> {
    let mut out = String::from(PROLOG);
    out.push_str("<methodCall>\n<methodName>");
    escape(&mut out, method);
    out.push_str("</methodName>\n<params>\n");
    for param in params {
        out.push_str("<param>\n");
        write_value(&mut out, param);
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    out.into_bytes()
}

/// The body of an answer.
pub fn encode_response(value: &Value) -> Vec<u8> {
    let mut out = String::from(PROLOG);
    out.push_str("<methodResponse>\n<params>\n<param>\n");
    write_value(&mut out, value);
    out.push_str("</param>\n</params>\n</methodResponse>\n");
    out.into_bytes()
}

/// The body of an answer that is a fault.
pub fn encode_fault(fault: &Fault) -> Vec<u8> {
    let mut out = String::from(PROLOG);
    out.push_str("<methodResponse>\n<fault>\n<value><struct>\n");
    write_member(&mut out, "faultCode", &Value::Int(i64::from(fault.code)));
    write_member(&mut out, "faultString", &Value::Str(fault.text.clone()));
    out.push_str("</struct></value>\n</fault>\n</methodResponse>\n");
    out.into_bytes()
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Int(number) => write_scalar(out, "int", &capped(*number).to_string()),
        Value::Bool(truth) => write_scalar(out, "boolean", if *truth { "1" } else { "0" }),
        Value::Str(text) => write_scalar(out, "string", text),
        Value::Double(number) => write_scalar(out, "double", &format!("{number:?}")),
        Value::DateTime(text) => write_scalar(out, "dateTime.iso8601", text),
        Value::Array(items) => {
            out.push_str("<value><array><data>\n");
            for item in items {
                write_value(out, item);
            }
            out.push_str("</data></array></value>\n");
        }
        Value::Struct(members) => {
            out.push_str("<value><struct>\n");
            for (name, value) in members {
                write_member(out, name, value);
            }
            out.push_str("</struct></value>\n");
        }
        Value::Nil => out.push_str("<value><nil/></value>"),
    }
}

fn write_member(out: &mut String, name: &str, value: &Value) {
    out.push_str("<member>\n<name>");
    escape(out, name);
    out.push_str("</name>\n");
    write_value(out, value);
    out.push_str("</member>\n");
}

fn write_scalar(out: &mut String, tag: &str, text: &str) {
    out.push_str("<value><");
    out.push_str(tag);
    out.push('>');
    escape(out, text);
    out.push_str("</");
    out.push_str(tag);
    out.push_str("></value>\n");
}

/// Capped rather than sent as a string: the type that clients expect stays, as the reference itself does with times.
fn capped(number: i64) -> i64 {
    number.clamp(i64::from(i32::MIN), i64::from(i32::MAX))
}

/// Text with markup escaped, and U+FFFD for what XML 1.0 cannot carry: a log may hold any byte.
fn escape(out: &mut String, text: &str) {
    out.reserve(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if is_xml_char(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
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
        let mut out = String::new();
        escape(&mut out, "a\0b\x1b[1m\t\r\n\u{7f}\u{fffe}\u{ffff}é\u{10ffff}");
        assert_eq!(out, "a\u{fffd}b\u{fffd}[1m\t\r\n\u{7f}\u{fffd}\u{fffd}é\u{10ffff}");
    }

    #[test]
    fn big_numbers_are_capped() {
        let big = text(encode_response(&Value::Int(3 << 30)));
        assert!(big.contains("<int>2147483647</int>"));
        let small = text(encode_response(&Value::Int(i64::MIN)));
        assert!(small.contains("<int>-2147483648</int>"));
    }
}
