//! Several calls at the same time, each on a connection of its own.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::http::Connection;
use super::server::{Call, Server, receive};
use super::trouble::Trouble;
use crate::rpc::xml::Value;

/// Most calls under way. A server bounds the connections of one client.
pub const AT_ONCE: usize = 16;

/// Calls that are made in their order, and whose answers come as they come.
pub struct Batch<'c> {
    waiting: VecDeque<(usize, &'c Call)>,
    under_way: Vec<(usize, Connection)>,
    idle: Vec<Connection>,
    /// Most calls under way.
    limit: usize,
}

impl<'c> Batch<'c> {
    /// At most `limit` of the calls will be under way at any time.
    pub fn new(calls: &'c [Call], limit: usize) -> Batch<'c> {
        Batch {
            waiting: calls.iter().enumerate().collect(),
            under_way: Vec::new(),
            idle: Vec::new(),
            limit: limit.max(1),
        }
    }

    /// The next answer, with its call's place; `None` when all were given.
    pub fn next(&mut self, server: &mut Server) -> Option<(usize, Result<Value, Trouble>)> {
        while self.under_way.len() < self.limit
            && let Some((place, call)) = self.waiting.pop_front()
        {
            let idle = self.idle.pop().or_else(|| server.take_idle());
            match server.begin(call, idle) {
                Ok(connection) => self.under_way.push((place, connection)),
                // No further connection is to be had: those there are have to do.
                Err(_) if !self.under_way.is_empty() => {
                    self.waiting.push_front((place, call));
                    self.limit = self.under_way.len();
                }
                Err(trouble) => return Some((place, Err(trouble))),
            }
        }
        if self.under_way.is_empty() {
            return None;
        }
        let ready = match self.ready() {
            Ok(ready) => ready,
            Err(error) => {
                let (place, _) = self.under_way.pop()?;
                return Some((place, Err(error.into())));
            }
        };
        let (place, connection) = self.under_way.remove(ready);
        let (answer, connection) = receive(connection);
        self.idle.extend(connection);
        Some((place, answer))
    }

    /// Waits for an answer; whose it is.
    fn ready(&mut self) -> io::Result<usize> {
        if self.under_way.len() == 1 {
            return Ok(0);
        }
        loop {
            let fds = self.under_way.iter().map(|(_, connection)| connection.as_fd());
            let mut fds: Vec<PollFd<'_>> =
                fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let told: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            let mut connections = self.under_way.iter_mut().zip(told);
            let answered = |((_, connection), told): (&mut (usize, Connection), bool)| {
                told && connection.has_answer()
            };
            if let Some(ready) = connections.position(answered) {
                return Ok(ready);
            }
        }
    }
}
