//! A file that does not load changes nothing.

use crate::reload::stage::{
    AGAIN, IN_ITS_PLACE, MINE, ONCE, RETRIED, attempts, failure, host, in_its_place, load, others, reload, replaces,
};
use crate::{scene::soon, support::Folder};
use arcllm::Overrides;
use serde_json::json;
use sha2::{Digest as _, Sha256};

#[tokio::test(start_paused = true)]
async fn a_half_written_file_counts_once_it_is_complete() {
    let folder = in_its_place();
    let host = host(&folder);
    let model = load(&host).await;
    folder.write("modules/fallback.wasm", &AGAIN[..AGAIN.len() / 2]).unwrap();
    for _ in 0..2 {
        let reason = failure(&host, "fallback").await;
        assert!(reason.contains("fallback.wasm") && reason.contains("is not a valid component"), "{reason}");
        assert_eq!((attempts(&model).await, attempts(&load(&host).await).await), (ONCE, ONCE));
    }
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!(attempts(&model).await, RETRIED);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_does_not_load_replaces_nothing() {
    let folder = in_its_place();
    let host = host(&folder);
    let model = load(&host).await;
    let bad: [(&[u8], &str); 4] = [
        (b"", "is empty"),
        (b"\0asm\x01\0\0\0", "is a core WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "is a component of another world"),
        (arcllm_builtin::find("redact").unwrap().wasm, "`modules.fallback.chain` is not a setting"),
    ];
    for (bytes, reason) in bad {
        folder.write("modules/fallback.wasm", bytes).unwrap();
        let found = failure(&host, "fallback").await;
        assert!(found.contains(reason), "{found}");
        assert_eq!((attempts(&model).await, attempts(&load(&host).await).await), (ONCE, ONCE));
    }
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    assert_eq!(reload(&host).await, replaces("fallback"));
    assert_eq!(attempts(&model).await, RETRIED);
}

/// Otherwise models would run different versions of it.
#[tokio::test(start_paused = true)]
async fn a_file_replaces_the_module_of_all_models_or_of_none() {
    let folder = Folder::new(MINE).unwrap();
    folder.write("modules/mine.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let one = load(&host).await;
    let overrides = Overrides::new().module("mine", json!({ "max_retries": 1 }));
    let other = soon(host.load_model("a", overrides)).await.unwrap();
    folder.write("modules/mine.wasm", others()).unwrap();
    let reason = failure(&host, "mine").await;
    assert!(reason.contains("max_retries") && reason.contains("in the overrides"), "{reason}");
    assert_eq!((attempts(&one).await, attempts(&other).await), (RETRIED, 2));
    drop(other);
    assert_eq!(reload(&host).await, replaces("mine"));
    assert_eq!(attempts(&one).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn pins_and_grants_hold() {
    let digest: String = Sha256::digest(AGAIN).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Folder::new(&format!("{MINE}sandbox.sha256 = \"{digest}\"\n")).unwrap();
    folder.write("modules/mine.wasm", AGAIN).unwrap();
    let pinned = host(&folder);
    let model = load(&pinned).await;
    folder.write("modules/mine.wasm", others()).unwrap();
    let reason = failure(&pinned, "mine").await;
    assert!(reason.contains("`modules.mine.sandbox.sha256` does not match"), "{reason}");
    assert_eq!(attempts(&model).await, RETRIED);

    // Not even for the bytes of the built-in module, which has the grant.
    let folder = Folder::new(&IN_ITS_PLACE.replace("sandbox.allow = [\"models\"]", "")).unwrap();
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    let host = host(&folder);
    let model = load(&host).await;
    folder.write("modules/fallback.wasm", others()).unwrap();
    let reason = failure(&host, "fallback").await;
    assert!(reason.contains("`modules.fallback.sandbox.allow` does not grant `models`"), "{reason}");
    assert_eq!(attempts(&model).await, RETRIED);
}
