//! Whom a flock tells, when, and when no more.

use super::*;
use crate::time::{Now, Wall};

const PEER: PeerId = PeerId(1);

/// The one NOTIFY that leaves.
#[track_caller]
fn notify(out: &[Action]) -> Attempt {
    let [Action::SendNotify(attempt, _)] = out else { panic!("one NOTIFY: {out:?}") };
    *attempt
}

/// Runs until `until`, answering nothing, and says at which second each NOTIFY left.
fn silent(flock: &mut Flock, from: u64, until: u64) -> Vec<u64> {
    let mut sent = Vec::new();
    let mut now = Tick(from);
    loop {
        let mut out = Vec::new();
        flock.handle(now, Event::Tick, &mut out);
        sent.extend(out.iter().map(|_| now.0 / 1000));
        match flock.deadline() {
            Some(next) if next.0 <= until => now = next,
            _ => return sent,
        }
    }
}

fn published(flock: &mut Flock, now: u64, serial: u32) -> Vec<Action> {
    let mut out = Vec::new();
    let refresh = Duration::from_secs(3600);
    flock.handle(Tick(now), Event::Published { serial: Serial(serial), refresh }, &mut out);
    out
}

#[test]
fn f03_a_silent_secondary_is_told_again_with_doubled_waits_then_slowly_until_refresh() {
    let mut flock = Flock::new(&[PEER], 1);
    assert_eq!(published(&mut flock, 0, 5).len(), 1);
    let sent = silent(&mut flock, 1, 10_000_000);
    assert_eq!(sent[..4], [2, 6, 14, 30]);
    assert!(sent.len() > 5 && *sent.last().unwrap() < 3600 + 62, "{sent:?}");
    assert_eq!(flock.deadline(), None);
}

#[test]
fn r17_an_acknowledgement_that_comes_after_the_next_try_counts() {
    let mut flock = Flock::new(&[PEER], 1);
    let out = published(&mut flock, 0, 5);
    let [Action::SendNotify(first, _)] = out[..] else { panic!("{out:?}") };
    let mut out = Vec::new();
    flock.handle(Tick(2000), Event::Tick, &mut out);
    let [Action::SendNotify(second, _)] = out[..] else { panic!("the second try: {out:?}") };
    flock.handle(Tick(2500), Event::Acknowledged(first), &mut Vec::new());
    assert_eq!(flock.followers()[0].acknowledged, Some((Serial(5), Tick(2500))));
    // The next word is due in a minute, and that the other try got no answer changes nothing.
    assert_eq!(flock.deadline(), Some(Tick(62_500)));
    flock.handle(Tick(5000), Event::Unanswered(second, String::from("late")), &mut Vec::new());
    assert_eq!(flock.followers()[0].failure, None);
    // Of what was told before the next version nothing counts for that.
    let out = published(&mut flock, 10_000, 6);
    let [Action::SendNotify(third, _)] = out[..] else { panic!("{out:?}") };
    published(&mut flock, 10_100, 7);
    flock.handle(Tick(10_200), Event::Acknowledged(third), &mut Vec::new());
    assert_eq!(flock.followers()[0].acknowledged, Some((Serial(5), Tick(2500))));
}

#[test]
fn f11_a_burst_gives_one_notify_at_once_and_one_after_it() {
    let mut flock = Flock::new(&[PEER], 1);
    let mut sent = 0;
    for edit in 0..100 {
        sent += published(&mut flock, edit * 2, edit as u32 + 1).len();
    }
    assert_eq!(sent, 1);
    assert_eq!(flock.deadline(), Some(Tick(250)));
}

#[test]
fn f11_a_hundred_edits_in_a_second_give_few_notifies_and_the_last_of_them_comes_after_the_last_edit() {
    let mut flock = Flock::new(&[PEER], 1);
    let mut sent = Vec::new();
    for edit in 0..100 {
        sent.extend(published(&mut flock, edit * 10, edit as u32 + 1).iter().map(|_| edit * 10));
    }
    let last = flock.deadline().expect("one more is due").0;
    sent.push(last);
    assert_eq!(sent, [0, 250, 500, 750, 1000]);
}

#[test]
fn r17_after_a_restart_only_those_are_told_that_are_not_known_to_have_it() {
    const OTHER: PeerId = PeerId(2);
    let now = |tick, wall| Now { tick: Tick(tick), wall: Wall(wall) };
    let mut flock = Flock::new(&[PEER, OTHER], 1);
    let out = published(&mut flock, 5_000_000, 5);
    let attempt = notify(&out[1..]);
    flock.handle(Tick(5_001_000), Event::Acknowledged(attempt), &mut Vec::new());
    flock.handle(Tick(5_002_000), Event::Delivered(PEER, Serial(5)), &mut Vec::new());
    assert_eq!(flock.revision(), 2);
    let memory = flock.memory(now(5_003_000, 70_000_000));

    // The boot clock began anew; the wall clock says that ten seconds went by.
    let mut flock = Flock::new(&[OTHER, PEER, PeerId(3)], 1);
    flock.recall(now(100_000, 70_010_000), &memory);
    let of = |flock: &Flock, peer| flock.followers().iter().find(|known| known.peer == peer).cloned();
    assert_eq!(of(&flock, PEER).unwrap().has, Some((Serial(5), Tick(89_000))));
    assert_eq!(of(&flock, OTHER).unwrap().acknowledged, Some((Serial(5), Tick(88_000))));
    let mut out = Vec::new();
    let refresh = Duration::from_secs(3600);
    flock.handle(Tick(100_000), Event::Serving { serial: Serial(5), refresh }, &mut out);
    let told: Vec<PeerId> = out
        .iter()
        .map(|action| match action {
            Action::SendNotify(_, peer) | Action::Probe(_, peer) => *peer,
        })
        .collect();
    assert_eq!(told, [OTHER, PeerId(3)]);
}

