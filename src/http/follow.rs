//! A log file as it grows, for a client that stays: through rotation, truncation and clearing.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderMap};
use policy::access::Permit;
use tokio::time::{Instant, timeout_at};

use super::Site;
use super::limits::CHUNK_SIZE;
use crate::config::settings::Settings;

/// Bytes of what is there already that are sent first.
const BACKLOG: u64 = 1024;

/// How long a browser gets no line end behind the last line. Chromium shows what a text has got at most every two seconds,
/// and what came sooner only when more comes: the line end is that.
const SCREEN_LAG: Duration = Duration::from_millis(2200);

/// How often it is looked at whether somebody still may, where that can end though nothing is written or read again.
const LOOK: Duration = Duration::from_secs(10);

type Step = Pin<Box<dyn Future<Output = io::Result<(Bytes, LogStream)>>>>;

/// The bytes of a log, from the last [`BACKLOG`] on, without end. It takes no step that is not asked for, so a
/// client that does not read costs one chunk.
pub(super) struct LogStream(Step);

impl LogStream {
    /// Opens a log by its number, for somebody who may read it and asks with these headers.
    pub(super) async fn open<S: Site>(
        site: &Rc<S>,
        log: u32,
        leave: Leave,
        headers: &HeaderMap,
    ) -> io::Result<LogStream> {
        let site = Rc::clone(site);
        let path = path(&*site, log).ok_or(io::ErrorKind::NotFound)?;
        let file = site.open_log(&leave.permit, log).await?;
        let position = site.log_size(&file)?.saturating_sub(BACKLOG);
        let screen = is_for_a_screen(headers).then(Screen::default);
        let (next, woken) = (None, false);
        Ok(LogStream::of(Follower { site, log, leave, path, file, position, next, woken, screen }))
    }

    /// The next bytes, never none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let (bytes, rest) = ready!(self.0.as_mut().poll(cx))?;
        *self = rest;
        Poll::Ready(Ok(bytes))
    }

    fn of<S: Site>(mut follower: Follower<S>) -> LogStream {
        LogStream(Box::pin(async move {
            let bytes = follower.next().await?;
            Ok((bytes, LogStream::of(follower)))
        }))
    }
}

/// The proof that somebody may read a log, for as long as they may: each reading of the configuration can end that, and
/// so does the end of the session, the token or the like that they have proved themselves by.
pub(super) struct Leave {
    permit: Permit,
    reading: Rc<Settings>,
    dated: bool,
    stays: Box<dyn Fn() -> bool>,
    again: Box<dyn Fn() -> Option<Permit>>,
}

impl Leave {
    /// The proof by this reading, what tells whether a session or the like still lasts, and what gives another proof by a
    /// later reading. `dated`: there is something that can end by itself.
    pub(super) fn new(
        permit: Permit,
        reading: Rc<Settings>,
        dated: bool,
        stays: impl Fn() -> bool + 'static,
        again: impl Fn() -> Option<Permit> + 'static,
    ) -> Leave {
        Leave { permit, reading, dated, stays: Box::new(stays), again: Box::new(again) }
    }

    fn lasts(&mut self, site: &impl Site) -> bool {
        if !(self.stays)() {
            return false;
        }
        let latest = site.latest();
        if Rc::ptr_eq(&latest, &self.reading) {
            return true;
        }
        let permit = (self.again)();
        permit.map(|permit| (self.permit, self.reading) = (permit, latest)).is_some()
    }
}

/// Where a log is, while some program has it.
fn path<S: Site>(site: &S, log: u32) -> Option<String> {
    site.settings().logs.get(&log).map(|file| file.path.clone())
}

/// Whether a browser wants to show this to a person. Programs do not ask for pages.
fn is_for_a_screen(headers: &HeaderMap) -> bool {
    let is_page = |kind: &str| kind.trim().starts_with("text/html");
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|kinds| kinds.split(',').any(is_page))
}

