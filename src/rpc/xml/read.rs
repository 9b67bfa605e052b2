//! Text to values. Hostile input: no document type, no attribute, no foreign encoding, bounded depth and size.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, Event};

use super::{Fault, Value, is_xml_char};

/// Elements in elements that a document may have.
pub(crate) const MAX_DEPTH: usize = 32;
/// Elements that a call may have.
pub(crate) const MAX_CALL_NODES: usize = 20_000;
/// The state of a thousand programs is a large answer.
const MAX_RESPONSE_NODES: usize = 2_000_000;

/// What a document has more of than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Elements in elements.
    Depth,
    /// Elements in all.
    Nodes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Depth => write!(f, "a call may be {MAX_DEPTH} elements deep at most"),
            Limit::Nodes => write!(f, "a call may have {MAX_CALL_NODES} elements at most"),
        }
    }
}

/// Why a call cannot be read. A limit is answered with a fault, the others with status 400; their names are the
/// reference's words for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCall {
    /// Too large.
    Limit(Limit),
    /// Ill-formed, forbidden or ill-typed.
    Unmarshallable,
    /// `methodName` is missing or empty.
    NoMethodName,
}

impl fmt::Display for BadCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadCall::Limit(limit) => limit.fmt(f),
            BadCall::Unmarshallable => f.write_str("unmarshallable"),
            BadCall::NoMethodName => f.write_str("no method name"),
        }
    }
}

impl std::error::Error for BadCall {}

/// An answer that is no XML-RPC answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAnswer;

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's answer is not an XML-RPC answer")
    }
}

impl std::error::Error for BadAnswer {}

/// Reads a call: method name and parameters. The caller bounds the length of `body`.
pub fn decode_call(body: &[u8]) -> Result<(String, Vec<Value>), BadCall> {
    let text = std::str::from_utf8(body).map_err(|_| BadCall::Unmarshallable)?;
    if !text.chars().all(is_xml_char) {
        return Err(BadCall::Unmarshallable);
    }
    let found = read(text, MAX_CALL_NODES).map_err(|refused| match refused {
        Refused::Limit(limit) => BadCall::Limit(limit),
        Refused::Nonsense => BadCall::Unmarshallable,
    })?;
    let method = found.method.filter(|name| !name.is_empty()).ok_or(BadCall::NoMethodName)?;
    Ok((method, found.params.unwrap_or_default()))
}

/// Reads an answer: a value or a fault. Characters that XML cannot carry pass: older daemons send logs with them.
pub fn decode_response(body: &[u8]) -> Result<Result<Value, Fault>, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer)?;
    let found = read(text, MAX_RESPONSE_NODES).map_err(|_| BadAnswer)?;
    if let Some(fault) = found.fault {
        let code = fault.member("faultCode").and_then(Value::as_int);
        let code = code.and_then(|code| i32::try_from(code).ok()).ok_or(BadAnswer)?;
        let text = fault.member("faultString").and_then(Value::as_str).ok_or(BadAnswer)?;
        return Ok(Err(Fault { code, text: text.to_owned() }));
    }
    found.params.and_then(|params| params.into_iter().next()).map(Ok).ok_or(BadAnswer)
}

/// The input is not what may be read.
#[derive(Debug)]
enum Refused {
    Limit(Limit),
    /// Where and why helps nobody who is told.
    Nonsense,
}

use Refused::Nonsense;

/// What a document held.
#[derive(Default)]
struct Found {
    method: Option<String>,
    params: Option<Vec<Value>>,
    fault: Option<Value>,
}

/// An element that has ended: its value, and its children where its parent may ask for them.
struct Child {
    value: Value,
    children: Vec<Child>,
}

/// An element that has not ended yet.
struct Open {
    tag: String,
    /// Text before the first child; text after it has no meaning anywhere.
    text: String,
    children: Vec<Child>,
}

#[derive(Default)]
struct Document {
    open: Vec<Open>,
    nodes: usize,
    root_ended: bool,
    found: Found,
}

