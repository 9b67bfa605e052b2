//! Tests: reading and clearing logs.

use super::*;

#[test]
fn logs_are_read_as_text_that_xml_can_carry() {
    let desk = Desk::new();
    let read = |offset, length| {
        let params = [s("cat"), Value::Int(offset), Value::Int(length)];
        desk.call("readProcessStdoutLog", &params)
    };
    assert_eq!(read(0, 0).unwrap_err().text, format!("NO_FILE: {}", desk.log(1)));
    fs::write(desk.path("cat.out"), "grün\x1b[1m\u{0}\n".as_bytes()).unwrap();
    assert_eq!(read(0, 0), Ok(s("grün\u{fffd}[1m\u{fffd}\n")));
    assert_eq!(read(-4, 0), Ok(s("1m\u{fffd}\n")));
    assert_eq!(read(3, 2), Ok(s("\u{fffd}n")), "a character cut in two");
    assert_eq!(read(0, -1).unwrap_err().text, "BAD_ARGUMENTS");
    assert_eq!(read(-1, 1).unwrap_err().text, "BAD_ARGUMENTS");
    fs::write(desk.path("main.log"), "0123456789").unwrap();
    let main = |a: Value, b| desk.call("readLog", &[a, Value::Int(b)]);
    assert_eq!(main(Value::Int(4), 3), Ok(s("456")));
    assert_eq!(main(s("-4"), 0), Ok(s("6789")));
    let none = [s("web:w1"), Value::Int(0), Value::Int(0)];
    assert_eq!(desk.fault("readProcessLog", &none), (20, "NO_FILE".to_owned()));
    let group = [s("web:*"), Value::Int(0), Value::Int(0)];
    assert_eq!(desk.fault("readProcessLog", &group).0, 10);
}

#[test]
fn tails_give_text_offset_and_overflow() {
    let desk = Desk::new();
    let tail = |name: &str, offset, length| {
        let params = [s(name), Value::Int(offset), Value::Int(length)];
        desk.call("tailProcessStderrLog", &params)
    };
    let triple = |text: &str, offset, overflow| {
        Ok(Value::Array(vec![s(text), Value::Int(offset), Value::Bool(overflow)]))
    };
    assert_eq!(tail("cat", 3, 5), triple("", 0, false));
    assert_eq!(tail("web:w1", 3, 5), triple("", 0, false));
    fs::write(desk.path("cat.err"), "0123456789").unwrap();
    assert_eq!(tail("cat", 0, 5), triple("56789", 10, true));
    assert_eq!(tail("cat", 5, 100), triple("56789", 10, false));
    assert_eq!(tail("cat", 10, 5), triple("", 10, false));
}

#[test]
fn logs_are_cleared_whether_the_process_runs_or_not() {
    let desk = Desk::new();
    desk.call("stopProcess", &[s("cat")]).unwrap();
    fs::write(desk.path("cat.out"), "something").unwrap();
    assert_eq!(desk.call("clearProcessLogs", &[s("cat")]), Ok(Value::Bool(true)));
    assert_eq!(fs::read(desk.path("cat.out")).unwrap(), b"");
    fs::remove_file(desk.path("cat.out")).unwrap();
    fs::create_dir(desk.path("cat.out")).unwrap();
    assert_eq!(desk.fault("clearProcessLog", &[s("cat")]), (30, "FAILED: cat".to_owned()));
    let all = desk.call("clearAllProcessLogs", &[]).unwrap();
    let ok = |name: &str| (name.to_owned(), 80, "OK".to_owned());
    let failed = ("cat:cat".to_owned(), 30, "FAILED: cat".to_owned());
    assert_eq!(results(&all), [ok("gone:gone"), ok("web:w2"), ok("web:w1"), failed]);
}
