//! What `bindgen!` makes of the WIT, untouched.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "module-with-all",
    imports: { default: store | trappable },
    exports: { default: async | store },
    with: {
        "arcllm:llm/types.request": crate::runtime::guest::handles::RequestHandle,
        "arcllm:llm/types.response": crate::runtime::guest::handles::ResponseHandle,
        "arcllm:llm/endings.watch": crate::runtime::guest::ending::WatchHandle,
        "arcllm:llm/models.model": crate::runtime::guest::handles::ModelHandle,
        "arcllm:llm/streams.reader": crate::runtime::guest::handles::ReaderHandle,
        "arcllm:llm/streams.writer": crate::runtime::guest::writing::WriterHandle,
    },
});
