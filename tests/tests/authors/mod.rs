//! Modules of one's own: how they are made, built and tested.

mod guide;
mod kit;
mod projects;
mod toolchains;
