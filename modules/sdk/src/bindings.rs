//! What `wit-bindgen` generates from the WIT. A component imports only the interfaces that it calls.

#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "generated"
)]
#![allow(unsafe_code, missing_docs, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "module-with-all",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "arcllm_module::bindings",
    generate_all,
});
