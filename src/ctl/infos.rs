//! Reading what `getAllProcessInfo` answers in one pass: with a thousand programs it is a megabyte, of which little is
//! shown.

use std::borrow::Cow;

use memchr::memchr;

use super::server::{Info, list};
use super::trouble::Trouble;
use crate::rpc::xml;

/// The processes of an answer.
pub fn read(answer: &[u8]) -> Result<Vec<Info>, Trouble> {
    match std::str::from_utf8(answer).ok().and_then(scan) {
        Some(infos) => Ok(infos),
        // Anything that is not as plain as daemons write it.
        None => list(&xml::decode_response(answer)??),
    }
}

/// One process, as far as it was read.
#[derive(Default)]
struct Partial<'t> {
    name: Option<Cow<'t, str>>,
    group: Option<Cow<'t, str>>,
    statename: Option<Cow<'t, str>>,
    description: Option<Cow<'t, str>>,
    state: Option<i64>,
    pid: Option<i64>,
}

impl<'t> Partial<'t> {
    /// Takes a member; `None` if its value is not to be had without a parser.
    fn take(&mut self, key: &str, text: &'t str, number: bool) -> Option<()> {
        let place = match key {
            "name" => &mut self.name,
            "group" => &mut self.group,
            "statename" => &mut self.statename,
            "description" => &mut self.description,
            "state" | "pid" => {
                let value = if number { text.parse().ok() } else { None };
                let place = if key == "pid" { &mut self.pid } else { &mut self.state };
                *place = value;
                return value.map(|_| ());
            }
            _ => return Some(()),
        };
        if number {
            return None;
        }
        *place = Some(plain(text)?);
        Some(())
    }

    fn finish(self) -> Option<Info> {
        Some(Info {
            name: self.name?.into_owned(),
            group: self.group?.into_owned(),
            state: self.state?,
            statename: self.statename?.into_owned(),
            description: self.description?.into_owned(),
            pid: self.pid?,
        })
    }
}

/// The processes of an answer that has nothing but plain tags; `None` for any other.
fn scan(text: &str) -> Option<Vec<Info>> {
    let mut infos = Vec::new();
    let mut current: Option<Partial<'_>> = None;
    let (mut key, mut before) = ("", "");
    let mut rest = text;
    loop {
        while let Some((found, after)) = member(rest) {
            current.as_mut()?.take(found.key, found.text, found.number)?;
            (before, rest) = ("/member", after);
        }
        let Some((content, tail)) = until(b'<', rest) else { break };
        let tail = tail.get(1..)?;
        let (tag, tail) = until(b'>', tail)?;
        rest = tail.get(1..)?;
        match tag {
            "struct" if current.is_none() => current = Some(Partial::default()),
            "/struct" => infos.push(current.take()?.finish()?),
            "/name" => key = content,
            "/string" => current.as_mut()?.take(key, content, false)?,
            "/int" | "/i4" => current.as_mut()?.take(key, content, true)?,
            "string/" => current.as_mut()?.take(key, "", false)?,
            "/value" if before == "value" => current.as_mut()?.take(key, content, false)?,
            "/value" | "value" | "string" | "int" | "i4" | "name" | "member" | "/member" => {}
            "methodResponse" | "params" | "param" | "array" | "data" => {}
            "/methodResponse" | "/params" | "/param" | "/array" | "/data" => {}
            _ if tag.starts_with("?xml ") && infos.is_empty() && current.is_none() => {}
            _ => return None,
        }
        before = tag;
    }
    (before == "/methodResponse" && current.is_none() && text.contains("<params>")).then_some(infos)
}

/// A member of a structure.
struct Member<'t> {
    key: &'t str,
    text: &'t str,
    number: bool,
}

/// The member that a text begins with, and what follows it, if each tag stands where Python's library and this daemon
/// put it: nearly the whole of an answer, and read several times as fast as tag by tag.
fn member(text: &str) -> Option<(Member<'_>, &str)> {
    let text = text.strip_prefix('\n').unwrap_or(text).strip_prefix("<member>\n<name>")?;
    let (key, text) = until(b'<', text)?;
    let text = text.strip_prefix("</name>\n<value><")?;
    if let Some(text) = text.strip_prefix("string>") {
        let (value, text) = until(b'<', text)?;
        let after = text.strip_prefix("</string></value>\n</member>\n")?;
        return Some((Member { key, text: value, number: false }, after));
    }
    let (value, text) = until(b'<', text.strip_prefix("int>")?)?;
    let after = text.strip_prefix("</int></value>\n</member>\n")?;
    Some((Member { key, text: value, number: true }, after))
}

/// The text before the first such ASCII character, and the text from there on.
fn until(end: u8, text: &str) -> Option<(&str, &str)> {
    text.split_at_checked(memchr(end, text.as_bytes())?)
}

