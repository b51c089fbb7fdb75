//! Editors and their habits, in simulated time.

use super::*;

/// A watch with a clock and names that files stand under.
struct Stage {
    watch: Watch,
    now: Tick,
    stamps: Vec<Option<Stamp>>,
    /// What was wanted, with the time of it.
    said: Vec<(u64, Action)>,
}

fn stamp(inode: u64, size: u64) -> Option<Stamp> {
    Some(Stamp { device: 1, inode, size, modified_ns: (inode * 1000 + size) as i64 })
}

impl Stage {
    fn new(files: usize) -> Stage {
        let mut stage = Stage { watch: Watch::new(), now: Tick(0), stamps: Vec::new(), said: Vec::new() };
        stage.stamps = (0..files).map(|index| stamp(index as u64 + 1, 1000)).collect();
        stage.tell_files(false);
        stage
    }

    fn tell_files(&mut self, doubtful: bool) {
        let names = self.stamps.iter().enumerate();
        let files: Vec<FileNow> = names
            .map(|(index, &stamp)| FileNow { path: PathBuf::from(format!("f{index}")), stamp, doubtful })
            .collect();
        assert_eq!(self.watch.handle(self.now, Event::Files(files)), None);
    }

    fn saw(&mut self, sign: Sign, file: usize, stamp: Option<Stamp>) -> &mut Stage {
        self.stamps[file] = stamp;
        let action = self.watch.handle(self.now, Event::Saw { file, sign, stamp });
        self.act(action);
        self
    }

    /// Lets time pass, with everything that is due.
    fn pass(&mut self, ms: u64) -> &mut Stage {
        let end = self.now + Duration::from_millis(ms);
        while let Some(due) = self.watch.deadline().filter(|&due| due <= end) {
            self.now = due.max(self.now);
            let action = self.watch.handle(self.now, Event::Due);
            assert_eq!(action, Some(Action::Look));
            self.act(action);
        }
        self.now = end;
        self
    }

    fn act(&mut self, action: Option<Action>) {
        match action {
            Some(Action::Look) => {
                let action = self.watch.handle(self.now, Event::Looked(&self.stamps));
                self.act(action);
            }
            Some(action) => self.said.push((self.now.0, action)),
            None => {}
        }
    }

    #[track_caller]
    fn check(&mut self, expected: &[(u64, Action)]) {
        self.pass(60_000);
        assert_eq!(self.said, expected);
    }
}

#[test]
fn r08_a_look_at_the_directory_does_not_make_a_writer_done() {
    let mut stage = Stage::new(1);
    stage.pass(1000).saw(Sign::Written, 0, stamp(1, 900)).pass(100).saw(Sign::Placed, 0, stamp(1, 901));
    stage.pass(5000).saw(Sign::Closed, 0, stamp(1, 1200)).check(&[(6300, Action::Read)]);
}

#[test]
fn r08_a_file_renamed_in_is_read_at_once() {
    let mut stage = Stage::new(1);
    stage.pass(1000).saw(Sign::Placed, 0, stamp(9, 1000)).check(&[(1000, Action::Read)]);
}

#[test]
fn r08_vim_and_git_create_a_new_file() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Written, 0, None).pass(5);
    stage.saw(Sign::Written, 0, stamp(9, 0)).pass(5).saw(Sign::Written, 0, stamp(9, 990)).pass(5);
    stage.saw(Sign::Closed, 0, stamp(9, 990)).check(&[(15, Action::Read)]);
}

#[test]
fn r08_half_written_file_is_not_published() {
    // A writer that stalls with the file open, for as long as it likes.
    let mut stage = Stage::new(1);
    stage.saw(Sign::Written, 0, stamp(1, 0)).pass(5000).saw(Sign::Written, 0, stamp(1, 500)).pass(5000);
    assert_eq!(stage.said, []);
    stage.saw(Sign::Written, 0, stamp(1, 1100)).saw(Sign::Closed, 0, stamp(1, 1100));
    stage.check(&[(10_200, Action::Read)]);
}

#[test]
fn r08_several_writes_in_place_are_one_reading() {
    let mut stage = Stage::new(1);
    for size in [1001, 1002, 1003] {
        stage.saw(Sign::Written, 0, stamp(1, size)).saw(Sign::Closed, 0, stamp(1, size)).pass(150);
    }
    stage.check(&[(500, Action::Read)]);
}

#[test]
fn r08_a_file_that_moves_unannounced_is_looked_at_again() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Closed, 0, stamp(1, 1001)).pass(100);
    stage.stamps[0] = stamp(1, 1002);
    stage.check(&[(400, Action::Read)]);
}

#[test]
fn r08_a_file_that_shrank_in_place_waits_longer() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Closed, 0, stamp(1, 699)).check(&[(2200, Action::Read)]);
    let mut stage = Stage::new(1);
    stage.saw(Sign::Closed, 0, stamp(1, 700)).check(&[(200, Action::Read)]);
    // As another file it does not.
    let mut stage = Stage::new(1);
    stage.saw(Sign::Placed, 0, stamp(9, 100)).check(&[(0, Action::Read)]);
}

