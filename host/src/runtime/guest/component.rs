//! A module's component: checked, compiled and linked, with what its imports say about it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use serde::Serialize;
use wasmtime::component::{Component, types};

use crate::{
    chat::config_error::ConfigError,
    runtime::guest::{
        engine::WasmRuntime,
        exports::{self, ExportsPre},
        refused_import::refused_import,
    },
};

/// The grants that a component asks for by importing an interface.
const INTERFACES: [&str; 3] = ["models", "state", "journal"];

/// The interfaces of which each function says something else of what a module does.
const COUNTED: [&str; 3] = ["arcllm:llm/types@", "arcllm:llm/journal@", "arcllm:llm/journal-blocking@"];

/// The functions that read the content of an answer.
const READING: [&str; 2] = ["[method]response.parts", "[method]response.derive"];

/// The function that reads the tokens of an answer. A module that watches endings gets those of a streamed answer there.
const COUNTS: &str = "[method]response.usage";

/// The function that reads a request.
const READS_REQUESTS: &str = "[method]request.parts";

/// What a module does with streamed answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Streams {
    /// It passes them on unread.
    Forwards,
    /// It reads the events as they come.
    Reads,
    /// It reads answers, and only whole ones.
    Whole,
}

/// A compiled component, linked and ready to be instantiated.
pub(crate) struct CompiledComponent {
    pub(crate) digest: String,
    /// The interfaces that it imports, as `arcllm:llm/models@0.1.0`.
    pub(crate) imports: Vec<String>,
    /// The functions of [`COUNTED`] that it imports, as `[method]request.parts`.
    pub(crate) functions: Vec<String>,
    pub(crate) streams: Streams,
    /// Whether it reads requests, and so copies them.
    pub(crate) copies: bool,
    /// Whether its exports serve one call at a time.
    pub(crate) blocks: bool,
    pub(crate) exports: ExportsPre,
}

/// The components of the process, by runtime and digest. Unused ones are dropped.
static COMPILED: Mutex<Components<Weak<CompiledComponent>>> = Mutex::new(None);

/// The built-in components. They never change, so they are kept: a program may make a host for each call.
static BUILT_IN: Mutex<Components<Arc<CompiledComponent>>> = Mutex::new(None);

type Components<T> = Option<HashMap<(usize, String), T>>;

impl CompiledComponent {
    /// The component of these bytes. Compiles it unless the process has it.
    ///
    /// # Errors
    ///
    /// Where the bytes are not a module for this host.
    pub(crate) fn get(
        runtime: &WasmRuntime,
        bytes: &[u8],
        digest: String,
        is_built_in: bool,
    ) -> Result<Arc<Self>, ConfigError> {
        let key = (runtime.number, digest);
        let known = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(&key)?.upgrade();
        let compiled = match known() {
            Some(compiled) => compiled,
            None => {
                let compiled = Arc::new(Self::new(runtime, bytes, key.1.clone())?);
                let mut all = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
                let all = all.get_or_insert_default();
                all.retain(|_, compiled| compiled.strong_count() > 0);
                // Two loads may come here at the same time. One component is kept.
                let compiled = all.get(&key).and_then(Weak::upgrade).unwrap_or(compiled);
                all.insert(key.clone(), Arc::downgrade(&compiled));
                compiled
            }
        };
        if is_built_in {
            let mut built_in = BUILT_IN.lock().unwrap_or_else(PoisonError::into_inner);
            built_in.get_or_insert_default().entry(key).or_insert_with(|| compiled.clone());
        }
        Ok(compiled)
    }

    /// Compiles and links. Takes milliseconds if the compiled code is cached, and up to seconds if not.
    fn new(runtime: &WasmRuntime, bytes: &[u8], digest: String) -> Result<Self, ConfigError> {
        check_header(bytes)?;
        let component = Component::from_binary(&runtime.engine, bytes).map_err(|error| {
            unfit(format!("is not a valid component: {error:#}"), "build it again, for arcllm:llm@0.1.0")
        })?;
        let kind = component.component_type();
        let imports: Vec<String> = kind.imports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
        let functions = functions(runtime, &kind);
        let streams = streams(&imports, &functions);
        let copies = functions.iter().any(|function| function == READS_REQUESTS);
        let exports: Vec<&str> = kind.exports(&runtime.engine).map(|(name, _)| name).collect();
        let (provider, blocks) = exports::check(&exports)?;
        let pre = runtime.linker.instantiate_pre(&component).map_err(|error| refused_import(&error))?;
        let exports = ExportsPre::new(pre, &component, provider).map_err(|error| {
            unfit(format!("is built for another world: {error:#}"), "build it for arcllm:llm@0.1.0")
        })?;
        Ok(Self { digest, imports, functions, streams, copies, blocks, exports })
    }

    /// Whether it copies neither requests nor answers.
    pub(crate) fn is_forwarding(&self) -> bool {
        !self.copies && self.streams == Streams::Forwards
    }

    /// The grants that its imports ask for.
    pub(crate) fn asks_for(&self) -> impl Iterator<Item = &'static str> {
        INTERFACES.into_iter().filter(|grant| {
            let asks = |import: &String| {
                let name = import.strip_prefix("arcllm:llm/").and_then(|name| name.split('@').next());
                name.is_some_and(|name| name.strip_suffix("-blocking").unwrap_or(name) == *grant)
            };
            self.imports.iter().any(asks)
        })
    }
}

/// A module imports only what it uses, so its imports tell whether it reads answers.
fn streams(imports: &[String], functions: &[String]) -> Streams {
    let imports = |interface: &str| imports.iter().any(|import| import.starts_with(interface));
    let reads = |function: &String| {
        READING.contains(&function.as_str()) || function == COUNTS && !imports("arcllm:llm/endings@")
    };
    match imports("arcllm:llm/streams@") {
        true => Streams::Reads,
        false if functions.iter().any(reads) => Streams::Whole,
        false => Streams::Forwards,
    }
}

fn functions(runtime: &WasmRuntime, kind: &types::Component) -> Vec<String> {
    let mut functions = Vec::new();
    for (name, item) in kind.imports(&runtime.engine) {
        let counts = COUNTED.iter().any(|counted| name.starts_with(counted));
        if let (true, types::ComponentItem::ComponentInstance(interface)) = (counts, item.ty) {
            functions.extend(interface.exports(&runtime.engine).map(|(name, _)| name.to_owned()));
        }
    }
    functions
}

/// Checks the first eight bytes, which tell a component from a core module and from other files.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
fn check_header(bytes: &[u8]) -> Result<(), ConfigError> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(unfit(
            "is a core WebAssembly module, not a component",
            "make a component of it with `arcllm module build FILE`",
        )),
        _ => Err(unfit("is not WebAssembly", "name a component that is built for arcllm:llm@0.1.0")),
    }
}

fn unfit(problem: impl Into<String>, help: &str) -> ConfigError {
    ConfigError::new(problem).help(help)
}
