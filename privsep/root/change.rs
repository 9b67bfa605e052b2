//! Root. What changes while programs run: later readings of the configuration, and sockets that programs share.

use nix::errno::Errno;
use nix::unistd::geteuid;
use privsep::audit::Deed;
use privsep::reply::{Failure, Reply, Stage};
use privsep::table::{Entry, Shared, Table};

use crate::child::at;
use crate::errand::{self, Made};
use crate::reading::{DEADLINE, Ended, Sheets};
use crate::socket;
use crate::spawner::{CHILD, Spawner, Work};
use crate::store::{Life, Slot};

/// The exit status of a reader that has complaints, and how its child says so.
const COMPLAINTS: (u8, Errno) = (2, Errno::EBADMSG);

impl Spawner {
    /// Has a child run the reader.
    pub fn reread(&mut self, seq: u32, now: u64) {
        if self.jobs.iter().any(|job| matches!(job.what, Work::Read(_))) {
            return self.done(seq, Err(Errno::EBUSY));
        }
        let sealed = &self.sealed;
        let sent = Sheets::new().and_then(|sheets| {
            let read = || sheets.fill(&sealed.helpers, sealed.start.clone(), Some(&sealed.table));
            let errand = errand::send(&sheets.held(&sealed.helpers), || match read() {
                Ok(()) => Ok(Made::default()),
                Err(Ended::Left(_)) => Err(COMPLAINTS.1),
                Err(Ended::Broke(_)) => Err(Errno::EPROTO),
                Err(Ended::System(_, errno)) => Err(errno),
            })?;
            Ok((sheets, errand))
        });
        match sent {
            Ok((sheets, errand)) => {
                self.job(seq, Work::Read(sheets), errand, now + DEADLINE + CHILD)
            }
            Err(errno) => self.done(seq, Err(errno)),
        }
    }

    /// A reading is over: its table is in force from here on, or everything stays as it is. That of a broker that is gone
    /// is not: its successor may have retired entries meanwhile, which the reader has kept.
    pub fn reading(&mut self, seq: u32, sheets: Sheets, result: Result<Made, Errno>) {
        if seq == 0 {
            return;
        }
        let result = result.and_then(|_| self.adopt(&sheets));
        self.note(Deed::Read(self.sealed.epoch, result.is_ok()));
        let status = match result {
            Ok(()) => 0,
            Err(errno) if errno == COMPLAINTS.1 => COMPLAINTS.0,
            Err(errno) => return self.done(seq, Err(errno)),
        };
        let mut settings = sheets.settings.into();
        if status == 0 {
            std::mem::swap(&mut self.sealed.settings, &mut settings);
            settings = match crate::logfile::copy(&self.sealed.settings) {
                Ok(settings) => settings,
                Err(errno) => return self.done(seq, Err(errno)),
            };
        }
        self.answer(seq, Reply::Reading { seq, epoch: self.sealed.epoch, status }, Some(settings));
    }

    /// Takes over what programs are and whether there is PAM, and nothing that was decided for the daemon's life.
    fn adopt(&mut self, sheets: &Sheets) -> Result<(), Errno> {
        let mut new = sheets.table().map_err(|_| Errno::EPROTO)?;
        let table = &mut self.sealed.table;
        (new.user, new.broker) = (table.user.clone(), table.broker.clone());
        new.audit = table.audit.clone();
        let permitted = new.permit(geteuid().as_raw()).is_ok();
        if !permitted || !new.keeps(table) {
            return Err(Errno::EPROTO);
        }
        self.store.make_room(new.entries.len(), new.logs.len(), new.shared.len());
        let Table { entries, logs, shared, pam, .. } = new;
        (table.entries, table.logs, table.shared, table.pam) = (entries, logs, shared, pam);
        self.sealed.epoch = self.sealed.epoch.saturating_add(1);
        Ok(())
    }

