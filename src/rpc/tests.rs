//! Tests: whole calls, from XML to XML, against an office whose spawner always obeys.

mod access;
mod audit;
mod bytes;
mod configuration;
mod control;
mod hidden;
mod input;
mod logs;
mod restart;
mod system;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::slice;
use std::time::Duration;

use jiff::tz::TimeZone;
use policy::access::{
    Access, Action, Grants, Member, Pattern, Permit, Principal, Proof, Role, Rules, Who,
};
use policy::audit::Record;
use privsep::reply::Stage;
use privsep::request::Request;
use tempfile::TempDir;

use super::caller::Caller;
use super::fault::Fault;
use super::office::{Office, Unmoved, Unwritten, fit, is_about, is_about_log, move_groups};
use super::room::{Ample, Room};
use super::xml::{self, Value};
use super::{Answer, handle};
use crate::config::settings::{Group, Level, Of, Process, Settings};
use crate::process::world::{failure, log_file, moment, program, settings, stream};
use crate::process::{Command, Heart, Input, Kept, Now, Outcome, Output, State, Ticket, roster};

pub(crate) struct Desk {
    settings: RefCell<Rc<Settings>>,
    latest: RefCell<Rc<Settings>>,
    /// What the next readings give.
    readings: RefCell<VecDeque<Result<Settings, String>>>,
    made: RefCell<BTreeSet<String>>,
    heart: RefCell<Heart>,
    ms: Cell<u64>,
    zone: TimeZone,
    lines: RefCell<Vec<(Level, String)>>,
    shut: Cell<bool>,
    /// What process 0 has got on its standard input; it holds 20 bytes. Nobody reads any other.
    written: RefCell<Vec<u8>>,
    announced: RefCell<Vec<(String, String)>>,
    lives: Cell<u32>,
    access: RefCell<Rc<Access>>,
    /// Slots as a former broker left them.
    left: RefCell<BTreeSet<u32>>,
    pub(crate) caller: RefCell<Caller>,
    /// So many records find room.
    room: Cell<usize>,
    /// What the audit writer was told.
    pub(crate) records: RefCell<Vec<Record>>,
    /// How many records there were when the last command came.
    recorded: Cell<usize>,
    /// The effects, each with what was permitted.
    pub(crate) effects: RefCell<Vec<(&'static str, Action)>>,
    dir: TempDir,
}

impl Desk {
    /// Groups `cat` (cat, with logs 1 and 2), `web` (w1 priority 2, w2 priority 1, both manual) and `gone` (its
    /// program file is missing). Log 0 is the activity log.
    pub(crate) fn new() -> Desk {
        Desk::with(|_| {})
    }

    /// The same with other settings.
    fn with(change: impl FnOnce(&mut Settings)) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let manual = |name: &str, priority| Process { autostart: false, priority, ..program(name) };
        let cat = Process { stdout: stream(Some(1)), stderr: stream(Some(2)), ..program("cat") };
        let mut settings = settings(vec![
            ("cat", 5, vec![cat]),
            ("web", 4, vec![manual("w1", 2), manual("w2", 1)]),
            ("gone", 3, vec![manual("gone", 1)]),
        ]);
        settings.activity.log = Some(0);
        for (n, name) in (0..).zip(["main.log", "cat.out", "cat.err"]) {
            settings.logs.insert(n, log_file(dir.path().join(name).to_str().unwrap()));
        }
        change(&mut settings);
        let desk = Desk {
            heart: RefCell::new(Heart::new(&settings, &[])),
            made: RefCell::new(settings.groups.iter().map(|g| g.name.clone()).collect()),
            latest: RefCell::new(Rc::new(settings.clone())),
            settings: RefCell::new(Rc::new(settings)),
            readings: RefCell::default(),
            ms: Cell::new(0),
            zone: TimeZone::UTC,
            lines: RefCell::new(Vec::new()),
            shut: Cell::new(false),
            written: RefCell::default(),
            announced: RefCell::default(),
            lives: Cell::new(0),
            access: RefCell::default(),
            left: RefCell::default(),
            caller: RefCell::new(Caller::anonymous()),
            room: Cell::new(usize::MAX),
            records: RefCell::default(),
            recorded: Cell::default(),
            effects: RefCell::default(),
            dir,
        };
        desk.feed(Input::Begin);
        desk.ms.set(60_000);
        desk.feed(Input::Timer);
        desk
    }

