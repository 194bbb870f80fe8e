//! What goes over the wire, in both formats, and what the command makes of what comes back.
//!
//! The requests are compared with what the providers document:
//! <https://platform.claude.com/docs/en/api/messages> and <https://platform.openai.com/docs/api-reference/chat/create>.

use crate::support::{Chain, Folder, Output};
use arcllm::{Config, Message, Overrides};
use arcllm_simulator::{Format, Recorded, Reply, Simulator, Usage};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::scene::{replies, soon};

const FORMATS: [Format; 2] = [Format::Anthropic, Format::OpenAi];
const SECRET: &str = "sk-test-0123456789/abcdef";

/// A conversation in which a tool was asked for, has answered, and a picture is shown.
const CONVERSATION: &str = r#"{
    "messages": [
        {"role": "system", "content": "You are a weather service."},
        {"role": "user", "content": "How is the weather in Paris and in Rome?"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "call_1", "name": "weather", "arguments": {"city": "Paris", "days": 2}},
            {"type": "tool_use", "id": "call_2", "name": "weather", "arguments": {}}
        ]},
        {"role": "tool", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "Rain", "is_error": false}
        ]},
        {"role": "tool", "content": [
            {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "city is missing"}], "is_error": true}
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "Is it this kind of rain?"},
            {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="},
            {"type": "image", "url": "https://example.com/rain.jpg"}
        ]}
    ],
    "tools": [
        {
            "name": "weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"]
            }
        },
        {"name": "now"}
    ],
    "options": {
        "max_tokens": 300, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tool_choice": "auto", "seed": 7,
        "metadata": {"team": "red"}
    }
}"#;

/// A folder whose only provider speaks this format and wants a key.
fn folder(format: Format, provider: &Simulator) -> Folder {
    let chain = Chain::new().provider_with("main", format, &provider.url(), "api_key_env = \"MAIN_KEY\"");
    chain.folder().unwrap()
}

/// One run of `arcllm invoke --json` with these arguments.
async fn invoke(folder: &Folder, arguments: &[&str]) -> Output {
    let command = folder.arcllm(["invoke", "--json"]).unwrap().trusted().arguments(arguments).env("MAIN_KEY", SECRET);
    soon(command.run()).await.unwrap()
}

/// The same, which must succeed; and what it printed.
async fn answer(folder: &Folder, arguments: &[&str]) -> Value {
    let output = invoke(folder, arguments).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    output.json().unwrap()
}

/// The body of the only request that the provider got, once this was asked.
async fn sent(format: Format, arguments: &[&str]) -> String {
    let provider = replies([]).await;
    let folder = folder(format, &provider);
    folder.write("conversation.json", CONVERSATION).unwrap();
    answer(&folder, arguments).await;
    let [request] = &*provider.requests() else { panic!("one request") };
    serde_json::to_string_pretty(&request.body).unwrap()
}

/// What a program sees of the answer that this reply makes.
async fn read(format: Format, reply: Reply) -> Value {
    let provider = replies([reply]).await;
    answer(&folder(format, &provider), &["Hi"]).await
}

