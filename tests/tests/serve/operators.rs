//! What the operator of a gateway learns from the log, from counters and from `arcllm check`.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::{replies, soon},
    serve::{gateway::Gateway, keys::new_key},
    support::{Chain, Folder},
};

const CHAT: &str = "/v1/chat/completions";

fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
}

/// The lines of the log, once it has so many.
async fn lines(gateway: &Gateway, count: usize) -> Vec<Value> {
    let read = || -> Vec<Value> {
        let log = gateway.running.stdout().unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("method").is_some()).collect()
    };
    soon(async {
        while read().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    read()
}

#[tokio::test]
async fn a_line_has_the_name_of_its_request_and_what_is_wrong_with_it() {
    let provider = replies([]).await;
    let folder = Chain::new().provider("a", Format::OpenAi, &provider.url()).folder().unwrap().trusted();
    let gateway = Gateway::of(folder, &["--log", "json"]).await;
    let answered = gateway.post(CHAT, &question("a")).await;
    let wrong = gateway.post(CHAT, &json!({"model": "a", "messages": [{"role": 7}]})).await;
    let unknown = gateway.post(CHAT, &question("nope")).await;
    let lines = lines(&gateway, 3).await;
    for (line, answer, param) in [
        (&lines[0], &answered, Value::Null),
        (&lines[1], &wrong, json!("messages[0].role")),
        (&lines[2], &unknown, json!("model")),
    ] {
        assert_eq!(line["id"], answer.header("x-request-id"), "{line}");
        assert_eq!(line["param"], param, "{line}");
    }
}

/// A key that a provider refuses is not seen by clients, as long as another model answers.
#[tokio::test]
async fn a_provider_that_refuses_the_key_is_told_although_another_answers() {
    let refusing = replies([Reply::error(401, "Wrong key."), Reply::error(401, "Wrong key.")]).await;
    let good = replies([]).await;
    let (key, table) = new_key("team", "").await;
    let chain = Chain::new().provider("a", Format::OpenAi, &refusing.url()).provider("b", Format::OpenAi, &good.url());
    let chain = chain.module("fallback", "chain = [\"a\", \"b\"]").table("serve.keys.team", &table);
    let prices = "cost_input_per_1m = 1000000\ncost_output_per_1m = 0";
    let chain = chain.table("providers.b.models.\"b-model\"", prices);
    let gateway = Gateway::of(chain.folder().unwrap().trusted(), &["--log", "json"]).await;
    for _ in 0..2 {
        let answer = gateway.post_with(CHAT, &[("x-api-key", &key)], &question("a")).await;
        assert_eq!((answer.status, answer.header("x-arcllm-provider")), (200, "b"), "{}", answer.body);
    }
    let line = lines(&gateway, 2).await.pop().unwrap();
    let failed =
        json!([{"provider": "a", "model": "a-model", "error": "api", "status": 401, "reason": "authentication"}]);
    assert_eq!(line["failed"], failed, "{line}");
    let counted = gateway.send(reqwest::Method::GET, "/metrics", &[("x-api-key", &key)], "").await.body;
    for counter in [
        "arcllm_errors{provider=\"a\",reason=\"authentication\"} 2",
        "arcllm_serve_tokens{key=\"team\",type=\"input\"} 20",
        "arcllm_serve_cost_sum{key=\"team\"} 20",
        "arcllm_serve_failed_models 0",
        "gen_ai_provider_name=\"b\",gen_ai_request_model=\"b-model\",gen_ai_token_type=\"input\"",
    ] {
        assert!(counted.contains(counter), "{counter}: {counted}");
    }
    let told = gateway.stop().await.stderr;
    let told: Vec<&str> = told.lines().filter(|line| line.contains("refuses the key")).collect();
    assert_eq!(told.len(), 1, "it is told once a minute: {told:?}");
    assert!(told[0].contains("\"a\"") && told[0].contains("401"), "{told:?}");
}

#[tokio::test]
async fn a_line_tells_which_module_refused_a_call() {
    let provider = replies([]).await;
    let limits = "limits = [{ window = \"day\", tokens = 1 }]";
    let chain = Chain::new().provider("a", Format::OpenAi, &provider.url()).module("budget", limits);
    let gateway = Gateway::of(chain.folder().unwrap().trusted(), &["--log", "json"]).await;
    assert_eq!(gateway.post(CHAT, &question("a")).await.status, 429);
    let line = lines(&gateway, 1).await.remove(0);
    assert_eq!(
        (&line["reason"], &line["refused_by"], &line["attempts"]),
        (&json!("quota"), &json!("budget"), &json!(0))
    );
    assert!(provider.requests().is_empty());
}

/// What `arcllm check` says and what `arcllm serve` does is the same.
#[tokio::test]
async fn check_finds_what_keeps_a_gateway_from_starting() {
    let provider = "[providers.a]\nadapter = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\ndefault_model = \"m\"\n[defaults]\nprovider = \"a\"\n";
    let checked = async |config: &str| {
        let folder = Folder::new(&format!("{provider}{config}")).unwrap().trusted();
        let checked = folder.arcllm(["check", "--json"]).unwrap().run().await.unwrap();
        if checked.code != 0 {
            let served = folder.arcllm(["serve"]).unwrap().run();
            assert_eq!(soon(served).await.unwrap().code, checked.code, "{config}");
        }
        (checked.code, serde_json::from_str::<Value>(&checked.stdout).unwrap())
    };
    let (code, report) = checked("[serve]\ntls = { certificate = \"no.pem\", key = \"no.pem\" }\n").await;
    assert!(code == 2 && report["problems"].to_string().contains("no.pem"), "{report}");
    let (code, report) = checked("[serve]\nlisten = \"0.0.0.0:4000\"\n").await;
    assert!(code == 2 && report["problems"].to_string().contains("no key is set"), "{report}");
    let (_, table) = new_key("team", "models = [\"chaep\"]").await;
    let (code, report) = checked(&format!("[serve.keys.team]\n{table}\n")).await;
    assert!(code == 0 && report["warnings"].to_string().contains("fits no model"), "{report}");
    let (code, report) = checked("[serve]\nlisten = \"127.0.0.1:4000\"\n").await;
    assert_eq!((code, &report["problems"]), (0, &json!([])));
}

/// Settings of a module that nobody has switched on.
#[tokio::test]
async fn check_warns_of_a_module_that_is_set_and_not_switched_on() {
    let module = "[modules.budget]\nlimits = [{ window = \"day\", tokens = 1 }]\n";
    for (more, is_told) in [
        ("", true),
        ("enabled = false\n", false),
        ("enabled = true\n", false),
        ("[models.fast]\nprovider = \"openai\"\nmodules.budget = true\n", false),
    ] {
        let folder = Folder::new(&format!("{module}{more}")).unwrap().trusted();
        let checked = folder.arcllm(["check", "--json"]).unwrap().run().await.unwrap();
        let report: Value = serde_json::from_str(&checked.stdout).unwrap();
        let told = report["warnings"].to_string().contains("is not switched on");
        assert_eq!(told, is_told, "{more}: {report}");
    }
}
