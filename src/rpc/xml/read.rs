//! Text to values. Hostile input: no document type, no attribute, no foreign encoding, bounded depth and size.

mod members;
mod scalar;

use std::borrow::Cow;
use std::fmt;
use std::vec::Drain;

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

/// What an element is, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Int,
    Boolean,
    Str,
    Double,
    DateTime,
    Base64,
    /// Has the value of its first child.
    Wrapper,
    Value,
    Data,
    Struct,
    MethodName,
    Params,
    Fault,
    /// Any other, of a name that is one.
    Other,
}

impl Tag {
    fn of(name: &str) -> Result<Tag, Refused> {
        Ok(match name {
            "int" | "i4" => Tag::Int,
            "boolean" => Tag::Boolean,
            "string" => Tag::Str,
            "double" => Tag::Double,
            "dateTime.iso8601" => Tag::DateTime,
            "base64" => Tag::Base64,
            "array" | "param" => Tag::Wrapper,
            "value" => Tag::Value,
            "data" => Tag::Data,
            "struct" => Tag::Struct,
            "methodName" => Tag::MethodName,
            "params" => Tag::Params,
            "fault" => Tag::Fault,
            _ if is_plain_name(name) => Tag::Other,
            _ => return Err(Nonsense),
        })
    }
}

/// An element that has ended.
#[derive(Debug)]
enum Child<'t> {
    /// With a meaning of its own.
    Value(Value),
    /// Without: what it comes to is up to its parent, and mostly nothing is to be kept of its text.
    Unknown {
        text: Cow<'t, str>,
        /// The values of its children, where there are two: it may be a member of a structure.
        pair: Option<(Value, Value)>,
    },
}

impl Child<'_> {
    fn value(self) -> Value {
        match self {
            Child::Value(value) => value,
            Child::Unknown { text, .. } if text.is_empty() => Value::Nil,
            Child::Unknown { text, .. } => Value::Str(text.into_owned()),
        }
    }

    fn pair(self) -> Option<(Value, Value)> {
        match self {
            Child::Value(_) => None,
            Child::Unknown { pair, .. } => pair,
        }
    }
}

/// An element that has not ended yet.
struct Open<'t> {
    tag: Tag,
    /// Text before the first child; text after it has no meaning anywhere.
    text: Cow<'t, str>,
    /// How many elements had ended, and not been taken by their parents, before this one.
    ended_before: usize,
}

/// A document while it is read. It keeps slices of the text for as long as they do.
#[derive(Default)]
struct Document<'t> {
    open: Vec<Open<'t>>,
    /// The children so far of all that is open, the outermost's first.
    ended: Vec<Child<'t>>,
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
            Event::Text(part) => document.text(|| part.xml10_content())?,
            Event::CData(part) if !document.open.is_empty() => {
                document.text(|| part.xml10_content())?;
            }
            Event::GeneralRef(entity) => {
                let resolved = resolve(&entity)?;
                document.text(|| resolved)?;
            }
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
fn resolve(entity: &BytesRef<'_>) -> Result<Cow<'static, str>, Refused> {
    match entity.resolve_char_ref().map_err(|_| Nonsense)? {
        Some(c) if is_xml_char(c) => Ok(Cow::Owned(c.to_string())),
        Some(_) => Err(Nonsense),
        None => resolve_xml_entity(entity).map(Cow::Borrowed).ok_or(Nonsense),
    }
}

impl<'t> Document<'t> {
    fn start(&mut self, name: &str, attributes: &str, max_nodes: usize) -> Result<(), Refused> {
        self.nodes = self.nodes.saturating_add(1);
        let tag = Tag::of(name)?;
        let second_root = self.open.is_empty() && self.root_ended;
        if second_root || !attributes.trim_ascii().is_empty() {
            return Err(Nonsense);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Refused::Limit(Limit::Depth));
        }
        if self.nodes > max_nodes {
            return Err(Refused::Limit(Limit::Nodes));
        }
        self.open.push(Open { tag, text: Cow::Borrowed(""), ended_before: self.ended.len() });
        Ok(())
    }

    /// Takes text, which is not made where it has no meaning.
    fn text(&mut self, text: impl FnOnce() -> Cow<'t, str>) -> Result<(), Refused> {
        match self.open.last_mut() {
            Some(open) if self.ended.len() > open.ended_before => Ok(()),
            Some(open) => {
                open.text += text();
                Ok(())
            }
            None if text().trim_ascii().is_empty() => Ok(()),
            None => Err(Nonsense),
        }
    }

    fn end(&mut self) -> Result<(), Refused> {
        let open = self.open.pop().ok_or(Nonsense)?;
        let children = self.ended.drain(open.ended_before..);
        let child = close(open, children, &mut self.found)?;
        if self.open.is_empty() {
            self.root_ended = true;
        } else {
            self.ended.push(child);
        }
        Ok(())
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
fn close<'t>(
    Open { tag, text, .. }: Open<'t>,
    mut children: Drain<'_, Child<'t>>,
    found: &mut Found,
) -> Result<Child<'t>, Refused> {
    Ok(Child::Value(match tag {
        Tag::Int => Value::Int(scalar::int(&text)?),
        Tag::Boolean => Value::Bool(text == "1"),
        Tag::Str => Value::Str(text.into_owned()),
        Tag::Double => Value::Double(text.trim().parse().map_err(|_| Nonsense)?),
        Tag::DateTime => Value::DateTime(scalar::time(&text)?.to_owned()),
        Tag::Base64 => Value::Str(scalar::base64(&text)?),
        Tag::Wrapper => children.next().ok_or(Nonsense)?.value(),
        Tag::Value => children.next().map_or_else(|| Value::Str(text.into_owned()), Child::value),
        Tag::Data => Value::Array(children.map(Child::value).collect()),
        Tag::Struct => members::read(children)?,
        Tag::MethodName | Tag::Params | Tag::Fault | Tag::Other => {
            let pair = note(tag, &text, children, found);
            return Ok(Child::Unknown { text, pair });
        }
    }))
}

/// Takes what the document is read for, wherever that stands, as the reference does. Gives the values of the children
/// where there are two.
fn note<'t>(
    tag: Tag,
    text: &str,
    mut children: Drain<'_, Child<'t>>,
    found: &mut Found,
) -> Option<(Value, Value)> {
    if tag == Tag::MethodName {
        found.method = Some(text.to_owned());
    }
    if tag == Tag::Params || tag == Tag::Fault {
        let values: Vec<Value> = children.map(Child::value).collect();
        let pair = match values.as_slice() {
            [one, two] => Some((one.clone(), two.clone())),
            _ => None,
        };
        match tag {
            Tag::Params => found.params = Some(values),
            _ => found.fault = values.into_iter().next(),
        }
        return pair;
    }
    if children.len() == 2 {
        Some((children.next()?.value(), children.next()?.value()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
