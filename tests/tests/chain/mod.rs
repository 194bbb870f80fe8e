//! Retry and fallback, in each order: outcomes, answers that fail, targets, waits, deadlines, trails and what a call may cost.

mod both;
mod branches;
mod cancellation;
mod concurrency;
mod deadline;
mod failed_answers;
mod fallback;
mod hints;
mod kinds_and_reasons;
mod max_attempts;
mod notes;
mod retry;
mod retry_budget;
mod stage;
mod targets;
mod trail;
