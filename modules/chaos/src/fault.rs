//! The faults. Most of them end only when the host ends them. If a fault returns, the call goes on.

use std::{
    future::poll_fn,
    hint::{black_box, spin_loop},
    task::Poll,
    time::Duration,
};

use arcllm_module::{
    Error, Request, clock, inner, log,
    types::{ContentBlock, Message, Role, Text},
};

use crate::settings::{Fault, Settings};

const MEGABYTE: usize = 1 << 20;

/// How many messages `flood-log` writes: many more than any limit lets through in that time.
const LINES: u32 = 100_000;

/// How long `linger` sleeps at a time, in nanoseconds.
const NAP: Duration = Duration::from_secs(1);

/// Commits the fault.
///
/// # Errors
///
/// The error that is set, if the fault is `error`.
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
            clock::wait_for(settings.delay_seconds.duration()).await;
            Ok(())
        }
        Fault::Linger => loop {
            clock::wait_for(NAP).await;
        },
        Fault::Repeat => loop {
            // Goes on after answers as well as errors.
            let _ = inner::invoke(request.clone()).await;
        },
    }
}

/// Executes the instruction `unreachable`. A panic would format a message first.
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

/// Takes memory and does not write to it, so that a drill does not use up the memory of the machine.
fn allocate() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(Vec::<u8>::with_capacity(MEGABYTE)));
    }
}

fn recurse() {
    // Keeps the compiler from knowing that the end is far away.
    let bottom = black_box(u64::MAX);
    black_box(descend(0, bottom));
}

/// Takes numbers by value and no addresses, so that its frames fill the host's stack and not the one in linear memory. The
/// work after the call keeps the compiler from making it a loop.
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

/// Makes requests of the same text: the module holds it once, the host once for each request.
fn hoard(request: &Request) -> ! {
    let mut parts = request.parts();
    parts.messages = vec![said(MEGABYTE)];
    let mut held = Vec::new();
    loop {
        held.push(request.derive(&parts));
    }
}

fn said(length: usize) -> Message {
    let text = Text { text: " ".repeat(length), cache: None, extensions: Vec::new() };
    Message { role: Role::User, content: vec![ContentBlock::Text(text)], extensions: Vec::new() }
}

/// Starts waits and keeps them: the host keeps each of them too.
async fn swarm() -> ! {
    let mut held = Vec::new();
    loop {
        let mut waiting = Box::pin(clock::wait_for(Duration::MAX));
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

/// Passes twice as much each time, so that any limit is reached soon. Keeps nothing.
fn move_more_and_more(request: &Request) -> ! {
    let mut parts = request.parts();
    let mut length = MEGABYTE;
    loop {
        parts.messages = vec![said(length)];
        drop(request.derive(&parts));
        length = length.saturating_mul(2);
    }
}