/// What a browser is not sent yet.
#[derive(Default)]
struct Screen {
    /// Since there is a line end that waits: until when.
    line_end: Option<Instant>,
}

impl Screen {
    /// What of the bytes is sent now, behind what waited before.
    fn pass(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.line_end.take().is_some() {
            bytes.insert(0, b'\n');
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            self.line_end = Some(Instant::now() + SCREEN_LAG);
        }
        bytes
    }
}

struct Follower<S> {
    site: Rc<S>,
    log: u32,
    leave: Leave,
    /// When the number is no longer this file's, another program may have it.
    path: String,
    file: File,
    position: u64,
    /// The file that has taken the place of `file`, which is read to its end first.
    next: Option<File>,
    /// Something happened, and reading has not yet shown what.
    woken: bool,
    /// Where a browser reads.
    screen: Option<Screen>,
}

impl<S: Site> Follower<S> {
    async fn next(&mut self) -> io::Result<Bytes> {
        let site = Rc::clone(&self.site);
        loop {
            // Armed before looking: what happens between looking and waiting is not missed.
            let mut changed = pin!(site.changed(self.log));
            let mut fired = poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_ready())).await;
            if !self.leave.lasts(&*site) {
                let what = "who follows the log may not read it any more";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
            }
            if let Some(mut bytes) = self.read()? {
                self.woken = false;
                if let Some(screen) = &mut self.screen {
                    bytes = screen.pass(bytes);
                }
                if bytes.is_empty() {
                    continue;
                }
                return Ok(bytes.into());
            }
            if let Some(next) = self.next.take() {
                self.file = next;
                self.position = 0;
                continue;
            }
            if path(&*site, self.log).as_ref() != Some(&self.path) {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the log is no longer there"));
            }
            if self.woken || self.is_full() {
                self.woken = false;
                if self.find_next().await? {
                    continue;
                }
            }
            if !fired {
                let line_end = self.screen.as_ref().and_then(|screen| screen.line_end);
                let look = self.leave.dated.then(|| Instant::now() + LOOK);
                match line_end.into_iter().chain(look).min() {
                    Some(end) if timeout_at(end, changed.as_mut()).await.is_err() => {
                        if line_end != Some(end) {
                            continue;
                        }
                        self.screen = Some(Screen::default());
                        return Ok(Bytes::from_static(b"\n"));
                    }
                    Some(_) => {}
                    None => changed.await,
                }
                fired = true;
            }
            self.woken = fired;
        }
    }

    /// What was appended since the last time, at most [`CHUNK_SIZE`] bytes of it.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.site.log_size(&self.file)?;
        if size < self.position {
            // Truncated or cleared: what is in it now is all new.
            self.position = 0;
        }
        let fresh = usize::try_from(size - self.position).unwrap_or(CHUNK_SIZE).min(CHUNK_SIZE);
        if fresh == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; fresh];
        let count = self.file.read_at(&mut bytes, self.position)?;
        bytes.truncate(count);
        self.position += count as u64;
        Ok((count > 0).then_some(bytes))
    }

    /// Whether the file has reached the size at which it is rotated.
    fn is_full(&self) -> bool {
        let logs = &self.site.settings().logs;
        logs.get(&self.log).is_some_and(|l| l.maxbytes > 0 && self.position >= l.maxbytes)
    }

    /// Looks whether the log is another file by now. Opening asks the spawner, so this is not done at every wake:
    /// only when one shows nothing new in the file at hand.
    async fn find_next(&mut self) -> io::Result<bool> {
        let Ok(file) = self.site.open_log(&self.leave.permit, self.log).await else {
            // Moved away and not yet back, or out of descriptors: the file at hand is still the best.
            return Ok(false);
        };
        if self.site.log_identity(&file)? == self.site.log_identity(&self.file)? {
            return Ok(false);
        }
        self.next = Some(file);
        Ok(true)
    }
}
