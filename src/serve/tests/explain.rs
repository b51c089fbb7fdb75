//! What `explain` says of a query.

use super::*;
use crate::trace::Steps;

fn explained(world: &World, octets: &[u8]) -> Vec<String> {
    let mut worker = WorkerState::new();
    let mut steps = Steps::default();
    let mut out = [0; 1232];
    let from = STRANGER.parse().unwrap();
    serve(octets.into(), from, Transport::Udp, NOW, world, &mut worker, &mut out, &mut steps);
    steps.0.into_iter().map(|step| step.0).collect()
}

#[test]
fn explain_is_the_same_code_with_a_trace() {
    assert_eq!(
        explained(&world(), &query("x.www.example.", "A")),
        [
            "the zone example. answers for x.www.example.",
            "198.51.100.9 over udp without a key is allowed by rule 1 (any)",
            "serial 8 of example. is served",
            "x.www.example. does not exist; its closest encloser is www.example. without a wildcard",
        ]
    );
}

#[test]
fn explain_says_what_the_zone_has_for_a_name() {
    let text = "a.b 60 A 192.0.2.1\n*.w 60 A 192.0.2.2\ncut 60 NS ns.elsewhere.\nd 60 DNAME elsewhere.";
    let world = with_zone(world(), "example.", zone("example.", text));
    for (qname, said) in [
        ("a.b.example.", "a.b.example. exists in example."),
        ("b.example.", "b.example. is an empty non-terminal of example.: it exists and has no data"),
        ("x.w.example.", "x.w.example. does not exist; the wildcard *.w.example. stands in for it"),
        ("x.cut.example.", "x.cut.example. is at or below the zone cut cut.example. of example."),
        ("x.d.example.", "x.d.example. is below the DNAME d.example. of example."),
    ] {
        assert_eq!(explained(&world, &query(qname, "A"))[3], said);
    }
}
