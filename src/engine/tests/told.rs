//! What the status tells of transfers.

use super::*;

#[test]
fn an_answer_that_nothing_changed_does_not_hide_what_the_last_transfer_did() {
    let mut bench = Bench::following(6, 3);
    let last = bench.status().last_transfer.clone().expect("a transfer");
    assert_eq!(last.result, "axfr to serial 6, 0 records");
    bench.wait(Duration::from_secs(5));
    bench.tell(Event::Notify { zone: ZONE, from: NS1, serial: Some(Serial(7)) });
    bench.answer(Ok(Answer::Current { serial: Serial(6), expire: None }));
    assert_eq!(bench.status().last_transfer, Some(last.clone()));
    // A transfer that failed does.
    bench.wait(Duration::from_secs(5));
    bench.tell(Event::Notify { zone: ZONE, from: NS1, serial: Some(Serial(7)) });
    while bench.asked.iter().any(|job| job.peer == NS1) {
        bench.answer(Err(TransferError::Silent(None)));
    }
    assert_ne!(bench.status().last_transfer, Some(last));
}