    /// From here on `alice` calls, who has this role and none else: what it is about and what it grants, as in the
    /// configuration.
    pub(crate) fn grant(&self, programs: &str, actions: &str) {
        let role = Role {
            name: "web".to_owned(),
            place: "/etc/supervisord.conf:12".to_owned(),
            members: vec![Member::User("alice".to_owned())],
            programs: programs.split_whitespace().map(|p| Pattern::parse(p).unwrap()).collect(),
            grants: Grants::parse(actions).unwrap(),
        };
        self.rule(vec![role]);
        self.enter(Who::User("alice".into()), Proof::Password);
    }

    /// From here on these are the roles.
    pub(crate) fn rule(&self, roles: Vec<Role>) {
        *self.access.borrow_mut() = Rc::new(Access::new(Rules { roles, owner: 1 }));
    }

    /// From here on this one calls.
    pub(crate) fn enter(&self, who: Who, proof: Proof) {
        let principal = Rc::new(Principal::new(who, proof));
        let (peer, server) = ("unix".into(), "unix_http_server".into());
        *self.caller.borrow_mut() = Caller { principal, peer, server, request: 7 };
    }

    /// Hands an input in and obeys every ask. Gives the last reply.
    fn feed(&self, input: Input) -> Option<Vec<Outcome>> {
        let mut inputs = VecDeque::from([input]);
        let mut reply = None;
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.heart.borrow_mut().handle(self.now(), input, &mut out);
            for output in out {
                match output {
                    Output::Reply(_, outcomes) => reply = Some(outcomes),
                    Output::Ask(request) => inputs.extend(self.obey(request)),
                    Output::Log(..) | Output::Event(_) => {}
                }
            }
        }
        reply
    }

    fn obey(&self, request: Request) -> Option<Input> {
        match request {
            Request::Probe { slot } => {
                Some(Input::Probed { slot, failure: (slot == 3).then(|| failure(Stage::Find, 2)) })
            }
            Request::Spawn { slot } => {
                let instance = self.lives.get() + 1;
                self.lives.set(instance);
                Some(Input::Spawned { slot, instance, pid: 500 + instance as i32, failure: None })
            }
            Request::Signal { slot, instance, signo, .. } if signo != 1 => {
                Some(Input::Exited { slot, instance, status: signo.into(), at: self.now().mono })
            }
            _ => None,
        }
    }

    /// Notes an effect, and that it was permitted.
    fn effect(&self, name: &'static str, permits: &[Permit]) {
        let effects = permits.iter().map(|permit| (name, permit.action()));
        self.effects.borrow_mut().extend(effects);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn answer(&self, body: &[u8]) -> Answer {
        self.answer_within(&Ample, body)
    }

    fn answer_within(&self, room: &dyn Room, body: &[u8]) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let caller = self.caller.borrow().clone();
        runtime.unwrap().block_on(handle(self, &caller, room, body))
    }

    fn call(&self, method: &str, params: &[Value]) -> Result<Value, Fault> {
        let full = format!("supervisor.{method}");
        let name = if method.contains('.') { method } else { &full };
        let body = xml::encode_call(name, params);
        let answer = self.answer(&body);
        assert_eq!(answer.status, 200);
        xml::decode_response(&answer.body).unwrap()
    }

    fn fault(&self, method: &str, params: &[Value]) -> (i32, String) {
        let fault = self.call(method, params).unwrap_err();
        (fault.code, fault.text)
    }

    fn log(&self, number: u32) -> String {
        self.settings().logs[&number].path.clone()
    }
}

impl Office for Desk {
    fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    fn latest(&self) -> Rc<Settings> {
        Rc::clone(&self.latest.borrow())
    }

    fn has_logs(&self, group: &str) -> bool {
        self.made.borrow().contains(group)
    }

    async fn reread(&self, permit: &Permit) -> Result<(), String> {
        self.effect("reread", slice::from_ref(permit));
        assert!(permit.is_for_daemon(), "{permit:?}");
        let settings = self.readings.borrow_mut().pop_front().expect("a reading")?;
        self.made.borrow_mut().clear();
        *self.latest.borrow_mut() = Rc::new(settings);
        Ok(())
    }

