//! What these tests share: a gateway in front of one provider, and a client that reads streams as strictly as the SDKs do.

use arcllm_simulator::{Format, Recorded, Reply, Simulator};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::in_process::{InProcess, Received},
    support::Chain,
};

/// The formats of the providers.
pub(super) const UPSTREAMS: [Format; 2] = [Format::Anthropic, Format::OpenAi];

/// These, and the one that has no texts to stop at.
pub(super) const ALL: [Format; 3] = [Format::Anthropic, Format::OpenAi, Format::Responses];

/// A gateway that clients of Anthropic Messages ask. Its model is `a`.
pub(super) struct Gateway(InProcess);

/// What such a client gets.
#[derive(Debug)]
pub(super) struct Answer(Received);

impl std::ops::Deref for Answer {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.0
    }
}

impl Gateway {
    pub(super) fn over(chain: &Chain) -> Self {
        Self(InProcess::over(chain))
    }

    /// Sends a body to this path.
    pub(super) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        Answer(self.0.post(path, headers, body.to_string()).await)
    }

    /// Asks for an answer.
    pub(super) async fn ask(&self, body: &Value) -> Answer {
        self.post("/v1/messages", &[], body).await
    }
}

impl Answer {
    /// The events, each with its name.
    pub(super) fn events(&self) -> Vec<(String, Value)> {
        let events = self.text.split("\n\n").filter(|event| !event.trim().is_empty() && !event.starts_with(':'));
        let read = |event: &str| {
            let (name, data) = event.split_once('\n').unwrap_or_else(|| panic!("no name: {event}"));
            let name = name.strip_prefix("event: ").unwrap_or_else(|| panic!("no name: {event}"));
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name, "{event}");
            (name.to_owned(), data)
        };
        events.map(read).collect()
    }

    /// The message that the events make. Fails where a client would fail.
    pub(super) fn streamed(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "text/event-stream; charset=utf-8");
        let mut assembly = Assembly::default();
        self.events().iter().for_each(|(name, data)| assembly.add(name, data));
        assert!(assembly.has_ended, "there is no end: {}", self.text);
        assembly.message
    }
}

/// A message under construction.
#[derive(Default)]
struct Assembly {
    message: Value,
    open: Option<(Value, String)>,
    has_delta: bool,
    has_ended: bool,
}

