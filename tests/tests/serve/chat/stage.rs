//! What these tests share: a gateway in this process, and a client that reads streams as strictly as the SDKs do.

use arcllm_simulator::{Format, Reply, Simulator};
use serde_json::{Map, Value, json};

use crate::{
    scene::replies,
    serve::in_process::{InProcess, Received},
    support::Chain,
};

/// The formats of the providers.
pub(super) const UPSTREAMS: [Format; 3] = [Format::OpenAi, Format::Anthropic, Format::Responses];

/// A gateway that clients of OpenAI Chat Completions ask.
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

    /// Posts this body.
    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        Answer(self.0.post("/v1/chat/completions", &[], body).await)
    }

    pub(super) async fn ask(&self, body: &Value) -> Answer {
        self.post(body.to_string()).await
    }
}

impl Answer {
    /// The data of the events.
    pub(super) fn events(&self) -> Vec<&str> {
        let events = self.text.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':'));
        events.map(|event| event.strip_prefix("data: ").unwrap_or_else(|| panic!("not data alone: {event}"))).collect()
    }

    /// The choice and the usage that the chunks make. Fails where a client would fail.
    pub(super) fn streamed(&self) -> (Value, Value) {
        assert_eq!(self.status, 200, "{}", self.text);
        let mut events = self.events();
        assert_eq!(events.pop(), Some("[DONE]"), "{}", self.text);
        let mut assembly = Assembly { usage: Value::Null, ..Assembly::default() };
        events.iter().for_each(|event| assembly.add(&serde_json::from_str(event).unwrap()));
        assert!(assembly.finish_reason.is_string(), "no end: {}", self.text);
        let message = Value::Object(assembly.message);
        (json!({"message": message, "finish_reason": assembly.finish_reason}), assembly.usage)
    }
}

/// An answer under construction, as an SDK puts it together.
#[derive(Default)]
struct Assembly {
    id: Option<Value>,
    message: Map<String, Value>,
    finish_reason: Value,
    usage: Value,
}

impl Assembly {
    fn add(&mut self, chunk: &Value) {
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        assert!(chunk["model"].is_string() && chunk["created"].is_u64(), "{chunk}");
        assert_eq!(*self.id.get_or_insert_with(|| chunk["id"].clone()), chunk["id"], "{chunk}");
        assert!(self.usage.is_null(), "something follows the usage: {chunk}");
        let choices = chunk["choices"].as_array().unwrap();
        if choices.is_empty() {
            assert!(self.finish_reason.is_string() && chunk["usage"].is_object(), "{chunk}");
            self.usage = chunk["usage"].clone();
            return;
        }
        let [choice] = choices.as_slice() else { panic!("several choices: {chunk}") };
        assert_eq!(choice["index"], 0, "{chunk}");
        assert!(self.finish_reason.is_null(), "something follows the end: {chunk}");
        let delta = choice["delta"].as_object().unwrap();
        if self.message.is_empty() {
            assert_eq!(delta["role"], "assistant", "{chunk}");
        }
        delta.iter().for_each(|(name, value)| self.add_field(name, value));
        self.finish_reason = choice["finish_reason"].clone();
    }

    fn add_field(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("tool_calls", Value::Array(calls)) => calls.iter().for_each(|call| self.add_call(call)),
            ("role", role) => drop(self.message.insert(name.to_owned(), role.clone())),
            _ => append(self.message.entry(name).or_insert(Value::Null), value),
        }
    }

    fn add_call(&mut self, piece: &Value) {
        let calls = self.message.entry("tool_calls").or_insert_with(|| json!([])).as_array_mut().unwrap();
        let index = usize::try_from(piece["index"].as_u64().unwrap_or_else(|| panic!("no index: {piece}"))).unwrap();
        if index == calls.len() {
            let is_named = ["function", "custom"].iter().any(|kind| piece[kind]["name"].is_string());
            assert!(piece["id"].is_string() && piece["type"].is_string() && is_named, "{piece}");
            calls.push(json!({}));
        }
        for (name, value) in piece.as_object().unwrap().iter().filter(|(name, _)| *name != "index") {
            append(calls[index].as_object_mut().unwrap().entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Texts and lists are put together, and the fields of objects each.
fn append(to: &mut Value, piece: &Value) {
    match (to, piece) {
        (_, Value::Null) => {}
        (Value::String(text), Value::String(piece)) => text.push_str(piece),
        (Value::Array(list), Value::Array(piece)) => list.extend(piece.iter().cloned()),
        (Value::Object(fields), Value::Object(piece)) => {
            for (name, value) in piece {
                append(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (to, piece) => *to = piece.clone(),
    }
}

/// A gateway in front of a provider of this format, which gives these replies. Its model is `a`.
pub(super) async fn gateway(format: Format, given: impl IntoIterator<Item = Reply>) -> (Gateway, Simulator) {
    let simulator = replies(given).await;
    (Gateway::over(&Chain::new().provider("a", format, &simulator.url())), simulator)
}

/// The choice and the usage that a client gets of this reply. Whole and streamed agree.
pub(super) async fn answered(format: Format, reply: Reply, body: &Value) -> (Value, Value) {
    let (gateway, _provider) = gateway(format, [reply.clone(), reply]).await;
    let whole = gateway.ask(body).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    let whole = whole.json();
    assert_eq!(whole["object"], "chat.completion", "{whole}");
    assert!(["id", "model"].iter().all(|name| whole[name].is_string()) && whole["created"].is_u64(), "{whole}");
    assert_eq!((&whole["choices"][0]["index"], whole["choices"].as_array().unwrap().len()), (&json!(0), 1), "{whole}");
    let (mut choice, usage) = (whole["choices"][0].clone(), whole["usage"].clone());
    let streamed = with(body, json!({"stream": true, "stream_options": {"include_usage": true}}));
    let (mut streamed, streamed_usage) = gateway.ask(&streamed).await.streamed();
    choice = json!({"message": choice["message"], "finish_reason": choice["finish_reason"]});
    [&mut choice, &mut streamed].into_iter().for_each(bare);
    assert_eq!((&streamed, &streamed_usage), (&choice, &usage), "{format}: streamed and whole agree");
    (choice, usage)
}

/// Takes the fields out of the message that say nothing.
fn bare(choice: &mut Value) {
    let says = |value: &Value| !value.is_null() && value != "" && *value != json!([]);
    choice["message"].as_object_mut().unwrap().retain(|_, value| says(value));
}

/// The object with these fields in addition.
pub(super) fn with(object: &Value, fields: Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    object
}

/// A question with these fields in addition.
pub(super) fn question(fields: Value) -> Value {
    with(&json!({"model": "a", "messages": [{"role": "user", "content": "Hi"}]}), fields)
}
