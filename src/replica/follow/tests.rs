use super::*;
use crate::replica::timers::Clamps;
use crate::time::{Now, Wall};

const ONE: PeerId = PeerId(1);
const TWO: PeerId = PeerId(2);
const TIMERS: SoaTimers = SoaTimers { refresh: 3600, retry: 600, expire: 7200 };

/// A machine that holds serial 10, started at tick 0, with its clock.
struct Stage {
    follow: Follow,
    now: Tick,
    out: Vec<Action>,
}

impl Stage {
    fn holding(serial: Option<u32>, primaries: &[PeerId]) -> Stage {
        Stage::with(setup(primaries, LowerSerial::Alert), serial)
    }

    fn with(setup: Setup, serial: Option<u32>) -> Stage {
        let held = serial.map(|serial| Held { serial: Serial(serial), timers: TIMERS });
        let expires = held.map(|_| Tick(7_200_000));
        let mut stage =
            Stage { follow: Follow::new(setup, held, expires, 1, 1), now: Tick(0), out: Vec::new() };
        stage.tell(Event::Start { stagger: Duration::ZERO });
        stage
    }

    fn tell(&mut self, event: Event) {
        self.follow.handle(self.now, event, &mut self.out);
    }

    /// The request that is out, and forgets the other actions.
    fn request(&mut self) -> Option<Action> {
        let last =
            self.out.iter().rfind(|action| matches!(action, Action::AskSoa(..) | Action::Fetch { .. }));
        let last = last.cloned();
        self.out.clear();
        last
    }

    fn soa(&mut self, result: Result<u32, FailureClass>) {
        let Some(Action::AskSoa(attempt, ..)) = self.request() else { panic!("no SOA query is out") };
        let result = result.map(|serial| Seen { serial: Serial(serial), expire: None }).map_err(failure);
        self.tell(Event::Answered(attempt, result));
    }

    fn fetch(&mut self, result: Result<Fetched, FailureClass>) {
        let Some(Action::Fetch { attempt, .. }) = self.request() else { panic!("no transfer is out") };
        self.tell(Event::Fetched(attempt, result.map_err(failure)));
    }

    fn arrives(&mut self, serial: u32) {
        let seen = Seen { serial: Serial(serial), expire: None };
        self.fetch(Ok(Fetched::Changed(seen)));
        self.tell(Event::Settled { serial: Serial(serial), timers: TIMERS, expire: None });
    }

    fn sleep(&mut self) {
        self.now = self.follow.deadline().expect("a deadline is set");
        self.tell(Event::Tick);
    }
}

fn setup(primaries: &[PeerId], lower_serial: LowerSerial) -> Setup {
    let (primaries, authenticated) = (primaries.to_vec(), vec![TWO]);
    Setup { primaries, authenticated, ixfr: true, lower_serial, clamps: Clamps::default() }
}

fn failure(class: FailureClass) -> Failure {
    Failure { reason: Reason::PeerSilent, class, detail: String::from("test") }
}

fn current(serial: u32) -> Fetched {
    Fetched::Current(Seen { serial: Serial(serial), expire: None })
}

fn is_fetch(action: Option<Action>, from: PeerId, how: FetchKind) -> bool {
    matches!(action, Some(Action::Fetch { peer, kind, .. }) if peer == from && kind == how)
}

