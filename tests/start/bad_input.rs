//! Bad input: the reference's message and exit status, and nothing left behind.
//!
//! The same table runs against both: what is expected here is what the reference was seen to do.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use system_tests::dist::{Dist, reference};
use system_tests::{Config, Launch, Outcome, Room};

/// A start that must fail.
struct Case {
    what: &'static str,
    /// Writes the configuration, gives further arguments.
    prepare: fn(&Room) -> Vec<String>,
    code: i32,
    /// What standard error must hold; `ROOM` stands for the room's directory.
    says: &'static [&'static str],
}

fn text(room: &Room, text: &str) -> Vec<String> {
    let file = room.file("supervisord.conf", text);
    vec!["-c".to_owned(), file.display().to_string()]
}

fn with(room: &Room, config: &Config) -> Vec<String> {
    text(room, &config.text())
}

fn program(room: &Room, lines: &str) -> Vec<String> {
    with(room, &Config::new(room).section(&format!("[program:a]\n{lines}")))
}

fn daemon(room: &Room, line: &str) -> Vec<String> {
    with(room, &Config::new(room).daemon(line))
}

fn cases() -> Vec<Case> {
    let case = |what, prepare, code, says| Case { what, prepare, code, says };
    vec![
        case(
            "missing file",
            |room| vec!["-c".into(), room.text("none.conf")],
            2,
            &["Error: could not find config file ROOM/none.conf\n", "For help, use "],
        ),
        case(
            "directory for a file",
            |room| vec!["-c".into(), room.text("auto")],
            2,
            &["Error: could not read config file ROOM/auto\n"],
        ),
        case(
            "missing section",
            |room| text(room, "[unix_http_server]\nfile=/nowhere\n"),
            2,
            &["Error: .ini file does not include supervisord section\n"],
        ),
        case(
            "no section at all",
            |room| text(room, "a=b\n"),
            2,
            &[
                "Error: File contains no section headers.\nfile: 'ROOM/supervisord.conf', line: 1\n'a=b\\n'\n",
            ],
        ),
        case(
            "a line that is no key",
            |room| daemon(room, "[program:a]\nautostart"),
            2,
            &["Error: Source contains parsing errors: 'ROOM/supervisord.conf'", "'autostart\\n'"],
        ),
        case(
            "no number",
            |room| program(room, "command=/bin/cat\nstartsecs=abc"),
            2,
            &[
                "Error: invalid literal for int() with base 10: 'abc' in section 'program:a' (file: 'ROOM/supervisord.conf')\n",
            ],
        ),
        case(
            "no truth value",
            |room| program(room, "command=/bin/cat\nautostart=maybe"),
            2,
            &[
                "Error: not a valid boolean value: 'maybe' in section 'program:a' (file: 'ROOM/supervisord.conf')\n",
            ],
        ),
        case(
            "no signal",
            |room| program(room, "command=/bin/cat\nstopsignal=FOO"),
            2,
            &["Error: value 'FOO' is not a valid signal name in section 'program:a'"],
        ),
        case(
            "no level",
            |room| daemon(room, "loglevel=loud"),
            2,
            &["bad logging level name 'loud'"],
        ),
        case(
            "an expansion of an unknown name",
            |room| program(room, "command=/bin/echo %(nothing)s"),
            2,
            &[
                "Format string '/bin/echo %(nothing)s' for 'program:a.command' contains names ('nothing') which cannot be expanded.",
            ],
        ),
        case(
            "unknown user of a program",
            |room| program(room, "command=/bin/cat\nuser=nosuchuser"),
            2,
            &[
                "Error: Invalid user name nosuchuser in section 'program:a' (file: 'ROOM/supervisord.conf')\n",
            ],
        ),
        case(
            "unknown user of the daemon",
            |room| daemon(room, "user=nosuchuser"),
            2,
            &["Error: ", "nosuchuser"],
        ),
        case(
            "missing command",
            |room| program(room, "startsecs=1"),
            2,
            &[
                "Error: program section program:a does not specify a command in section 'program:a' (file: 'ROOM/supervisord.conf')\n",
            ],
        ),
        case(
            "missing directory of the activity log",
            |room| text(room, &format!("[supervisord]\nlogfile={}/none/x.log\n", room.text(""))),
            2,
            &["Error: The directory named as part of the path ROOM/none/x.log does not exist"],
        ),
        case(
            "missing directory of a program's log",
            |room| {
                program(
                    room,
                    &format!("command=/bin/cat\nstdout_logfile={}/none/x.log", room.text("")),
                )
            },
            2,
            &[
                "Error: The directory named as part of the path ROOM/none/x.log does not exist in section 'program:a'",
            ],
        ),
        case(
            "missing directory of AUTO logs",
            |room| text(room, &format!("[supervisord]\nchildlogdir={}/none\n", room.text(""))),
            2,
            &["Error: ROOM/none is not an existing directory"],
        ),
        case(
            "a group of unknown programs",
            |room| with(room, &Config::new(room).section("[group:g]\nprograms=x")),
            2,
            &["Error: [group:g] names unknown program or fcgi-program x"],
        ),
        case(
            "stopasgroup without killasgroup",
            |room| program(room, "command=/bin/cat\nstopasgroup=true\nkillasgroup=false"),
            2,
            &["Error: Cannot set stopasgroup=true and killasgroup=false"],
        ),
        case(
            "unknown option",
            |room| [with(room, &Config::new(room)), vec!["--bogus".into()]].concat(),
            2,
            &["Error: option --bogus not recognized\n"],
        ),
        case(
            "an argument too many",
            |room| [with(room, &Config::new(room)), vec!["foo".into()]].concat(),
            2,
            &["Error: positional arguments are not supported: ['foo']\n"],
        ),
        case(
            "an option twice",
            |room| {
                let once = with(room, &Config::new(room));
                [once.clone(), once].concat()
            },
            2,
            &["Error: conflicting command line option '-c'\n"],
        ),
        case(
            "a bad value of an option",
            |room| [with(room, &Config::new(room)), vec!["-e".into(), "foo".into()]].concat(),
            2,
            &["Error: invalid value for -e 'foo': "],
        ),
        case(
            "a password without a name",
            |room| {
                with(
                    room,
                    &Config::new(room).section("[inet_http_server]\nport=127.0.0.1:9\npassword=x"),
                )
            },
            2,
            &["Section [inet_http_server] contains incomplete authentication"],
        ),
        case(
            "a port that is no number",
            |room| {
                with(room, &Config::new(room).section("[inet_http_server]\nport=127.0.0.1:99999"))
            },
            2,
            &["99999 is above upper bound (65535)"],
        ),
        case(
            "a directory for a socket that is not there",
            |room| {
                let socket = format!("[unix_http_server]\nfile={}/none/s.sock\n", room.text(""));
                with(room, &Config::new(room).section(&socket))
            },
            2,
            &["Error: Cannot open an HTTP server: socket.error reported errno.ENOENT (2)\n"],
        ),
        case(
            "a socket path that is too long",
            |room| {
                let socket =
                    format!("[unix_http_server]\nfile={}/{}\n", room.text(""), "s".repeat(120));
                with(room, &Config::new(room).section(&socket))
            },
            2,
            &["Error: Cannot open an HTTP server: socket.error reported AF_UNIX path too long\n"],
        ),
    ]
}

