//! What the tests stand on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use crate::config::settings::{
    ActivityLog, Level, LogFile, Password, Process, Server, Settings, Tls, Token, User,
};
use crate::http::{Gate, Hasher, Listener, Site, serve};
use crate::process::world::{self, log_file, program, stream};
use crate::process::{Command, Heart, Input, Now, Outcome};
use crate::rpc::office::{Office, Unmoved, Unwritten};
use policy::access::{Access, Permit, Role, Rules};
use policy::audit::Record;

/// Number of the activity log.
pub const MAIN: u32 = 2;
/// Number of the log of the first process's standard output.
pub const OUT: u32 = 0;

/// A broker that has files and says when they change.
pub struct Fake {
    pub dir: TempDir,
    pub settings: RefCell<Rc<Settings>>,
    pub access: RefCell<Rc<Access>>,
    pub audited: RefCell<Vec<Record>>,
    zone: TimeZone,
    pub lines: RefCell<Vec<(Level, String)>>,
    pub opened: Cell<usize>,
    pub commands: Cell<usize>,
    pub finished: Cell<usize>,
    pub go_on: Notify,
    pub ending: Cell<bool>,
    /// Since 1970.
    pub wall: Cell<Duration>,
    /// What the spawner answers when it is asked for a helper.
    pub helper: RefCell<Box<dyn FnMut() -> io::Result<OwnedFd>>>,
    changes: RefCell<BTreeMap<u32, watch::Sender<()>>>,
}

impl Fake {
    pub fn path(&self, log: u32) -> PathBuf {
        self.dir.path().join(log.to_string())
    }

    pub fn write(&self, log: u32, bytes: impl AsRef<[u8]>) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(log));
        file.expect("log").write_all(bytes.as_ref()).expect("write");
        self.tell(log);
    }

    pub fn tell(&self, log: u32) {
        if let Some(sender) = self.changes.borrow().get(&log) {
            sender.send_replace(());
        }
    }

    /// How many followers wait for a change of a log.
    pub fn followers(&self, log: u32) -> usize {
        self.changes.borrow().get(&log).map_or(0, watch::Sender::receiver_count)
    }
}