fn read(text: &str, max_nodes: usize) -> Result<Found, Refused> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut document = Document::default();
    loop {
        let at_start = reader.buffer_position() == 0;
        match reader.read_event().map_err(|_| Nonsense)? {
            Event::Decl(decl) if at_start => check_encoding(&decl, text)?,
            Event::Start(tag) => {
                document.start(tag.name().as_ref(), tag.attributes_raw(), max_nodes)?;
            }
            Event::Empty(tag) => {
                document.start(tag.name().as_ref(), tag.attributes_raw(), max_nodes)?;
                document.end()?;
            }
            Event::End(_) => document.end()?,
            Event::Text(part) => document.text(&part.xml10_content())?,
            Event::CData(part) if !document.open.is_empty() => {
                document.text(&part.xml10_content())?;
            }
            Event::GeneralRef(entity) => document.text(resolve(&entity)?.as_str())?,
            Event::Comment(_) => {}
            Event::Eof => return document.finish(),
            Event::Decl(_) | Event::CData(_) | Event::PI(_) | Event::DocType(_) => {
                return Err(Nonsense);
            }
        }
    }
}

/// The bytes are UTF-8 already. Another declared encoding is believed only where it would read the same: clients of
/// PHP declare ISO-8859-1 and send ASCII.
fn check_encoding(decl: &BytesDecl<'_>, text: &str) -> Result<(), Refused> {
    decl.version().map_err(|_| Nonsense)?;
    let Some(declared) = decl.encoding() else {
        return Ok(());
    };
    let declared = declared.map_err(|_| Nonsense)?.to_ascii_lowercase();
    let extends_ascii = declared == "us-ascii"
        || declared == "ascii"
        || declared.starts_with("iso-8859-")
        || declared.starts_with("windows-125");
    let sound = declared == "utf-8" || declared == "utf8" || (extends_ascii && text.is_ascii());
    if sound { Ok(()) } else { Err(Nonsense) }
}

/// The text of `&name;` or `&#n;`: the five names of XML, or a character that XML can carry.
fn resolve(entity: &BytesRef<'_>) -> Result<String, Refused> {
    match entity.resolve_char_ref().map_err(|_| Nonsense)? {
        Some(c) if is_xml_char(c) => Ok(c.to_string()),
        Some(_) => Err(Nonsense),
        None => resolve_xml_entity(entity).map(str::to_owned).ok_or(Nonsense),
    }
}

impl Document {
    fn start(&mut self, tag: &str, attributes: &str, max_nodes: usize) -> Result<(), Refused> {
        self.nodes = self.nodes.saturating_add(1);
        let allowed = is_plain_name(tag)
            && attributes.trim_ascii().is_empty()
            && !(self.open.is_empty() && self.root_ended);
        if !allowed {
            return Err(Nonsense);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Refused::Limit(Limit::Depth));
        }
        if self.nodes > max_nodes {
            return Err(Refused::Limit(Limit::Nodes));
        }
        self.open.push(Open { tag: tag.to_owned(), text: String::new(), children: Vec::new() });
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Refused> {
        match self.open.last_mut() {
            Some(open) => {
                if open.children.is_empty() {
                    open.text.push_str(text);
                }
                Ok(())
            }
            None if text.trim_ascii().is_empty() => Ok(()),
            None => Err(Nonsense),
        }
    }

    fn end(&mut self) -> Result<(), Refused> {
        let open = self.open.pop().ok_or(Nonsense)?;
        self.note(&open);
        let child = close(open)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(child),
            None => self.root_ended = true,
        }
        Ok(())
    }

    /// Takes what the document is read for. Where these stand is not looked at, as in the reference.
    fn note(&mut self, open: &Open) {
        match open.tag.as_str() {
            "methodName" => self.found.method = Some(open.text.clone()),
            "params" => {
                let values = open.children.iter().map(|child| child.value.clone());
                self.found.params = Some(values.collect());
            }
            "fault" => self.found.fault = open.children.first().map(|child| child.value.clone()),
            _ => {}
        }
    }

    fn finish(self) -> Result<Found, Refused> {
        if self.root_ended && self.open.is_empty() { Ok(self.found) } else { Err(Nonsense) }
    }
}

