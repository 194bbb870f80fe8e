//! A call on its way: what its attempts share, what cancels it, and the stops that it passes.

pub(crate) mod attempt_log;
pub(crate) mod branch;
pub(crate) mod cancel;
pub(crate) mod clock;
pub(crate) mod invoke;
pub(crate) mod line;
pub(crate) mod stop;
pub(crate) mod upstream;
