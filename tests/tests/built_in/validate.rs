//! Answers that do not fit the schema of the request, in each format.

use arcllm::{ErrorKind, Event, JsonSchema, Message, Model, OutputFormat, Overrides, Request, Response};
use arcllm_simulator::{Fault, Format, Place, Reply, Simulator};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    scene::{count, replies, soon},
    serve::gateway::Gateway,
    support::{Chain, Folder},
};

const FORMATS: [Format; 3] = [Format::OpenAi, Format::Anthropic, Format::Responses];

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}},
        "required": ["name", "ages"],
        "additionalProperties": false,
    })
}

fn request(schema: Value) -> Request {
    let mut request = Request::new([Message::user("Who?")]);
    request.options.output = Some(OutputFormat::JsonSchema(JsonSchema::new("person", schema)));
    request
}

async fn model(format: Format, a: &Simulator, settings: &str) -> (Folder, Model) {
    let chain = Chain::new().provider("a", format, &a.url()).host("watch = false").module("validate", settings);
    let folder = chain.folder().unwrap();
    let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap();
    (folder, model)
}

const WRONG: &str = r#"{"name": "Ada", "ages": [36, "old"]}"#;
const RIGHT: &str = r#"{"name": "Ada", "ages": [36]}"#;

/// Asks whole or streamed. Also returns the text that came in pieces.
async fn ask(model: &Model, request: Request, streamed: bool) -> (String, Result<Response, arcllm::Error>) {
    if !streamed {
        return (String::new(), soon(model.invoke_with(request)).await);
    }
    let (mut stream, mut text) = (model.stream_with(request), String::new());
    loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::Text(piece)) => text += &piece,
            Ok(Event::End(response)) => return (text, Ok(*response)),
            Ok(_) => {}
            Err(error) => return (text, Err(error)),
        }
    }
}

#[tokio::test]
async fn the_model_is_told_what_was_wrong_and_the_caller_gets_what_fits() {
    for format in FORMATS {
        for streamed in [false, true] {
            let a = replies([Reply::text(WRONG), Reply::text(RIGHT)]).await;
            let (_folder, model) = model(format, &a, "").await;
            let (pieces, response) = ask(&model, request(schema()), streamed).await;
            let response = response.unwrap();
            assert_eq!(response.text().as_deref(), Some(RIGHT), "{format}");
            assert_eq!(pieces, if streamed { RIGHT } else { "" }, "nothing of the wrong answer was handed out");
            let told = a.requests()[1].body.to_string();
            assert!(told.contains("$.ages[1]: must be integer, not string"), "{told}");
            let spent = response.trail.iter().filter_map(|attempt| attempt.usage.as_ref());
            assert_eq!(response.usage.total_tokens, spent.map(|usage| usage.total_tokens).sum::<u64>());
            assert_eq!((response.trail.len(), response.notes[0].module.as_str()), (2, "validate"));
        }
    }
}

#[tokio::test]
async fn after_the_last_try_the_error_names_the_place() {
    for streamed in [false, true] {
        let a = replies([Reply::text(WRONG), Reply::text(WRONG)]).await;
        let (_folder, model) = model(Format::Anthropic, &a, "max_retries = 1").await;
        let (pieces, response) = ask(&model, request(schema()), streamed).await;
        let error = response.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Parse(_)), "{error:?}");
        assert!(error.to_string().contains("$.ages[1]: must be integer, not string"), "{error}");
        assert_eq!((count(&a), pieces.as_str()), (2, ""));
    }
}

#[tokio::test]
async fn what_is_cut_passes_and_what_breaks_off_is_resumed_inside() {
    let a = replies([Reply::text("{\"name\": ").stop_reason("max_tokens")]).await;
    let (_folder, cut) = model(Format::OpenAi, &a, "").await;
    assert_eq!(ask(&cut, request(schema()), true).await.1.unwrap().text().as_deref(), Some("{\"name\": "));
    let broken = Reply::text(RIGHT).piece_bytes(5).with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(6));
    let a = replies([broken, Reply::text(WRONG), Reply::text(RIGHT)]).await;
    let chain = Chain::new().provider("a", Format::Responses, &a.url()).module("validate", "").module("resume", "");
    let folder = chain.folder().unwrap();
    let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap();
    let response = ask(&model, request(schema()), true).await.1.unwrap();
    assert_eq!((response.text().as_deref(), count(&a)), (Some(RIGHT), 3));
}

