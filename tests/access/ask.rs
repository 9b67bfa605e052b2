//! Requests and answers as they are on the wire.

use std::fmt::Write;

use system_tests::base64;
use system_tests::wire::header;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The first answer of what came.
    pub fn read(text: &str) -> Answer {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// All answers of a connection, each of which has a length.
    pub fn all(mut text: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        while !text.is_empty() {
            let mut answer = Answer::read(text);
            let length = answer.header("content-length").and_then(|n| n.parse().ok());
            let length: usize = length.unwrap_or_else(|| panic!("no length: {answer:?}"));
            let end = answer.head.len() + 4 + length;
            answer.body = text.get(answer.head.len() + 4..end).expect("a whole body").to_owned();
            text = &text[end..];
            answers.push(answer);
        }
        answers
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The fault that it is; `None` where it is none.
    pub fn fault(&self) -> Option<(i32, String)> {
        let (_, rest) = self.body.split_once("<fault>")?;
        let (_, code) = rest.split_once("<int>")?;
        let code = code.split('<').next()?.parse().ok()?;
        let (_, text) = rest.split_once("<string>")?;
        Some((code, text.split("</string>").next()?.to_owned()))
    }

    /// Its fault's code, 0 for a value.
    pub fn code(&self) -> i32 {
        assert_eq!(self.status, 200, "{self:?}");
        match self.fault() {
            Some((code, _)) => code,
            None if self.body.contains("<params>") => 0,
            None => panic!("neither a value nor a fault: {self:?}"),
        }
    }

    /// The token of the page's form.
    pub fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").expect("a form");
        rest.split('"').next().expect("a token").to_owned()
    }

    /// Without what changes from one answer to the next: dates, tokens, when a page was looked at.
    pub fn settled(&self) -> Answer {
        let lines = self.head.lines().filter(|l| !l.to_ascii_lowercase().starts_with("date:"));
        let lines = lines.map(|l| l.split("refreshed%20at%20").next().unwrap_or(l));
        let mut body = String::new();
        let mut rest = self.body.as_str();
        while let Some((before, after)) = rest.split_once("name=\"token\" value=\"") {
            let _ = write!(body, "{before}name=\"token\"");
            rest = after.split_once('"').map_or("", |(_, after)| after);
        }
        body.push_str(rest);
        Answer { status: self.status, head: lines.collect::<Vec<_>>().join("\n"), body }
    }
}

/// A parameter of a call.
#[derive(Debug, Clone)]
pub enum Param {
    Int(i64),
    Bool(bool),
    Str(String),
    /// Calls of a system.multicall.
    Calls(Vec<(String, Vec<Param>)>),
}

impl From<&str> for Param {
    fn from(text: &str) -> Param {
        Param::Str(text.to_owned())
    }
}

impl Param {
    fn write(&self, to: &mut String) {
        let _ = match self {
            Param::Int(n) => write!(to, "<value><int>{n}</int></value>"),
            Param::Bool(b) => write!(to, "<value><boolean>{}</boolean></value>", u8::from(*b)),
            Param::Str(text) => write!(to, "<value><string>{}</string></value>", escaped(text)),
            Param::Calls(calls) => {
                to.push_str("<value><array><data>");
                for (method, params) in calls {
                    let _ = write!(
                        to,
                        "<value><struct><member><name>methodName</name><value><string>{}</string></value>\
                         </member><member><name>params</name><value><array><data>",
                        escaped(method)
                    );
                    params.iter().for_each(|param| param.write(to));
                    to.push_str("</data></array></value></member></struct></value>");
                }
                write!(to, "</data></array></value>")
            }
        };
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;")
}

/// The document of a call.
pub fn document(method: &str, params: &[Param]) -> String {
    let mut text = format!(
        "<?xml version='1.0'?><methodCall><methodName>{}</methodName><params>",
        escaped(method)
    );
    for param in params {
        text.push_str("<param>");
        param.write(&mut text);
        text.push_str("</param>");
    }
    text + "</params></methodCall>"
}

/// A call, after which the connection stays. `headers` are further lines, each with its end.
pub fn call(method: &str, params: &[Param], headers: &str) -> Vec<u8> {
    let body = document(method, params);
    let length = body.len();
    format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A call, after which the connection is closed.
pub fn last_call(method: &str, params: &[Param], headers: &str) -> Vec<u8> {
    call(method, params, &format!("{headers}Connection: close\r\n"))
}

/// A GET, after which the connection is closed.
pub fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n")
        .into_bytes()
}

/// A form, after which the connection is closed.
pub fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         {headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The header line of a name and a password.
pub fn basic(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", base64(format!("{name}:{password}").as_bytes()))
}
