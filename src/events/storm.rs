//! Tests: random schedules with listeners that obey, fail, break the rules and die, and a broker that dies at every
//! append and between any two acts. What each pool has accepted is then delivered once, whole and in order, or named
//! as discarded.

mod expected;
mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use expected::{Expected, Fate};
use life::{Answer, Life};

use super::bed::pool;
use super::{About, Change, Channel, Event, Exchange, Input, Kept, Now, Output, Pool};

/// Random acts a seed.
const STEPS: usize = 1_500;
/// Seeds of the ordinary run; STORM_SEEDS asks for another number.
const SEEDS: u64 = 60;

/// xorshift64*: small, fast, the same everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n as u64) as usize
    }

    fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }
}

/// The broker has died.
struct Dead;

/// What follows a chunk of a program's stream.
struct Chunk {
    turn: u32,
    events: Vec<Event>,
}

struct Storm {
    dice: Dice,
    now: Now,
    pools: Vec<Pool>,
    lives: BTreeMap<u32, Life>,
    instances: u32,
    expected: BTreeMap<String, Expected>,
    serial: u64,
    /// What a program has written and nobody has taken out of the pipe.
    chunk: Option<Chunk>,
    turns: u32,
    /// The last chunk that is on the tape.
    told: u32,
    made: u64,
    calm: bool,
    deaths: u64,
    tape: Vec<u8>,
    broker: Broker,
}

struct Broker {
    exchange: Exchange,
    splicing: BTreeSet<u32>,
    /// What it has been told: lives, those in RUNNING.
    spawned: BTreeMap<u32, u32>,
    running: BTreeSet<u32>,
}

impl Broker {
    fn new(exchange: Exchange) -> Broker {
        let (spawned, running) = (BTreeMap::new(), BTreeSet::new());
        Broker { exchange, splicing: BTreeSet::new(), spawned, running }
    }
}

