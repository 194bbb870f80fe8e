//! Writes a request of Anthropic Messages.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    adapter::format::{
        anthropic::{
            blocks::BlockWriter,
            cache,
            conversation::{self, Conversation},
            reasoning::AskedReasoning,
        },
        extensions::ANTHROPIC,
        fit,
        history::{self, Turn},
        outline::{Json, Object, Unwritable},
        schema, tool_choice, tools,
    },
    chat::{
        message::Message,
        options::{Options, OutputFormat},
        request::Request,
        tool::{FunctionTool, Tool, ToolChoice},
        wire_format::WireFormat,
    },
    config::{provider::ProviderConfig, quirks::ToolIdRule},
};

/// The body, with these messages of the request. Extensions replace what is written here.
pub(crate) fn body<'a>(
    request: &'a Request,
    messages: &'a [Cow<'a, Message>],
    provider: &'a ProviderConfig,
    model: &'a str,
    stream: bool,
) -> Result<Object<'a>, Unwritable> {
    tools::check(&request.tools, WireFormat::Anthropic)?;
    let rule = provider.quirks.tool_id.unwrap_or(ToolIdRule::Word);
    let turns = history::turns(messages, rule, provider.repair_history)?;
    BodyWriter { request, provider, model, stream }.body(&turns)
}

/// The highest temperature that models of Anthropic take. <https://docs.claude.com/en/api/messages>
const CLAUDE_HOTTEST: f64 = 1.0;

struct BodyWriter<'a> {
    request: &'a Request,
    provider: &'a ProviderConfig,
    model: &'a str,
    stream: bool,
}

