//! docs/api.md, made from the method table.

use std::fmt::Write;
use std::path::Path;

use policy::access::Action;

use super::fault::Code;
use super::system::{MOST_ANSWERED, MOST_CALLS};
use super::table::{
    CALL, CALLER, CONFIG_INFO, DECISION, METHODS, Method, PROCESS_INFO, RESTART_STATUS, STATE,
    STATUS, Structure, Target, Type,
};
use super::{logs, xml};

const HEAD: &str = "\
# The XML-RPC interface

This file is made from the method table (`src/rpc/table/`). To make it again after a change there:
`make generated`.

It is Supervisor 4.3's interface: clients of that work unchanged. Where answers differ on purpose stands in
[differences.md](differences.md).

## Calls

A call is a POST of an XML document to `/RPC2` on a server of the configuration: `[unix_http_server]` or
`[inet_http_server]`. The answer is a document with a value or a fault. A body that is no call is answered with status 400.

The Content-Type is `text/xml`; most clients may leave it out. One that sends a `Cookie`, `Referer` or `Sec-Fetch-…` header
may not (415): so do browsers, and any web page can have one send a body without a type. A request with an `Origin` is
refused (403).
";

const READING: &str = "\
What a call holds is read as the reference does:

| element | is |
|---|---|
| `int`, `i4` | int |
| `boolean` | boolean: true is `1` and nothing else |
| `string`, bare text in `value` | string |
| `double`, `dateTime.iso8601` | as they say; no method takes them |
| `base64` | the string that its bytes are in UTF-8 |
| `array`, `struct` | as they say |
| `i8`, `nil` and any other | string, its text; null where there is none |

Where an int is wanted a string of digits is taken too, where a boolean is wanted an int. Any other wrong type, and a wrong
number of parameters, is the fault INCORRECT_PARAMETERS. Attributes, document types, processing instructions,
entities other than XML's five, and encodings other than UTF-8 (ASCII under another name is taken) are refused with 400.

Answers are UTF-8 whatever a log holds: a byte that is not UTF-8 and a character that XML cannot carry (most control
characters) is U+FFFD. An int beyond 32 bits is sent as the largest or smallest there is.
";

const NAMES: &str = "\
## Names

`name` is the process of that name in the group of that name, which is what a `[program:name]` without a group makes.
`group:name` is a process of a group. `group:*` and `group:` are a whole group, where a method takes one. An unknown name
is the fault BAD_NAME with the name as it was given.

## Waiting

Methods with `wait` answer when the work is done. Other calls go on meanwhile, on the same server and on others. A client
that leaves does not stop the work. A call that waits holds the place of its connection until it is done, also when its
client has left, so at most as many calls can wait as there are places: 256 on each server, 224 of them for one user (unix)
or one address.

## Going down

From the moment when it is to end or to start over, the daemon answers every `supervisor` method with SHUTDOWN_STATE,
`getState` too, except `sendRemoteCommEvent`. Calls that wait already get their answers. `system` methods answer to the end.

## Standard input

What `sendProcessStdin` writes goes into the program's pipe (64 KiB). What finds no room there is kept in the broker's
memory, up to 1 MiB a program and 16 MiB in all (64 KiB for each program whatever the others have), and written as the
program reads. It goes when the program ends. When the broker is replaced after a crash, what is in the pipe is still there, what was kept in memory is lost. An event listener
gets its events on the same pipe: text in between breaks its protocol.
";

const RIGHTS: &str = "\
## Rights

Without a `[role:NAME]` section whoever passes a server's gate may call everything. With one, a method needs what stands at
it, granted by a role of the caller. Root, and the user that runs the daemon, may do all over a unix socket.

What somebody may not `view` does not exist for them: it is in no list and in no `group:*`, and its name is the fault BAD_NAME
as any that nobody has. Any other right on a process brings `view`. What somebody sees and may not touch is the fault
ACCESS_DENIED with what was refused: `ACCESS_DENIED: restart of web:nginx`; where a method is about several processes, it is
the status of those. Each call of a `system.multicall` is decided by itself. Who has no right on any process is refused what is
about the daemon or about all processes.

A group is put in or out of force by those who have `config` on all of its processes; the answer to somebody who has it on
some tells them that there are others. `supervisor.reloadConfig` names the groups that the caller has `config` on as a whole,
and where the configuration is wrong tells what is wrong to admins of the daemon alone.

