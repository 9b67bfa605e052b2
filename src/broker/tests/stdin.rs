//! Tests: standard input of programs, over the end of a broker too.

use privsep::reply::STDIN;

use policy::access::Action;

use super::*;
use crate::process::Now;
use crate::rpc::guard::free;
use crate::rpc::office::{Office, Unwritten};

/// A program's ends: what it reads, what it writes to.
struct Ends {
    input: OwnedFd,
    _output: OwnedFd,
}

impl Fake {
    /// Hands out an instance of slot 0 with both pipes.
    fn gives(&self, seq: u32, instance: u32, (input, to_input): (OwnedFd, &OwnedFd)) -> Ends {
        let (reader, output) = pipe().unwrap();
        nonblocking(&reader);
        let pipes = STDIN | STDOUT;
        let reply = Reply::Spawned { seq, slot: 0, instance, pid: 101, failure: None, pipes };
        self.tell(reply, &[to_input.as_raw_fd(), reader.as_raw_fd()]);
        Ends { input, _output: output }
    }
}

fn nonblocking(fd: &OwnedFd) {
    let arg = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(fd, arg).unwrap();
}

fn input() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    nonblocking(&writer);
    nonblocking(&reader);
    (reader, writer)
}

/// What a program finds when it reads until this many bytes have come.
async fn reads(input: &OwnedFd, count: usize) -> Vec<u8> {
    let read = async {
        let (mut all, mut bytes) = (Vec::new(), [0; 10_000]);
        while all.len() < count {
            match nix::unistd::read(input, &mut bytes) {
                Ok(n) => all.extend_from_slice(&bytes[..n]),
                Err(Errno::EAGAIN) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(e) => panic!("{e}"),
            }
        }
        all
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the bytes")
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}

fn pid(broker: &Broker) -> i32 {
    let now: Now = clock::now();
    broker.heart(|heart| heart.info(0, now)).map_or(0, |info| info.pid)
}

/// A broker whose program runs as instance 1.
async fn serving(writer: (OwnedFd, &OwnedFd)) -> (Fake, Rc<Broker>, Task, Ends) {
    let (fake, broker, task) = launch(tempfile::tempdir().unwrap());
    assert_eq!(fake.hear().await.1, Request::Ready);
    fake.greet(0, Cause::Start);
    fake.opens(0, Mode::Write, "activity").await;
    fake.tell(Reply::Complete, &[]);
    fake.opens(1, Mode::Reopen, "out").await;
    let (seq, _) = fake.hear().await;
    let ends = fake.gives(seq, 1, writer);
    let broker = broker.await.unwrap();
    until(|| pid(&broker) != 0).await;
    (fake, broker, task, ends)
}

#[tokio::test]
async fn a_slow_program_gets_all_of_it() {
    let test = async {
        let (reader, writer) = input();
        let (_fake, broker, _, ends) = serving((reader, &writer)).await;
        drop(writer);
        let text = vec![b'x'; 300_000];
        assert_eq!(broker.write_stdin(&free(Action::Stdin), 0, &text), Ok(()));
        assert_eq!(broker.write_stdin(&free(Action::View), 0, b"no"), Err(Unwritten::Closed));
        assert_eq!(broker.write_stdin(&free(Action::Stdin), 0, b"end"), Ok(()));
        assert_eq!(broker.write_stdin(&free(Action::Stdin), 1, b"x"), Err(Unwritten::Closed));
        let read = reads(&ends.input, 300_003).await;
        assert!(read.starts_with(&text) && read.ends_with(b"xend"));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_exit_closes_it() {
    let test = async {
        let (reader, writer) = input();
        let (fake, broker, _, ends) = serving((reader, &writer)).await;
        broker.write_stdin(&free(Action::Stdin), 0, &[0; 100_000]).unwrap();
        fake.exits(1, 0);
        until(|| broker.write_stdin(&free(Action::Stdin), 0, b"") == Err(Unwritten::Closed)).await;
        // The spawner's copy is the last.
        drop(writer);
        assert!(reads(&ends.input, 1).await.len() < 100_000, "the rest is for nobody");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_successor_has_the_pipe_and_not_what_waited() {
    let test = async {
        let (reader, writer) = input();
        let (fake, broker, task, ends) = serving((reader, &writer)).await;
        broker.write_stdin(&free(Action::Stdin), 0, &[b'1'; 100_000]).unwrap();
        drop(broker);
        task.abort();
        let _ = task.await;
        let (fake, broker, _task) = launch(fake.dir);
        assert_eq!(fake.hear().await.1, Request::Ready);
        fake.greet(1, Cause::Died);
        fake.opens(0, Mode::Write, "activity").await;
        let ends = fake.gives(0, 1, (ends.input, &writer));
        fake.opens(1, Mode::Write, "out").await;
        fake.tell(Reply::Complete, &[]);
        let broker = broker.await.unwrap();
        until(|| pid(&broker) != 0).await;
        broker.write_stdin(&free(Action::Stdin), 0, b"2").unwrap();
        let pipe = link::bytes::capacity(writer.as_fd()).unwrap();
        let read = reads(&ends.input, pipe + 1).await;
        assert_eq!((read.len(), read.last()), (pipe + 1, Some(&b'2')));
    };
    LocalSet::new().run_until(test).await;
}
