//! `arcllm.lock`: which modules were accepted, and the commands that keep it.

mod added;
mod asked;
mod grants;
mod hostile;
mod registries;
mod stage;
mod together;
mod trusted;
mod updated;
