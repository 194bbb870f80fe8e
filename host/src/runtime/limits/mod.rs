//! What instances may use, and what they have used.

pub(crate) mod capacity;
pub(crate) mod cpu_clock;
pub(crate) mod limit;
pub(crate) mod log_rate;
pub(crate) mod memory;
pub(crate) mod policy;
pub(crate) mod size;
pub(crate) mod weight;
