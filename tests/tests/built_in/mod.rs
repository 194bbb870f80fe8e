//! Single built-in modules.

mod audit;
mod budget;
mod cache;
mod chaos;
mod hedge;
mod journal;
mod limits_and_circuits;
mod redact;
mod replaced_by_a_file;
mod resume;
mod route;
mod validate;
