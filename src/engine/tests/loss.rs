//! What was lost of a store: taken back (R01), or asked for before a serial is chosen (R07).

use super::*;

impl Bench {
    /// A new server whose secondaries have not answered yet.
    fn without_state(role: Role) -> Bench {
        Bench::begin(role)
    }

    fn secondary_says(&mut self, result: Result<Answer, TransferError>) {
        let is_poll = |job: &Job| job.peer == NS2 && job.ask.kind == AskKind::Soa;
        let at = self.asked.iter().position(is_poll).expect("the secondary is asked");
        let job = self.asked.remove(at);
        self.tell(Event::Answered(ZONE, job.attempt, result));
    }

    fn secondary_has(&mut self, serial: u32) {
        self.secondary_says(Ok(Answer::Soa { serial: Serial(serial), expire: None }));
    }
}

#[test]
fn r07_the_files_serial_is_published_at_once_and_the_newest_of_the_secondaries_is_the_floor() {
    let mut bench = Bench::without_state(primary());
    bench.serves(5);
    bench.secondary_has(42);
    bench.serves(43);
    assert_eq!(bench.notes, [Reason::FlockAhead]);
    bench.edit(zone_text(6, 4));
    bench.serves(44);
    bench.restart(|_| ());
    bench.serves(44);
    assert!(bench.asked.iter().all(|job| job.ask.kind != AskKind::Soa), "nothing is lost any more");
}

#[test]
fn r07_a_crash_before_the_secondaries_have_answered_asks_them_again() {
    let mut bench = Bench::without_state(primary());
    bench.serves(5);
    bench.restart(|_| ());
    bench.edit(zone_text(5, 4));
    bench.serves(5);
    bench.secondary_has(42);
    bench.serves(43);
    bench.restart(|_| ());
    assert!(bench.asked.iter().all(|job| job.ask.kind != AskKind::Soa), "it is known by now");

    let mut bench = Bench::without_state(primary());
    bench.secondary_has(5);
    bench.restart(|_| ());
    assert!(bench.asked.iter().all(|job| job.ask.kind != AskKind::Soa), "nothing newer is an answer too");
}

#[test]
fn r07_no_serial_is_chosen_before_the_secondaries_have_answered() {
    let mut bench = Bench::without_state(primary());
    bench.edit(zone_text(5, 4));
    bench.serves(5);
    assert!(bench.command(Command::Rollback(Serial(5))).is_err());
    bench.secondary_has(5);
    bench.serves(6);
    assert_eq!(bench.notes, []);
}

#[test]
fn r07_answers_that_come_before_the_file_is_read_or_written_wait_for_it() {
    let mut bench = Bench::without_state(primary());
    bench.slow_store = true;
    bench.disk = SimDisk::new();
    bench.store = Store::open(Arc::new(bench.disk.clone()), Path::new("/state"), options()).unwrap().0;
    bench.shard = Shard::new(settings());
    bench.asked.clear();
    bench.configure(None);
    bench.secondary_has(42);
    assert_eq!(bench.shown.last(), Some(&Err("loading")));
    bench.slow_store = false;
    let (ticket, write) = bench.writes.pop().expect("the file's version is written");
    bench.commit(ticket, write);
    assert_eq!(bench.shown[bench.shown.len() - 2..], [Ok(5), Ok(43)]);
}

#[test]
fn r07_if_no_secondary_answers_in_two_seconds_it_says_so_and_goes_on() {
    let mut bench = Bench::without_state(primary());
    bench.edit(zone_text(5, 4));
    bench.wait(Duration::from_millis(1900));
    bench.serves(5);
    bench.wait(Duration::from_millis(200));
    bench.serves(6);
    assert_eq!(bench.notes, [Reason::FlockSilent]);
}

#[test]
fn r07_a_secondary_without_the_zone_is_an_answer() {
    let mut bench = Bench::without_state(primary());
    bench.secondary_says(Err(TransferError::NotAuthoritative));
    bench.edit(zone_text(5, 4));
    bench.serves(6);
    assert_eq!(bench.notes, []);
}

#[test]
fn r07_a_serial_that_we_may_not_choose_is_asked_of_the_operator() {
    let (serial, cold_start) = (SerialPolicy::Keep, ColdStart::ServeLast);
    let mut bench = Bench::without_state(Role::Primary { file: FILE.into(), serial, cold_start });
    bench.secondary_has(42);
    bench.serves(5);
    let problem = bench.status().problem.clone().expect("somebody must raise it");
    assert!(problem.code == Reason::FileSerialLower.code() && problem.text.contains("43"), "{problem:?}");
    bench.edit(zone_text(43, 3));
    bench.serves(43);
}

#[test]
fn r07_a_body_without_its_row_may_be_behind_what_was_published() {
    let mut bench = Bench::new(primary());
    bench.edit(zone_text(6, 4));
    bench.restart(|zone| zone.row_lost = true);
    bench.file = zone_text(6, 5);
    bench.serves(6);
    bench.secondary_has(9);
    bench.serves(10);
}

#[test]
fn r07_a_file_that_is_mended_later_goes_above_what_the_secondaries_have() {
    let mut bench = Bench::without_state(primary());
    bench.shard = Shard::new(settings());
    bench.disk = SimDisk::new();
    bench.store = Store::open(Arc::new(bench.disk.clone()), Path::new("/state"), options()).unwrap().0;
    bench.file = String::from("@ SOA broken\n");
    bench.asked.clear();
    bench.configure(None);
    bench.secondary_has(42);
    assert_eq!(bench.shown.last(), Some(&Err("faulted")));
    bench.edit(zone_text(5, 3));
    bench.serves(43);
}

#[test]
fn r01_what_was_lost_of_a_secondary_comes_back_under_the_serial_it_had() {
    let mut bench = Bench::following(9, 3);
    bench.serves(9);
    bench.restart(|zone| zone.version = None);
    bench.transfer(None, version(9, 3));
    bench.serves(9);

    bench.restart(|zone| zone.version = Some(version(7, 3)));
    bench.serves(7);
    bench.wait(Duration::from_secs(3));
    bench.soa(9);
    bench.transfer(Some(version(7, 3)), version(9, 3));
    bench.serves(9);
}

#[test]
fn r01_a_primary_that_lost_the_end_of_its_chain_moves_past_what_it_published() {
    let mut bench = Bench::new(primary());
    bench.edit(zone_text(9, 4));
    bench.serves(9);
    bench.file = zone_text(5, 4);
    bench.restart(|zone| zone.version = Some(version(7, 3)));
    bench.serves(10);
}
