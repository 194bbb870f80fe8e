//! Judges answers, and says to the model what was wrong. Plain Rust, without WebAssembly.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use arcllm_module::types::{
    ContentBlock, Message, Options, OutputFormat, RequestParts, ResponseParts, Role, StopReason, Text, Thinking, Tool,
    ToolCall, ToolResult, ToolResultBlock,
};
use serde_json::Value;

use crate::{
    check::{self, Problem, TooLong},
    schema::Schema,
    settings::{Settings, Uncheckable},
    shown::shown,
};

/// The most characters of what the model is told.
const LONGEST: usize = 2000;
/// The most tools whose names the model is told.
const NAMED: usize = 20;

/// What the answers of a call must be.
#[derive(Debug, Default)]
pub struct Rules {
    output: Option<Output>,
    /// The parameters of tools, by their names.
    tools: BTreeMap<String, Schema>,
    /// The names of the tools that can be called. None if calls are not checked, or a tool has no name that is known.
    names: Option<BTreeSet<String>>,
}

#[derive(Debug)]
enum Output {
    /// Any JSON object.
    Json,
    Schema {
        name: String,
        schema: Schema,
    },
}

/// What an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It fits, or is none that must: it asks for tools, declines, or was cut.
    Fits,
    /// Something of it does not fit.
    Wrong(Vec<Wrong>),
    /// It cannot be known whether it fits.
    Unknown,
}

/// A part of an answer that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The name of the tool call, if it is one.
    pub call: Option<String>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

impl Rules {
    /// Reads what a call demands.
    ///
    /// # Errors
    ///
    /// Which schema cannot be checked and why, if such calls are refused.
    pub fn new(options: &Options, tools: &[Tool], settings: &Settings) -> Result<Self, String> {
        let may_pass = settings.uncheckable == Uncheckable::Pass;
        let read = |what: String, text: &str| match Schema::new(text) {
            Ok(schema) => Ok(Some(schema)),
            Err(_) if may_pass => Ok(None),
            Err(problem) => Err(format!(
                "the answer cannot be checked against the schema of {what}: {problem}. Change the schema, or set uncheckable = \
                 \"pass\" of the module validate"
            )),
        };
        let output = match &options.output {
            Some(OutputFormat::Json) => Some(Output::Json),
            Some(OutputFormat::JsonSchema(json)) => {
                let schema = read(format!("`{}`", json.name), &json.schema)?;
                schema.map(|schema| Output::Schema { name: json.name.clone(), schema })
            }
            Some(OutputFormat::Text | OutputFormat::Other(_)) | None => None,
        };
        let names = || tools.iter().map(name).collect::<Option<BTreeSet<String>>>();
        let mut rules = Self { output, tools: BTreeMap::new(), names: settings.tools.then(names).flatten() };
        for tool in tools.iter().filter(|_| settings.tools) {
            let Tool::Function(function) = tool else { continue };
            if let Some(schema) = read(format!("the tool `{}`", function.name), &function.parameters)? {
                rules.tools.insert(function.name.clone(), schema);
            }
        }
        Ok(rules)
    }

    /// Whether any answer fits.
    pub fn is_idle(&self) -> bool {
        self.output.is_none() && self.tools.is_empty()
    }

    /// The name of the schema, for an error.
    pub fn name(&self) -> &str {
        match &self.output {
            Some(Output::Schema { name, .. }) => name,
            Some(Output::Json) => "any JSON object",
            None => "the parameters of its tools",
        }
    }

    /// Judges a whole answer.
    pub fn judge(&self, answer: &ResponseParts) -> Verdict {
        let mut wrong = Vec::new();
        let calls = answer.content.iter().filter_map(|block| match block {
            ContentBlock::ToolUse(call) => Some(call),
            _ => None,
        });
        let mut asks = false;
        for call in calls {
            asks = true;
            if let Some(names) = self.names.as_ref().filter(|names| !names.contains(&call.name)) {
                wrong.push(Wrong { call: Some(call.id.clone()), problems: vec![unknown(&call.name, names)] });
                continue;
            }
            let Some(schema) = self.tools.get(&call.name) else { continue };
            match problems(schema, &call.arguments) {
                Ok(problems) if problems.is_empty() => {}
                Ok(problems) => wrong.push(Wrong { call: Some(call.id.clone()), problems }),
                Err(TooLong) => return Verdict::Unknown,
            }
        }
        let is_last = match answer.stop_reason {
            StopReason::EndTurn | StopReason::StopSequence => !asks,
            // Cut, declined, or not at its end.
            StopReason::MaxTokens
            | StopReason::ToolUse
            | StopReason::Refusal
            | StopReason::PauseTurn
            | StopReason::ContentFilter
            | StopReason::Other(_) => false,
        };
        if is_last {
            match self.text(&answer.text()) {
                Ok(problems) if problems.is_empty() => {}
                Ok(problems) => wrong.push(Wrong { call: None, problems }),
                Err(TooLong) => return Verdict::Unknown,
            }
        }
        if wrong.is_empty() { Verdict::Fits } else { Verdict::Wrong(wrong) }
    }

