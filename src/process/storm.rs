//! Tests: random schedules against a simulated spawner, which answers in any order, fails, and loses its broker.

mod check;
mod death;
mod groups;
mod nonsense;
mod restart;
mod settings;
mod spawner;

use std::collections::BTreeSet;
use std::time::Duration;

use privsep::journal::Payload;
use privsep::request::{Instance, Request, Slot, Whom};

use settings::some_settings;

use super::world::{self, millis, program};
use super::{Command, Heart, Input, Now, Output, State, Ticket};
use crate::config::settings::{Process, Settings};

/// Random acts a seed.
const STEPS: u64 = 500;
/// Inputs that the ordinary run handles; STORM_STEPS asks for another number.
const ORDINARY: u64 = 200_000;
/// All slots that groups may have; the three that are there at first have seven.
const SLOTS: u32 = 11;

/// xorshift64*: small, fast, the same everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    fn slot(&mut self) -> Slot {
        self.below(SLOTS.into()) as u32
    }
}

/// Milliseconds that some shutdowns may take.
const HURRY: u32 = 3_000;

/// What the spawner knows of a slot.
#[derive(Default)]
struct Cell {
    lives: Instance,
    flight: bool,
    live: Option<Instance>,
    /// An end that is not acknowledged.
    ended: Option<(Instance, i32, Duration)>,
}

/// What the tests expect of a slot's retries.
#[derive(Default, Clone, Copy)]
struct Expected {
    fails: i64,
    before_running: i64,
    due: Option<Duration>,
}

enum Message {
    Input(Input),
    /// A start whose outcome is not decided.
    Flight(Slot),
}

struct Storm {
    dice: Dice,
    settings: Settings,
    heart: Heart,
    journal: Vec<Option<Payload>>,
    now: Now,
    cells: Vec<Cell>,
    expected: Vec<Expected>,
    states: Vec<State>,
    /// What listeners were told of each last.
    told: Vec<State>,
    mail: Vec<Message>,
    open: BTreeSet<u64>,
    tickets: u64,
    refuses: bool,
    /// The journal was tampered with: what it says of the past counts no more.
    forged: bool,
    ended: bool,
    handled: u64,
    /// When the last broker died.
    died: Duration,
    /// Processes whose stop, if it comes now, is the shutdown's.
    by_shutdown: Vec<Slot>,
    /// The settings in force that a successor would find.
    written: Settings,
    /// Slots of added groups whose programs have not been set out.
    fresh: Vec<Slot>,
    /// Groups that were removed, each with nothing else.
    shelf: Vec<Settings>,
    /// Jumps of the clock on the wall; on dice of their own, so that they change nothing else.
    jumps: Option<Dice>,
    /// All that was asked of the spawner.
    trace: Vec<(Duration, Request)>,
    added: u64,
    removed: u64,
    /// Slots that a restart still has to start, or to say why not; each with the client's number.
    owed: Vec<(Slot, u64)>,
    /// Starts that were owed and done.
    restarted: u64,
}

