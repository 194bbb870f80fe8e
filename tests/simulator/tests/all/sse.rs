//! Event streams as a client takes them apart: chunks, events, and the answer that they add up to.

use std::io;

use arcllm_simulator::{Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{Client, MESSAGES, RESPONSES, streaming};

/// A streamed reply, as far as it came.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) head: String,
    /// Whole chunks.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// What came of a last chunk that is not whole.
    pub(crate) rest: Vec<u8>,
    /// Whether the chunk came that ends the body.
    pub(crate) is_ended: bool,
    /// The error with which the connection ended, if it was not an orderly end.
    pub(crate) error: Option<io::ErrorKind>,
}

impl Streamed {
    pub(crate) fn of(bytes: &[u8], error: Option<io::ErrorKind>) -> Streamed {
        let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
        let mut streamed = Streamed { head, chunks: Vec::new(), rest: Vec::new(), is_ended: false, error };
        let mut at = split;
        while at < bytes.len() {
            let line = at + bytes[at..].iter().position(|&byte| byte == b'\n').unwrap() + 1;
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).unwrap().trim_end(), 16).unwrap();
            if bytes.len() < line + size + 2 {
                streamed.rest = bytes[line..].to_vec();
                return streamed;
            }
            assert_eq!(&bytes[line + size..line + size + 2], b"\r\n");
            at = line + size + 2;
            if size == 0 {
                assert_eq!(at, bytes.len());
                streamed.is_ended = true;
            } else {
                streamed.chunks.push(bytes[line..line + size].to_vec());
            }
        }
        streamed
    }

    /// The body, as far as it came.
    pub(crate) fn body(&self) -> Vec<u8> {
        [self.chunks.concat(), self.rest.clone()].concat()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        events(&self.text())
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// The events of a stream that are whole.
pub(crate) fn events(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some((whole, _)) = text.rsplit_once("\n\n") else { return Vec::new() };
    let blocks = whole.split("\n\n").map(|block| {
        let mut event = Event { name: String::new(), data: String::new() };
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("event", name) => event.name = name.to_owned(),
                ("data", data) if event.data.is_empty() => event.data = data.to_owned(),
                ("data", data) => event.data = format!("{}\n{data}", event.data),
                (other, _) => assert_eq!(other, "", "{line}"),
            }
        }
        event
    });
    blocks.filter(|event| !event.data.is_empty()).collect()
}

/// Streams the reply and reads until the connection ends.
pub(crate) async fn stream(reply: Reply, path: &str) -> Streamed {
    let simulator = Simulator::start(Script::new([reply.header("connection", "close")])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&streaming(path)).await;
    let (bytes, error) = client.rest().await;
    Streamed::of(&bytes, error)
}

/// The answer that a stream adds up to, as the format would send it in one piece.
pub(crate) fn collected(path: &str, events: &[Event]) -> Value {
    match path {
        MESSAGES => anthropic(events),
        RESPONSES => responses(events),
        _ => openai(events),
    }
}

