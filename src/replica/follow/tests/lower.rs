//! Serials below ours: of an expired zone, and of one whose operator lets them be taken (R20).

use super::*;
use crate::ident::Transport;

const HOUR: Duration = Duration::from_secs(3600);

/// A zone at serial 10 that is expired when it starts.
fn expired(lower_serial: LowerSerial) -> Stage {
    let held = Some(Held { serial: Serial(10), timers: TIMERS });
    let follow = Follow::new(setup(&[ONE, TWO], lower_serial), held, Some(Tick(0)), 1, 1);
    let mut stage = Stage { follow, now: Tick(0), out: Vec::new() };
    stage.tell(Event::Start { stagger: Duration::ZERO });
    stage
}

impl Stage {
    /// The SOA queries that are out, by peer.
    fn polls(&mut self) -> Vec<(Attempt, PeerId, Transport)> {
        let polls = self.out.drain(..).filter_map(|action| match action {
            Action::AskSoa(attempt, peer, transport) => Some((attempt, peer, transport)),
            _ => None,
        });
        polls.collect()
    }

    fn shows(&mut self, attempt: Attempt, serial: u32) {
        self.tell(Event::Answered(attempt, Ok(Seen { serial: Serial(serial), expire: None })));
    }

    fn fetches_whatever_comes(&mut self) -> Option<PeerId> {
        match self.request() {
            Some(Action::Fetch { peer, kind: FetchKind::Axfr, accept_lower: true, .. }) => Some(peer),
            _ => None,
        }
    }

    /// One round in which each primary shows its serial.
    fn round(&mut self, serials: &[u32]) {
        serials.iter().for_each(|serial| self.soa(Ok(*serial)));
    }
}

#[test]
fn r20_an_expired_zone_asks_all_at_once_and_takes_the_newest_though_it_is_lower() {
    let mut stage = expired(LowerSerial::Alert);
    let polls = stage.polls();
    assert_eq!(polls.iter().map(|(_, peer, _)| *peer).collect::<Vec<_>>(), [ONE, TWO]);
    stage.shows(polls[0].0, 7);
    assert!(stage.out.is_empty(), "the first answer is not taken: {:?}", stage.out);
    stage.shows(polls[1].0, 8);
    assert!(stage.out.iter().any(|action| matches!(action, Action::Note(Reason::SerialBack, ..))));
    assert_eq!(stage.fetches_whatever_comes(), Some(TWO));
    stage.tell(Event::Settled { serial: Serial(8), timers: TIMERS, expire: None });
    assert!(!stage.follow.is_expired());
}

#[test]
fn r20_the_next_newest_is_asked_when_the_newest_cannot_give_its_zone() {
    let mut stage = expired(LowerSerial::Alert);
    let polls = stage.polls();
    stage.shows(polls[1].0, 7);
    stage.shows(polls[0].0, u32::MAX);
    let Some(Action::Fetch { attempt, peer: TWO, .. }) = stage.request() else { panic!("7 is newer") };
    stage.tell(Event::Fetched(attempt, Err(failure(FailureClass::Garbage))));
    assert_eq!(stage.fetches_whatever_comes(), Some(ONE));
}

#[test]
fn r20_who_does_not_answer_within_five_seconds_is_not_waited_for() {
    let mut stage = expired(LowerSerial::Alert);
    let polls = stage.polls();
    stage.shows(polls[1].0, 8);
    stage.now = Tick(3000);
    stage.tell(Event::Answered(polls[0].0, Err(failure(FailureClass::Unreachable))));
    let again = stage.polls();
    assert_eq!(again[0].1, ONE);
    assert_eq!(again[0].2, Transport::Tcp, "the other transport has the rest of the time");
    assert_eq!(stage.follow.deadline(), Some(Tick(5000)));
    stage.now = Tick(5000);
    stage.tell(Event::Tick);
    assert!(stage.out.contains(&Action::GiveUp(again[0].0)));
    assert_eq!(stage.fetches_whatever_comes(), Some(TWO));
    stage.shows(again[0].0, 9);
    assert!(stage.out.is_empty(), "what comes later is not used: {:?}", stage.out);
}

#[test]
fn r20_if_nobody_answers_within_five_seconds_the_first_who_does_is_taken() {
    let mut stage = expired(LowerSerial::Alert);
    let polls = stage.polls();
    stage.now = Tick(5000);
    stage.tell(Event::Tick);
    assert!(stage.out.is_empty(), "the questions stay out: {:?}", stage.out);
    assert!(stage.follow.deadline().unwrap() > Tick(5000));
    stage.now = Tick(60_000);
    stage.shows(polls[1].0, 8);
    assert!(stage.out.contains(&Action::GiveUp(polls[0].0)));
    assert_eq!(stage.fetches_whatever_comes(), Some(TWO));
}

#[test]
fn r20_never_holds_after_expire_too() {
    let mut stage = expired(LowerSerial::Never);
    let polls = stage.polls();
    stage.shows(polls[0].0, 9);
    stage.shows(polls[1].0, 8);
    assert_eq!(stage.request(), None);
    stage.sleep();
    let polls = stage.polls();
    stage.shows(polls[0].0, 10);
    stage.shows(polls[1].0, 8);
    assert_eq!(stage.fetches_whatever_comes(), Some(ONE));
}

#[test]
fn r20_a_zone_that_expires_during_a_round_begins_another_at_once() {
    let mut stage = Stage::holding(Some(10), &[ONE, TWO]);
    stage.now = Tick(7_200_000);
    stage.soa(Ok(11));
    assert!(stage.follow.is_expired());
    assert_eq!(stage.polls().len(), 2);
}

#[test]
fn r20_accept_after_takes_what_an_authenticated_primary_says_for_long_enough() {
    let mut stage = Stage::with(setup(&[ONE, TWO], LowerSerial::AcceptAfter(HOUR)), Some(10));
    let begin = stage.now;
    stage.round(&[8, 8]);
    while stage.follow.deadline().unwrap().since(begin) < HOUR {
        stage.sleep();
        stage.round(&[8, 8]);
        assert_eq!(stage.request(), None, "not yet");
    }
    stage.sleep();
    stage.round(&[8, 9]);
    assert_eq!(stage.fetches_whatever_comes(), Some(TWO));
}

#[test]
fn r20_accept_after_counts_no_answer_of_a_stranger() {
    let setup = Setup { authenticated: Vec::new(), ..setup(&[ONE, TWO], LowerSerial::AcceptAfter(HOUR)) };
    never_takes(Stage::with(setup, Some(10)), &[[8, 8]]);
}

#[test]
fn r20_accept_after_begins_anew_when_answers_do_not_agree() {
    let stage = Stage::with(setup(&[ONE, TWO], LowerSerial::AcceptAfter(HOUR)), Some(10));
    never_takes(stage, &[[8, 9], [8, 7]]);
}

#[track_caller]
fn never_takes(mut stage: Stage, rounds: &[[u32; 2]]) {
    let begin = stage.now;
    for serials in rounds.iter().cycle() {
        stage.round(serials);
        assert_eq!(stage.request(), None);
        if stage.follow.deadline().unwrap().since(begin) >= 2 * HOUR {
            return;
        }
        stage.sleep();
    }
}
