//! Connects the exports of a component to a [`Module`].

use std::rc::Rc;

use crate::{
    Cost, Error, Module, Request, Response, Target, bindings::exports::arcllm::llm::module as exported, settings,
    types::Failure,
};

/// Exports a [`Module`] as the component's. Does nothing if the target is not WebAssembly, so that the crate also builds
/// and tests natively.
#[macro_export]
macro_rules! export {
    ($module:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::exports::arcllm::llm::{llm_provider, module};

            ::std::thread_local! {
                static MODULE: ::std::cell::RefCell<::std::option::Option<::std::rc::Rc<$module>>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            fn configured() -> ::std::option::Option<::std::rc::Rc<$module>> {
                MODULE.with_borrow(::std::clone::Clone::clone)
            }

            struct Component;

            impl module::Guest for Component {
                fn describe() -> module::Description {
                    $crate::export::describe::<$module>()
                }

                fn configure(
                    config: ::std::string::String,
                ) -> ::std::result::Result<(), ::std::vec::Vec<module::ConfigError>> {
                    let module = $crate::export::configure::<$module>(&config)?;
                    MODULE.set(::std::option::Option::Some(module));
                    ::std::result::Result::Ok(())
                }

                fn worst_case(inner: module::Target, others: ::std::vec::Vec<module::Target>) -> module::Cost {
                    $crate::export::worst_case(configured(), &inner, &others)
                }
            }

            impl llm_provider::Guest for Component {
                fn name() -> ::std::string::String {
                    $crate::inner::name()
                }

                fn validate_config() -> ::std::result::Result<(), ::std::string::String> {
                    $crate::inner::validate_config()
                }

                async fn invoke(request: $crate::Request) -> ::std::result::Result<$crate::Response, $crate::Error> {
                    $crate::export::invoke(configured(), request).await
                }
            }

    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}

/// Serves `module.describe`.
pub fn describe<M: Module>() -> exported::Description {
    #[cfg(target_family = "wasm")]
    crate::panic::hook();
    let description = M::describe();
    exported::Description {
        name: description.name.to_owned(),
        version: description.version.to_owned(),
        kind: description.kind.to_owned(),
        behavior: description.behavior.iter().map(|behavior| behavior.as_str().to_owned()).collect(),
        config_schema: settings::schema::<M::Config>().as_value().to_string(),
        extensions: Vec::new(),
    }
}

/// Serves `module.configure`.
pub fn configure<M: Module>(json: &str) -> Result<Rc<M>, Vec<exported::ConfigError>> {
    #[cfg(target_family = "wasm")]
    crate::panic::hook();
    settings::read::read(json).map(|config| Rc::new(M::new(config)))
}

/// Serves `module.worst-case`.
pub fn worst_case<M: Module>(module: Option<Rc<M>>, inner: &Target, others: &[Target]) -> Cost {
    module.map_or(inner.most, |module| module.worst_case(inner, others))
}

/// Serves `llm-provider.invoke`.
pub async fn invoke<M: Module>(module: Option<Rc<M>>, request: Request) -> Result<Response, Error> {
    let Some(module) = module else {
        return Err(Error::Module(Failure::new("", "called before it was configured")));
    };
    module.invoke(request).await
}
