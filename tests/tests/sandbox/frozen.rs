//! Components that were built for `arcllm:llm@0.1.0` and are never built again: every later host runs them.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use arcllm::{
    Adapter, Config, ContentBlock, Error, ErrorKind, Event, Host, MemoryStore, Message, Model, Options, Overrides,
    Request, Response, ResponseStream,
};
use arcllm_conformance::kit;
use arcllm_simulator::{Fault, Format, Place, Reply, Simulator};
use futures::{StreamExt as _, future::BoxFuture};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    scene::{count, replies, soon, steps},
    support::{Chain, Folder, kept, root, test_module},
};

/// What is known of the model `b-model`.
const FACTS: &str =
    "context_window = 200000\nsupports_tools = true\ncost_input_per_1m = 3.0\ncost_output_per_1m = 15.0";

/// What the modules ask for, and what lets them add a tool of the provider.
const GRANTED: &str = "allow = [\"models\", \"state\", \"urls\", \"extensions\"]";

fn frozen(name: &str) -> PathBuf {
    root().join("tests/prebuilt/0.1").join(name)
}

/// A model around `a` in OpenAI's format, with this component as its only module, and `b` in Anthropic's for it to load.
struct Stage {
    a: Simulator,
    b: Simulator,
    model: Model,
    store: MemoryStore,
}

impl Stage {
    async fn new(component: PathBuf, settings: &str, first: impl IntoIterator<Item = Reply>) -> Self {
        let (a, b) = (replies(first).await, replies([Reply::text("from b")]).await);
        let chain = Chain::new().provider("a", Format::OpenAi, &a.url()).provider("b", Format::Anthropic, &b.url());
        let chain = chain.table("providers.b.models.b-model", FACTS).host("order = [\"frozen\"]\nwatch = false");
        let chain = chain.module("frozen", settings).table("modules.frozen.sandbox", GRANTED);
        let folder = Folder::new(&chain.to_string()).unwrap();
        folder.write("modules/frozen.wasm", fs::read(component).unwrap()).unwrap();
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let store = MemoryStore::default();
        let host = Host::builder().config(config).state_store(Arc::new(store.clone())).build().unwrap();
        let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
        Self { a, b, model, store }
    }

    async fn ask(&self) -> Result<Response, Error> {
        soon(self.model.invoke_with(request())).await
    }

    fn stream(&self) -> ResponseStream {
        self.model.stream_with(request())
    }

    /// What the module keeps under this key, once it is there.
    async fn kept(&self, key: &str) -> Value {
        let waiting = async {
            loop {
                if let Some(value) = kept(&self.store, "frozen", key).await {
                    break value;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        serde_json::from_str(&soon(waiting).await).unwrap()
    }
}

fn request() -> Request {
    let mut options = Options::new().label("team", "blue");
    options.top_k = Some(7);
    Request::new([Message::user("Grüße, Welt")]).with_options(options)
}

/// The pieces of text, and how it ended.
async fn read(mut stream: ResponseStream) -> (Vec<String>, Result<Response, Error>) {
    let mut pieces = Vec::new();
    loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::Text(piece)) => pieces.push(piece),
            Ok(Event::End(response)) => return (pieces, Ok(*response)),
            Ok(_) => {}
            Err(error) => return (pieces, Err(error)),
        }
    }
}

fn slow(text: &str) -> Reply {
    Reply::text(text).pace(Duration::from_millis(10))
}

#[test]
fn no_byte_of_them_has_changed() {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(frozen("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.insert(name, format!("{:x}", Sha256::digest(fs::read(&path).unwrap())));
        }
    }
    let sums = fs::read_to_string(frozen("SHA256SUMS")).unwrap();
    let sums = sums.lines().map(|line| line.split_once("  ").unwrap()).map(|(sum, name)| (name.into(), sum.into()));
    assert_eq!(found, sums.collect());
    assert_eq!(found.len(), 6);
}

