//! The faults of `chaos` reach the modules outside and the caller like real faults.

use std::{sync::Arc, time::Duration};

use arcllm::{Config, Error, Host, MemoryStore, Message, Model, Overrides, Response};
use arcllm_simulator::{Reply, Simulator};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    scene::{FAST, LONG, around, around_both, ask, count, load, load_over, replies, say_hi, soon, steps},
    support::{Chain, Provider},
};

const CALLS: usize = 200;

fn chaos(a: &Simulator, settings: &str) -> Chain {
    around(a).module("chaos", settings)
}

/// What a caller sees of an error.
fn seen(error: Error) -> Value {
    serde_json::to_value(error).unwrap()
}

/// The model of `a`, whose modules draw from this seed.
async fn seeded(chain: &Chain, seed: u64) -> Model {
    let folder = chain.folder().unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let host = Host::builder().config(config).seed(seed).state_store(Arc::new(MemoryStore::default())).build().unwrap();
    soon(host.load_model("a", Overrides::new())).await.unwrap()
}

/// Calls one after the other.
async fn calls(model: &Model, calls: usize) -> Vec<Result<Response, Error>> {
    let mut ended = Vec::new();
    for _ in 0..calls {
        ended.push(soon(model.invoke(&[Message::user("Hi")], &[])).await);
    }
    ended
}

#[tokio::test]
async fn without_a_fault_it_only_forwards() {
    let a = replies([Reply::text("Hello."), Reply::status(529)]).await;
    let model = load(&chaos(&a, "").folder().unwrap(), Overrides::new()).await;
    let [answer, error] = calls(&model, 2).await.try_into().unwrap();
    let answer = answer.unwrap();
    assert_eq!((answer.text().as_deref(), steps(&answer.trail)), (Some("Hello."), vec!["chaos asks a: ok".to_owned()]));
    assert_eq!(steps(&error.unwrap_err().trail), ["chaos asks a: 529"]);
}

#[tokio::test]
async fn an_error_of_each_kind_reaches_the_caller() {
    let a = replies([]).await;
    for (kind, caller) in [
        ("api", "api"),
        ("connection", "connection"),
        ("timeout", "timeout"),
        ("parse", "parse"),
        ("config", "config"),
        ("module", "module"),
        ("cancelled", "cancelled"),
        ("deadline_exceeded", "deadline_exceeded"),
        ("other", "module"),
    ] {
        let error = ask(&chaos(&a, &format!("fault = \"error\"\nerror = \"{kind}\""))).await.unwrap_err();
        let error = seen(error);
        let provider = if ["cancelled", "deadline_exceeded"].contains(&kind) { Value::Null } else { json!("a") };
        assert_eq!((&error["kind"], &error["provider"], &error["trail"]), (&json!(caller), &provider, &json!([])));
    }
    assert_eq!(count(&a), 0);
}

#[tokio::test]
async fn an_api_error_has_its_status_and_its_hint() {
    let a = replies([]).await;
    let error = ask(&chaos(&a, "fault = \"error\"\nstatus = 429\nretry_after_seconds = 1.5")).await.unwrap_err();
    let error = seen(error);
    assert_eq!((&error["status"], &error["retry_after_seconds"]), (&json!(429), &json!(1.5)));
    assert_eq!((&error["model"], &error["message"]), (&json!("a-model"), &json!("made up by the module chaos")));
    let error = seen(ask(&chaos(&a, "fault = \"error\"")).await.unwrap_err());
    assert_eq!((&error["status"], &error["retry_after_seconds"]), (&json!(503), &Value::Null));
}

#[tokio::test]
async fn a_fault_after_the_answer_loses_it() {
    let a = replies([]).await;
    let error = ask(&chaos(&a, "fault = \"error\"\nwhen = \"after\"")).await.unwrap_err();
    assert_eq!(steps(&error.trail), ["chaos asks a: ok"]);
    assert_eq!((seen(error)["status"].as_u64(), count(&a)), (Some(503), 1));
}

#[tokio::test]
async fn a_delay_is_in_the_trail() {
    let a = replies([]).await;
    let answer = ask(&chaos(&a, "fault = \"delay\"\ndelay_seconds = 0.05")).await.unwrap();
    assert_eq!(steps(&answer.trail), ["chaos waits, chaos asks a: ok"]);
    assert_eq!(answer.trail[0].waited, Duration::from_millis(50));

    // The deadline ends it, before and after the inner is asked.
    let late = |when| {
        let delay = format!("fault = \"delay\"\ndelay_seconds = 3600\nwhen = \"{when}\"");
        chaos(&a, &delay).host("deadline_seconds = 0.3")
    };
    let error = ask(&late("before")).await.unwrap_err();
    assert_eq!((error.kind.as_str(), error.trail.len(), count(&a)), ("deadline_exceeded", 0, 1));
    assert_eq!(steps(&ask(&late("after")).await.unwrap().trail), ["chaos asks a: ok"]);
}

