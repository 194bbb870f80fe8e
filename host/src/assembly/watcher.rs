//! Watches the folders of modules, and reloads after a change.

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

/// How long it must be quiet before a reload: a file is seldom written at once.
const QUIET: Duration = Duration::from_millis(200);

/// The longest wait for quiet.
const LONGEST: Duration = Duration::from_secs(2);

/// Watches the folders of a host's modules.
pub(crate) struct Watcher {
    source: Arc<ModuleSource>,
    reloader: Arc<Reloader>,
    is_wanted: bool,
    watching: Mutex<WatchState>,
}

/// Whether a host watches its folders.
#[derive(Default)]
enum WatchState {
    /// No module has been enabled yet.
    #[default]
    NotYet,
    /// A task watches. The host owns the task, and not the other way round.
    Since(AbortOnDropHandle<()>),
    /// The system does not allow it.
    Impossible,
}

impl Watcher {
    /// A watcher that has not begun. It begins only if `is_wanted`.
    pub(crate) fn new(source: Arc<ModuleSource>, reloader: Arc<Reloader>, is_wanted: bool) -> Self {
        Self { source, reloader, is_wanted, watching: Mutex::default() }
    }

    /// Begins to watch, if that is wanted and it does not watch yet.
    pub(crate) fn watch(&self) {
        let config = self.source.config();
        // An untrusted configuration loads no files.
        if !self.is_wanted || config.modules_dir.is_none() || !config.is_trusted() {
            return;
        }
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        match &*watching {
            WatchState::Impossible => return,
            // A task ends with its runtime. The host may live longer.
            WatchState::Since(task) if !task.is_finished() => return,
            WatchState::NotYet | WatchState::Since(_) => {}
        }
        let happened = Arc::new(Notify::new());
        *watching = match watcher(&self.source, &happened) {
            Ok(watcher) => {
                let task = keep_up(self.source.clone(), Arc::downgrade(&self.reloader), happened, watcher);
                WatchState::Since(AbortOnDropHandle::new(tokio::spawn(task)))
            }
            Err(error) => {
                tracing::warn!("the folders of modules cannot be watched, so changed modules are not noticed: {error}");
                WatchState::Impossible
            }
        };
    }
}

fn watcher(source: &ModuleSource, happened: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let folders = module_folders(source);
    // The folders above, where a folder can appear or be exchanged.
    let above = folders.iter().filter_map(|folder| folder.ancestors().skip(1).find(|above| above.is_dir()));
    let above: BTreeSet<PathBuf> = above.map(Path::to_owned).collect();
    let watched = WatchedFolders { folders: folders.clone(), above: above.clone() };
    let happened = happened.clone();
    let mut watcher = notify::recommended_watcher(move |event| {
        if watched.is_about_modules(&event) {
            happened.notify_one();
        }
    })?;
    // Folders above first, so that a folder that appears meanwhile is noticed.
    for above in &above {
        let watched = watcher.watch(above, RecursiveMode::NonRecursive);
        // A folder above that cannot be read is needed only if a folder below is missing.
        if folders.iter().any(|folder| folder.starts_with(above) && !folder.is_dir()) {
            watched?;
        }
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// The folders of the modules' files, and those of the files that they link to.
fn module_folders(source: &ModuleSource) -> BTreeSet<PathBuf> {
    let files: Vec<PathBuf> =
        source.names().iter().filter_map(|name| source.file(name, &source.sandbox(name))).collect();
    let linked: Vec<PathBuf> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
    let parents = files.iter().chain(&linked).filter_map(|file| file.parent());
    source.config().modules_dir.as_deref().into_iter().chain(parents).filter_map(|path| absolute(path).ok()).collect()
}

/// Reloads after each change, until the host is gone.
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
        // Watches again, since there may be other folders. Before the reload, so that no change is missed.
        match self::watcher(&source, &happened) {
            Ok(next) => drop(std::mem::replace(&mut watcher, next)),
            Err(error) => {
                tracing::warn!("a folder of modules cannot be watched, so some changes are not noticed: {error}")
            }
        }
        reloader.reload().await;
    }
}

async fn quiet(happened: &Notify) {
    let begun = Instant::now();
    while begun.elapsed() < LONGEST && timeout(QUIET, happened.notified()).await.is_ok() {}
}

/// The watched folders: those of modules, and those above.
struct WatchedFolders {
    folders: BTreeSet<PathBuf>,
    above: BTreeSet<PathBuf>,
}

impl WatchedFolders {
    /// Whether modules may have changed. Reading them is also an event, which a reload causes.
    fn is_about_modules(&self, event: &notify::Result<Event>) -> bool {
        match event {
            Ok(event) if event.kind.is_access() => false,
            Ok(event) => event.paths.is_empty() || event.paths.iter().any(|path| self.is_relevant(path)),
            Err(_) => true,
        }
    }

    /// Whether a path can matter to modules. Events beside a folder of modules do not.
    fn is_relevant(&self, path: &Path) -> bool {
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

    /// Whether this event counts, with modules in `/etc/arcllm/modules`.
    fn counts(kind: EventKind, path: &str) -> bool {
        let set = |path: &str| BTreeSet::from([PathBuf::from(path)]);
        let watched = WatchedFolders { folders: set("/etc/arcllm/modules"), above: set("/etc/arcllm") };
        watched.is_about_modules(&Ok(Event::new(kind).add_path(path.into())))
    }

    #[test]
    fn events_beside_the_folder_of_modules_do_not_count() {
        let create = EventKind::Create(CreateKind::Any);
        assert!(counts(create, "/etc/arcllm/modules/retry.wasm"));
        assert!(counts(create, "/etc/arcllm/modules"), "the folder itself appears");
        assert!(counts(create, "/etc/arcllm"), "or one above");
        assert!(!counts(create, "/etc/arcllm/log"));
        assert!(!counts(EventKind::Access(AccessKind::Any), "/etc/arcllm/modules/retry.wasm"), "a reload reads");
    }
}
