//! Sends short requests to a small model. All others go on to the model that the caller has chosen.

use arcllm_module::{Behavior, Config, Cost, Count, Description, Error, ModelName, Module, Request, Response, Target};
use arcllm_module::{inner, models};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The model for short requests, as `load_model` takes it: a text.
    pub small: ModelName,
    /// The most tokens of a short request, as the host estimates them: a whole number above zero.
    #[serde(default = "a_thousand")]
    pub up_to_tokens: Count,
}

fn a_thousand() -> Count {
    Count::new(1000)
}

impl Config for Settings {}

/// The module.
pub struct SmallFirst {
    settings: Settings,
}

impl Module for SmallFirst {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("small-first", env!("CARGO_PKG_VERSION"), "router").behavior(&[Behavior::AsksOthers])
    }

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let up_to = u64::from(self.settings.up_to_tokens.get());
        if request.size().estimated_tokens > up_to {
            return inner::invoke(request).await;
        }
        models::load(&request, self.settings.small.0.clone()).await?.invoke(request).await
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let small = others.iter().find(|other| other.name == self.settings.small.0).unwrap_or(inner);
        let (attempts, waiting) = (small.most.attempts, small.most.waiting);
        Cost { attempts: attempts.max(inner.most.attempts), waiting: waiting.max(inner.most.waiting) }
    }
}

arcllm_module::export!(SmallFirst);

#[cfg(test)]
mod tests {
    use arcllm_module::testing::{World, api, text};

    use super::*;

    fn small_first() -> SmallFirst {
        SmallFirst::new(Settings { small: ModelName("small".to_owned()), up_to_tokens: Count::new(10) })
    }

    #[test]
    fn a_short_request_goes_to_the_small_model_and_a_long_one_to_the_inner() {
        let world = World::new().provider("small", [Ok(text("from the small one"))]);
        let answer = world.run(small_first().invoke(world.request("Hi"))).unwrap();
        assert_eq!(answer.parts().text(), "from the small one");
        world.run(small_first().invoke(world.request(&"long ".repeat(100)))).unwrap();
        let asked: Vec<String> = world.asked().into_iter().map(|asked| asked.provider).collect();
        assert_eq!(asked, ["small", "inner"]);
    }

    #[test]
    fn the_error_of_the_small_model_comes_back_unchanged() {
        let world = World::new().provider("small", [Err(api(529))]);
        let outcome = world.run(small_first().invoke(world.request("Hi")));
        assert!(matches!(outcome, Err(Error::Api(error)) if error.status == 529));
        assert_eq!(world.asked().len(), 1);
    }
}
