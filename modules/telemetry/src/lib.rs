//! Logs and adds up the tokens, time and cost of each call. Changes nothing.

mod settings;

use std::time::Duration;

use arcllm_module::{
    Description, Error, Module, Request, Response, clock, cost, endings, inner, log,
    state::{self, Addition, Life},
    types::{Outcome, Usage},
};
use serde::Serialize;
use serde_json::{Value, json};

pub use settings::Settings;

/// The module.
pub struct Telemetry {
    settings: Settings,
}

impl Module for Telemetry {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("telemetry", env!("CARGO_PKG_VERSION"), "observer")
    }

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let call = Call::begin(&request, &self.settings);
        let response = match inner::invoke(request.clone()).await {
            Ok(response) => response,
            Err(error) => {
                call.ended(Err(&error), None).await;
                return Err(error);
            }
        };
        let first = request.streamed().then(|| clock::now().saturating_sub(call.began));
        if response.is_whole() {
            call.ended(Ok((&response.model(), &response.usage())), first).await;
            return Ok(response);
        }
        endings::after(&response, async move |ended| match &ended {
            Ok(ending) => call.ended(Ok((&ending.model, &ending.usage)), first).await,
            Err(error) => call.ended(Err(error), first).await,
        });
        Ok(response)
    }
}

/// A call that is measured.
struct Call {
    request: Request,
    settings: Settings,
    /// The time by the monotonic clock.
    began: Duration,
    /// The length of the trail before the call.
    before: u32,
}

impl Call {
    /// Begins to measure a call.
    fn begin(request: &Request, settings: &Settings) -> Self {
        let before = request.attempt_count();
        Self { request: request.clone(), settings: settings.clone(), began: clock::now(), before }
    }

    /// Logs and adds up a call that ended: with an answer of this model and these tokens, or with an error.
    async fn ended(&self, result: Result<(&str, &Usage), &Error>, first: Option<Duration>) {
        let attempts = self.request.attempts(self.before);
        // The provider that answered, or was asked last, and the model it was asked for. The server may call that anything.
        let last = attempts.iter().rev().find(|attempt| matches!(attempt.outcome, Outcome::Ok)).or(attempts.last());
        let (provider, asked) = last.map_or_else(
            || (self.request.provider(), self.request.model()),
            |attempt| (attempt.provider.clone(), attempt.model.clone()),
        );
        let answered = result.ok();
        let price = answered.and_then(|(model, _)| {
            let price = |model: &str| self.request.facts(&format!("{provider}/{model}"))?.price;
            price(model).or_else(|| if model == asked { None } else { price(&asked) })
        });
        // An answer for which no provider was asked, such as one from a cache, costs nothing.
        let cost = match answered {
            Some(_) if attempts.is_empty() => Some(0.0),
            answered => answered.zip(price.as_ref()).map(|((_, usage), price)| cost(usage, price)),
        };
        if self.settings.log {
            let usage = answered.map(|(_, usage)| usage);
            let line = Line {
                provider: &provider,
                model: answered.map_or(asked.as_str(), |(model, _)| model),
                outcome: result.map_or_else(|error| json!(error.kind()), |_| json!("ok")),
                seconds: clock::now().saturating_sub(self.began).as_secs_f64(),
                seconds_to_first_event: first.map(|first| first.as_secs_f64()),
                attempts: attempts.len(),
                input_tokens: usage.map(|usage| usage.input_tokens),
                output_tokens: usage.map(|usage| usage.output_tokens),
                cache_read_tokens: usage.and_then(|usage| usage.cache_read_tokens),
                cache_write_tokens: usage.and_then(|usage| usage.cache_write_tokens),
                cost,
            };
            log::log(log::Level::Info, "telemetry", &line.json());
        }
        if self.settings.totals {
            let result = self.add_up(&format!("{provider}/{asked}"), answered.map(|(_, usage)| usage), cost).await;
            if let Err(problem) = result {
                log::log(log::Level::Debug, "telemetry", &format!("this call is not in the totals: {problem}"));
            }
        }
    }

    async fn add_up(&self, model: &str, usage: Option<&Usage>, cost: Option<f64>) -> Result<(), String> {
        let number = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let counts = [
            ("calls", 1),
            ("errors", i64::from(usage.is_none())),
            ("input_tokens", usage.map_or(0, |usage| number(usage.input_tokens))),
            ("output_tokens", usage.map_or(0, |usage| number(usage.output_tokens))),
            // A whole number, so that adding up loses nothing.
            ("microcost", cost.map_or(0, |cost| (cost * 1e6).round() as i64)),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count != 0);
        let additions = counts.flat_map(|(name, delta)| {
            [model, "total"].map(|whose| Addition {
                key: format!("{whose}.{name}"),
                delta,
                most: None,
                life: Life::Forever,
            })
        });
        state::add(additions.collect()).await.map(drop)
    }
}

