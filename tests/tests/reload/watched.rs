//! Files that the host watches.

use crate::reload::stage::{
    AGAIN, IN_ITS_PLACE, MINE, ONCE, RETRIED, a_moment, attempts, host, in_its_place_with, load, others, until,
};
use crate::support::Folder;
use std::{fs, path::PathBuf};

#[tokio::test(start_paused = true)]
async fn a_watched_file_is_reloaded() {
    let folder = in_its_place_with(&IN_ITS_PLACE.replace("watch = false", "watch = true"));
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, ONCE);
    let file = folder.write("modules/fallback.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
    folder.write("modules/fallback.wasm", others()).unwrap();
    until(&model, ONCE).await;
    // Written slowly.
    let (start, end) = AGAIN.split_at(AGAIN.len() / 2);
    folder.write("modules/fallback.wasm", start).unwrap();
    a_moment().await;
    assert_eq!(attempts(&model).await, ONCE);
    fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .map(|mut file| std::io::Write::write_all(&mut file, end))
        .unwrap()
        .unwrap();
    until(&model, RETRIED).await;
    fs::remove_dir_all(folder.path().join("modules")).unwrap();
    until(&model, 0).await;
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
}

/// As releases are switched: the directory is a link, and another link replaces it.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_directory_that_is_swapped_is_reloaded() {
    let folder = Folder::new(&MINE.replace("watch = false", "watch = true\nmodules_dir = \"current\"")).unwrap();
    folder.write("releases/1/mine.wasm", AGAIN).unwrap();
    folder.write("releases/2/mine.wasm", others()).unwrap();
    let at = |path: &str| -> PathBuf { folder.path().join(path) };
    std::os::unix::fs::symlink("releases/1", at("current")).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, RETRIED);
    std::os::unix::fs::symlink("releases/2", at("next")).unwrap();
    fs::rename(at("next"), at("current")).unwrap();
    until(&model, ONCE).await;
    // The new place is watched, too.
    folder.write("releases/2/mine.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_outside_the_modules_directory_is_watched() {
    let config = MINE.replace("watch = false", "watch = true\nmodules_dir = \".\"");
    let folder = Folder::new(&format!("{config}sandbox.wasm = \"build/out.wasm\"\n")).unwrap();
    folder.write("build/out.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, RETRIED);
    folder.write("build/out.wasm", others()).unwrap();
    until(&model, ONCE).await;
}