    fn add_group(&self, permits: &[Permit], name: &str) -> Result<(), Unmoved> {
        assert!(move_groups(self, permits, &self.latest(), name), "{permits:?}");
        self.effect("add_group", permits);
        let latest = self.latest();
        let group = latest.group(name).ok_or(Unmoved::Unknown)?;
        if self.settings().group(name).is_some() {
            return Err(Unmoved::InForce);
        }
        roster::enter(Rc::make_mut(&mut self.settings.borrow_mut()), &latest, name);
        self.heart.borrow_mut().add(&latest, group, &mut Vec::new());
        self.made.borrow_mut().insert(name.to_owned());
        self.feed(Input::SetOut { slots: group.slots.clone() });
        Ok(())
    }

    fn remove_group(&self, permits: &[Permit], name: &str) -> Result<(), Unmoved> {
        assert!(move_groups(self, permits, &self.settings(), name), "{permits:?}");
        self.effect("remove_group", permits);
        let removed = self.heart.borrow_mut().remove(self.now(), name, &mut Vec::new());
        removed.map_err(|kept| match kept {
            Kept::Unknown => Unmoved::Unknown,
            Kept::Running => Unmoved::Running,
        })?;
        roster::leave(Rc::make_mut(&mut self.settings.borrow_mut()), name);
        Ok(())
    }

    async fn restart(&self, permit: &Permit) -> Result<(), String> {
        self.effect("restart", slice::from_ref(permit));
        self.reread(permit).await?;
        self.shutdown(permit);
        Ok(())
    }

    fn vouches(&self, slot: u32) -> bool {
        !self.left.borrow().contains(&slot)
    }

    fn access(&self) -> Rc<Access> {
        Rc::clone(&self.access.borrow())
    }

    fn audit(&self, record: Record) {
        self.records.borrow_mut().push(record);
    }

    fn audit_ready(&self) -> bool {
        self.records.borrow().len() < self.room.get()
    }

