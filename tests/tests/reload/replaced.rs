//! A file that is replaced, removed and put back. Time is virtual, so that waits for another attempt take none.

use crate::reload::stage::{
    AGAIN, IN_ITS_PLACE, MINE, ONCE, RETRIED, attempts, error, failure, host, in_its_place, load, nothing, others,
    reload, replaces,
};
use crate::{scene::soon, support::Folder};
use arcllm::{Error, Overrides};
use std::fs;

#[tokio::test(start_paused = true)]
async fn a_file_is_replaced_and_removed() {
    let folder = in_its_place();
    let host = host(&folder);
    let before = load(&host).await;
    assert_eq!((attempts(&before).await, reload(&host).await), (ONCE, nothing()));

    let file = folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(attempts(&before).await, ONCE, "nobody has looked yet");
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!((attempts(&before).await, attempts(&load(&host).await).await), (RETRIED, RETRIED));
    assert_eq!(reload(&host).await, nothing());

    folder.write("modules/fallback.wasm", others()).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!((attempts(&before).await, attempts(&load(&host).await).await), (ONCE, ONCE));

    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    fs::remove_file(file).unwrap();
    // Config names the file, so the built-in module does not replace it.
    assert_eq!(reload(&host).await, (vec![], vec!["fallback".to_owned()], vec![]));
    assert_eq!(error(&before).await.kind.as_str(), "module");
    assert!(soon(host.load_model("a", Overrides::new())).await.is_err());
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!(attempts(&before).await, RETRIED);
}

#[tokio::test(start_paused = true)]
async fn a_file_named_like_a_built_in_module_changes_nothing() {
    let folder = Folder::new(&IN_ITS_PLACE.replace("sandbox.wasm", "# sandbox.wasm")).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    for content in [AGAIN, b"no component"] {
        folder.write("modules/fallback.wasm", content).unwrap();
        assert_eq!(reload(&host).await, nothing());
        assert_eq!((attempts(&model).await, attempts(&load(&host).await).await), (ONCE, ONCE));
    }
}

/// A load looks at the files, and changes nothing for loaded models.
#[tokio::test(start_paused = true)]
async fn a_new_model_gets_the_newest_file() {
    let folder = in_its_place();
    let host = host(&folder);
    let before = load(&host).await;
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    let after = load(&host).await;
    assert_eq!((attempts(&before).await, attempts(&after).await), (ONCE, RETRIED));
    // At once and of the same size: the times of the file system cannot tell these apart.
    let mut broken = AGAIN.to_vec();
    broken[..4].copy_from_slice(b"none");
    folder.write("modules/fallback.wasm", broken).unwrap();
    assert!(failure(&host, "fallback").await.contains("is not WebAssembly"));
    assert_eq!((attempts(&before).await, attempts(&after).await), (ONCE, RETRIED));
}

#[tokio::test(start_paused = true)]
async fn with_bypass_a_removed_module_is_skipped() {
    let folder = Folder::new(&format!("{MINE}sandbox.on_trap = \"bypass\"\n")).unwrap();
    let file = folder.write("modules/mine.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, RETRIED);
    fs::remove_file(&file).unwrap();
    reload(&host).await;
    assert_eq!(attempts(&model).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn without_its_file_a_module_fails_until_the_file_is_back() {
    let folder = Folder::new(MINE).unwrap();
    let file = folder.write("modules/mine.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    let overrides = Overrides::new().module("mine", false).module("retry", true);
    let without = soon(host.load_model("a", overrides)).await.unwrap();
    assert_eq!((attempts(&model).await, attempts(&without).await), (RETRIED, RETRIED));

    fs::remove_file(&file).unwrap();
    assert_eq!(reload(&host).await, (vec![], vec!["mine".to_owned()], vec![]));
    assert_eq!(reload(&host).await, nothing());
    let Error { kind, trail, .. } = error(&model).await;
    assert_eq!((kind.as_str(), trail.len()), ("module", 0));
    let message = kind.to_string();
    assert!(
        message.contains("the module `mine` failed: it was removed: ") && message.contains("modules/mine.wasm"),
        "{message}"
    );
    assert_eq!(attempts(&without).await, RETRIED, "that is nothing to other modules");
    assert!(soon(host.load_model("a", Overrides::new())).await.unwrap_err().to_string().contains("mine.wasm"));

    folder.write("modules/mine.wasm", "no component").unwrap();
    let reason = failure(&host, "mine").await;
    assert!(reason.contains("modules/mine.wasm: is not WebAssembly"), "{reason}");
    let Error { kind, trail, .. } = error(&model).await;
    let message = kind.to_string();
    assert!(trail.is_empty() && !message.contains("does not exist"), "{message}");
    let says = "it was removed: the file that is there now does not load: ";
    assert!(message.contains(says) && message.contains("mine.wasm: is not WebAssembly"), "{message}");

    folder.write("modules/mine.wasm", others()).unwrap();
    assert_eq!(reload(&host).await, replaces("mine"));
    assert_eq!(attempts(&model).await, ONCE);
}
