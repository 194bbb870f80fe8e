//! What only a provider of the client's format can do is asked of no other one, whichever module chooses it.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{scene::replies, serve::gateway::Gateway, support::Chain};

/// What only providers of this format can do: the route, the field and the further fields of a request.
fn wishes() -> [(Format, &'static str, &'static str, Value); 4] {
    let chat = "/v1/chat/completions";
    let audio = json!({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}});
    let search = json!({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}});
    [
        (Format::OpenAi, chat, "n", json!({"n": 2})),
        (Format::OpenAi, chat, "audio", audio),
        (Format::Responses, "/v1/responses", "prompt", json!({"prompt": {"id": "p"}})),
        (Format::Responses, "/v1/responses", "tool_choice", search),
    ]
}

#[tokio::test]
async fn after_a_failure_no_other_format_is_asked() {
    for (format, path, field, further) in wishes() {
        for other in [Format::OpenAi, Format::Responses, Format::Anthropic].into_iter().filter(|other| *other != format)
        {
            let (down, up) = (replies([Reply::status(500)]).await, replies([]).await);
            let chain = Chain::new()
                .provider("down", format, &down.url())
                .provider("up", other, &up.url())
                .module("fallback", "chain = [\"down\", \"up\"]");
            let gateway = Gateway::start(&chain).await;
            let ask = json!([{"role": "user", "content": "Hi"}]);
            let mut body = json!({"model": "down"});
            let fields = body.as_object_mut().unwrap();
            fields.insert(if path.ends_with("responses") { "input" } else { "messages" }.to_owned(), ask);
            fields.extend(further.as_object().unwrap().clone());
            let answer = gateway.post(path, &body).await;
            // The request is right, and its own model is down.
            assert_eq!(answer.status, 500, "{field}, {other}: {answer:?}");
            assert!(
                answer.body.contains("`down` has failed") && answer.body.contains(&format!("`{field}`")),
                "{answer:?}"
            );
            assert_eq!((down.requests().len(), up.requests().len()), (1, 0), "{field}, {other}");
        }
    }
}
