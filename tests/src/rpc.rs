//! A small XML-RPC client over a unix socket.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::wait::PATIENCE;

/// A value of a call or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// int
    Int(i64),
    /// boolean
    Bool(bool),
    /// string
    Str(String),
    /// array
    Array(Vec<Value>),
    /// struct
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// The member of a struct; fails the test when there is none.
    pub fn get(&self, name: &str) -> &Value {
        let Value::Struct(members) = self else {
            panic!("{self:?} is no struct");
        };
        match members.iter().find(|(n, _)| n == name) {
            Some((_, value)) => value,
            None => panic!("{self:?} has no member {name}"),
        }
    }

    /// A number.
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(n) => *n,
            other => panic!("{other:?} is no number"),
        }
    }

    /// A string.
    pub fn str(&self) -> &str {
        match self {
            Value::Str(s) => s,
            other => panic!("{other:?} is no string"),
        }
    }

    /// The items of an array.
    pub fn array(&self) -> &[Value] {
        match self {
            Value::Array(items) => items,
            other => panic!("{other:?} is no array"),
        }
    }

    fn write(&self, to: &mut String) {
        let _ = match self {
            Value::Int(n) => write!(to, "<value><int>{n}</int></value>"),
            Value::Bool(b) => write!(to, "<value><boolean>{}</boolean></value>", u8::from(*b)),
            Value::Str(s) => {
                let s = s.replace('&', "&amp;").replace('<', "&lt;");
                write!(to, "<value><string>{s}</string></value>")
            }
            other => panic!("{other:?} is not sent by any test"),
        };
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Value {
        Value::Str(s.to_owned())
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

/// Why a call gave no value.
#[derive(Debug)]
pub enum Error {
    /// Nobody answered, or not as HTTP and XML-RPC have it.
    Io(io::Error),
    /// A fault.
    Fault(i64, String),
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}

/// A client of one unix socket; every call is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client; nothing is connected yet.
    pub fn new(socket: &Path) -> Client {
        Client { socket: socket.to_owned() }
    }

    /// Calls a method.
    pub fn call(&self, method: &str, params: &[Value]) -> Result<Value, Error> {
        let mut body =
            format!("<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params>");
        for param in params {
            body.push_str("<param>");
            param.write(&mut body);
            body.push_str("</param>");
        }
        body.push_str("</params></methodCall>");
        let head = format!(
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let (status, answer) = self.exchange(&format!("{head}{body}"))?;
        if status != 200 {
            return Err(bad(&format!("HTTP status {status}: {answer}")).into());
        }
        let mut xml = Xml { rest: &answer };
        if answer.contains("<fault>") {
            let fault = xml.value()?;
            let code = fault.get("faultCode").int();
            return Err(Error::Fault(code, fault.get("faultString").str().to_owned()));
        }
        Ok(xml.value()?)
    }

    /// GET of a path: status and body.
    pub fn get(&self, path: &str) -> io::Result<(u16, String)> {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
    }

    fn exchange(&self, request: &str) -> io::Result<(u16, String)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| bad("no answer"))?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        let length = head.lines().find_map(|l| {
            let (name, value) = l.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if length.is_some_and(|n| body.len() < n) {
            return Err(bad("the answer was cut off"));
        }
        Ok((status.ok_or_else(|| bad("no status"))?, body.to_owned()))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

struct Xml<'a> {
    rest: &'a str,
}

impl<'a> Xml<'a> {
    /// The next tag and the text before it.
    fn tag(&mut self) -> io::Result<(&'a str, &'a str)> {
        let (text, rest) = self.rest.split_once('<').ok_or_else(|| bad("no tag"))?;
        let (tag, rest) = rest.split_once('>').ok_or_else(|| bad("no end of tag"))?;
        self.rest = rest;
        Ok((text, tag))
    }

    fn until(&mut self, wanted: &str) -> io::Result<&'a str> {
        loop {
            let (text, tag) = self.tag()?;
            if tag == wanted {
                return Ok(text);
            }
        }
    }

    /// The next value, its closing tag included.
    fn value(&mut self) -> io::Result<Value> {
        self.until("value")?;
        self.inner()
    }

    /// A value whose opening tag is read.
    fn inner(&mut self) -> io::Result<Value> {
        let (bare, kind) = self.tag()?;
        let value = match kind {
            "/value" => return Ok(Value::Str(plain(bare))),
            "int" | "i4" => {
                let text = self.until(&format!("/{kind}"))?;
                Value::Int(text.parse().map_err(|_| bad("not a number"))?)
            }
            "boolean" => Value::Bool(self.until("/boolean")? == "1"),
            "string" => Value::Str(plain(self.until("/string")?)),
            "string/" => Value::Str(String::new()),
            "array" => Value::Array(self.items()?),
            "struct" => Value::Struct(self.members()?),
            "struct/" => Value::Struct(Vec::new()),
            other => return Err(bad(&format!("a tag that no test expects: {other}"))),
        };
        self.until("/value")?;
        Ok(value)
    }

    fn items(&mut self) -> io::Result<Vec<Value>> {
        let mut items = Vec::new();
        loop {
            match self.tag()?.1 {
                "value" => items.push(self.inner()?),
                "/array" => return Ok(items),
                _ => {}
            }
        }
    }

    fn members(&mut self) -> io::Result<Vec<(String, Value)>> {
        let mut members = Vec::new();
        loop {
            match self.tag()?.1 {
                "name" => {
                    let name = plain(self.until("/name")?);
                    members.push((name, self.value()?));
                }
                "/struct" => return Ok(members),
                _ => {}
            }
        }
    }
}

fn plain(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    let text = text.replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_writes() {
        let text = "<methodResponse>\n<params>\n<param>\n<value><array><data>\n<value><struct>\n<member>\n\
            <name>a</name>\n<value><int>-1</int></value>\n</member>\n<member>\n<name>b</name>\n\
            <value><string>x &lt; y</string></value>\n</member>\n</struct></value>\n\
            <value><boolean>1</boolean></value>\n<value></value></data></array></value>\n</param>";
        let value = Xml { rest: text }.value().expect("it is well-formed");
        assert_eq!(value.array()[0].get("a").int(), -1);
        assert_eq!(value.array()[0].get("b").str(), "x < y");
        assert_eq!(value.array()[1..], [Value::Bool(true), Value::Str(String::new())]);
    }
}
