//! What an instance may use.

pub(crate) mod cpu;
pub(crate) mod limits;
pub(crate) mod log_rate;
pub(crate) mod room;
pub(crate) mod size;
pub(crate) mod weight;
