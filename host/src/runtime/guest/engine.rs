//! The engine that compiles and runs modules. The process has one for each size of stack and each cache.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker,
};

use crate::{
    chat::config_error::ConfigError,
    config::compile_cache::CompileCache,
    runtime::{
        guest::{
            bindings::ModuleWithAll,
            imports,
            store_data::{Imports, StoreData},
        },
        limits::{capacity::INSTANCES, cpu_clock},
    },
};

/// The host's share of a stack, in bytes.
const HOST_STACK: usize = 1536 << 10;

/// The most elements of one table.
const TABLE_ELEMENTS: usize = 100_000;

/// How much of a memory or a table stays mapped for the next instance, in bytes.
const KEPT: usize = 256 << 10;

/// The runtimes of this process, by the kilobytes of a guest's stack and by the cache: an engine has one size of stack.
static RUNTIMES: Mutex<WasmRuntimes> = Mutex::new(BTreeMap::new());

type WasmRuntimes = BTreeMap<(u64, CompileCache), &'static WasmRuntime>;

/// The engine, and everything that a module can import.
pub(crate) struct WasmRuntime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StoreData>,
    /// Tells the runtimes of the process apart.
    pub(crate) number: usize,
}

impl WasmRuntime {
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
        // It lives as long as the process: compiled code refers to it.
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
        imports::wasi_0_2::add_to_linker(&mut linker)?;
        linker.allow_shadowing(false);
        Ok(Self { engine, linker, number })
    }
}

/// Makes an engine that reuses the memory of instances, which makes new instances much cheaper.
fn engine(config: &mut Config) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES).total_memories(INSTANCES).total_stacks(2 * INSTANCES);
    pool.total_core_instances(16 * INSTANCES).total_tables(8 * INSTANCES).table_elements(TABLE_ELEMENTS);
    pool.max_tables_per_component(64).max_tables_per_module(64).pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(KEPT).table_keep_resident(KEPT);
    Engine::new(config.allocation_strategy(pool)).or_else(|error| {
        // It takes addresses, not memory. Some systems do not give a process that many.
        tracing::debug!("new instances are slower: there are not enough addresses to reuse their memory: {error:#}");
        Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand))
    })
}

/// The folder for compiled code. Only the user can write to the user's cache directory.
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
            tracing::warn!(
                "the cache of compiled modules cannot be used, so they are compiled at every start: {error:#} (XDG_CACHE_HOME names the folder for caches; a program chooses one with HostBuilder::compile_cache)"
            );
            None
        }
    }
}

fn runtimes() -> MutexGuard<'static, WasmRuntimes> {
    RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner)
}
