//! The routes, and what happens around each request.

pub(crate) mod front;
pub(crate) mod health;
pub(crate) mod models;
pub(crate) mod router;