/// A name without a prefix: there is no attribute that could declare one.
fn is_plain_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    name.chars().next().is_some_and(letter)
        && name.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '.' || c == '-')
}

/// The value of an element, by the reference's table. Unknown tags keep their text and their children.
fn close(open: Open) -> Result<Child, Refused> {
    let Open { tag, text, children } = open;
    let value = match tag.as_str() {
        "int" | "i4" => Value::Int(read_int(&text)?),
        "boolean" => Value::Bool(text == "1"),
        "string" => Value::Str(text),
        "double" => Value::Double(text.trim().parse().map_err(|_| Nonsense)?),
        "dateTime.iso8601" => Value::DateTime(read_time(text)?),
        "base64" => Value::Str(read_base64(&text)?),
        "array" | "param" => first(children)?,
        "data" => Value::Array(children.into_iter().map(|child| child.value).collect()),
        "struct" => read_struct(children)?,
        "value" if children.is_empty() => Value::Str(text),
        "value" => first(children)?,
        _ if text.is_empty() => {
            return Ok(Child { value: Value::Nil, children });
        }
        _ => {
            return Ok(Child { value: Value::Str(text), children });
        }
    };
    Ok(Child { value, children: Vec::new() })
}

fn first(children: Vec<Child>) -> Result<Value, Refused> {
    children.into_iter().next().map(|child| child.value).ok_or(Nonsense)
}

/// Numbers have no range in the reference. Beyond 64 bits the nearest one serves: no method tells them apart.
fn read_int(text: &str) -> Result<i64, Refused> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Nonsense);
    }
    Ok(text.parse().unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

/// Only `YYYYMMDDTHH:MM:SS`.
fn read_time(text: String) -> Result<String, Refused> {
    let fits = text.len() == 17
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            11 | 14 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    let part = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(99)
    };
    let in_range = fits
        && (1..=12).contains(&part(4..6))
        && (1..=31).contains(&part(6..8))
        && part(9..11) <= 23
        && part(12..14) <= 59
        && part(15..17) <= 61;
    if in_range { Ok(text) } else { Err(Nonsense) }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Foreign characters are skipped and the padding ends it, as Python does. The bytes must be UTF-8.
fn read_base64(text: &str) -> Result<String, Refused> {
    let mut digits = Vec::with_capacity(text.len());
    let mut pads = 0;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                pads = 0;
                digits.push(byte);
            }
            b'=' => {
                pads += 1;
                let position = digits.len() % 4;
                if position >= 2 && position + pads >= 4 {
                    return decode_base64(&digits);
                }
            }
            _ => {}
        }
    }
    if digits.len().is_multiple_of(4) { decode_base64(&digits) } else { Err(Nonsense) }
}

fn decode_base64(digits: &[u8]) -> Result<String, Refused> {
    let bytes = LENIENT.decode(digits).map_err(|_| Nonsense)?;
    String::from_utf8(bytes).map_err(|_| Nonsense)
}

/// Each child has two children, name and value. A name given again has its last value.
fn read_struct(children: Vec<Child>) -> Result<Value, Refused> {
    let mut members: Vec<(String, Value)> = Vec::with_capacity(children.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(children.len());
    for child in children {
        let pair: [Child; 2] = child.children.try_into().map_err(|_| Nonsense)?;
        let [key, value] = pair.map(|child| child.value);
        let key = match key {
            Value::Str(key) => key,
            Value::Nil => String::new(),
            _ => return Err(Nonsense),
        };
        match places.get(&key).and_then(|place| members.get_mut(*place)) {
            Some(member) => member.1 = value,
            None => {
                places.insert(key.clone(), members.len());
                members.push((key, value));
            }
        }
    }
    Ok(Value::Struct(members))
}

#[cfg(test)]
mod tests;
