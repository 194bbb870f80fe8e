//! Makes guests yield while they compute, and ends guests that compute for too long.

use std::{sync::Arc, time::Duration};

use wasmtime::{AsContextMut, Result, Store, StoreContextMut, UpdateDeadline};

use crate::runtime::{
    guest::store_data::{StoreData, current_hop},
    limits::{
        cpu_clock::{CpuClock, TICK},
        limit::Limit,
    },
};

/// The most time that an instance may take, and compute, outside of calls: to start and to read its settings.
pub(crate) const START: Duration = Duration::from_secs(30);

/// Makes the guests of this store yield at every tick, and end when their time is used up.
pub(crate) fn limit(store: &mut Store<StoreData>) {
    let budget = |time: Duration| u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX);
    let of_call = budget(store.data().policy.limits.cpu);
    let clock: Arc<CpuClock> = store.data().cpu.clone();
    let mut outside = budget(START);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store: StoreContextMut<'_, StoreData>| -> Result<UpdateDeadline> {
        let ticks = clock.ticks();
        if ticks == 0 {
            // All ticks passed before the guest ran.
            return Ok(UpdateDeadline::Continue(1));
        }
        match current_hop(store.as_context_mut())? {
            Some(hop) if hop.progress.computed(ticks) > of_call => {
                store.data_mut().culprit = Some(hop);
                Err(Limit::Cpu.into())
            }
            Some(_) => {
                clock.yields();
                Ok(UpdateDeadline::Yield(1))
            }
            None => {
                outside = outside.checked_sub(ticks).ok_or(Limit::Cpu)?;
                Ok(UpdateDeadline::Yield(1))
            }
        }
    });
}
