//! Handshakes take their steps one after another. What a step costs is spent in the thread that all requests are answered
//! by: between two steps others are served, sources take turns, and a source whose handshakes fail waits.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::limits::Source;

/// What a handshake costs its source that comes to nothing; so many go on at once as [`CREDIT`] has room for, then one
/// each such time.
pub(super) const FAILED: Duration = Duration::from_millis(500);
/// The same for one that passes.
const PASSED: Duration = Duration::from_millis(10);
/// What a source may have spent and not yet waited for.
pub(super) const CREDIT: Duration = Duration::from_secs(16);
/// Sources that are told apart; all others together are one more.
const SOURCES: usize = 4096;

/// Handshakes of one source that wait.
type Queue = VecDeque<(u64, Waker)>;

/// The turns of one listener.
#[derive(Default)]
pub(in super::super) struct Turns {
    /// Who has it.
    taken: Cell<Option<u64>>,
    last: Cell<u64>,
    /// Who waits: sources in the order in which they are next, each with its own.
    waiting: RefCell<VecDeque<(Source, Queue)>>,
    /// When each source has waited for all that it has spent.
    spent: RefCell<BTreeMap<Source, Instant>>,
}

impl Turns {
    /// Those of one handshake.
    pub(super) fn of(self: &Rc<Self>, source: Source) -> Turn {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        let turns = Rc::clone(self);
        Turn { turns, source, number, used: false, charged: None, over: false, pause: None }
    }

    /// Whose account a source has: its own, or that of all who have none.
    fn payer(&self, source: Source, now: Instant) -> Source {
        let mut spent = self.spent.borrow_mut();
        if spent.contains_key(&source) || spent.len() < SOURCES {
            return source;
        }
        spent.retain(|_, until| *until > now);
        if spent.len() < SOURCES { source } else { Source::Unknown }
    }

    /// When a source may go on; nothing where it may.
    fn wait(&self, source: Source) -> Option<Instant> {
        let now = Instant::now();
        let payer = self.payer(source, now);
        let until = self.spent.borrow().get(&payer).copied()?;
        until.checked_sub(CREDIT).filter(|at| *at > now)
    }

    fn charge(&self, source: Source) -> Source {
        let now = Instant::now();
        let payer = self.payer(source, now);
        let mut spent = self.spent.borrow_mut();
        let until = spent.entry(payer).or_insert(now);
        *until = (*until).max(now).checked_add(FAILED).unwrap_or(now);
        payer
    }

    fn refund(&self, payer: Source) {
        if let Some(until) = self.spent.borrow_mut().get_mut(&payer) {
            *until = until.checked_sub(FAILED.saturating_sub(PASSED)).unwrap_or(*until);
        }
    }

    fn pass_on(&self) {
        self.taken.set(None);
        let mut waiting = self.waiting.borrow_mut();
        let Some((source, mut those)) = waiting.pop_front() else { return };
        let next = those.pop_front();
        if !those.is_empty() {
            waiting.push_back((source, those));
        }
        if let Some((number, waker)) = next {
            self.taken.set(Some(number));
            drop(waiting);
            waker.wake();
        }
    }
}

