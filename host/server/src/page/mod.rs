//! The page for people at `/`: the chain, the modules and the calls of the last minutes. It shows no content.

pub(crate) mod call_note;
pub(crate) mod page;
pub(crate) mod recent_calls;
pub(crate) mod routes;

mod call_record;
mod cost;
mod overview;
mod view;
