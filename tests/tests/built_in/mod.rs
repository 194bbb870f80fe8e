//! Single built-in modules.

mod audit;
mod budget;
mod cache;
mod calls_at_once;
mod chaos;
mod failing_store;
mod hedge;
mod journal;
mod learned_limits;
mod limits_and_circuits;
mod redact;
mod replaced_by_a_file;
mod resume;
mod route;
mod validate;
