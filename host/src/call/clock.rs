//! The wall clock that modules see.

use std::{sync::Arc, time::SystemTime};

/// Tells the time of day. A host has one clock for all of its calls.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The clock of the system.
pub(crate) fn system() -> Clock {
    Arc::new(SystemTime::now)
}
