//! What a version must be like that comes by a transfer: its ZONEMD (N03, R33) and its bounds (p192).

use super::*;
use crate::transfer::incoming::Form;
use crate::zone::Bounds;
use crate::zone::zonemd::{Algorithm, Flaw, Making, Policy};

/// Serial and records of `x.`, with hosts enough that a change of one goes as differences.
fn large(serial: u32, others: &[Record]) -> Arc<Version> {
    let hosts = (0..50).map(|host| a(&format!("host{host}.x."), host));
    version(serial, &hosts.chain(others.iter().cloned()).collect::<Vec<_>>())
}

/// What becomes of `after` as a whole zone and as differences from serial 5.
fn outcomes(demands: Demands, after: &Arc<Version>) -> [Result<(), TransferError>; 2] {
    let base = large(5, &[a("a.x.", 1)]);
    [AskKind::Axfr, AskKind::Ixfr].map(|kind| {
        let history = chain(&[base.clone(), after.clone()]);
        let (_, answer) = carry(Ask { demands, ..ask(kind.clone(), Some(&base)) }, after, &history);
        answer.map(|answer| match answer {
            Answer::Changed { form, .. } => assert_eq!(form == Form::Ixfr, kind == AskKind::Ixfr),
            other => panic!("{other:?}"),
        })
    })
}

#[test]
fn n03_a_version_that_does_not_verify_is_dropped() {
    let making = Making { algorithm: Algorithm::Sha512, records_max: 100 };
    let good = Arc::new(making.complete(&large(6, &[a("a.x.", 2)])));
    let bad = Arc::new(
        zone::edit(
            &good,
            &[soa("x.", 6), a("a.x.", 2)].iter().map(Record::as_ref).collect(),
            &[soa("x.", 6), a("a.x.", 3)].iter().map(Record::as_ref).collect(),
        )
        .unwrap()
        .0,
    );
    let none = large(6, &[a("a.x.", 2)]);
    let by = |zonemd, after| outcomes(Demands { zonemd, ..Demands::default() }, after);
    let differs = || Err(TransferError::Unverified(Flaw::DigestDiffers(Algorithm::Sha512)));
    let absent = || Err(TransferError::Unverified(Flaw::Absent));
    for policy in [Policy::Off, Policy::IfPresent, Policy::Require] {
        assert_eq!(by(policy, &good), [Ok(()), Ok(())]);
    }
    assert_eq!(by(Policy::Off, &bad), [Ok(()), Ok(())]);
    assert_eq!(by(Policy::IfPresent, &bad), [differs(), Ok(())]);
    assert_eq!(by(Policy::Require, &bad), [differs(), differs()]);
    assert_eq!(by(Policy::IfPresent, &none), [Ok(()), Ok(())]);
    assert_eq!(by(Policy::Require, &none), [absent(), absent()]);
}

#[test]
fn p192_a_version_with_too_large_a_name_is_dropped() {
    let bounds = Bounds { records_per_type: 3, types_per_name: 2, labels_per_name: 3 };
    let demands = Demands { bounds, ..Demands::default() };
    let said = |others: &[Record]| {
        outcomes(demands, &large(6, others)).map(|outcome| outcome.err().map(|error| error.to_string()))
    };
    let hosts = |count: u8| (0..count).map(|last| a("a.x.", last)).collect::<Vec<_>>();
    assert_eq!(said(&hosts(3)), [None, None]);
    let told = Some("`a.x.` has 4 A records, and 3 are allowed (limits.records_per_type_max)".to_owned());
    assert_eq!(said(&hosts(4)), [told.clone(), told]);
    let deep = said(&[a("a.x.", 1), a("d.c.b.x.", 1)]);
    let told = Some("`d.c.b.x.` has 4 labels, and 3 are allowed (limits.labels_per_name_max)".to_owned());
    assert_eq!(deep, [told.clone(), told]);
}
