//! Pulls over connections that break.

use std::{path::Path, time::Duration};

use arcllm_registry::{Limits, Registry, RegistryError};
use axum::{body::Body, response::Response};
use futures::StreamExt as _;
use tempfile::TempDir;

use super::stranger::{Asked, Stranger, answer, module, with};
use crate::scene::soon;

const SIZE: usize = 300_000;

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|index| (index % 251) as u8).collect()
}

/// A registry whose connections break after this many bytes, with `Range` or without.
async fn breaking(after: usize, ranges: bool) -> Stranger {
    Stranger::start(move |asked| match asked.path.contains("/manifests/") {
        true => answer(200, module(&bytes()).to_string()),
        false => part(asked, after, ranges),
    })
    .await
}

fn part(asked: &Asked, after: usize, ranges: bool) -> Response {
    let from = asked.header("range").filter(|_| ranges);
    let from: Option<usize> = from.map(|range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
    let rest = bytes()[from.unwrap_or(0)..].to_vec();
    let length = rest.len().to_string();
    let (now, cut) = (rest[..after.min(rest.len())].to_vec(), after < rest.len());
    let end = cut.then(|| Err(std::io::Error::other("cut")));
    // What was sent goes out before the connection breaks.
    let pause = async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        end
    };
    let now = futures::stream::iter([Ok(now)]);
    let body = Body::from_stream(now.chain(futures::stream::once(pause).filter_map(std::future::ready)));
    match from {
        None => with(200, &[("content-length", &length)], body),
        Some(from) => {
            let range = format!("bytes {from}-{}/{SIZE}", SIZE - 1);
            with(206, &[("content-length", &length), ("content-range", &range)], body)
        }
    }
}

async fn pull(stranger: &Stranger, file: &Path) -> Result<Vec<(u64, u64)>, RegistryError> {
    let registry = Registry::new(Limits::default()).unwrap();
    let mut shown = Vec::new();
    let found = soon(registry.look(&stranger.reference())).await?;
    soon(registry.pull(&found, file, &mut |done, total| shown.push((done, total)))).await?;
    Ok(shown)
}

fn ranges(stranger: &Stranger) -> Vec<Option<String>> {
    let asked = stranger.asked();
    let blobs = asked.iter().filter(|asked| asked.path.contains("/blobs/"));
    blobs.map(|asked| asked.header("range").map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke() {
    let stranger = breaking(100_000, true).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.wasm");
    let shown = pull(&stranger, &file).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), bytes());
    assert_eq!(ranges(&stranger), [None, Some("bytes=100000-".to_owned()), Some("bytes=200000-".to_owned())]);
    assert_eq!(shown.last(), Some(&(SIZE as u64, SIZE as u64)));
    assert!(shown.is_sorted(), "progress never goes back");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside it");
}

#[tokio::test]
async fn a_registry_without_ranges_starts_anew_and_one_that_always_breaks_is_an_error() {
    let stranger = breaking(SIZE, false).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.wasm");
    // What a pull that was killed has left.
    std::fs::write(folder.path().join("mine.wasm.part"), &bytes()[..1000]).unwrap();
    pull(&stranger, &file).await.unwrap();
    assert_eq!(ranges(&stranger), [Some("bytes=1000-".to_owned())]);
    assert_eq!(std::fs::read(&file).unwrap(), bytes());

    let stranger = breaking(0, true).await;
    std::fs::write(&file, "the version before").unwrap();
    let error = pull(&stranger, &file).await.unwrap_err();
    assert!(matches!(error, RegistryError::Connection { .. }), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"the version before");
}

#[tokio::test]
async fn what_was_left_of_another_version_is_thrown_away() {
    let stranger = breaking(SIZE, true).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.wasm");
    for left in [vec![0; 1000], vec![0; SIZE], vec![0; SIZE + 1]] {
        std::fs::write(folder.path().join("mine.wasm.part"), left).unwrap();
        pull(&stranger, &file).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), bytes());
    }
}

#[tokio::test]
async fn a_pull_that_is_dropped_leaves_no_file_and_the_next_goes_on() {
    let stranger = breaking(100_000, true).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.wasm");
    let registry = Registry::new(Limits::default()).unwrap();
    let found = soon(registry.look(&stranger.reference())).await.unwrap();
    let (some, mut came) = tokio::sync::mpsc::unbounded_channel();
    let mut progress = |done, _| {
        let _ = some.send(done);
    };
    let pulling = registry.pull(&found, &file, &mut progress);
    tokio::select! {
        _ = pulling => panic!("it was not dropped"),
        () = async { while came.recv().await.unwrap() == 0 {} } => {}
    }
    assert!(!file.exists());
    pull(&stranger, &file).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), bytes());
    assert!(ranges(&stranger)[1].is_some(), "it goes on: {:?}", ranges(&stranger));
}

#[tokio::test]
async fn two_processes_pull_a_file_once() {
    let stranger = breaking(SIZE, true).await;
    let folder = TempDir::new().unwrap();
    let (file, part) = (folder.path().join("mine.wasm"), folder.path().join("mine.wasm.part"));
    let other = std::fs::File::create(&part).unwrap();
    other.lock().unwrap();
    let finish = async {
        while stranger.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::fs::write(&part, bytes()).unwrap();
        std::fs::rename(&part, &file).unwrap();
        drop(other);
    };
    let (shown, ()) = tokio::join!(pull(&stranger, &file), finish);
    assert_eq!((shown.unwrap(), ranges(&stranger)), (Vec::new(), Vec::new()), "the other one pulls it");
    assert_eq!(std::fs::read(&file).unwrap(), bytes());
    assert!(!part.exists());

    // If the other one ends without it, this one goes on.
    std::fs::remove_file(&file).unwrap();
    let other = std::fs::File::create(&part).unwrap();
    other.lock().unwrap();
    let leave = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(other);
    };
    let (shown, ()) = tokio::join!(pull(&stranger, &file), leave);
    shown.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), bytes());
}