impl Office for Fake {
    fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }

    fn latest(&self) -> Rc<Settings> {
        self.settings()
    }

    fn has_logs(&self, _: &str) -> bool {
        true
    }

    async fn reread(&self, _: &Permit) -> Result<(), String> {
        Ok(())
    }

    fn add_group(&self, _: &[Permit], _: &str) -> Result<(), Unmoved> {
        Err(Unmoved::Unknown)
    }

    fn remove_group(&self, _: &[Permit], _: &str) -> Result<(), Unmoved> {
        Err(Unmoved::Unknown)
    }

    async fn restart(&self, _: &Permit) -> Result<(), String> {
        Ok(())
    }

    fn access(&self) -> Rc<Access> {
        Rc::clone(&self.access.borrow())
    }

    fn audit(&self, record: Record) {
        self.audited.borrow_mut().push(record);
    }

    fn now(&self) -> Now {
        Now { mono: Duration::ZERO, wall: self.wall.get() }
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn pid(&self) -> i32 {
        1
    }

    fn heart<R>(&self, look: impl FnOnce(&Heart) -> R) -> R {
        let mut heart = Heart::new(&self.settings(), &[]);
        if self.ending.get() {
            heart.handle(self.now(), Input::Begin, &mut Vec::new());
            heart.handle(self.now(), Input::Shutdown, &mut Vec::new());
        }
        look(&heart)
    }

    async fn command(&self, _: &[Permit], _: Command) -> Vec<Outcome> {
        self.commands.set(self.commands.get() + 1);
        self.go_on.notified().await;
        self.finished.set(self.finished.get() + 1);
        Vec::new()
    }

    fn write_stdin(&self, _: &Permit, _: u32, _: &[u8]) -> Result<(), Unwritten> {
        Err(Unwritten::Closed)
    }

    fn announce(&self, _: &Permit, _: &str, _: &str) {}

    async fn open_log(&self, _: &Permit, log: u32) -> io::Result<File> {
        self.opened.set(self.opened.get() + 1);
        tokio::task::yield_now().await;
        File::open(self.path(log))
    }

    fn log_size(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    async fn clear_log(&self, _: &Permit, log: u32) -> io::Result<()> {
        fs::write(self.path(log), "")?;
        self.tell(log);
        Ok(())
    }

    fn note(&self, level: Level, text: String) {
        self.lines.borrow_mut().push((level, text));
    }

    fn shutdown(&self, _: &Permit) {}
}

impl Site for Fake {
    fn changed(&self, log: u32) -> impl Future<Output = ()> {
        let mut changes = self.changes.borrow_mut();
        let mut receiver = changes.entry(log).or_default().subscribe();
        async move {
            receiver.changed().await.ok();
        }
    }

    async fn helper(&self) -> io::Result<OwnedFd> {
        tokio::task::yield_now().await;
        (self.helper.borrow_mut())()
    }

    fn log_identity(&self, file: &File) -> io::Result<(u64, u64)> {
        let metadata = file.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }

    #[cfg(supervisor_hooks)]
    fn hook(&self, name: &str) -> Option<String> {
        Some(format!("hooked {name}"))
    }
}

fn process(name: &str, stdout: Option<u32>, stderr: Option<u32>) -> Process {
    Process { stdout: stream(stdout), stderr: stream(stderr), ..program(name) }
}

fn settings(maxbytes: u64) -> Settings {
    let mut settings = world::settings(vec![
        ("cat", 999, vec![process("cat", Some(OUT), Some(1))]),
        ("web", 999, vec![process("a b", Some(3), None), process("é_01", None, Some(4))]),
    ]);
    settings.activity = ActivityLog { log: Some(MAIN), level: Level::Trace, stdout: false };
    let log = |n: u32| (n, LogFile { maxbytes, backups: 10, ..log_file(&n.to_string()) });
    settings.logs = (0..5).map(log).collect();
    settings
}

/// A broker without servers.
pub fn fake(settings: Settings) -> Rc<Fake> {
    Rc::new(Fake {
        dir: TempDir::new().expect("directory"),
        access: RefCell::new(Rc::new(Access::new(settings.access.clone()))),
        audited: RefCell::default(),
        settings: RefCell::new(Rc::new(settings)),
        zone: TimeZone::UTC,
        lines: RefCell::default(),
        opened: Cell::default(),
        commands: Cell::default(),
        finished: Cell::default(),
        go_on: Notify::new(),
        ending: Cell::default(),
        wall: Cell::new(Duration::from_secs(1_795_227_800)),
        helper: RefCell::new(Box::new(|| Err(io::ErrorKind::WouldBlock.into()))),
        changes: RefCell::default(),
    })
}

/// A broker with its servers.
pub struct Bed {
    pub site: Rc<Fake>,
    pub gate: Rc<Gate>,
    unix: PathBuf,
    tcp: SocketAddr,
    _sockets: TempDir,
}

impl Bed {
    fn new(plan: Plan) -> Bed {
        let Plan {
            maxbytes,
            credentials,
            legacy_get_actions,
            guarded,
            users,
            roles,
            tokens,
            pam,
            tls,
        } = plan;
        let sockets = TempDir::new().expect("directory");
        let path = sockets.path().join("sock");
        let unix = std::os::unix::net::UnixListener::bind(&path).expect("unix socket");
        unix.set_nonblocking(true).expect("flag");
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("tcp socket");
        tcp.set_nonblocking(true).expect("flag");
        let address = tcp.local_addr().expect("address");
        let servers = ["unix_http_server", "inet_http_server"].map(|section| Server {
            section: section.to_owned(),
            socket: 0,
            credentials: credentials.clone(),
            hosts: Vec::new(),
            legacy_get_actions,
            guarded,
            pam,
            tls: tls.clone().filter(|_| section == "inet_http_server"),
        });
        let access = Rules { roles, ..Rules::default() };
        let site = fake(Settings {
            users,
            tokens,
            access,
            servers: servers.to_vec(),
            ..settings(maxbytes)
        });
        let hasher = Hasher::start(|| Ok(())).expect("thread");
        let gate = Rc::new(Gate::new(hasher).expect("gate"));
        for (fd, server) in [OwnedFd::from(unix), OwnedFd::from(tcp)].into_iter().zip(servers) {
            spawn_local(serve(Rc::clone(&site), Rc::clone(&gate), Listener::from(fd), server));
        }
        Bed { site, gate, unix: path, tcp: address, _sockets: sockets }
    }

    pub async fn unix(&self) -> Client<UnixStream> {
        Client::new(UnixStream::connect(&self.unix).await.expect("connect"))
    }

    pub async fn tcp(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.tcp).await.expect("connect"))
    }

    /// Asks on a connection of its own, and reads until the server closes.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.unix().await;
        client.send(request).await;
        client.rest().await
    }
}

