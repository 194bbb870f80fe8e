//! The engine that compiles and runs modules. One for the process, as long as all modules have the same stack.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker,
};

use crate::{
    config::{compile_cache::CompileCache, error::ConfigError},
    runtime::{
        guest::{
            bindings::ModuleWithAll,
            imports,
            store_data::{Imports, StoreData},
        },
        limits::{capacity::INSTANCES, cpu_clock},
    },
};

/// What the host needs of a stack beyond what is the guest's, in bytes.
const HOST_STACK: usize = 1536 << 10;

/// The most elements of one table.
const TABLE_ELEMENTS: usize = 100_000;

/// What of a memory or a table stays in place for the next instance, in bytes.
const KEPT: usize = 256 << 10;

/// The runtimes of this process, by the kilobytes of stack that they give a guest: the engine has one size for all.
static RUNTIMES: Mutex<Runtimes> = Mutex::new(BTreeMap::new());

type Runtimes = BTreeMap<(u64, CompileCache), &'static Runtime>;

/// The engine, and everything that a module can import.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StoreData>,
    /// Tells the runtimes of the process apart.
    pub(crate) number: usize,
}

impl Runtime {
    /// The process's runtime for guests with this much stack, made at first use.
    pub(crate) fn get(stack_kb: u64, cache: &CompileCache) -> Result<&'static Self, ConfigError> {
        let mut runtimes = runtimes();
        let key = (stack_kb, cache.clone());
        if let Some(runtime) = runtimes.get(&key) {
            return Ok(*runtime);
        }
        let unable = |error| ConfigError::new(format!("the WebAssembly engine does not start: {error:#}"));
        if runtimes.is_empty() {
            cpu_clock::start(|tick| self::runtimes().values().for_each(|runtime| tick(&runtime.engine)))
                .map_err(|error| unable(error.into()))?;
        }
        // For as long as the process lives: compiled code refers to it.
        let runtime: &'static Self = Box::leak(Box::new(Self::new(stack_kb, cache, runtimes.len()).map_err(unable)?));
        runtimes.insert(key, runtime);
        Ok(runtime)
    }

    fn new(stack_kb: u64, cache: &CompileCache, number: usize) -> wasmtime::Result<Self> {
        let stack = usize::try_from(stack_kb)?.saturating_mul(1 << 10);
        let mut config = Config::new();
        config.wasm_component_model_async(true).epoch_interruption(true).cache(folder(cache).and_then(open));
        config.max_wasm_stack(stack).async_stack_size(stack.saturating_add(HOST_STACK));
        let engine = engine(&mut config)?;
        let mut linker = Linker::new(&engine);
        ModuleWithAll::add_to_linker::<StoreData, Imports>(&mut linker, |state| state)?;
        imports::blocking::add_to_linker(&mut linker)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        linker.allow_shadowing(true);
        imports::ambient::add_wasi_0_2_to_linker(&mut linker)?;
        linker.allow_shadowing(false);
        Ok(Self { engine, linker, number })
    }
}

/// An engine that keeps the memory of its instances for the next ones: a new instance then costs a fraction.
fn engine(config: &mut Config) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES).total_memories(INSTANCES).total_stacks(2 * INSTANCES);
    pool.total_core_instances(16 * INSTANCES).total_tables(8 * INSTANCES).table_elements(TABLE_ELEMENTS);
    pool.max_tables_per_component(64).max_tables_per_module(64).pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(KEPT).table_keep_resident(KEPT);
    Engine::new(config.allocation_strategy(pool)).or_else(|error| {
        // It takes addresses, not memory; some systems give no process that many.
        tracing::debug!("instances are made one by one: {error:#}");
        Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand))
    })
}

/// The folder of compiled code. The user's cache directory is written by nobody else. Without one, modules are compiled anew.
fn folder(cache: &CompileCache) -> Option<PathBuf> {
    match cache {
        CompileCache::User => Some(dirs::cache_dir()?.join("arcllm").join("modules")),
        CompileCache::Folder(folder) => std::path::absolute(folder).ok(),
        CompileCache::Off => None,
    }
}

fn open(folder: PathBuf) -> Option<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    match Cache::new(config) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!("modules are compiled at every start, since their cache cannot be used: {error:#}");
            None
        }
    }
}

fn runtimes() -> MutexGuard<'static, Runtimes> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}
