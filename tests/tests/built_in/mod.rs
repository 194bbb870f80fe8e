//! Single built-in modules.

mod cache;
mod chaos;
mod limits_and_circuits;
mod redact;
mod replaced_by_a_file;
mod resume;
