//! The requests, in all formats.

use crate::scene::replies;
use crate::support::{Chain, Folder};
use crate::wire::stage::{FORMATS, SECRET, answer, folder, sent};
use arcllm_simulator::{Format, Recorded};
use insta::assert_snapshot;
use serde_json::{Value, json};

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
async fn system_arguments_come_first_and_the_prompt_last() {
    let arguments = ["--request", "conversation.json", "--max-tokens", "9", "--system", "First.", "And now?"];
    let body: Value = serde_json::from_str(&sent(Format::OpenAi, &arguments).await).unwrap();
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[0], json!({"role": "system", "content": "First."}));
    assert_eq!(messages.last(), Some(&json!({"role": "user", "content": "And now?"})));
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(9), &json!(0.5)));
}

#[tokio::test]
async fn the_call_overrides_the_provider_and_that_the_defaults() {
    for format in FORMATS {
        let provider = replies([]).await;
        let text = |settings: &str| {
            let (url, defaults) =
                (provider.url(), "[defaults]\nprovider = \"main\"\nmax_tokens = 110\ntemperature = 0.1");
            let table =
                format!("[providers.main]\nadapter = \"{format}\"\nbase_url = \"{url}\"\ndefault_model = \"m\"");
            Folder::new(&format!("{defaults}\n{table}\n{settings}")).unwrap()
        };
        answer(&text(""), &["Hi"]).await;
        answer(&text("max_tokens = 220\ntemperature = 0.2"), &["Hi"]).await;
        answer(&text("max_tokens = 220"), &["--max-tokens", "330", "--temperature", "0.3", "Hi"]).await;
        let limits = provider.requests().into_iter().map(|request| {
            let name = if format == Format::Responses { "max_output_tokens" } else { "max_tokens" };
            (request.body[name].as_u64().unwrap(), request.body["temperature"].as_f64().unwrap())
        });
        assert_eq!(limits.collect::<Vec<_>>(), [(110, 0.1), (220, 0.2), (330, 0.3)], "{format}");
    }
}

#[tokio::test]
async fn models_that_require_it_get_max_completion_tokens() {
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
            Format::Responses => ("/v1/responses", "authorization", ""),
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
