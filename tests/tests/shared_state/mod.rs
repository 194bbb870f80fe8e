//! The state of modules in a store: what each store promises, and a Redis that several processes share.
//! `cargo test --workspace --test all -- --ignored shared_state` runs those tests as well that need `redis-server`.

mod answers;
mod budgets;
mod clocks;
mod outages;
mod places;
mod processes;
mod spread;
mod store;
