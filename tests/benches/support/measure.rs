//! Times and memory.

use std::time::Duration;

/// The median.
pub(crate) fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    values.get(values.len() / 2).copied().unwrap()
}

/// The resident memory of this process in kilobytes.
pub(crate) fn resident_kb() -> u64 {
    resident_kb_of("self")
}

/// The resident memory of a process in kilobytes.
pub(crate) fn resident_kb_of(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// The processor time of all threads of this process that still run.
pub(crate) fn cpu_time() -> Duration {
    cpu_time_of(std::process::id())
}

/// The processor time of all threads of a process that still run.
pub(crate) fn cpu_time_of(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nanoseconds = threads.filter_map(|thread| {
        let times = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).ok()?;
        times.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
