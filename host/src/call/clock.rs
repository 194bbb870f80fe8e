//! The wall clock that modules see.

use std::{sync::Arc, time::SystemTime};

/// Tells the time of day. A host has one for all of its calls.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The system's.
pub(crate) fn system() -> Clock {
    Arc::new(SystemTime::now)
}
