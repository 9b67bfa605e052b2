//! Broken configurations: refused with the reference's words, the right file and line and its exit status; nothing is
//! started and nothing is left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use system_tests::dist::{Dist, reference};
use system_tests::{Config, Launch, Outcome, Room};

/// A configuration with one thing wrong.
struct Broken {
    what: &'static str,
    /// What is added to a configuration that is fine. `AT` marks the line that is to be named, and is taken out.
    main: &'static str,
    /// What it includes, the same way.
    more: &'static str,
    /// The reference's words; `ROOM` stands for the room's directory.
    says: &'static str,
}

const AT: &str = "@@";

const fn broken(what: &'static str, main: &'static str, says: &'static str) -> Broken {
    Broken { what, main, more: "", says }
}

/// One that lies in a file that the main file includes.
const fn included(what: &'static str, more: &'static str, says: &'static str) -> Broken {
    Broken { what, main: "[include]\nfiles=conf.d/*.conf\n", more, says }
}

const VALUES: &[Broken] = &[
    broken(
        "no number",
        "[program:a]\ncommand=/bin/cat\n@@startsecs=abc\n",
        "invalid literal for int() with base 10: 'abc' in section 'program:a' (file: 'ROOM/supervisord.conf')",
    ),
    broken(
        "no whole number",
        "[program:a]\n@@stopwaitsecs=1.5\ncommand=/bin/cat\n",
        "invalid literal for int() with base 10: '1.5' in section 'program:a'",
    ),
    broken(
        "no truth value",
        "[program:a]\ncommand=/bin/cat\n@@autostart=maybe\n",
        "not a valid boolean value: 'maybe' in section 'program:a'",
    ),
    broken(
        "a quoted truth value",
        "[program:a]\ncommand=/bin/cat\n@@redirect_stderr=\"true\"\n",
        "not a valid boolean value: '\"true\"' in section 'program:a'",
    ),
    broken(
        "no autorestart",
        "[program:a]\ncommand=/bin/cat\n@@autorestart=Sometimes\n",
        "invalid 'autorestart' value 'sometimes' in section 'program:a'",
    ),
    broken(
        "no signal name",
        "[program:a]\ncommand=/bin/cat\n@@stopsignal=FOO\n",
        "value 'FOO' is not a valid signal name in section 'program:a'",
    ),
    broken(
        "no signal number",
        "[program:a]\ncommand=/bin/cat\n@@stopsignal=999\n",
        "value '999' is not a valid signal number in section 'program:a'",
    ),
    broken(
        "no exit code",
        "[program:a]\ncommand=/bin/cat\n@@exitcodes=0,256\n",
        "not a valid list of exit codes: '0,256' in section 'program:a'",
    ),
    broken(
        "no octal number",
        "[program:a]\ncommand=/bin/cat\n@@umask=099\n",
        "099 can not be converted to an octal type in section 'program:a'",
    ),
    broken(
        "no size",
        "[program:a]\ncommand=/bin/cat\n@@stdout_logfile_maxbytes=10XB\n",
        "invalid literal for int() with base 10: '10xb' in section 'program:a'",
    ),
    broken(
        "no user",
        "[program:a]\ncommand=/bin/cat\n@@user=nosuchuser\n",
        "Invalid user name nosuchuser in section 'program:a'",
    ),
    broken(
        "no user id",
        "[program:a]\ncommand=/bin/cat\n@@user=61999\n",
        "Invalid user id 61999 in section 'program:a'",
    ),
    broken(
        "a log in no directory",
        "[program:a]\ncommand=/bin/cat\n@@stderr_logfile=/no/such/x.log\n",
        "The directory named as part of the path /no/such/x.log does not exist in section 'program:a'",
    ),
    broken(
        "no priority",
        "[program:a]\ncommand=/bin/cat\n@@priority=high\n",
        "invalid literal for int() with base 10: 'high'",
    ),
    broken(
        "a kill that is less than the stop",
        "[program:a]\ncommand=/bin/cat\nstopasgroup=true\n@@killasgroup=false\n",
        "Cannot set stopasgroup=true and killasgroup=false in section 'program:a'",
    ),
    broken(
        "processes of one name",
        "[program:a]\ncommand=/bin/cat\nnumprocs=2\n@@process_name=x\n",
        "%(process_num) must be present within process_name when numprocs > 1 in section 'program:a'",
    ),
    broken(
        "a name with a space",
        "[program:a]\ncommand=/bin/cat\n@@process_name=a b\n",
        "Invalid name: 'a b' because of character: ' ' in section 'program:a'",
    ),
    broken(
        "a section with a slash",
        "@@[program:a/b]\ncommand=/bin/cat\n",
        "Invalid name: 'a/b' because of character: '/'",
    ),
    broken(
        "no command",
        "@@[program:a]\nstartsecs=1\n",
        "program section program:a does not specify a command in section 'program:a'",
    ),
    broken(
        "a variable without a value",
        "[program:a]\ncommand=/bin/cat\n@@environment=A=1,B\n",
        "Unexpected end of key/value pairs in value ",
    ),
    broken(
        "a quote that is not closed",
        "[program:a]\ncommand=/bin/cat\n@@environment=A=\"1\n",
        "No closing quotation in section 'program:a'",
    ),
    broken(
        "a name that nobody knows",
        "[program:a]\n@@command=/bin/echo %(nothing)s\n",
        "Format string '/bin/echo %(nothing)s' for 'program:a.command' contains names ('nothing') which cannot be \
         expanded. Available names: ",
    ),
    broken(
        "a bare percent sign",
        "[program:a]\ncommand=/bin/cat\n@@directory=/tmp/100%\n",
        "Format string '/tmp/100%' for 'program:a.directory' is badly formatted: incomplete format in section",
    ),
    broken(
        "an expansion on a later line",
        "[program:a]\n@@command=/bin/echo\n  a\n  %(b\n",
        "Format string '/bin/echo\\na\\n%(b' for 'program:a.command' is badly formatted: incomplete format key in section \
         'program:a'",
    ),
];