    fn text(&self, text: &str) -> Result<Vec<Problem>, TooLong> {
        match &self.output {
            None => Ok(Vec::new()),
            Some(Output::Schema { schema, .. }) => problems(schema, text),
            Some(Output::Json) => Ok(match read(text) {
                Ok(Value::Object(_)) => Vec::new(),
                Ok(_) => vec![Problem { path: "$".to_owned(), message: "must be a JSON object".to_owned() }],
                Err(problem) => vec![problem],
            }),
        }
    }
}

/// The name by which the model calls a tool; none if it is not known. A tool of a provider has it in its own JSON.
fn name(tool: &Tool) -> Option<String> {
    match tool {
        Tool::Function(function) => Some(function.name.clone()),
        Tool::Other(json) => {
            let tool: Value = serde_json::from_str(json).ok()?;
            let places = ["/name", "/custom/name", "/function/name"];
            places.into_iter().find_map(|place| tool.pointer(place)?.as_str()).map(str::to_owned)
        }
    }
}

/// The problem of a call of a tool that the request does not have.
fn unknown(name: &str, names: &BTreeSet<String>) -> Problem {
    let known = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED { " and more" } else { "" };
    let known = if known.is_empty() { "none".to_owned() } else { known };
    let path = shown(&Value::from(name));
    Problem { path, message: format!("is no tool of the request, which has {known}{more}") }
}

fn problems(schema: &Schema, text: &str) -> Result<Vec<Problem>, TooLong> {
    match read(text) {
        Ok(value) => check::problems(schema, &value),
        Err(problem) => Ok(vec![problem]),
    }
}

fn read(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        let message = if problem.starts_with("recursion limit") {
            "is nested too deeply: 127 levels are the most".to_owned()
        } else if text.trim_start().starts_with("```") {
            format!("is not JSON, but has a fence of Markdown around it: {problem}")
        } else {
            format!("is not JSON: {problem}")
        };
        Problem { path: "$".to_owned(), message }
    })
}

/// Writes problems as a list, cut: `$.a: must be integer, not string; $.b: …`.
pub fn listed(wrong: &[Wrong]) -> String {
    let mut list = String::new();
    for problem in wrong.iter().flat_map(|wrong| &wrong.problems) {
        let separator = if list.is_empty() { "" } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(list, "{separator}{}: {}", problem.path, problem.message);
    }
    if list.len() > LONGEST {
        list.truncate(list.floor_char_boundary(LONGEST));
        list.push('…');
    }
    list
}

/// Makes the request that tells the model what was wrong with its answer.
pub fn corrected(mut parts: RequestParts, answer: &ResponseParts, wrong: &[Wrong]) -> RequestParts {
    let calls: Vec<&str> = answer
        .content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::ToolUse(call) => Some(call.id.as_str()),
            _ => None,
        })
        .collect();
    parts.messages.push(message(Role::Assistant, answer.content.iter().filter_map(plain).collect()));
    if calls.is_empty() {
        let told = format!(
            "This answer does not fit the schema: {}. Answer again, with the whole JSON and nothing else.",
            listed(wrong)
        );
        parts.messages.push(message(Role::User, vec![ContentBlock::from_text(&told)]));
        return parts;
    }
    let results = calls.into_iter().map(|id| {
        let of_call: Vec<Wrong> = wrong.iter().filter(|wrong| wrong.call.as_deref() == Some(id)).cloned().collect();
        let told = match of_call.is_empty() {
            true => "This call was not run, because another one is wrong. Ask for both again.".to_owned(),
            false => format!("This call was not run, because it is wrong: {}. Call again.", listed(&of_call)),
        };
        ContentBlock::ToolResult(ToolResult {
            tool_use_id: id.to_owned(),
            content: vec![ToolResultBlock::Text(Text { text: told, cache: None, extensions: Vec::new() })],
            is_error: true,
            cache: None,
            extensions: Vec::new(),
        })
    });
    parts.messages.push(message(Role::Tool, results.collect()));
    parts
}

/// A block as it is sent back: what only the provider knows of it is not needed, and would need a grant.
fn plain(block: &ContentBlock) -> Option<ContentBlock> {
    let extensions = Vec::new();
    match block.clone() {
        ContentBlock::Text(text) if text.text.is_empty() => None,
        ContentBlock::Text(text) => Some(ContentBlock::Text(Text { cache: None, extensions, ..text })),
        ContentBlock::ToolUse(call) => Some(ContentBlock::ToolUse(ToolCall { cache: None, extensions, ..call })),
        ContentBlock::Thinking(thinking) => Some(ContentBlock::Thinking(Thinking { extensions, ..thinking })),
        ContentBlock::Image(_)
        | ContentBlock::Document(_)
        | ContentBlock::Audio(_)
        | ContentBlock::ToolResult(_)
        | ContentBlock::Other(_) => None,
    }
}

fn message(role: Role, content: Vec<ContentBlock>) -> Message {
    Message { role, content, extensions: Vec::new() }
}
