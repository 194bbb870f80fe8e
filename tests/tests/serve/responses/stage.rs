//! A gateway in front of one provider of each format.

use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::{
        gateway::{Answer, Gateway},
        responses::accumulate::accumulate,
    },
    support::Chain,
};

pub(crate) const FORMATS: [Format; 3] = [Format::OpenAi, Format::Anthropic, Format::Responses];

/// The formats that the gateway translates into.
pub(crate) const OTHERS: [Format; 2] = [Format::OpenAi, Format::Anthropic];

pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    providers: Vec<(Format, Simulator)>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let (mut chain, mut providers) = (Chain::new(), Vec::new());
        for format in FORMATS {
            let simulator = replies([]).await;
            chain = chain.provider(name(format), format, &simulator.url());
            providers.push((format, simulator));
        }
        Self { gateway: Gateway::start(&chain).await, providers }
    }

    fn provider(&self, format: Format) -> &Simulator {
        &self.providers.iter().find(|(found, _)| *found == format).unwrap().1
    }

    /// Asks the provider of this format, which gives this reply.
    pub(crate) async fn ask(&self, format: Format, reply: &Reply, streamed: bool, mut body: Value) -> Answer {
        self.provider(format).push(reply.clone()).unwrap();
        body["model"] = name(format).into();
        body["stream"] = streamed.into();
        self.gateway.post("/v1/responses", &body).await
    }

    /// The answer to the same request, whole and streamed. Both say the same.
    pub(crate) async fn both(&self, format: Format, reply: &Reply, body: &Value) -> Value {
        let whole = self.ask(format, reply, false, body.clone()).await;
        assert_eq!(whole.status, 200, "{format}: {}", whole.body);
        let streamed = self.ask(format, reply, true, body.clone()).await;
        assert_eq!(streamed.header("content-type"), "text/event-stream; charset=utf-8", "{}", streamed.body);
        let (whole, streamed) = (whole.json(), accumulate(&streamed));
        assert_eq!(without_ids(&whole), without_ids(&streamed), "{format}");
        whole
    }

    /// The body of the last request that the provider of this format got.
    pub(crate) fn sent(&self, format: Format) -> Value {
        self.provider(format).requests().pop().unwrap().body
    }
}

/// The name of the provider of this format.
pub(crate) fn name(format: Format) -> &'static str {
    match format {
        Format::Anthropic => "messages",
        Format::Responses => "responses",
        _ => "chat",
    }
}

/// A short question.
pub(crate) fn question() -> Value {
    json!({"input": "Hi"})
}

/// The same without what differs in each answer.
fn without_ids(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept =
                fields.iter().filter(|(name, _)| !["id", "created_at", "encrypted_content"].contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), without_ids(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_ids).collect(),
        other => other.clone(),
    }
}
