//! Tests: what is hidden and what is missing cannot be told apart.

use super::*;
use crate::rpc::table::METHODS;

/// Alice's role is about `cat` and `web:w1`; `web:w2` and `gone` are hidden from her, or not there at all.
fn desks(actions: &str) -> [Desk; 2] {
    let hidden = Desk::new();
    let missing = Desk::with(|settings| {
        roster::leave(settings, "gone");
        settings.processes.remove(&2);
        settings.groups[1].slots = vec![1];
    });
    for desk in [&hidden, &missing] {
        desk.grant("cat web:w1", actions);
        fs::write(desk.path("cat.out"), "text").unwrap();
    }
    [hidden, missing]
}

const NAMES: [&str; 12] = [
    "gone",
    "gone:gone",
    "gone:*",
    "gone:",
    "gone:x",
    "web:w2",
    "w2",
    "web:*",
    "web",
    "cat",
    "web:w1",
    "nobody",
];

/// Values that a parameter may be tried with, good and bad.
fn values(name: &str) -> Vec<Value> {
    match name {
        "name" | "target" => NAMES.into_iter().map(s).chain([Value::Int(5)]).collect(),
        "signal" => vec![s("HUP"), s("NONE"), Value::Int(0), Value::Int(99), Value::Nil],
        "wait" => vec![Value::Bool(true), Value::Bool(false), s("x")],
        "offset" => vec![Value::Int(0), Value::Int(-1), s("x")],
        "length" => vec![Value::Int(0), Value::Int(-1)],
        "user" => vec![s(""), s("bob"), s("unix:5")],
        "action" => vec![s("restart"), s("dance")],
        _ => vec![s("x"), Value::Int(5)],
    }
}

/// Who may not move a group as a whole learns that there is more of it than shows: there is no answer that would be both
/// true and safe.
fn tells(name: &str, params: &[Value]) -> bool {
    let moves = ["supervisor.addProcessGroup", "supervisor.removeProcessGroup"].contains(&name);
    moves && params == [s("web")]
}

/// Every mixture of values.
fn mixtures(names: &[&str]) -> Vec<Vec<Value>> {
    let Some((last, rest)) = names.split_last() else {
        return vec![vec![]];
    };
    let rests = mixtures(rest);
    let each = rests.iter().flat_map(|rest| {
        values(last).into_iter().map(|value| rest.iter().cloned().chain([value]).collect())
    });
    each.collect()
}

/// An answer with all that could tell: the time that it took, effects, and records.
fn traces(desk: &Desk, name: &str, params: &[Value]) -> impl PartialEq + std::fmt::Debug {
    let since = desk.ms.get();
    let answer = desk.answer(&xml::encode_call(name, params));
    let body =
        String::from_utf8(answer.body).unwrap().replace(desk.dir.path().to_str().unwrap(), "");
    let took = desk.ms.get() - since;
    (answer.status, body, took, desk.effects.take(), desk.records.take())
}

fn same(desks: &[Desk; 2], name: &str, params: &[Value]) {
    if tells(name, params) {
        return;
    }
    let [hidden, missing] = desks;
    let (hidden, missing) = (traces(hidden, name, params), traces(missing, name, params));
    assert_eq!(hidden, missing, "{name}{params:?}");
}

#[test]
fn the_hidden_and_the_missing_are_answered_alike() {
    for actions in
        ["view", "viewer", "operator", "restart", "stdin, config", "signal(HUP)", "admin"]
    {
        let desks = desks(actions);
        for method in METHODS.iter().filter(|method| method.name != "system.multicall") {
            let names: Vec<&str> = method.params.iter().map(|param| param.name).collect();
            for params in mixtures(&names) {
                for desk in &desks {
                    let same = (*desk.settings()).clone();
                    desk.readings.borrow_mut().push_back(Ok(same));
                    desk.made.borrow_mut().insert("cat".to_owned());
                }
                // A desk that goes down answers nothing more.
                let ends = ["supervisor.restart", "supervisor.shutdown"].contains(&method.name);
                if actions != "admin" || !ends {
                    same(&desks, method.name, &params);
                }
            }
            // Left out, or too many.
            same(&desks, method.name, &vec![s("gone"); 4]);
        }
    }
}

#[test]
fn several_calls_in_one_tell_no_more() {
    let desks = desks("operator, config");
    let call = |(name, params): (&str, Vec<Value>)| {
        let members = [("methodName", s(name)), ("params", Value::Array(params))];
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let named =
        METHODS.iter().filter(|m| m.params.first().is_some_and(|param| param.name == "name"));
    let calls = named.flat_map(|method| {
        let names: Vec<&str> = method.params.iter().map(|param| param.name).collect();
        let mixtures = mixtures(&names).into_iter().map(|params| (method.name, params));
        mixtures.filter(|(name, params)| !tells(name, params))
    });
    let calls: Vec<Value> = calls.map(call).collect();
    for part in calls.chunks(100) {
        same(&desks, "system.multicall", &[Value::Array(part.to_vec())]);
    }
}

#[test]
fn readings_tell_nothing_of_hidden_groups() {
    let desks = desks("config");
    let [hidden, missing] = &desks;
    let mut changed = (*hidden.settings()).clone();
    changed.groups[2].priority = 77;
    hidden.readings.borrow_mut().extend([Ok(changed), Err("[program:gone] is wrong".to_owned())]);
    let same_again = (*missing.settings()).clone();
    missing.readings.borrow_mut().extend([Ok(same_again), Err("[program:x] is wrong".to_owned())]);
    same(&desks, "supervisor.reloadConfig", &[]);
    same(&desks, "supervisor.getAllConfigInfo", &[]);
    same(&desks, "supervisor.reloadConfig", &[]);
    hidden.readings.borrow_mut().push_back(Err("[program:gone] is wrong".to_owned()));
    let fault = hidden.fault("reloadConfig", &[]);
    let text = "CANT_REREAD: the configuration is wrong; the activity log says where".to_owned();
    assert_eq!(fault, (92, text));
}

#[test]
fn a_large_hidden_group_takes_no_longer_than_a_missing_one() {
    let desk = Desk::with(|settings| many(settings, 5_000));
    desk.grant("cat", "view");
    let call = |method: &str, name: &str| {
        let members = [("methodName", s(method)), ("params", Value::Array(vec![s(name)]))];
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let took = |method: &str, name: &str| {
        let body =
            xml::encode_call("system.multicall", &[Value::Array(vec![call(method, name); 300])]);
        let begun = std::time::Instant::now();
        desk.answer(&body);
        desk.records.take();
        begun.elapsed()
    };
    for (method, hidden, missing) in [
        ("supervisor.getProcessInfo", "many:x", "nope:x"),
        ("supervisor.getProcessInfo", "many:p4999", "nope:p4999"),
        ("supervisor.stopProcess", "many:*", "nope:*"),
        ("supervisor.stopProcessGroup", "many", "nope"),
    ] {
        took(method, missing);
        // Others use the machine, too: the best of tries that take turns.
        let tries = (0..15).map(|_| (took(method, hidden), took(method, missing)));
        let best = tries.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
        let (hidden, missing) = best.unwrap();
        assert!(hidden < missing * 4, "{method}: {hidden:?}, {missing:?}");
    }
}
