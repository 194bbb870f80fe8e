//! How much a model of Anthropic Messages reasons, and how many tokens its answer has with that:
//! <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>.

use serde_json::Value;

use crate::{
    adapter::format::{
        effort::{self, AskedEffort},
        family::{self, ClaudeReasoning},
        fit, foreign,
        outline::{Json, Unwritable},
        tool_choice,
    },
    chat::{options::Options, request::Request},
    config::{provider::ProviderConfig, quirks::ReasoningForm},
};

/// The limit of an answer if none is set: the format requires one.
const MAX_TOKENS: u32 = 4096;

/// The least budget that the API takes.
const LEAST: u32 = 1024;

/// The effort of a budget that nobody has told.
const UNTOLD: &str = "medium";

/// What is written of the reasoning.
#[derive(Default)]
pub(crate) struct AskedReasoning<'a> {
    /// The field `thinking`.
    pub(crate) thinking: Option<Json<'a>>,
    /// The field `effort` of `output_config`.
    pub(crate) effort: Option<&'a str>,
    /// The budget of tokens, and whether the caller has set it.
    budget: Option<(u32, bool)>,
}

impl<'a> AskedReasoning<'a> {
    /// What the caller asks for. The API takes no reasoning with a tool that the model must use. `lacks_thinking` says that the
    /// answer so far was made without.
    pub(crate) fn of(
        options: &'a Options,
        provider: &'a ProviderConfig,
        model: &str,
        lacks_thinking: bool,
    ) -> Result<Self, Unwritable> {
        let is_forced = tool_choice::is_forced(options);
        let (budget, word) = match effort::asked(options, &provider.quirks)? {
            None => return Ok(Self::default()),
            Some(AskedEffort::Off) if fit::reasons(provider, model) == Some(false) => return Ok(Self::default()),
            Some(AskedEffort::Off) => return Ok(Self::thinking(named("disabled"))),
            Some(AskedEffort::Json(value)) if foreign::kind(value).is_empty() => return Err(not_thinking()),
            Some(AskedEffort::Json(value)) if !is_forced || foreign::kind(value) == "disabled" => {
                return Ok(Self { budget: budget_of(value), ..Self::thinking(value.into()) });
            }
            Some(_) if is_forced => return Ok(Self::default()),
            Some(AskedEffort::Auto | AskedEffort::Json(_)) => ((effort::budget(UNTOLD), false), None),
            Some(AskedEffort::Word(word)) => ((effort::budget(word), false), Some(word)),
            Some(AskedEffort::Budget(tokens)) => ((tokens.max(LEAST), true), Some(effort::of_budget(tokens))),
        };
        let by_word = match (provider.quirks.reasoning, family::claude_reasoning(model)) {
            (Some(ReasoningForm::Effort), _) | (None, ClaudeReasoning::Word) => true,
            (Some(_), _) | (None, ClaudeReasoning::Budget) => false,
            (None, ClaudeReasoning::Both) => !budget.1,
        };
        Ok(match by_word {
            true => {
                let effort = word.map(|word| effort::nearest(word, provider.quirks.efforts.as_deref()));
                Self { effort, ..Self::thinking(named("adaptive")) }
            }
            false if lacks_thinking => Self::default(),
            false => Self { budget: Some(budget), ..Self::default() },
        })
    }

    fn thinking(thinking: Json<'a>) -> Self {
        Self { thinking: Some(thinking), ..Self::default() }
    }

    /// The most tokens of the answer. Makes them and the budget fit each other.
    pub(crate) fn fit(&mut self, request: &Request, provider: &ProviderConfig, model: &str) -> Result<u32, Unwritable> {
        let asked = request.options.max_tokens;
        let tokens = asked.or_else(|| provider.default_max_tokens(model)).unwrap_or(MAX_TOKENS);
        // It replaces the field.
        let extension = [&request.options.extensions, &request.extensions]
            .into_iter()
            .find_map(|extensions| extensions.get("anthropic.thinking"));
        let Some((budget, is_set)) = extension.map_or(self.budget, budget_of) else { return Ok(tokens) };
        let (budget, tokens) = match asked {
            _ if budget < tokens => (budget, tokens),
            Some(_) if !is_set && tokens > LEAST => (LEAST.max(tokens / 2), tokens),
            Some(_) => return Err(no_room(budget, &format!("options.max_tokens is {tokens}"))),
            None => {
                let ceiling = provider.max_output_tokens(model).unwrap_or(u32::MAX);
                let raised = budget.saturating_add(tokens).min(ceiling);
                if raised <= budget {
                    return Err(no_room(budget, &format!("this model answers at most {ceiling} tokens")));
                }
                (budget, raised)
            }
        };
        if self.budget.is_some() && self.thinking.is_none() {
            let fields = [("type", "enabled".into()), ("budget_tokens", budget.into())];
            self.thinking = Some(Json::object(fields));
        }
        Ok(tokens)
    }

    /// Whether the model reasons.
    pub(crate) fn is_on(&self) -> bool {
        let is_adaptive = self.thinking.as_ref().is_some_and(|thinking| thinking.is("adaptive"));
        is_adaptive || self.budget.is_some()
    }
}

fn named(kind: &str) -> Json<'_> {
    Json::object([("type", kind.into())])
}

/// The budget in the provider's own JSON.
fn budget_of(thinking: &Value) -> Option<(u32, bool)> {
    let tokens = thinking.get("budget_tokens")?.as_u64()?;
    Some((u32::try_from(tokens).unwrap_or(u32::MAX), true))
}

fn not_thinking() -> Unwritable {
    Unwritable::refused(
        "options.reasoning is in OpenAI's format\n  help: a word such as \"low\", or {\"budget_tokens\": NUMBER}, which every \
         format has",
    )
}

fn no_room(budget: u32, limit: &str) -> Unwritable {
    Unwritable::refused(format!(
        "the budget for reasoning is {budget} tokens, and {limit}: the answer with its reasoning has to fit\n  help: set \
         options.max_tokens above the budget, or a smaller budget of at least {LEAST}"
    ))
}