#[test]
fn g04_checks_come_at_refresh_and_after_a_failure_at_retry() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.soa(Ok(10));
    let due = stage.follow.deadline().unwrap();
    assert!((3_240_000..=3_600_000).contains(&due.0), "{due:?}");
    stage.sleep();
    stage.soa(Err(FailureClass::Unreachable));
    stage.soa(Err(FailureClass::Unreachable)); // the same over TCP
    let wait = stage.follow.deadline().unwrap().since(stage.now);
    assert!((540..=600).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn g05_expire_stops_the_zone_and_contact_brings_it_back() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    while stage.now < Tick(7_200_000) {
        match stage.request() {
            Some(Action::AskSoa(attempt, ..)) => {
                let result = Err(failure(FailureClass::Unreachable));
                stage.tell(Event::Answered(attempt, result));
            }
            _ => {
                stage.now = stage.follow.deadline().unwrap();
                stage.follow.handle(stage.now, Event::Tick, &mut stage.out);
            }
        }
    }
    assert!(stage.follow.is_expired());
    stage.soa(Ok(10));
    stage.arrives(10);
    assert!(!stage.follow.is_expired());
}

#[test]
fn r16_a_newer_hint_goes_straight_to_ixfr_and_an_equal_one_does_nothing() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.soa(Ok(10));
    stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(10)) });
    assert_eq!(stage.request(), None);
    stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(11)) });
    assert!(is_fetch(stage.out.last().cloned(), ONE, FetchKind::Ixfr));
}

#[test]
fn f07_notifies_during_a_transfer_leave_one_more_check() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.soa(Ok(11));
    stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(12)) });
    stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(13)) });
    stage.arrives(11);
    assert!(is_fetch(stage.out.last().cloned(), ONE, FetchKind::Ixfr));
    stage.arrives(13);
    assert!(stage.follow.deadline().unwrap().since(stage.now) > Duration::from_secs(3000));
}

#[test]
fn r16_a_hint_that_the_primary_does_not_make_true_is_checked_again_at_1_3_9_27_seconds() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.soa(Ok(10));
    stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(99)) });
    let mut waits = Vec::new();
    for _ in 0..4 {
        stage.fetch(Ok(current(10)));
        waits.push(stage.follow.deadline().unwrap().since(stage.now).as_secs());
        stage.sleep();
    }
    assert_eq!(waits, [1, 3, 9, 27]);
    stage.fetch(Ok(current(10)));
    assert!(stage.follow.deadline().unwrap().since(stage.now) > Duration::from_secs(3000));
}

#[test]
fn f08_a_flood_of_false_hints_gives_one_round_a_second() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.soa(Ok(10));
    let mut requests = 0;
    for millisecond in 0..10_000 {
        stage.now = Tick(1000 + millisecond);
        stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(99)) });
        if let Some(Action::Fetch { attempt, .. }) = stage.request() {
            requests += 1;
            // One that comes while the transfer is under way leaves one more check, no sooner.
            stage.tell(Event::Notify { peer: ONE, serial: Some(Serial(98)) });
            stage.tell(Event::Fetched(attempt, Ok(current(10))));
        }
    }
    assert!((9..=11).contains(&requests), "{requests}");
}

#[test]
fn r17_edits_in_quick_succession_are_fetched_as_fast_as_an_authenticated_primary_tells() {
    for (peer, wait) in [(TWO, 250), (ONE, 1000)] {
        let mut stage = Stage::holding(Some(10), &[ONE, TWO]);
        stage.soa(Ok(10));
        stage.soa(Ok(10));
        stage.tell(Event::Notify { peer, serial: Some(Serial(11)) });
        stage.arrives(11);
        stage.tell(Event::Notify { peer, serial: Some(Serial(12)) });
        assert_eq!(stage.follow.deadline(), Some(Tick(wait)));
    }
}

#[test]
fn g06_an_expire_of_nothing_asks_no_more_often_than_retry() {
    let mut stage = Stage::holding(None, &[ONE]);
    let timers = SoaTimers { refresh: 0, retry: 0, expire: 0 };
    let mut rounds = 0;
    while stage.now < Tick(600_000) {
        if rounds > 0 {
            stage.soa(Ok(1));
        }
        stage.fetch(Ok(Fetched::Changed(Seen { serial: Serial(1), expire: None })));
        stage.tell(Event::Settled { serial: Serial(1), timers, expire: None });
        rounds += 1;
        // To the next request, through the deadlines that bring none.
        while stage.out.iter().all(|action| !matches!(action, Action::AskSoa(..))) {
            stage.now = stage.now.max(stage.follow.deadline().expect("a deadline"));
            stage.tell(Event::Tick);
        }
    }
    // Every 15 s, the least RETRY.
    assert!((40..=42).contains(&rounds), "{rounds}");
}

