//! What `bindgen!` makes of the WIT, untouched.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "module-with-all",
    imports: { default: store | trappable },
    exports: { default: async | store },
    with: {
        "arcllm:llm/types.request": crate::runtime::handles::RequestHandle,
        "arcllm:llm/types.response": crate::runtime::handles::ResponseHandle,
        "arcllm:llm/models.model": crate::runtime::handles::ModelHandle,
        "arcllm:llm/streams.reader": crate::runtime::handles::ReaderHandle,
        "arcllm:llm/streams.writer": crate::runtime::writing::WriterHandle,
    },
});
