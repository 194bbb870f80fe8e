//! Refuses requests in which a user writes a forbidden word, and asks no model for them.

use arcllm_module::{
    Behavior, Config, ConfigError, Description, Error, Module, Request, Response, inner,
    types::{ContentBlock, Message, ResponseParts, Role, StopReason},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings: the keys of `[modules.guardrail]`. `arcllm module inspect` shows their documentation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Words that no user may write, in upper or lower case: a list of strings.
    pub forbidden: Vec<String>,
    /// What a refused user reads: a string.
    pub message: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { forbidden: vec!["password".to_owned()], message: "I cannot help with that.".to_owned() }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let has_empty = self.forbidden.iter().any(String::is_empty);
        let error = || ConfigError::new("forbidden", "has an empty word", "words such as \"password\"");
        has_empty.then(error).into_iter().collect()
    }
}

/// The module.
pub struct Guardrail {
    settings: Settings,
}

impl Module for Guardrail {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("guardrail", env!("CARGO_PKG_VERSION"), "transformer").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        let forbidden = settings.forbidden.iter().map(|word| word.to_lowercase()).collect();
        Self { settings: Settings { forbidden, ..settings } }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        if !request.parts().messages.iter().any(|message| self.refuses(message)) {
            return inner::invoke(request).await;
        }
        let refusal = ResponseParts {
            stop_reason: StopReason::Refusal,
            ..ResponseParts::from_text(&request.provider(), &request.model(), &self.settings.message)
        };
        Ok(Response::new(&request, &refusal))
    }
}

impl Guardrail {
    fn refuses(&self, message: &Message) -> bool {
        matches!(message.role, Role::User)
            && message.content.iter().any(|block| match block {
                ContentBlock::Text(text) => {
                    let text = text.text.to_lowercase();
                    self.settings.forbidden.iter().any(|word| text.contains(word))
                }
                _ => false,
            })
    }
}

arcllm_module::export!(Guardrail);

#[cfg(test)]
mod tests {
    use arcllm_module::testing::{World, api};

    use super::*;

    #[test]
    fn a_forbidden_word_is_refused_and_no_provider_is_asked() {
        let (world, module) = (World::new(), Guardrail::new(Settings::default()));
        let answer = world.run(module.invoke(world.request("My PassWord is 1234"))).unwrap();
        assert_eq!(answer.parts().text(), "I cannot help with that.");
        assert!(world.asked().is_empty());
    }

    #[test]
    fn anything_else_goes_on_to_the_inner() {
        let (world, module) = (World::new(), Guardrail::new(Settings::default()));
        let answer = world.run(module.invoke(world.request("Good day"))).unwrap();
        assert_eq!(answer.parts().text(), "Hello");
        assert_eq!(world.asked().len(), 1);
    }

    #[test]
    fn an_error_of_the_inner_comes_back_unchanged() {
        let world = World::new().answers([Err(api(529))]);
        let module = Guardrail::new(Settings::default());
        let outcome = world.run(module.invoke(world.request("Good day")));
        assert!(matches!(outcome, Err(Error::Api(error)) if error.status == 529));
    }
}
