//! The faults. Only what holds the module finds an end to most of them; what does come back has let the call go on.

use std::{
    future::poll_fn,
    hint::{black_box, spin_loop},
    task::Poll,
};

use arcllm_module::{
    Error, Request, clock, inner, log,
    types::{ContentBlock, Message, Role, Text},
};

use crate::config::{Fault, Settings, nanoseconds};

const MEGABYTE: usize = 1 << 20;

/// Many more than any limit lets through in the time that it takes to write them.
const LINES: u32 = 100_000;

/// How long `linger` sleeps at a time: a second.
const NAP: u64 = 1_000_000_000;

/// Does the one thing wrong.
///
/// # Errors
///
/// The error that is set, where that is the fault.
pub(crate) async fn commit(fault: Fault, settings: &Settings, request: &Request) -> Result<(), Error> {
    match fault {
        Fault::Trap => trap(),
        Fault::Spin => spin(),
        Fault::Allocate => allocate(),
        Fault::Recurse => {
            recurse();
            Ok(())
        }
        Fault::Hang => std::future::pending().await,
        Fault::LeakHandles => leak_handles(request),
        Fault::Swarm => swarm().await,
        Fault::Hoard => hoard(request),
        Fault::FloodLog => {
            flood_log();
            Ok(())
        }
        Fault::Move => move_more_and_more(request),
        Fault::Error => Err(settings.error_of(request.provider(), request.model())),
        Fault::Delay => {
            clock::wait_for(nanoseconds(settings.delay_seconds)).await;
            Ok(())
        }
        Fault::Linger => loop {
            clock::wait_for(NAP).await;
        },
        Fault::Repeat => loop {
            // Whatever comes, an answer included, is no reason to stop.
            let _ = inner::invoke(request.clone()).await;
        },
    }
}

/// The instruction itself: a panic would format a message first.
fn trap() -> ! {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

fn spin() -> ! {
    loop {
        spin_loop();
    }
}

/// What it takes it does not write to: growing is the fault, and a drill need not use up the machine.
fn allocate() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(Vec::<u8>::with_capacity(MEGABYTE)));
    }
}

fn recurse() {
    // What the compiler cannot know to be far away.
    let bottom = black_box(u64::MAX);
    black_box(descend(0, bottom));
}

/// Numbers by value and no address taken: a frame is on the stack of the machine that runs WebAssembly alone, and no
/// stack in linear memory runs out before it. What is done after the call keeps it from being a loop.
#[inline(never)]
fn descend(depth: u64, bottom: u64) -> u64 {
    if depth == bottom {
        return depth;
    }
    descend(depth + 1, bottom).rotate_left(7) ^ depth
}

fn leak_handles(request: &Request) -> ! {
    let mut held = Vec::new();
    loop {
        held.push(request.clone());
    }
}

/// The text is the module's once, and the host's each time.
fn hoard(request: &Request) -> ! {
    let mut parts = request.parts();
    parts.messages = vec![said(MEGABYTE)];
    let mut held = Vec::new();
    loop {
        held.push(request.derive(&parts));
    }
}

fn said(length: usize) -> Message {
    let text = Text { text: " ".repeat(length), extensions: Vec::new() };
    Message { role: Role::User, content: vec![ContentBlock::Text(text)], extensions: Vec::new() }
}

/// What is under way is held by the host as well.
async fn swarm() -> ! {
    let mut held = Vec::new();
    loop {
        let mut waiting = Box::pin(clock::wait_for(u64::MAX));
        poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        held.push(waiting);
    }
}

fn flood_log() {
    for line in 1..=LINES {
        let message = format!("line {line} of {LINES}: the module chaos floods the log, as it is set to");
        log::log(log::Level::Warn, "chaos", &message);
    }
}

/// Each time twice as much, so that any limit is met, and soon. Nothing is kept.
fn move_more_and_more(request: &Request) -> ! {
    let mut parts = request.parts();
    let mut length = MEGABYTE;
    loop {
        parts.messages = vec![said(length)];
        drop(request.derive(&parts));
        length = length.saturating_mul(2);
    }
}