const SECTIONS: &[Broken] = &[
    broken(
        "a group of nobody",
        "[group:g]\npriority=1\n@@programs=nobody\n",
        "[group:g] names unknown program or fcgi-program nobody",
    ),
    broken(
        "a group without a priority",
        "[group:g]\nprograms=\n@@priority=x\n",
        "invalid literal for int() with base 10: 'x'",
    ),
    broken(
        "a listener of nothing",
        "@@[eventlistener:e]\ncommand=/bin/cat\n",
        "[eventlistener:e] section requires an \"events\" line",
    ),
    broken(
        "a listener of an unknown event",
        "[eventlistener:e]\ncommand=/bin/cat\n@@events=TICK_5,TOCK\n",
        "Unknown event type TOCK in [eventlistener:e] events",
    ),
    broken(
        "a listener without room",
        "[eventlistener:e]\ncommand=/bin/cat\nevents=TICK_5\n@@buffer_size=0\n",
        "[eventlistener:e] section sets invalid buffer_size (0)",
    ),
    broken(
        "a listener that mixes its streams",
        "[eventlistener:e]\ncommand=/bin/cat\nevents=TICK_5\n@@redirect_stderr=true\n",
        "[eventlistener:e] section sets redirect_stderr=true but this is not allowed because it will interfere with \
         the eventlistener protocol",
    ),
    broken(
        "a FastCGI program without a socket",
        "@@[fcgi-program:f]\ncommand=/bin/cat\n",
        "[fcgi-program:f] section requires a \"socket\" line",
    ),
    broken(
        "a FastCGI socket of no kind",
        "[fcgi-program:f]\ncommand=/bin/cat\n@@socket=foo\n",
        "('Bad socket format %s', 'foo') in [fcgi-program:f] socket",
    ),
    broken(
        "a FastCGI socket at a relative path",
        "[fcgi-program:f]\ncommand=/bin/cat\n@@socket=unix://rel/path\n",
        "('Unix socket path %s is not an absolute path', 'rel/path') in [fcgi-program:f] socket",
    ),
    broken(
        "a FastCGI socket without a backlog",
        "[fcgi-program:f]\ncommand=/bin/cat\nsocket=unix:///tmp/f\n@@socket_backlog=0\n",
        "Invalid socket_backlog value 0",
    ),
    broken(
        "a mode of a TCP socket",
        "[fcgi-program:f]\ncommand=/bin/cat\n@@socket=tcp://127.0.0.1:9\nsocket_mode=0700\n",
        "socket_owner and socket_mode params should only be used with a Unix domain socket in [fcgi-program:f] socket",
    ),
    broken(
        "a server without a port",
        "@@[inet_http_server]\nusername=a\npassword=b\n",
        "section [inet_http_server] has no port value",
    ),
    broken(
        "a port that is none",
        "[inet_http_server]\n@@port=127.0.0.1:99999\n",
        "99999 is above upper bound (65535)",
    ),
    broken(
        "half of a login",
        "@@[inet_http_server]\nport=127.0.0.1:9\npassword=x\n",
        "Section [inet_http_server] contains incomplete authentication: If a username or a password is specified, \
         both the username and password must be specified",
    ),
    broken(
        "a mode that is none",
        "[unix_http_server:two]\nfile=/nowhere/s\n@@chmod=999\n",
        "Invalid chmod value 999",
    ),
    broken(
        "an owner that is none",
        "[unix_http_server:two]\nfile=/nowhere/s\n@@chown=nosuchuser:root\n",
        "Invalid sockchown value nosuchuser:root",
    ),
    broken(
        "a level that is none",
        "[supervisord]\n@@loglevel=loud\n",
        "bad logging level name 'loud'",
    ),
    broken(
        "a directory that is none",
        "[supervisord]\n@@directory=/no/such\n",
        "/no/such is not an existing directory",
    ),
    broken(
        "an interface without a factory",
        "@@[rpcinterface:x]\n",
        "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory",
    ),
    broken(
        "an include of nothing",
        "@@[include]\n",
        ".ini file has [include] section, but no files setting",
    ),
    broken(
        "an include that cannot be expanded",
        "[include]\n@@files=%(nowhere)s/*.conf\n",
        "Format string '%(nowhere)s/*.conf' for 'include.files' contains names ('nowhere') which cannot be expanded.",
    ),
];