#[test]
fn r18_a_memory_from_the_future_is_no_time_old_and_a_damaged_one_says_nothing() {
    let now = |wall| Now { tick: Tick(50_000), wall: Wall(wall) };
    let mut flock = Flock::new(&[PEER], 1);
    flock.handle(Tick(49_000), Event::Delivered(PEER, Serial(5)), &mut Vec::new());
    let memory = flock.memory(now(9_000_000));
    let mut flock = Flock::new(&[PEER], 1);
    flock.recall(now(1_000), &memory);
    assert_eq!(flock.followers()[0].has, Some((Serial(5), Tick(49_000))));
    for length in 0..memory.len() {
        let mut flock = Flock::new(&[PEER], 1);
        flock.recall(now(9_000_000), &memory[..length]);
        assert_eq!(flock.followers()[0].has, None);
    }
    assert!(Flock::new(&[PEER], 1).memory(now(0)).is_empty());
}

#[test]
fn r17_acknowledged_but_not_seen_goes_to_the_slow_lane_until_a_request_shows_the_serial() {
    let mut flock = Flock::new(&[PEER], 1);
    let out = published(&mut flock, 0, 5);
    let attempt = notify(&out[..1]);
    flock.handle(Tick(10), Event::Acknowledged(attempt), &mut Vec::new());
    assert_eq!(flock.deadline(), Some(Tick(60_010)));
    flock.handle(Tick(20), Event::Asked(PEER, Some(Serial(4))), &mut Vec::new());
    assert_eq!(flock.deadline(), Some(Tick(60_010)));
    flock.handle(Tick(30), Event::Delivered(PEER, Serial(5)), &mut Vec::new());
    assert_eq!(flock.deadline(), None);
}

/// A secondary that acknowledged serial 5 and has been silent since, with the probe that follows.
fn probed(flock: &mut Flock) -> (Tick, Attempt) {
    let attempt = notify(&published(flock, 0, 5));
    flock.handle(Tick(100), Event::Acknowledged(attempt), &mut Vec::new());
    let due = flock.deadline().expect("a reminder");
    let mut out = Vec::new();
    flock.handle(due, Event::Tick, &mut out);
    let [Action::Probe(attempt, PEER)] = out[..] else { panic!("a probe: {out:?}") };
    (due, attempt)
}

#[test]
fn r17_who_acknowledged_and_was_not_seen_is_asked_before_it_is_reminded() {
    for shown in [5, 6] {
        let mut flock = Flock::new(&[PEER], 1);
        let (due, probe) = probed(&mut flock);
        let mut out = Vec::new();
        flock.handle(due, Event::Shown(probe, Serial(shown)), &mut out);
        assert_eq!((out, flock.deadline()), (Vec::new(), None), "it has the version from somewhere");
        assert_eq!(flock.followers()[0].has, Some((Serial(shown), due)));
        assert_eq!(flock.followers()[0].asked, None, "it asked nothing");
    }
}

#[test]
fn r17_a_probe_that_shows_an_older_serial_or_nothing_is_followed_by_the_reminder() {
    for answer in [Ok(Serial(4)), Err(String::from("silence"))] {
        let mut flock = Flock::new(&[PEER], 1);
        let (due, probe) = probed(&mut flock);
        let (mut out, next) = (Vec::new(), flock.deadline());
        match answer.clone() {
            Ok(serial) => flock.handle(due, Event::Shown(probe, serial), &mut out),
            Err(why) => flock.handle(due, Event::Unanswered(probe, why), &mut out),
        }
        let reminder = notify(&out);
        assert_eq!(flock.deadline(), next, "the slow lane goes on");
        assert_eq!(flock.followers()[0].failure, None, "{answer:?}");
        // An answer that comes once more is none.
        out.clear();
        flock.handle(due, Event::Shown(probe, Serial(5)), &mut out);
        assert!(out.is_empty() && flock.deadline() == next);
        flock.handle(due, Event::Acknowledged(reminder), &mut out);
        assert!(out.is_empty() && flock.deadline() == next);
    }
}

#[test]
fn r17_who_never_acknowledged_is_reminded_without_a_probe() {
    let mut flock = Flock::new(&[PEER], 1);
    published(&mut flock, 0, 5);
    let (mut told, mut last) = (1, Tick(0));
    while let Some(now) = flock.deadline() {
        let mut out = Vec::new();
        flock.handle(now, Event::Tick, &mut out);
        if !out.is_empty() {
            notify(&out);
            (told, last) = (told + 1, now);
        }
    }
    assert!(told > 6 && last < Tick(3_662_000), "{told} until {last:?}");
}