#[test]
fn r18_a_lower_serial_or_a_failing_transfer_does_not_reset_expire() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.now = Tick(5000);
    stage.soa(Ok(9));
    assert_eq!(stage.follow.expires(), Some(Tick(7_200_000)));
    stage.sleep();
    stage.soa(Ok(11));
    stage.fetch(Err(FailureClass::Garbage));
    stage.fetch(Err(FailureClass::Garbage));
    assert_eq!(stage.follow.expires(), Some(Tick(7_200_000)));
}

#[test]
fn r18_a_whole_transfer_that_the_disk_refuses_resets_expire_and_is_tried_again_at_retry() {
    let mut stage = Stage::holding(Some(10), &[ONE, TWO]);
    stage.now = Tick(5000);
    stage.soa(Ok(11));
    let seen = Seen { serial: Serial(11), expire: None };
    stage.fetch(Ok(Fetched::Changed(seen)));
    stage.tell(Event::Unstored { serial: Serial(11), expire: None });
    assert_eq!(stage.follow.expires(), Some(Tick(7_205_000)));
    assert_eq!(stage.request(), None, "the disk is the same for all rungs");
    let wait = stage.follow.deadline().unwrap().since(stage.now);
    assert!((540..=600).contains(&wait.as_secs()), "{wait:?}");
    // What we hold was not replaced, so an option that is less shortens nothing (R19).
    stage.now = Tick(6000);
    stage.tell(Event::Refresh);
    stage.soa(Ok(11));
    let short = Seen { serial: Serial(11), expire: Some(60) };
    stage.fetch(Ok(Fetched::Changed(short)));
    stage.tell(Event::Unstored { serial: Serial(11), expire: Some(60) });
    assert_eq!(stage.follow.expires(), Some(Tick(7_205_000)));
    // A primary that went back has no word for what we hold.
    stage.now = Tick(10_000);
    stage.tell(Event::Retransfer);
    stage.soa(Ok(9));
    stage.fetch(Ok(Fetched::Changed(Seen { serial: Serial(9), expire: None })));
    stage.tell(Event::Unstored { serial: Serial(9), expire: None });
    assert_eq!(stage.follow.expires(), Some(Tick(7_205_000)));
}

#[test]
fn r18_an_equal_serial_counts_though_the_operator_wants_a_transfer_that_fails() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    stage.soa(Ok(10));
    stage.now = Tick(100_000);
    stage.tell(Event::Retransfer);
    stage.soa(Ok(10));
    assert_eq!(stage.follow.expires(), Some(Tick(7_300_000)));
    stage.fetch(Err(FailureClass::Garbage));
    // It is still wanted, at RETRY and not at REFRESH.
    let wait = stage.follow.deadline().unwrap().since(stage.now);
    assert!((540..=600).contains(&wait.as_secs()), "{wait:?}");
    stage.sleep();
    stage.soa(Ok(10));
    stage.arrives(10);
    assert_eq!(
        stage.follow.deadline().map(|due| due.since(stage.now) > Duration::from_secs(3000)),
        Some(true)
    );
}

#[test]
fn e09_ixfr_that_fails_in_any_way_falls_back_to_axfr() {
    for class in [FailureClass::IxfrRefused, FailureClass::Garbage, FailureClass::Refused] {
        let mut stage = Stage::holding(Some(10), &[ONE]);
        stage.soa(Ok(11));
        stage.fetch(Err(class));
        assert!(is_fetch(stage.out.last().cloned(), ONE, FetchKind::Axfr), "{class:?}");
    }
}