    fn now(&self) -> Now {
        moment(self.ms.get())
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn pid(&self) -> i32 {
        4_711
    }

    fn heart<R>(&self, look: impl FnOnce(&Heart) -> R) -> R {
        look(&self.heart.borrow())
    }

    async fn command(&self, permits: &[Permit], command: Command) -> Vec<Outcome> {
        assert!(fit(self, permits, &command), "{permits:?} for {command:?}");
        self.effect("command", permits);
        self.recorded.set(self.records.borrow().len());
        let ticket = Ticket(1);
        let mut reply = self.feed(Input::Command { ticket, command });
        while reply.is_none() {
            let at = self.heart.borrow().next().expect("something is due");
            let since = at.saturating_sub(moment(0).mono) + Duration::from_millis(1);
            self.ms.set(since.as_millis() as u64);
            reply = self.feed(Input::Timer);
        }
        reply.unwrap()
    }

    fn write_stdin(&self, permit: &Permit, slot: u32, bytes: &[u8]) -> Result<(), Unwritten> {
        self.effect("write_stdin", slice::from_ref(permit));
        assert!(is_about(self, permit, slot), "{permit:?}");
        let mut written = self.written.borrow_mut();
        let waiting = written.len();
        match (slot, waiting + bytes.len()) {
            (0, 0..=20) => {
                written.extend_from_slice(bytes);
                Ok(())
            }
            (0, _) => Err(Unwritten::Full { waiting }),
            _ => Err(Unwritten::Closed),
        }
    }

    fn announce(&self, permit: &Permit, kind: &str, data: &str) {
        self.effect("announce", slice::from_ref(permit));
        assert!(permit.is_for_daemon(), "{permit:?}");
        self.announced.borrow_mut().push((kind.to_owned(), data.to_owned()));
    }

    async fn open_log(&self, permit: &Permit, log: u32) -> io::Result<File> {
        self.effect("open_log", slice::from_ref(permit));
        assert!(is_about_log(self, permit, log), "{permit:?}");
        File::open(self.log(log))
    }

    fn log_size(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    async fn clear_log(&self, permit: &Permit, log: u32) -> io::Result<()> {
        self.effect("clear_log", slice::from_ref(permit));
        assert!(is_about_log(self, permit, log), "{permit:?}");
        fs::OpenOptions::new().write(true).truncate(true).open(self.log(log)).map(drop)
    }

    fn note(&self, level: Level, text: String) {
        self.lines.borrow_mut().push((level, text));
    }

    fn shutdown(&self, permit: &Permit) {
        self.effect("shutdown", slice::from_ref(permit));
        assert!(permit.is_for_daemon(), "{permit:?}");
        self.shut.set(true);
        self.feed(Input::Shutdown);
    }
}

fn s(text: &str) -> Value {
    Value::from(text)
}

fn results(value: &Value) -> Vec<(String, i64, String)> {
    let Value::Array(items) = value else {
        panic!("no array: {value:?}");
    };
    let item = |item: &Value| {
        let text = |name| item.member(name).unwrap().as_str().unwrap().to_owned();
        let status = item.member("status").unwrap().as_int().unwrap();
        let name = format!("{}:{}", text("group"), text("name"));
        (name, status, text("description"))
    };
    items.iter().map(item).collect()
}

#[test]
fn the_daemon_tells_who_it_is() {
    let desk = Desk::new();
    assert_eq!(desk.call("getVersion", &[]), Ok(s("3.0")));
    assert_eq!(desk.call("getAPIVersion", &[]), Ok(s("3.0")));
    assert_eq!(desk.call("getSupervisorVersion", &[]), Ok(s("4.3.0")));
    assert_eq!(desk.call("getIdentification", &[]), Ok(s("supervisor")));
    assert_eq!(desk.call("getPID", &[]), Ok(Value::Int(4_711)));
    let state = desk.call("getState", &[]).unwrap();
    assert_eq!(state.member("statecode"), Some(&Value::Int(1)));
    assert_eq!(state.member("statename"), Some(&s("RUNNING")));
}

#[test]
fn other_methods_and_wrong_parameters_are_faults() {
    let desk = Desk::new();
    let unknown = (1, "UNKNOWN_METHOD".to_owned());
    assert_eq!(desk.fault("nothing", &[]), unknown);
    assert_eq!(desk.fault("_update", &[s("x")]), unknown);
    let wrong = (2, "INCORRECT_PARAMETERS".to_owned());
    assert_eq!(desk.fault("getState", &[s("x")]), wrong);
    assert_eq!(desk.fault("getProcessInfo", &[]), wrong);
    assert_eq!(desk.fault("getProcessInfo", &[Value::Int(5)]), wrong);
    assert_eq!(desk.fault("readLog", &[s("x"), Value::Int(0)]), wrong);
    assert_eq!(desk.fault("startProcess", &[s("cat"), s("no")]), wrong);
    for name in ["system._x", "system.", "other.getState", "supervisor.getState.x", "getState."] {
        assert_eq!(desk.fault(name, &[]), unknown, "{name}");
    }
}

#[test]
fn calls_that_cannot_be_read_are_bad_requests() {
    let desk = Desk::new();
    let unreadable = desk.answer(b"<methodCall>");
    assert_eq!((unreadable.status, unreadable.body.len()), (400, 0));
    assert_eq!(desk.answer(b"<methodCall></methodCall>").status, 400);
    let lines = desk.lines.borrow();
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "XML-RPC request data '<methodCall>' is invalid: unmarshallable",
            "XML-RPC request data '<methodCall></methodCall>' is invalid: no method name",
        ]
    );
    assert_eq!(lines[0].0, Level::Error);
}

#[test]
fn process_info_has_fourteen_members_in_order() {
    let desk = Desk::new();
    let info = desk.call("getProcessInfo", &[s("cat")]).unwrap();
    let Value::Struct(members) = &info else {
        panic!("no struct");
    };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let expected = "name group start stop now state statename spawnerr exitstatus logfile stdout_logfile \
                    stderr_logfile pid description";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(info.member("start"), Some(&Value::Int(1_795_226_180)));
    assert_eq!(info.member("now"), Some(&Value::Int(1_795_226_240)));
    assert_eq!(info.member("state"), Some(&Value::Int(20)));
    assert_eq!(info.member("logfile"), Some(&s(&desk.log(1))));
    assert_eq!(info.member("stderr_logfile"), Some(&s(&desk.log(2))));
    assert_eq!(info.member("description"), Some(&s("pid 501, uptime 0:01:00")));
    let info = desk.call("getProcessInfo", &[s("web:w1")]).unwrap();
    assert_eq!(info.member("description"), Some(&s("Not started")));
    assert_eq!(info.member("stdout_logfile"), Some(&s("")));
    for name in ["web", "web:*", "web:", "nobody", "web:w3", ""] {
        assert_eq!(desk.fault("getProcessInfo", &[s(name)]), (10, format!("BAD_NAME: {name}")));
    }
}

