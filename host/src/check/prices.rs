//! Warns of prices that modules need and nobody knows.

use serde_json::Value;

use crate::{assembly::host::HostInner, chat::config_error::ConfigError, check::report::ModuleReport};

/// The format of a setting that makes its module need the price of each model that a call can reach. It counts when it is set to
/// something, and not to `false`, nothing, or an empty text, list or table.
const NEEDS_PRICE: &str = "arcllm-needs-price";

impl HostInner {
    /// Warns of the models that a call can reach and whose price the module needs and nobody knows.
    pub(crate) fn unknown_prices<'a>(
        &self,
        module: &ModuleReport,
        reached: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Vec<ConfigError> {
        let settings = self.settings_of_format(module, NEEDS_PRICE).into_iter();
        let Some((key, _)) = settings.into_iter().find(|(_, value)| is_in_use(value)) else { return Vec::new() };
        let unpriced = reached.filter(|(provider, model)| {
            let provider = self.config.providers.get(*provider).filter(|_| !self.upstreams.has_adapter(provider));
            provider.is_none_or(|provider| provider.price(model).is_none())
        });
        let warning = |(provider, model): (&str, &str)| {
            let key = format!("modules.{}.{key}", module.name);
            let problem = format!("needs the price of `{provider}/{model}`, which is unknown");
            let help = match self.config.providers.contains_key(provider) {
                true => format!(
                    "set cost_input_per_1m and cost_output_per_1m in [providers.{provider}.models.{model:?}], to 0 if it costs \
                     nothing"
                ),
                false => "the program's own adapter has no price: keep it out of the chain of this module".to_owned(),
            };
            self.config.document.error(Some(&key), problem).help(help)
        };
        unpriced.map(warning).collect()
    }
}

fn is_in_use(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}
