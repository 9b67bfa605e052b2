//! Mails which processes died unexpectedly, as short as telephones want it.

use super::Tool;
use super::batch::{self, Kind};
use super::listener::{Broken, Facts};

pub const TOOL: Tool = Tool {
    name: "crashsms",
    summary: "send short mails about processes of supervisord that exited unexpectedly",
    synopsis: "[options] --toEmail=ADDRESSES --fromEmail=ADDRESS",
    details: &[
        "An event listener of supervisord, for addresses that mail reaches as a text message. It is crashmailbatch with \
         shorter messages and without a subject, if none is given.",
    ],
    options: batch::OPTIONS,
    exits: batch::EXITS,
    example: &[
        "[eventlistener:crashsms]",
        "command=crashsms -t 5550100@sms.example.com -f me@example.com -e TICK_5",
        "events=PROCESS_STATE_EXITED,TICK_5",
    ],
    run: |tool, start| batch::run(tool, start, &KIND),
};

const KIND: Kind = Kind { event: "PROCESS_STATE_EXITED", subject: None, message };

fn message(facts: &Facts, now: &str) -> Result<Option<String>, Broken> {
    if facts.number("expected")? != 0 {
        return Ok(None);
    }
    let [group, name, pid] =
        [facts.get("groupname")?, facts.get("processname")?, facts.get("pid")?];
    Ok(Some(format!("[{group}:{name}]({pid}) exited unexpectedly {now}")))
}

#[test]
fn messages() {
    let facts = Facts::read("processname:p groupname:g from_state:RUNNING expected:0 pid:7");
    let expected = "[g:p](7) exited unexpectedly NOW";
    assert_eq!(message(&facts, "NOW").unwrap().as_deref(), Some(expected));
    assert_eq!(message(&Facts::read("expected:1"), "NOW").unwrap(), None);
}
