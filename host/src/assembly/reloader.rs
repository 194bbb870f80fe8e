//! Exchanges modules whose files have changed, in loaded models.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    assembly::{
        failures::{GOES_ON, STAYS_REMOVED},
        loader::ModuleLoader,
        settings::ModuleSettings,
        source::ModuleBytes,
    },
    chat::config_error::ConfigError,
    runtime::slot::{Slot, Version},
};

/// What a reload has changed, and what it could not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reload {
    /// The modules that have new bytes, by name. New calls run on them.
    pub replaced: Vec<String>,
    /// The modules whose file is gone. Until there is a file again, new calls end as `on_trap` says.
    pub removed: Vec<String>,
    /// The modules whose new file does not load, and why. Their calls run on the version from before.
    pub failed: Vec<(String, ConfigError)>,
}

/// Exchanges the modules of loaded models.
pub(crate) struct Reloader {
    loader: Arc<ModuleLoader>,
    one_at_a_time: tokio::sync::Mutex<()>,
    count: AtomicU64,
    slots: Mutex<Vec<Weak<Slot>>>,
}

impl Reloader {
    /// A reloader for the modules of this loader.
    pub(crate) fn new(loader: Arc<ModuleLoader>) -> Self {
        let (one_at_a_time, count, slots) = Default::default();
        Self { loader, one_at_a_time, count, slots }
    }

    /// How many reloads have begun. If one begins during a load, the load may have read a file that has changed since.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Includes this slot in reloads, while a model has it.
    pub(crate) fn add(&self, slot: &Arc<Slot>) {
        let mut slots = self.slots();
        // Only when the list is full, so that most loads search nothing.
        if slots.len() == slots.capacity() {
            slots.retain(|slot| slot.strong_count() > 0);
            let living = slots.len();
            slots.reserve(living + 1);
        }
        slots.push(Arc::downgrade(slot));
    }

    /// Reads the files of all modules in loaded models, and exchanges the modules that have changed.
    pub(crate) async fn reload(&self) -> Reload {
        let _one = self.one_at_a_time.lock().await;
        // Before the slots are listed: a load that misses this count has its slots in the list.
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut report = Reload::default();
        let outside = tokio::runtime::Handle::try_current().is_err();
        for (name, slots) in self.living() {
            let name = name.to_string();
            if outside {
                let error = ConfigError::new("a reload needs a Tokio runtime: call it inside of one");
                report.failed.push((name, error));
            } else {
                self.reload_module(name, &slots, &mut report).await;
            }
        }
        report
    }

    async fn reload_module(&self, name: String, slots: &[Arc<Slot>], report: &mut Reload) {
        let (digest, error) = match self.loader.source.find(&name).await {
            Ok(found) => {
                let has_changed = |slot: &&Arc<Slot>| !slot.version().is_of(&found.origin, &found.digest);
                let changed: Vec<&Arc<Slot>> = slots.iter().filter(has_changed).collect();
                let digest = found.digest.clone();
                if changed.is_empty() {
                    return self.loader.failures.forget(&name);
                }
                match self.replace(&name, &changed, found).await {
                    Ok(()) => {
                        self.loader.failures.forget(&name);
                        tracing::info!(module = name, sha256 = digest, "the module was replaced");
                        return report.replaced.push(name);
                    }
                    Err(error) => (digest, error),
                }
            }
            Err(_) if self.loader.source.is_gone(&name) => return self.remove(name, slots, report),
            Err(error) => (String::new(), error),
        };
        let so = if note_broken(slots, &error) { STAYS_REMOVED } else { GOES_ON };
        self.loader.failures.warn_once(&name, &digest, &error, so);
        report.failed.push((name, error));
    }

    /// Makes new calls of these slots run on the new bytes. If one slot cannot, none does.
    async fn replace(&self, name: &str, slots: &[&Arc<Slot>], found: ModuleBytes) -> Result<(), ConfigError> {
        let prepared = Arc::new(self.loader.prepare_bytes(name, found).await?);
        let mut versions = Vec::new();
        for slot in slots {
            let settings =
                ModuleSettings { module: name, settings: &slot.settings, overrides: slot.overrides.as_ref() };
            versions.push(self.loader.run(&prepared, settings, &slot.runtime).await?);
        }
        for (slot, version) in slots.iter().zip(versions) {
            self.loader.good_versions.keep(name, prepared.clone(), &version);
            slot.exchange(version);
        }
        Ok(())
    }

    fn remove(&self, name: String, slots: &[Arc<Slot>], report: &mut Reload) {
        self.loader.good_versions.forget(&name);
        let mut was_there = None;
        for slot in slots {
            if let Version::Runs { origin, pool, .. } = &*slot.version() {
                let why = format!("{origin} does not exist");
                slot.exchange(Version::Removed { why, on_trap: pool.policy().on_trap });
                was_there = Some(origin.clone());
            }
        }
        if let Some(origin) = was_there {
            tracing::warn!(
                module = name,
                "the module was removed: {origin} does not exist any more (on_trap says how its calls end)"
            );
            self.loader.failures.forget(&name);
            report.removed.push(name);
        }
    }

    /// The modules whose file is gone.
    pub(crate) fn removed(&self) -> Vec<String> {
        let is_removed = |slot: &Arc<Slot>| matches!(&*slot.version(), Version::Removed { .. });
        let removed = self.living().into_iter().filter(|(_, slots)| slots.iter().any(is_removed));
        removed.map(|(name, _)| name.to_string()).collect()
    }

    fn living(&self) -> BTreeMap<Arc<str>, Vec<Arc<Slot>>> {
        let mut slots = self.slots();
        slots.retain(|slot| slot.strong_count() > 0);
        let mut living: BTreeMap<Arc<str>, Vec<Arc<Slot>>> = BTreeMap::new();
        for slot in slots.iter().filter_map(Weak::upgrade) {
            living.entry(slot.module().clone()).or_default().push(slot);
        }
        living
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the slots whose module was removed why it is still missing. Returns whether there are some.
fn note_broken(slots: &[Arc<Slot>], error: &ConfigError) -> bool {
    let mut has_removed = false;
    for slot in slots {
        if let Version::Removed { on_trap, .. } = &*slot.version() {
            let error = ConfigError { help: None, ..error.clone() };
            let why = format!("the file that is there now does not load: {error}");
            slot.exchange(Version::Removed { why, on_trap: *on_trap });
            has_removed = true;
        }
    }
    has_removed
}

#[cfg(test)]
mod tests;
