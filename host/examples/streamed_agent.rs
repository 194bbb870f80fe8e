//! An agent that shows an answer as it comes, and starts each tool as soon as the model has called it, before the
//! answer ends. It has no code for failures: the modules in its configuration handle them.
//!
//! `cargo run -p arcllm --example streamed_agent` runs it against a provider that fails before every answer, and
//! `cargo run -p arcllm --example streamed_agent -- anthropic` against the provider of that name in your configuration.

use std::{io::Write as _, time::Duration};

use arcllm::{
    Conversation, Error, ErrorKind, Event, Host, Message, Model, ModuleConfig, Overrides, ProviderConfig, Response,
    Tool, ToolCall, ToolResult, WireFormat,
};
use arcllm_simulator::{Fault, Place, Reply, Script, Simulator};
use futures::StreamExt as _;
use serde_json::json;
use tokio::task::JoinSet;

/// The question for the agent.
pub(crate) const QUESTION: &str = "Where is it warmer, in Oslo or in Rome?";

/// Asks the model, runs the tools that it calls, and returns their results to it, until it calls none. `show` gets the
/// output piece by piece.
pub(crate) async fn answer(model: &Model, question: &str, mut show: impl FnMut(&str)) -> Result<Response, Error> {
    let mut conversation = Conversation::new();
    conversation.user(question);
    loop {
        let (answer, tools) = turn(model, conversation.messages()?, &mut show).await?;
        if tools.is_empty() {
            return Ok(answer);
        }
        conversation.push(&answer);
        for result in tools.join_all().await {
            conversation.tool_result(result)?;
        }
    }
}

/// One answer, and the tools that it calls, which are running at its end. If the answer fails, they are stopped.
async fn turn(
    model: &Model,
    conversation: &[Message],
    show: &mut impl FnMut(&str),
) -> Result<(Response, JoinSet<ToolResult>), Error> {
    let mut at_work = JoinSet::new();
    let mut events = model.stream(conversation, &[temperature()]);
    while let Some(event) = events.next().await {
        match event? {
            Event::Text(piece) => show(&piece),
            Event::ToolUseEnd { call, .. } => {
                show(&format!("\n[{} {}]", call.name, json!(call.arguments)));
                at_work.spawn(async move { run(&call).await });
            }
            Event::End(response) => {
                show("\n");
                return Ok((*response, at_work));
            }
            _ => {}
        }
    }
    // The last event is the end, or an error.
    Err(ErrorKind::Cancelled.into())
}

fn temperature() -> Tool {
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    Tool::new("temperature", "The temperature of a city now, in degrees Celsius.", city)
}

async fn run(call: &ToolCall) -> ToolResult {
    let city = call.arguments.get("city").and_then(|city| city.as_str());
    let (city, degrees, takes) = match (call.name.as_str(), city) {
        ("temperature", Some(city @ "Oslo")) => (city, -4.5, 20),
        ("temperature", Some(city @ "Rome")) => (city, 11.0, 5),
        _ => {
            let text = format!("there is no tool {} that takes {:?}", call.name, call.arguments);
            return ToolResult::error(&call.id, text);
        }
    };
    tokio::time::sleep(Duration::from_millis(takes)).await;
    ToolResult::text(&call.id, format!("{city}: {degrees}"))
}

/// The two answers of a model.
pub(crate) fn turns() -> [Reply; 2] {
    let tool = |reply: Reply, id, city| reply.tool_call(id, "temperature", json!({ "city": city }));
    [
        tool(tool(Reply::text("I look at both at once."), "call_1", "Oslo"), "call_2", "Rome"),
        Reply::text("In Rome: 11 °C, and -4.5 °C in Oslo."),
    ]
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it is the command's output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let show = |piece: &str| {
        print!("{piece}");
        // Without this it would appear only at the end of its line.
        let _ = std::io::stdout().flush();
    };
    if let Some(provider) = std::env::args().nth(1) {
        let model = arcllm::load_model(&provider, Overrides::new()).await?;
        answer(&model, QUESTION, show).await?;
        return Ok(());
    }
    let overloaded = Reply::status(529).header("retry-after", "0.5");
    // It breaks off before the first event with content.
    let cut = Reply::fault(Fault::Truncate).fault_at(Place::BeforeEvent(2));
    let [first, second] = turns().map(|turn| turn.pace(Duration::from_millis(50)));
    let simulator = Simulator::start(Script::new([overloaded, first, cut, second])).await?;
    let provider = ProviderConfig::new(WireFormat::Anthropic, &simulator.url())?.model("simulated");
    let host = Host::builder()
        .provider("simulated", provider)
        .module("retry", ModuleConfig::on().setting("backoff_base_seconds", 0.1))
        .build()?;
    let model = host.load_model("simulated", Overrides::new()).await?;
    answer(&model, QUESTION, show).await?;
    for request in simulator.requests() {
        println!("{:>6.3} s  {} -> {}", request.since_start.as_secs_f64(), request.path, request.reply);
    }
    Ok(())
}
