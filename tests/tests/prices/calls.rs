//! What calls cost.

use arcllm::{Message, Overrides, Response};
use arcllm_simulator::{Fault, Format, Reply, Usage};
use serde_json::{Value, json};

use crate::{
    command::run,
    scene::{FAST, around, replies, soon},
    support::{Chain, Folder},
};

/// Prices that differ in each direction.
const PRICES: &str = "cost_input_per_1m = 10\ncost_output_per_1m = 20\ncost_cache_read_per_1m = 1\ncost_cache_write_per_1m = 12\n\
                      cost_cache_write_hour_per_1m = 16\nlong_input_tokens = 1000\ncost_long_input_times = 2";

const FORMATS: [Format; 3] = [Format::Anthropic, Format::OpenAi, Format::Responses];

fn priced(chain: Chain, provider: &str) -> Chain {
    chain.table(&format!("providers.{provider}.models.{provider}-model"), PRICES)
}

/// 500 tokens that are new, 300 that are read, 200 that are written, and 100 of output, as the format counts them.
fn used(format: Format) -> Usage {
    let input_tokens = if format == Format::Anthropic { 500 } else { 1000 };
    Usage {
        input_tokens,
        output_tokens: 100,
        cache_read_tokens: 300,
        cache_write_tokens: 200,
        cache_write_hour_tokens: if format == Format::Anthropic { 50 } else { 0 },
        ..Usage::default()
    }
}

fn cost_of(format: Format, input_times: f64) -> f64 {
    let written = if format == Format::Anthropic { 150.0 * 12.0 + 50.0 * 16.0 } else { 200.0 * 12.0 };
    ((500.0 * 10.0 + 300.0 * 1.0 + written) * input_times + 100.0 * 20.0) / 1e6
}

#[track_caller]
fn assert_cost(cost: Option<f64>, expected: f64, what: &str) {
    let cost = cost.unwrap_or_else(|| panic!("{what}: the cost is unknown"));
    assert!((cost - expected).abs() < 1e-12, "{what}: {cost} and not {expected}");
}

async fn answer(folder: &Folder, streamed: bool) -> Response {
    let model = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap();
    let asked = [Message::user("Hi")];
    match streamed {
        false => soon(model.invoke(&asked, &[])).await.unwrap(),
        true => soon(model.stream(&asked, &[]).collect()).await.unwrap(),
    }
}

#[tokio::test]
async fn cached_tokens_have_their_prices_in_every_format_whole_and_streamed() {
    for format in FORMATS {
        for streamed in [false, true] {
            let long = Usage { input_tokens: used(format).input_tokens + 1, ..used(format) };
            for (usage, expected) in
                [(used(format), cost_of(format, 1.0)), (long, cost_of(format, 2.0) + 2.0 * 10.0 / 1e6)]
            {
                let provider = replies([Reply::default().usage(usage)]).await;
                let folder = priced(Chain::new().provider("a", format, &provider.url()), "a").folder().unwrap();
                let answer = answer(&folder, streamed).await;
                assert_cost(answer.cost(), expected, &format!("{format:?} {streamed} {usage:?}"));
                assert_eq!(answer.trail[0].cost, answer.cost());
            }
        }
    }
}

#[tokio::test]
async fn the_command_prints_the_cost_and_telemetry_logs_the_same() {
    for format in FORMATS {
        let provider = replies([Reply::default().usage(used(format)).times(2)]).await;
        let chain = priced(Chain::new().provider("a", format, &provider.url()), "a").module("telemetry", "");
        let folder = chain.folder().unwrap();
        for arguments in [&["invoke", "--json", "Hi"][..], &["invoke", "--json", "--stream", "Hi"]] {
            let arguments = [arguments, &["--log", "arcllm::module=info"]].concat();
            let output = run(&folder, &arguments).await;
            let answer: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).unwrap();
            assert_cost(answer["cost"].as_f64(), cost_of(format, 1.0), &format!("{format:?} {arguments:?}"));
            // The process of a streamed call may end before its module has noted the end.
            if arguments.contains(&"--stream") {
                continue;
            }
            let logged = output.stderr.split_once("\"cost\":").unwrap_or_else(|| panic!("{output:?}")).1;
            let logged: f64 = logged.split([',', '}']).next().unwrap().parse().unwrap();
            assert_cost(Some(logged), cost_of(format, 1.0), &output.stderr);
        }
    }
}

