//! Input that is wrong: one error that names the file, the key and the way out, exit code 2, and nothing is sent.

mod arguments;
mod commands;
mod endless;
mod modules;
mod modules_folder;
mod providers;
mod stage;
mod values;
