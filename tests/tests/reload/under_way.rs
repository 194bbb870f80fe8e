//! Calls, loads and reloads at the same time.

use crate::reload::stage::{
    AGAIN, IN_ITS_PLACE, MINE, ONCE, RETRIED, a_moment, attempts, error, host, host_of, in_its_place,
    in_its_place_with, load, others, reload, replaces, until,
};
use crate::{
    scene::soon,
    support::{Folder, Provider},
};
use arcllm::Attempt;
use std::{fs, sync::Arc};

#[tokio::test(start_paused = true)]
async fn a_running_call_keeps_its_whole_chain() {
    let outer = "[modules.outer]\nenabled = true\nchain = [\"a\"]\nsandbox.allow = [\"models\"]\n";
    let folder = Folder::new(&format!(
        "{}{outer}",
        MINE.replace("retry", "outer").replace("[\"mine\", \"outer\"]", "[\"outer\", \"mine\"]")
    ));
    let folder = folder.unwrap();
    folder.write("modules/outer.wasm", AGAIN).unwrap();
    let mine = folder.write("modules/mine.wasm", others()).unwrap();
    let provider = Arc::new(Provider::closed().failing(529));
    let host = host_of(&folder, provider.clone());
    let model = load(&host).await;
    let under_way = tokio::spawn({
        let model = model.clone();
        async move { error(&model).await.trail }
    });
    provider.wait_until_asked(1).await;

    folder.write("modules/outer.wasm", others()).unwrap();
    fs::remove_file(&mine).unwrap();
    assert_eq!(reload(&host).await, (vec!["outer".to_owned()], vec!["mine".to_owned()], vec![]));
    assert_eq!(error(&model).await.kind.as_str(), "module");
    folder.write("modules/mine.wasm", others()).unwrap();
    assert_eq!(reload(&host).await, replaces("mine"));

    provider.let_answer(100);
    let trail = soon(under_way).await.unwrap();
    assert_eq!(trail.len(), RETRIED, "it goes on trying as it began");
    assert!(trail.iter().all(|Attempt { asked_by, .. }| asked_by.as_deref() == Some("mine")), "{trail:?}");
    assert_eq!(attempts(&model).await, ONCE);
}

#[tokio::test(start_paused = true)]
async fn loads_calls_and_reloads_at_once() {
    let folder = in_its_place();
    let host = host(&folder);
    let kept = load(&host).await;
    for round in 0..6 {
        let bytes = if round % 2 == 0 { AGAIN } else { others() };
        let file = folder.path().join("modules/fallback.wasm");
        let loads = (0..8).map(|_| async {
            let model = load(&host).await;
            let tried = attempts(&model).await;
            assert!([ONCE, RETRIED].contains(&tried), "{tried}");
            model
        });
        let reloads = async {
            folder.write("modules/new", bytes).unwrap();
            fs::rename(folder.path().join("modules/new"), &file).unwrap();
            let (one, other) = tokio::join!(host.reload(), host.reload());
            assert_eq!((one.failed, other.failed), (vec![], vec![]));
            assert_eq!(other.replaced, Vec::<String>::new(), "the second finds nothing left to do");
        };
        let (models, ()) = tokio::join!(futures::future::join_all(loads), reloads);
        let expected = if round % 2 == 0 { RETRIED } else { ONCE };
        for model in models.iter().chain([&kept]) {
            assert_eq!(attempts(model).await, expected, "whenever it was loaded");
        }
    }
}

/// Also what was watched.
#[tokio::test(start_paused = true)]
async fn dropping_a_host_and_its_models_frees_everything() {
    let folder = in_its_place_with(&IN_ITS_PLACE.replace("false", "true"));
    let provider = Arc::new(Provider::open().failing(529));
    let left = Arc::downgrade(&provider);
    let host = host_of(&folder, provider);
    let model = load(&host).await;
    assert_eq!(attempts(&model).await, ONCE);
    folder.write("modules/fallback.wasm", AGAIN).unwrap();
    until(&model, RETRIED).await;
    drop(host);
    assert_eq!(attempts(&model).await, RETRIED, "a model needs no host");
    drop(model);
    let given_up = async {
        while left.upgrade().is_some() {
            a_moment().await;
        }
    };
    soon(given_up).await;
}
