//! A chain: modules, outermost first, around an end.

use std::sync::Arc;

use crate::{
    call::{stop::Stop, upstream::Upstream},
    runtime::{module::Module, slot::Slot},
};

/// A chain: modules, outermost first, around an end.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) modules: Arc<[Arc<Slot>]>,
    pub(crate) end: Arc<Upstream>,
}

impl Chain {
    /// The chain for one call, which runs to its end on the versions that its modules have now.
    pub(crate) fn start(&self) -> Arc<dyn Stop> {
        let around = |inner, slot: &Arc<Slot>| Arc::new(Module::new(slot, inner)) as Arc<dyn Stop>;
        self.modules.iter().rev().fold(self.end.clone(), around)
    }
}
