//! Takes up what has changed in the modules directory, for the models that are loaded.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    assembly::{
        find::Found,
        host::{Host, Shared},
    },
    config::error::ConfigError,
    runtime::link::{Current, Link},
};

/// What a reload has changed, and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reload {
    /// The modules whose new calls run on other bytes from now on, by name.
    pub replaced: Vec<String>,
    /// The modules whose file is gone: their new calls fail until there is a file again.
    pub removed: Vec<String>,
    /// The modules that go on as they were, since what is there now does not load, and why it does not.
    pub failed: Vec<(String, ConfigError)>,
}

/// The links that a reload has to look at, and how reloads keep out of the way of each other and of loads.
#[derive(Default)]
pub(crate) struct Reloads {
    one_at_a_time: tokio::sync::Mutex<()>,
    begun: AtomicU64,
    links: Mutex<Vec<Weak<Link>>>,
}

impl Reloads {
    /// How many have begun. A load during which one begins may have read what is old by now.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Has reloads look at this link for as long as a model has it.
    pub(crate) fn add(&self, link: &Arc<Link>) {
        let mut links = self.links();
        // Only when the list is full, so that a load has nothing to look through most of the time.
        if links.len() == links.capacity() {
            links.retain(|link| link.strong_count() > 0);
            let living = links.len();
            links.reserve(living + 1);
        }
        links.push(Arc::downgrade(link));
    }

    fn living(&self) -> BTreeMap<Arc<str>, Vec<Arc<Link>>> {
        let mut links = self.links();
        links.retain(|link| link.strong_count() > 0);
        let mut living: BTreeMap<Arc<str>, Vec<Arc<Link>>> = BTreeMap::new();
        for link in links.iter().filter_map(Weak::upgrade) {
            living.entry(link.module.clone()).or_default().push(link);
        }
        living
    }

    fn links(&self) -> MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was said of each module's file, so that it is said once.
#[derive(Default)]
pub(crate) struct Told(Mutex<HashMap<String, (String, ConfigError)>>);

impl Told {
    /// Whether it is news that what has this digest does not load. Only the last that was said of a module is known.
    fn is_news(&self, module: &str, digest: &str, error: &ConfigError) -> bool {
        let news = (digest.to_owned(), error.clone());
        self.said().insert(module.to_owned(), news.clone()) != Some(news)
    }

    /// The module loads: what is wrong with it from now on is news.
    pub(crate) fn forget(&self, module: &str) {
        self.said().remove(module);
    }

    fn said(&self) -> MutexGuard<'_, HashMap<String, (String, ConfigError)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Looks at the file of every module that a loaded model has, and has new calls run on what has changed. Calls under
    /// way finish on what they began with.
    ///
    /// A module is replaced for all models or for none: a file that does not compile, is not the one that the config pins,
    /// asks for what it is not granted or refuses the settings of any model changes nothing, and is reported.
    /// New calls of a module whose file is removed fail.
    ///
    /// A host that watches its modules does this by itself; see [`HostBuilder::watch`](crate::HostBuilder::watch).
    pub async fn reload(&self) -> Reload {
        self.shared.reload().await
    }
}

impl Shared {
    pub(crate) async fn reload(&self) -> Reload {
        let _one = self.reloads.one_at_a_time.lock().await;
        // Before looking for links: a load that does not see this has its links in the list.
        self.reloads.begun.fetch_add(1, Ordering::SeqCst);
        let mut report = Reload::default();
        let outside = tokio::runtime::Handle::try_current().is_err();
        for (name, links) in self.reloads.living() {
            let name = name.to_string();
            if outside {
                let error = ConfigError::new("modules are reloaded inside of a Tokio runtime");
                report.failed.push((name, error));
            } else {
                self.reload_module(name, &links, &mut report).await;
            }
        }
        report
    }

    async fn reload_module(&self, name: String, links: &[Arc<Link>], report: &mut Reload) {
        let (digest, error) = match self.find(&name).await {
            Ok(found) => {
                let old = |link: &&Arc<Link>| !link.now().is(&found.origin, &found.digest);
                let old: Vec<&Arc<Link>> = links.iter().filter(old).collect();
                let digest = found.digest.clone();
                if old.is_empty() {
                    return self.told.forget(&name);
                }
                match self.replace(&name, &old, found).await {
                    Ok(()) => {
                        self.told.forget(&name);
                        tracing::info!(module = name, sha256 = digest, "the module was replaced");
                        return report.replaced.push(name);
                    }
                    Err(error) => (digest, error),
                }
            }
            Err(_) if self.is_gone(&name) => return self.remove(name, links, report),
            Err(error) => (String::new(), error),
        };
        self.warn_of(&name, &digest, &error);
        report.failed.push((name, error));
    }

    /// Has new calls of these links run on what was found; of all, or of none where one cannot.
    async fn replace(&self, name: &str, links: &[&Arc<Link>], found: Found) -> Result<(), ConfigError> {
        let prepared = Arc::new(self.prepare_found(name, found).await?);
        let mut ready = Vec::new();
        for link in links {
            let running = self.running(name, &prepared, &link.settings, link.asked.as_ref(), &link.runtime);
            ready.push(running.await?);
        }
        for (link, current) in links.iter().zip(ready) {
            self.accept(name, prepared.clone(), &current);
            link.exchange(current);
        }
        Ok(())
    }

    /// Warns, once for what has this digest, that it does not load.
    pub(crate) fn warn_of(&self, name: &str, digest: &str, error: &ConfigError) {
        if self.told.is_news(name, digest, error) {
            tracing::warn!(module = name, "the module goes on as it was, since the new one does not load: {error}");
        }
    }

    fn remove(&self, name: String, links: &[Arc<Link>], report: &mut Reload) {
        self.forget(&name);
        let mut was_there = None;
        for link in links {
            if let Current::Runs { origin, pool, .. } = &*link.now() {
                link.exchange(Current::Removed { origin: origin.clone(), on_trap: pool.on_trap() });
                was_there = Some(origin.clone());
            }
        }
        if let Some(origin) = was_there {
            tracing::warn!(module = name, "the module was removed: {origin} is not there any more");
            self.told.forget(&name);
            report.removed.push(name);
        }
    }
}

#[cfg(test)]
mod tests;