    /// Forgets an entry that is not in use, and what only it had.
    pub fn retire(&mut self, slot: u32, now: u64) {
        let idle = |of: &Slot| matches!(of.life, Life::Idle) && of.news.is_none();
        if self.store.slot(slot).is_some_and(idle) {
            let (logs, sockets) = self.sealed.table.retire(slot);
            // What is still made for a number that is free now is nobody's, whoever gets the number next.
            for job in &mut self.jobs {
                match &mut job.what {
                    Work::Log { log: n, .. } if logs.contains(n) => *n = u32::MAX,
                    Work::Bind { socket: n } if sockets.contains(n) => *n = u32::MAX,
                    _ => {}
                }
            }
            logs.into_iter().for_each(|log| self.store.drop_log(log));
            sockets.into_iter().for_each(|socket| self.close(socket, now));
        }
    }

    /// Has the sockets bound that are held from the start. One that is taken fails its program, when that starts.
    pub fn bind_held(&mut self, now: u64) {
        let sockets = (0..).zip(&self.sealed.table.shared);
        let held = |shared: &Option<Shared>| shared.as_ref().is_some_and(|shared| shared.held);
        let held: Vec<u32> = sockets.filter(|(_, shared)| held(shared)).map(|(n, _)| n).collect();
        held.into_iter().for_each(|n| self.bind(n, now));
    }

    /// The first socket of an entry that is not bound.
    pub fn unbound(&self, slot: u32) -> Option<u32> {
        self.entry(slot)?.sockets().find(|n| self.store.socket(*n).is_none())
    }

    /// Has a child bind a socket, unless one is at work on it.
    pub fn bind(&mut self, socket: u32, now: u64) {
        let busy = |work: &Work| match work {
            Work::Bind { socket: n } | Work::Tidy { socket: n } => *n == socket,
            _ => false,
        };
        if self.jobs.iter().any(|job| busy(&job.what)) {
            return;
        }
        match self.sealed.table.socket(socket).ok_or(Errno::EBADF).and_then(socket::send) {
            Ok(errand) => self.job(0, Work::Bind { socket }, errand, now + CHILD),
            Err(errno) => self.bound(socket, Err(errno), now),
        }
    }

    /// A socket is bound, or cannot be: whoever waits for it goes on.
    pub fn bound(&mut self, socket: u32, result: Result<Made, Errno>, now: u64) {
        let wanted = self.sealed.table.socket(socket).ok_or(Errno::EBADF);
        let bound = wanted.and_then(|wanted| socket::received(wanted, result?));
        let result = bound.map(|bound| self.store.keep_socket(socket, bound));
        for slot in self.waiting(socket) {
            // Another one may have failed for the same reason meanwhile.
            let Some(Life::Binding(seq)) = self.store.slot(slot).map(|of| &of.life) else {
                continue;
            };
            match (*seq, result) {
                (seq, Ok(())) if self.stop.is_none() => self.spawn(seq, slot, now),
                (seq, result) => {
                    let errno = result.err().unwrap_or(Errno::ESHUTDOWN);
                    self.failed(slot, seq, at(Stage::Socket)(errno), now);
                }
            }
        }
    }

    /// The slots that wait for a socket.
    fn waiting(&self, socket: u32) -> Vec<u32> {
        let slots = (0..).zip(&self.store.slots);
        let binding = slots.filter(|(_, of)| matches!(of.life, Life::Binding(_)));
        let needs = |entry: &Entry| entry.sockets().any(|n| n == socket);
        let slots = binding.map(|(slot, _)| slot);
        slots.filter(|slot| self.entry(*slot).is_some_and(needs)).collect()
    }

    /// The start of a slot's program, on this request, has failed.
    pub fn failed(&mut self, slot: u32, seq: u32, failure: Failure, now: u64) {
        self.store.fail(slot, seq, failure);
        self.note(Deed::Failed(slot, failure));
        self.close_unused(slot, now);
    }

    /// The name of a closed socket is gone: whoever waits may bind it anew.
    pub fn tidied(&mut self, socket: u32, now: u64) {
        if !self.waiting(socket).is_empty() {
            self.bind(socket, now);
        }
    }

    /// An instance has ended, or there is none: closes the sockets that are held for running ones only and that nobody
    /// has any more.
    pub fn close_unused(&mut self, slot: u32, now: u64) {
        let passing = |n: &u32| self.sealed.table.socket(*n).is_some_and(|shared| !shared.held);
        let Some(entry) = self.entry(slot) else { return };
        let sockets: Vec<u32> = entry.sockets().filter(passing).collect();
        for socket in sockets {
            let mut slots = (0..).zip(&self.store.slots);
            let used = slots.any(|(other, of)| {
                let there = matches!(of.life, Life::Binding(_)) || of.running().is_some();
                there && self.entry(other).is_some_and(|e| e.sockets().any(|n| n == socket))
            });
            if !used {
                self.close(socket, now);
            }
        }
    }

