//! Writes inputs to start from, below the directory that is given: one folder a target.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use policy::audit::{Anchor, Head, Record, Source};
use privsep::audit::{Deed, Note};
use privsep::files::{Answer, Ask};
use privsep::frame::Wire;
use privsep::login::{Attempt, Verdict};
use privsep::reply::{Cause, Failure, Reply, Stage};
use privsep::request::{End, Mode, Request, Whom};
use privsep::start::Start;
use privsep::table::{Entry, Identity, LogFile, Shared, Sink, Socket, Sweep, Table};
use supervisor::events::{Event, Exchange, Input, Kinds, Now, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    let below = std::env::args().nth(1).ok_or("usage: seeds DIRECTORY")?;
    for (target, inputs) in [
        ("request", requests()),
        ("reply", replies()),
        ("table", vec![table().encode()]),
        ("journal", vec![journal()]),
        ("files", files()),
        ("login", logins()),
        ("start", vec![start().encode()]),
        ("xmlrpc", calls()),
        ("head", heads()),
        ("auth", proofs()),
        ("listener", listeners()),
        ("audit", said()),
        (
            "config",
            [CONFIG, ACCESS, TOKENS, TLS].map(|text| text.replace('|', "\0").into_bytes()).to_vec(),
        ),
    ] {
        let folder = Path::new(&below).join(target);
        fs::create_dir_all(&folder)?;
        for (n, input) in inputs.iter().enumerate() {
            fs::write(folder.join(n.to_string()), input)?;
        }
    }
    Ok(())
}

/// Main file, included file, main file later.
const CONFIG: &str = "\
[supervisord]\nuser=root\nenvironment=A=\"%%%%\"\nlogfile=/tmp/s ; x\n[include]\nfiles=*.conf\n[unix_http_server]\n\
file=/s\n[inet_http_server]\nport=*:9\nusername=u\npassword={SHA}00\n[program:p]\ncommand=c 'x y'\nnumprocs=2\n\
process_name=%(program_name)s%(process_num)02d\nuser=a:5\nlogin_env=on\nsockets=tcp://*:1, unix:///u\n\
socket_mode=0770\nstdout_logfile=/a.log\nstderr_syslog=true\nstopsignal=INT\nexitcodes=0,2\nredirect_stderr=yes\n\
  more\n[group:g]\nprograms=p,f\npriority=-1\n|[fcgi-program:f]\ncommand=f\nsocket=tcp://h:2\n[eventlistener:e]\n\
command=e\nevents=TICK_5\n[rpcinterface:r]\nsupervisor.rpcinterface_factory=x:y\n|[supervisord]\nuser=root\n\
[program:p]\ncommand=d\n";

/// The same with users and roles.
const ACCESS: &str = "\
[supervisord]\nuser=root\naudit_logfile=/a\naudit_logfile_maxbytes=64KB\naudit_logfile_backups=2\naudit_syslog=yes\n\
[inet_http_server]\nport=*:9\n[inet_http_server:l]\nport=[::1]:9\nusername=o\npassword=p\n\
[inet_http_server:i]\nport=0.0.0.0:8\ninsecure_no_auth=true\n[user:u]\npassword=\
$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ\n\
[user:v]\npassword={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n[user:w]\npassword=x%%\n\
[role:r]\nmembers=u, o, a, user:v,unix:root,unix:7,@5,anonymous\nprograms=p,g:*,@l,[!a-c]?:*[]]\n\
actions=viewer,restart,signal(HUP,SIGUSR1)\n[role:s]\nmembers=w\nprograms=*\nactions=admin\n\
[program:p]\ncommand=p\nlabels=l,m-%(group_name)s\n[group:g]\nprograms=p\nlabels=k\n|\
[program:q]\ncommand=q\n|[supervisord]\nuser=root\nstrict=true\n[user:u]\npassword=y\n\
[role:r]\nmembers=u\nprograms=p\nactions=operator\n[program:p]\ncommand=p\n";

