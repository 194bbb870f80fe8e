//! An agent with two tools. It has no code for failures: the modules in its configuration handle them.
//!
//! `cargo run -p arcllm --example agent_loop` runs it against a provider that fails before every answer, and
//! `cargo run -p arcllm --example agent_loop -- anthropic` against the provider of that name in your configuration.

use arcllm::{
    Conversation, Error, Host, Model, ModuleConfig, Overrides, ProviderConfig, Tool, ToolCall, ToolResult, WireFormat,
};
use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::json;

/// The question for the agent.
pub(crate) const QUESTION: &str = "How warm is it in Oslo, in degrees Fahrenheit?";

/// Asks the model, runs the tools that it calls, and returns their results to it, until it calls none.
pub(crate) async fn answer(model: &Model, question: &str) -> Result<String, Error> {
    let mut conversation = Conversation::new();
    conversation.user(question);
    loop {
        let answer = model.invoke(conversation.messages()?, &tools()).await?;
        if answer.tool_calls().next().is_none() {
            return Ok(answer.text().unwrap_or_default());
        }
        conversation.push(&answer);
        for call in answer.tool_calls() {
            conversation.tool_result(run(call))?;
        }
    }
}

fn tools() -> [Tool; 2] {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let celsius = json!({"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]});
    [
        Tool::new("temperature", "The temperature of a city now, in degrees Celsius.", city),
        Tool::new("to_fahrenheit", "Converts degrees Celsius to degrees Fahrenheit.", celsius),
    ]
}

fn run(call: &ToolCall) -> ToolResult {
    let argument = |name| call.arguments.get(name);
    let said = match call.name.as_str() {
        "temperature" => argument("city").and_then(|city| city.as_str()).map(|city| format!("{city}: -4.5")),
        "to_fahrenheit" => {
            argument("celsius").and_then(|celsius| celsius.as_f64()).map(|c| (c * 1.8 + 32.0).to_string())
        }
        _ => None,
    };
    match said {
        Some(text) => ToolResult::text(&call.id, text),
        None => ToolResult::error(&call.id, format!("there is no tool {} that takes {:?}", call.name, call.arguments)),
    }
}

/// The three answers of a model.
pub(crate) fn turns() -> [Reply; 3] {
    [
        Reply::default().tool_call("call_1", "temperature", json!({"city": "Oslo"})),
        Reply::text("Now the other scale.").tool_call("call_2", "to_fahrenheit", json!({"celsius": -4.5})),
        Reply::text("It is 23.9 °F in Oslo."),
    ]
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it is the command's output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(provider) = std::env::args().nth(1) {
        let model = arcllm::load_model(&provider, Overrides::new()).await?;
        println!("{}", answer(&model, QUESTION).await?);
        return Ok(());
    }
    let [first, second, third] = turns();
    let overloaded = Reply::status(529).header("retry-after", "0.5");
    let script = [overloaded, first, Reply::fault(Fault::Reset), second, Reply::status(503), third];
    let simulator = Simulator::start(Script::new(script)).await?;
    let provider = ProviderConfig::new(WireFormat::Anthropic, &simulator.url())?.model("simulated");
    let host = Host::builder()
        .provider("simulated", provider)
        .module("retry", ModuleConfig::on().setting("backoff_base_seconds", 0.1))
        .build()?;
    let model = host.load_model("simulated", Overrides::new()).await?;
    println!("{}", answer(&model, QUESTION).await?);
    for request in simulator.requests() {
        println!("{:>6.3} s  {} -> {}", request.since_start.as_secs_f64(), request.path, request.reply);
    }
    Ok(())
}
