//! Tests: answers are well-formed whatever bytes a log, a name or an error holds.

use super::*;
use crate::rpc::xml::is_xml_char;

/// All bytes, each before text, so that cut characters are met too.
fn all_bytes() -> Vec<u8> {
    (0..=255_u8).flat_map(|byte| [byte, b'<', b'x', byte, byte, b'&', b'\n']).collect()
}

/// Every character of one byte, and what XML has something against beyond those.
fn all_text() -> String {
    let more =
        "\u{80}\u{85}\u{9f}\u{2028}\u{fffd}\u{fffe}\u{ffff}\u{1fffe}]]>&amp;<!--\u{feff}é€😀";
    (0..0x80_u8).map(char::from).chain(more.chars()).collect()
}

/// What a reader of XML gets of a text.
fn carried(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    lines.chars().map(|c| if is_xml_char(c) { c } else { '\u{fffd}' }).collect()
}

/// Reads an answer as a strict reader of XML does, and ours.
fn strict(desk: &Desk, name: &str, params: &[Value]) -> Result<Value, Fault> {
    let answer = desk.answer(&xml::encode_call(name, params));
    let text = String::from_utf8(answer.body).expect("UTF-8");
    assert!(text.chars().all(is_xml_char), "{name}");
    let mut reader = quick_xml::Reader::from_str(&text);
    while reader.read_event().expect("well-formed") != quick_xml::events::Event::Eof {}
    xml::decode_response(text.as_bytes()).unwrap()
}

#[test]
fn logs_may_hold_any_byte() {
    let desk = Desk::new();
    for name in ["main.log", "cat.out", "cat.err"] {
        fs::write(desk.path(name), all_bytes()).unwrap();
    }
    let expected = s(&carried(&String::from_utf8_lossy(&all_bytes())));
    let zero = [Value::Int(0), Value::Int(0)];
    assert_eq!(strict(&desk, "supervisor.readLog", &zero), Ok(expected.clone()));
    for name in ["readProcessStdoutLog", "readProcessStderrLog", "readProcessLog"] {
        let [offset, length] = zero.clone();
        let read = strict(&desk, &format!("supervisor.{name}"), &[s("cat"), offset, length]);
        assert_eq!(read, Ok(expected.clone()), "{name}");
    }
    for length in 0..40 {
        for name in ["tailProcessStdoutLog", "tailProcessStderrLog"] {
            let params = [s("cat"), Value::Int(0), Value::Int(length)];
            strict(&desk, &format!("supervisor.{name}"), &params).unwrap();
        }
    }
}

#[test]
fn names_and_errors_may_hold_any_character() {
    let desk = Desk::new();
    let odd = all_text();
    let w1 = Process {
        name: odd.clone(),
        command: odd.clone(),
        command_error: Some(odd.clone()),
        directory: Some(odd.clone()),
        serverurl: Some(odd.clone()),
        ..program("w1")
    };
    let settings = settings(vec![(&odd, 1, vec![w1])]);
    *desk.heart.borrow_mut() = Heart::new(&settings, &[]);
    *desk.latest.borrow_mut() = Rc::new(settings.clone());
    *desk.settings.borrow_mut() = Rc::new(settings);
    desk.feed(Input::Begin);
    let all = strict(&desk, "supervisor.getAllProcessInfo", &[]).unwrap();
    let Value::Array(infos) = all else { panic!("no array") };
    let carried = s(&carried(&odd));
    for name in ["name", "group"] {
        assert_eq!(infos[0].member(name), Some(&carried));
    }
    let spawnerr = infos[0].member("spawnerr").and_then(Value::as_str).unwrap();
    assert!(!spawnerr.is_empty());
    let all = strict(&desk, "supervisor.getAllConfigInfo", &[]).unwrap();
    let Value::Array(configs) = all else { panic!("no array") };
    for name in ["name", "group", "command", "directory", "serverurl"] {
        assert_eq!(configs[0].member(name), Some(&carried), "{name}");
    }
    strict(&desk, "supervisor.startAllProcesses", &[]).unwrap();
}

#[test]
fn faults_repeat_any_name() {
    let desk = Desk::new();
    // What XML cannot carry cannot be asked for.
    let odd: String = all_text().chars().filter(|c| is_xml_char(*c)).collect();
    let fault = strict(&desk, "supervisor.getProcessInfo", &[s(&odd)]).unwrap_err();
    assert_eq!(fault.text, format!("BAD_NAME: {}", carried(&odd)));
    let fault = strict(&desk, "supervisor.signalProcess", &[s("cat"), s(&odd)]).unwrap_err();
    assert_eq!(fault.code, 11);
}