#[tokio::test]
async fn the_same_seed_hits_the_same_share_of_the_calls() {
    let a = replies([]).await;
    let chain = chaos(&a, "fault = \"error\"\nshare = 0.3");
    let hit = async |seed| -> Vec<bool> {
        calls(&seeded(&chain, seed).await, CALLS).await.iter().map(Result::is_err).collect()
    };
    let first = hit(7).await;
    let hits = first.iter().filter(|hit| **hit).count();
    assert!((40..=80).contains(&hits), "{hits} of {CALLS}");
    assert_eq!(count(&a), CALLS - hits);
    assert_eq!(hit(7).await, first);
    assert_ne!(hit(8).await, first);
}

#[tokio::test]
async fn a_retry_outside_recovers() {
    let a = replies([]).await;
    let chain = chaos(&a, "fault = \"error\"\nshare = 0.5").module("retry", &format!("{FAST}\nmax_retries = 20"));
    let mut waits = 0;
    for answer in calls(&seeded(&chain, 7).await, 20).await {
        let trail = steps(&answer.unwrap().trail);
        waits += usize::from(trail[0].starts_with("retry waits, "));
        assert!(trail.len() == 1 && trail[0].ends_with("chaos asks a: ok"), "{trail:?}");
    }
    assert!((5..=15).contains(&waits), "{waits} of 20 calls were hit");
    assert_eq!(count(&a), 20);
}

#[tokio::test]
async fn with_one_provider_hit_fallback_asks_the_other() {
    let (a, b) = (replies([]).await, replies([Reply::text("From b.")]).await);
    let chain = around_both(&a, &b).module("fallback", "chain = [\"a\", \"b\"]");
    let answer = ask(&chain.clone().module("chaos", "fault = \"error\"\nprovider = \"a\"")).await.unwrap();
    assert_eq!(
        (answer.text().as_deref(), steps(&answer.trail)),
        (Some("From b."), vec!["chaos asks b: ok".to_owned()])
    );

    // Innermost, it stands around each provider of the fallback.
    let error = ask(&chain.module("chaos", "fault = \"error\"\nerror = \"timeout\"")).await.unwrap_err();
    assert_eq!((error.kind.as_str(), error.kind.provider()), ("timeout", Some("b")));
    assert_eq!((count(&a), count(&b)), (0, 1));
}

/// On virtual time.
#[tokio::test(start_paused = true)]
async fn endless_requests_end_at_max_attempts() {
    let a = Arc::new(Provider::open());
    let model = load_over(&Chain::new().module("chaos", "fault = \"repeat\""), &a, &a).await;
    let error = say_hi(&model).await.unwrap_err();
    assert_eq!((error.kind.as_str(), error.trail.len(), a.asked()), ("module", 32, 32));
    assert!(error.to_string().contains("host.max_attempts"), "{error}");
    tokio::time::sleep(LONG).await;
    assert_eq!(a.asked(), 32);
}

#[tokio::test]
async fn a_drill_needs_no_change_of_the_order() {
    let a = replies([]).await;
    let folder = around(&a).module("retry", "max_retries = 1\nbackoff_base_seconds = 0.001").folder().unwrap();
    let drill = r#"chaos={"fault": "error", "status": 529}"#;
    let output = soon(folder.arcllm(["invoke", "--json", "--module", drill, "Hi"]).unwrap().run()).await.unwrap();
    let error = output.json().unwrap();
    assert_eq!((output.code, &error["error"]["status"]), (1, &json!(529)), "{output:?}");
    assert_eq!(count(&a), 0);
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let a = replies([]).await;
    let refused = async |settings: Value| {
        let host = around(&a).folder().unwrap().host().unwrap();
        soon(host.load_model("a", Overrides::new().module("chaos", settings))).await.unwrap_err().to_string()
    };
    assert_snapshot!(refused(json!({"share": 1.5})).await, @"
    `modules.chaos.share` is 1.5 (in the overrides of this load)
      help: a number from 0 to 1
    ");
    assert_snapshot!(refused(json!({"status": 42})).await, @"
    `modules.chaos.status` is 42 (in the overrides of this load)
      help: an HTTP status, from 100 to 599
    ");
    assert_snapshot!(refused(json!({"fault": "delay", "delay_seconds": 0})).await, @"
    `modules.chaos.delay_seconds` is 0 (in the overrides of this load)
      help: a number of seconds above zero
    ");
    assert_snapshot!(refused(json!({"fault": "crash"})).await, @"
    `modules.chaos.fault` is `crash` (in the overrides of this load)
      help: one of `trap`, `spin`, `allocate`, `recurse`, `hang`, `leak-handles`, `swarm`, `hoard`, `flood-log`, `move`, `error`, `delay`, `linger`, `repeat`
    ");
    assert_snapshot!(refused(json!({"provider": "nobody"})).await, @"
    `modules.chaos.provider` names the unknown provider `nobody` (in the overrides of this load)
      help: known are a, anthropic, deepseek, fireworks, groq, huggingface, mistral, ollama, openai, tgi, together, vllm
    ");
}
