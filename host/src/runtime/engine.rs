//! The engine that compiles and runs modules. One for the process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread,
    time::Duration,
};

use wasmtime::{Cache, CacheConfig, Config, Engine, component::Linker};

use super::{
    bindings::ModuleWithModels,
    component::{Compiled, Unfit},
    state::{Imports, State},
};
use crate::config::ConfigError;

/// How often a guest that computes yields to the other tasks of its thread.
const TICK: Duration = Duration::from_millis(10);

/// The engine, and everything that a module can import.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    /// By digest. What no host has any more is given up.
    compiled: Mutex<HashMap<String, Weak<Compiled>>>,
    /// Kept, since they never change: a host is also made for a single call.
    built_in: Mutex<HashMap<String, Arc<Compiled>>>,
}

impl Runtime {
    /// The process's runtime, made at first use.
    pub(crate) fn get() -> Result<&'static Self, ConfigError> {
        static RUNTIME: OnceLock<Result<Runtime, ConfigError>> = OnceLock::new();
        let made = RUNTIME.get_or_init(|| {
            Self::new().map_err(|error| ConfigError::new(format!("the WebAssembly engine does not start: {error:#}")))
        });
        made.as_ref().map_err(Clone::clone)
    }

    fn new() -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model_async(true).epoch_interruption(true).cache(cache());
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        ModuleWithModels::add_to_linker::<State, Imports>(&mut linker, |state| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        tick(&engine)?;
        Ok(Self { engine, linker, compiled: Mutex::default(), built_in: Mutex::default() })
    }

    /// The component that these bytes are, compiled unless the process has it.
    pub(crate) fn compile(&self, bytes: &[u8], digest: String, is_built_in: bool) -> Result<Arc<Compiled>, Unfit> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&digest).and_then(Weak::upgrade);
        let compiled = match known {
            Some(compiled) => compiled,
            None => {
                let compiled = Arc::new(Compiled::new(self, bytes, digest.clone())?);
                let mut all = lock();
                all.retain(|_, compiled| compiled.strong_count() > 0);
                // Two loads at once may both have come here; one is kept.
                let before = all.get(&digest).and_then(Weak::upgrade);
                let compiled = before.unwrap_or(compiled);
                all.insert(digest.clone(), Arc::downgrade(&compiled));
                compiled
            }
        };
        if is_built_in {
            let mut built_in = self.built_in.lock().unwrap_or_else(PoisonError::into_inner);
            built_in.entry(digest).or_insert_with(|| compiled.clone());
        }
        Ok(compiled)
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

fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.clone();
    let ticking = thread::Builder::new().name("arcllm-epoch".to_owned()).spawn(move || {
        loop {
            thread::sleep(TICK);
            engine.increment_epoch();
        }
    });
    ticking.map(drop)
}
