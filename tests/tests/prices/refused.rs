//! A model that refuses a temperature is sent none.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{command::run, scene::replies, support::Chain};

/// What the provider is sent with a temperature, and without one where the configuration has a default.
async fn sent(format: Format, model: &str, facts: &str) -> [Value; 2] {
    let provider = replies([Reply::default().times(2)]).await;
    let settings = format!("default_model = {model:?}\ntemperature = 0.5");
    let chain = Chain::new().provider_with("a", format, &provider.url(), &settings);
    let folder = chain.table(&format!("providers.a.models.{model:?}"), facts).folder().unwrap();
    let request =
        json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"temperature": 0.25, "top_p": 0.5}});
    folder.write("request.json", request.to_string()).unwrap();
    for arguments in [&["invoke", "--request", "request.json"][..], &["invoke", "Hi"]] {
        let output = run(&folder, arguments).await;
        assert_eq!(output.code, 0, "{output:?}");
    }
    let requests = provider.requests();
    [requests[0].body.clone(), requests[1].body.clone()]
}

#[tokio::test]
async fn a_model_that_refuses_a_temperature_is_sent_none() {
    for format in [Format::Anthropic, Format::OpenAi, Format::Responses] {
        let [asked, default] = sent(format, "m", "refuses_temperature = true").await;
        for key in ["temperature", "top_p", "top_k"] {
            assert_eq!((asked.get(key), default.get(key)), (None, None), "{format:?} {key}");
        }
        let [asked, default] = sent(format, "m", "").await;
        assert_eq!((&asked["temperature"], &default["temperature"]), (&json!(0.25), &json!(0.5)), "{format:?}");
    }
}

#[tokio::test]
async fn the_configuration_knows_better_than_the_name() {
    let [asked, default] = sent(Format::OpenAi, "gpt-5", "").await;
    assert_eq!((&asked["temperature"], default.get("temperature")), (&json!(0.25), None), "known by its name only");
    let [_, default] = sent(Format::OpenAi, "gpt-5", "refuses_temperature = false").await;
    assert_eq!(default["temperature"], 0.5);
}