fn some_pools(dice: &mut Dice) -> Vec<Pool> {
    let names = ["a", "b", "c"];
    let kinds = [
        "REMOTE_COMMUNICATION",
        "PROCESS_GROUP,PROCESS_COMMUNICATION",
        "PROCESS_GROUP_ADDED,REMOTE_COMMUNICATION,PROCESS_COMMUNICATION_STDERR",
    ];
    let sizes = [1, 3, 10, 100_000];
    let count = 1 + dice.below(3);
    let mut slots = 1..;
    let pools = names.into_iter().zip(kinds).take(count).map(|(name, kinds)| {
        let listeners: Vec<u32> = slots.by_ref().take(1 + dice.below(3)).collect();
        pool(name, sizes[dice.below(sizes.len())], kinds, &listeners)
    });
    pools.collect()
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut dice = Dice::new(seed);
        let pools = some_pools(&mut dice);
        let mut storm = Storm::calm(dice, pools);
        storm.calm = false;
        storm
    }

    /// Nothing goes wrong by itself.
    fn calm(dice: Dice, pools: Vec<Pool>) -> Storm {
        let exchange = Exchange::new("s", 0);
        let mono = Duration::from_secs(5_000);
        let mut storm = Storm {
            expected: pools.iter().map(|p| (p.name.clone(), Expected::default())).collect(),
            dice,
            now: Now { mono, wall: mono },
            pools,
            lives: BTreeMap::new(),
            instances: 0,
            serial: 0,
            chunk: None,
            turns: 0,
            told: 0,
            made: 0,
            calm: true,
            deaths: 0,
            tape: exchange.snapshot(),
            broker: Broker::new(exchange),
        };
        let pools = storm.pools.clone();
        assert!(storm.put(Input::Pools(pools)).is_ok());
        storm
    }

    fn may_die(&mut self) -> Result<(), Dead> {
        if !self.calm && self.dice.percent(2) { Err(Dead) } else { Ok(()) }
    }

    fn put(&mut self, input: Input) -> Result<(), Dead> {
        let mut out = Vec::new();
        self.broker.exchange.handle(self.now, input.clone(), &mut out);
        self.commit(Some(input), out)
    }

    /// Puts a step on the tape and carries it out.
    fn commit(&mut self, input: Option<Input>, out: Vec<Output>) -> Result<(), Dead> {
        self.may_die()?;
        self.append(input, &out);
        for output in out {
            self.may_die()?;
            self.carry_out(output)?;
        }
        Ok(())
    }

    fn append(&mut self, input: Option<Input>, out: &[Output]) {
        let unit = self.broker.exchange.records();
        if self.tape.len() > 5_000 || self.dice.percent(1) {
            self.tape = self.broker.exchange.snapshot();
        } else {
            self.tape.extend(unit);
        }
        self.expect(input, out);
    }

    fn carry_out(&mut self, output: Output) -> Result<(), Dead> {
        match output {
            Output::Send { slot, instance, event, from } => {
                let Some(life) = self.lives.get_mut(&slot).filter(|l| l.instance == instance)
                else {
                    return Ok(());
                };
                let done = from + life.stage(&event[from..], &mut self.dice);
                self.may_die()?;
                self.put(Input::Staged { slot, instance, done })
            }
            Output::Splice { slot, .. } => {
                self.broker.splicing.insert(slot);
                self.splice(slot)
            }
            Output::Restart { slot, instance } => {
                if let Some(life) = self.lives.get_mut(&slot).filter(|l| l.instance == instance) {
                    (life.ended, life.running) = (true, false);
                }
                Ok(())
            }
            Output::Log(..) => Ok(()),
        }
    }

    fn splice(&mut self, slot: u32) -> Result<(), Dead> {
        let Some(life) = self.lives.get_mut(&slot).filter(|_| self.broker.splicing.contains(&slot))
        else {
            return Ok(());
        };
        let instance = life.instance;
        if life.deaf || life.ended {
            self.broker.splicing.remove(&slot);
            return self.put(Input::Broken { slot, instance });
        }
        if life.splice(&mut self.dice) {
            self.broker.splicing.remove(&slot);
            self.may_die()?;
            let (input, mut out) = (Input::Spliced { slot, instance }, Vec::new());
            self.broker.exchange.handle(self.now, input.clone(), &mut out);
            // Where nothing is done because of it, it may go on the tape with what comes next.
            if !out.is_empty() || self.dice.percent(30) {
                self.commit(Some(input), out)?;
            }
        }
        Ok(())
    }

    fn replace_broker(&mut self) {
        self.deaths += 1;
        self.broker = Broker::new(Exchange::restore("s", &self.tape));
        let kept = self.lives.iter().map(|(slot, life)| Kept {
            slot: *slot,
            instance: life.instance,
            running: life.running,
            staged: life.staging.len(),
        });
        let kept: Vec<Kept> = kept.collect();
        for Kept { slot, instance, running, .. } in &kept {
            self.broker.spawned.insert(*slot, *instance);
            self.broker.running.extend(running.then_some(*slot));
        }
        let mut out = Vec::new();
        self.broker.exchange.resume(self.now, &kept, &mut out);
        let pools = self.pools.clone();
        self.broker.exchange.handle(self.now, Input::Pools(pools), &mut out);
        self.broker.exchange.adopt(self.now, &kept, &mut out);
        if self.commit(None, out).is_err() {
            self.replace_broker();
        }
    }

    fn step(&mut self) -> Result<(), Dead> {
        let slots: Vec<u32> =
            self.pools.iter().flat_map(|pool| &pool.listeners).map(|(slot, _)| *slot).collect();
        let slot = slots[self.dice.below(slots.len())];
        match self.dice.below(100) {
            0..8 if !self.calm => self.happen(),
            8..12 if !self.calm => self.tell(),
            12..14 if !self.calm => self.resize(),
            14..16 if !self.calm => self.hurt(slot),
            16..36 => self.pass(),
            36..56 => {
                self.listener_acts(slot);
                Ok(())
            }
            56..66 => self.splice(slot),
            66..92 => self.look_at(slot),
            _ => {
                self.start(slot);
                Ok(())
            }
        }
    }

    fn some_event(&mut self) -> Event {
        self.made += 1;
        let text = format!("{}{}", self.made, "x".repeat(self.dice.below(150)));
        match self.dice.below(4) {
            0 => Event::group(&text, Change::Added),
            1 => Event::group(&text, Change::Removed),
            _ => Event::remote("t", &text),
        }
    }

    fn happen(&mut self) -> Result<(), Dead> {
        let count = if self.dice.percent(10) { 12 } else { 1 + self.dice.below(3) };
        let events = (0..count).map(|_| self.some_event()).collect();
        self.put(Input::Happened(events))
    }

    /// A program's stream: what is told is consumed afterwards, and told again where nobody came to that.
    fn tell(&mut self) -> Result<(), Dead> {
        if self.chunk.is_none() {
            self.made += 1;
            self.turns += 1;
            let about = About { process: "p", group: "g" };
            let channel = [Channel::Stdout, Channel::Stderr][self.dice.below(2)];
            let event = Event::communication(about, channel, 1, self.made.to_string().as_bytes());
            self.chunk = Some(Chunk { turn: self.turns, events: vec![event] });
        }
        let chunk = self.chunk.as_ref().unwrap();
        let (turn, events) = (chunk.turn, chunk.events.clone());
        let channel = Channel::Stdout;
        self.put(Input::Told { slot: 99, instance: 1, channel, turn, events })?;
        self.may_die()?;
        self.chunk = None;
        Ok(())
    }

    fn resize(&mut self) -> Result<(), Dead> {
        let at = self.dice.below(self.pools.len());
        self.pools[at].buffer_size = 1 + self.dice.below(20) as u32;
        let pools = self.pools.clone();
        self.put(Input::Pools(pools))
    }

    fn hurt(&mut self, slot: u32) -> Result<(), Dead> {
        if let Some(life) = self.lives.get_mut(&slot) {
            if self.dice.percent(30) {
                life.deaf = true;
            } else {
                (life.ended, life.running) = (true, false);
            }
        }
        Ok(())
    }

    fn pass(&mut self) -> Result<(), Dead> {
        let time =
            Duration::from_millis(self.dice.below(if self.calm { 30_000 } else { 200 }) as u64);
        self.now.mono += time;
        self.now.wall += time;
        if self.broker.exchange.next().is_some_and(|next| next <= self.now.mono) {
            self.put(Input::Timer)?;
            let next = self.broker.exchange.next();
            assert!(next.is_none_or(|next| next > self.now.mono), "due and nothing done");
        }
        Ok(())
    }

    fn listener_acts(&mut self, slot: u32) {
        let Some(life) = self.lives.get_mut(&slot) else {
            return;
        };
        if self.calm && life.is_lost() {
            (life.ended, life.running) = (true, false);
        }
        if let Some(text) = life.act(self.calm, &mut self.dice) {
            let expected = self.expected_of(slot);
            assert!(expected.events.iter().any(|(known, ..)| *known == text), "torn: {text}");
        }
    }

    fn start(&mut self, slot: u32) {
        if !self.lives.contains_key(&slot) {
            self.instances += 1;
            self.lives.insert(slot, Life::new(self.instances));
        } else if let Some(life) = self.lives.get_mut(&slot).filter(|life| !life.ended) {
            life.running = true;
        }
    }

    /// The broker looks what is new about a listener.
    fn look_at(&mut self, slot: u32) -> Result<(), Dead> {
        let Some(life) = self.lives.get_mut(&slot) else {
            return Ok(());
        };
        let instance = life.instance;
        if self.broker.spawned.insert(slot, instance) != Some(instance) {
            self.broker.splicing.remove(&slot);
            return self.put(Input::Spawned { slot, instance });
        }
        if life.running != self.broker.running.contains(&slot) {
            let running = life.running;
            let known = &mut self.broker.running;
            if running {
                known.insert(slot)
            } else {
                known.remove(&slot)
            };
            return self.put(Input::Running { slot, instance, running });
        }
        let left = life.stdout.len() - life.consumed;
        if left > 0 {
            return self.listen(slot, left);
        }
        if life.ended {
            self.put(Input::Ended { slot, instance })?;
            self.may_die()?;
            self.lives.remove(&slot);
        }
        Ok(())
    }

    fn listen(&mut self, slot: u32, left: usize) -> Result<(), Dead> {
        let life = self.lives.get_mut(&slot).unwrap();
        let instance = life.instance;
        let some = if self.dice.percent(50) { left } else { 1 + self.dice.below(left) };
        let next = self.broker.exchange.turn(slot, Channel::Stdout, instance) + 1;
        let (turn, length) = *life.note.get_or_insert((next, some));
        let bytes = life.stdout[life.consumed..life.consumed + length].to_vec();
        self.put(Input::Heard { slot, instance, turn, bytes })?;
        self.may_die()?;
        let Some(life) = self.lives.get_mut(&slot) else {
            return Ok(());
        };
        life.consumed += length;
        life.note = None;
        assert_eq!(life.consumed, life.heard);
        Ok(())
    }

    /// Goes on without trouble until all is delivered.
    fn settle(&mut self) {
        self.calm = true;
        let waits = |storm: &Storm| {
            let mut events = storm.expected.values().flat_map(|expected| &expected.events);
            events.any(|(.., fate)| matches!(fate, Fate::Waits | Fate::With(_)))
        };
        for _ in 0..2_000_000 {
            if !waits(self) {
                return;
            }
            assert!(self.step().is_ok());
        }
        panic!("something waits for ever");
    }
}

