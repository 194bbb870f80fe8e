use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{
    adapter::{
        format::{body_editor::LIMITS, table},
        http::fixture,
    },
    config::{
        model_facts::ModelFacts,
        quirks::{MaxTokensField, ReasoningField, SeedField},
    },
};

const CHAT: WireFormat = WireFormat::OpenAi;
const MESSAGES: WireFormat = WireFormat::Anthropic;

/// A request that a gateway has read from this body.
fn read(format: WireFormat, body: &str) -> Request {
    let fields = serde_json::from_str::<Value>(body).unwrap();
    let mut options = Options::new();
    let limit = LIMITS.iter().find_map(|name| fields.get(name)?.as_u64());
    options.max_tokens = limit.map(|limit| limit.try_into().unwrap());
    options.temperature = fields.get("temperature").and_then(Value::as_f64);
    options.seed = fields.get("seed").and_then(Value::as_i64);
    let request = Request::new([Message::user("Hi")]).with_options(options);
    request.with_original(Original::new(format, body.to_owned()))
}

/// What the model `up` of this provider is sent.
fn sent(provider: &ProviderConfig, request: &Request, stream: bool) -> (String, Option<Echo>) {
    let sent = outgoing(table::format(provider.adapter), request, provider, "up", stream).unwrap();
    (String::from_utf8(sent.body.concat()).unwrap(), sent.echo)
}

fn provider(format: WireFormat, change: impl FnOnce(&mut ProviderConfig)) -> ProviderConfig {
    fixture::asked(format, change).provider.clone()
}

const SHOWN: Option<Echo> = Some(Echo { hides_usage: false, is_rewritten: false });
const HIDDEN: Option<Echo> = Some(Echo { hides_usage: true, is_rewritten: false });

