//! Tests: restarting as one act.

use super::*;

fn rows(value: &Value) -> Vec<(String, i64, String)> {
    let Value::Array(items) = value else { panic!("no array: {value:?}") };
    let steps = items.iter().map(|item| item.member("step").unwrap().as_str().unwrap().to_owned());
    let told = results(value).into_iter().zip(steps);
    told.map(|((name, status, _), step)| (name, status, step)).collect()
}

fn row(name: &str, status: i64, step: &str) -> (String, i64, String) {
    (name.to_owned(), status, step.to_owned())
}

#[test]
fn what_runs_is_stopped_and_what_does_not_run_is_started() {
    let desk = Desk::new();
    let cat = desk.call("restartProcess", &[s("cat")]).unwrap();
    assert_eq!(rows(&cat), [row("cat:cat", 80, "stop"), row("cat:cat", 80, "start")]);
    let pid = |name: &str| desk.call("getProcessInfo", &[s(name)]).unwrap().member("pid").cloned();
    assert_eq!(pid("cat"), Some(Value::Int(502)), "another life");
    let w1 = desk.call("restartProcess", &[s("web:w1")]).unwrap();
    assert_eq!(rows(&w1), [row("web:w1", 70, "stop"), row("web:w1", 80, "start")]);
    let web = [row("web:w1", 80, "stop"), row("web:w2", 80, "start"), row("web:w1", 80, "start")];
    assert_eq!(rows(&desk.call("restartProcess", &[s("web:*")]).unwrap()), web);
    let web: Vec<_> = ["stop", "start"]
        .into_iter()
        .flat_map(|step| ["web:w2", "web:w1"].map(|name| row(name, 80, step)))
        .collect();
    assert_eq!(rows(&desk.call("restartProcessGroup", &[s("web")]).unwrap()), web);
    let all = rows(&desk.call("restartAllProcesses", &[]).unwrap());
    let stops = ["web:w2", "web:w1", "cat:cat"].map(|name| row(name, 80, "stop"));
    assert_eq!(all[..3], stops, "by priority");
    let starts = [("gone:gone", 20), ("web:w2", 80), ("web:w1", 80), ("cat:cat", 80)];
    assert_eq!(all[3..], starts.map(|(name, status)| row(name, status, "start")));
    for name in ["nope", "web:nope", "nope:*"] {
        assert_eq!(desk.fault("restartProcess", &[s(name)]), (10, format!("BAD_NAME: {name}")));
    }
}

#[test]
fn it_may_be_waited_for_or_not() {
    let desk = Desk::new();
    desk.call("restartProcess", &[s("cat"), Value::Bool(false)]).unwrap();
    assert_eq!(desk.heart(|heart| heart.state(0)), Some(State::Starting));
    desk.call("restartProcess", &[s("cat"), Value::Bool(true)]).unwrap();
    assert_eq!(desk.heart(|heart| heart.state(0)), Some(State::Running));
}

#[test]
fn who_may_restart_may_neither_stop_nor_start() {
    let desk = Desk::new();
    desk.grant("cat web:w1", "restart");
    assert_eq!(desk.fault("stopProcess", &[s("cat")]).0, 96);
    assert_eq!(desk.fault("startProcess", &[s("web:w1")]).0, 96);
    assert_eq!(desk.effects.take(), []);
    let all = desk.call("restartAllProcesses", &[]).unwrap();
    let expected =
        [row("cat:cat", 80, "stop"), row("web:w1", 80, "start"), row("cat:cat", 80, "start")];
    assert_eq!(rows(&all), expected);
    assert!(desk.effects.take().iter().all(|effect| *effect == ("command", Action::Restart)));
}

#[test]
fn who_may_stop_and_start_may_restart() {
    let desk = Desk::new();
    desk.grant("cat", "stop, start");
    let cat = desk.call("restartProcess", &[s("cat")]).unwrap();
    assert_eq!(rows(&cat), [row("cat:cat", 80, "stop"), row("cat:cat", 80, "start")]);
    let told = desk.call("explainAccess", &[s(""), s("restart"), s("cat")]).unwrap();
    assert_eq!(told.member("allowed"), Some(&Value::Bool(true)));
    for only in ["stop", "start"] {
        desk.grant("cat", only);
        let denied = (96, "ACCESS_DENIED: restart of cat:cat".to_owned());
        assert_eq!(desk.fault("restartProcess", &[s("cat")]), denied);
        let denied = desk.call("restartProcessGroup", &[s("cat")]).unwrap();
        assert_eq!(rows(&denied), [row("cat:cat", 96, "stop")]);
    }
}

#[test]
fn who_asked_is_on_record_before_anything_is_done() {
    let desk = Desk::new();
    desk.grant("cat", "restart");
    desk.call("restartProcess", &[s("cat")]).unwrap();
    let told = |record: Record| (record.action, record.target, record.outcome);
    let line = |outcome: &str| (Some("restart"), Some("cat:cat".into()), Some(outcome.into()));
    let expected = [line("begun"), line("ok")];
    assert_eq!(desk.records.take().into_iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(desk.recorded.get(), 1, "records when the command was given");
}
