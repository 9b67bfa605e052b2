//! Tests: what the audit writer is told.

use super::*;
use crate::rpc::table::{METHODS, Type};

/// What was recorded since the last time, a line each: event, action, target, decision, rule, outcome, detail.
fn told(desk: &Desk) -> Vec<String> {
    let line = |record: Record| {
        assert_eq!(record.who.as_deref(), Some("user:alice"));
        assert_eq!((record.auth, record.request), (Some("password"), Some(7)));
        assert_eq!(record.peer.as_deref(), Some("unix unix_http_server"));
        let texts = [
            Some(record.event.to_owned()),
            record.action.map(str::to_owned),
            record.target,
            record.decision.map(str::to_owned),
            record.rule,
            record.outcome,
            record.detail,
        ];
        texts.map(|text| text.unwrap_or_else(|| "-".to_owned())).join(" | ")
    };
    desk.records.take().into_iter().map(line).collect()
}

const WEB: &str = "role:web /etc/supervisord.conf:12";

#[test]
fn what_changes_something_is_recorded_with_its_outcome() {
    let desk = Desk::new();
    desk.grant("cat web", "operator, stdin");
    let call = |method: &str, params: &[Value]| {
        let _ = desk.call(method, params);
        told(&desk)
    };
    let line = |action: &str, target: &str, outcome: &str| {
        format!("access | {action} | {target} | allow | {WEB} | {outcome} | -")
    };
    let both = |action: &str, target: &str| ["begun", "ok"].map(|how| line(action, target, how));
    assert_eq!(call("startProcess", &[s("web:w1")]), both("start", "web:w1"));
    assert_eq!(call("startProcess", &[s("web:w1")]), [line("start", "web:w1", "ALREADY_STARTED")]);
    assert_eq!(call("stopProcess", &[s("cat")]), both("stop", "cat:cat"));
    let at_once = call("startProcess", &[s("cat"), Value::Bool(false)]);
    assert_eq!(at_once, [line("start", "cat:cat", "ok")]);
    let hup = format!("access | signal | web:w1 | allow | {WEB} | ok | SIGHUP");
    assert_eq!(call("signalProcessGroup", &[s("web"), s("1")]), [hup]);
    let stdin = line("stdin", "web:w1", "NO_FILE");
    assert_eq!(call("sendProcessStdin", &[s("web:w1"), s("secret")]), [stdin]);
    assert_eq!(call("clearProcessLogs", &[s("cat")]), [line("clear", "cat:cat", "ok")]);
    let group = |action: &str| {
        let lines = |how| ["web:w2", "web:w1"].map(|name| line(action, name, how));
        [lines("begun"), lines("ok")].concat()
    };
    desk.call("stopProcessGroup", &[s("web")]).unwrap();
    told(&desk);
    assert_eq!(call("startProcess", &[s("web:*")]), group("start"));
    assert_eq!(call("restartProcessGroup", &[s("web")]), group("restart"));
}

#[test]
fn looking_is_recorded_only_where_it_is_refused() {
    let desk = Desk::new();
    desk.grant("web", "viewer");
    for (method, params) in [
        ("getState", vec![]),
        ("getAllProcessInfo", vec![]),
        ("getProcessInfo", vec![s("web:w1")]),
        ("readProcessLog", vec![s("web:w1"), Value::Int(0), Value::Int(0)]),
        ("system.listMethods", vec![]),
        ("whoAmI", vec![]),
        ("getProcessInfo", vec![s("web:w3")]),
    ] {
        let _ = desk.call(method, &params);
        assert_eq!(told(&desk), [""; 0], "{method}");
    }
    let long = "x".repeat(300);
    for name in ["cat", "nobody", "cat:*", "a\u{0}\"b\n", &long] {
        desk.fault("getProcessInfo", &[s(name)]);
        // What XML cannot carry has not come through.
        let shown: String = carried(name).chars().take(200).collect();
        let expected = format!("access | view | {shown} | deny | default | BAD_NAME | -");
        assert_eq!(told(&desk), [expected]);
    }
    desk.fault("readLog", &[Value::Int(0), Value::Int(0)]);
    let refused = "access | admin | daemon | deny | default | ACCESS_DENIED | supervisor.readLog";
    assert_eq!(told(&desk), [refused]);
}

