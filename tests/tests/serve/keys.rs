//! Clients with keys.

use arcllm_simulator::{Format, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::gateway::Gateway,
    support::{Chain, Folder},
};

const CHAT: &str = "/v1/chat/completions";

fn question(model: &str) -> String {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }] }).to_string()
}

/// Makes a key of this name, with these settings. Returns the key and its table.
pub(crate) async fn new_key(name: &str, settings: &str) -> (String, String) {
    let folder = Folder::new("").unwrap();
    let output = folder.arcllm(["serve", "key", name]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    let key = output.stdout.lines().map(str::trim).find(|line| line.starts_with("arcllm-")).unwrap().to_owned();
    let (_, table) = output.stdout.split_once(&format!("[serve.keys.{name}]\n")).unwrap();
    (key, format!("{table}\n{settings}"))
}

async fn gateway(provider: &Simulator) -> (Gateway, [String; 2]) {
    let (all, table_of_all) = new_key("all", "labels = { team = \"a\" }").await;
    let (some, table_of_some) = new_key("some", "models = [\"fast\", \"other/*\"]").await;
    let chain = Chain::new().provider("sim", Format::OpenAi, &provider.url());
    let chain = chain.provider("other", Format::OpenAi, &provider.url()).table("models.fast", "provider = \"sim\"");
    let chain = chain.table("serve.keys.all", &table_of_all).table("serve.keys.some", &table_of_some);
    (Gateway::start(&chain).await, [all, some])
}

#[tokio::test]
async fn let_their_holders_in_and_nobody_else() {
    let provider = replies([]).await;
    let (gateway, [all, some]) = gateway(&provider).await;
    let send = async |method: Method, path: &str, headers: &[(&str, &str)], model: &str| {
        let body = if method == Method::POST { question(model) } else { String::new() };
        gateway.send(method, path, headers, body).await
    };
    let bearer = |key: &str| format!("Bearer {key}");
    for (headers, status) in [
        (&[][..], 401),
        (&[("x-api-key", "arcllm-0")], 401),
        (&[("authorization", &*bearer(&all[1..]))], 401),
        (&[("x-api-key", &*all)], 200),
        (&[("authorization", &*bearer(&all))], 200),
        (&[("x-api-key", "dummy"), ("authorization", &*bearer(&all))], 200),
    ] {
        assert_eq!(send(Method::POST, CHAT, headers, "sim").await.status, status, "{headers:?}");
        assert_eq!(send(Method::GET, "/v1/models", headers, "").await.status, status, "{headers:?}");
        assert_eq!(send(Method::GET, "/metrics", headers, "").await.status, status, "{headers:?}");
        assert_eq!(send(Method::GET, "/health/ready", headers, "").await.status, 200);
    }
    let refused = send(Method::POST, "/v1/messages", &[("x-api-key", "wrong")], "sim").await;
    assert_eq!(refused.json()["error"]["type"], "authentication_error");
    let refused = send(Method::POST, CHAT, &[("x-api-key", "wrong")], "sim").await;
    assert_eq!(refused.json()["error"]["code"], "invalid_api_key");
    assert_eq!(send(Method::GET, "/none", &[], "").await.status, 401);

    for (model, status) in [("fast", 200), ("other", 200), ("other/x", 200), ("sim", 403), ("sim/x", 403), ("no", 403)]
    {
        let answer = send(Method::POST, CHAT, &[("x-api-key", &*some)], model).await;
        assert_eq!(answer.status, status, "{model}: {}", answer.body);
    }
    let list = send(Method::GET, "/v1/models", &[("x-api-key", &*some)], "").await.json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(json!(names), json!(["fast", "other"]));
    assert_eq!(send(Method::GET, "/v1/models/sim", &[("x-api-key", &*some)], "").await.status, 403);

    let metrics = send(Method::GET, "/metrics", &[("x-api-key", &*some)], "").await.body;
    let counted = "arcllm_serve_requests{route=\"/v1/chat/completions\",status=\"401\"} 4";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    assert!(metrics.contains("gen_ai_client_operation_duration_bucket"), "{metrics}");

    // Neither a provider nor the log sees a key.
    for request in provider.requests() {
        let told = format!("{request:?}");
        assert!(!told.contains(&*all) && !told.contains(&*some), "{told}");
    }
    let log = gateway.stop().await;
    assert!(log.stdout.contains("key=some model=other/x"), "{log:?}");
    let told = format!("{log:?}");
    assert!(!told.contains(&*all) && !told.contains(&*some), "{told}");
}

#[tokio::test]
async fn are_needed_where_other_machines_are_let_in() {
    let folder = Folder::new("").unwrap().trusted();
    let output = folder.arcllm(["serve", "--listen", "0.0.0.0:0"]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("arcllm serve key NAME"), "{}", output.stderr);
    let (_, table) = new_key("a", "").await;
    let found = Folder::new(&format!("[serve.keys.a]\n{table}")).unwrap();
    let output = found.arcllm(["serve"]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2, "a configuration that was only found lets nobody in");
    assert!(output.stderr.contains("serve.keys.a") && output.stderr.contains("arcllm trust"), "{}", output.stderr);
}

#[tokio::test]
async fn a_log_in_json_names_the_key() {
    let provider = replies([]).await;
    let (key, table) = new_key("team", "").await;
    let chain = Chain::new().provider("sim", Format::OpenAi, &provider.url()).table("serve.keys.team", &table);
    let folder = chain.table("serve", "log = \"json\"").folder().unwrap().trusted();
    let gateway = Gateway::of(folder, &[]).await;
    let answer = gateway.send(Method::POST, CHAT, &[("x-api-key", &*key)], question("sim")).await;
    assert_eq!(answer.status, 200);
    let log = gateway.stop().await.stdout;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [listening, call] = &lines[..] else { panic!("{log}") };
    assert_eq!(listening["event"], "listening");
    let found = ["key", "model", "path", "status", "attempts"].map(|name| &call[name]);
    assert_eq!(found, [&json!("team"), &json!("sim"), &json!(CHAT), &json!(200), &json!(1)]);
    assert_eq!(call["answered_by"]["provider"], "sim");
}
