//! Changes the client's own body into what a provider is sent: the fields that the call or the provider's table decides.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    adapter::format::{
        fit,
        format::Format,
        splice::{Change, Editor, field, splice},
    },
    chat::{options::Reasoning, request::Request, wire_format::WireFormat},
    config::provider::ProviderConfig,
};

/// The names of the limit of an answer's tokens, in all formats.
pub(crate) const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/// A field that a body has, whatever its client wrote.
struct Setting {
    name: &'static str,
    value: Vec<u8>,
    /// Whether it only fills a place that the client has left empty.
    is_default: bool,
    /// Whether it is added where the client has no such field.
    is_added: bool,
}

/// Makes the client's own body what this provider is sent.
pub(crate) struct BodyEditor<'a> {
    request: &'a Request,
    provider: &'a ProviderConfig,
    original: &'a [u8],
    stream: bool,
    /// Those that are not in the body so far.
    missing: Vec<Setting>,
    /// Those that have come. A field may come again.
    set: Vec<Setting>,
    /// The limit of tokens, and the name of its field.
    limit: (&'static str, Option<u32>),
    is_limited: bool,
    /// What `include` has to name, until it has come.
    included: Option<&'static str>,
    /// Whether the model refuses `temperature`, `top_p` and `top_k`.
    refuses_sampling: bool,
    /// What the client's `stream_options` say, once they have come.
    asks_for_usage: Option<bool>,
}

impl<'a> BodyEditor<'a> {
    pub(crate) fn new(
        format: &dyn Format,
        request: &'a Request,
        provider: &'a ProviderConfig,
        model: &str,
        stream: bool,
        original: &'a [u8],
    ) -> Self {
        let setting =
            |name, value: String| Setting { name, value: value.into_bytes(), is_default: false, is_added: true };
        let mut missing = vec![setting("model", Value::from(model).to_string())];
        missing.push(Setting { is_added: stream, ..setting("stream", stream.to_string()) });
        missing.extend(format.fixed_fields().iter().map(|(name, value)| setting(name, (*value).to_owned())));
        if let Some(temperature) = default_temperature(request, provider, model) {
            missing.push(Setting { is_default: true, ..setting("temperature", Value::from(temperature).to_string()) });
        }
        let limit = request.options.max_tokens.or_else(|| provider.default_max_tokens(model));
        let limit = (format.limit_field(&provider.quirks, model), limit);
        let included = format.included(provider, model);
        let (set, is_limited, asks_for_usage) = Default::default();
        let refuses_sampling = fit::refuses_sampling(provider, model);
        Self {
            request,
            provider,
            original,
            stream,
            missing,
            set,
            limit,
            is_limited,
            included,
            refuses_sampling,
            asks_for_usage,
        }
    }

    /// What the client's `stream_options` say, once they have come.
    pub(crate) fn asks_for_usage(&self) -> Option<bool> {
        self.asks_for_usage
    }

    fn is_chat(&self) -> bool {
        self.provider.adapter == WireFormat::OpenAi
    }

    /// Whether the provider is asked for the counts of a streamed answer.
    pub(crate) fn wants_usage(&self) -> bool {
        self.is_chat() && self.stream && self.provider.quirks.stream_options != Some(false)
    }

    /// What becomes of a limit of tokens. The name changes if the provider has a quirk about it.
    fn change_limit(&mut self, name: &str, value: &[u8]) -> Change {
        let given = serde_json::from_slice::<Option<f64>>(value).unwrap_or_default();
        let (field, limit) = self.limit;
        let limit = limit.filter(|_| given.is_none() || self.request.options.max_tokens.is_some());
        let value = limit.filter(|limit| given != Some(f64::from(*limit))).map(|limit| limit.to_string().into_bytes());
        self.is_limited |= given.is_some() || value.is_some();
        let renamed = self.is_chat() && self.provider.quirks.max_tokens_field.is_some() && name != field;
        match (renamed, value) {
            (false, None) => Change::Keep,
            (false, Some(value)) => Change::Set(value),
            (true, None) => Change::Rename(field),
            (true, Some(value)) => Change::Replace(field, value),
        }
    }

    fn change_stream_options(&mut self, value: &[u8]) -> Change {
        self.asks_for_usage = Some(includes_usage(value));
        match self.wants_usage() {
            true => Change::Set(with_usage(value)),
            false => Change::Remove,
        }
    }