fn carried(name: &str) -> String {
    let body = xml::encode_call("x", &[s(name)]);
    match xml::decode_call(&body) {
        Ok((_, params)) => params[0].as_str().unwrap().to_owned(),
        Err(_) => panic!("no call"),
    }
}

#[test]
fn the_daemon_and_its_configuration_have_events_of_their_own() {
    let desk = Desk::new();
    desk.grant("*", "admin");
    desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
    desk.readings.borrow_mut().push_back(Err("wrong".to_owned()));
    let _ = desk.call("reloadConfig", &[]);
    let _ = desk.call("reloadConfig", &[]);
    let _ = desk.call("addProcessGroup", &[s("more")]);
    let _ = desk.call("removeProcessGroup", &[s("cat")]);
    let _ = desk.call("sendRemoteCommEvent", &[s("secret"), s("secret")]);
    let _ = desk.call("shutdown", &[]);
    let line = |event, action, target, outcome, method: &str| {
        format!("{event} | {action} | {target} | allow | {WEB} | {outcome} | supervisor.{method}")
    };
    let expected = [
        line("config", "config", "daemon", "ok", "reloadConfig"),
        line("config", "config", "daemon", "CANT_REREAD", "reloadConfig"),
        line("config", "config", "more:*", "ok", "addProcessGroup"),
        line("config", "config", "cat:*", "STILL_RUNNING", "removeProcessGroup"),
        line("access", "admin", "daemon", "ok", "sendRemoteCommEvent"),
        line("lifecycle", "admin", "daemon", "ok", "shutdown"),
    ];
    assert_eq!(told(&desk), expected);
    desk.grant("*", "operator");
    assert_eq!(desk.fault("shutdown", &[]).0, 6, "nothing is asked of one that goes down");
}

#[test]
fn what_is_refused_is_recorded_one_by_one() {
    let desk = Desk::new();
    desk.grant("cat web", "view");
    let _ = desk.call("startAllProcesses", &[]);
    let _ = desk.call("stopProcess", &[s("cat")]);
    let _ = desk.call("restartProcess", &[s("cat")]);
    let _ = desk.call("removeProcessGroup", &[s("cat")]);
    let line = |event, action, target, method| {
        format!("{event} | {action} | {target} | deny | default | ACCESS_DENIED | {method}")
    };
    let expected = [
        line("access", "start", "web:w2", "-"),
        line("access", "start", "web:w1", "-"),
        line("access", "stop", "cat:cat", "-"),
        line("access", "restart", "cat:cat", "-"),
        line("config", "config", "cat", "supervisor.removeProcessGroup"),
    ];
    assert_eq!(told(&desk), expected);
}

#[test]
fn many_processes_share_records() {
    let desk = Desk::with(|settings| many(settings, 1_000));
    desk.grant("many", "stop");
    let stopped = desk.call("stopAllProcesses", &[]).unwrap();
    assert_eq!(results(&stopped).len(), 1_000);
    let records = desk.records.take();
    assert!(records.len() < 220, "{}", records.len());
    let (begun, records) = records.split_at(records.len() / 2);
    assert!(begun.iter().all(|record| record.outcome.as_deref() == Some("begun")));
    let targets = records.iter().filter_map(|record| record.target.as_deref());
    let named: BTreeSet<&str> = targets.flat_map(str::split_whitespace).collect();
    assert_eq!(named.len(), 1_000, "none is left out");
    desk.grant("many", "view");
    desk.call("startAllProcesses", &[]).unwrap();
    let refused = desk.records.take();
    assert!(refused.len() < 110, "{}", refused.len());
    assert!(refused.iter().all(|record| record.decision == Some("deny")));
    for record in records {
        // With all else a line of 4,000 bytes holds it.
        assert!(record.target.as_ref().is_some_and(|target| target.len() <= 2_600));
        assert_eq!(record.outcome.as_deref(), Some("ok"));
    }
}