#[tokio::test]
async fn each_of_them_keeps_the_contract() {
    for name in ["everything", "upper-streamed", "blocking", "retry", "in-c", "in-javascript"] {
        let testing = move || kit::test(&frozen(&format!("{name}.wasm")), &Map::new(), &[]).unwrap();
        let report = tokio::task::spawn_blocking(testing).await.unwrap();
        assert_eq!(report.counts().1, 0, "{name}: {report:#?}");
    }
}

/// What `everything` says of all that it sees.
async fn look(component: PathBuf, streamed: bool) -> Value {
    let stage = Stage::new(component, "job = \"look\"\nother = \"b/b-model\"", [slow("from a")]).await;
    let response = if streamed { read(stage.stream()).await.1.unwrap() } else { stage.ask().await.unwrap() };
    assert_eq!(steps(&response.trail), ["frozen asks a: ok", "frozen asks b: ok"]);
    serde_json::from_str(&response.text().unwrap()).unwrap()
}

/// Leaves out what is different in each run.
fn stable(mut seen: Value) -> Value {
    fn clear(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !["started_after", "took", "first_event", "seconds"].contains(&name.as_str()));
                fields.values_mut().for_each(clear);
            }
            Value::Array(values) => values.iter_mut().for_each(clear),
            _ => {}
        }
    }
    clear(&mut seen);
    seen
}

/// What it says of a request, before it asks.
fn request_is_right(request: &Value, streamed: bool) {
    assert_eq!(request["options"], request["parts"]["options"]);
    assert_eq!((&request["options"]["top_k"], &request["label"]), (&json!(7), &json!(["blue", null])));
    assert_eq!((&request["size"]["messages"], &request["size"]["text_bytes"]), (&json!(1), &json!(13)));
    assert_eq!(request["digest"].as_str().unwrap().len(), 64);
    assert_eq!(request["last-user-text"], json!(["Grüße, Welt", "Gr"]));
    assert_eq!(
        (&request["provider"], &request["model"], &request["streamed"]),
        (&json!("a"), &json!("a-model"), &json!(streamed))
    );
    assert_eq!((&request["has-deadline"], &request["inner"]), (&json!(true), &json!(["a", "Ok(())"])));
    let facts = &request["facts"][0];
    assert_eq!((&facts["context_window"], &facts["price"]["output"]), (&json!(200_000), &json!(15.0)));
    assert_eq!((&facts["capabilities"], &request["facts"][1]), (&json!([["tools", true]]), &Value::Null));
}

/// What it says of the answer of its inner.
fn answer_is_right(answer: &Value, streamed: bool) {
    for (handle, is_whole) in [(&answer["first"], !streamed), (&answer["begun"], !streamed)] {
        let says = [&handle["is-whole"], &handle["stop-reason"], &handle["size"]["text_bytes"], &handle["provider"]];
        let [reason, bytes] = if is_whole { [json!("EndTurn"), json!(6)] } else { [Value::Null, Value::Null] };
        assert_eq!(says, [&json!(is_whole), &reason, &bytes, &json!("a")]);
    }
    let end = &answer["end"]["End"];
    assert_eq!((&answer["text"], &end["content"][0]["Text"]["text"]), (&json!("from a"), &json!("from a")));
    assert_eq!((&answer["ended"]["usage"], &answer["ended"]["provider"]), (&end["usage"], &json!("a")));
}

#[tokio::test]
async fn every_function_says_what_it_said() {
    for streamed in [false, true] {
        let seen = look(frozen("everything.wasm"), streamed).await;
        request_is_right(&seen["request"], streamed);
        answer_is_right(&seen["answer"], streamed);
        let listed: Vec<_> = seen["listed"].as_array().unwrap().iter().map(|facts| &facts["name"]).collect();
        assert!(listed.contains(&&json!("a")) && listed.contains(&&json!("b")), "{listed:?}");
        assert_eq!(seen["other"]["answer"]["text"], "from b");
        assert!(seen["unknown"]["not-loaded"]["Config"]["message"].is_string(), "{}", seen["unknown"]);
        assert_eq!((&seen["asked"][0], &seen["asked-since"][0]["provider"]), (&json!(1), &json!("b")));
        assert_eq!(seen["asked"][1][0]["asked_by"], "frozen");
        let state = &seen["state"];
        assert!(state[4]["Err"].is_string(), "{state}");
        assert_eq!(state, &json!([5, [b'5'], true, false, state[4], null]));
        assert_eq!((&seen["host"]["waited"], &seen["host"]["random-bytes"]), (&json!(true), &json!([7, 9])));
        assert_eq!(seen["host"]["differ"], true);
        assert_eq!(stable(seen), stable(look(test_module("everything"), streamed).await), "as if it was built today");
    }
}

