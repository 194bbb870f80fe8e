//! Inspecting a component runs its description and nothing else.

use crate::strangers::stage::{BLOCKING, HOSTILE, with};
use crate::support::Folder;
use arcllm::Host;
use std::time::Duration;

#[tokio::test]
async fn inspecting_stores_nothing_and_configures_nothing() {
    let folder = Folder::new("").unwrap();
    let counting = with(BLOCKING, "counted: not...", "counted: always");
    // It has the name of a module that keeps state.
    let file = folder.write("rate-limit.wasm", counting).unwrap();
    for _ in 0..2 {
        let report = Host::inspect(&file).await.unwrap();
        assert_eq!((report.problem, report.version.as_deref()), (None, Some("Ok(1)")));
        assert_eq!((report.granted, report.asks_for), (vec![], vec!["models".to_owned(), "state".to_owned()]));
    }
    let file = folder.write("traps.wasm", with(HOSTILE, "configure: well.", "configure: trap.")).unwrap();
    let report = Host::inspect(&file).await.unwrap();
    assert_eq!((report.problem, report.name.as_str()), (None, "traps"));
}

#[tokio::test]
async fn a_component_that_cannot_describe_itself_is_stopped() {
    let folder = Folder::new("").unwrap();
    for (word, why) in [("trap.", "unreachable"), ("grow.", "memory_mb"), ("spin.", "within 10 s")] {
        let bytes = with(HOSTILE, "describe: well.", &format!("describe: {word}"));
        let file = folder.write(format!("{word}wasm"), bytes).unwrap();
        let report = tokio::time::timeout(Duration::from_secs(60), Host::inspect(&file)).await.unwrap().unwrap();
        let problem = report.problem.unwrap();
        assert!(problem.contains("failed to describe itself") && problem.contains(why), "{problem}");
        assert_eq!((report.version, report.sha256.is_some()), (None, true));
    }
}