#[tokio::test]
async fn a_cost_that_is_not_known_is_none() {
    let provider = replies([Reply::default()]).await;
    let folder = around(&provider).folder().unwrap();
    assert_eq!(answer(&folder, false).await.cost(), None, "no price");
    let uncounted = replies([Reply::default().usage(Usage::default()).times(2)]).await;
    let folder = priced(around(&uncounted), "a").folder().unwrap();
    assert_eq!(answer(&folder, false).await.cost(), None, "no count");
    let output = run(&folder, &["invoke", "--json", "Hi"]).await.json().unwrap();
    assert_eq!(output.get("cost"), Some(&Value::Null));
}

#[tokio::test]
async fn failed_attempts_cost_what_their_tokens_cost() {
    let usage = used(Format::Anthropic);
    let truncated = Reply::default().usage(usage).stop_reason("max_tokens");
    let (a, b) = (replies([truncated]).await, replies([Reply::default().usage(used(Format::OpenAi))]).await);
    let chain = priced(priced(around(&a).provider("b", Format::OpenAi, &b.url()), "a"), "b");
    let folder = chain.module("fallback", "chain = [\"b\"]\non_truncated = true").folder().unwrap();
    let expected = cost_of(Format::Anthropic, 1.0) + cost_of(Format::OpenAi, 1.0);
    assert_cost(answer(&folder, false).await.cost(), expected, "both");

    // An attempt that nobody counted is in the trail and adds nothing.
    let a = replies([Reply::status(500), Reply::fault(Fault::Reset), Reply::default().usage(usage)]).await;
    let folder = priced(around(&a), "a").module("retry", FAST).folder().unwrap();
    let answer = answer(&folder, false).await;
    assert_eq!(answer.trail.len(), 3);
    assert_cost(answer.cost(), cost_of(Format::Anthropic, 1.0), "one of three");
}

#[tokio::test]
async fn the_catalogue_prices_built_in_providers() {
    let usage = Usage { input_tokens: 1000, output_tokens: 100, ..Usage::default() };
    let provider = replies([Reply::default().usage(usage).times(2)]).await;
    let table = format!("default_model = \"gpt-4o-2024-08-06\"\nbase_url = \"{}\"", provider.url());
    let folder = Folder::new(&format!("[defaults]\nprovider = \"openai\"\n[providers.openai]\n{table}")).unwrap();
    let ask = async |config: &str| {
        folder.write("other.toml", config).unwrap();
        let arguments = ["invoke", "--json", "--config", "other.toml", "Hi"];
        let command = folder.arcllm(arguments).unwrap().env("OPENAI_API_KEY", "sk-test");
        let output = soon(command.run()).await.unwrap();
        assert_eq!(output.code, 0, "{output:?}");
        output.json().unwrap()["cost"].as_f64()
    };
    let config = format!("[defaults]\nprovider = \"openai\"\n[providers.openai]\n{table}\n");
    assert_cost(ask(&config).await, (1000.0 * 2.5 + 100.0 * 10.0) / 1e6, "the price of gpt-4o");
    let own = format!("{config}[providers.openai.models.\"gpt-4o\"]\ncost_input_per_1m = 0");
    assert_cost(ask(&own).await, 100.0 * 10.0 / 1e6, "with a price of the configuration");
    assert_eq!(json!(provider.requests()[0].body["model"]), "gpt-4o-2024-08-06", "the name is sent as it is");
}
