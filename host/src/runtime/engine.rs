//! The engine that compiles and runs modules. One for the process, as long as all modules have the same stack.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wasmtime::{Cache, CacheConfig, Config, Engine, component::Linker};

use super::{
    bindings::ModuleWithModels,
    component::{Compiled, Unfit, digest},
    cpu,
    state::{Imports, State},
};
use crate::config::ConfigError;

/// What the host needs of a stack beyond what is the guest's, in bytes.
const HOST_STACK: usize = 1536 << 10;

/// The runtimes of this process, by the kilobytes of stack that they give a guest: the engine has one size for all.
static RUNTIMES: Mutex<BTreeMap<u64, &'static Runtime>> = Mutex::new(BTreeMap::new());

/// The engine, and everything that a module can import.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    compiled: Mutex<HashMap<String, Arc<Compiled>>>,
}

impl Runtime {
    /// The process's runtime for guests with this much stack, made at first use.
    pub(crate) fn get(stack_kb: u64) -> Result<&'static Self, ConfigError> {
        let mut runtimes = runtimes();
        if let Some(runtime) = runtimes.get(&stack_kb) {
            return Ok(*runtime);
        }
        let unable = |error| ConfigError::new(format!("the WebAssembly engine does not start: {error:#}"));
        if runtimes.is_empty() {
            cpu::start_clock(|tick| self::runtimes().values().for_each(|runtime| tick(&runtime.engine)))
                .map_err(|error| unable(error.into()))?;
        }
        // For as long as the process lives: compiled code refers to it.
        let runtime: &'static Self = Box::leak(Box::new(Self::new(stack_kb).map_err(unable)?));
        runtimes.insert(stack_kb, runtime);
        Ok(runtime)
    }

    fn new(stack_kb: u64) -> wasmtime::Result<Self> {
        let stack = usize::try_from(stack_kb)?.saturating_mul(1 << 10);
        let mut config = Config::new();
        config.wasm_component_model_async(true).epoch_interruption(true).cache(cache());
        config.max_wasm_stack(stack).async_stack_size(stack.saturating_add(HOST_STACK));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        ModuleWithModels::add_to_linker::<State, Imports>(&mut linker, |state| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        Ok(Self { engine, linker, compiled: Mutex::default() })
    }

    /// The component that these bytes are, compiled unless the process has done that before.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Arc<Compiled>, Unfit> {
        let digest = digest(bytes);
        let known = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known().get(&digest) {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(Compiled::new(self, bytes, digest.clone())?);
        // Two loads at once may both have come here; one is kept.
        Ok(known().entry(digest).or_insert(compiled).clone())
    }
}

/// Compiled code is kept in the user's cache directory, written by nobody else. Without one it is compiled anew.
fn cache() -> Option<Cache> {
    let directory = dirs::cache_dir()?.join("arcllm").join("modules");
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    match Cache::new(config) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!("modules are compiled at every start, since their cache cannot be used: {error:#}");
            None
        }
    }
}

fn runtimes() -> MutexGuard<'static, BTreeMap<u64, &'static Runtime>> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}
