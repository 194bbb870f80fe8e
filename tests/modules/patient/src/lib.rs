//! Waits, blocks, traps, computes or takes memory before it asks, as the request says. For tests of calls that share an
//! instance.

mod wasi_0_2;

use arcllm_module::{
    Description, Error, Module, NoSettings, Request, Response, clock, inner,
    types::{ContentBlock, ResponseParts},
};

/// How long it waits, in nanoseconds: long enough for all calls of a test to arrive.
const WAIT: u64 = 100_000_000;

/// The module.
pub struct Patient;

impl Module for Patient {
    type Config = NoSettings;

    fn describe() -> Description {
        Description::new("patient", env!("CARGO_PKG_VERSION"), "other")
    }

    fn new(_: NoSettings) -> Self {
        Self
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        match said(&request).as_str() {
            "trap" => {
                clock::wait_for(WAIT).await;
                #[cfg(target_family = "wasm")]
                core::arch::wasm32::unreachable();
            }
            "wait" => clock::wait_for(WAIT).await,
            "draw" => return draw(request).await,
            said => match said.split_once(' ') {
                Some(("block", seconds)) => wasi_0_2::block(seconds.parse().unwrap_or_default()),
                Some(("compute", milliseconds)) => compute(milliseconds.parse().unwrap_or_default()),
                Some(("take", megabytes)) => take(megabytes.parse().unwrap_or_default()),
                _ => {}
            },
        }
        inner::invoke(request).await
    }
}

/// Returns the first text of the conversation.
fn said(request: &Request) -> String {
    let parts = request.parts();
    let blocks = parts.messages.iter().flat_map(|message| &message.content);
    let text = blocks.filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text.text.clone()),
        _ => None,
    });
    text.into_iter().next().unwrap_or_default()
}

/// Draws a number, asks, draws another, and answers with both.
async fn draw(request: Request) -> Result<Response, Error> {
    let first = wasi_0_2::random();
    let answer = inner::invoke(request.clone()).await?;
    let drawn = format!("{first} {} {}", wasi_0_2::random(), wasi_0_2::now() > 0);
    let parts = ResponseParts::from_text(&request.provider(), &request.model(), &drawn);
    drop(answer);
    Ok(Response::new(&request, &parts))
}

/// Computes for this long.
fn compute(milliseconds: u64) {
    let until = clock::now() + milliseconds * 1_000_000;
    let mut steps = 0_u64;
    while clock::now() < until {
        for step in 0..10_000_u64 {
            steps = core::hint::black_box(steps.wrapping_mul(31).wrapping_add(step));
        }
    }
}

/// Takes this many megabytes of memory, and gives them back.
fn take(megabytes: usize) {
    core::hint::black_box(vec![1_u8; megabytes << 20]);
}

arcllm_module::export!(Patient);
