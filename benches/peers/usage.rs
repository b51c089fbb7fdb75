//! What a server has used of the processor, read from `/proc`: each is a group of processes.
//!
//! `schedstat` counts nanoseconds on the processor for each thread; sums over a group of processes
//! mean something only if no thread came or went in between, so the threads are part of a reading.
//! What a start or a reload costs, with its threads and processes that end, is read from what the kernel keeps for
//! whole processes, in hundredths of a second.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// One reading of a group of processes.
#[derive(Debug)]
pub struct Usage {
    /// Nanoseconds on the processor, by thread.
    nanos: BTreeMap<u32, u64>,
    /// Clock ticks in user code and in the kernel, which are coarse.
    ticks: [u64; 2],
}

/// What was used between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// On the processor.
    pub nanos: u64,
    /// The part of it that was user code, between 0 and 1, as far as clock ticks can tell.
    pub user_share: f64,
}

impl Usage {
    /// Reads the group of the process `root`.
    pub fn read(root: u32) -> Usage {
        let mut usage = Usage { nanos: BTreeMap::new(), ticks: [0; 2] };
        for process in group(root) {
            for thread in numbers(&format!("/proc/{process}/task")) {
                let at = format!("/proc/{process}/task/{thread}");
                let Some(nanos) = field(&format!("{at}/schedstat"), 0) else { continue };
                usage.nanos.insert(thread, nanos);
                // Counted from the state, which follows the command in parentheses.
                for (ticks, index) in usage.ticks.iter_mut().zip([11, 12]) {
                    *ticks += field(&format!("{at}/stat"), index).unwrap_or(0);
                }
            }
        }
        usage
    }

    /// What was used since `before`; `None` if a thread came or went.
    pub fn since(&self, before: &Usage) -> Option<Spent> {
        if self.nanos.is_empty() || !self.nanos.keys().eq(before.nanos.keys()) {
            return None;
        }
        let nanos = self.nanos.values().sum::<u64>() - before.nanos.values().sum::<u64>();
        let [user, system] = [0, 1].map(|part| (self.ticks[part] - before.ticks[part]) as f64);
        Some(Spent { nanos, user_share: user / (user + system).max(1.0) })
    }
}

/// Processor time of the group `root` since it began, with all that ended and was waited for.
pub fn processor_time(root: u32) -> Duration {
    let of = |process: u32| -> u64 {
        // Its own in user code and in the kernel, and those of its children that ended.
        (11..15).filter_map(|index| field(&format!("/proc/{process}/stat"), index)).sum()
    };
    let ticks: u64 = group(root).into_iter().map(of).sum();
    Duration::from_millis(ticks * 10)
}

/// What a group of processes takes in memory, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now, pages that several processes share counted once.
    pub now: u64,
    /// At most, of the process that took most.
    pub peak: u64,
}

impl Memory {
    /// Reads the group of the process `root`.
    pub fn read(root: u32) -> Memory {
        let group = group(root);
        let now = group.iter().filter_map(|process| kilobytes(*process, "smaps_rollup", "Pss:")).sum::<u64>();
        let peak = group.iter().filter_map(|process| kilobytes(*process, "status", "VmHWM:")).max();
        Memory { now: now * 1024, peak: peak.unwrap_or(0) * 1024 }
    }
}

/// The figure of a line of a process's file.
fn kilobytes(process: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// All processes of the group `root`: the process that leads it and what descends from it, also when those
/// in between have ended, and those that ended and were not waited for yet.
pub fn group(root: u32) -> Vec<u32> {
    let mut all = numbers("/proc");
    all.retain(|process| field(&format!("/proc/{process}/stat"), 2) == Some(u64::from(root)));
    all
}

/// The entries of a directory whose names are numbers.
fn numbers(directory: &str) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The number at `index` among the words of a file, those up to the last parenthesis not counted.
fn field(path: &str, index: usize) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let words = text.rsplit(')').next()?;
    words.split_ascii_whitespace().nth(index)?.parse().ok()
}