fn pid(instance: Instance) -> i32 {
    1_000 + instance as i32
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut dice = Dice::new(seed);
        let settings = some_settings(&mut dice);
        let journal = vec![None; SLOTS as usize + 1];
        let refuses = dice.percent(10);
        let mut storm = Storm {
            heart: Heart::new(&settings, &journal),
            written: settings.clone(),
            fresh: Vec::new(),
            shelf: Vec::new(),
            jumps: None,
            trace: Vec::new(),
            owed: Vec::new(),
            restarted: 0,
            added: 0,
            removed: 0,
            settings,
            journal,
            now: Now { mono: Duration::from_secs(5_000), wall: Duration::from_secs(1_795_226_180) },
            cells: (0..SLOTS).map(|_| Cell::default()).collect(),
            expected: vec![Expected::default(); SLOTS as usize],
            states: vec![State::Stopped; SLOTS as usize],
            told: vec![State::Stopped; SLOTS as usize],
            mail: Vec::new(),
            open: BTreeSet::new(),
            tickets: 0,
            refuses,
            forged: false,
            ended: false,
            handled: 0,
            died: Duration::ZERO,
            by_shutdown: Vec::new(),
            dice,
        };
        let asks = storm.send(Input::Begin);
        let mut order: Vec<_> = storm.settings.groups.iter().collect();
        order.sort_by_key(|g| g.priority);
        let order: Vec<u32> = order.iter().flat_map(|g| g.slots.clone()).collect();
        let spawned: Vec<u32> = asks
            .iter()
            .filter_map(|ask| match ask {
                Request::Spawn { slot } => Some(*slot),
                _ => None,
            })
            .collect();
        let wanted = order.into_iter().filter(|slot| {
            let process = &storm.settings.processes[slot];
            process.autostart && process.command_error.is_none()
        });
        assert_eq!(spawned, wanted.collect::<Vec<_>>(), "order of the first starts");
        storm
    }

    /// Hands in an input, keeps the journal, and carries the outputs out. Gives the asks.
    fn send(&mut self, input: Input) -> Vec<Request> {
        let about = match &input {
            Input::Exited { slot, at, .. } => Some((*slot, *at)),
            Input::SpawnFailed { slot, .. } => Some((*slot, self.now.mono)),
            _ => None,
        };
        self.expect(&input);
        let by_client = matches!(input, Input::Command { .. });
        let up = |slot: &Slot| {
            let state = self.states[*slot as usize];
            matches!(state, State::Starting | State::Running) && !by_client
        };
        self.by_shutdown = (0..SLOTS).filter(up).collect();
        let stopped = match &input {
            Input::Exited { slot, instance, .. } => {
                self.stops_tree(*slot).then_some((*slot, *instance))
            }
            _ => None,
        };
        let mut out = Vec::new();
        self.heart.handle(self.now, input, &mut out);
        self.handled += 1;
        for (cell, payload) in self.heart.dirty() {
            self.journal[cell] = Some(payload);
        }
        self.check_retries(about, &out);
        self.check_events(&out);
        self.check_restarts(&out);
        if let Some((slot, instance)) = stopped {
            let kill = Request::Signal { slot, instance, signo: 9, whom: Whom::Tree };
            let at = |ask| out.iter().position(|output| *output == Output::Ask(ask));
            let ack = at(Request::Ack { slot, instance });
            assert!(at(kill).is_some_and(|kill| Some(kill) < ack), "slot {slot} leaves something");
        }
        self.carry_out_all(out)
    }

    /// Carries the outputs out. Gives the asks.
    fn carry_out_all(&mut self, out: Vec<Output>) -> Vec<Request> {
        let mut asks = Vec::new();
        // The broker may die between one output and the next.
        let dies_at = (self.handled > 1 && self.dice.percent(1)).then(|| self.dice.below(3));
        for (done, output) in (0..).zip(out) {
            if dies_at == Some(done) {
                self.broker_dies();
                return asks;
            }
            match output {
                Output::Ask(request) => {
                    asks.push(request);
                    self.carry_out(request);
                }
                Output::Log(..) | Output::Event(_) => {}
                Output::Reply(Ticket(ticket), _) => {
                    assert!(self.open.remove(&ticket), "ticket {ticket} answered twice");
                }
            }
        }
        asks
    }

    fn pass(&mut self, time: Duration) {
        // What the next broker finds in flight lands before that one asks again.
        if self.now.mono + time >= self.died + millis(1_900) {
            while let Some(at) = self.mail.iter().position(|m| matches!(m, Message::Flight(_)))
                && self.died > Duration::ZERO
            {
                if let Message::Flight(slot) = self.mail.remove(at) {
                    let input = self.land(slot);
                    self.send(input);
                }
            }
        }
        self.now.mono += time;
        self.now.wall += time;
        if let Some(dice) = &mut self.jumps
            && dice.percent(10)
        {
            // Back to the epoch, or years ahead.
            self.now.wall = Duration::from_secs(dice.below(4_000_000_000));
        }
    }

    /// Goes to the next deadline and rings.
    fn ring(&mut self) {
        if let Some(next) = self.heart.next() {
            let time = next.saturating_sub(self.now.mono);
            assert!(time < Duration::from_secs(60), "a deadline out of all bounds");
            self.pass(time);
            self.send(Input::Timer);
        }
    }

    fn command(&mut self) {
        let slots = (0..=self.dice.below(3)).map(|_| self.dice.slot()).collect();
        let wait = self.dice.percent(60);
        let command = match self.dice.below(7) {
            0 | 1 => Command::Start { slots, wait },
            2 | 3 => Command::Stop { slots, wait },
            4 | 5 => Command::Restart { slots, wait },
            _ => Command::Signal { slots, signo: 1 },
        };
        self.tickets += 1;
        self.open.insert(self.tickets);
        let ticket = Ticket(self.tickets);
        let stops = match &command {
            Command::Stop { slots, .. } => slots.clone(),
            _ => Vec::new(),
        };
        self.send(Input::Command { ticket, command });
        assert!(!stops.into_iter().any(|slot| self.heart.comes_back(slot)), "a stop prevails");
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..40 => self.deliver(),
            40..55 => self.ring(),
            55..70 => {
                let time = millis(self.dice.below(400));
                self.pass(time);
            }
            70..80 => {
                let slot = self.dice.slot();
                let status = [0, 0x100, 0x200, 9][self.dice.below(4) as usize];
                self.dies(slot, status);
            }
            80..93 => self.command(),
            93 => {
                let slot = self.dice.slot();
                let instance = self.cells[slot as usize].lives;
                self.send(Input::Renew { slot, instance });
            }
            94 if !self.heart.shutting_down() => self.add(),
            95..97 if !self.heart.shutting_down() => self.remove(),
            97..99 => self.broker_dies(),
            _ => self.settle(),
        }
    }

    /// Nothing but time passes, until every restart has come to something.
    fn calm(&mut self) {
        // What refuses its signal is waited for without end.
        let waits = |heart: &Heart, slot| {
            heart.comes_back(slot) && heart.state(slot) != Some(State::Unknown)
        };
        let owed = |storm: &Storm| (0..SLOTS).any(|slot| waits(&storm.heart, slot));
        for _ in 0..2_000 {
            if self.forged || self.heart.shutting_down() || !owed(self) {
                return;
            }
            while !self.mail.is_empty() {
                self.deliver();
            }
            self.ring();
        }
        let states = (0..SLOTS).map(|slot| self.heart.info(slot, self.now)).collect::<Vec<_>>();
        panic!("a restart comes to nothing: {states:?}");
    }

    /// Everything that is due happens; then nothing waits.
    fn finish(&mut self) {
        self.calm();
        self.send(Input::Shutdown);
        let begun = self.now.mono;
        for _ in 0..10_000 {
            if !self.heart.shutting_down() {
                self.send(Input::Shutdown);
            }
            while !self.mail.is_empty() {
                self.deliver();
            }
            if self.ended && self.mail.is_empty() {
                break;
            }
            self.ring();
        }
        assert!(self.ended, "the shutdown ends");
        let took = self.now.mono - begun;
        assert!(took < Duration::from_secs(120), "it took {took:?}");
        if self.settings.shutdown_timeout.is_some() && !self.forged {
            // A start that a broker left in doubt is looked for once more.
            let most = millis(u64::from(HURRY) + 2_000);
            assert!(took <= most, "it took {took:?}");
        }
        assert_eq!(self.open, BTreeSet::new(), "every request is answered");
        assert_eq!(self.heart.next(), None);
    }
}

