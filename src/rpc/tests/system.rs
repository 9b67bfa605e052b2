//! Tests: what the table says of itself, several calls in one, limits, and that structures are what is documented.

use super::*;
use crate::rpc::system::{MOST_ANSWERED, MOST_CALLS};
use crate::rpc::table::{CONFIG_INFO, METHODS, PROCESS_INFO, STATE, STATUS, Structure};

/// The names that the reference's `system.listMethods` gives.
const NAMES: &str = "\
    supervisor.addProcessGroup supervisor.clearAllProcessLogs supervisor.clearLog supervisor.clearProcessLog \
    supervisor.clearProcessLogs supervisor.getAPIVersion supervisor.getAllConfigInfo supervisor.getAllProcessInfo \
    supervisor.getIdentification supervisor.getPID supervisor.getProcessInfo supervisor.getState \
    supervisor.getSupervisorVersion supervisor.getVersion supervisor.readLog supervisor.readMainLog \
    supervisor.readProcessLog supervisor.readProcessStderrLog supervisor.readProcessStdoutLog supervisor.reloadConfig \
    supervisor.removeProcessGroup supervisor.restart supervisor.sendProcessStdin supervisor.sendRemoteCommEvent \
    supervisor.shutdown supervisor.signalAllProcesses supervisor.signalProcess supervisor.signalProcessGroup \
    supervisor.startAllProcesses supervisor.startProcess supervisor.startProcessGroup supervisor.stopAllProcesses \
    supervisor.stopProcess supervisor.stopProcessGroup supervisor.tailProcessLog supervisor.tailProcessStderrLog \
    supervisor.tailProcessStdoutLog system.listMethods system.methodHelp system.methodSignature system.multicall";

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(items.into_iter().collect())
}

fn words(text: &str) -> Value {
    list(text.split_whitespace().map(s))
}

