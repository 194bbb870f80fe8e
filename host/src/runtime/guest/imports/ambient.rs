//! Imports that need no grant: clocks, random numbers and logging.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::Rng as _;
use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor},
};

use crate::{
    chat::{
        plain::{self, MESSAGE, SENTENCE, WORD},
        seconds::nanoseconds,
    },
    runtime::guest::{
        bindings::wasi::{
            clocks::{monotonic_clock, system_clock, types},
            logging::logging,
            random::{insecure, insecure_seed, random},
        },
        hop::Hop,
        store_data::{Imports, StoreData, current_hop},
    },
};

/// The most random bytes of one call, as in <https://www.w3.org/TR/webcrypto/#Crypto-method-getRandomValues>.
pub(crate) const RANDOM_BYTES: u64 = 65_536;

impl types::Host for StoreData {}
impl monotonic_clock::Host for StoreData {}
impl system_clock::Host for StoreData {}
impl insecure::Host for StoreData {}
impl insecure_seed::Host for StoreData {}
impl random::Host for StoreData {}
impl logging::Host for StoreData {}

impl monotonic_clock::HostWithStore<StoreData> for Imports {
    fn now(mut store: Access<'_, StoreData, Self>) -> Result<u64> {
        Ok(nanoseconds(store.get().monotonic_clock()))
    }

    fn get_resolution(_: Access<'_, StoreData, Self>) -> Result<u64> {
        Ok(1)
    }

    async fn wait_until(store: &Accessor<StoreData, Self>, when: u64) -> Result<()> {
        let now = store.with(|mut store| store.get().monotonic_clock());
        sleep(store, Duration::from_nanos(when).saturating_sub(now)).await
    }

    async fn wait_for(store: &Accessor<StoreData, Self>, how_long: u64) -> Result<()> {
        sleep(store, Duration::from_nanos(how_long)).await
    }
}

/// Sleeps on behalf of a call. Wakes early when the call is over.
async fn sleep(store: &Accessor<StoreData, Imports>, duration: Duration) -> Result<()> {
    let Some(hop) = store.with(|mut store| current_hop(store.as_context_mut()))? else {
        // A guest has nothing to wait for outside of a call.
        tokio::task::yield_now().await;
        return Ok(());
    };
    tracing::debug!(target: "arcllm::wait", module = &*hop.place.module, seconds = duration.as_secs_f64(), "wait");
    let _waiting = hop.progress.wait();
    tokio::select! {
        biased;
        () = hop.over() => tokio::task::yield_now().await,
        () = tokio::time::sleep(duration) => hop.branch.invoke.waited(&hop.place.module, duration),
    }
    Ok(())
}

impl system_clock::HostWithStore<StoreData> for Imports {
    fn now(mut store: Access<'_, StoreData, Self>) -> Result<system_clock::Instant> {
        let now = wall_clock(current_hop(store.as_context_mut())?);
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        Ok(system_clock::Instant { seconds, nanoseconds: now.subsec_nanos() })
    }

    fn get_resolution(_: Access<'_, StoreData, Self>) -> Result<u64> {
        Ok(1)
    }
}

/// Random bits of the call's own stream, so that a seeded run does not depend on other calls.
pub(crate) fn insecure_bits(hop: Option<Arc<Hop>>) -> u64 {
    hop.map_or(0, |hop| hop.branch.invoke.random())
}

/// Random bytes of the call's own stream.
pub(crate) fn insecure_bytes(hop: Option<Arc<Hop>>, len: u64) -> Vec<u8> {
    let mut bytes = zeros(len);
    if let Some(hop) = hop {
        hop.branch.invoke.fill(&mut bytes);
    }
    bytes
}

/// Random bytes that nobody can predict.
pub(crate) fn random_bytes(len: u64) -> Vec<u8> {
    let mut bytes = zeros(len);
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Random bits that nobody can predict.
pub(crate) fn random_bits() -> u64 {
    rand::rng().next_u64()
}

fn zeros(len: u64) -> Vec<u8> {
    vec![0; usize::try_from(len).unwrap_or_default()]
}

/// The time since 1970, by the clock of the call's host. Outside of calls, by the system's.
pub(crate) fn wall_clock(hop: Option<Arc<Hop>>) -> Duration {
    let now = hop.map_or_else(SystemTime::now, |hop| (hop.place.clock)());
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl insecure::HostWithStore<StoreData> for Imports {
    fn get_insecure_random_bytes(mut store: Access<'_, StoreData, Self>, max_len: u64) -> Result<Vec<u8>> {
        // The WIT allows fewer bytes than the guest asks for.
        Ok(insecure_bytes(current_hop(store.as_context_mut())?, max_len.min(RANDOM_BYTES)))
    }

    fn get_insecure_random_u64(mut store: Access<'_, StoreData, Self>) -> Result<u64> {
        Ok(insecure_bits(current_hop(store.as_context_mut())?))
    }
}

impl insecure_seed::HostWithStore<StoreData> for Imports {
    fn get_insecure_seed(_: Access<'_, StoreData, Self>) -> Result<(u64, u64)> {
        // Constant, since hash maps of an instance outlive its calls. Security must not depend on it.
        Ok((0, 0))
    }
}

impl random::HostWithStore<StoreData> for Imports {
    fn get_random_bytes(_: Access<'_, StoreData, Self>, max_len: u64) -> Result<Vec<u8>> {
        Ok(random_bytes(max_len.min(RANDOM_BYTES)))
    }

    fn get_random_u64(_: Access<'_, StoreData, Self>) -> Result<u64> {
        Ok(random_bits())
    }
}

impl logging::HostWithStore<StoreData> for Imports {
    fn log(
        mut store: Access<'_, StoreData, Self>,
        level: logging::Level,
        context: String,
        message: String,
    ) -> Result<()> {
        let culprit = current_hop(store.as_context_mut())?;
        let state = store.get();
        if matches!(level, logging::Level::Critical) {
            state.last_words = Some(plain::line(&message, SENTENCE).into_owned());
        }
        let (bytes, limits) = (context.len() + message.len(), &state.policy.limits);
        let together = state.log_rate.count(bytes, limits, &state.module);
        // The call's own count, or the instance's outside of calls.
        let by_itself = culprit.as_ref().map_or(together, |hop| hop.progress.logs(bytes, limits));
        if let Err(limit) = by_itself {
            state.culprit = culprit;
            return Err(limit.into());
        }
        if together.is_err() {
            // The calls of the instance log too much together, so no call is the culprit.
            return Ok(());
        }
        let module: &str = &state.module;
        let (context, message) = (plain::line(&context, WORD), plain::line(&message, MESSAGE));
        let context = &*context;
        match level {
            logging::Level::Trace => tracing::trace!(target: "arcllm::module", module, context, "{message}"),
            logging::Level::Debug => tracing::debug!(target: "arcllm::module", module, context, "{message}"),
            logging::Level::Info => tracing::info!(target: "arcllm::module", module, context, "{message}"),
            logging::Level::Warn => tracing::warn!(target: "arcllm::module", module, context, "{message}"),
            logging::Level::Error | logging::Level::Critical => {
                tracing::error!(target: "arcllm::module", module, context, "{message}");
            }
        }
        Ok(())
    }
}
