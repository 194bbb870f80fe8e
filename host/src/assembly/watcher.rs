//! Watches the folders that modules come from, and reloads when something happens there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf, absolute},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::assembly::{reloader::Reloader, source::ModuleSource};

/// How long nothing must have happened: a file is seldom written in one go.
const QUIET: Duration = Duration::from_millis(200);

/// After this long it is time to look, even where something happens all the time.
const LONGEST: Duration = Duration::from_secs(2);

/// Watches the folders of a host's modules.
pub(crate) struct Watcher {
    source: Arc<ModuleSource>,
    reloader: Arc<Reloader>,
    is_wanted: bool,
    watching: Mutex<Watching>,
}

/// Whether a host watches.
#[derive(Default)]
enum Watching {
    /// Not before a module is on.
    #[default]
    NotYet,
    /// The host owns the task, and the task does not own the host.
    Since(AbortOnDropHandle<()>),
    /// The system does not let it.
    Impossible,
}

impl Watcher {
    /// A watcher that has not begun. It never begins unless that is wanted.
    pub(crate) fn new(source: Arc<ModuleSource>, reloader: Arc<Reloader>, is_wanted: bool) -> Self {
        Self { source, reloader, is_wanted, watching: Mutex::default() }
    }

    /// Begins to watch, if that is wanted and has not begun.
    pub(crate) fn watch(&self) {
        let config = self.source.config();
        // A configuration that is not trusted loads no files.
        if !self.is_wanted || config.modules_dir.is_none() || !config.is_trusted() {
            return;
        }
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        match &*watching {
            Watching::Impossible => return,
            // A task ends with the runtime that it was begun in, which the host may outlive.
            Watching::Since(task) if !task.is_finished() => return,
            Watching::NotYet | Watching::Since(_) => {}
        }
        let happened = Arc::new(Notify::new());
        *watching = match watcher(&self.source, &happened) {
            Ok(watcher) => {
                let task = keep_up(self.source.clone(), Arc::downgrade(&self.reloader), happened, watcher);
                Watching::Since(AbortOnDropHandle::new(tokio::spawn(task)))
            }
            Err(error) => {
                tracing::warn!("modules that change are not noticed, since their folders cannot be watched: {error}");
                Watching::Impossible
            }
        };
    }
}

fn watcher(source: &ModuleSource, happened: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let folders = module_folders(source);
    // Where a folder can appear, or be exchanged for another.
    let above = folders.iter().filter_map(|folder| folder.ancestors().skip(1).find(|above| above.is_dir()));
    let above: BTreeSet<PathBuf> = above.map(Path::to_owned).collect();
    let places = Places { folders: folders.clone(), above: above.clone() };
    let happened = happened.clone();
    let mut watcher = notify::recommended_watcher(move |event| {
        if places.concerns(&event) {
            happened.notify_one();
        }
    })?;
    // Those above first: a folder that appears meanwhile is noticed, or there already.
    for above in &above {
        let watched = watcher.watch(above, RecursiveMode::NonRecursive);
        // One that may not be read is needed only for what is not there yet.
        if folders.iter().any(|folder| folder.starts_with(above) && !folder.is_dir()) {
            watched?;
        }
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// The folders that hold the modules' files, and what these link to.
fn module_folders(source: &ModuleSource) -> BTreeSet<PathBuf> {
    let files: Vec<PathBuf> =
        source.names().iter().filter_map(|name| source.file(name, &source.sandbox(name))).collect();
    let linked: Vec<PathBuf> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
    let parents = files.iter().chain(&linked).filter_map(|file| file.parent());
    source.config().modules_dir.as_deref().into_iter().chain(parents).filter_map(|path| absolute(path).ok()).collect()
}

/// Reloads whenever something has happened, until the host is gone.
async fn keep_up(
    source: Arc<ModuleSource>,
    reloader: Weak<Reloader>,
    happened: Arc<Notify>,
    mut watcher: RecommendedWatcher,
) {
    loop {
        happened.notified().await;
        quiet(&happened).await;
        let Some(reloader) = reloader.upgrade() else { return };
        // Anew, since other folders may be there now, and before looking, so that nothing is missed in between.
        match self::watcher(&source, &happened) {
            Ok(next) => drop(std::mem::replace(&mut watcher, next)),
            Err(error) => tracing::warn!("modules may change unnoticed, since a folder cannot be watched: {error}"),
        }
        reloader.reload().await;
    }
}

async fn quiet(happened: &Notify) {
    let begun = Instant::now();
    while begun.elapsed() < LONGEST && timeout(QUIET, happened.notified()).await.is_ok() {}
}

/// What is watched, and why.
struct Places {
    folders: BTreeSet<PathBuf>,
    above: BTreeSet<PathBuf>,
}

impl Places {
    /// Whether modules may have changed. Reading them, as a reload does, is an event too.
    fn concerns(&self, event: &notify::Result<Event>) -> bool {
        match event {
            Ok(event) if event.kind.is_access() => false,
            Ok(event) => event.paths.is_empty() || event.paths.iter().any(|path| self.matters(path)),
            Err(_) => true,
        }
    }

    /// What happens next to a folder of modules, and not to it, is nothing to it.
    fn matters(&self, path: &Path) -> bool {
        let is_above = self.folders.iter().any(|folder| folder.starts_with(path));
        let parent = path.parent().unwrap_or(path);
        is_above || self.folders.contains(parent) || !self.above.contains(parent)
    }
}

#[cfg(test)]
mod tests {
    use notify::{
        EventKind,
        event::{AccessKind, CreateKind},
    };

    use super::*;

    /// Whether this matters where modules are in `/etc/arcllm/modules`.
    fn concerns(kind: EventKind, path: &str) -> bool {
        let set = |path: &str| BTreeSet::from([PathBuf::from(path)]);
        let places = Places { folders: set("/etc/arcllm/modules"), above: set("/etc/arcllm") };
        places.concerns(&Ok(Event::new(kind).add_path(path.into())))
    }

    #[test]
    fn what_happens_next_to_the_modules_is_nothing_to_them() {
        let create = EventKind::Create(CreateKind::Any);
        assert!(concerns(create, "/etc/arcllm/modules/retry.wasm"));
        assert!(concerns(create, "/etc/arcllm/modules"), "the folder itself appears");
        assert!(concerns(create, "/etc/arcllm"), "or one above");
        assert!(!concerns(create, "/etc/arcllm/log"));
        assert!(!concerns(EventKind::Access(AccessKind::Any), "/etc/arcllm/modules/retry.wasm"), "a reload reads");
    }
}