#[tokio::test]
async fn a_question() {
    assert_snapshot!(sent(Format::Anthropic, &["Hi"]).await, @r#"
    {
      "model": "main-model",
      "max_tokens": 4096,
      "messages": [
        {
          "role": "user",
          "content": "Hi"
        }
      ]
    }
    "#);
    assert_snapshot!(sent(Format::OpenAi, &["Hi"]).await, @r#"
    {
      "model": "main-model",
      "messages": [
        {
          "role": "user",
          "content": "Hi"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_question_with_instructions_and_options() {
    let arguments = ["--system", "Be brief.", "--max-tokens", "50", "--temperature", "0.25", "--model", "other", "Hi"];
    assert_snapshot!(sent(Format::Anthropic, &arguments).await, @r#"
    {
      "model": "other",
      "max_tokens": 50,
      "system": "Be brief.",
      "messages": [
        {
          "role": "user",
          "content": "Hi"
        }
      ],
      "temperature": 0.25
    }
    "#);
    assert_snapshot!(sent(Format::OpenAi, &arguments).await, @r#"
    {
      "model": "other",
      "messages": [
        {
          "role": "system",
          "content": "Be brief."
        },
        {
          "role": "user",
          "content": "Hi"
        }
      ],
      "max_tokens": 50,
      "temperature": 0.25
    }
    "#);
}

#[tokio::test]
async fn a_conversation_with_tools_and_images() {
    let arguments = ["--request", "conversation.json"];
    assert_snapshot!(sent(Format::Anthropic, &arguments).await, @r#"
    {
      "model": "main-model",
      "max_tokens": 300,
      "system": "You are a weather service.",
      "messages": [
        {
          "role": "user",
          "content": "How is the weather in Paris and in Rome?"
        },
        {
          "role": "assistant",
          "content": [
            {
              "type": "text",
              "text": "Let me look."
            },
            {
              "type": "tool_use",
              "id": "call_1",
              "name": "weather",
              "input": {
                "city": "Paris",
                "days": 2
              }
            },
            {
              "type": "tool_use",
              "id": "call_2",
              "name": "weather",
              "input": {}
            }
          ]
        },
        {
          "role": "user",
          "content": [
            {
              "type": "tool_result",
              "tool_use_id": "call_1",
              "content": "Rain"
            },
            {
              "type": "tool_result",
              "tool_use_id": "call_2",
              "content": "city is missing",
              "is_error": true
            },
            {
              "type": "text",
              "text": "Is it this kind of rain?"
            },
            {
              "type": "image",
              "source": {
                "type": "base64",
                "media_type": "image/png",
                "data": "iVBORw0KGgo="
              }
            },
            {
              "type": "image",
              "source": {
                "type": "url",
                "url": "https://example.com/rain.jpg"
              }
            }
          ]
        }
      ],
      "tools": [
        {
          "name": "weather",
          "description": "The weather of a city",
          "input_schema": {
            "type": "object",
            "properties": {
              "city": {
                "type": "string"
              },
              "days": {
                "type": "integer"
              }
            },
            "required": [
              "city"
            ]
          }
        },
        {
          "name": "now",
          "input_schema": {
            "type": "object",
            "properties": {}
          }
        }
      ],
      "tool_choice": {
        "type": "auto"
      },
      "temperature": 0.5,
      "top_p": 0.9,
      "stop_sequences": [
        "END"
      ]
    }
    "#);
    assert_snapshot!(sent(Format::OpenAi, &arguments).await, @r#"
    {
      "model": "main-model",
      "messages": [
        {
          "role": "system",
          "content": "You are a weather service."
        },
        {
          "role": "user",
          "content": "How is the weather in Paris and in Rome?"
        },
        {
          "role": "assistant",
          "content": "Let me look.",
          "tool_calls": [
            {
              "id": "call_1",
              "type": "function",
              "function": {
                "name": "weather",
                "arguments": "{\"city\":\"Paris\",\"days\":2}"
              }
            },
            {
              "id": "call_2",
              "type": "function",
              "function": {
                "name": "weather",
                "arguments": "{}"
              }
            }
          ]
        },
        {
          "role": "tool",
          "tool_call_id": "call_1",
          "content": "Rain"
        },
        {
          "role": "tool",
          "tool_call_id": "call_2",
          "content": "city is missing"
        },
        {
          "role": "user",
          "content": [
            {
              "type": "text",
              "text": "Is it this kind of rain?"
            },
            {
              "type": "image_url",
              "image_url": {
                "url": "data:image/png;base64,iVBORw0KGgo="
              }
            },
            {
              "type": "image_url",
              "image_url": {
                "url": "https://example.com/rain.jpg"
              }
            }
          ]
        }
      ],
      "max_tokens": 300,
      "tools": [
        {
          "type": "function",
          "function": {
            "name": "weather",
            "description": "The weather of a city",
            "parameters": {
              "type": "object",
              "properties": {
                "city": {
                  "type": "string"
                },
                "days": {
                  "type": "integer"
                }
              },
              "required": [
                "city"
              ]
            }
          }
        },
        {
          "type": "function",
          "function": {
            "name": "now",
            "parameters": {
              "type": "object",
              "properties": {}
            }
          }
        }
      ],
      "tool_choice": "auto",
      "temperature": 0.5,
      "top_p": 0.9,
      "stop": [
        "END"
      ],
      "seed": 7
    }
    "#);
}

#[tokio::test]
async fn arguments_go_before_the_request_and_the_prompt_behind_it() {
    let arguments = ["--request", "conversation.json", "--max-tokens", "9", "--system", "First.", "And now?"];
    let body: Value = serde_json::from_str(&sent(Format::OpenAi, &arguments).await).unwrap();
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[0], json!({"role": "system", "content": "First."}));
    assert_eq!(messages.last(), Some(&json!({"role": "user", "content": "And now?"})));
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(9), &json!(0.5)));
}

#[tokio::test]
async fn defaults_give_way_to_the_provider_and_that_to_the_call() {
    for format in FORMATS {
        let provider = replies([]).await;
        let text = |settings: &str| {
            let (url, defaults) =
                (provider.url(), "[defaults]\nprovider = \"main\"\nmax_tokens = 11\ntemperature = 0.1");
            let table =
                format!("[providers.main]\nadapter = \"{format}\"\nbase_url = \"{url}\"\ndefault_model = \"m\"");
            Folder::new(&format!("{defaults}\n{table}\n{settings}")).unwrap()
        };
        answer(&text(""), &["Hi"]).await;
        answer(&text("max_tokens = 22\ntemperature = 0.2"), &["Hi"]).await;
        answer(&text("max_tokens = 22"), &["--max-tokens", "33", "--temperature", "0.3", "Hi"]).await;
        let limits = provider.requests().into_iter().map(|request| {
            (request.body["max_tokens"].as_u64().unwrap(), request.body["temperature"].as_f64().unwrap())
        });
        assert_eq!(limits.collect::<Vec<_>>(), [(11, 0.1), (22, 0.2), (33, 0.3)], "{format}");
    }
}

#[tokio::test]
async fn models_that_demand_it_are_given_max_completion_tokens() {
    let body: Value =
        serde_json::from_str(&sent(Format::OpenAi, &["--model", "o4-mini", "--max-tokens", "50", "Hi"]).await).unwrap();
    assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(50), &Value::Null));
}

#[tokio::test]
async fn headers() {
    let header = |request: &Recorded, name: &str| request.header(name).unwrap_or_default().to_owned();
    for format in FORMATS {
        let provider = replies([]).await;
        answer(&folder(format, &provider), &["Hi"]).await;
        let request = &provider.requests()[0];
        assert_eq!(header(request, "content-type"), "application/json");
        assert!(header(request, "user-agent").starts_with("arcllm/"));
        assert!(request.authorized_with(SECRET), "{request:?}");
        let (path, key, version) = match format {
            Format::Anthropic => ("/v1/messages", "x-api-key", "2023-06-01"),
            _ => ("/v1/chat/completions", "authorization", ""),
        };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", path));
        assert!(request.header(key).is_some(), "{request:?}");
        assert_eq!(header(request, "anthropic-version"), version);
    }
}

#[tokio::test]
async fn a_provider_that_needs_no_key_is_sent_none() {
    for format in FORMATS {
        let provider = replies([]).await;
        let folder = Chain::new().provider("main", format, &provider.url()).folder().unwrap();
        answer(&folder, &["Hi"]).await;
        let request = &provider.requests()[0];
        assert_eq!((request.header("x-api-key"), request.header("authorization")), (None, None));
    }
}

#[tokio::test]
async fn an_answer_has_these_keys_of_these_types() {
    for format in FORMATS {
        let answer = read(format, Reply::text("Hello")).await;
        assert_eq!(answer["content"], "Hello");
        assert_eq!(answer["tool_calls"], json!([]));
        let count = |value: &Value| value.is_u64() || value.is_null();
        assert_eq!(answer["usage"]["input_tokens"], 10);
        assert_eq!(answer["usage"]["output_tokens"], 5);
        assert_eq!(answer["usage"]["total_tokens"], 15);
        for name in ["cache_read_tokens", "cache_write_tokens", "reasoning_tokens"] {
            assert!(answer["usage"].get(name).is_some_and(count), "{name}: {answer}");
        }
        assert_eq!((&answer["model"], &answer["provider"]), (&json!("main-model"), &json!("main")));
        assert_eq!(answer["stop_reason"], "end_turn");
        assert_eq!(answer.get("thinking"), Some(&Value::Null));
        let [attempt] = answer["trail"].as_array().unwrap().as_slice() else { panic!("{answer}") };
        assert_eq!((&attempt["provider"], &attempt["model"]), (&json!("main"), &json!("main-model")));
        assert_eq!((&attempt["outcome"], attempt.get("status")), (&json!("ok"), Some(&Value::Null)));
        assert!(attempt["waited_seconds"].is_number() && attempt["took_seconds"].is_number());
        let mut keys: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        keys.retain(|key| !["request_id", "message", "extensions"].contains(key));
        keys.sort_unstable();
        let expected = ["content", "model", "provider", "stop_reason", "thinking", "tool_calls", "trail", "usage"];
        assert_eq!(keys, expected);
    }
}

#[tokio::test]
async fn tool_calls_have_arguments_that_are_objects() {
    for format in FORMATS {
        let reply = Reply::text("Let me look.")
            .tool_call("call_1", "weather", json!({"city": "Paris", "days": 2}))
            .tool_call("call_2", "now", json!({}));
        let answer = read(format, reply).await;
        assert_eq!(answer["content"], "Let me look.");
        assert_eq!(answer["stop_reason"], "tool_use");
        let expected = json!([
            {"id": "call_1", "name": "weather", "arguments": {"city": "Paris", "days": 2}},
            {"id": "call_2", "name": "now", "arguments": {}},
        ]);
        assert_eq!(answer["tool_calls"], expected, "{format}");
    }
}

#[tokio::test]
async fn nothing_but_a_tool_call_has_no_content() {
    for format in FORMATS {
        let answer = read(format, Reply::default().tool_call("call_1", "now", json!({}))).await;
        assert_eq!(answer["content"], Value::Null, "{format}");
    }
}

#[tokio::test]
async fn arguments_that_are_no_object_are_a_parse_error_that_shows_them() {
    for arguments in ["[1, 2]", "{\"city\": \"Par"] {
        let provider = replies([Reply::default().tool_call("call_1", "weather", json!(arguments))]).await;
        let output = invoke(&folder(Format::OpenAi, &provider), &["Hi"]).await;
        let error = &output.json().unwrap()["error"];
        assert_eq!((output.code, &error["kind"]), (1, &json!("parse")));
        let start = arguments.replace('"', "\\\"");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&start) || message.contains(arguments), "{message}");
    }
    let answer = read(Format::OpenAi, Reply::default().tool_call("call_1", "now", json!(""))).await;
    assert_eq!(answer["tool_calls"][0]["arguments"], json!({}));
}

#[tokio::test]
async fn tokens_are_counted() {
    let usage = Usage {
        input_tokens: 100,
        output_tokens: 50,
        cache_read_tokens: 30,
        cache_write_tokens: 20,
        reasoning_tokens: 40,
    };
    let anthropic = read(Format::Anthropic, Reply::default().usage(usage)).await["usage"].clone();
    assert_eq!((&anthropic["input_tokens"], &anthropic["output_tokens"]), (&json!(100), &json!(50)));
    assert_eq!((&anthropic["cache_read_tokens"], &anthropic["cache_write_tokens"]), (&json!(30), &json!(20)));
    assert_eq!(anthropic["reasoning_tokens"], Value::Null);
    let openai = read(Format::OpenAi, Reply::default().usage(usage)).await["usage"].clone();
    assert_eq!((&openai["input_tokens"], &openai["output_tokens"]), (&json!(100), &json!(50)));
    assert_eq!((&openai["cache_read_tokens"], &openai["cache_write_tokens"]), (&json!(30), &Value::Null));
    assert_eq!((&openai["reasoning_tokens"], &openai["total_tokens"]), (&json!(40), &json!(150)));
}

/// As Anthropic has it since models think: `usage.output_tokens_details.thinking_tokens`.
#[tokio::test]
async fn tokens_of_anthropics_thinking_are_counted() {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hi"}],
        "usage": {"input_tokens": 3, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}},
    });
    assert_eq!(read(Format::Anthropic, Reply::json(&body)).await["usage"]["reasoning_tokens"], 40);
}

