//! Waits until sources change. It looks at them again and again: what an editor does to a file when it saves differs, and
//! events of the file system come in storms.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often it looks. Sources that are the same for this long have been saved whole.
const LOOK: Duration = Duration::from_millis(200);

/// The most files that are looked at.
const MOST: usize = 10_000;

/// Folders with what builds make or download.
const MADE: [&str; 5] = ["target", "node_modules", "__pycache__", "bindings", "dist"];

/// Files that builds write beside the sources.
const WRITTEN: [&str; 3] = ["Cargo.lock", "package-lock.json", "go.sum"];

/// The size of each file, and when it was changed.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Files that are watched.
pub(crate) struct Watched {
    place: PathBuf,
    is_project: bool,
    /// Files elsewhere.
    others: Vec<PathBuf>,
    /// What was there when the last build began.
    before: Seen,
}

impl Watched {
    /// Watches the sources of a project, and these files.
    pub(crate) fn folder(place: PathBuf, others: Vec<PathBuf>) -> Self {
        Self { place, is_project: true, others, before: Seen::new() }
    }

    /// Watches these files.
    pub(crate) fn file(place: PathBuf, others: Vec<PathBuf>) -> Self {
        Self { place, is_project: false, others, before: Seen::new() }
    }

    /// What is watched.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Notes what is there. What changes from now on counts, also during a build.
    pub(crate) fn begin(&mut self) {
        self.before = self.look();
    }

    /// Waits until something has changed since the beginning, and then changes no more.
    pub(crate) async fn changed(&self) {
        let mut last = self.look();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.look();
            if now != self.before && now == last {
                return;
            }
            last = now;
        }
    }

    fn look(&self) -> Seen {
        let mut seen = Seen::new();
        match self.is_project {
            true => look_into(&self.place, &mut seen),
            false => look_at(&self.place, &mut seen),
        }
        self.others.iter().for_each(|file| look_at(file, &mut seen));
        seen
    }
}

fn look_at(file: &Path, seen: &mut Seen) {
    if let Ok(metadata) = fs::metadata(file) {
        seen.insert(file.to_owned(), (metadata.len(), metadata.modified().ok()));
    }
}

/// Looks at the sources in a folder. Links are not followed, so that no circle has no end.
fn look_into(folder: &Path, seen: &mut Seen) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') || seen.len() >= MOST {
            continue;
        }
        if kind.is_dir() && !MADE.contains(&&*name) {
            look_into(&entry.path(), seen);
        } else if !kind.is_dir() && !WRITTEN.contains(&&*name) && !name.ends_with(".wasm") && !name.ends_with('~') {
            look_at(&entry.path(), seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_sources_count_and_only_once_they_rest() {
        let folder = std::env::temp_dir().join(format!("arcllm-watch-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("src/lib.rs", "one");
        let mut watched = Watched::folder(folder.clone(), vec![folder.join("elsewhere.wasm")]);
        watched.begin();
        let is_quiet = async |watched: &Watched| tokio::time::timeout(3 * LOOK, watched.changed()).await.is_err();
        for made in ["target/debug/x.rs", "mine.wasm", "Cargo.lock", ".git/index", "node_modules/a/b.js", "lib.rs~"] {
            write(made, "made");
        }
        assert!(is_quiet(&watched).await, "what builds write is not a change");
        write("src/lib.rs", "a longer text");
        watched.changed().await;
        watched.begin();
        assert!(is_quiet(&watched).await);
        write("elsewhere.wasm", "named");
        watched.changed().await;
        watched.begin();
        write("src/new/file.rs", "new");
        watched.changed().await;
        fs::remove_dir_all(&folder).unwrap();
    }
}