/// Tokens, and accounts of the system; the second file is what tokens_file names.
const TOKENS: &str = "\
[supervisord]\nuser=root\ntokens_file=/t\n[unix_http_server]\nfile=/s\nauth=pam\n\
[role:r]\nmembers=unix:root\nprograms=*\nactions=view\n[program:p]\ncommand=p\nnumprocs=2\n\
process_name=p%(process_num)d\ntoken=r\n|\
# tokens\na r never owner 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\
b r 2090-01-02T03:04:05Z user:u 10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n|\
[supervisord]\nuser=root\ntokens_file=/t\n[role:s]\nmembers=unix:root\nprograms=*\nactions=view\n\
[program:p]\ncommand=q\ntoken=s\n";

/// TLS; the second file is what all keys name.
const TLS: &str = "\
[supervisord]\nuser=root\n[inet_http_server]\nport=*:9\ntls_cert=/c\ntls_key=/k\ntls_client_ca=/a\n\
tls_client_auth=optional\ntls_client_crl=/r\nauth=pam\n|-----BEGIN CERTIFICATE-----\nMAAwAA==\n\
-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n\
-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";

fn calls() -> Vec<Vec<u8>> {
    let params = [
        "<value><string>a&lt;b&#x41;&amp;</string></value>",
        "<value>bare</value></param><param><value><i4>-7</i4></value>",
        "<value><boolean>1</boolean></value></param><param><value><nil/></value>",
        "<value><double>1.5e300</double></value></param><param><value><base64>w6k=</base64></value>",
        "<value><dateTime.iso8601>20261121T04:28:00</dateTime.iso8601></value>",
        "<value><array><data><value><struct><member><name>methodName</name><value>x.y</value></member>\
         <member><name>params</name><value><array><data/></array></value></member></struct></value>\
         </data></array></value>",
        "<value><i8>5</i8></value></param><param><value><string><![CDATA[<x>]]><!-- no --></string></value>",
    ];
    let call = |params: &str| {
        format!(
            "<?xml version='1.0' encoding='utf-8'?>\n<methodCall><methodName>system.multicall</methodName>\
             <params><param>{params}</param></params></methodCall>\n"
        )
    };
    let answers = [
        "<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>",
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>10</int></value></member>\
         <member><name>faultString</name><value><string>BAD_NAME: x</string></value></member></struct></value></fault>\
         </methodResponse>",
    ];
    let calls = params.iter().map(|params| call(params));
    calls.chain(answers.map(str::to_owned)).map(String::into_bytes).collect()
}