#[tokio::test]
async fn why_the_answer_ended() {
    let words = [
        ("end_turn", "end_turn", "end_turn"),
        ("max_tokens", "max_tokens", "max_tokens"),
        ("tool_use", "tool_use", "tool_use"),
        // OpenAI does not say which kind of stop it was, and has no refusal but the filter's.
        ("stop_sequence", "stop_sequence", "end_turn"),
        ("refusal", "refusal", "content_filter"),
        ("pause_turn", "pause_turn", "pause_turn"),
        ("something_new", "something_new", "something_new"),
    ];
    for (word, anthropic, openai) in words {
        assert_eq!(read(Format::Anthropic, Reply::text("x").stop_reason(word)).await["stop_reason"], anthropic);
        assert_eq!(read(Format::OpenAi, Reply::text("x").stop_reason(word)).await["stop_reason"], openai);
    }
}

/// The message is sent back as it was printed, with what the tool answered.
async fn second_request(format: Format) -> String {
    let first = Reply::text("I look.").thinking("Paris, then.", "c2lnbmF0dXJl").tool_call("call_1", "now", json!({}));
    let provider = replies([first, Reply::text("Noon.")]).await;
    let folder = folder(format, &provider);
    let first = answer(&folder, &["What time is it?"]).await;
    assert_eq!(first["thinking"], "Paris, then.");
    let request = json!({
        "messages": [
            {"role": "user", "content": "What time is it?"},
            first["message"],
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "12:00"}]},
        ],
        "tools": [{"name": "now"}],
    });
    folder.write("second.json", request.to_string()).unwrap();
    assert_eq!(answer(&folder, &["--request", "second.json"]).await["content"], "Noon.");
    serde_json::to_string_pretty(&provider.requests()[1].body["messages"]).unwrap()
}

