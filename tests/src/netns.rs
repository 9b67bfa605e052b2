//! A network of a test's own: port 80 is free there, and addresses beyond loopback belong to nobody else.

use std::fs::File;
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace. It goes when this and all that was started inside have gone.
#[derive(Debug)]
pub struct Network {
    namespace: File,
}

impl Network {
    /// Makes one in which loopback is up and nothing else there.
    pub fn new() -> Network {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("this test needs to make a network namespace: CAP_SYS_ADMIN");
            File::open("/proc/thread-self/ns/net").expect("the namespace of this thread")
        });
        let network = Network { namespace: made.join().expect("a namespace") };
        network.ip(&["link", "set", "lo", "up"]);
        network
    }

    /// Gives it an address, such as one of 192.0.2.0/24, that is not loopback's.
    pub fn address(&self, address: &str) {
        self.ip(&["address", "add", address, "dev", "lo"]);
    }

    fn ip(&self, args: &[&str]) {
        let output = self.inside(|| Command::new("ip").args(args).output());
        let output = output.expect("this test needs ip(8), package iproute2");
        assert!(output.status.success(), "ip {args:?}: {output:?}");
    }

    /// Does something inside: what is started stays there, sockets that are made belong there.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let outcome = thread::scope(|scope| {
            let inner = || {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("cannot enter a namespace");
                act()
            };
            scope.spawn(inner).join()
        });
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::new()
    }
}