/// The last event has the answer. Checks that the pieces and the whole items before it say the same.
fn responses(events: &[Event]) -> Value {
    let known: Vec<Value> = events
        .iter()
        .map(Event::json)
        .filter(|data| data["type"].as_str().is_some_and(|kind| kind.starts_with("response.")))
        .collect();
    let mut items: Vec<Value> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for (data, number) in known.iter().zip(0_u64..) {
        let at = data["output_index"].as_u64().unwrap_or(0) as usize;
        match data["type"].as_str().unwrap() {
            "response.output_item.added" => texts.push(String::new()),
            "response.output_item.done" => items.push(data["item"].clone()),
            kind if kind.ends_with(".delta") => texts[at].push_str(data["delta"].as_str().unwrap()),
            _ => {}
        }
        assert!(data["sequence_number"].as_u64().is_none_or(|sent| sent <= number), "{data}");
    }
    let text = |item: &Value| {
        let texts = ["/summary/0/text", "/content/0/text", "/content/0/refusal", "/arguments"];
        texts.iter().find_map(|place| item.pointer(place)).unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(items.iter().map(text).collect::<Vec<_>>(), texts);
    let response = known.last().unwrap()["response"].clone();
    assert_eq!(response["output"], json!(items));
    response
}

fn add(target: &mut Value, piece: &Value) {
    *target = json!(format!("{}{}", target.as_str().unwrap_or(""), piece.as_str().unwrap()));
}

fn anthropic(events: &[Event]) -> Value {
    let mut message = Value::Null;
    let mut arguments = json!("");
    for event in events {
        let data = event.json();
        assert_eq!(data["type"], event.name);
        let index = data["index"].as_u64().unwrap_or(0) as usize;
        match event.name.as_str() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(index, blocks.len());
                blocks.push(data["content_block"].clone());
                arguments = json!("");
            }
            "content_block_delta" => {
                let (delta, block) = (&data["delta"], &mut message["content"][index]);
                match delta["type"].as_str().unwrap() {
                    "text_delta" => add(&mut block["text"], &delta["text"]),
                    "thinking_delta" => add(&mut block["thinking"], &delta["thinking"]),
                    "signature_delta" => add(&mut block["signature"], &delta["signature"]),
                    "input_json_delta" => add(&mut arguments, &delta["partial_json"]),
                    other => assert_eq!(other, "a delta of a known type"),
                }
            }
            "content_block_stop" if message["content"][index]["type"] == "tool_use" => {
                message["content"][index]["input"] = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
            }
            "message_delta" => {
                message["stop_reason"] = data["delta"]["stop_reason"].clone();
                for (key, count) in data["usage"].as_object().unwrap() {
                    message["usage"][key] = count.clone();
                }
            }
            _ => {}
        }
    }
    assert_eq!(events.last().unwrap().name, "message_stop");
    message
}

fn openai(events: &[Event]) -> Value {
    let (done, events) = events.split_last().unwrap();
    assert_eq!(done.data, "[DONE]");
    let mut answer = Value::Null;
    let mut message = json!({"annotations": []});
    for event in events.iter().filter(|event| event.name.is_empty()) {
        let chunk = event.json();
        assert_eq!(chunk["object"], "chat.completion.chunk");
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        for (key, piece) in delta.as_object().into_iter().flatten() {
            match key.as_str() {
                "content" | "reasoning_content" if piece.is_string() => add(&mut message[key], piece),
                "tool_calls" => {
                    let mut call = piece[0].clone();
                    let index = call.as_object_mut().unwrap().shift_remove("index").unwrap().as_u64().unwrap();
                    match message["tool_calls"].get_mut(index as usize) {
                        Some(begun) => add(&mut begun["function"]["arguments"], &call["function"]["arguments"]),
                        None if index == 0 => message["tool_calls"] = json!([call]),
                        None => message["tool_calls"].as_array_mut().unwrap().push(call),
                    }
                }
                _ => message[key] = piece.clone(),
            }
        }
        if choice["finish_reason"].is_string() {
            answer = chunk.clone();
            answer["object"] = json!("chat.completion");
            answer["choices"] = json!([{
                "index": 0, "message": message.clone(), "logprobs": null, "finish_reason": choice["finish_reason"],
            }]);
        }
        if chunk["usage"].is_object() {
            answer["usage"] = chunk["usage"].clone();
        }
    }
    answer
}

/// The events' data, as it came.
pub(crate) async fn data(reply: Reply, path: &str) -> Vec<String> {
    let streamed = stream(reply, path).await;
    assert!(streamed.is_ended && streamed.error.is_none(), "{streamed:?}");
    assert!(streamed.head.starts_with("HTTP/1.1 200 OK"), "{}", streamed.head);
    streamed.events().into_iter().map(|event| event.data).collect()
}