While the audit log has no room for what would be done, what changes anything is FAILED and not done; root, and the user that
runs the daemon, may stop processes and shut down all the same over a unix socket.

What Supervisor 4.3 does not have is named by `system.listMethods` where there are roles, and can be called everywhere.
";

/// What a caller must be granted for a method.
fn right(method: &Method) -> String {
    let action = method.action;
    match method.target {
        Target::Caller => "nothing".to_owned(),
        Target::Daemon if action == Action::View => "any role".to_owned(),
        Target::Daemon if action == Action::Config => "`config` on any process".to_owned(),
        Target::Daemon => format!("`{action}`"),
        Target::Process => format!("`{action}` on the process"),
        Target::Group if action == Action::Config => {
            "`config` on all processes of the group".to_owned()
        }
        Target::Group => format!("`{action}` on each process of the group"),
        Target::All => format!("`{action}` on each process"),
    }
}

fn page() -> String {
    let mut page = format!("{HEAD}\n");
    page += &format!(
        "Limits: a body of 1 MiB, {} levels of elements, {} elements, {} calls in one `system.multicall` and about {} MiB of\n\
         their answers, {} MiB of a log in one answer. A larger body is answered with status 413, a longer log is cut, all\n\
         else is a fault that says so. While bodies and answers of 48 MiB are under way for one client, 64 MiB for all of a\n\
         server, what would be long is refused: a body with status 503, a call with FAILED. It is not made then.\n\n{READING}\n{NAMES}\n{RIGHTS}\n## Faults\n\n",
        xml::MAX_DEPTH,
        xml::MAX_CALL_NODES,
        MOST_CALLS,
        MOST_ANSWERED >> 20,
        logs::MOST >> 20,
    );
    page += "The text is the name, or the name and what it is about: `BAD_NAME: cat`.\n\n| code | name | |\n|---|---|---|\n";
    for code in Code::ALL {
        let _ = writeln!(page, "| {} | {} | {} |", code.number(), code.name(), code.meaning());
    }
    page += "\n## Methods\n\n";
    let mut methods: Vec<&Method> = METHODS.iter().collect();
    methods.sort_by_key(|method| method.name);
    for method in &methods {
        section(&mut page, method);
    }
    page += "## Structures\n";
    for structure in
        [&STATE, &PROCESS_INFO, &CONFIG_INFO, &STATUS, &RESTART_STATUS, &CALLER, &DECISION, &CALL]
    {
        structure_section(&mut page, structure);
    }
    page
}

fn section(page: &mut String, method: &Method) {
    let params = method.params.iter().map(|param| match param.default {
        Some(default) => format!("{} = {default}", param.name),
        None => param.name.to_owned(),
    });
    let params: Vec<String> = params.collect();
    let _ = writeln!(page, "### {}({})\n\n{}\n", method.name, params.join(", "), method.help);
    for param in method.params {
        let or = if param.kind == Type::StrOrInt { " or int" } else { "" };
        let default =
            param.default.map_or_else(String::new, |d| format!("; {d} where it is left out"));
        let _ = writeln!(
            page,
            "- `{}` ({}{or}): {}{default}",
            param.name,
            param.kind.word(),
            param.help
        );
    }
    let of = method
        .structure
        .map_or_else(String::new, |s| format!(": see [{}](#{})", s.title, anchor(s)));
    let _ = writeln!(page, "- Result ({}): {}{of}", method.result.word(), method.returns);
    let faults: Vec<_> =
        method.all_faults().into_iter().map(|c| format!("{} {}", c.number(), c.name())).collect();
    let _ = writeln!(page, "- Faults: {}", faults.join(", "));
    let _ = writeln!(page, "- Needs: {}\n", right(method));
}

fn structure_section(page: &mut String, structure: &Structure) {
    let _ = writeln!(page, "\n### {}\n\n| member | type | |\n|---|---|---|", structure.title);
    for field in structure.fields {
        let kind = match field.kind {
            Type::IntOrStr => "int or string",
            kind => kind.word(),
        };
        let _ = writeln!(page, "| `{}` | {} | {} |", field.name, kind, field.help);
    }
}

fn anchor(structure: &Structure) -> String {
    structure.title.to_lowercase().replace(' ', "-")
}

#[test]
fn the_documentation_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = page();
    if std::env::var_os("SUPERVISOR_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(file == page, "docs/api.md is out of date: run `make generated`");
}
