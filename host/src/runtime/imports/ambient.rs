//! What every module may have: clocks, random numbers and logging.

use std::time::{Duration, UNIX_EPOCH};

use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor},
};

use crate::{
    plain::{self, MESSAGE, WORD},
    runtime::{
        bindings::wasi::{
            clocks::{monotonic_clock, system_clock, types},
            logging::logging,
            random::{insecure, insecure_seed, random},
        },
        convert::nanoseconds,
        state::{Imports, State, current_hop, since_origin, wall_clock},
    },
};

/// The most random bytes of one call; the WIT allows to give fewer than were asked for.
const RANDOM_BYTES: u64 = 4096;

impl types::Host for State {}
impl monotonic_clock::Host for State {}
impl system_clock::Host for State {}
impl insecure::Host for State {}
impl insecure_seed::Host for State {}
impl random::Host for State {}
impl logging::Host for State {}

impl monotonic_clock::HostWithStore<State> for Imports {
    fn now(_: Access<'_, State, Self>) -> Result<u64> {
        Ok(nanoseconds(since_origin()))
    }

    fn get_resolution(_: Access<'_, State, Self>) -> Result<u64> {
        Ok(1)
    }

    async fn wait_until(store: &Accessor<State, Self>, when: u64) -> Result<()> {
        sleep(store, Duration::from_nanos(when).saturating_sub(since_origin())).await
    }

    async fn wait_for(store: &Accessor<State, Self>, how_long: u64) -> Result<()> {
        sleep(store, Duration::from_nanos(how_long)).await
    }
}

/// Sleeps on behalf of a call, and no longer than anybody waits for it.
async fn sleep(store: &Accessor<State, Imports>, duration: Duration) -> Result<()> {
    let Some(hop) = store.with(|mut store| current_hop(store.as_context_mut()))? else {
        // Outside of a call there is nobody to wait for.
        tokio::task::yield_now().await;
        return Ok(());
    };
    tracing::debug!(target: "arcllm::wait", module = &*hop.place.module, seconds = duration.as_secs_f64(), "wait");
    let _waiting = hop.wait();
    tokio::select! {
        biased;
        () = hop.cancelled() => tokio::task::yield_now().await,
        () = tokio::time::sleep(duration) => hop.invoke.waited(&hop.place.module, duration),
    }
    Ok(())
}

impl system_clock::HostWithStore<State> for Imports {
    fn now(_: Access<'_, State, Self>) -> Result<system_clock::Instant> {
        let now = wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        Ok(system_clock::Instant { seconds, nanoseconds: now.subsec_nanos() })
    }

    fn get_resolution(_: Access<'_, State, Self>) -> Result<u64> {
        Ok(1)
    }
}

/// Bits of the call's own stream, so that a seeded run does not depend on which calls run beside it.
fn insecure_bits(mut store: Access<'_, State, Imports>) -> Result<u64> {
    let hop = current_hop(store.as_context_mut())?;
    Ok(hop.map_or(0, |hop| hop.invoke.random()))
}

impl insecure::HostWithStore<State> for Imports {
    fn get_insecure_random_bytes(mut store: Access<'_, State, Self>, max_len: u64) -> Result<Vec<u8>> {
        let len = usize::try_from(max_len.min(RANDOM_BYTES)).unwrap_or_default();
        let hop = current_hop(store.as_context_mut())?;
        let words = std::iter::repeat_with(|| hop.as_ref().map_or(0, |hop| hop.invoke.random()));
        Ok(words.flat_map(u64::to_le_bytes).take(len).collect())
    }

    fn get_insecure_random_u64(store: Access<'_, State, Self>) -> Result<u64> {
        insecure_bits(store)
    }
}

impl insecure_seed::HostWithStore<State> for Imports {
    fn get_insecure_seed(_: Access<'_, State, Self>) -> Result<(u64, u64)> {
        // Hash maps of an instance outlive its calls, and nothing that must not repeat may hang on this.
        Ok((0, 0))
    }
}

impl random::HostWithStore<State> for Imports {
    fn get_random_bytes(_: Access<'_, State, Self>, max_len: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(max_len.min(RANDOM_BYTES)).unwrap_or_default()];
        getrandom::fill(&mut bytes).map_err(wasmtime::Error::new)?;
        Ok(bytes)
    }

    fn get_random_u64(_: Access<'_, State, Self>) -> Result<u64> {
        getrandom::u64().map_err(wasmtime::Error::new)
    }
}

impl logging::HostWithStore<State> for Imports {
    fn log(mut store: Access<'_, State, Self>, level: logging::Level, context: String, message: String) -> Result<()> {
        let culprit = current_hop(store.as_context_mut())?;
        let state = store.get();
        let (bytes, limits) = (context.len() + message.len(), &state.caps.limits);
        let by_itself = culprit.as_ref().map_or(Ok(()), |hop| hop.logs(bytes, limits));
        let together = state.log_rate.count(bytes, limits, &state.module);
        match (by_itself, together) {
            (Ok(()), Ok(())) => {}
            // Its call floods the log. Without a call, the instance does.
            (Err(limit), _) | (Ok(()), Err(limit)) if by_itself.is_err() || culprit.is_none() => {
                state.culprit = culprit;
                return Err(limit.into());
            }
            // Its calls log too much together, which is no single one's fault.
            (_, Err(_)) | (Err(_), _) => return Ok(()),
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
