//! Tests: standard input, messages for listeners, the activity log emptied.

use super::*;

#[test]
fn text_goes_to_a_program_that_runs() {
    let desk = Desk::new();
    let send = |name: &str, chars: Value| desk.call("sendProcessStdin", &[s(name), chars]);
    assert_eq!(send("cat", s("grün\n")), Ok(Value::Bool(true)));
    assert_eq!(send("cat:cat", s("")), Ok(Value::Bool(true)));
    assert_eq!(*desk.written.borrow(), "grün\n".as_bytes());
    let text = |r: Result<Value, Fault>| r.unwrap_err().text;
    assert_eq!(text(send("cat", s("twenty bytes, or more"))), {
        "FAILED: cat does not read its standard input: 6 bytes wait for it, 21 more are too many"
    });
    assert_eq!(text(send("web:w1", s("x"))), "NOT_RUNNING: web:w1");
    for name in ["nope", "cat:*", "web:"] {
        assert_eq!(text(send(name, s("x"))), format!("BAD_NAME: {name}"));
    }
    desk.call("startProcess", &[s("web:w1")]).unwrap();
    assert_eq!(text(send("web:w1", s("x"))), "NO_FILE: web:w1");
    desk.call("stopProcess", &[s("web:w1")]).unwrap();
    assert_eq!(text(send("web:w1", s(""))), "NOT_RUNNING: web:w1");
}

#[test]
fn what_is_no_text_is_repeated_in_the_fault() {
    let desk = Desk::new();
    for (chars, shown) in [
        (Value::Int(5), "5"),
        (Value::Bool(true), "True"),
        (Value::Double(1.5), "1.5"),
        (Value::Nil, "None"),
        (Value::Array(vec![]), "[]"),
        (Value::Array(vec![Value::Int(1)]), "[...]"),
        (Value::Struct(vec![]), "{}"),
    ] {
        // Before the name is looked at.
        let fault = desk.fault("sendProcessStdin", &[s("nope"), chars]);
        assert_eq!(fault, (2, format!("INCORRECT_PARAMETERS: {shown}")));
    }
    assert_eq!(desk.fault("sendProcessStdin", &[Value::Int(5), s("x")]).0, 2);
}

#[test]
fn messages_reach_who_passes_them_on() {
    let desk = Desk::new();
    let send = |kind, data| desk.call("sendRemoteCommEvent", &[kind, data]);
    assert_eq!(send(s("deploy"), s("größe")), Ok(Value::Bool(true)));
    assert_eq!(send(Value::Int(5), Value::Int(-6)), Ok(Value::Bool(true)));
    assert_eq!(send(Value::Nil, s("x")).unwrap_err().code, 2);
    let told = desk.announced.take();
    let told: Vec<_> = told.iter().map(|(kind, data)| (kind.as_str(), data.as_str())).collect();
    assert_eq!(told, [("deploy", "größe"), ("5", "-6")]);
}

#[test]
fn the_activity_log_is_emptied() {
    let desk = Desk::new();
    let missing = (20, "NO_FILE".to_owned());
    assert_eq!(desk.fault("clearLog", &[]), missing);
    assert!(!desk.path("main.log").exists(), "it is not made");
    fs::write(desk.path("main.log"), "something").unwrap();
    assert_eq!(desk.call("clearLog", &[]), Ok(Value::Bool(true)));
    assert_eq!(fs::read(desk.path("main.log")).unwrap(), b"");
    let told = [(Level::Info, "reopening log file".to_owned())];
    assert_eq!(*desk.lines.borrow(), told);
    fs::remove_file(desk.path("main.log")).unwrap();
    fs::create_dir(desk.path("main.log")).unwrap();
    assert_eq!(desk.fault("clearLog", &[]), (30, "FAILED".to_owned()));
    Rc::make_mut(&mut desk.settings.borrow_mut()).activity.log = None;
    assert_eq!(desk.fault("clearLog", &[]), missing);
}
