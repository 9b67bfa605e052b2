//! Root. What changes while programs run: later readings of the configuration, and sockets that programs share.

use nix::errno::Errno;
use nix::unistd::geteuid;
use privsep::reply::{Reply, Stage};
use privsep::table::{Entry, Table};

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

    /// A reading is over: its table is in force from here on, or everything stays as it is.
    pub fn reading(&mut self, seq: u32, sheets: Sheets, result: Result<Made, Errno>) {
        if seq == 0 {
            // The broker that asked is gone. Its successor was not told of this one, and could never retire it.
            return;
        }
        let status = match result.and_then(|_| self.adopt(&sheets)) {
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

    /// Takes over what programs are, and nothing that was decided for the daemon's life.
    fn adopt(&mut self, sheets: &Sheets) -> Result<(), Errno> {
        let mut new = sheets.table().map_err(|_| Errno::EPROTO)?;
        let table = &mut self.sealed.table;
        (new.user, new.broker) = (table.user.clone(), table.broker.clone());
        let permitted = new.permit(geteuid().as_raw()).is_ok();
        if !permitted || !new.keeps(table) {
            return Err(Errno::EPROTO);
        }
        self.store.make_room(new.entries.len(), new.logs.len(), new.shared.len());
        let Table { entries, logs, shared, .. } = new;
        (table.entries, table.logs, table.shared) = (entries, logs, shared);
        self.sealed.epoch = self.sealed.epoch.saturating_add(1);
        Ok(())
    }

    /// Forgets an entry that is not in use, and what only it had.
    pub fn retire(&mut self, slot: u32, now: u64) {
        let idle = |of: &Slot| matches!(of.life, Life::Idle) && of.news.is_none();
        if self.store.slot(slot).is_some_and(idle) {
            let (logs, sockets) = self.sealed.table.retire(slot);
            logs.into_iter().for_each(|log| self.store.drop_log(log));
            sockets.into_iter().for_each(|socket| self.close(socket, now));
        }
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
        for (slot, seq) in self.waiting(socket) {
            match result {
                Ok(()) if self.stop.is_none() => self.spawn(seq, slot, now),
                result => {
                    let errno = result.err().unwrap_or(Errno::ESHUTDOWN);
                    self.store.fail(slot, seq, at(Stage::Socket)(errno));
                }
            }
        }
    }

    /// The slots that wait for a socket, and on which request.
    fn waiting(&self, socket: u32) -> Vec<(u32, u32)> {
        let slots = (0..).zip(&self.store.slots);
        let binding = slots.filter_map(|(slot, of)| match of.life {
            Life::Binding(seq) => Some((slot, seq)),
            _ => None,
        });
        let needs = |entry: &Entry| entry.sockets().any(|n| n == socket);
        binding.filter(|(slot, _)| self.entry(*slot).is_some_and(needs)).collect()
    }

    /// The name of a closed socket is gone: whoever waits may bind it anew.
    pub fn tidied(&mut self, socket: u32, now: u64) {
        if !self.waiting(socket).is_empty() {
            self.bind(socket, now);
        }
    }

    /// An instance has ended: closes the sockets that are held for running ones only and that nobody has any more.
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