impl Assembly {
    fn add(&mut self, name: &str, data: &Value) {
        assert!(!self.has_ended, "something follows the end: {data}");
        match name {
            "ping" => {}
            "message_start" => {
                assert!(self.message.is_null(), "two beginnings");
                self.message = data["message"].clone();
                assert_eq!(self.message["content"], json!([]));
                assert!(self.message["usage"]["input_tokens"].is_u64(), "{data}");
            }
            "content_block_start" => {
                assert!(self.open.is_none() && !self.has_delta, "a block within another one: {data}");
                assert_eq!(data["index"], self.content().len());
                self.open = Some((data["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                assert_eq!(data["index"], self.content().len());
                let (block, input) = self.open.as_mut().unwrap();
                add_delta(block, input, &data["delta"]);
            }
            "content_block_stop" => {
                assert_eq!(data["index"], self.content().len());
                let (mut block, input) = self.open.take().unwrap();
                if !input.is_empty() {
                    block["input"] = serde_json::from_str(&input).unwrap();
                }
                self.content().push(block);
            }
            "message_delta" => {
                assert!(self.open.is_none() && !self.has_delta, "{data}");
                self.has_delta = true;
                for (name, value) in data["delta"].as_object().unwrap() {
                    self.message[name] = value.clone();
                }
                for (name, value) in data["usage"].as_object().unwrap() {
                    self.message["usage"][name] = value.clone();
                }
            }
            "message_stop" => {
                assert!(self.has_delta, "no message_delta");
                self.has_ended = true;
            }
            other => panic!("an event that clients do not know: {other}"),
        }
    }

    fn content(&mut self) -> &mut Vec<Value> {
        self.message["content"].as_array_mut().unwrap()
    }
}

fn add_delta(block: &mut Value, input: &mut String, delta: &Value) {
    let mut append = |kind: &str, field: &str| {
        assert_eq!(block["type"], kind, "{delta}");
        let whole = format!("{}{}", block[field].as_str().unwrap_or_default(), delta[field].as_str().unwrap());
        block[field] = whole.into();
    };
    match delta["type"].as_str().unwrap() {
        "text_delta" => append("text", "text"),
        "thinking_delta" => append("thinking", "thinking"),
        "signature_delta" => append("thinking", "signature"),
        "input_json_delta" => input.push_str(delta["partial_json"].as_str().unwrap()),
        "citations_delta" => {
            let mut all = block["citations"].as_array().cloned().unwrap_or_default();
            all.push(delta["citation"].clone());
            block["citations"] = all.into();
        }
        other => panic!("a piece that clients do not know: {other}"),
    }
}

/// What a provider got, and what the client got of its answer.
pub(super) struct Exchange {
    pub(super) sent: Recorded,
    pub(super) answer: Value,
}

/// A gateway in front of a provider of this format, which gives these replies.
pub(super) async fn gateway(format: Format, given: impl IntoIterator<Item = Reply>) -> (Gateway, Simulator) {
    let simulator = replies(given).await;
    (Gateway::over(&Chain::new().provider("a", format, &simulator.url())), simulator)
}

/// Asks a provider of this format whole and streamed. The provider gets the same, and so does the client.
pub(super) async fn exchange(format: Format, reply: Reply, body: Value) -> Exchange {
    let (gateway, provider) = gateway(format, [reply.clone(), reply]).await;
    let [mut whole, mut streamed] = [false, true].map(|stream| {
        let mut body = body.clone();
        body["stream"] = stream.into();
        body
    });
    whole["model"] = "a".into();
    streamed["model"] = "a".into();
    let whole = gateway.ask(&whole).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    let streamed = gateway.ask(&streamed).await.streamed();
    let mut sent = provider.requests();
    let (mut second, first) = (sent.pop().unwrap(), sent.pop().unwrap());
    second.body = without(second.body, &["stream", "stream_options"]);
    assert_eq!(without(first.body.clone(), &["stream"]), second.body, "the same is asked");
    let answer = whole.json();
    let alike = |message: Value| without(message, &["id"]);
    assert_eq!(alike(streamed), alike(answer.clone()), "whole and streamed agree");
    Exchange { sent: second, answer }
}

/// An object without these fields.
pub(super) fn without(mut object: Value, fields: &[&str]) -> Value {
    fields.iter().for_each(|field| drop(object.as_object_mut().unwrap().remove(*field)));
    object
}

/// The same with this question.
pub(super) fn question(fields: Value) -> Value {
    let mut body = json!({"model": "a", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// What a provider of Anthropic's format is sent for this body where the client's bytes cannot be forwarded: the conversation
/// begins with an answer of a provider of another format. Its beginning is cut off here, and so is the model.
pub(super) async fn written_anew(model: &str, body: Value) -> Value {
    let provider = replies([]).await;
    let settings = format!("default_model = \"{model}\"");
    let gateway = Gateway::over(&Chain::new().provider_with("a", Format::Anthropic, &provider.url(), &settings));
    let mut asked = without(body, &["stream"]);
    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": ""});
    let beginning = [
        json!({"role": "user", "content": "One"}),
        json!({"role": "assistant", "content": [thinking, {"type": "text", "text": "Two"}]}),
    ];
    asked["messages"].as_array_mut().unwrap().splice(0..0, beginning);
    let answer = gateway.ask(&asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut sent = provider.requests().pop().unwrap().body;
    assert_eq!(sent["model"], model);
    let messages = sent["messages"].as_array_mut().unwrap();
    let beginning: Vec<_> = messages.drain(..2).collect();
    assert!(!beginning[1].to_string().contains("thinking"), "{beginning:?}");
    sent["model"] = asked["model"].take();
    sent
}