#[test]
fn r08_a_set_of_files_wants_50_ms_of_quiet() {
    let mut stage = Stage::new(3);
    stage.saw(Sign::Placed, 1, stamp(8, 1000)).pass(30).saw(Sign::Placed, 0, stamp(9, 1000));
    stage.check(&[(80, Action::Read)]);
    // One of them is still being written.
    let mut stage = Stage::new(3);
    stage.saw(Sign::Written, 2, stamp(3, 1)).saw(Sign::Placed, 0, stamp(9, 1000)).pass(1000);
    assert_eq!(stage.said, []);
    stage.saw(Sign::Closed, 2, stamp(3, 1001)).check(&[(1200, Action::Read)]);
}

#[test]
fn r09_a_vanished_file_is_told_after_two_seconds_and_read_when_it_is_back() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Written, 0, None).pass(1999);
    assert_eq!(stage.said, []);
    stage.pass(1).check(&[(2000, Action::Vanished)]);
    stage.saw(Sign::Placed, 0, stamp(1, 1000)).check(&[(2000, Action::Vanished), (62_200, Action::Read)]);
}

#[test]
fn r09_a_short_absence_is_not_told() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Written, 0, None).pass(1000).saw(Sign::Placed, 0, stamp(1, 1000)).check(&[]);
    // Nobody said that it came back.
    let mut stage = Stage::new(1);
    stage.saw(Sign::Written, 0, None).pass(1000);
    stage.stamps[0] = stamp(9, 1000);
    stage.check(&[(2200, Action::Read)]);
}

#[test]
fn r09_an_included_file_that_is_gone_leads_to_a_reading_that_says_so() {
    let mut stage = Stage::new(2);
    stage.saw(Sign::Written, 1, None).check(&[(2000, Action::Read)]);
    // A look around finds it as it is known to be.
    stage.saw(Sign::Found, 1, None).check(&[(2000, Action::Read)]);
    stage.saw(Sign::Closed, 1, stamp(7, 5)).check(&[(2000, Action::Read), (120_050, Action::Read)]);
}

#[test]
fn r10_what_stands_as_it_was_read_is_not_read_again() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Closed, 0, stamp(1, 1000)).saw(Sign::Found, 0, stamp(1, 1000)).check(&[]);
    // Written and put back within the quiet time.
    stage.saw(Sign::Closed, 0, stamp(1, 1001)).saw(Sign::Closed, 0, stamp(1, 1000)).check(&[]);
}

#[test]
fn a_look_around_finds_what_nobody_told() {
    let mut stage = Stage::new(1);
    stage.saw(Sign::Found, 0, stamp(1, 1001)).check(&[(200, Action::Read)]);
    // A writer that died with the file open is found out by two looks around, not by one.
    let mut stage = Stage::new(1);
    stage.saw(Sign::Written, 0, stamp(1, 900)).saw(Sign::Found, 0, stamp(1, 900)).pass(29_999);
    stage.saw(Sign::Found, 0, stamp(1, 900)).pass(1);
    assert_eq!(stage.said, []);
    stage.saw(Sign::Found, 0, stamp(1, 900)).check(&[(30_200, Action::Read)]);
}

#[test]
fn a_file_that_changed_before_it_was_watched_is_read_once_more() {
    let mut stage = Stage::new(1);
    stage.stamps.push(stamp(2, 5));
    stage.tell_files(true);
    stage.check(&[(200, Action::Read)]);
    stage.tell_files(true);
    stage.check(&[(200, Action::Read)]);
}

#[test]
fn any_order_of_signs_ends_in_the_last_content_being_read() {
    let mut seed = 7_u64;
    let mut chance = move |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for files in [1, 2, 3] {
        for _ in 0..2000 {
            let mut stage = Stage::new(files);
            let mut last_change = 0;
            for _ in 0..chance(12) {
                let file = chance(files as u64) as usize;
                let sign = [Sign::Placed, Sign::Closed, Sign::Written, Sign::Found][chance(4) as usize];
                let stamp = if chance(5) == 0 { None } else { stamp(chance(3) + 1, 900 + chance(200)) };
                stage.saw(sign, file, stamp).pass(chance(400));
                last_change = stage.now.0;
            }
            // The writers close, the files are there.
            for file in 0..files {
                stage.saw(Sign::Closed, file, stamp(50 + file as u64, 1000)).pass(1);
            }
            stage.pass(5000);
            let (at, action) = *stage.said.last().unwrap();
            assert_eq!(action, Action::Read);
            assert!(at >= last_change);
            assert_eq!((stage.watch.deadline(), stage.watch.state.clone()), (None, State::Quiet));
        }
    }
}