/// Storms until this many inputs were handled.
fn rage(wanted: u64) {
    let (mut handled, mut removed, mut restarted) = (0, 0, 0);
    for seed in 1.. {
        println!("seed {seed}");
        let mut storm = Storm::new(seed);
        storm.jumps = Some(Dice::new(seed));
        for _ in 0..STEPS {
            storm.step();
        }
        storm.finish();
        handled += storm.handled;
        removed += storm.removed;
        restarted += storm.restarted;
        if handled >= wanted {
            break;
        }
    }
    assert!(removed > handled / 2_000, "groups come and go: {removed}");
    assert!(restarted > handled / 200, "restarts start: {restarted}");
}

#[test]
fn random_schedules_keep_the_properties() {
    let steps = std::env::var("STORM_STEPS").ok().and_then(|n| n.parse().ok());
    rage(steps.unwrap_or(ORDINARY));
}

#[test]
#[ignore = "a million steps; the ordinary run has a fifth of them"]
fn a_million_steps_keep_the_properties() {
    rage(1_000_000);
}

#[test]
fn the_clock_on_the_wall_moves_nothing() {
    for seed in 1..=60 {
        println!("seed {seed}");
        let [still, jumping] = [None, Some(Dice::new(seed + 7))].map(|jumps| {
            let mut storm = Storm::new(seed);
            storm.jumps = jumps;
            for _ in 0..STEPS {
                storm.step();
            }
            storm.finish();
            storm.trace
        });
        assert!(!still.is_empty());
        assert_eq!(still, jumping);
    }
}

/// A thousand processes: an input costs what it touches, not what there is.
#[test]
fn a_thousand_processes_are_no_burden() {
    let programs: Vec<Process> = (0..4_000).map(|n| program(&format!("p{n}"))).collect();
    let mut heart = Heart::new(&world::settings(vec![("g", 1, programs)]), &[]);
    let now = |ms| super::world::moment(ms);
    let mut out = Vec::new();
    heart.handle(now(0), Input::Begin, &mut out);
    assert_eq!(out.len(), 8_000, "each is asked for and told of");
    assert_eq!(heart.dirty().len(), 4_000);
    for slot in 0..4_000u32 {
        let spawned = Input::Spawned { slot, instance: 1, pid: 5, failure: None };
        out.clear();
        heart.handle(now(1), spawned, &mut out);
        assert_eq!((out.len(), heart.dirty().len()), (1, 1));
    }
    out.clear();
    heart.handle(now(1_002), Input::Timer, &mut out);
    assert_eq!(out.len(), 8_000);
    assert_eq!(heart.next(), None);
}