fn check(case: &Case, room: &Room, outcome: &Outcome) {
    assert_eq!(outcome.code(), case.code, "{}: exit status\n{outcome:?}", case.what);
    for says in case.says {
        let says = says.replace("ROOM", &room.text(""));
        assert!(
            outcome.stderr.contains(&says),
            "{}: no {says:?} in\n{}",
            case.what,
            outcome.stderr
        );
    }
    assert_nothing_left(case.what, room);
}

fn assert_nothing_left(what: &str, room: &Room) {
    assert_eq!(room.processes(), [], "{what}: processes are left");
    for name in ["supervisord.pid", "supervisord.sock"] {
        assert!(!room.path(name).exists(), "{what}: {name} is left");
    }
}

fn run(binary: fn() -> PathBuf) {
    for case in cases() {
        for foreground in [true, false] {
            let room = Room::new();
            let args = (case.prepare)(&room);
            let mut launch = Launch::new(&room, binary());
            if foreground {
                launch = launch.args(&["-n"]);
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let outcome = launch.args(&args).run();
            check(&case, &room, &outcome);
        }
    }
}

#[test]
fn each_gives_a_clear_message_and_the_reference_s_status() {
    run(|| Dist::plain().supervisord());
}

#[test]
fn the_reference_does_what_the_table_says() {
    run(|| reference("supervisord"));
}

const BUSY: &str = "Error: Another program is already listening on a port that one of our HTTP servers is configured to use.  \
    Shut this program down first before starting supervisord.\n";

fn busy_port(binary: PathBuf) {
    let room = Room::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let config = Config::new(&room)
        .section(&format!("[inet_http_server]\nport=127.0.0.1:{port}"))
        .program("p", "/bin/sleep 100000", "");
    let file = config.write(&room);
    for foreground in [true, false] {
        let mut launch = Launch::new(&room, binary.clone()).config(&file);
        if foreground {
            launch = launch.args(&["-n"]);
        }
        let outcome = launch.run();
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        assert!(outcome.stderr.contains(BUSY), "{outcome:?}");
        assert_eq!(room.processes(), []);
        assert!(!room.path("supervisord.pid").exists());
    }
}

#[test]
fn a_busy_port_is_named() {
    busy_port(Dist::plain().supervisord());
}

#[test]
fn a_busy_port_is_named_by_the_reference() {
    busy_port(reference("supervisord"));
}

#[test]
fn a_failed_start_on_a_busy_port_leaves_no_socket_and_no_log_of_a_program() {
    let room = Room::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let config = Config::new(&room)
        .section(&format!("[inet_http_server]\nport=127.0.0.1:{port}"))
        .program("p", "/bin/sleep 100000", "");
    let outcome = Launch::new(&room, Dist::plain().supervisord())
        .args(&["-n"])
        .config(&config.write(&room))
        .run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert_nothing_left("busy port", &room);
    assert_eq!(fs::read_dir(room.path("auto")).expect("the directory of AUTO logs").count(), 0);
}

fn live_socket(binary: PathBuf) {
    let room = Room::new();
    let path = room.path("supervisord.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let answering = listener.try_clone().expect("a second handle");
    // The reference asks a socket it finds for an answer.
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in answering.incoming() {
            let Ok(mut stream) = stream else { break };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        }
    });
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let outcome = Launch::new(&room, binary).args(&["-n"]).config(&config.write(&room)).run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains(BUSY), "{outcome:?}");
    assert!(path.exists(), "the other program's socket was taken away");
    assert_eq!(room.processes(), []);
    assert!(!room.path("supervisord.pid").exists());
}