#[test]
fn nothing_is_changed_that_cannot_be_recorded() {
    for method in METHODS.iter().filter(|method| method.name != "system.multicall") {
        let desk = Desk::new();
        fs::write(desk.path("main.log"), "text").unwrap();
        desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
        desk.room.set(0);
        let values = method.params.iter().map(|param| match param.kind {
            Type::Int => Value::Int(0),
            Type::Bool => Value::Bool(true),
            _ => s("cat"),
        });
        let answer = desk.call(method.name, &values.collect::<Vec<_>>());
        let effects = desk.effects.take();
        if method.changes() {
            let fault = answer.unwrap_err();
            assert!(fault.text.starts_with("FAILED: the audit log has no room"), "{fault}");
            assert_eq!((fault.code, effects), (30, vec![]), "{}", method.name);
            assert_eq!(desk.records.take(), []);
        } else {
            assert!(effects.iter().all(|(what, _)| *what == "open_log"), "{}", method.name);
        }
    }
}

#[test]
fn records_name_who_it_was_and_how_that_was_known() {
    for (who, proof, name, auth, rule) in [
        ("anonymous", Proof::None, "anonymous", "none", "default"),
        ("unix:1(2)", Proof::Peer, "unix:1", "peer", "owner"),
        ("user:alice", Proof::Session, "user:alice", "session", WEB),
        ("pam:carol:5(6)", Proof::Pam, "pam:carol", "pam", "default"),
        ("cert:CN=deploy,DNS:x", Proof::Certificate, "cert:CN=deploy", "certificate", "default"),
        ("token:ci:web(user:alice)", Proof::Token, "token:ci", "token", WEB),
        ("token:ci:web(user:bob)", Proof::Token, "token:ci", "token", "default"),
        ("token:ci:gone", Proof::Token, "token:ci", "token", "default"),
    ] {
        let desk = Desk::new();
        desk.grant("cat", "stop");
        desk.enter(Who::parse(who).unwrap(), proof);
        let _ = desk.call("stopProcess", &[s("cat")]);
        let records = desk.records.take();
        assert!(!records.is_empty(), "{who}");
        for record in records {
            assert_eq!((record.who.as_deref(), record.auth), (Some(name), Some(auth)));
            assert_eq!(record.rule.as_deref(), Some(rule), "{who}");
            let decision = if rule == "default" { "deny" } else { "allow" };
            assert_eq!(record.decision, Some(decision), "{who}");
        }
    }
}

#[test]
fn owners_stop_what_fills_the_disk() {
    let stops = ["stopProcess", "stopProcessGroup", "stopAllProcesses", "shutdown"];
    for method in METHODS.iter().filter(|method| method.changes()) {
        for owner in [false, true] {
            let desk = Desk::new();
            desk.grant("*", "admin");
            if owner {
                desk.enter(Who::Unix { uid: 1, groups: [].into() }, Proof::Peer);
            }
            desk.room.set(0);
            desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
            let values = method.params.iter().map(|param| match (param.name, param.kind) {
                (_, Type::Bool) => Value::Bool(true),
                ("calls", _) => Value::Array(vec![]),
                _ => s("cat"),
            });
            let answer = desk.call(method.name, &values.collect::<Vec<_>>());
            let short = method.name.trim_start_matches("supervisor.");
            let may = owner && stops.contains(&short);
            assert_eq!(answer.is_ok(), may, "{short} {owner}: {answer:?}");
            assert_eq!(!desk.effects.take().is_empty(), may, "{short} {owner}");
            assert_eq!(!desk.records.take().is_empty(), may, "it is told all the same: {short}");
        }
    }
}

#[test]
fn what_one_call_is_refused_takes_a_few_records() {
    let desk = Desk::with(|settings| many(settings, 1_000));
    desk.grant("many", "view");
    desk.call("stopAllProcesses", &[]).unwrap();
    let records = desk.records.take();
    assert!(records.len() < 20, "{}", records.len());
    let targets = records.iter().filter_map(|record| record.target.as_deref());
    let named: BTreeSet<&str> = targets.flat_map(str::split_whitespace).collect();
    assert_eq!(named.len(), 1_000, "none is left out");
}

#[test]
fn names_that_are_made_up_are_not_kept() {
    let desk = Desk::new();
    desk.grant("cat", "view");
    for name in ["made-up:x", "made-up", "cat:made-up"] {
        desk.fault("getProcessInfo", &[s(name)]);
        let access = format!("{:?}", desk.access());
        assert!(!access.contains("made-up"), "{name}");
        assert!(access.contains("w1"), "what is there is kept");
    }
}