/// One end of a connection.
pub struct Client<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Client { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("send");
    }

    /// Reads one more piece; `false` at the end.
    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|n| n > 0)
    }

    /// Asks, and takes the first line of the answer.
    pub async fn ask_first(&mut self, request: impl AsRef<[u8]>) -> String {
        self.send(request).await;
        self.until("\r\n").await
    }

    /// Takes what comes up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.buffer).into_owned();
            if let Some(at) = text.find(end) {
                let rest = self.buffer.split_off(at + end.len());
                self.buffer = rest;
                return text[..at + end.len()].to_owned();
            }
            assert!(self.more().await, "closed before {end:?}: {text:?}");
        }
    }

    /// Takes one answer that has a length.
    pub async fn answer(&mut self) -> String {
        let head = self.until("\r\n\r\n").await;
        let length = header(&head, "content-length").expect("a length").parse().expect("number");
        while self.buffer.len() < length {
            assert!(self.more().await, "closed within a body");
        }
        let rest = self.buffer.split_off(length);
        let body = std::mem::replace(&mut self.buffer, rest);
        head + &String::from_utf8_lossy(&body)
    }

    /// Takes this many bytes.
    pub async fn take(&mut self, count: usize) -> String {
        while self.buffer.len() < count {
            assert!(self.more().await, "closed within");
        }
        let rest = self.buffer.split_off(count);
        let taken = std::mem::replace(&mut self.buffer, rest);
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// Takes all there is until the server closes.
    pub async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Takes `count` bytes of chunked content.
    pub async fn chunked(&mut self, count: usize) -> String {
        let mut content = String::new();
        while content.len() < count {
            let size = self.until("\r\n").await;
            let size = usize::from_str_radix(size.trim(), 16).expect("a size");
            while self.buffer.len() < size + 2 {
                assert!(self.more().await, "closed within a chunk");
            }
            let rest = self.buffer.split_off(size + 2);
            let chunk = std::mem::replace(&mut self.buffer, rest);
            content.push_str(&String::from_utf8_lossy(&chunk[..size]));
        }
        content
    }
}

/// The value of a header.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// What a bed is made of.
#[derive(Default)]
pub struct Plan {
    pub maxbytes: u64,
    pub credentials: Option<(String, Password)>,
    pub legacy_get_actions: bool,
    pub guarded: bool,
    pub users: Vec<User>,
    pub roles: Vec<Role>,
    /// Of the TCP server.
    pub tls: Option<Tls>,
    pub tokens: Vec<Token>,
    pub pam: bool,
}

impl Plan {
    /// Runs a test. Its clock stands still; should it hang for a minute, the clock runs on and the test fails.
    pub fn run<F: Future<Output = ()>>(self, test: impl FnOnce(Rc<Bed>) -> F) {
        let (done, wait) = mpsc::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("runtime");
        LocalSet::new().block_on(&runtime, async {
            let guard = spawn_blocking(move || wait.recv_timeout(Duration::from_secs(60)));
            let bed = Rc::new(Bed::new(self));
            let hour = Duration::from_secs(3600);
            tokio::time::timeout(hour * 24, test(bed)).await.expect("the test hangs");
            drop(done);
            guard.await.expect("guard").ok();
        });
    }
}

/// Runs a test on a bed without credentials.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce(Rc<Bed>) -> F) {
    Plan::default().run(test);
}

/// Lets time pass while something goes on.
pub async fn passing<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        for _ in 0..20 {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::task::yield_now() => {}
            }
        }
        tokio::time::advance(Duration::from_millis(10)).await;
    }
}

/// Polls until something is so; fails after a minute of real time.
pub async fn eventually(mut so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came about");
        tokio::task::yield_now().await;
    }
}

/// Renames a log and begins it anew, as rotation does.
pub fn rotate(path: &Path) {
    fs::rename(path, path.with_extension("1")).expect("rename");
    fs::write(path, "").expect("create");
}
