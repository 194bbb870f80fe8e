//! What the configuration makes of a gateway: the models with their chains, the modules, the providers.

use arcllm::{Config, ConfigError, Host, Model, ModuleReport, Overrides, ProviderConfig, plain};
use serde_json::{Map, Value, json};

use crate::gateway::keys::Holder;

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 200;

/// The longest sentence that is shown, in characters.
const LONGEST_SENTENCE: usize = 4000;

/// Describes the configuration of this host to a person.
pub(crate) async fn overview(host: &Host) -> Value {
    let config = host.config();
    let report = host.check(None).await;
    let models = models(host).await;
    // A provider that the configuration says nothing of counts only where it is asked.
    let is_asked = |name: &str| report.modules.iter().any(|module| targets(config, module).contains(&name.to_owned()));
    let is_listed = |name: &str| models.iter().any(|model| model["provider"] == name) || is_asked(name);
    let providers = config.providers.values().filter(|provider| is_listed(&provider.name));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "file": report.file.as_deref().map(sentence),
        "deadline_seconds": report.deadline.as_secs_f64(),
        "max_attempts": report.max_attempts,
        "worst_case_attempts": report.worst_case_attempts,
        "worst_case_waiting_seconds": report.worst_case_waiting.as_secs_f64(),
        "models": models,
        "modules": report.modules.iter().map(|one| module(config, one)).collect::<Vec<_>>(),
        "providers": providers.map(provider).collect::<Vec<_>>(),
        "problems": report.problems.iter().map(|problem| sentence(problem)).collect::<Vec<_>>(),
    })
}

/// What the holder of a key for some models sees of this description: no other models, and not where their providers are.
pub(crate) fn as_seen_by(holder: &Holder, all: &Value) -> Value {
    let Value::Object(mut seen) = all.clone() else { return Value::Null };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    keep(seen.get_mut("models"), |model| {
        let full = format!("{}/{}", word(&model["provider"]), word(&model["model"]));
        holder.may_use(&word(&model["name"]), Some(&full))
    });
    let models = seen.get("models").cloned().unwrap_or_default();
    let is_of_model = |name: &Value| models.as_array().into_iter().flatten().any(|model| model["provider"] == *name);
    keep(seen.get_mut("providers"), |provider| is_of_model(&provider["name"]));
    for module in seen.get_mut("modules").and_then(Value::as_array_mut).into_iter().flatten() {
        keep(module.get_mut("asks"), |name| holder.may_use(&word(name), None));
        let module = module.as_object_mut().into_iter();
        module.for_each(|module| module.extend([hidden("warnings"), hidden("problem")]));
    }
    seen.extend([hidden("problems"), hidden("file")]);
    Value::Object(seen)
}

/// Keeps what is seen in this list.
fn keep(list: Option<&mut Value>, is_seen: impl Fn(&Value) -> bool) {
    list.and_then(Value::as_array_mut).into_iter().for_each(|list| list.retain(&is_seen));
}

/// An entry without its value.
fn hidden(name: &str) -> (String, Value) {
    (name.to_owned(), Value::Null)
}

/// Each `[models.NAME]`, and the default model of each provider that can be asked.
async fn models(host: &Host) -> Vec<Value> {
    let config = host.config();
    let mut models = Vec::new();
    for model in config.models.keys() {
        models.push(loaded(model, "model", host.load_model(model, Overrides::new()).await));
    }
    let presets = Config::parse("", None).map(|config| config.providers).unwrap_or_default();
    for provider in config.providers.values() {
        let is_untouched = presets.get(&provider.name) == Some(provider);
        let model = host.load_model(&provider.name, Overrides::new()).await;
        // Presets are listed where there is a key for them.
        if !is_untouched || (model.is_ok() && provider.key.is_some()) {
            models.push(loaded(&provider.name, "provider", model));
        }
    }
    models
}

fn loaded(asked: &str, kind: &str, model: Result<Model, ConfigError>) -> Value {
    match model {
        Ok(model) => json!({
            "name": name(asked),
            "kind": kind,
            "provider": name(model.provider()),
            "model": name(model.model()),
            "modules": model.modules().collect::<Vec<_>>(),
        }),
        Err(error) => json!({ "name": name(asked), "kind": kind, "problem": sentence(&error.to_string()) }),
    }
}

fn module(config: &Config, module: &ModuleReport) -> Value {
    json!({
        "name": module.name,
        "version": module.version,
        "kind": module.kind,
        "position": module.position,
        "origin": module.origin,
        "sha256": module.sha256,
        "size_bytes": module.size_bytes,
        "description": module.metadata.description,
        "authors": module.metadata.authors,
        "may": module.may,
        "denied": module.asks_in_vain,
        "signature": module.signature.as_ref().map(|signature| sentence(&signature.to_string())),
        "granted": module.granted.iter().map(|grant| name(&grant.to_string())).collect::<Vec<_>>(),
        "behavior": module.behavior,
        "streams": module.streams,
        "asks": targets(config, module),
        "problem": module.problem.as_deref().map(sentence),
        "warnings": module.warnings.iter().map(|warning| sentence(warning)).collect::<Vec<_>>(),
    })
}

/// The models that the module's settings list, in their order.
fn targets(config: &Config, module: &ModuleReport) -> Vec<String> {
    let Some(settings) = config.modules.get(&module.name).map(|module| &module.settings) else { return Vec::new() };
    let properties = module.config_schema.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let lists = properties.into_iter().flatten().filter(|(_, schema)| names_models(schema));
    let items = lists.filter_map(|(key, _)| settings.get(key)?.as_array()).flatten();
    items.filter_map(|item| item.as_str().or_else(|| item.get("model")?.as_str())).map(name).collect()
}

/// Whether this is the schema of a list of models or providers.
fn names_models(schema: &Value) -> bool {
    let item = schema.get("items").map(Value::to_string).unwrap_or_default();
    item.contains("arcllm-model") || item.contains("arcllm-provider")
}

/// A provider without its key, and without what its address may hold beside the host.
fn provider(provider: &ProviderConfig) -> Value {
    let url = &provider.base_url;
    let host = url.host_str().map(|host| match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    let priced = |model: &String| {
        let price = provider.price(model)?;
        Some((name(model), json!([price.input, price.output])))
    };
    let models = provider.models.keys().chain(&provider.default_model);
    let prices: Map<String, Value> = models.filter_map(priced).collect();
    json!({
        "name": name(&provider.name),
        "format": provider.adapter.as_str(),
        "host": host.as_deref().map(name),
        "model": provider.default_model.as_deref().map(name),
        "prices": prices,
    })
}

fn name(text: &str) -> String {
    plain::line(text, LONGEST_NAME).into_owned()
}

fn sentence(text: &str) -> String {
    plain::lines(text, LONGEST_SENTENCE).into_owned()
}
