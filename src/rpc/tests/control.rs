//! Tests: starting, stopping and signalling.

use super::*;

#[test]
fn one_process_starts_and_stops() {
    let desk = Desk::new();
    let w1 = [s("web:w1")];
    assert_eq!(desk.call("startProcess", &w1), Ok(Value::Bool(true)));
    assert_eq!(desk.heart(|h| h.state(1)), Some(State::Running));
    let again = (60, "ALREADY_STARTED: web:w1".to_owned());
    assert_eq!(desk.fault("startProcess", &w1), again);
    assert_eq!(desk.call("stopProcess", &w1), Ok(Value::Bool(true)));
    let down = (70, "NOT_RUNNING: web:w1".to_owned());
    assert_eq!(desk.fault("stopProcess", &w1), down);
    let missing = (20, "NO_FILE: can't find command '/bin/gone'".to_owned());
    assert_eq!(desk.fault("startProcess", &[s("gone")]), missing);
    let unwaited = [s("web:w1"), Value::Int(0)];
    assert_eq!(desk.call("startProcess", &unwaited), Ok(Value::Bool(true)));
    assert_eq!(desk.heart(|h| h.state(1)), Some(State::Starting));
    assert_eq!(desk.fault("startProcess", &[s("x:y")]), (10, "BAD_NAME: x:y".to_owned()));
}

#[test]
fn groups_start_by_priority_and_stop_alike() {
    let desk = Desk::new();
    let ok = |name: &str| (name.to_owned(), 80, "OK".to_owned());
    let started = desk.call("startProcess", &[s("web:*")]).unwrap();
    assert_eq!(results(&started), [ok("web:w2"), ok("web:w1")]);
    let none = desk.call("startProcessGroup", &[s("web")]).unwrap();
    assert_eq!(none, Value::Array(vec![]));
    let stopped = desk.call("stopProcessGroup", &[s("web")]).unwrap();
    assert_eq!(results(&stopped), [ok("web:w2"), ok("web:w1")]);
    for method in ["startProcessGroup", "stopProcessGroup"] {
        assert_eq!(desk.fault(method, &[s("web:*")]), (10, "BAD_NAME: web:*".to_owned()));
    }
    let all = desk.call("startAllProcesses", &[]).unwrap();
    let missing = "NO_FILE: can't find command '/bin/gone'".to_owned();
    let gone = ("gone:gone".to_owned(), 20, missing);
    assert_eq!(results(&all), [gone, ok("web:w2"), ok("web:w1")]);
    let all = desk.call("stopAllProcesses", &[]).unwrap();
    assert_eq!(results(&all), [ok("web:w2"), ok("web:w1"), ok("cat:cat")]);
}

#[test]
fn signals_are_checked_before_the_state() {
    let desk = Desk::new();
    let call = |name: &str, signal: Value| desk.call("signalProcess", &[s(name), signal]);
    assert_eq!(call("cat", s("hup")), Ok(Value::Bool(true)));
    assert_eq!(call("cat", Value::Int(1)), Ok(Value::Bool(true)));
    let text = |r: Result<Value, Fault>| r.unwrap_err().text;
    assert_eq!(text(call("web:w1", s("FOO"))), "BAD_SIGNAL: FOO");
    assert_eq!(text(call("web:w1", Value::Int(99))), "BAD_SIGNAL: 99");
    assert_eq!(text(call("web:w1", s("HUP"))), "NOT_RUNNING: web:w1");
    assert_eq!(call("web:*", s("FOO")), Ok(Value::Array(vec![])));
    let all = desk.call("signalAllProcesses", &[s("FOO")]).unwrap();
    let bad = ("cat:cat".to_owned(), 11, "BAD_SIGNAL: FOO".to_owned());
    assert_eq!(results(&all), [bad]);
    let all = desk.call("signalProcessGroup", &[s("cat"), s("HUP")]).unwrap();
    assert_eq!(results(&all), [("cat:cat".to_owned(), 80, "OK".to_owned())]);
}