#[tokio::test]
async fn an_answer_is_sent_back_as_it_was_printed() {
    assert_snapshot!(second_request(Format::Anthropic).await, @r#"
    [
      {
        "role": "user",
        "content": "What time is it?"
      },
      {
        "role": "assistant",
        "content": [
          {
            "type": "thinking",
            "thinking": "Paris, then.",
            "signature": "c2lnbmF0dXJl"
          },
          {
            "type": "text",
            "text": "I look."
          },
          {
            "type": "tool_use",
            "id": "call_1",
            "name": "now",
            "input": {}
          }
        ]
      },
      {
        "role": "user",
        "content": [
          {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "content": "12:00"
          }
        ]
      }
    ]
    "#);
    assert_snapshot!(second_request(Format::OpenAi).await, @r#"
    [
      {
        "role": "user",
        "content": "What time is it?"
      },
      {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
          {
            "id": "call_1",
            "type": "function",
            "function": {
              "name": "now",
              "arguments": "{}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": "12:00"
      }
    ]
    "#);
}

#[tokio::test]
async fn keys_are_nowhere_to_be_read() {
    for format in FORMATS {
        // Providers repeat keys in their errors, whole and in JSON's own spelling.
        let escaped = SECRET.replace('/', "\\/");
        let told = format!("{{\"error\": {{\"message\": \"no such key: {escaped}\", \"code\": \"{SECRET}\"}}}}");
        let provider = replies([
            Reply::text("Hello"),
            Reply::error(401, format!("the key {SECRET} is unknown")).header("request-id", SECRET),
            Reply::body("application/json", told).with_status(401),
            Reply::body("text/plain", format!("Bearer {SECRET}")),
        ])
        .await;
        let folder = folder(format, &provider);
        for number in 0..4 {
            let arguments = ["invoke", "--trace", "Hi"];
            let arguments = if number % 2 == 0 { &arguments[..] } else { &["invoke", "--json", "--trace", "Hi"][..] };
            let command =
                folder.arcllm(arguments).unwrap().trusted().env("MAIN_KEY", SECRET).env("ARCLLM_LOG", "trace");
            let Output { code, stdout, stderr } = soon(command.run()).await.unwrap();
            assert!(code < 2 && stderr.contains("attempt"), "{stdout}\n{stderr}");
            for text in [stdout, stderr] {
                assert!(!text.contains(SECRET) && !text.contains("0123456789"), "{text}");
            }
        }
        assert!(provider.requests().iter().all(|request| request.authorized_with(SECRET)));
    }
}

/// The one variable that a test can count on is Cargo's, so its value is the key here.
#[tokio::test]
async fn keys_are_in_no_debug_output() {
    let secret = env!("CARGO_MANIFEST_DIR");
    let provider = replies([Reply::error(401, format!("what is {secret}?"))]).await;
    let settings = "api_key_env = \"CARGO_MANIFEST_DIR\"";
    let folder = Chain::new().provider_with("main", Format::Anthropic, &provider.url(), settings).folder().unwrap();
    let host = folder.host().unwrap();
    let model = soon(host.load_model("main", Overrides::new())).await.unwrap();
    let error = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err();
    assert!(provider.requests()[0].authorized_with(secret));
    let config: &Config = host.config();
    let shown = [format!("{host:?}"), format!("{config:?}"), format!("{model:?}"), format!("{error:?}")];
    for text in shown.into_iter().chain([error.to_string()]) {
        assert!(!text.contains(secret), "{text}");
    }
}
