//! Going back to an earlier version while another one is on its way (R12).

use super::*;

#[test]
fn r12_a_rollback_says_so_if_another_version_is_on_its_way() {
    let mut bench = Bench::new(primary());
    bench.slow_store = true;
    bench.edit(zone_text(6, 4));
    assert!(bench.command(Command::Rollback(Serial(5))).is_err());
    let (ticket, write) = bench.writes.pop().unwrap();
    bench.slow_store = false;
    bench.commit(ticket, write);
    bench.serves(6);
    assert!(bench.done.is_empty());
    bench.command(Command::Rollback(Serial(5))).unwrap();
    bench.serves(7);
}
