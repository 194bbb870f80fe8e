//! The exports of a module: of one that waits without blocking, and of one that blocks.

use wasmtime::{
    Store,
    component::{Component, ComponentExportIndex, InstancePre, Resource, TypedFunc},
};

use crate::{
    chat::config_error::ConfigError,
    runtime::guest::{
        bindings::{
            arcllm::llm::types::Error,
            exports::arcllm::llm::module::{Guest, GuestIndices},
        },
        handles::{RequestHandle, ResponseHandle},
        store_data::StoreData,
    },
};

/// The interface that describes and configures a module.
const MODULE: &str = "arcllm:llm/module@0.1.0";
/// The provider interface of a module that waits without blocking.
const PROVIDER: &str = "arcllm:llm/llm-provider@0.1.0";
/// The provider interface of a module that blocks its instance. It has the same types, without `async`.
const BLOCKING: &str = "arcllm:llm/llm-provider-blocking@0.1.0";

/// A component's exports, found before it is instantiated.
pub(crate) struct ExportsPre {
    pub(crate) pre: InstancePre<StoreData>,
    module: GuestIndices,
    name: ComponentExportIndex,
    validate_config: ComponentExportIndex,
    invoke: ComponentExportIndex,
}

/// What a guest returns: an answer, or why there is none.
pub(crate) type GuestAnswer = Result<Resource<ResponseHandle>, Error>;

/// An instance's exports.
pub(crate) struct Exports {
    pub(crate) module: Guest,
    pub(crate) name: TypedFunc<(), (String,)>,
    pub(crate) validate_config: TypedFunc<(), (Result<(), String>,)>,
    pub(crate) invoke: TypedFunc<(Resource<RequestHandle>,), (GuestAnswer,)>,
}

/// Finds the provider interface among a component's exports, and whether its calls block.
pub(crate) fn check(exports: &[&str]) -> Result<(&'static str, bool), ConfigError> {
    let missing = match exports {
        _ if !exports.contains(&MODULE) => MODULE,
        _ if exports.contains(&PROVIDER) => return Ok((PROVIDER, false)),
        _ if exports.contains(&BLOCKING) => return Ok((BLOCKING, true)),
        _ => PROVIDER,
    };
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    let problem = format!("is a component of another world: it does not export {missing} (it exports {found})");
    Err(ConfigError::new(problem)
        .help("build it for a world of arcllm:llm@0.1.0, such as `module-world` or `module-blocking`"))
}

impl ExportsPre {
    /// Finds the exports of a component. `provider` is its provider interface.
    pub(crate) fn new(pre: InstancePre<StoreData>, component: &Component, provider: &str) -> wasmtime::Result<Self> {
        let module = GuestIndices::new(&pre)?;
        let interface = component.get_export_index(None, provider);
        let find = |name: &str| {
            let found = component.get_export_index(interface.as_ref(), name);
            found.ok_or_else(|| wasmtime::format_err!("{provider} has no function `{name}`"))
        };
        let (name, validate_config, invoke) = (find("name")?, find("validate-config")?, find("invoke")?);
        Ok(Self { pre, module, name, validate_config, invoke })
    }

    /// Instantiates the component.
    pub(crate) async fn instantiate(&self, store: &mut Store<StoreData>) -> wasmtime::Result<Exports> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        Ok(Exports {
            module: self.module.load(&mut *store, &instance)?,
            name: instance.get_typed_func(&mut *store, self.name)?,
            validate_config: instance.get_typed_func(&mut *store, self.validate_config)?,
            invoke: instance.get_typed_func(&mut *store, self.invoke)?,
        })
    }
}
