//! Codex, as it asks and goes on.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::serve::responses::{
    accumulate::accumulate,
    stage::{FORMATS, Stage},
};

/// A request of Codex 0.169.0, shortened.
const FIRST: &str = include_str!("codex.json");

/// A call of each kind of tool, in parallel.
fn calls(format: Format) -> Reply {
    let list = json!({"path": "/"});
    let reply = Reply::text("I look around.").thinking("Hm.", "sig").tool_call(
        "call_shell",
        "exec_command",
        json!({"cmd": "ls"}),
    );
    match format {
        // The simulator has no namespaces, and its answer goes to the client as it is.
        Format::Responses => reply,
        _ => reply.tool_call("call_list", "mcp__files__list", list),
    }
}

#[tokio::test]
async fn goes_through_a_round_of_tools_with_every_provider() {
    let stage = Stage::new().await;
    for format in FORMATS {
        let first: Value = serde_json::from_str(FIRST).unwrap();
        let answer = accumulate(&stage.ask(format, &calls(format), true, first.clone()).await);
        let output = answer["output"].as_array().unwrap();
        let kinds: Vec<&str> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(kinds[..3], ["reasoning", "message", "function_call"], "{format}");
        assert!(output[0]["encrypted_content"].is_string(), "{format}: Codex asks to include it");

        // Codex sends all back, with fields of its own.
        let mut next = first.clone();
        let input = next["input"].as_array_mut().unwrap();
        for item in output {
            let mut item = item.clone();
            if item["type"] == "reasoning" {
                item["content"] = Value::Null;
            }
            item.as_object_mut().unwrap().remove("status");
            input.push(item);
        }
        let results = output.iter().filter_map(|item| item["call_id"].as_str()).map(|id| {
            json!({"type": "function_call_output", "id": format!("fco_{id}"), "call_id": id, "output": format!("result of {id}")})
        });
        input.extend(results.collect::<Vec<_>>());
        let answer = accumulate(&stage.ask(format, &Reply::text("All done."), true, next.clone()).await);
        assert_eq!(answer["output"][0]["content"][0]["text"], "All done.", "{format}");

        let sent = stage.sent(format);
        if format == Format::Responses {
            assert_eq!(sent["input"], next["input"], "as it was");
            assert_eq!(sent["tools"], next["tools"]);
            continue;
        }
        let call = &output[3];
        assert_eq!((&call["namespace"], &call["name"]), (&json!("mcp__files"), &json!("list")), "{format}: {call}");
        let tools = sent["tools"].as_array().unwrap();
        let names: Vec<&str> =
            tools.iter().filter_map(|tool| tool["name"].as_str().or(tool["function"]["name"].as_str())).collect();
        assert_eq!(names, ["exec_command", "mcp__files__list", "mcp__files__read"], "{format}");
        let messages = sent["messages"].to_string();
        for word in [
            "mcp__files__list",
            "call_shell",
            "call_list",
            "result of call_shell",
            "result of call_list",
            "I look around.",
        ] {
            assert!(messages.contains(word), "{format}: {word} in {messages}");
        }
        assert_eq!(messages.contains("\"signature\":\"sig\""), format == Format::Anthropic, "{messages}");
        assert!(
            !sent.to_string().contains("client_metadata") && !sent.to_string().contains("prompt_cache_key"),
            "{sent}"
        );
    }
}