    fn close(&mut self, socket: u32, now: u64) {
        if let Some(errand) = self.store.take_socket(socket).and_then(socket::close) {
            self.job(0, Work::Tidy { socket }, errand, now + CHILD);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::os::fd::{AsFd, OwnedFd};

    use privsep::frame::Wire;
    use privsep::start::Start;
    use privsep::table::{LogFile, Sink, Socket};

    use super::*;
    use crate::child::tests::entry;
    use crate::errand::Errand;
    use crate::helpers::Helpers;
    use crate::logfile::Task;
    use crate::spawner::{Job, Sealed};
    use crate::store::Store;
    use crate::sys::{self, Process};

    pub fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    fn shared(port: u16) -> Option<Shared> {
        Some(Shared { socket: Socket::Tcp { address: 0, port }, backlog: 1, held: true })
    }

    fn log(path: &[u8]) -> Option<Sink> {
        let (uid, gid, path) = (None, None, path.to_vec());
        let (maxbytes, backups, mode, exact, auto) = (0, 0, 0o600, false, false);
        Some(Sink::File(LogFile { path, maxbytes, backups, mode, exact, uid, gid, auto }))
    }

    /// Slot 0 has two sockets and a log.
    pub fn spawner() -> Spawner {
        let entry = Entry { listen: vec![0, 1], stdout_log: Some(0), ..entry(&[], &[]) };
        let table = Table {
            entries: vec![Some(entry)],
            logs: vec![log(b"/a")],
            shared: vec![shared(1), shared(2)],
            ..Table::default()
        };
        let store = Store::new(1, 1, 2);
        let sealed = Sealed {
            start: Start::default(),
            table,
            helpers: Helpers {
                reader: null(),
                broker: null(),
                audit: null(),
                pam: None,
                null: null(),
            },
            settings: null(),
            journal: null(),
            listeners: Vec::new(),
            cgroup: None,
            run: 1,
            epoch: 1,
            limits: ((1, 1), (1, 1), (1, 1)),
        };
        Spawner::new(sealed, store, None)
    }

    /// A job without a child; gives the end that the child would answer on.
    fn job(spawner: &mut Spawner, what: Work) -> OwnedFd {
        let (answer, ours) = sys::datagrams().unwrap();
        let process = Process { pid: 0, pidfd: null() };
        spawner.job(0, what, Errand { process, answer }, u64::MAX);
        ours
    }

    fn answer(end: &OwnedFd) {
        sys::send(end, &(0i32, (7u64, 7u64)).encode(), &[null().as_fd()]).unwrap();
    }

    #[test]
    fn what_was_made_for_a_retired_number_is_not_its_successor_s() {
        let mut spawner = spawner();
        let socket = job(&mut spawner, Work::Bind { socket: 0 });
        let file = job(&mut spawner, Work::Log { log: 0, task: Task::Write });
        spawner.retire(0, 0);
        let table = &mut spawner.sealed.table;
        (table.shared[0], table.logs[0]) = (shared(3), log(b"/b"));
        answer(&socket);
        answer(&file);
        spawner.finish_jobs(0);
        assert!(spawner.jobs.is_empty());
        assert!(spawner.store.socket(0).is_none() && spawner.store.log(0).is_none());
    }

    #[test]
    fn a_socket_is_bound_once_however_many_wait() {
        let mut spawner = spawner();
        spawner.store.slot_mut(0).unwrap().life = Life::Binding(1);
        let first = job(&mut spawner, Work::Bind { socket: 0 });
        let _second = job(&mut spawner, Work::Bind { socket: 1 });
        answer(&first);
        spawner.finish_jobs(0);
        assert!(spawner.store.socket(0).is_some());
        assert!(matches!(spawner.jobs[..], [Job { what: Work::Bind { socket: 1 }, .. }]));
    }
}
