//! Mails which processes could not be started, many to a mail.

use super::Tool;
use super::batch::{self, Kind};
use super::listener::{Broken, Facts};

pub const TOOL: Tool = Tool {
    name: "fatalmailbatch",
    summary: "mail which processes supervisord gave up to start, in batches",
    synopsis: "[options] --toEmail=ADDRESSES --fromEmail=ADDRESS",
    details: &[
        "An event listener of supervisord. Processes that became FATAL are collected; every so many minutes those that \
         there were are mailed by SMTP. It has to be subscribed to PROCESS_STATE_FATAL and to the TICK event that counts \
         the time.",
    ],
    options: batch::OPTIONS,
    exits: batch::EXITS,
    example: &[
        "[eventlistener:fatalmailbatch]",
        "command=fatalmailbatch --toEmail=you@example.com --fromEmail=me@example.com",
        "events=PROCESS_STATE_FATAL,TICK_60",
    ],
    run: |tool, start| batch::run(tool, start, &KIND),
};

const KIND: Kind = Kind {
    event: "PROCESS_STATE_FATAL",
    subject: Some("Fatal start alert from supervisord"),
    message,
};

fn message(facts: &Facts, now: &str) -> Result<Option<String>, Broken> {
    let [group, name] = [facts.get("groupname")?, facts.get("processname")?];
    Ok(Some(format!("{now} -- Process {group}:{name} failed to start too many times")))
}

#[test]
fn messages() {
    let facts = Facts::read("processname:p groupname:g from_state:BACKOFF");
    let expected = "NOW -- Process g:p failed to start too many times";
    assert_eq!(message(&facts, "NOW").unwrap().as_deref(), Some(expected));
}