    /// What becomes of Anthropic's `thinking` where the limit of tokens is lowered: its budget has to stay below the limit.
    fn change_thinking(&self, value: &[u8]) -> Change {
        let Ok(Value::Object(mut thinking)) = serde_json::from_slice(value) else { return Change::Keep };
        let (Some(budget), Some(limit)) = (thinking.get("budget_tokens").and_then(Value::as_f64), self.limit.1) else {
            return Change::Keep;
        };
        let own = field(self.original, self.limit.0).and_then(|own| serde_json::from_slice::<f64>(own).ok());
        let is_lowered = own.is_some_and(|own| own > f64::from(limit));
        match self.request.options.reasoning {
            _ if !is_lowered || budget < f64::from(limit) => Change::Keep,
            Some(Reasoning::Budget(budget)) if budget < limit => {
                thinking.insert("budget_tokens".to_owned(), budget.into());
                Change::Set(Value::from(thinking).to_string().into_bytes())
            }
            _ => Change::Remove,
        }
    }

    fn change_include(&mut self, value: &[u8]) -> Change {
        let Some(name) = self.included.take() else { return Change::Keep };
        let mut names = serde_json::from_slice::<Vec<Value>>(value).unwrap_or_default();
        if names.iter().any(|known| known == name) {
            return Change::Keep;
        }
        names.push(name.into());
        Change::Set(Value::from(names).to_string().into_bytes())
    }

    fn change_setting(&mut self, name: &str, value: &[u8]) -> Change {
        if let Some(at) = self.missing.iter().position(|setting| setting.name == name) {
            self.set.push(self.missing.swap_remove(at));
        }
        match self.set.iter().find(|setting| setting.name == name) {
            Some(setting) if !setting.is_default || value == b"null" => match setting.value == value {
                true => Change::Keep,
                false => Change::Set(setting.value.clone()),
            },
            _ => Change::Keep,
        }
    }
}

impl Editor for BodyEditor<'_> {
    fn change(&mut self, name: &str, value: &[u8]) -> Change {
        match name {
            "stream_options" if self.is_chat() => self.change_stream_options(value),
            name if LIMITS.contains(&name) => self.change_limit(name, value),
            "thinking" if self.provider.adapter == WireFormat::Anthropic => self.change_thinking(value),
            "temperature" | "top_p" | "top_k" if self.refuses_sampling => Change::Remove,
            "include" if self.included.is_some() => self.change_include(value),
            name => self.change_setting(name, value),
        }
    }

    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        let missing = std::mem::take(&mut self.missing).into_iter().filter(|setting| setting.is_added);
        let mut added: Vec<_> = missing.map(|setting| (setting.name, setting.value)).collect();
        if let (false, (field, Some(limit))) = (self.is_limited, self.limit) {
            added.push((field, limit.to_string().into_bytes()));
        }
        if let Some(name) = self.included.take() {
            added.push(("include", Value::from(vec![name]).to_string().into_bytes()));
        }
        if self.asks_for_usage.is_none() && self.wants_usage() {
            added.push(("stream_options", with_usage(b"null")));
        }
        added
    }
}

/// The temperature of the configuration, where the client leaves it open and the model takes it.
fn default_temperature(request: &Request, provider: &ProviderConfig, model: &str) -> Option<f64> {
    let options = &request.options;
    let is_anthropic = provider.adapter == WireFormat::Anthropic;
    let reasons = options.reasoning.is_some() || options.extensions.contains_key("anthropic.thinking");
    let is_refused = fit::refuses_temperature(provider, model)
        || provider.quirks.refuses("temperature")
        || is_anthropic && (options.top_p.is_some() || reasons);
    provider.temperature.filter(|_| options.temperature.is_none() && !is_refused)
}

/// Asks for the counts in `stream_options`.
struct UsageEditor {
    is_there: bool,
}

impl Editor for UsageEditor {
    fn change(&mut self, name: &str, _: &[u8]) -> Change {
        if name != "include_usage" {
            return Change::Keep;
        }
        self.is_there = true;
        Change::Set(b"true".to_vec())
    }

    fn add(&mut self) -> Vec<(&'static str, Vec<u8>)> {
        if self.is_there { Vec::new() } else { vec![("include_usage", b"true".to_vec())] }
    }
}

/// These `stream_options`, asking for the counts.
fn with_usage(options: &[u8]) -> Vec<u8> {
    let asking = splice(&Bytes::copy_from_slice(options), &mut UsageEditor { is_there: false });
    asking.map_or_else(|| br#"{"include_usage":true}"#.to_vec(), |pieces| pieces.concat())
}

/// Whether these `stream_options` ask for the counts.
pub(crate) fn includes_usage(options: &[u8]) -> bool {
    let options = serde_json::from_slice::<Value>(options).unwrap_or_default();
    options.get("include_usage") == Some(&Value::Bool(true))
}
