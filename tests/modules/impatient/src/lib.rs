//! Asks a second model if the first takes long to begin, and hands on the answer that begins first.

use std::pin::pin;

use arcllm_module::{Behavior, Config, Cost, Description, Error, ModelName, Module, Raced, Request, Response, Seconds};
use arcllm_module::{Target, clock, inner, models, race};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The model to ask beside a slow one, as `load_model` takes it: a text.
    pub second: ModelName,
    /// How long the first model has before the second is asked: a number of seconds above zero.
    #[serde(default = "a_second")]
    pub after_seconds: Seconds,
}

fn a_second() -> Seconds {
    Seconds::new(1.0)
}

impl Config for Settings {}

/// The module.
pub struct Impatient {
    settings: Settings,
}

impl Module for Impatient {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("impatient", env!("CARGO_PKG_VERSION"), "hedge").behavior(&[Behavior::AsksOthers])
    }

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let mut first = pin!(inner::invoke(request.clone()));
        if let Ok(outcome) = clock::timeout(self.settings.after_seconds.duration(), first.as_mut()).await {
            return outcome;
        }
        let mut second =
            pin!(async { models::load(&request, self.settings.second.0.clone()).await?.invoke(request.clone()).await });
        // The one that is dropped is cancelled. If one fails, the other may still answer.
        match race(first.as_mut(), second.as_mut()).await {
            Raced::One(Err(error)) => second.await.or(Err(error)),
            Raced::Other(Err(_)) => first.await,
            Raced::One(answer) | Raced::Other(answer) => answer,
        }
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let second = others.iter().find(|other| other.name == self.settings.second.0).unwrap_or(inner);
        let attempts = inner.most.attempts.saturating_add(second.most.attempts);
        let waiting = self.settings.after_seconds.nanoseconds().saturating_add(second.most.waiting);
        Cost { attempts, waiting: waiting.max(inner.most.waiting) }
    }
}

arcllm_module::export!(Impatient);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arcllm_module::testing::{World, api, text};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn impatient() -> Impatient {
        Impatient::new(Settings { second: ModelName("other".to_owned()), after_seconds: Seconds::new(1.0) })
    }

    /// A slow inner, and another model that takes two seconds.
    fn world() -> World {
        let world = World::new().provider("other", [Ok(text("quick"))]);
        world.provider_after("inner", 10 * SECOND).provider_after("other", 2 * SECOND)
    }

    #[test]
    fn an_answer_in_time_is_the_only_one() {
        let world = world().provider_after("inner", SECOND / 2);
        world.run(impatient().invoke(world.request("Hi"))).unwrap();
        assert_eq!(world.asked().len(), 1);
    }

    #[test]
    fn the_quicker_one_answers_and_the_slower_one_is_cancelled() {
        let world = world();
        let answer = world.run(impatient().invoke(world.request("Hi"))).unwrap();
        assert_eq!((answer.parts().text(), world.now()), ("quick".to_owned(), 3 * SECOND));
        let cancelled: Vec<_> = world.asked().into_iter().map(|asked| asked.cancelled).collect();
        assert_eq!(cancelled, [Some(3 * SECOND), None]);
    }

    #[test]
    fn if_the_second_fails_the_first_is_waited_for() {
        let world = world().provider("other", [Err(api(503))]);
        let answer = world.run(impatient().invoke(world.request("Hi"))).unwrap();
        assert_eq!((answer.parts().text(), world.now()), ("Hello".to_owned(), 10 * SECOND));
    }
}
