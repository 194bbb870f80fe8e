//! Single built-in modules.

mod chaos;
mod hedge;
mod limits_and_circuits;
mod redact;
mod replaced_by_a_file;
mod resume;
mod route;
