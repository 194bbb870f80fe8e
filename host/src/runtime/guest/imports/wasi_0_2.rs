//! The imports of WASI 0.2 that act on behalf of a call: its clock, its random numbers, and waiting, which blocks the
//! whole instance.
//!
//! Linked by hand: the traits of `wasmtime-wasi` do not say which call asks.

use wasmtime::{
    AsContextMut as _, Result, StoreContextMut, bail,
    component::{ComponentType, Linker, LinkerInstance, Lower, Resource},
};
use wasmtime_wasi::p2::{
    DynPollable,
    bindings::io::poll::{Host as _, HostPollable as _},
};

use crate::runtime::{
    guest::{
        imports::ambient::{RANDOM_BYTES, insecure_bits, insecure_bytes, random_bits, random_bytes, wall_clock},
        store_data::{StoreData, current_hop},
    },
    limits::limit::Limit,
};

/// Replaces these imports in a linker that has all of WASI 0.2. The version is the one that `wasmtime-wasi` links.
pub(crate) fn add_to_linker(linker: &mut Linker<StoreData>) -> Result<()> {
    clock(&mut linker.instance("wasi:clocks/wall-clock@0.2.12")?)?;
    random(&mut linker.instance("wasi:random/random@0.2.12")?)?;
    insecure(&mut linker.instance("wasi:random/insecure@0.2.12")?)?;
    poll(&mut linker.instance("wasi:io/poll@0.2.12")?)
}

/// A time since 1970.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn clock(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap("now", |mut store: StoreContextMut<'_, StoreData>, ()| {
        let now = wall_clock(current_hop(store.as_context_mut())?);
        Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
    })?;
    linker
        .func_wrap("resolution", |_: StoreContextMut<'_, StoreData>, ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
}

fn random(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap("get-random-bytes", |_: StoreContextMut<'_, StoreData>, (len,): (u64,)| {
        Ok((random_bytes(bounded(len)?),))
    })?;
    linker.func_wrap("get-random-u64", |_: StoreContextMut<'_, StoreData>, ()| Ok((random_bits(),)))
}

fn insecure(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap("get-insecure-random-bytes", |mut store: StoreContextMut<'_, StoreData>, (len,): (u64,)| {
        Ok((insecure_bytes(current_hop(store.as_context_mut())?, bounded(len)?),))
    })?;
    linker.func_wrap("get-insecure-random-u64", |mut store: StoreContextMut<'_, StoreData>, ()| {
        Ok((insecure_bits(current_hop(store.as_context_mut())?),))
    })
}

/// Checks a length. WASI 0.2 must return all bytes or fail.
fn bounded(len: u64) -> Result<u64> {
    if len > RANDOM_BYTES {
        bail!("it asked for more random bytes at once than {RANDOM_BYTES}: {len}");
    }
    Ok(len)
}

fn poll(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move { Ok((blocked(&mut store, async |state| state.table.poll(pollables).await).await?,)) })
    })?;
    linker.func_wrap_async("[method]pollable.block", |mut store, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move { blocked(&mut store, async |state| state.table.block(pollable).await).await })
    })
}

/// Waits while the instance does nothing else. Calls behind it go to other instances, and a wait of longer than a call
/// may go without progress ends the instance.
async fn blocked<T>(
    store: &mut StoreContextMut<'_, StoreData>,
    wait: impl AsyncFnOnce(&mut StoreData) -> Result<T>,
) -> Result<T> {
    let hop = current_hop(store.as_context_mut())?;
    let state = store.data_mut();
    let (cpu, longest) = (state.cpu.clone(), state.policy.limits.stall);
    let _blocked = cpu.blocked();
    match tokio::time::timeout(longest, wait(state)).await {
        Ok(done) => done,
        Err(_) => {
            state.culprit = hop;
            Err(Limit::Stall.into())
        }
    }
}