#[test]
fn a_live_socket_is_left_to_its_owner() {
    live_socket(Dist::plain().supervisord());
}

#[test]
fn a_live_socket_is_left_to_its_owner_by_the_reference() {
    live_socket(reference("supervisord"));
}

fn stale_socket(binary: PathBuf) {
    let room = Room::new();
    let path = room.path("supervisord.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let mut daemon = Launch::new(&room, binary).config(&config.write(&room)).ready();
    let says = format!("Unlinking stale socket {}", path.display());
    let said = daemon.stderr() + &daemon.stdout() + &daemon.activity();
    assert!(said.contains(&says), "no {says:?} in\n{said}");
    daemon.wait_running("p");
    assert_eq!(daemon.stop(), 0);
    assert!(!path.exists(), "the socket is left behind");
}

#[test]
fn a_stale_socket_is_replaced() {
    stale_socket(Dist::plain().supervisord());
}

#[test]
fn a_stale_socket_is_replaced_by_the_reference() {
    stale_socket(reference("supervisord"));
}

#[test]
fn what_is_no_socket_is_not_removed() {
    let room = Room::new();
    let path = room.file("supervisord.sock", "precious");
    let config = Config::new(&room).program("p", "/bin/sleep 100000", "");
    let outcome = Launch::new(&room, Dist::plain().supervisord())
        .args(&["-n"])
        .config(&config.write(&room))
        .run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
}

#[test]
fn an_unwritable_log_directory_is_an_error_of_one_line() {
    // As an ordinary user; the reference leaves with a traceback and status 1.
    let room = Room::new();
    let mine = room.directory_of(61_011, "mine");
    let text =
        format!("[supervisord]\nlogfile={}\npidfile={}/pid\n", room.text("x.log"), mine.display());
    let file = room.file("supervisord.conf", &text);
    let outcome = Launch::new(&room, Dist::plain().supervisord())
        .args(&["-n"])
        .config(&file)
        .user(61_011)
        .run();
    assert!(matches!(outcome.code(), 1 | 2), "{outcome:?}");
    assert!(outcome.stderr.contains("Error: "), "{outcome:?}");
    assert!(outcome.stderr.contains(&room.text("x.log")), "{outcome:?}");
    assert!(outcome.stderr.contains("ermission denied"), "{outcome:?}");
    assert!(!mine.join("pid").exists());
    assert_eq!(room.processes(), []);
}

#[test]
fn all_errors_are_reported_at_once_with_their_lines() {
    let room = Room::new();
    let config = Config::new(&room)
        .program("a", "/bin/cat", "startsecs=abc\nautostart=maybe")
        .program("b", "/bin/cat", "user=nosuchuser");
    let text = config.text();
    let file = config.write(&room);
    let outcome = Launch::new(&room, Dist::plain().supervisord()).args(&["-n"]).config(&file).run();
    assert_eq!(outcome.code(), 2, "{outcome:?}");
    for bad in ["startsecs=abc", "autostart=maybe", "user=nosuchuser"] {
        let line = 1 + text.lines().position(|l| l == bad).expect("a line of the configuration");
        let (key, value) = bad.split_once('=').expect("a key");
        let named = |l: &str| l.contains(value) || l.contains(key);
        assert!(outcome.stderr.lines().any(named), "no word of {bad}\n{}", outcome.stderr);
        assert!(outcome.stderr.contains(&line.to_string()), "no line {line}\n{}", outcome.stderr);
    }
}
