//! `[modules.resume]`.

use arcllm_module::{Config, ConfigError, ModelName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What becomes of an answer that breaks off: "hold" hands out nothing before the answer is whole, "continue" hands out what
    /// comes and goes on from there.
    pub mode: Mode,
    /// The models to ask, in this order, then from the first again; the one that broke off is skipped if there is another: a list of
    /// names, such as "openai" or "openai/gpt-4.1". If it is empty, the same is asked again.
    pub targets: Vec<ModelName>,
    /// How often more is asked for one call: a whole number from 1 to 16.
    pub max_resumes: u32,
    /// Whether what was received is sent as the beginning of the model's answer: "auto" where the model is known to go on from it,
    /// "always", or "never". Else the model is told to continue.
    pub prefix: Prefix,
    /// What the model is told where it does not go on from a beginning: a text that is not empty.
    pub instruction: String,
}

/// What becomes of an answer that breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is handed out before the answer is whole.
    Hold,
    /// What comes is handed out, and another model goes on from there.
    Continue,
}

/// Whether what was received is sent as the beginning of the model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prefix {
    /// Where the model is known to go on from it.
    Auto,
    /// For every model.
    Always,
    /// For none.
    Never,
}

const INSTRUCTION: &str = "Your last message was cut off by a technical fault. Continue it from exactly where it ends. Your reply is \
                           appended to it as it is: begin with the very next character, even within a word. Do not repeat \
                           anything, do not introduce or comment it.";

/// The most resumes that make sense: a model that breaks off so often will not end.
const MOST: u32 = 16;

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Hold,
            targets: Vec::new(),
            max_resumes: 2,
            prefix: Prefix::Auto,
            instruction: INSTRUCTION.to_owned(),
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.max_resumes == 0 || self.max_resumes > MOST {
            let message = format!("is {}", self.max_resumes);
            errors.push(ConfigError::new("max_resumes", message, "a whole number from 1 to 16"));
        }
        if self.instruction.trim().is_empty() {
            errors.push(ConfigError::new("instruction", "is empty", "a text that tells the model to continue"));
        }
        errors
    }
}
