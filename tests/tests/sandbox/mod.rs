//! Instances of modules: their limits, and what calls that share them do to each other.

mod blocking;
mod clocks_and_random;
mod frozen;
mod limits;
mod patient;
mod queue;
mod retirement;
mod runtimes;
mod sharing;
mod side_by_side;
mod stage;
mod traps;
