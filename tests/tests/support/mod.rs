//! What these tests share: chains over simulated providers, written as a user writes them, providers in this process,
//! and the command `arcllm`, run as a user runs it. It uses the public interface alone.
//!
//! With `ARCLLM_TEST_MODULES` set to the absolute path of a folder with the built-in modules and, under `tests/`, those
//! of `tests/modules`, the tests run these instead of the prebuilt ones.

mod chain;
mod command;
mod files;
mod folder;
mod instances;
mod provider;
mod redis;
mod store;

pub(crate) use chain::Chain;
pub(crate) use command::{ARCLLM, Arcllm, Output, Running};
pub(crate) use files::{built_in_module, root, test_module};
pub(crate) use folder::Folder;
pub(crate) use instances::Instances;
pub(crate) use provider::Provider;
pub(crate) use redis::Redis;
pub(crate) use store::{Elsewhere, Odd, kept};
