//! Name servers that are told though no config names them (`notify_ns`, R17).

use super::*;

const NS3: PeerId = PeerId(3);

impl Bench {
    fn telling_servers(found: &[PeerId]) -> Bench {
        let mut bench = Bench::new(primary());
        bench.servers = found.to_vec();
        bench.setup.notify_ns = true;
        bench.asked.clear();
        bench.configure(None);
        bench
    }

    /// Who is sent NOTIFYs that are out.
    fn told(&self) -> Vec<PeerId> {
        let notifies = self.asked.iter().filter(|job| matches!(job.ask.kind, AskKind::Notify(_)));
        notifies.map(|job| job.peer).collect()
    }
}

#[test]
fn r17_the_name_servers_are_found_and_told_with_each_version() {
    let mut bench = Bench::telling_servers(&[NS2, NS3]);
    let names = |bench: &Bench| bench.sought.last().map(|names| format!("{names:?}")).unwrap_or_default();
    assert!(names(&bench).contains("ns.example."), "{}", names(&bench));
    // The other one is a secondary of the config, and was told before.
    assert_eq!(bench.told(), [NS3]);
    assert_eq!(bench.status().secondaries.len(), 2);
    bench.asked.clear();
    bench.wait(Duration::from_secs(1));
    bench.edit(zone_text(6, 3) + "@ NS ns.example.net.\n");
    assert_eq!(bench.told(), [NS2, NS3]);
    assert!(names(&bench).contains("ns.example.net."), "{}", names(&bench));
    // One that is not among them any more hears nothing more.
    bench.asked.clear();
    bench.servers = vec![NS1];
    bench.wait(Duration::from_secs(1));
    bench.edit(zone_text(7, 3));
    bench.edit(zone_text(8, 3));
    bench.wait(Duration::from_secs(1));
    assert!(
        bench.told().contains(&NS1) && bench.status().secondaries.iter().all(|known| known.peer != NS3.0)
    );
}

#[test]
fn r17_what_other_zones_say_later_is_found_later() {
    let mut bench = Bench::telling_servers(&[]);
    bench.servers = vec![NS3];
    bench.wait(Duration::from_secs(9));
    assert!(!bench.told().contains(&NS3));
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.told().iter().filter(|peer| **peer == NS3).count(), 1);
    // What it has is known through a restart, though it is found only after it.
    bench.tell(Event::Delivered(ZONE, NS3, Serial(5)));
    bench.wait(Duration::from_secs(61));
    bench.restart(|_| ());
    assert!(!bench.told().contains(&NS3), "{:?}", bench.told());
    assert_eq!(bench.status().secondaries[1].has, Some(5));
}

#[test]
fn r17_without_notify_ns_nobody_is_looked_for() {
    let mut bench = Bench::new(primary());
    bench.edit(zone_text(6, 4));
    bench.wait(Duration::from_secs(3600));
    assert!(bench.sought.is_empty());
    let mut bench = Bench::telling_servers(&[NS3]);
    bench.setup.notify_ns = false;
    bench.configure(None);
    assert_eq!(bench.status().secondaries.len(), 1);
    bench.asked.clear();
    bench.edit(zone_text(6, 4));
    assert!(!bench.told().contains(&NS3));
}
