use arcllm::{Config, Host, Model, Overrides};
use arcllm_simulator::{Script, Simulator};
use proptest::{collection::vec, option, prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use super::read;

type Fields = Map<String, Value>;

/// Fields that nobody knows.
fn fields() -> impl Strategy<Value = Fields> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~]{0,8}".prop_map(Value::from),
        vec(any::<u8>(), 1..3).prop_map(Value::from),
        any::<u8>().prop_map(|number| json!({"inside": number})),
    ];
    vec(("x_[a-z]{1,6}", value), 0..3).prop_map(|fields| fields.into_iter().collect())
}

fn with(object: Value, fields: &Fields) -> Value {
    let mut object = object;
    object.as_object_mut().unwrap().extend(fields.clone());
    object
}

fn part() -> impl Strategy<Value = Value> {
    let image = |(url, inside, beside): (String, Fields, Fields)| {
        with(json!({"type": "image_url", "image_url": with(json!({"url": url}), &inside)}), &beside)
    };
    let file = |(inside, beside): (Fields, Fields)| {
        let file = json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"});
        with(json!({"type": "file", "file": with(file, &inside)}), &beside)
    };
    let audio = |(inside, beside): (Fields, Fields)| {
        let audio = json!({"data": "QUJD", "format": "mp3"});
        with(json!({"type": "input_audio", "input_audio": with(audio, &inside)}), &beside)
    };
    let url =
        prop_oneof![Just("https://example.com/a.png"), Just("data:image/png;base64,QUJD")].prop_map(str::to_owned);
    prop_oneof![
        ("[ -~]{1,9}", fields()).prop_map(|(text, fields)| with(json!({"type": "text", "text": text}), &fields)),
        (url, fields(), fields()).prop_map(image),
        (fields(), fields()).prop_map(file),
        (fields(), fields()).prop_map(audio),
        fields().prop_map(|fields| with(json!({"type": "x_part"}), &fields)),
    ]
}

fn user() -> impl Strategy<Value = Value> {
    // A single text is written as a string.
    let content = prop_oneof!["[ -~]{1,9}".prop_map(Value::from), vec(part(), 2..4).prop_map(Value::from)];
    (content, fields()).prop_map(|(content, fields)| with(json!({"role": "user", "content": content}), &fields))
}

/// An answer with a call, and the result.
fn called() -> impl Strategy<Value = Vec<Value>> {
    (option::of("[ -~]{1,9}"), [fields(), fields(), fields(), fields()]).prop_map(
        |(text, [function, call, answer, result])| {
            let function = with(json!({"name": "look", "arguments": "{\"a\":1}"}), &function);
            let call = with(json!({"id": "c1", "type": "function", "function": function}), &call);
            let answer = with(json!({"role": "assistant", "content": text, "tool_calls": [call]}), &answer);
            vec![answer, with(json!({"role": "tool", "tool_call_id": "c1", "content": "1"}), &result)]
        },
    )
}

fn tools() -> impl Strategy<Value = Value> {
    (option::of(any::<bool>()), fields(), fields()).prop_map(|(strict, function, tool)| {
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let mut look = with(json!({"name": "look", "description": "Looks.", "parameters": schema}), &function);
        if let Some(strict) = strict {
            look["strict"] = strict.into();
        }
        json!([
            with(json!({"type": "function", "function": look}), &tool),
            with(json!({"type": "web_search"}), &tool),
            {"type": "custom", "custom": {"name": "sql"}},
        ])
    })
}

fn options() -> impl Strategy<Value = Value> {
    let choice = prop_oneof![
        Just(json!("auto")),
        Just(json!("none")),
        Just(json!("required")),
        Just(json!({"type": "function", "function": {"name": "look"}})),
        Just(json!({"type": "custom", "custom": {"name": "sql"}})),
    ];
    let schema = |fields: Fields| {
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let schema = with(json!({"name": "answer", "description": "It.", "schema": schema, "strict": true}), &fields);
        json!({"type": "json_schema", "json_schema": schema})
    };
    let format = prop_oneof![Just(json!({"type": "json_object"})), fields().prop_map(schema)];
    (choice, format, any::<u32>(), any::<i64>(), vec("[a-z]{1,3}", 1..4), any::<bool>()).prop_map(
        |(choice, format, tokens, seed, stop, parallel)| {
            json!({
                "tool_choice": choice, "response_format": format, "max_tokens": tokens, "seed": seed, "stop": stop,
                "parallel_tool_calls": parallel, "temperature": 0.5, "top_p": 0.25, "top_k": 7, "user": "u",
                "metadata": {"a": "b"}, "reasoning_effort": "low", "n": 2, "logprobs": true, "store": true,
                "logit_bias": {"1": 2}, "frequency_penalty": 0.5,
            })
        },
    )
}

fn body() -> impl Strategy<Value = Value> {
    (fields(), option::of(fields()), vec(user(), 1..3), called(), tools(), option::of(options()), fields()).prop_map(
        |(system, has_system, users, called, tools, options, fields)| {
            let system = with(json!({"role": "system", "content": "Be brief."}), &system);
            let system = has_system.map(|_| system);
            let messages: Vec<Value> = system.into_iter().chain(users).chain(called).collect();
            let mut body = with(json!({"model": "m", "messages": messages, "tools": tools}), &fields);
            let options = options.unwrap_or_else(|| json!({}));
            body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
            body
        },
    )
}

async fn model(provider: &Simulator) -> Model {
    let config =
        format!("[providers.o]\nadapter = \"openai\"\nbase_url = \"{}\"\ndefault_model = \"m\"", provider.url());
    let host = Host::builder().config(Config::parse(&config, None).unwrap()).build().unwrap();
    host.load_model("o", Overrides::new()).await.unwrap()
}

/// What is read is written again as it was, with all that nobody knows.
#[test]
fn what_is_read_is_written_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (provider, model) = runtime.block_on(async {
        let provider = Simulator::start(Script::default()).await.unwrap();
        let model = model(&provider).await;
        (provider, model)
    });
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() });
    let result = runner.run(&body(), |body| {
        let asked = read(body.to_string().as_bytes()).unwrap();
        let again = read(body.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&asked.request, &again.request);
        // Without the client's own bytes, the adapter writes the body anew.
        runtime.block_on(model.invoke_with(asked.request)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let sent = provider.requests().pop().unwrap().body;
        prop_assert_eq!(&sent, &body);
        prop_assert_eq!(read(sent.to_string().as_bytes()).unwrap().request, again.request);
        Ok(())
    });
    result.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a place of a request, it is read or named.
    #[test]
    fn nothing_breaks_the_reader(body in body(), place in any::<prop::sample::Index>(), value in 0..6_usize) {
        let values = [json!(null), json!(true), json!(-1.5), json!("a"), json!([]), json!({})];
        let mut body = body;
        let mut places = Vec::new();
        pointers(&body, String::new(), &mut places);
        let place = place.get(&places);
        *body.pointer_mut(place).unwrap() = values[value].clone();
        if let Err(problem) = read(body.to_string().as_bytes()) {
            prop_assert_eq!(problem.status, http::StatusCode::BAD_REQUEST);
            prop_assert!(problem.param.is_some(), "{}", problem.message);
        }
    }
}

/// The places of all values.
fn pointers(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers(value, format!("{place}/{name}"), places))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| pointers(value, format!("{place}/{at}"), places))
        }
        _ => {}
    }
    places.push(place);
}