/// One handshake's hold on the turns.
pub(super) struct Turn {
    turns: Rc<Turns>,
    source: Source,
    number: u64,
    /// Whether its step has begun.
    used: bool,
    /// Who has paid, once the server has answered.
    charged: Option<Source>,
    /// Whether the handshake has passed.
    over: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    /// Ready when it is this one's turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.over || self.has() {
            return Poll::Ready(());
        }
        // Whoever is answered already has paid.
        while let Some(at) = self.turns.wait(self.source).filter(|_| self.charged.is_none()) {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if pause.deadline() != at {
                pause.as_mut().reset(at);
            }
            std::task::ready!(pause.as_mut().poll(cx));
        }
        if self.turns.taken.get().is_none() {
            self.turns.taken.set(Some(self.number));
            return Poll::Ready(());
        }
        let mut waiting = self.turns.waiting.borrow_mut();
        let at = waiting.iter().position(|(source, _)| *source == self.source);
        match at.and_then(|at| waiting.get_mut(at)) {
            None => {
                let own = [(self.number, cx.waker().clone())];
                waiting.push_back((self.source, own.into()));
            }
            Some((_, own)) => match own.iter_mut().find(|(number, _)| *number == self.number) {
                Some((_, waker)) => waker.clone_from(cx.waker()),
                None => own.push_back((self.number, cx.waker().clone())),
            },
        }
        Poll::Pending
    }

    /// What it was waited for is done now.
    pub(super) fn begin(&mut self) {
        self.used = true;
    }

    /// The step, if there was one, is over.
    pub(super) fn end_step(&mut self) {
        if std::mem::take(&mut self.used) {
            self.yield_turn();
        }
    }

    /// Gives back what is not used now.
    pub(super) fn yield_turn(&mut self) {
        if self.has() {
            self.turns.pass_on();
        }
    }

    /// The server answers, which is where the cost is.
    pub(super) fn pay(&mut self) {
        if !self.over && self.charged.is_none() {
            self.charged = Some(self.turns.charge(self.source));
        }
    }

    /// The handshake has passed: no more turns are needed, and most of the price is given back.
    pub(super) fn finish(&mut self) {
        self.over = true;
        self.pause = None;
        self.end_step();
        if let Some(payer) = self.charged.take() {
            self.turns.refund(payer);
        }
    }

    /// Whether it was kept waiting for what its source has spent.
    pub(super) fn is_paused(&self) -> bool {
        self.charged.is_none() && self.turns.wait(self.source).is_some()
    }

    /// It needs no turn any more, whatever has come of it.
    pub(super) fn leave(&mut self) {
        {
            let mut waiting = self.turns.waiting.borrow_mut();
            for (_, own) in waiting.iter_mut().filter(|(source, _)| *source == self.source) {
                own.retain(|(number, _)| *number != self.number);
            }
            waiting.retain(|(_, own)| !own.is_empty());
        }
        self.yield_turn();
    }

    fn has(&self) -> bool {
        self.turns.taken.get() == Some(self.number)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn poll(turn: &mut Turn) -> bool {
        turn.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn from(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_with_many_does_not_keep_another_waiting() {
        let turns = Rc::new(Turns::default());
        let mut many: Vec<Turn> = (0..200).map(|_| turns.of(from(1))).collect();
        let mut one = turns.of(from(2));
        let ready = many.iter_mut().map(poll).filter(|ready| *ready).count();
        assert_eq!((ready, poll(&mut one)), (1, false), "one at a time");
        // Between any two steps of the other source's it is this one's turn.
        many[0].begin();
        many[0].end_step();
        assert!(poll(&mut many[1]) && !poll(&mut one) && !poll(&mut many[0]));
        drop(many.remove(1));
        assert!(poll(&mut one), "whoever leaves gives it back");
        one.begin();
        one.end_step();
        assert!(poll(&mut many[1]));
        // Whoever leaves while waiting is not waited for.
        drop(one);
        drop(many);
        assert!(turns.waiting.borrow().is_empty() && turns.taken.get().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_it_and_does_nothing_gives_it_back() {
        let turns = Rc::new(Turns::default());
        let (mut idle, mut other) = (turns.of(from(1)), turns.of(from(1)));
        assert!(poll(&mut idle) && !poll(&mut other));
        idle.end_step();
        assert!(!poll(&mut other), "it has not begun");
        idle.yield_turn();
        assert!(poll(&mut other));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_cost_their_source_and_nobody_else() {
        let turns = Rc::new(Turns::default());
        let fail = |source: Source| {
            let mut turn = turns.of(source);
            let may = poll(&mut turn);
            if may {
                turn.begin();
                turn.pay();
                turn.pay();
            }
            may
        };
        let most = CREDIT.as_millis() / FAILED.as_millis();
        let count = (0..1000).filter(|_| fail(from(1))).count() as u128;
        assert!((most..=most + 1).contains(&count), "{count}");
        assert!(turns.of(from(1)).is_paused() && !turns.of(from(2)).is_paused());
        assert!(fail(from(2)));
        // From now on two in a second.
        advance(Duration::from_secs(10)).await;
        let count = (0..1000).filter(|_| fail(from(1))).count();
        assert!((19..=21).contains(&count), "{count}");
        advance(CREDIT * 2).await;
        assert!(!turns.of(from(1)).is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_pass_are_cheap() {
        let turns = Rc::new(Turns::default());
        let pass = || {
            let mut turn = turns.of(from(1));
            let may = poll(&mut turn);
            if may {
                turn.begin();
                turn.pay();
                turn.finish();
            }
            may
        };
        let most = usize::try_from(CREDIT.as_millis() / PASSED.as_millis()).expect("a count");
        let count = (0..2 * most).filter(|_| pass()).count();
        assert!((most..=most + 1).contains(&count), "{count}");
        // Nobody is forgotten, and no more is kept than that.
        for n in 0..2 * SOURCES as u32 {
            turns.charge(Source::of(n.to_be_bytes().into()));
        }
        assert!(turns.spent.borrow().len() <= SOURCES + 1);
        assert!(!pass());
    }
}