#[test]
fn r14_three_differences_that_do_not_fit_make_a_primary_axfr_only_for_a_day() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    for serial in 11..14 {
        stage.soa(Ok(serial));
        stage.fetch(Err(FailureClass::IxfrInconsistent));
        stage.arrives(serial);
        stage.sleep();
    }
    stage.soa(Ok(14));
    assert!(is_fetch(stage.out.last().cloned(), ONE, FetchKind::Axfr));
}

#[test]
fn r14_an_axfr_only_primary_is_one_after_a_restart_too_until_its_day_is_over() {
    let mut stage = Stage::holding(Some(10), &[ONE, TWO]);
    let detail = String::from("test");
    let failure = Failure { reason: Reason::IxfrInconsistent, class: FailureClass::IxfrInconsistent, detail };
    (0..3).for_each(|_| stage.follow.note_failure(stage.now, ONE, failure.clone(), &mut Vec::new()));
    assert_eq!(stage.follow.revision(), 1);
    let at = |hours: u64| Now { tick: Tick(0), wall: Wall(hours * 3_600_000) };
    let memory = stage.follow.memory(at(1));
    for (hour, kind) in [(0, FetchKind::Axfr), (24, FetchKind::Axfr), (25, FetchKind::Ixfr)] {
        let mut stage = Stage::holding(Some(10), &[ONE, TWO]);
        stage.follow.recall(at(hour), &memory);
        stage.soa(Ok(11));
        let first = stage.request();
        // Asked for differences: the other one, as long as this one gives none.
        let peer = if kind == FetchKind::Axfr { TWO } else { ONE };
        assert!(is_fetch(first.clone(), peer, FetchKind::Ixfr), "{hour} {first:?}");
    }
}

#[test]
fn g10_a_stale_primary_does_not_hide_a_newer_one_and_nothing_goes_back() {
    let mut stage = Stage::holding(Some(10), &[ONE, TWO]);
    stage.soa(Ok(9));
    stage.soa(Ok(11));
    assert!(is_fetch(stage.out.last().cloned(), TWO, FetchKind::Ixfr));
}

#[test]
fn late_results_of_other_attempts_are_ignored() {
    let mut stage = Stage::holding(Some(10), &[ONE]);
    let before = stage.follow.state.clone();
    stage.tell(Event::Answered(Attempt(999), Err(failure(FailureClass::Garbage))));
    assert_eq!(stage.follow.state, before);
}

#[test]
fn g10_without_a_version_the_whole_zone_is_asked_for_at_once_of_one_primary_after_the_other() {
    let mut stage = Stage::holding(None, &[ONE, TWO]);
    assert_eq!(stage.out.len(), 1, "no question for a serial that nothing is compared with");
    assert!(is_fetch(stage.out.last().cloned(), ONE, FetchKind::Axfr));
    stage.fetch(Err(FailureClass::Refused));
    assert!(is_fetch(stage.out.last().cloned(), TWO, FetchKind::Axfr));
    stage.fetch(Err(FailureClass::Unreachable));
    let first = stage.follow.deadline().unwrap().since(stage.now);
    stage.sleep();
    assert!(is_fetch(stage.out.last().cloned(), ONE, FetchKind::Axfr));
    stage.fetch(Err(FailureClass::Unreachable));
    stage.fetch(Err(FailureClass::Unreachable));
    assert!(stage.follow.deadline().unwrap().since(stage.now) > first);
    stage.now = stage.now + HINT_SPACING;
    stage.tell(Event::Notify { peer: TWO, serial: Some(Serial(1)) });
    assert!(is_fetch(stage.out.last().cloned(), TWO, FetchKind::Axfr), "who has it is asked first");
    stage.arrives(1);
    stage.sleep();
    assert!(matches!(stage.request(), Some(Action::AskSoa(_, ONE, _))));
}

mod lower;
