//! The calls of the last minutes. Each thread notes its own, so that no call waits for another thread.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::page::call_record::CallRecord;

/// The most calls that a thread keeps.
const MOST_CALLS: usize = 256;

/// The most bytes that the calls of a thread may take.
const MOST_BYTES: usize = 256 * 1024;

/// The most calls that are shown at once.
pub(crate) const MOST_SHOWN: usize = 300;

/// The calls of one thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadCalls {
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    calls: VecDeque<Arc<CallRecord>>,
    bytes: usize,
    /// How many calls have ended since the start.
    count: usize,
}

impl ThreadCalls {
    /// Keeps a call that has ended, and forgets the oldest ones if there are too many.
    pub(crate) fn add(&self, call: CallRecord) {
        let bytes = call.bytes();
        let mut ended = self.lock();
        ended.count += 1;
        ended.bytes += bytes;
        ended.calls.push_back(Arc::new(call));
        while ended.calls.len() > MOST_CALLS || ended.bytes > MOST_BYTES {
            let Some(oldest) = ended.calls.pop_front() else { break };
            ended.bytes = ended.bytes.saturating_sub(oldest.bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls of all threads.
#[derive(Debug)]
pub(crate) struct RecentCalls {
    /// Tells one run of the server from the next.
    run: u32,
    threads: Mutex<Vec<Arc<ThreadCalls>>>,
}

impl Default for RecentCalls {
    fn default() -> Self {
        Self { run: rand::random(), threads: Mutex::default() }
    }
}

/// Calls that were not shown before.
#[derive(Debug)]
pub(crate) struct NewCalls {
    /// Where the next reading begins.
    pub(crate) cursor: String,
    /// With the number of each: its thread, and its place among the calls of the thread. The newest are first.
    pub(crate) calls: Vec<([usize; 2], Arc<CallRecord>)>,
}

impl RecentCalls {
    /// The calls of one more thread.
    pub(crate) fn thread(&self) -> Arc<ThreadCalls> {
        let calls = Arc::<ThreadCalls>::default();
        self.threads().push(calls.clone());
        calls
    }

    /// The calls that ended after the reading that gave this cursor; all, if it is of another run or absent.
    pub(crate) fn after(&self, cursor: Option<&str>) -> NewCalls {
        let seen = cursor.and_then(|cursor| self.read_cursor(cursor)).unwrap_or_default();
        let mut new = NewCalls { cursor: format!("{:x}", self.run), calls: Vec::new() };
        for (number, thread) in self.threads().iter().enumerate() {
            let ended = thread.lock();
            let first = ended.count - ended.calls.len();
            let skip = seen.get(number).map_or(0, |seen| seen.saturating_sub(first));
            let calls = ended.calls.iter().enumerate().skip(skip);
            new.calls.extend(calls.map(|(place, call)| ([number, first + place], call.clone())));
            new.cursor.push_str(&format!(".{:x}", ended.count));
        }
        new.calls.sort_by_key(|(_, call)| std::cmp::Reverse(call.at));
        new.calls.truncate(MOST_SHOWN);
        new
    }

    /// How many calls of each thread were seen.
    fn read_cursor(&self, cursor: &str) -> Option<Vec<usize>> {
        let (run, seen) = cursor.split_once('.')?;
        let is_of_this_run = u32::from_str_radix(run, 16).is_ok_and(|run| run == self.run);
        is_of_this_run.then(|| seen.split('.').map(|count| usize::from_str_radix(count, 16).unwrap_or(0)).collect())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<ThreadCalls>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use arcllm::{Attempt, Outcome};

    use super::*;
    use crate::gateway::caller::{Ending, Told};

    fn told(asked: &str, trail: Vec<Attempt>) -> Told {
        Told { asked: Some(asked.to_owned()), ending: Some(Ending::Left), trail, ..Told::default() }
    }

    fn end(thread: &ThreadCalls, told: Told, second: u64) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        thread.add(CallRecord::of(told, 200, None, at, Duration::ZERO).unwrap());
    }

    fn call(thread: &ThreadCalls, asked: &str, second: u64) {
        end(thread, told(asked, Vec::new()), second);
    }

    fn asked(new: &NewCalls) -> Vec<&str> {
        new.calls.iter().map(|(_, call)| call.asked.as_str()).collect()
    }

    #[test]
    fn each_call_is_read_once_whatever_its_thread() {
        let recent = RecentCalls::default();
        let threads = [recent.thread(), recent.thread()];
        call(&threads[0], "a", 1);
        call(&threads[1], "b", 2);
        let first = recent.after(None);
        assert_eq!(asked(&first), ["b", "a"]);
        // It came before, and ended later.
        call(&threads[0], "c", 0);
        let second = recent.after(Some(&first.cursor));
        assert_eq!(asked(&second), ["c"]);
        assert!(recent.after(Some(&second.cursor)).calls.is_empty());
        for wrong in ["", ".", "zz.1.1", "1.1.1", &RecentCalls::default().after(None).cursor] {
            assert_eq!(recent.after(Some(wrong)).calls.len(), 3, "{wrong}");
        }
    }

    #[test]
    fn calls_are_bounded_in_number_and_in_bytes() {
        let recent = RecentCalls::default();
        let thread = recent.thread();
        (0..1000).for_each(|second| call(&thread, "a", second));
        let cursor = recent.after(None).cursor;
        assert_eq!(thread.lock().calls.len(), MOST_CALLS);
        // A reader who comes late sees what is left.
        (0..1000).for_each(|second| call(&thread, "b", second));
        assert_eq!(recent.after(Some(&cursor)).calls.len(), MOST_CALLS);

        for second in 0..300 {
            let trail = vec![Attempt::new("p".repeat(10_000), "ü".repeat(10_000), Outcome::Timeout); 1000];
            end(&thread, told(&"x".repeat(1 << 20), trail), second);
        }
        let ended = thread.lock();
        assert!(ended.calls.len() > 2 && ended.bytes <= MOST_BYTES, "{}", ended.bytes);
        assert_eq!(ended.bytes, ended.calls.iter().map(|call| call.bytes()).sum::<usize>());
    }
}
