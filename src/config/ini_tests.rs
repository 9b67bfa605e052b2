use super::*;
use crate::config::python::{Random, answers};

fn parse(text: &str) -> Result<Document, Syntax> {
    let mut doc = Document::default();
    doc.read("f", text.as_bytes()).map(|()| doc)
}

fn value(text: &str) -> String {
    let doc = parse(&format!("[s]\nk={text}\n")).unwrap();
    doc.get("s", "k").unwrap().text.clone()
}

#[test]
fn inline_comments_follow_the_newer_rule() {
    for (text, result) in [
        ("/bin/a;b", "/bin/a;b"),
        ("/bin/a ;b", "/bin/a"),
        ("/bin/a\t#b", "/bin/a"),
        ("bash -c 'foo ; bar'", "bash -c 'foo"),
        ("sh -c 'a;b;c'", "sh -c 'a;b;c'"),
        ("a;b ; c # d", "a;b"),
        (";x", ";x"),
        (" ;x", ""),
        ("x#1 #2", "x#1"),
        ("\"false\"", "\"false\""),
    ] {
        assert_eq!(value(text), result, "{text}");
    }
}

#[test]
fn lines_that_two_pythons_read_differently_are_remarked() {
    let remarks = |text: &str| -> Vec<Remark> {
        let doc = parse(&format!("[s]\nk={text}\n")).unwrap();
        doc.remarks.iter().map(|(_, r)| *r).collect()
    };
    assert_eq!(remarks("a;b ; c # d"), [Remark::Rules]);
    assert_eq!(remarks("bash -c 'foo ; bar'"), [Remark::Quotes]);
    assert_eq!(remarks("a ; it's fine"), []);
    assert_eq!(remarks("/bin/a ;b"), []);
}

#[test]
fn sections_keys_and_continuations() {
    let doc = parse(
        "# c\n[program:a] junk\ncommand: /bin/a\n  autostart=false\n\n  ; comment\n  more\nUSER = x\n\
         [program:a]b]\nx=1\n[program:a]\nuser=y\n[DEFAULT]\nz=9\n",
    )
    .unwrap();
    let names: Vec<&str> = doc.sections.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["program:a", "program:a]b"]);
    let command = doc.get("program:a", "command").unwrap();
    assert_eq!(command.text, "/bin/a\nautostart=false\n\nmore");
    assert_eq!(command.place.line, 3);
    assert_eq!(doc.get("program:a", "user").unwrap().text, "y");
    assert_eq!(doc.get("program:a]b", "z").unwrap().text, "9");
    assert!(doc.get("program:a", "none").is_none());
}

#[test]
fn bad_lines_are_all_named() {
    let error = parse("[s]\nautostart\na=1\n=2\n").unwrap_err();
    assert_eq!(
        error.text,
        "Source contains parsing errors: 'f'\n\t[line  2]: 'autostart\\n'\n\t[line  4]: '=2\\n'"
    );
    assert_eq!(error.lines, [2, 4]);
    assert_eq!(
        parse("a=b\n").unwrap_err().text,
        "File contains no section headers.\nfile: 'f', line: 1\n'a=b\\n'"
    );
    assert_eq!(
        parse("\u{feff}[s]\n").unwrap_err().text,
        "File contains no section headers.\nfile: 'f', line: 1\n'\\ufeff[s]\\n'"
    );
    assert!(parse("[s]\na=1\0\n").is_err());
    let mut doc = Document::default();
    let error = doc.read("f", b"[s]\na=\xff\n").unwrap_err();
    assert_eq!(
        error.text,
        "'utf-8' codec can't decode byte 0xff in position 6: invalid start byte"
    );
    assert_eq!(error.lines, [2]);
    for (bytes, text) in [
        (&b"[s]\na=\xe2\x82z"[..], "bytes in position 6-7: invalid continuation byte"),
        (b"[s]\na=\xe2\x82", "bytes in position 6-7: unexpected end of data"),
        (b"[s]\na=\xc3", "byte 0xc3 in position 6: unexpected end of data"),
    ] {
        let error = Document::default().read("f", bytes).unwrap_err();
        assert_eq!(error.text, format!("'utf-8' codec can't decode {text}"));
    }
}