impl<'a> BodyWriter<'a> {
    fn body(&self, turns: &[Turn<'a>]) -> Result<Object<'a>, Unwritable> {
        let (request, options) = (self.request, &self.request.options);
        let lacks_thinking = conversation::lacks_thinking(turns, &self.provider.name);
        let mut reasoning = AskedReasoning::of(options, self.provider, self.model, lacks_thinking)?;
        let max_tokens = reasoning.fit(request, self.provider, self.model)?;
        let mut body = Object::new([("model", self.model.into()), ("max_tokens", max_tokens.into())]);
        let mut tools = self.tools()?;
        let blocks = BlockWriter { provider: &self.provider.name };
        let mut conversation = Conversation::of(turns, &blocks, self.provider, self.model)?;
        let mut marked: Vec<&mut [Json<'a>]> =
            std::iter::once(tools.as_mut_slice()).chain(conversation.blocks()).collect();
        cache::fit(&mut marked, self.extension("anthropic.cache_control"));
        if !conversation.has_messages() {
            let problem = "the conversation has system messages alone\n  help: models of Anthropic's format answer a user, so add a \
                           message of one";
            return Err(Unwritable::refused(problem));
        }
        conversation.write(&mut body);
        if !tools.is_empty() {
            body.insert("tools", tools);
        }
        if let Some(choice) = self.tool_choice()? {
            body.insert("tool_choice", choice);
        }
        self.add_sampling(&mut body, reasoning.is_on())?;
        let user = options.user.as_ref().or_else(|| options.metadata.get("user_id"));
        if let Some(user) = user.filter(|_| self.takes("user")) {
            body.insert("metadata", Json::object([("user_id", user.as_str().into())]));
        }
        add_output(&mut body, options, reasoning)?;
        if self.stream {
            body.insert("stream", Json::Bool(true));
        }
        body.apply(&request.extensions, ANTHROPIC);
        body.apply(&options.extensions, ANTHROPIC);
        Ok(body)
    }

    /// The extension of the body of this name.
    fn extension(&self, name: &str) -> Option<&'a Value> {
        let extensions = [&self.request.options.extensions, &self.request.extensions];
        extensions.into_iter().find_map(|extensions| extensions.get(name)).filter(|value| !value.is_null())
    }

    fn takes(&self, option: &str) -> bool {
        !self.provider.quirks.refuses(option)
    }

    fn add_sampling(&self, body: &mut Object<'a>, reasons: bool) -> Result<(), Unwritable> {
        let options = &self.request.options;
        let is_claude = self.model.contains("claude");
        if let Some(temperature) = options.temperature.filter(|temperature| is_claude && *temperature > CLAUDE_HOTTEST)
        {
            return Err(Unwritable::refused(format!(
                "`options.temperature` is {temperature}\n  help: {} takes a number from 0 to {CLAUDE_HOTTEST}",
                self.model
            )));
        }
        let temperature = options.temperature.or_else(|| self.default_temperature(reasons));
        let takes = |option: &str| self.takes(option) && !fit::refuses_sampling(self.provider, self.model);
        body.insert_number("temperature", temperature.filter(|_| takes("temperature")))?;
        body.insert_number("top_p", options.top_p.filter(|_| takes("top_p")))?;
        if let Some(top_k) = options.top_k.filter(|_| takes("top_k")) {
            body.insert("top_k", top_k);
        }
        if !options.stop.is_empty() && self.takes("stop") {
            let stop = options.stop.iter().map(|text| text.as_str().into());
            body.insert("stop_sequences", stop.collect::<Json<'_>>());
        }
        Ok(())
    }

    /// The temperature of the configuration, unless the API would refuse it: beside `top_p` or reasoning, and for newer
    /// models.
    fn default_temperature(&self, reasons: bool) -> Option<f64> {
        let options = &self.request.options;
        let reasons = reasons || options.extensions.contains_key("anthropic.thinking");
        let refused = options.top_p.is_some() || reasons || fit::refuses_temperature(self.provider, self.model);
        let hottest = if self.model.contains("claude") { CLAUDE_HOTTEST } else { f64::INFINITY };
        self.provider.temperature.filter(|_| !refused).map(|temperature| temperature.min(hottest))
    }

    fn tools(&self) -> Result<Vec<Json<'a>>, Unwritable> {
        let tools = self.request.tools.iter().enumerate().map(|(at, tool)| match tool {
            Tool::Function(tool) => self.function(at, tool),
            Tool::Other(value) => Ok(value.into()),
        });
        tools.collect()
    }

    fn function(&self, at: usize, tool: &'a FunctionTool) -> Result<Json<'a>, Unwritable> {
        let mut fields = Object::new([("name", tool.name.as_str().into())]);
        if !tool.description.is_empty() {
            fields.insert("description", tool.description.as_str());
        }
        let strict = tool.strict.filter(|_| self.takes("strict"));
        fields.insert("input_schema", tools::parameters(at, tool, strict == Some(true))?);
        if let Some(strict) = strict {
            fields.insert("strict", Json::Bool(strict));
        }
        cache::add(&mut fields, tool.cache.as_ref());
        Ok(fields.extended(&tool.extensions, ANTHROPIC))
    }

    fn tool_choice(&self) -> Result<Option<Json<'a>>, Unwritable> {
        let options = &self.request.options;
        let one_at_once = options.parallel_tool_calls == Some(false)
            && self.takes("parallel_tool_calls")
            && !self.request.tools.is_empty();
        let mut choice = match tool_choice::asked(self.request, WireFormat::Anthropic)? {
            None if one_at_once => Object::new([("type", "auto".into())]),
            None => return Ok(None),
            Some(ToolChoice::Other(value)) => match value.as_object() {
                Some(own) if value["type"] != "none" => {
                    let mut fields = Object::default();
                    own.iter().for_each(|(name, field)| fields.insert(name, field));
                    fields
                }
                _ => return Ok(Some(value.into())),
            },
            Some(ToolChoice::None) => return Ok(Some(Json::object([("type", "none".into())]))),
            Some(ToolChoice::Auto) => Object::new([("type", "auto".into())]),
            Some(ToolChoice::Required) => Object::new([("type", "any".into())]),
            Some(ToolChoice::Tool(name)) => Object::new([("type", "tool".into()), ("name", name.as_str().into())]),
        };
        if one_at_once {
            choice.insert_missing("disable_parallel_tool_use", Json::Bool(true));
        }
        Ok(Some(choice.into()))
    }
}

/// Adds how much the model reasons, and the format of its answer.
fn add_output<'a>(
    body: &mut Object<'a>,
    options: &'a Options,
    reasoning: AskedReasoning<'a>,
) -> Result<(), Unwritable> {
    if let Some(thinking) = reasoning.thinking {
        body.insert("thinking", thinking);
    }
    let config = [("effort", reasoning.effort.map(Json::from)), ("format", output(options)?)];
    let config: Vec<_> = config.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if !config.is_empty() {
        body.insert("output_config", Json::Object(config.into()));
    }
    Ok(())
}

/// The format of the answer. Any text is what the API gives by itself.
fn output(options: &Options) -> Result<Option<Json<'_>>, Unwritable> {
    let refused = |what: &str| {
        Err(Unwritable::refused(format!(
            "options.output is {what}\n  help: write {{\"json_schema\": {{\"schema\": {{…}}}}}}, which every format has"
        )))
    };
    match &options.output {
        None | Some(OutputFormat::Text) => Ok(None),
        Some(OutputFormat::Json) => refused("\"json\", and Anthropic's format has only JSON of a schema"),
        Some(OutputFormat::JsonSchema(schema)) => {
            schema::check(schema)?;
            let fields = Object::new([("type", "json_schema".into()), ("schema", schema::strict(&schema.schema))]);
            Ok(Some(fields.extended(&schema.extensions, ANTHROPIC)))
        }
        Some(OutputFormat::Other(value)) => {
            match value.get("json_schema").is_some() || value["type"] == "json_object" {
                true => refused("in OpenAI's format"),
                false => Ok(Some(value.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
