//! Root. Telling the broker: every message is made from the state as it is, when the socket has room for it.

use std::os::fd::AsFd;

use privsep::reply::{self, Cause, Reply};

use crate::admit::Phase;
use crate::audit::Audit;
use crate::broker::Broker;
use crate::logfile;
use crate::spawner::Spawner;
use crate::store::News;
use crate::sys::Exit;

impl Spawner {
    /// Tells the broker what it is to know, from the state as it is now, while there is room.
    pub fn tell(&mut self, now: u64) {
        let Some(mut broker) = self.broker.take() else {
            return;
        };
        if broker.phase == Phase::Serving && broker.doomed.is_none() {
            broker.blocked = None;
            let _ = self.tell_all(&mut broker, now);
        }
        self.broker = Some(broker);
    }

    /// `None` when the socket has no room.
    fn tell_all(&mut self, broker: &mut Broker, now: u64) -> Option<()> {
        while let Some(at) = broker.greeting.filter(|at| *at <= self.sealed.listeners.len()) {
            self.tell_greeting(broker, at, now)?;
            broker.greeting = Some(at + 1);
        }
        while let Some((reply, file)) = broker.replies.pop_front() {
            let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
            if broker.tell(&reply, &fds, now).is_none() {
                broker.replies.push_front((reply, file));
                return None;
            }
        }
        while let Some(slot) = self.store.due.first().copied() {
            self.tell_slot(broker, slot, now)?;
            self.store.due.remove(&slot);
        }
        if broker.greeting.is_some() {
            broker.tell(&Reply::Complete, &[], now)?;
            broker.greeting = None;
        }
        while let Some(first) = self.untold.first_entry() {
            broker.tell(&Reply::SignalReceived { signo: *first.key() }, &[], now)?;
            let (signo, since) = first.remove_entry();
            self.unheard.insert(signo, since);
        }
        while let Some((pid, status)) = self.strangers.front().copied() {
            broker.tell(&Reply::Stranger { pid, status }, &[], now)?;
            self.strangers.pop_front();
        }
        Some(())
    }

    fn tell_greeting(&self, broker: &mut Broker, at: usize, now: u64) -> Option<()> {
        if let Some(index) = at.checked_sub(1) {
            let listener = self.sealed.listeners.get(index)?;
            let index = u32::try_from(index).ok()?;
            return broker.tell(&Reply::Listener { index }, &[listener.socket.as_fd()], now);
        }
        let out = if self.sealed.table.stdout { logfile::standard_output() } else { None };
        let audit = self.audit.as_ref();
        let writer = |audit: &Audit| audit.writer.as_ref().map_or(0, |writer| writer.pid);
        let hello = Reply::Hello {
            epoch: self.sealed.epoch,
            listeners: u32::try_from(self.sealed.listeners.len()).unwrap_or(0),
            predecessors: self.succession.predecessors,
            cause: self.succession.cause.unwrap_or(Cause::Start),
            detail: self.succession.detail,
            stdout: out.is_some(),
            audit: audit.map(writer),
        };
        let mut fds = vec![self.sealed.settings.as_fd(), self.sealed.journal.as_fd()];
        fds.extend(
            out.iter()
                .chain(audit.and_then(|audit| audit.pipes.first()).map(|[_, to]| to))
                .map(AsFd::as_fd),
        );
        broker.tell(&hello, &fds, now)
    }

    fn tell_slot(&mut self, broker: &mut Broker, slot: u32, now: u64) -> Option<()> {
        let Some(of) = self.store.slot_mut(slot) else {
            return Some(());
        };
        if let Some(News::Failed(seq, failure)) = of.news {
            broker.tell(&Reply::SpawnFailed { seq, slot, failure }, &[], now)?;
            of.news = None;
        }
        if let (Some(News::Spawned(seq)), Some(live)) = (of.news, of.live()) {
            let (instance, pid, failure) = (of.instance, live.process.pid, live.failure);
            let there = |is, bit| if is { bit } else { 0 };
            let pipes = there(live.stdin.is_some(), reply::STDIN)
                | reply::STDOUT
                | there(live.stderr.is_some(), reply::STDERR)
                | there(live.staging.is_some(), reply::STAGING);
            let rest = live.outputs().into_iter().flatten().chain(live.staging.iter().flatten());
            let fds: Vec<_> = live.stdin.iter().chain(rest).map(AsFd::as_fd).collect();
            let spawned = Reply::Spawned { seq, slot, instance, pid, failure, pipes };
            broker.tell(&spawned, &fds, now)?;
            of.news = of.exit().map(|_| News::Exited);
        }
        if let (Some(News::Exited), Some(exit)) = (of.news, of.exit()) {
            let Exit { status, at, cpu, maxrss } = exit;
            let instance = of.instance;
            let exited = Reply::Exited { slot, instance, status, at, cpu, maxrss };
            broker.tell(&exited, &[], now)?;
            of.news = None;
            // Not before: the broker is at work meanwhile.
            self.leave_cgroup(slot, instance);
        }
        Some(())
    }
}