#[test]
fn accepted_events_are_delivered_once_or_named() {
    let asked = std::env::var("STORM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let (mut deaths, mut accepted, mut discarded) = (0, 0, 0);
    for seed in 0..asked.unwrap_or(SEEDS) {
        let result = std::panic::catch_unwind(|| {
            let mut storm = Storm::new(seed);
            for _ in 0..STEPS {
                if storm.step().is_err() {
                    storm.replace_broker();
                }
            }
            storm.settle();
            let events = storm.expected.values().flat_map(|expected| &expected.events);
            let count = |fate| events.clone().filter(|event| event.2 == fate).count();
            let of = (storm.deaths, count(Fate::Accepted), count(Fate::Discarded));
            let summed: u64 = storm.expected.values().map(|expected| expected.summed).sum();
            assert_eq!(summed, of.2 as u64, "the sums in the log");
            of
        });
        let Ok(of) = result else { panic!("seed {seed}") };
        (deaths, accepted, discarded) = (deaths + of.0, accepted + of.1, discarded + of.2);
    }
    assert!(
        deaths > 1_000 && accepted > 1_000 && discarded > 100,
        "{deaths} {accepted} {discarded}"
    );
}

#[test]
fn what_was_handed_out_is_sent_again_though_an_earlier_event_came_back() {
    let pools = vec![pool("a", 10, "REMOTE_COMMUNICATION", &[1, 2])];
    let mut storm = Storm::calm(Dice::new(1), pools);
    for slot in [1, 2] {
        storm.start(slot);
        assert!(storm.look_at(slot).is_ok());
        storm.start(slot);
        storm.listener_acts(slot);
        while storm.lives[&slot].heard < "READY\n".len() {
            assert!(storm.look_at(slot).is_ok());
        }
    }
    let input = Input::Happened(vec![Event::remote("t", "0"), Event::remote("t", "1")]);
    let mut out = Vec::new();
    storm.broker.exchange.handle(storm.now, input.clone(), &mut out);
    storm.append(Some(input), &out);
    out.retain(|output| matches!(output, Output::Send { .. }));
    let [first, Output::Send { slot: 2, .. }] = &out[..] else { panic!("{out:?}") };
    storm.lives.get_mut(&1).unwrap().deaf = true;
    assert!(storm.carry_out(first.clone()).is_ok());
    let fates = |storm: &Storm| -> Vec<Fate> {
        storm.expected["a"].events.iter().map(|(.., fate)| *fate).collect()
    };
    assert_eq!(fates(&storm), [Fate::Waits, Fate::With(2)]);
    // The broker dies before it comes to the second.
    storm.replace_broker();
    assert_eq!(fates(&storm), [Fate::Waits, Fate::With(2)]);
    storm.settle();
    assert_eq!(fates(&storm), [Fate::Accepted; 2]);
}