/// A provider in this process that keeps what it is asked.
#[derive(Default)]
struct Kept(Mutex<Vec<Arc<Request>>>);

impl Adapter for Kept {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        self.0.lock().unwrap().push(request);
        Box::pin(async { Ok(Response::new(vec![ContentBlock::text("from a")]).with_provider("a", "a-model")) })
    }
}

#[tokio::test]
async fn it_changes_requests_and_answers() {
    let chain = Chain::new().host("order = [\"frozen\"]\nwatch = false").module("frozen", "job = \"change\"");
    let folder = Folder::new(&chain.table("modules.frozen.sandbox", GRANTED).to_string()).unwrap();
    folder.write("modules/frozen.wasm", fs::read(frozen("everything.wasm")).unwrap()).unwrap();
    let config = Config::load(&folder.path().join("config.toml")).unwrap();
    let kept = Arc::new(Kept::default());
    let host = Host::builder().config(config).adapter("a", "a-model", kept.clone()).build().unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let response = soon(model.invoke_with(request())).await.unwrap();
    assert_eq!(response.content, [ContentBlock::text("from a"), ContentBlock::text("and a line")]);
    assert_eq!(response.stop_reason.as_str(), "changed");
    let more = json!([
        {"type": "image", "media_type": "image/png", "data": "cG5n"},
        {"type": "document", "media_type": "application/pdf", "data": "cGRm", "name": "paper.pdf"},
        {"type": "text", "text": "and these", "cache": true},
    ]);
    let clock = json!({"type": "object"});
    let schema = json!({"name": "answer", "schema": {"type": "object"}, "strict": true});
    let expected = json!({
        "messages": [{"role": "user", "content": "Grüße, Welt"}, {"role": "user", "content": more}],
        "tools": [{"name": "clock", "description": "Tells the time", "parameters": clock, "strict": true}],
        "options": {
            "max_tokens": 77, "temperature": 0.5, "top_p": 0.75, "top_k": 5, "stop": ["END"], "tool_choice": "auto",
            "parallel_tool_calls": false, "seed": -1, "output": {"json_schema": schema}, "reasoning": "low",
            "user": "somebody", "labels": {"team": "blue", "added": "yes"}, "metadata": {"order": "42"},
        },
    });
    let asked = serde_json::to_value(&*kept.0.lock().unwrap()[0]).unwrap();
    assert_eq!(asked, expected, "{asked:#}");
}

#[tokio::test]
async fn it_sees_how_an_answer_ends_that_it_hands_on() {
    let stage = Stage::new(frozen("everything.wasm"), "job = \"watch\"", [slow("one two three")]).await;
    let (pieces, end) = read(stage.stream()).await;
    assert!(pieces.len() > 1 && end.is_ok(), "{pieces:?}");
    let ended = stage.kept("ended").await;
    assert_eq!((&ended["Ok"]["stop_reason"], &ended["Ok"]["model"]), (&json!("EndTurn"), &json!("a-model")));
    let cut = slow("one two three").with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(4));
    let stage = Stage::new(frozen("everything.wasm"), "job = \"watch\"", [cut]).await;
    read(stage.stream()).await.1.unwrap_err();
    assert!(stage.kept("ended").await["Err"]["Connection"]["message"].is_string());
}