const FILES: &[Broken] = &[
    broken(
        "a line that is no key",
        "[program:a]\ncommand=/bin/cat\n@@autostart\n",
        "Source contains parsing errors: 'ROOM/supervisord.conf'\n\t[line ",
    ),
    broken(
        "a key without a name",
        "[program:a]\ncommand=/bin/cat\n@@= 5\n",
        "Source contains parsing errors: 'ROOM/supervisord.conf'\n\t[line ",
    ),
    included(
        "a bad value in an included file",
        "[program:b]\ncommand=/bin/cat\n@@startsecs=x\n",
        "invalid literal for int() with base 10: 'x' in section 'program:b' (file: 'ROOM/conf.d/b.conf')",
    ),
    included(
        "a bad line in an included file",
        "[program:b]\ncommand=/bin/cat\n\n@@rem nonsense\n",
        "Source contains parsing errors: 'ROOM/conf.d/b.conf'\n\t[line  4]: 'rem nonsense\\n'",
    ),
    included(
        "an included file without a section",
        "@@startsecs=5\n",
        "File contains no section headers.\nfile: 'ROOM/conf.d/b.conf', line: 1\n'startsecs=5\\n'",
    ),
    included(
        "an included file that makes the daemon's own section wrong",
        "[supervisord]\n@@minfds=many\n",
        "invalid literal for int() with base 10: 'many'",
    ),
    included(
        "an included group of programs that are not there",
        "# a comment\n\n[group:g]\n@@programs=a\n",
        "[group:g] names unknown program or fcgi-program a",
    ),
];

fn all() -> impl Iterator<Item = &'static Broken> {
    VALUES.iter().chain(SECTIONS).chain(FILES)
}

/// A text without its mark, and the number of the line that was marked.
fn marked(text: &str) -> (String, Option<usize>) {
    let line = text.lines().position(|line| line.starts_with(AT));
    (text.replace(AT, ""), line.map(|n| n + 1))
}

/// Writes the files; gives the main one, and file and line that are to be named.
fn write(case: &Broken, room: &Room) -> (PathBuf, String) {
    // What would be started and made, was it not for the error.
    let config = Config::new(room).program("well", "/bin/sleep 100000", "").section(case.main);
    let (text, line) = marked(&config.text());
    let (more, inner) = marked(case.more);
    if !more.is_empty() {
        room.directory("conf.d");
        room.file("conf.d/b.conf", &more);
    }
    let name = if inner.is_some() { "conf.d/b.conf" } else { "supervisord.conf" };
    let line = inner.or(line).expect("a marked line");
    (room.file("supervisord.conf", &text), format!("{}:{line}", room.text(name)))
}

/// All files in the room but those that the output of starts goes to.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).expect("a directory of the test").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("stdout.") && !name.starts_with("stderr.") {
            found.insert(entry.path());
        }
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found
}

/// Starts it both ways. `check` looks at how that ended.
fn start(binary: fn() -> PathBuf, check: fn(&Broken, &Outcome, &str)) {
    for case in all() {
        let room = Room::new();
        let (file, place) = write(case, &room);
        let before = files(room.dir());
        for foreground in [true, false] {
            let mut launch = Launch::new(&room, binary()).config(&file);
            if foreground {
                launch = launch.args(&["-n"]);
            }
            let outcome = launch.run();
            let what = case.what;
            assert_eq!(outcome.code(), 2, "{what}: exit status\n{outcome:?}");
            let says = format!("Error: {}", case.says.replace("ROOM", &room.text("")));
            assert!(outcome.stderr.contains(&says), "{what}: no {says:?} in\n{}", outcome.stderr);
            check(case, &outcome, &place);
            assert_eq!(files(room.dir()), before, "{what}: files came or went");
            assert_eq!(room.processes(), [], "{what}: processes are left");
        }
    }
}

/// Our errors: all that there are, which is one, and where it stands on a line of its own below it.
fn one_with_its_place(case: &Broken, outcome: &Outcome, place: &str) {
    let what = case.what;
    let errors = outcome.stderr.lines().filter(|line| line.starts_with("Error: ")).count();
    assert_eq!(errors, 1, "{what}: more than one error\n{}", outcome.stderr);
    let named = |line: &str| {
        line.trim_start().strip_prefix(place).is_some_and(|r| r.is_empty() || r.starts_with(':'))
    };
    let lines = outcome.stderr.lines();
    assert!(
        lines.filter(|line| line.starts_with("  ")).any(named),
        "{what}: {place} is not named in\n{}",
        outcome.stderr
    );
    assert!(outcome.stdout.is_empty(), "{what}: {outcome:?}");
}

#[test]
fn each_is_refused_with_its_file_and_line_and_leaves_nothing() {
    assert!(all().count() >= 40);
    start(|| Dist::plain().supervisord(), one_with_its_place);
}

#[test]
fn each_is_refused_by_the_reference_in_the_same_words() {
    start(|| reference("supervisord"), |_, _, _| {});
}
