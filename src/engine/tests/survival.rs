//! What the machines know survives a restart (invariant 5), at the cost of few writes.

use super::*;
use crate::env::sim::Fault;

impl Bench {
    /// How many NOTIFYs for the secondary are out.
    fn notifies(&self) -> usize {
        self.asked.iter().filter(|job| job.peer == NS2).count()
    }
}

#[test]
fn r17_who_is_known_to_have_the_version_is_not_notified_after_a_restart() {
    let mut bench = Bench::new(primary());
    bench.restart(|_| ());
    assert_eq!(bench.notifies(), 1, "nothing is known yet");
    bench.tell(Event::Delivered(ZONE, NS2, Serial(5)));
    bench.wait(Duration::from_secs(61));
    bench.restart(|_| ());
    assert_eq!(bench.notifies(), 0);
    assert_eq!(bench.status().secondaries[0].has, Some(5));
    bench.edit(zone_text(6, 4));
    assert_eq!(bench.notifies(), 1);
    bench.restart(|_| ());
    assert_eq!(bench.notifies(), 1, "it has 5, and 6 is served");
}

#[test]
fn r17_what_secondaries_do_is_written_once_a_minute_or_with_the_next_version() {
    let mut bench = Bench::new(primary());
    bench.slow_store = true;
    let notify = bench.asked.iter().rfind(|job| job.peer == NS2).expect("it is told").attempt;
    bench.tell(Event::Answered(ZONE, notify, Ok(Answer::NotifyAck)));
    bench.tell(Event::Delivered(ZONE, NS2, Serial(5)));
    bench.wait(Duration::from_secs(30));
    assert!(bench.writes.is_empty());
    bench.wait(Duration::from_secs(31));
    let [(ticket, write)] = &bench.writes[..] else { panic!("one write for all: {:?}", bench.writes) };
    let (ticket, write) = (*ticket, write.clone());
    bench.commit(ticket, write);
    bench.writes.clear();

    // Nothing new is nothing to write; and a version takes along what is new.
    bench.tell(Event::Delivered(ZONE, NS2, Serial(5)));
    bench.wait(Duration::from_secs(61));
    assert!(bench.writes.is_empty());
    bench.tell(Event::Delivered(ZONE, NS2, Serial(4)));
    bench.edit(zone_text(6, 4));
    assert_eq!(bench.writes.len(), 1);
    bench.wait(Duration::from_secs(61));
    assert_eq!(bench.writes.len(), 1);
}

#[test]
fn r17_a_server_that_stops_writes_what_it_knows() {
    let mut bench = Bench::new(primary());
    bench.tell(Event::Stop);
    bench.tell(Event::Delivered(ZONE, NS2, Serial(5)));
    bench.tell(Event::Stop);
    bench.restart(|_| ());
    assert_eq!(bench.notifies(), 0);
}

#[test]
fn r17_a_new_secondary_in_the_config_is_told_and_the_old_one_is_not_told_again() {
    let mut bench = Bench::new(primary());
    bench.tell(Event::Delivered(ZONE, NS2, Serial(5)));
    bench.asked.clear();
    bench.setup.notify.push(NS1);
    bench.configure(None);
    assert_eq!(bench.asked.iter().map(|job| job.peer).collect::<Vec<_>>(), [NS1]);
    assert_eq!(bench.status().secondaries[0].has, Some(5));
}

#[test]
fn r14_an_axfr_only_primary_is_one_after_a_restart_too() {
    let mut bench = Bench::following(5, 3);
    for serial in 6..9 {
        bench.wait(Duration::from_secs(3600));
        bench.soa(serial);
        bench.answer(Err(TransferError::Inconsistent(crate::zone::ApplyError::MissingRecord)));
        bench.transfer(None, version(serial, 3));
    }
    bench.restart(|_| ());
    bench.wait(Duration::from_secs(3));
    bench.soa(9);
    let asked = bench.asked.iter().rfind(|job| job.peer == NS1).expect("it transfers");
    assert_eq!(asked.ask.kind, AskKind::Axfr);
}

#[test]
fn r17_after_a_start_the_flock_is_told_what_is_served() {
    let mut bench = Bench::new(primary());
    bench.restart(|_| ());
    let told = bench.asked.iter().find(|job| job.peer == NS2).expect("a NOTIFY leaves");
    assert!(matches!(told.ask.kind, AskKind::Notify(_)));
}

#[test]
fn r04_a_body_repeats_floor_and_deadline_a_day_after_they_moved_and_then_rests() {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut bench = Bench::new(primary());
    bench.slow_store = true;
    bench.wait(DAY - Duration::from_secs(1));
    assert!(bench.writes.is_empty());
    bench.wait(Duration::from_secs(1));
    let (ticket, write) = bench.writes.pop().expect("it is time");
    assert!(matches!(write.body, BodyWrite::Repeat) && write.meta.serial_floor == Some(Serial(5)));
    bench.commit(ticket, write);
    bench.wait(3 * DAY);
    assert!(bench.writes.is_empty(), "nothing moved");
}

#[test]
fn r18_a_deadline_that_only_a_body_repeats_is_kept() {
    let mut bench = Bench::following(6, 3);
    bench.restart(|zone| zone.meta.refreshed_at = None);
    bench.wait(Duration::from_secs(86_399));
    bench.serves(6);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.shown.last(), Some(&Err("expired")));
    // A wall clock that went back gives no more than EXPIRE.
    let mut bench = Bench::following(6, 3);
    bench.now.wall = Wall(0);
    bench.restart(|zone| zone.meta.refreshed_at = None);
    bench.wait(Duration::from_secs(86_401));
    assert_eq!(bench.shown.last(), Some(&Err("expired")));
}

#[test]
fn r09_a_removal_is_told_when_it_is_on_disk() {
    let mut bench = Bench::new(primary());
    bench.slow_store = true;
    bench.tell(Event::Remove(ZONE, Some(Token(7))));
    assert_eq!(bench.shown.last(), Some(&Err("gone")));
    assert!(bench.done.is_empty(), "it is not gone yet");
    let (ticket, write) = bench.writes.pop().expect("its state is deleted");
    bench.commit(ticket, write);
    assert_eq!(bench.done.pop(), Some(Ok(String::from("its state is deleted"))));

    let mut bench = Bench::new(primary());
    bench.disk.fail_from(bench.disk.writes() + 1, Fault::NoSpace);
    bench.tell(Event::Remove(ZONE, Some(Token(7))));
    let refused = bench.done.pop().expect("an answer").expect_err("it is still there");
    assert!(refused.starts_with("its state is still on the disk: "), "{refused}");
    bench.tell(Event::Remove(ZONE, Some(Token(8))));
    assert_eq!(bench.done.pop(), Some(Err(String::from("no such zone"))));
}

#[test]
fn r07_the_receipt_of_a_removed_zone_is_not_taken_for_one_of_its_next_life() {
    let mut bench = Bench::new(primary());
    bench.slow_store = true;
    bench.edit(zone_text(6, 4));
    let (stale, _) = bench.writes.pop().expect("the edit is written");
    bench.tell(Event::Remove(ZONE, None));
    bench.writes.clear();
    bench.configure(None);
    let (ticket, write) = bench.writes.pop().expect("the file is written");
    let receipt = bench.store.commit(&[write]).unwrap();
    bench.tell(Event::Synced(ZONE, stale, receipt, None));
    assert_eq!(bench.shown.last(), Some(&Err("loading")));
    bench.tell(Event::Synced(ZONE, ticket, receipt, None));
    bench.serves(6);
}