/// The line in the log of a call that ended.
#[derive(Serialize)]
struct Line<'a> {
    provider: &'a str,
    model: &'a str,
    outcome: Value,
    seconds: f64,
    seconds_to_first_event: Option<f64>,
    attempts: usize,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    cost: Option<f64>,
}

impl Line<'_> {
    fn json(&self) -> String {
        // Numbers and texts can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

arcllm_module::export!(Telemetry);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use arcllm_module::{
        stream::{self, Event},
        testing::{World, api, text},
        types::{ModelFacts, Price, ResponseParts},
    };

    fn module() -> Telemetry {
        Telemetry::new(Settings::default())
    }

    fn paid() -> ResponseParts {
        let mut parts = text("secret");
        (parts.usage.input_tokens, parts.usage.output_tokens) = (1000, 200);
        parts
    }

    fn world() -> World {
        let (cache_read, cache_write, cache_write_hour, extensions) = Default::default();
        let price = Some(Price { input: 3.0, output: 15.0, cache_read, cache_write, cache_write_hour, extensions });
        let (context_window, max_output_tokens, capabilities, extensions) = Default::default();
        let (name, provider, model) = ("inner/scripted".into(), "inner".into(), "scripted".into());
        World::new().answers_after(Duration::from_secs(2)).facts(ModelFacts {
            name,
            provider,
            model,
            context_window,
            max_output_tokens,
            price,
            capabilities,
            extensions,
        })
    }

    fn logged(world: &World) -> Value {
        let [line] = world.logged().try_into().expect("one line");
        assert!(!line.contains("secret"), "no content: {line}");
        serde_json::from_str(&line).expect("JSON")
    }

    fn total(world: &World, key: &str) -> Option<String> {
        world.value(key).map(|value| String::from_utf8(value).expect("a number"))
    }

    #[test]
    fn an_answer_is_priced_and_added_up() {
        let world = world().answers([Ok(paid())]);
        let answer = world.run(module().invoke(world.request("secret"))).unwrap();
        assert_eq!(answer.parts().text(), "secret");
        let line = logged(&world);
        assert_eq!((&line["outcome"], &line["seconds"], &line["attempts"]), (&json!("ok"), &json!(2.0), &json!(1)));
        assert_eq!((&line["cost"], &line["seconds_to_first_event"]), (&json!(0.006), &Value::Null));
        for of in ["total", "inner/scripted"] {
            assert_eq!(total(&world, &format!("{of}.calls")).as_deref(), Some("1"));
            assert_eq!(total(&world, &format!("{of}.input_tokens")).as_deref(), Some("1000"));
            assert_eq!(total(&world, &format!("{of}.microcost")).as_deref(), Some("6000"));
            assert_eq!(total(&world, &format!("{of}.errors")), None);
        }
        assert_eq!(world.state_operations(), 1);
    }

    #[test]
    fn a_streamed_answer_is_logged_at_its_end() {
        let world = world().answers([Ok(paid())]).streamed();
        world.run(async {
            let reader = stream::read(module().invoke(world.request("secret")).await.unwrap());
            let mut all = Vec::new();
            while !matches!(all.last(), Some(Event::End(_))) {
                all.extend(reader.read().await.unwrap());
            }
            assert!(matches!(&all[0], Event::Text(text) if text == "secret"));
        });
        let line = logged(&world);
        assert_eq!((&line["outcome"], &line["seconds_to_first_event"]), (&json!("ok"), &json!(2.0)));
        assert_eq!(total(&world, "total.output_tokens").as_deref(), Some("200"));
    }

    #[test]
    fn an_error_is_logged_and_comes_back_unchanged() {
        let world = world().answers([Err(api(529))]);
        let outcome = world.run(module().invoke(world.request("secret")));
        assert!(matches!(outcome, Err(Error::Api(error)) if error.status == 529));
        assert_eq!(logged(&world)["outcome"], "api");
        assert_eq!(total(&world, "total.errors").as_deref(), Some("1"));
        assert_eq!(total(&world, "total.microcost"), None);
    }
}
