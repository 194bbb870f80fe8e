//! The calls that wait for an instance, first come first served.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use metrics::Gauge;

use crate::{runtime::instance::calls::Job, telemetry::meters::queued};

/// Calls that wait for an instance.
pub(crate) struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    /// How many calls wait, readable without the lock.
    len: AtomicUsize,
    /// Whether calls or room have come since the queue was last served.
    changed: AtomicBool,
    /// Looked up when the first call waits: in most modules none does.
    gauge: OnceLock<Gauge>,
    module: Arc<str>,
}

impl Queue {
    /// A queue for the calls of this module.
    pub(crate) fn new(module: Arc<str>) -> Self {
        let (jobs, len, changed) = (Mutex::default(), AtomicUsize::new(0), AtomicBool::new(false));
        Self { jobs, len, changed, gauge: OnceLock::new(), module }
    }

    /// Whether no call waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::SeqCst) == 0
    }

    /// Adds a call, unless `most` calls wait already.
    pub(crate) fn push(&self, job: Job, most: usize) -> Result<(), Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() >= most {
            jobs.retain(|job| !job.is_abandoned());
        }
        let pushed = if jobs.len() < most {
            jobs.push_back(job);
            Ok(())
        } else {
            Err(job)
        };
        self.note(&jobs);
        pushed
    }

    /// Hands calls on with `place`, until it gives one back. If another thread does so already, that thread looks once
    /// more.
    pub(crate) fn serve(&self, mut place: impl FnMut(Job) -> Result<(), Job>) {
        self.changed.store(true, Ordering::SeqCst);
        while self.changed.load(Ordering::SeqCst) {
            let mut jobs = match self.jobs.try_lock() {
                Ok(jobs) => jobs,
                Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(std::sync::TryLockError::WouldBlock) => return,
            };
            while self.changed.swap(false, Ordering::SeqCst) {
                while let Some(job) = jobs.pop_front() {
                    if job.is_abandoned() {
                        continue;
                    }
                    if let Err(job) = place(job) {
                        jobs.push_front(job);
                        break;
                    }
                }
                self.note(&jobs);
            }
        }
    }

    fn note(&self, jobs: &VecDeque<Job>) {
        self.len.store(jobs.len(), Ordering::SeqCst);
        let gauge = self.gauge.get_or_init(|| queued(&self.module));
        gauge.set(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests;