#[tokio::test]
async fn it_asks_another_model_if_an_answer_breaks_off_before_its_first_word() {
    // The first event has the role alone.
    let cut = slow("one").with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(2));
    let stage = Stage::new(frozen("everything.wasm"), "job = \"begin\"\nother = \"b\"", [cut, slow("two")]).await;
    assert_eq!(read(stage.stream()).await.1.unwrap().text().unwrap(), "from b");
    assert_eq!((count(&stage.a), count(&stage.b)), (1, 1));
    let (pieces, end) = read(stage.stream()).await;
    assert_eq!((pieces.concat(), end.unwrap().text().unwrap().as_str()), ("two".to_owned(), "two"));
}

#[tokio::test]
async fn answers_are_written_anew_as_they_come() {
    for (name, settings) in [("everything.wasm", "job = \"write\""), ("upper-streamed.wasm", "")] {
        let cut = slow("one two").with_fault(Fault::Truncate).fault_at(Place::BeforeEvent(4));
        let stage = Stage::new(frozen(name), settings, [slow("one two three"), cut]).await;
        let mut stream = stage.stream();
        while !matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Text(_)) {}
        assert_eq!(stage.a.requests()[0].sent_events, 0, "the answer is still coming: its end is not recorded");
        assert_eq!(read(stream).await.1.unwrap().text().unwrap(), "ONE TWO THREE");
        let (pieces, end) = read(stage.stream()).await;
        assert_eq!(pieces.concat(), "ONE TWO", "{name}");
        assert!(matches!(end.unwrap_err().kind, ErrorKind::Connection(_)), "{name}");
    }
}

#[tokio::test]
async fn its_errors_come_as_it_made_them() {
    let stage = Stage::new(frozen("everything.wasm"), "job = \"refuse\"", []).await;
    let error = stage.ask().await.unwrap_err();
    let ErrorKind::Api(api) = &error.kind else { panic!("{error:?}") };
    assert_eq!((api.status, api.message.as_str(), api.reason.as_str()), (429, "not now", "rate_limit"));
    assert_eq!((api.retry_after, api.should_retry), (Some(Duration::from_secs(3)), Some(true)));
    assert_eq!(count(&stage.a), 0);
}

/// In Rust, C and JavaScript.
#[tokio::test]
async fn blocking_modules_say_what_they_said() {
    let expected = "top-k=7 labels=1 team=blue nothing=none messages=1 text-bytes=13 digest=64 last=Gr listed=true \
                    window=200000 tools=true whole=true stop=end-turn said=6 calls=0 images=1 tools=1 model=b-model \
                    attempts=2 outcome=ok outcome=ok count=1";
    // JavaScript's toolchain imports what looks into answers.
    for (name, forwards) in [("blocking.wasm", true), ("in-c.wasm", true), ("in-javascript.wasm", false)] {
        let stage = Stage::new(frozen(name), "look = true\nother = \"b\"", [Reply::text("from a")]).await;
        assert_eq!(stage.ask().await.unwrap().text().unwrap(), expected, "{name}");
        let body = &stage.b.requests()[0].body;
        assert_eq!(body["messages"][0]["content"][1]["source"]["data"], "cG5n", "{name}: {body}");
        assert_eq!(body["tools"][0]["name"], "web_search", "{name}: {body}");
        let stage = Stage::new(frozen(name), "", [slow("one two three")]).await;
        let (pieces, _) = read(stage.stream()).await;
        assert_eq!((pieces.len() > 1, pieces.concat().as_str()), (forwards, "one two three"), "{name}");
    }
}

/// It was built without streams, and with the SDK.
#[tokio::test]
async fn a_module_that_knows_no_streams_passes_them_on() {
    let early = Reply::fault(Fault::Truncate).fault_at(Place::BeforeEvent(1));
    let settings = "backoff_base_seconds = 0.001\nmax_wait_seconds = 0.5\nbudget_min_per_second = 1e6";
    let stage = Stage::new(frozen("retry.wasm"), settings, [early, slow("one two three")]).await;
    let mut stream = stage.stream();
    while !matches!(soon(stream.next()).await.unwrap().unwrap(), Event::Text(_)) {}
    assert_eq!(stage.a.requests()[1].sent_events, 0, "the answer is still coming");
    assert_eq!(read(stream).await.1.unwrap().text().unwrap(), "one two three");
}
