//! Retry and fallback, in each order: outcomes, waits, deadlines, trails and what a call may cost.

mod both;
mod branches;
mod cancellation;
mod concurrency;
mod deadline;
mod fallback;
mod hints;
mod max_attempts;
mod retry;
mod retry_budget;
mod trail;