/// Credentials and cookies, one line each; stored hashes.
fn proofs() -> Vec<Vec<u8>> {
    [
        "ABasic dXNlcjp0aGVwYXNzd29yZA==",
        "ABearer x\nABasic dTpw",
        "ABearer svt_x\nCsupervisor-9001=AAAA",
        "ABasic dG9rZW46c3Z0X3g=",
        "Csupervisor-9001=AAAA; a=b\nABasic dTpw",
        "Ca=b\nCsupervisor-9001=x; supervisor-9001=y",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A tape of some length; what listeners say; acts.
fn listeners() -> Vec<Vec<u8>> {
    let kinds = Kinds::named("EVENT").unwrap_or_default();
    let listeners = vec![(0, "l0".to_owned())];
    let pool = Pool { name: "a".to_owned(), buffer_size: 2, kinds, listeners };
    let (slot, instance, turn) = (0, 1, 1);
    let mut exchange = Exchange::new("supervisor", 3);
    let mut tape = vec![0];
    tape.extend(exchange.snapshot());
    for input in [
        Input::Pools(vec![pool]),
        Input::Spawned { slot, instance },
        Input::Running { slot, instance, running: true },
        Input::Heard { slot, instance, turn, bytes: b"READY\n".to_vec() },
        Input::Happened(vec![Event::remote("t", "x"), Event::remote("t", "y")]),
        Input::Staged { slot, instance, done: 5 },
        Input::Spliced { slot, instance },
        Input::Broken { slot, instance },
        Input::Timer,
    ] {
        exchange.handle(Now { mono: Duration::ZERO, wall: Duration::ZERO }, input, &mut Vec::new());
        exchange.commit_cells(&[(1, [7; privsep::journal::PAYLOAD])]);
        tape.extend(exchange.records());
    }
    let whole = [&[0], &*exchange.snapshot()].concat();
    let said = b"\x01READY\nRESULT 2\nOKREADY\nRESULT 4\nFAILREADY\nRESULT 0\n";
    let acts = b"\x02\x04\x05\x00\x06READY\n\x0e\x03abc\x07\xff\x08\x00\x11RESULT 2\nOKREADY\n\x0a\x0b\x40\x09\x06\
                 \x0c\x02\xff\x00\x0d\x02";
    vec![tape, whole, said.to_vec(), acts.to_vec()]
}

fn heads() -> Vec<Vec<u8>> {
    [
        "POST /RPC2 HTTP/1.1|Host: localhost:9001|Content-Length: 9",
        "POST /%52PC2 HTTP/1.1|Host: x|Origin: null|Sec-Fetch-Site: same-site",
        "GET /logtail/a%3Ab/stderr?x=1 HTTP/1.1|Host: [::1]:9001|Connection: x, close",
        "GET /mainlogtail HTTP/1.0|Host: web1|Connection: Keep-Alive",
        "HEAD /healthz HTTP/1.1|Host: 127.0.0.1",
        "GET http://proc.example.com/index.html HTTP/1.1|Host: PROC.example.com.:80",
        "GET / HTTP/1.1|Host: h|Host: h|Authorization: Basic dXNlcjp0aGVwYXNzd29yZA==",
        "GET / HTTP/1.1|Host: h|Authorization: basic dXNlcjp0aGVwYXNzd29yZA",
        "OPTIONS * HTTP/1.1|Host: ",
    ]
    .map(|head| head.replace('|', "\r\n").into_bytes())
    .to_vec()
}

fn requests() -> Vec<Vec<u8>> {
    let (slot, instance, log) = (1, 2, 3);
    let (signo, whom, mode) = (15, Whom::Tree, Mode::Reopen);
    [
        Request::Ready,
        Request::Spawn { slot },
        Request::Probe { slot },
        Request::Signal { slot, instance, signo, whom },
        Request::OpenLog { log, mode },
        Request::RotateLog { log },
        Request::ClearLog { log },
        Request::Ack { slot, instance },
        Request::AckSignal { signo },
        Request::End(End::Restart),
    ]
    .map(|request| request.encode(7).to_vec())
    .to_vec()
}

/// A record, a note, a log, an anchor.
fn said() -> Vec<Vec<u8>> {
    let target = Some("web:nginx".to_owned());
    let record =
        Record { event: "access", who: Some("user:a".to_owned()), target, ..Record::default() };
    let note = Note { n: 1, lost: 2, name: b"web:nginx".to_vec(), deed: Deed::Signal(15) };
    let (line, head) = Head::default().next("T", Source::Spawner, "\"event\":\"x\"");
    let (next, after) = head.next("T", Source::Broker, "");
    let anchor = Anchor { head: after, time: "T".to_owned() };
    let log = format!("{line}{next}");
    vec![
        record.encode(1, 2),
        note.encode().to_vec(),
        log.into_bytes(),
        anchor.text(128).into_bytes(),
    ]
}

fn replies() -> Vec<Vec<u8>> {
    let (seq, slot, instance, pid, status) = (1, 2, 3, 4, 5);
    let failure = Failure { stage: Stage::Exec, errno: 2 };
    let cause = Cause::Died;
    let (stdout, audit) = (true, Some(7));
    [
        Reply::Hello { epoch: 1, listeners: 2, predecessors: 3, cause, detail: 9, stdout, audit },
        Reply::Listener { index: 1 },
        Reply::Complete,
        Reply::Spawned { seq, slot, instance, pid, failure: Some(failure), pipes: 7 },
        Reply::Spawned { seq, slot, instance, pid, failure: None, pipes: 15 },
        Reply::SpawnFailed { seq, slot, failure },
        Reply::Probed { seq, slot, failure: None },
        Reply::Done { seq, errno: 11 },
        Reply::Opened { seq, log: 2, same: 1 },
        Reply::Exited { slot, instance, status, at: 1, cpu: 2, maxrss: 3 },
        Reply::SignalReceived { signo: 15 },
        Reply::Stranger { pid, status },
    ]
    .map(|reply| reply.encode().to_vec())
    .to_vec()
}

fn table() -> Table {
    let identity = |uid| Identity { uid, gid: uid, groups: vec![4, uid] };
    let path = |text: &str| text.as_bytes().to_vec();
    Table {
        daemon: true,
        directory: Some(path("/")),
        broker: Some(identity(65_520)),
        nofile: Some((1024, 20_000)),
        pidfile: Some(path("/run/d.pid")),
        env: vec![path("PATH=/bin")],
        shutdown: Some(9_000),
        shared: vec![
            None,
            Some(Shared { socket: Socket::Tcp { address: 0, port: 80 }, backlog: 9, held: true }),
        ],
        sockets: vec![
            Socket::Unix { path: path("/run/d.sock"), mode: 0o700, uid: None, gid: Some(4) },
            Socket::Tcp { address: 0xffff_7f00_0001, port: 9001 },
        ],
        logs: vec![
            Some(Sink::File(LogFile {
                path: path("/var/log/d.log"),
                maxbytes: 50 << 20,
                backups: 10,
                mode: 0o666,
                exact: true,
                uid: Some(0),
                gid: None,
                auto: false,
            })),
            None,
            Some(Sink::Inherited(1)),
            Some(Sink::Syslog),
        ],
        activity_log: true,
        sweep: Some(Sweep { directory: path("/tmp"), infix: path("---supervisor-") }),
        entries: vec![Some(Entry {
            name: path("cat:cat"),
            identity: Some(identity(65_534)),
            argv: vec![path("cat"), path("-u")],
            executables: vec![path("/bin/cat")],
            env: vec![path("A=1")],
            directory: Some(path("/tmp")),
            umask: Some(0o77),
            stdout_log: Some(0),
            stderr_log: None,
            redirect_stderr: true,
            stdin: Some(1),
            listen: vec![1],
            staging: false,
            wave: -1,
            stop_signal: 15,
            stop_group: false,
            kill_group: true,
            kill_tree: true,
            stop_wait: 10_000,
        })],
        ..Table::default()
    }
}

fn journal() -> Vec<u8> {
    let copy = |seq, byte| privsep::journal::encode(seq, &[byte; privsep::journal::PAYLOAD]);
    [copy(4, 1), copy(5, 2)].concat()
}

fn logins() -> Vec<Vec<u8>> {
    let attempt = Attempt { name: b"carol".to_vec(), password: b"correct horse".to_vec() };
    let accepted = Verdict::Accepted { uid: 1000, gid: 100, groups: vec![100, 33, 4] };
    let verdicts = [Verdict::Refused, Verdict::Unusable, accepted].map(|v| v.seal().to_vec());
    [vec![attempt.encode()], verdicts.to_vec()].concat()
}

fn files() -> Vec<Vec<u8>> {
    let name = b"a.conf".to_vec();
    let asks = [
        Ask::Main(b"/etc/supervisord.conf".to_vec()),
        Ask::Dir(b"/etc/conf.d".to_vec()),
        Ask::File { dir: 3, name },
        Ask::Accept,
        Ask::Leave(2),
    ];
    let answers = [
        Answer::Granted,
        Answer::Errno(2),
        Answer::Unsafe { upto: 4, uid: 1000, mode: 0o100_666 },
        Answer::Kind,
        Answer::Refused,
    ];
    let asks = asks.iter().map(Ask::encode);
    asks.chain(answers.map(|a| a.seal().to_vec())).collect()
}

fn start() -> Start {
    Start {
        spare: 0x3fff,
        nofile: (1024, 20_000),
        cwd: b"/srv".to_vec(),
        args: vec![b"supervisord".to_vec(), b"-n".to_vec()],
        env: vec![b"A=1".to_vec()],
        ..Start::default()
    }
}