#[test]
fn line_ends_of_all_systems() {
    let doc = parse("[s]\r\na=1\r\nb=2\rc=3").unwrap();
    for (key, text) in [("a", "1"), ("b", "2"), ("c", "3")] {
        assert_eq!(doc.get("s", key).unwrap().text, text);
    }
}

#[test]
fn here_is_the_directory_of_the_file_that_wrote_the_key() {
    let mut doc = parse("[DEFAULT]\nd=%(here)s/d\n[a]\nx=%(here)s/x\ny=%(here)s\n").unwrap();
    doc.expand_here("/main");
    doc.read("g", b"[a]\ny=%(here)s/y\n[b]\nz=1\n").unwrap();
    doc.expand_here("/inc");
    assert_eq!(doc.get("a", "x").unwrap().text, "/main/x");
    assert_eq!(doc.get("a", "y").unwrap().text, "/inc/y");
    assert_eq!(doc.get("a", "d").unwrap().text, "/main/d");
    assert_eq!(doc.get("b", "d").unwrap().text, "/inc/d");
    assert_eq!(doc.file(doc.get("a", "y").unwrap().place), "g");
    assert_eq!(doc.file(doc.get("a", "x").unwrap().place), "f");
}

/// Python reads the same texts beside us. Lines with two comment characters are left out: its versions differ there.
#[test]
fn agrees_with_python_on_thousands_of_texts() {
    let pieces = [
        "[", "]", "s", "t", "=", ":", " ", "  ", "\t", "\n", "\n", "\n", "a", "b=1", "[s]\n",
        "[t]\n", "k=v\n", "\n x", "\x0b", "\u{a0}", "\u{e9}", "\x1c", "DEFAULT", "#", " ;", "\r\n",
    ];
    let mut random = Random::new();
    let mut texts = random.texts(6_000, 24, &pieces);
    for text in texts.iter_mut().step_by(2) {
        text.insert_str(0, "[s]\n");
    }
    texts.retain(|text| text.lines().all(|l| l.matches([';', '#']).count() < 2));
    let body = "  p=configparser.RawConfigParser(inline_comment_prefixes=(';','#'),strict=False)\n\
        \x20 b=io.TextIOWrapper(io.BytesIO(t.encode('utf-8')),encoding='utf-8')\n\
        \x20 try: p.read_file(b,'f')\n\
        \x20 except configparser.Error as e: return str(e)\n\
        \x20 return repr([(s,sorted(p.items(s))) for s in p.sections()])";
    let Some(theirs) = answers(&texts, body) else { return };
    let mut parsed = 0;
    for (text, theirs) in texts.iter().zip(theirs) {
        let ours = match parse(text) {
            Err(error) => error.text,
            Ok(doc) => {
                parsed += 1;
                let sections: Vec<String> = doc.sections.iter().map(|s| listed(&doc, s)).collect();
                format!("[{}]", sections.join(", "))
            }
        };
        assert_eq!(ours, theirs, "{text:?}");
    }
    assert!(parsed > 300, "only {parsed} texts parsed");
}

/// A section as Python prints `(name, sorted(items))`.
fn listed(doc: &Document, section: &Section) -> String {
    let mut keys: Vec<&str> = section.keys.iter().map(|(k, _)| k.as_str()).collect();
    keys.extend(doc.defaults.iter().map(|(k, _)| k.as_str()));
    keys.sort_unstable();
    keys.dedup();
    let items: Vec<String> = keys
        .iter()
        .map(|k| {
            let value = &doc.get(&section.name, k).unwrap().text;
            format!("({}, {})", repr(k), repr(value))
        })
        .collect();
    format!("({}, [{}])", repr(&section.name), items.join(", "))
}
