//! Writes what the last message says to standard output and standard error, as programs do in languages with a runtime. Then it
//! traps if that says so, or asks its inner.

#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "most of it is generated")]

wit_bindgen::generate!({
    inline: r#"
        package arcllm:tests;

        world outcry {
            include arcllm:llm/module-blocking@0.1.0;
            import wasi:cli/stdout@0.2.6;
            import wasi:cli/stderr@0.2.6;
        }

        package wasi:cli@0.2.6 {
            interface stdout {
                use wasi:io/streams@0.2.6.{output-stream};
                get-stdout: func() -> output-stream;
            }
            interface stderr {
                use wasi:io/streams@0.2.6.{output-stream};
                get-stderr: func() -> output-stream;
            }
        }

        package wasi:io@0.2.6 {
            interface error { resource error; }
            interface streams {
                use error.{error};
                variant stream-error { last-operation-failed(error), closed }
                resource output-stream {
                    blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                }
            }
        }
    "#,
    path: "../../../wit",
    world: "arcllm:tests/outcry",
    generate_all,
});

use arcllm::llm::{
    llm_provider_blocking as inner,
    types::{Error, Request, Response},
};
use exports::arcllm::llm::{
    llm_provider_blocking,
    module::{self, ConfigError, Cost, Description, Target},
};
use wasi::{
    cli::{stderr::get_stderr, stdout::get_stdout},
    io::streams::OutputStream,
};

struct Component;

impl module::Guest for Component {
    fn describe() -> Description {
        Description {
            name: "outcry".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            kind: "observer".into(),
            behavior: Vec::new(),
            config_schema: r#"{"type":"object"}"#.into(),
            extensions: Vec::new(),
        }
    }

    fn configure(_: String) -> Result<(), Vec<ConfigError>> {
        Ok(())
    }

    fn worst_case(inner: Target, _: Vec<Target>) -> Cost {
        inner.most
    }
}

impl llm_provider_blocking::Guest for Component {
    fn name() -> String {
        inner::name()
    }

    fn validate_config() -> Result<(), String> {
        inner::validate_config()
    }

    fn invoke(request: Request) -> Result<Response, Error> {
        let said = request.last_user_text(1 << 20).unwrap_or_default();
        for line in said.split_inclusive('\n') {
            match line.split_once(' ') {
                Some(("out", text)) => write(&get_stdout(), text),
                Some(("err", text)) => write(&get_stderr(), text),
                Some(("flood", _)) => (0..2_000).for_each(|_| write(&get_stderr(), &"flood\n")),
                Some(("trap", _)) => core::arch::wasm32::unreachable(),
                _ => {}
            }
        }
        inner::invoke(request)
    }
}

/// The most bytes of one write, by WASI.
const MOST: usize = 4096;

fn write(stream: &OutputStream, text: &str) {
    for piece in text.as_bytes().chunks(MOST) {
        let _ = stream.blocking_write_and_flush(piece);
    }
}

export!(Component);