#[test]
fn a_body_of_the_same_format_changes_where_the_call_decides() {
    for (format, body, stream, expected, echo) in [
        (
            MESSAGES,
            r#"{"model":"a","x":[1.0 , {}],"max_tokens":5}"#,
            false,
            r#"{"model":"up","x":[1.0 , {}],"max_tokens":5}"#,
            SHOWN,
        ),
        (MESSAGES, r#"{"model":"a","stream":false}"#, true, r#"{"model":"up","stream":true}"#, SHOWN),
        (MESSAGES, r#"{"model":"a","stream":true}"#, false, r#"{"model":"up","stream":false}"#, SHOWN),
        (
            MESSAGES,
            r#"{"stream_options":1,"m":{"model":"a"}}"#,
            true,
            r#"{"stream_options":1,"m":{"model":"a"},"model":"up","stream":true}"#,
            SHOWN,
        ),
        (
            CHAT,
            r#"{"model":"a","stream":true}"#,
            true,
            r#"{"model":"up","stream":true,"stream_options":{"include_usage":true}}"#,
            HIDDEN,
        ),
        (
            CHAT,
            r#"{"stream_options":{"x":1,"include_usage":false},"model":""}"#,
            true,
            r#"{"stream_options":{"x":1,"include_usage":true},"model":"up","stream":true}"#,
            HIDDEN,
        ),
        (
            CHAT,
            r#"{"stream_options":null,"model":""}"#,
            true,
            r#"{"stream_options":{"include_usage":true},"model":"up","stream":true}"#,
            HIDDEN,
        ),
        (
            CHAT,
            r#"{"model":"","stream":true,"stream_options":{"include_usage":true}}"#,
            true,
            r#"{"model":"up","stream":true,"stream_options":{"include_usage":true}}"#,
            SHOWN,
        ),
        (
            CHAT,
            r#"{"stream_options":{"include_usage":true},"stream":true,"model":""}"#,
            false,
            r#"{"stream":false,"model":"up"}"#,
            SHOWN,
        ),
    ] {
        assert_eq!(sent(&provider(format, |_| ()), &read(format, body), stream), (expected.to_owned(), echo), "{body}");
    }
}

#[test]
fn settings_of_the_provider_are_in_the_body() {
    let quirk = |change: fn(&mut Quirks)| provider(CHAT, |provider| change(&mut provider.quirks));
    let completion = quirk(|quirks| quirks.max_tokens_field = Some(MaxTokensField::MaxCompletionTokens));
    let no_options = quirk(|quirks| quirks.stream_options = Some(false));
    let defaults = |format| {
        provider(format, |provider| {
            (provider.max_tokens, provider.temperature) = (Some(9), Some(0.5));
            let facts = ModelFacts { max_output_tokens: Some(7), ..ModelFacts::default() };
            provider.models.insert("up".to_owned(), facts);
        })
    };
    for (provider, body, stream, expected) in [
        (&completion, r#"{"max_tokens":5,"model":""}"#, false, r#"{"max_completion_tokens":5,"model":"up"}"#),
        (
            &completion,
            r#"{"max_completion_tokens":5,"model":""}"#,
            false,
            r#"{"max_completion_tokens":5,"model":"up"}"#,
        ),
        (&no_options, r#"{"stream_options":{},"stream":true,"model":""}"#, true, r#"{"stream":true,"model":"up"}"#),
        (&no_options, r#"{"stream":true,"model":""}"#, true, r#"{"stream":true,"model":"up"}"#),
        (&defaults(CHAT), r#"{"model":""}"#, false, r#"{"model":"up","temperature":0.5,"max_tokens":7}"#),
        (
            &defaults(CHAT),
            r#"{"model":"","max_tokens":null}"#,
            false,
            r#"{"model":"up","max_tokens":7,"temperature":0.5}"#,
        ),
        (
            &defaults(MESSAGES),
            r#"{"model":"","max_tokens":8.0,"temperature":1}"#,
            false,
            r#"{"model":"up","max_tokens":8.0,"temperature":1}"#,
        ),
    ] {
        assert_eq!(sent(provider, &read(provider.adapter, body), stream).0, expected, "{body}");
    }
}

#[test]
fn a_model_that_refuses_a_temperature_gets_the_rest_as_it_is() {
    for (format, limit) in
        [(CHAT, "max_tokens"), (MESSAGES, "max_tokens"), (WireFormat::OpenAiResponses, "max_output_tokens")]
    {
        let refusing = provider(format, |provider| {
            provider.temperature = Some(0.5);
            provider.models.insert("up".to_owned(), ModelFacts::new().refuses_temperature(true));
        });
        let body = format!(r#"{{"mark" : 1,"temperature":1, "model":"a","top_p":0.5,"top_k":3,"{limit}":5}}"#);
        let (sent, _) = sent(&refusing, &read(format, &body), false);
        // The Responses format has fixed fields behind it.
        let kept = format!(r#"{{"mark" : 1, "model":"up","{limit}":5"#);
        assert!(
            sent.starts_with(&kept) && !sent.contains("temperature") && !sent.contains("top_"),
            "{format:?}: {sent}"
        );
    }
}

#[test]
fn the_limit_of_the_request_has_the_last_word() {
    let request = Arc::new(read(MESSAGES, r#"{"model":"","max_tokens":128000}"#));
    let request = request.change_options(|options| options.max_tokens = Some(64000));
    assert_eq!(sent(&provider(MESSAGES, |_| ()), &request, false).0, r#"{"model":"up","max_tokens":64000}"#);
}

/// A field that no adapter writes tells whose body was sent.
const MARKED: &str = r#"{"model":"a","mark":1,"seed":3,"stream":true}"#;

#[test]
fn what_has_changed_or_is_not_taken_is_written_anew() {
    let plain = provider(CHAT, |_| ());
    let sends_own = |provider: &ProviderConfig, request: &Request| sent(provider, request, true).0.contains("mark");
    assert!(sends_own(&plain, &read(CHAT, MARKED)));
    let changed = |change: fn(&mut Options)| Arc::new(read(CHAT, MARKED)).change_options(change);
    assert!(sends_own(&plain, &changed(|options| drop(options.labels.insert("a".into(), "b".into())))));
    assert!(sends_own(&plain, &changed(|options| options.deadline = Some(std::time::Duration::from_secs(1)))));
    assert!(!sends_own(&plain, &changed(|options| options.top_p = Some(0.5))));
    assert!(!sends_own(&plain, &read(CHAT, MARKED).with_extension("openai.x", 1)));
    assert_eq!(
        sent(&plain, &changed(|options| options.top_p = Some(0.5)), true).1,
        HIDDEN,
        "its answer still comes back"
    );
    assert_eq!(sent(&provider(MESSAGES, |_| ()), &read(CHAT, MARKED), true).1, None, "the answer has another format");
    for (change, takes) in [
        ((|quirks| quirks.seed_field = Some(SeedField::RandomSeed)) as fn(&mut Quirks), false),
        (|quirks| quirks.refuses = Some(["seed".to_owned()].into()), false),
        (|quirks| quirks.refuses = Some(["top_k".to_owned()].into()), true),
        (|quirks| quirks.schema = Some(SchemaForm::None), true),
    ] {
        assert_eq!(sends_own(&provider(CHAT, |provider| change(&mut provider.quirks)), &read(CHAT, MARKED)), takes);
    }
}

#[test]
fn a_history_with_what_the_provider_does_not_take_is_written_anew() {
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "arguments": {}}]});
    let thought = json!({"role": "assistant", "content": [{"type": "thinking", "text": "Hm"}]});
    let named = json!({"role": "user", "content": "Hi", "extensions": {"openai.name": "Ann"}});
    let (system, user) = (json!({"role": "system", "content": "a"}), json!({"role": "user", "content": "a"}));
    for (messages, change, takes) in [
        (json!([user, call]), (|quirks| quirks.tool_id = Some(ToolIdRule::Nine)) as fn(&mut Quirks), false),
        (json!([user, thought]), |quirks| quirks.tool_id = Some(ToolIdRule::Nine), true),
        (json!([user, call]), |quirks| quirks.strict_turns = Some(true), false),
        (json!([system, user]), |quirks| quirks.system = Some(SystemPlace::First), true),
        (json!([user, system]), |quirks| quirks.system = Some(SystemPlace::First), false),
        (json!([user, thought]), |quirks| quirks.reasoning_field = Some(ReasoningField::None), false),
        (json!([user, call]), |quirks| quirks.reasoning_field = Some(ReasoningField::None), true),
        (json!([named]), |quirks| quirks.message_fields = Some(Vec::new()), false),
        (json!([user, call]), |quirks| quirks.message_fields = Some(Vec::new()), true),
    ] {
        let mut quirks = Quirks::default();
        change(&mut quirks);
        let read: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
        assert_eq!(takes_history(&read, &quirks), takes, "{messages}: {quirks:?}");
        assert!(takes_history(&read, &Quirks::default()));
    }
}

#[test]
fn counts_alone_are_told_apart() {
    for (data, is_alone) in [
        (r#"{"choices":[],"usage":{"a":1}}"#, true),
        (r#"{"usage":{"a":1}}"#, true),
        (r#"{"choices":[],"usage":null}"#, false),
        (r#"{"choices":[{}],"usage":{"a":1}}"#, false),
        (r#"{"choices":[]}"#, false),
        ("[DONE]", false),
    ] {
        assert_eq!(is_usage_alone(data), is_alone, "{data}");
    }
}

#[test]
fn what_a_client_cannot_read_is_repaired() {
    let text = |json: &[u8]| readable(json.to_vec()).map(|json| String::from_utf8(json).unwrap());
    assert_eq!(text(br#"{"a": 1e400, "b":"\ud83d"}"#).as_deref(), Some(r#"{"a": 1e400, "b":"\ud83d"}"#));
    assert_eq!(text(b"{\"a\":\"\t\",}").as_deref(), Some(r#"{"a":"\t"}"#));
    assert_eq!(text(b"{\"a\":\"\xff\"}").as_deref(), Some("{\"a\":\"\u{fffd}\"}"));
    assert_eq!(text(b"{\"a\":1} and more"), None);
}

proptest! {
    /// What a client sends beside the fields that the call decides arrives as it was.
    #[test]
    fn everything_else_survives(
        fields in proptest::collection::btree_map("[a-z_]{1,12}", "[ -~é]{0,20}", 0..10),
        at in 0..10_usize,
        stream in any::<bool>(),
        nested in any::<bool>(),
    ) {
        for format in [CHAT, MESSAGES] {
            let mut body = Map::new();
            for (place, (name, value)) in fields.iter().enumerate() {
                if place == at {
                    body.insert("model".to_owned(), "alias".into());
                }
                let value = if nested { json!({"model": value, "stream": [value]}) } else { value.clone().into() };
                body.insert(name.clone(), value);
            }
            let text = Value::Object(body.clone()).to_string();
            let request = Request::new([]).with_original(Original::new(format, text));
            let (sent, _) = sent(&provider(format, |_| ()), &request, stream);
            let mut sent: Map<String, Value> = serde_json::from_str(&sent).unwrap();
            prop_assert_eq!(sent.remove("model"), Some("up".into()));
            if format == CHAT && stream {
                prop_assert_eq!(&sent["stream_options"]["include_usage"], &Value::Bool(true));
                sent.remove("stream_options");
            }
            prop_assert_eq!(sent.remove("stream").unwrap_or(Value::Bool(false)), Value::Bool(stream));
            for name in ["model", "stream", "stream_options"] {
                body.remove(name);
            }
            prop_assert_eq!(sent, body);
        }
    }
}
