//! Tests: the configuration read again, and groups in and out of force.

use super::*;

#[test]
fn a_reading_tells_what_differs_and_changes_nothing() {
    let desk = Desk::new();
    let same = (*desk.settings()).clone();
    desk.readings.borrow_mut().extend([Ok(same), Ok(edited(&desk))]);
    let none: [Vec<String>; 3] = Default::default();
    assert_eq!(lists(&desk.call("reloadConfig", &[]).unwrap()), none);
    let changes = desk.call("reloadConfig", &[]).unwrap();
    assert_eq!(lists(&changes), [vec!["more"], vec!["web"], vec!["cat"]]);
    assert_eq!(desk.heart(|h| h.state(0)), Some(State::Running));
    assert_eq!(desk.call("getProcessInfo", &[s("more:m")]).unwrap_err().code, 10);
    desk.readings.borrow_mut().push_back(Err("no such key: x".into()));
    let refused = (92, "CANT_REREAD: no such key: x".to_owned());
    assert_eq!(desk.fault("reloadConfig", &[]), refused);
    desk.readings.borrow_mut().push_back(Err("no such key: x".into()));
    assert_eq!(desk.fault("restart", &[]), refused);
    assert!(!desk.shut.get(), "nothing was stopped");
}

#[test]
fn groups_are_put_in_and_out_of_force() {
    let desk = Desk::new();
    desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
    desk.call("reloadConfig", &[]).unwrap();
    let name = |name: &str| [s(name)];
    let fault = |code, text: &str| (code, text.to_owned());
    assert_eq!(desk.fault("addProcessGroup", &name("x")), fault(10, "BAD_NAME: x"));
    assert_eq!(desk.fault("addProcessGroup", &name("web")), fault(90, "ALREADY_ADDED: web"));
    // In force, but not in the last reading.
    assert_eq!(desk.fault("addProcessGroup", &name("cat")), fault(10, "BAD_NAME: cat"));
    assert_eq!(desk.fault("removeProcessGroup", &name("more")), fault(10, "BAD_NAME: more"));
    assert_eq!(desk.fault("removeProcessGroup", &name("cat")), fault(91, "STILL_RUNNING: cat"));
    desk.call("stopProcessGroup", &name("cat")).unwrap();
    assert_eq!(desk.call("removeProcessGroup", &name("cat")), Ok(Value::Bool(true)));
    assert_eq!(desk.fault("getProcessInfo", &name("cat")), fault(10, "BAD_NAME: cat"));
    // The new group has the slot that the old one had: another life, another log.
    assert_eq!(desk.call("addProcessGroup", &name("more")), Ok(Value::Bool(true)));
    let info = desk.call("getProcessInfo", &name("more:m")).unwrap();
    assert_eq!(info.member("statename"), Some(&s("STARTING")));
    assert_eq!(info.member("stop"), Some(&Value::Int(0)));
    assert_eq!(info.member("logfile"), Some(&s(desk.path("m.log").to_str().unwrap())));
    assert_eq!(desk.call("removeProcessGroup", &name("web")), Ok(Value::Bool(true)));
    assert_eq!(desk.call("addProcessGroup", &name("web")), Ok(Value::Bool(true)));
    assert_eq!(desk.heart(|h| (h.state(2), h.state(4))), (None, Some(State::Stopped)));
    desk.readings.borrow_mut().push_back(Ok((*desk.latest()).clone()));
    let none: [Vec<String>; 3] = Default::default();
    assert_eq!(lists(&desk.call("reloadConfig", &[]).unwrap()), none);
}

#[test]
fn configuration_info_has_twenty_nine_members_in_order() {
    let desk = Desk::new();
    let all = |desk: &Desk| match desk.call("getAllConfigInfo", &[]) {
        Ok(Value::Array(all)) => all,
        other => panic!("no array: {other:?}"),
    };
    let first = all(&desk).remove(0);
    let Value::Struct(members) = &first else { panic!("no struct") };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let expected = "autostart directory uid command exitcodes group group_prio inuse killasgroup name process_prio \
                    redirect_stderr startretries startsecs stdout_capture_maxbytes stdout_events_enabled \
                    stdout_logfile stdout_logfile_backups stdout_logfile_maxbytes stdout_syslog stopsignal \
                    stopwaitsecs stderr_capture_maxbytes stderr_events_enabled stderr_logfile \
                    stderr_logfile_backups stderr_logfile_maxbytes stderr_syslog serverurl";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(first.member("stdout_logfile"), Some(&s(&desk.log(1))), "its file is there");
    assert_eq!(first.member("directory"), Some(&s("none")));
    assert_eq!(first.member("uid"), Some(&s("none")));
    assert_eq!(first.member("serverurl"), Some(&s("none")));
    assert_eq!(first.member("exitcodes"), Some(&Value::Array(vec![Value::Int(0)])));
    assert_eq!(first.member("stopsignal"), Some(&Value::Int(15)));
    assert_eq!(first.member("inuse"), Some(&Value::Bool(true)));
    desk.readings.borrow_mut().push_back(Ok(edited(&desk)));
    desk.call("reloadConfig", &[]).unwrap();
    let infos = all(&desk);
    let names: Vec<_> = infos.iter().map(|info| info.member("name").unwrap().as_str()).collect();
    assert_eq!(names, [Some("gone"), Some("m"), Some("w1"), Some("w2")]);
    assert_eq!(infos[1].member("inuse"), Some(&Value::Bool(false)));
    assert_eq!(infos[1].member("stdout_logfile"), Some(&s("auto")));
    assert_eq!(infos[3].member("startsecs"), Some(&Value::Int(i32::MAX.into())), "capped");
    desk.call("addProcessGroup", &[s("more")]).unwrap();
    let path = s(desk.path("m.log").to_str().unwrap());
    assert_eq!(all(&desk)[1].member("stdout_logfile"), Some(&path));
}
