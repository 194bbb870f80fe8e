//! What is kept about targets from call to call: outages, and how soon they began.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How much the newest time counts.
const NEWEST: f64 = 0.2;
/// For how long a measured time counts, in nanoseconds.
const MEASURED_FOR: u64 = 600_000_000_000;
/// The most targets that are kept.
const MOST: usize = 500;

/// What is kept about all targets, under one key: one read tells of all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept(BTreeMap<String, About>);

/// What is kept about a target. Times are nanoseconds, since 1970 where they are points in time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct About {
    /// Until when it is avoided.
    avoid_until: u64,
    /// The moving time until its answers began.
    begins_after: f64,
    /// When that was measured last.
    measured: u64,
}

impl Kept {
    /// Reads it. A value that cannot be read counts as none.
    pub fn read(kept: Option<&[u8]>) -> Self {
        kept.and_then(|kept| serde_json::from_slice(kept).ok()).unwrap_or_default()
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether this target is avoided.
    pub fn is_avoided(&self, target: &str, now: u64) -> bool {
        self.0.get(target).is_some_and(|about| about.avoid_until > now)
    }

    /// Returns the moving time until its answers began, if it was measured in the last ten minutes.
    pub fn begins_after(&self, target: &str, now: u64) -> Option<f64> {
        let about = self.0.get(target).filter(|about| about.begins_after.is_finite() && about.begins_after > 0.0)?;
        (about.measured.saturating_add(MEASURED_FOR) > now).then_some(about.begins_after)
    }

    /// Notes an outage.
    pub fn failed(&mut self, target: &str, until: u64) {
        self.about(target).avoid_until = until;
    }

    /// Notes an answer, and after which time it began if that is measured.
    pub fn answered(&mut self, target: &str, took: Option<u64>, now: u64) {
        let before = self.begins_after(target, now);
        let about = self.about(target);
        about.avoid_until = 0;
        if let Some(took) = took {
            let took = took.max(1) as f64;
            about.begins_after = before.map_or(took, |before| before + NEWEST * (took - before));
            about.measured = now;
        }
    }

    fn about(&mut self, target: &str) -> &mut About {
        if self.0.len() >= MOST && !self.0.contains_key(target) {
            self.0.clear();
        }
        self.0.entry(target.to_owned()).or_default()
    }
}
