//! Tests: what a tape is worth to the next broker.

use std::os::fd::AsFd;

use super::*;
use crate::events::Event;
use crate::process::world;

/// A broker's, on this journal.
fn post(journal: &std::fs::File, cause: Cause) -> Post {
    let journal = Journal::map(journal.as_fd()).unwrap();
    Post::new(&world::settings(vec![]), Rc::new(journal), cause)
}

fn journal() -> std::fs::File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(privsep::journal::SIZE as u64).unwrap();
    file
}

fn pool(listeners: u32) -> Vec<Pool> {
    let listeners = (1..=listeners).map(|slot| (slot, format!("l{slot}"))).collect();
    let kinds = Kinds::named("EVENT").unwrap();
    vec![Pool { name: "p".to_owned(), buffer_size: 10, kinds, listeners }]
}

fn happens(post: &Post, text: &str) {
    post.put(Input::Happened(vec![Event::remote("t", text)]));
    post.commit(&[]);
}

fn serial(post: &Post) -> u64 {
    post.exchange.borrow().serial()
}

const KEPT: Kept = Kept { slot: 1, instance: 1, running: true, staged: 0 };

#[test]
fn what_comes_after_a_broken_unit_is_read_again() {
    let file = journal();
    let first = post(&file, Cause::Start);
    assert!(first.is_fresh());
    first.put(Input::Pools(pool(1)));
    happens(&first, "a");
    assert!(first.journal.append(&[1, 0, 0, 0, 99]));
    drop(first);
    let second = post(&file, Cause::Died);
    second.resume(&[], pool(1));
    second.begin();
    happens(&second, "b");
    drop(second);
    assert_eq!(serial(&post(&file, Cause::Died)), 2);
}

#[test]
fn the_tape_of_a_broker_that_broke_the_rules_is_not_believed() {
    for cause in [Cause::Misbehaved, Cause::Hung] {
        let file = journal();
        let first = post(&file, Cause::Start);
        first.put(Input::Pools(pool(1)));
        happens(&first, "a");
        drop(first);
        let second = post(&file, cause);
        assert_eq!((serial(&second), second.is_fresh()), (1, false), "numbers go on");
        second.resume(&[KEPT], pool(1));
        second.begin();
        assert_eq!(second.next_output(), Some(Output::Restart { slot: 1, instance: 1 }));
        drop(second);
        // Neither does the one after it know more.
        let third = post(&file, Cause::Died);
        third.resume(&[KEPT], pool(1));
        let restart = |output: &Output| matches!(output, Output::Restart { .. });
        assert!(third.outputs.borrow().iter().all(restart));
    }
}

#[test]
fn a_tape_without_room_has_no_hole() {
    let file = journal();
    let first = post(&file, Cause::Start);
    first.put(Input::Pools(pool(18)));
    for slot in 1..=18 {
        let instance = 1;
        first.put(Input::Spawned { slot, instance });
        first.put(Input::Running { slot, instance, running: true });
        let bytes = b"READY\n".to_vec();
        first.put(Input::Heard { slot, instance, turn: 1, bytes });
    }
    let large = "x".repeat((4 << 20) - 100);
    for _ in 0..18 {
        first.put(Input::Happened(vec![Event::remote("t", &large)]));
        first.commit(&[(3, [1; privsep::journal::PAYLOAD])]);
    }
    assert!(first.was_full() && first.torn.get().is_some());
    let end = first.journal.tape_len();
    happens(&first, "small");
    assert_eq!((first.journal.tape_len(), first.was_full()), (end, false), "said once");
    assert_eq!(post(&file, Cause::Died).redo(), [], "there were later ones");
    // There is room again.
    for slot in 1..=18 {
        first.put(Input::Ended { slot, instance: 1 });
    }
    first.torn.set(Some(Duration::ZERO));
    happens(&first, "last");
    assert_eq!(first.torn.get(), None);
    assert_eq!(serial(&post(&file, Cause::Died)), serial(&first));
}

#[test]
fn outputs_are_carried_out_by_one_loop() {
    let post = post(&journal(), Cause::Start);
    assert!(!post.is_delivering() && post.is_delivering());
    post.has_delivered();
    assert!(!post.is_delivering());
}
