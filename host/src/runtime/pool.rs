//! The instances of one module with one set of settings, shared by every model whose chain has it.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    component::Compiled,
    instance::Instance,
    state::Caps,
    worker::{Seat, Worker},
};

/// Instances, made on demand and reused.
pub(crate) struct Pool {
    module: Arc<str>,
    compiled: Arc<Compiled>,
    /// The module's settings, as JSON.
    settings: String,
    caps: Caps,
    /// How many calls share an instance.
    most: u32,
    /// Whether an instance serves one call and no other.
    fresh: bool,
    workers: Mutex<Vec<Arc<Worker>>>,
}

impl Pool {
    /// A pool with its first instance, which has been described and configured already.
    pub(crate) fn new(
        module: Arc<str>,
        compiled: Arc<Compiled>,
        settings: String,
        share: Share,
        first: Instance,
    ) -> Arc<Self> {
        let workers = if share.fresh { Vec::new() } else { vec![Worker::spawn(std::future::ready(Ok(first))).0] };
        let Share { caps, most, fresh } = share;
        Arc::new(Self { module, compiled, settings, caps, most, fresh, workers: Mutex::new(workers) })
    }

    /// An instance with a seat for one more call; a new one where all are taken.
    pub(crate) fn worker(&self) -> (Arc<Worker>, Seat) {
        if self.fresh {
            return self.spawn();
        }
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        for worker in workers.iter() {
            if let Some(seat) = worker.seat(self.most) {
                return (worker.clone(), seat);
            }
        }
        workers.retain(|worker| !worker.is_over());
        let (worker, seat) = self.spawn();
        workers.push(worker.clone());
        (worker, seat)
    }

    fn spawn(&self) -> (Arc<Worker>, Seat) {
        let (module, compiled) = (self.module.clone(), self.compiled.clone());
        let (settings, caps) = (self.settings.clone(), self.caps);
        Worker::spawn(async move {
            let mut instance = Instance::start(module, &compiled, caps).await?;
            match instance.configure(settings).await? {
                Ok(()) => Ok(instance),
                Err(_) => Err("it refused the settings that it took before".to_owned()),
            }
        })
    }
}

/// How calls share instances.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) caps: Caps,
    pub(crate) most: u32,
    pub(crate) fresh: bool,
}
