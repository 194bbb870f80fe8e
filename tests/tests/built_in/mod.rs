//! What single built-in modules do.

mod chaos;
mod limits_and_circuits;
mod redact;
mod replaced_by_a_file;
