//! Warns of settings that are allowed and may cost dearly. It knows modules by their schemas, not by their names.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use crate::{
    assembly::{
        behavior::{ANSWERS_ITSELF, ASKS_OTHERS, CHANGES_ANSWERS, CHANGES_REQUESTS},
        host::HostInner,
        schema,
        settings::{MODEL, PROVIDER},
    },
    chat::{config_error::ConfigError, seconds},
    check::{check::CheckReport, report::ModuleReport},
    config::{
        grant::{MODELS, Scope},
        overrides::Overrides,
        sandbox::OnTrap,
    },
};

/// What modules may do that a call must not bypass.
const GUARDS: [(&str, &str); 3] = [
    (CHANGES_REQUESTS, "changes requests"),
    (CHANGES_ANSWERS, "changes answers"),
    (ANSWERS_ITSELF, "may refuse a call or answer it"),
];

impl HostInner {
    /// The warnings about a chain.
    pub(crate) fn warnings(&self, report: &CheckReport) -> Vec<String> {
        let mut warnings: Vec<ConfigError> = Vec::new();
        if report.worst_case_waiting > report.deadline {
            let problem = format!(
                "is {} s, and modules can make one call wait longer than that: up to {} s",
                report.deadline.as_secs_f64(),
                report.worst_case_waiting.as_secs_f64(),
            );
            let help = "raise it, or make the modules wait less; it ends every call that takes longer";
            warnings.push(self.config.document.error(Some("host.deadline_seconds"), problem).help(help));
        }
        warnings.extend(self.never_on());
        warnings.extend(self.no_provider(report));
        warnings.extend(self.too_many_attempts(report));
        warnings.extend(self.order_warnings(&report.modules));
        warnings.extend(report.modules.iter().filter_map(|module| self.bypassed(module)));
        let mut asked: BTreeSet<(String, Option<String>)> =
            report.provider.iter().map(|provider| (provider.clone(), report.model.clone())).collect();
        for module in report.modules.iter().filter(|module| module.position.is_some()) {
            warnings.extend(self.long_waits(module, report.deadline));
            for (key, names) in self.provider_lists(module) {
                warnings.extend(self.out_of_scope(module, &key, &names));
                warnings.extend(self.only_the_primary(module, &key, &names, report.provider.as_deref()));
                let resolved = names.iter().filter_map(|name| self.upstreams.resolve(name, &Overrides::new()).ok());
                asked.extend(resolved.map(|named| {
                    let model = self.upstreams.model_of(&named.provider, named.overrides.model.as_deref());
                    (named.provider, model.ok())
                }));
            }
        }
        let reached = || asked.iter().filter_map(|(provider, model)| Some((provider.as_str(), model.as_deref()?)));
        for module in report.modules.iter().filter(|module| module.position.is_some()) {
            warnings.extend(self.unknown_prices(module, reached()));
        }
        warnings.extend(asked.iter().flat_map(|(provider, model)| self.about_provider(provider, model.as_deref())));
        warnings.iter().map(ToString::to_string).collect()
    }

    /// Modules with settings that nothing switches on. One that says `enabled = false` is off on purpose.
    fn never_on(&self) -> impl Iterator<Item = ConfigError> {
        let config = &self.config;
        let is_named = |name: &str| config.models.values().any(|model| model.modules.contains_key(name));
        let off = config.modules.iter().filter(move |(name, module)| {
            let key = format!("modules.{name}");
            let is_said = !config.document.has(&key) || config.document.has(&format!("{key}.enabled"));
            !module.enabled && !module.settings.is_empty() && !is_said && !is_named(name)
        });
        off.map(|(name, _)| {
            let help = "`enabled = true` switches it on; `enabled = false` says that it is off on purpose";
            let problem = "has settings, and does nothing: it is not switched on";
            config.document.error(Some(&format!("modules.{name}")), problem).help(help)
        })
    }

    fn no_provider(&self, report: &CheckReport) -> Option<ConfigError> {
        report.provider.is_none().then(|| {
            let problem = "is missing, so there is no provider to ask unless a call names one";
            let help = "set it, for example to \"anthropic\", or check what calls ask: --provider NAME";
            self.config.document.error(Some("defaults.provider"), problem).help(help)
        })
    }

    fn too_many_attempts(&self, report: &CheckReport) -> Option<ConfigError> {
        let (most, worst) = (report.max_attempts, report.worst_case_attempts);
        (worst > most.into()).then(|| {
            let worst = if worst == u64::MAX { "any number".to_owned() } else { format!("up to {worst}") };
            let problem = format!("is {most}, and one call can ask for more requests than that: {worst}");
            let help = "raise it, or make the modules ask less often; it ends the call that asks for one more";
            self.config.document.error(Some("host.max_attempts"), problem).help(help)
        })
    }

    /// Warns of a guard that a call can bypass.
    fn bypassed(&self, module: &ModuleReport) -> Option<ConfigError> {
        let (_, does) = GUARDS.into_iter().find(|(behavior, _)| module.may(behavior))?;
        let is_bypassed = self.source.sandbox(&module.name).on_trap == OnTrap::Bypass;
        (module.position.is_some() && is_bypassed).then(|| {
            let key = format!("modules.{}.sandbox.on_trap", module.name);
            let problem = format!(
                "is \"bypass\", and the module {does}: a call goes on without it when it fails or is overloaded"
            );
            self.config.document.error(Some(&key), problem).help("\"fail\", unless that is what you want")
        })
    }