fn structure(members: &[(&str, Value)]) -> Value {
    let members = members.iter();
    Value::Struct(members.map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn call(name: &str, params: &[Value]) -> Value {
    structure(&[("methodName", s(name)), ("params", list(params.iter().cloned()))])
}

fn fault(code: i64, text: &str) -> Value {
    structure(&[("faultCode", Value::Int(code)), ("faultString", s(text))])
}

#[test]
fn the_names_are_the_reference_s() {
    assert_eq!(Desk::new().call("system.listMethods", &[]), Ok(words(NAMES)));
}

#[test]
fn signatures_and_help_come_from_the_table() {
    let desk = Desk::new();
    let signature = |name: &str| desk.call("system.methodSignature", &[s(name)]);
    for (name, expected) in [
        ("supervisor.getState", "struct"),
        ("supervisor.startProcess", "boolean string boolean"),
        ("supervisor.signalProcess", "boolean string string"),
        ("supervisor.tailProcessLog", "array string int int"),
        ("supervisor.sendProcessStdin", "boolean string string"),
        ("system.multicall", "array array"),
    ] {
        assert_eq!(signature(name), Ok(words(expected)), "{name}");
    }
    for method in METHODS {
        let help = desk.call("system.methodHelp", &[s(method.name)]).unwrap();
        let lines = help.as_str().unwrap().lines();
        let tagged = |tag: &str| lines.clone().filter(|line| line.starts_with(tag)).count();
        assert_eq!((tagged("@param "), tagged("@return ")), (method.params.len(), 1));
    }
    let unknown = (4, "SIGNATURE_UNSUPPORTED".to_owned());
    for method in ["system.methodHelp", "system.methodSignature"] {
        assert_eq!(desk.fault(method, &[s("getState")]), unknown);
        assert_eq!(desk.fault(method, &[Value::Int(5)]), unknown);
        assert_eq!(desk.fault(method, &[Value::Nil]).0, 2);
    }
}

#[test]
fn several_calls_give_bare_values_and_faults_in_order() {
    let desk = Desk::new();
    let calls = list([
        call("supervisor.getAPIVersion", &[]),
        call("supervisor.stopProcess", &[s("cat")]),
        call("supervisor.stopProcess", &[s("cat")]),
        structure(&[("methodName", s("supervisor.getPID"))]),
        call("supervisor.getProcessInfo", &[s("nope")]),
        call("nothing", &[]),
        call("supervisor.getPID", &[s("x")]),
        call("system.methodSignature", &[s("supervisor.getPID")]),
    ]);
    let expected = list([
        s("3.0"),
        Value::Bool(true),
        fault(70, "NOT_RUNNING: cat"),
        Value::Int(4_711),
        fault(10, "BAD_NAME: nope"),
        fault(1, "UNKNOWN_METHOD"),
        fault(2, "INCORRECT_PARAMETERS"),
        list([s("int")]),
    ]);
    assert_eq!(desk.call("system.multicall", &[calls]), Ok(expected));
    assert_eq!(desk.call("system.multicall", &[list([])]), Ok(list([])));
}

#[test]
fn calls_that_are_none_are_faults_of_their_own() {
    let desk = Desk::new();
    let incorrect = |text: &str| fault(2, &format!("INCORRECT_PARAMETERS: {text}"));
    let with =
        |params: Value| structure(&[("methodName", s("supervisor.getPID")), ("params", params)]);
    let recursive = incorrect("Recursive system.multicall forbidden");
    for (given, expected) in [
        (structure(&[]), incorrect("No methodName")),
        (structure(&[("methodName", Value::Nil)]), incorrect("No methodName")),
        (structure(&[("methodName", Value::Int(5))]), incorrect("methodName is no string")),
        (structure(&[("methodName", s("system.multicall"))]), recursive.clone()),
        (call("system.multicall", &[list([])]), recursive),
        (Value::Int(5), incorrect("a call is a struct of methodName and params")),
        (list([]), incorrect("a call is a struct of methodName and params")),
        (with(Value::Int(5)), fault(2, "INCORRECT_PARAMETERS")),
        (with(s("ab")), fault(2, "INCORRECT_PARAMETERS")),
        (with(structure(&[("a", Value::Nil)])), fault(2, "INCORRECT_PARAMETERS")),
        (with(s("")), Value::Int(4_711)),
        (with(structure(&[])), Value::Int(4_711)),
        (with(Value::Nil), Value::Int(4_711)),
    ] {
        let answer = desk.call("system.multicall", &[list([given.clone()])]);
        assert_eq!(answer, Ok(list([expected])), "{given:?}");
    }
    for given in [Value::Int(5), s("ab"), structure(&[])] {
        assert_eq!(desk.fault("system.multicall", &[given]).0, 2);
    }
}

#[test]
fn limits_are_faults_that_say_so() {
    let desk = Desk::new();
    let pid = || structure(&[("methodName", s("supervisor.getPID"))]);
    let many = |count: usize| list((0..count).map(|_| pid()));
    let most = desk.call("system.multicall", &[many(MOST_CALLS)]);
    assert!(matches!(most, Ok(Value::Array(items)) if items.len() == MOST_CALLS));
    let (code, text) = desk.fault("system.multicall", &[many(MOST_CALLS + 1)]);
    assert_eq!((code, text.contains("more than 1000 calls")), (2, true), "{text}");
    let (code, text) = desk.fault("getPID", &vec![s("x"); 10_000]);
    assert_eq!((code, text.contains("20000 elements")), (2, true), "{text}");
    let deep = (0..20).fold(Value::Nil, |inner, _| list([inner]));
    let (code, text) = desk.fault("getPID", &[deep]);
    assert_eq!((code, text.contains("32 elements deep")), (2, true), "{text}");
}

#[test]
fn a_thousand_large_answers_are_too_many() {
    let desk = Desk::new();
    fs::write(desk.path("main.log"), vec![b'x'; MOST_ANSWERED / 4 + 1]).unwrap();
    let zero = Value::Int(0);
    let reads = list((0..9).map(|_| call("supervisor.readLog", &[zero.clone(), zero.clone()])));
    let Ok(Value::Array(answers)) = desk.call("system.multicall", &[reads]) else {
        panic!("no array");
    };
    let read = answers.iter().filter(|answer| answer.as_str().is_some()).count();
    assert_eq!((read, answers.len()), (4, 9));
    let text = answers[8].member("faultString").and_then(Value::as_str).unwrap();
    assert!(text.starts_with("FAILED: ") && text.contains("32 MiB"), "{text}");
}

/// Room for so many bytes.
struct Narrow(Cell<usize>);

impl Room for Narrow {
    fn fits(&self, bytes: usize) -> bool {
        self.0.get() >= bytes
    }

    fn hold(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

#[test]
fn what_there_is_no_room_for_is_a_fault() {
    let desk = Desk::new();
    fs::write(desk.path("main.log"), vec![b'x'; 1_000]).unwrap();
    fs::write(desk.path("cat.out"), vec![b'&'; 1_000]).unwrap();
    let ask = |room: usize, name: &str, params: &[Value]| {
        let body = xml::encode_call(name, params);
        let answer = desk.answer_within(&Narrow(Cell::new(room)), &body);
        xml::decode_response(&answer.body).unwrap()
    };
    let full =
        "FAILED: too many long answers are under way; ask again later, or for less at a time";
    let full = fault(30, full);
    let refused = |answer: Result<Value, Fault>| answer.unwrap_err().text.contains("too many long");
    let zero = Value::Int(0);
    let main = [zero.clone(), zero.clone()];
    let cat = [s("cat"), zero.clone(), Value::Int(1_000)];
    assert!(refused(ask(999, "supervisor.readLog", &main)));
    assert!(ask(1_000, "supervisor.readLog", &main).is_ok());
    for method in ["supervisor.readProcessStdoutLog", "supervisor.tailProcessStdoutLog"] {
        assert!(refused(ask(4_999, method, &cat)), "{method}: each takes five when it is written");
        assert!(ask(5_000, method, &cat).is_ok(), "{method}");
    }
    assert!(refused(ask(100, "supervisor.getAllProcessInfo", &[])));
    assert!(ask(0, "supervisor.stopProcess", &[s("cat")]).is_ok(), "what is done is said");
    // A part is held while the next ones are made, and none is begun without room.
    let read = || call("supervisor.readLog", &main);
    let start = call("supervisor.startProcess", &[s("cat")]);
    let text = s(&"x".repeat(1_000));
    let answer = ask(1_900, "system.multicall", &[list([read(), read(), start.clone()])]);
    assert_eq!(answer, Ok(list([text.clone(), full.clone(), Value::Bool(true)])));
    let answer = ask(1_010, "system.multicall", &[list([read(), start.clone(), start])]);
    assert_eq!(answer, Ok(list([text, full.clone(), full])));
}

#[test]
fn some_answer_to_the_end() {
    let desk = Desk::new();
    desk.call("shutdown", &[]).unwrap();
    let calls = list([call("supervisor.getState", &[]), call("system.listMethods", &[])]);
    let expected = list([fault(6, "SHUTDOWN_STATE"), words(NAMES)]);
    assert_eq!(desk.call("system.multicall", &[calls]), Ok(expected));
    assert_eq!(desk.call("system.methodSignature", &[s("system.listMethods")]), Ok(words("array")));
    assert_eq!(desk.call("sendRemoteCommEvent", &[s("a"), s("b")]), Ok(Value::Bool(true)));
    assert_eq!(desk.fault("sendProcessStdin", &[s("cat"), s("b")]).0, 6);
    for method in METHODS.iter().filter(|method| !method.to_the_end) {
        let params = vec![s("cat"); method.params.len()];
        assert_eq!(desk.fault(method.name, &params), (6, "SHUTDOWN_STATE".to_owned()));
    }
}

#[test]
fn structures_are_as_documented() {
    let desk = Desk::new();
    let first = |value: Value| match value {
        Value::Array(items) => items.into_iter().next().unwrap(),
        other => other,
    };
    let same = |value: Value, structure: &Structure| {
        let Value::Struct(members) = first(value) else { panic!("no struct") };
        let names = members.iter().map(|(name, _)| name.as_str());
        assert!(names.eq(structure.fields.iter().map(|field| field.name)), "{}", structure.title);
    };
    same(desk.call("getState", &[]).unwrap(), &STATE);
    same(desk.call("getAllProcessInfo", &[]).unwrap(), &PROCESS_INFO);
    same(desk.call("getAllConfigInfo", &[]).unwrap(), &CONFIG_INFO);
    same(desk.call("stopAllProcesses", &[]).unwrap(), &STATUS);
}

#[test]
fn a_value_and_its_text_are_the_same() {
    let desk = Desk::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (method, params) in [
        ("getState", vec![]),
        ("getAllProcessInfo", vec![]),
        ("getAllConfigInfo", vec![]),
        ("getProcessInfo", vec![s("web:w1")]),
        ("getProcessInfo", vec![s("nope")]),
    ] {
        let full = format!("supervisor.{method}");
        let value = runtime.block_on(crate::rpc::call(
            &desk,
            &crate::rpc::caller::Caller::anonymous(),
            &full,
            params.clone(),
        ));
        assert_eq!(value, desk.call(method, &params), "{method}");
    }
}
