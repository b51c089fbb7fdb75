//! Which files the watcher is told of, and when.

use super::*;

#[test]
fn r09_a_file_without_includes_is_told_before_its_first_reading_and_after_each_later_one() {
    let mut bench = Bench::new(primary());
    let alone = vec![PathBuf::from(FILE)];
    assert_eq!(bench.watched, std::slice::from_ref(&alone));
    // By then another link may lead to it.
    for text in [zone_text(6, 4), String::from("broken"), zone_text(7, 4)] {
        bench.watched.clear();
        bench.edit(text);
        assert_eq!(bench.watched, std::slice::from_ref(&alone));
    }
}

#[test]
fn r09_what_a_file_includes_is_told_after_the_first_reading() {
    let mut bench = Bench::new(secondary());
    // Every name leads to the same text here, so that the file includes itself without end.
    bench.file = String::from("$INCLUDE other\n");
    bench.setup.role = primary();
    bench.watched.clear();
    bench.configure(None);
    let told: Vec<usize> = bench.watched.iter().map(Vec::len).collect();
    assert!(told.len() == 2 && told[0] == 1 && told[1] > 1, "{told:?}");
}