    /// The module's settings whose schema has this format, by dotted path. Absent settings count with their defaults.
    pub(crate) fn settings_of_format(&self, module: &ModuleReport, format: &str) -> Vec<(String, Value)> {
        let Some(schema) = &module.config_schema else { return Vec::new() };
        let settings = Value::Object(module.settings.clone());
        let mut found = Vec::new();
        let walked = schema::walk(schema, &settings, true, &mut |schema, path, value| {
            if schema::has_format(schema, format, value) {
                found.push((path.to_owned(), value.clone()));
            }
            Ok::<_, std::convert::Infallible>(())
        });
        match walked {
            Ok(()) => found,
        }
    }

    /// The module's settings that name providers or models, and the names in each.
    fn provider_lists(&self, module: &ModuleReport) -> Vec<(String, Vec<String>)> {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let named = [PROVIDER, MODEL].into_iter().flat_map(|format| self.settings_of_format(module, format));
        for (path, value) in named {
            // `chain[0]` and `chain[1]` are one list.
            let list = path.rsplit_once('[').map_or(&*path, |(list, _)| list);
            lists.entry(list.to_owned()).or_default().extend(value.as_str().map(str::to_owned));
        }
        lists.into_iter().collect()
    }

    fn long_waits(&self, module: &ModuleReport, deadline: Duration) -> Vec<ConfigError> {
        let settings = self.settings_of_format(module, "arcllm-wait-seconds").into_iter();
        let waits = settings.filter_map(|(key, value)| Some((key, value.as_f64().and_then(seconds::from_f64)?)));
        let too_long = waits.filter(|(_, wait)| *wait > deadline);
        let error = |(key, wait): (String, Duration)| {
            let problem = format!("is {} s, longer than the deadline of a whole call", wait.as_secs_f64());
            let key = format!("modules.{}.{key}", module.name);
            let help = format!("at most host.deadline_seconds, which is {}", deadline.as_secs_f64());
            self.config.document.error(Some(&key), problem).help(help)
        };
        too_long.map(error).collect()
    }

    /// Warns of models in the settings that the module's grant does not let it load.
    fn out_of_scope(&self, module: &ModuleReport, key: &str, names: &[String]) -> Option<ConfigError> {
        let grant = module.granted.iter().find(|grant| grant.name == MODELS)?;
        let Some(Scope::Models(scope)) = &grant.scope else { return None };
        let outside = names.iter().find(|name| !self.upstreams.is_within(scope, name))?;
        let problem = format!("names `{outside}`, which the module may not load: it is granted {grant}");
        let help = format!("add it to the scope of `models` in modules.{}.sandbox.allow, or take it out", module.name);
        Some(self.config.document.error(Some(&format!("modules.{}.{key}", module.name)), problem).help(help))
    }

    /// Warns of a fallback to nobody. Other modules may name a single provider.
    fn only_the_primary(
        &self,
        module: &ModuleReport,
        key: &str,
        names: &[String],
        primary: Option<&str>,
    ) -> Option<ConfigError> {
        let is_fallback = module.kind.as_deref() == Some("fallback") && module.may(ASKS_OTHERS);
        let alone = is_fallback && !names.is_empty() && names.iter().all(|name| Some(name.as_str()) == primary);
        alone.then(|| {
            let key = format!("modules.{}.{key}", module.name);
            let problem = "names only the provider that is asked first, so there is no other to fall back to";
            self.config.document.error(Some(&key), problem).help("add another provider")
        })
    }

    fn about_provider(&self, name: &str, model: Option<&str>) -> Vec<ConfigError> {
        let Some(provider) = self.config.providers.get(name) else { return Vec::new() };
        let place =
            |key: &str, problem: String| self.config.document.error(Some(&format!("providers.{name}.{key}")), problem);
        let missing = self.upstreams.keys.missing(provider);
        let model = match self.upstreams.model_of(name, model) {
            Ok(model) => model,
            // It is a problem if the provider is the primary, and also if a fallback asks it.
            Err(error) => return missing.into_iter().chain([error]).collect(),
        };
        let facts = provider.facts(&model);
        let unknown = [
            ("context_window", facts.context_window.is_none()),
            ("max_output_tokens", facts.max_output_tokens.is_none()),
            ("cost_input_per_1m", facts.cost_input_per_1m.is_none()),
            ("cost_output_per_1m", facts.cost_output_per_1m.is_none()),
        ];
        let unknown: Vec<&str> = unknown.into_iter().filter(|(_, unknown)| *unknown).map(|(key, _)| key).collect();
        let facts = (!unknown.is_empty()).then(|| {
            let problem = format!("lacks {}", unknown.join(", "));
            place(&format!("models.{model:?}"), problem).help("without them, limits and prices are unknown")
        });
        missing.into_iter().chain(facts).collect()
    }
}