#[tokio::test]
async fn a_call_without_a_schema_is_handed_on_as_it_comes() {
    let a = replies([Reply::text("one two three four").piece_bytes(4)]).await;
    let (_folder, model) = model(Format::OpenAi, &a, "").await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut pieces = 0;
    while let Some(event) = soon(stream.next()).await {
        pieces += usize::from(matches!(event.unwrap(), Event::Text(_)));
    }
    assert!(pieces > 4, "what is read comes in one piece");
}

#[tokio::test]
async fn hostile_schemas_and_answers_end_the_call_with_an_error() {
    let mut parts = serde_json::Map::new();
    for number in 0..60 {
        let next = json!({"$ref": format!("#/$defs/{}", number + 1)});
        parts.insert(number.to_string(), json!({"anyOf": [next.clone(), next]}));
    }
    parts.insert("60".to_owned(), json!({"type": "string"}));
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    for (schema, answer, says) in [
        (json!({"$ref": "#"}), "1", "too long to check"),
        (json!({"$ref": "#/$defs/0", "$defs": parts}), "1", "too long to check"),
        (
            json!({"items": {"$ref": "#"}, "allOf": [{"$ref": "#/x"}], "x": {"items": {"$ref": "#"}}}),
            deep.as_str(),
            "too long to check",
        ),
        (json!({"$ref": "http://127.0.0.1:1/x.json"}), "1", "only parts of the schema itself"),
        (json!({"pattern": "(?<=a)b"}), "1", "cannot be checked"),
        (json!({"type": "strin"}), "1", "`/type` is \"strin\", and must be null, boolean"),
        (json!({"required": "a"}), "{}", "`/required` is \"a\", and must be a list of names"),
        (json!({"items": {"minLength": -1}}), "[]", "`/items/minLength` is -1, and must be a whole number"),
        (json!({"properties": {"a": {"multipleOf": 0}}}), "{}", "`/properties/a/multipleOf` is 0, and must be"),
        (json!({"properties": {"a": {"pattern": "\\p{L}"}}}), "{}", "of `/properties/a/pattern` cannot be checked"),
    ] {
        let a = replies([Reply::text(answer)]).await;
        let (_folder, model) = model(Format::OpenAi, &a, "").await;
        let error = ask(&model, request(schema), false).await.1.unwrap_err();
        assert!(
            matches!(&error.kind, ErrorKind::Api(api) if api.status == 400) && error.to_string().contains(says),
            "{error}"
        );
        assert_eq!(count(&a), usize::from(says.starts_with("too long")), "asked before it was known: {error}");
    }
}

#[tokio::test]
async fn a_call_of_a_tool_that_there_is_not_is_made_again() {
    let tool = arcllm::Tool::new("look", "", json!({"type": "object", "properties": {"n": {"type": "integer"}}}));
    for format in FORMATS {
        for streamed in [false, true] {
            let call = |name: &str| Reply::text("").tool_call("1", name, json!({"n": 1}));
            let a = replies([call("zzz"), call("look")]).await;
            let (_folder, model) = model(format, &a, "tools = true").await;
            let mut request = Request::new([Message::user("Look")]);
            request.tools = vec![tool.clone()];
            let response = ask(&model, request, streamed).await.1.unwrap();
            assert_eq!(response.tool_calls().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["look"], "{format}");
            let told = a.requests()[1].body.to_string();
            assert!(told.contains("is no tool of the request, which has `look`"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_client_of_the_gateway_gets_what_fits() {
    let a = replies([Reply::text(WRONG), Reply::text(RIGHT), Reply::text(WRONG), Reply::text(RIGHT)]).await;
    let chain = Chain::new().provider("a", Format::Anthropic, &a.url()).module("validate", "max_retries = 1");
    let gateway = Gateway::start(&chain).await;
    let format = json!({"type": "json_schema", "json_schema": {"name": "person", "schema": schema()}});
    for streamed in [false, true] {
        let question = json!({"model": "a", "stream": streamed, "messages": [{"role": "user", "content": "Who?"}], "response_format": format});
        let answer = gateway.post("/v1/chat/completions", &question).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("36") && !answer.body.contains("old"), "{answer:?}");
    }
    assert_eq!(count(&a), 4);
    let a = replies([Reply::text(WRONG), Reply::text(WRONG)]).await;
    let chain = Chain::new().provider("a", Format::OpenAi, &a.url()).module("validate", "max_retries = 1");
    let gateway = Gateway::start(&chain).await;
    let text = json!({"format": {"type": "json_schema", "name": "person", "schema": schema()}});
    let answer =
        gateway.post("/v1/responses", &json!({"model": "a", "stream": true, "input": "Who?", "text": text})).await;
    assert!(answer.status == 502 && answer.body.contains("$.ages[1]"), "{answer:?}");
}