/// Text without what a parser would change, but for the entities of `<`, `>` and `&`.
fn plain(text: &str) -> Option<Cow<'_, str>> {
    if memchr(b'\r', text.as_bytes()).is_some() {
        return None;
    }
    if memchr(b'&', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut read = String::with_capacity(text.len());
    let mut parts = text.split('&');
    read.push_str(parts.next()?);
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        read.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            _ => return None,
        });
        read.push_str(after);
    }
    Some(Cow::Owned(read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::xml::Value;

    fn process(name: &str, description: &str) -> Value {
        let members = [
            ("name", Value::from(name)),
            ("group", Value::from("g")),
            ("start", Value::Int(1)),
            ("state", Value::Int(20)),
            ("statename", Value::from("RUNNING")),
            ("spawnerr", Value::from("")),
            ("pid", Value::Int(77)),
            ("description", Value::from(description)),
        ];
        Value::Struct(members.map(|(key, value)| (key.to_owned(), value)).into())
    }

    #[test]
    fn agrees_with_the_parser() {
        let odd = process("a<b>&c;é \u{1f600}", "  pid 77, uptime 0:00:01\n&amp; ");
        for processes in
            [vec![], vec![process("x", "")], vec![odd, process("y", "d"), process("", "")]]
        {
            let answer = xml::encode_response(&Value::Array(processes.clone()));
            let scanned = scan(std::str::from_utf8(&answer).unwrap());
            let parsed: Vec<Info> = list(&Value::Array(processes)).unwrap();
            assert_eq!(scanned, Some(parsed));
        }
    }

    const ONE: &str = "<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><struct>\
        <member><name>name</name><value>a</value></member><member><name>group</name><value><string>g</string></value>\
        </member><member><name>state</name><value><i4>0</i4></value></member><member><name>statename</name><value>\
        <string/></value></member><member><name>description</name><value><string>x</string></value></member>\
        <member><name>pid</name><value><int>0</int></value></member></struct></value></data></array></value></param>\
        </params></methodResponse>";

    #[test]
    fn members_are_read_as_a_whole_where_nothing_is_unusual() {
        let found = |text| member(text).map(|(m, after)| (m.key, m.text, m.number, after));
        let text = "\n<member>\n<name>a</name>\n<value><string>b</string></value>\n</member>\n<x>";
        assert_eq!(found(text), Some(("a", "b", false, "<x>")));
        let int = text.replace("string>", "int>");
        assert_eq!(found(&int), Some(("a", "b", true, "<x>")));
        for (from, to) in [
            ("\n<member>", " <member>"),
            ("</name>", "<!-- c --></name>"),
            ("<string>", "<int>"),
            ("<string>b</string>", "b"),
            ("</value>", " </value>"),
            ("b</", "<![CDATA[b]]></"),
            ("</member>\n<x>", ""),
        ] {
            assert!(member(&text.replacen(from, to, 1)).is_none(), "{to}");
        }
        let plain = process("x", "d");
        let answer = String::from_utf8(xml::encode_response(&Value::Array(vec![plain]))).unwrap();
        let info = |text: &str| scan(text).map(|infos| infos.len());
        assert_eq!(info(&answer), Some(1));
        assert_eq!(info(&answer.replace(">d<", ">&#100;<")), None);
        assert_eq!(info(&answer.replace("<int>77</int>", "<int> 77 </int>")), None);
        assert_eq!(info(&answer.replace("<value><struct>\n", "")), None);
    }

    #[test]
    fn other_layouts_are_read() {
        let infos = scan(ONE).unwrap();
        let [info] = infos.as_slice() else { panic!("{infos:?}") };
        assert_eq!(
            (info.name.as_str(), info.group.as_str(), info.statename.as_str()),
            ("a", "g", "")
        );
        assert_eq!(read(ONE.as_bytes()).unwrap(), infos);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        for (from, to) in [
            (">x<", ">&#120;<"),
            (">x<", ">&apos;<"),
            (">x<", ">\r<"),
            (">x<", "><!-- c -->x<"),
            (">x<", "><![CDATA[x]]><"),
            ("<int>0</int>", "<int> 0 </int>"),
            ("<int>0</int>", "<string>0</string>"),
            ("<name>pid</name>", "<name>other</name>"),
            ("</methodResponse>", ""),
            ("<params>", "<fault>"),
            ("<value>a</value>", "<value><struct></struct></value>"),
            ("<value>a</value>", "<value><double>1.0</double></value>"),
        ] {
            assert!(ONE.contains(from));
            assert_eq!(scan(&ONE.replace(from, to)), None, "{to}");
        }
        let fault = xml::encode_fault(&crate::rpc::xml::Fault { code: 6, text: "X".to_owned() });
        assert!(matches!(read(&fault), Err(Trouble::Fault(fault)) if fault.code == 6));
        assert!(read(b"\xff").is_err() && read(b"").is_err() && read(b"<").is_err());
    }
}
