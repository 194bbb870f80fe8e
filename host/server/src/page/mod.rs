//! The page for people at `/`: the chain, the modules and the calls of the last minutes. It shows no content.

pub(crate) mod call_record;
pub(crate) mod cost;
pub(crate) mod page;
pub(crate) mod recent_calls;
pub(crate) mod routes;

mod overview;
mod view;