#[test]
fn all_info_is_by_name() {
    let desk = Desk::new();
    let Ok(Value::Array(all)) = desk.call("getAllProcessInfo", &[]) else {
        panic!("no array");
    };
    let names: Vec<_> = all.iter().filter_map(|info| info.member("name")?.as_str()).collect();
    assert_eq!(names, ["cat", "gone", "w1", "w2"]);
}

#[test]
fn going_down_is_said_to_every_call() {
    let desk = Desk::new();
    assert_eq!(desk.call("shutdown", &[]), Ok(Value::Bool(true)));
    assert!(desk.shut.get());
    let down = (6, "SHUTDOWN_STATE".to_owned());
    for method in ["getState", "getPID", "shutdown"] {
        assert_eq!(desk.fault(method, &[]), down);
    }
    assert_eq!(desk.fault("getProcessInfo", &[Value::Int(1)]), down);
    assert_eq!(desk.fault("getProcessInfo", &[]).0, 2, "the number of parameters comes first");
    assert_eq!(desk.fault("nothing", &[]).0, 1);
}

#[test]
fn calls_are_traced() {
    let desk = Desk::new();
    Rc::make_mut(&mut desk.settings.borrow_mut()).activity.level = Level::Trace;
    desk.call("getPID", &[]).unwrap();
    desk.fault("getProcessInfo", &[s("x")]);
    let lines: Vec<_> = desk.lines.take().into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        lines,
        [
            "XML-RPC method called: supervisor.getPID()",
            "XML-RPC method supervisor.getPID() returned successfully",
            "XML-RPC method called: supervisor.getProcessInfo()",
            "XML-RPC method supervisor.getProcessInfo() returned fault: [10] BAD_NAME: x",
        ]
    );
}

/// The configuration of [`Desk::new`] after an edit: `cat` is gone, `web` has another slot for w2, `gone` is the same,
/// `more` is new.
fn edited(desk: &Desk) -> Settings {
    let mut settings = (*desk.settings()).clone();
    roster::leave(&mut settings, "cat");
    let w2 = settings.processes.remove(&2).unwrap();
    settings.processes.insert(4, Process { startsecs: 5_000_000_000, ..w2 });
    let more = Process { group: "more".into(), stdout: stream(Some(7)), ..program("m") };
    settings.processes.insert(0, more);
    settings.logs.insert(7, log_file(desk.path("m.log").to_str().unwrap()));
    for group in &mut settings.groups {
        if group.name == "web" {
            group.slots = vec![1, 4];
        }
    }
    let more = Group { name: "more".into(), priority: 999, of: Of::Programs, slots: vec![0] };
    settings.groups.push(more);
    settings
}

fn lists(value: &Value) -> [Vec<String>; 3] {
    let items = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        _ => panic!("no array: {value:?}"),
    };
    let [inner] = <[Value; 1]>::try_from(items(value)).unwrap();
    let lists = <[Value; 3]>::try_from(items(&inner)).unwrap();
    lists.map(|list| items(&list).iter().map(|name| name.as_str().unwrap().to_owned()).collect())
}

/// Adds a group `many` of so many processes, from slot 10 on.
fn many(settings: &mut Settings, count: u32) {
    let programs = (0..count).map(|n| program(&format!("p{n}"))).collect();
    let more = crate::process::world::settings(vec![("many", 9, programs)]);
    for (slot, process) in more.processes {
        settings.processes.insert(slot + 10, process);
    }
    let slots = (10..10 + count).collect();
    settings.groups.push(Group { slots, ..more.groups[0].clone() });
}
