//! Modules that are replaced and removed while models use them.

mod refused;
mod replaced;
mod stage;
mod under_way;
mod watched;
