//! Checks what a name loads, and each `[models.NAME]`.

use crate::{
    assembly::{
        enabled::EnabledModule,
        host::HostInner,
        settings::{IN_OVERRIDES, ModuleSettings},
    },
    chat::config_error::ConfigError,
    check::check::CheckReport,
    config::{overrides::Overrides, resolve::ResolvedModel},
};

impl HostInner {
    /// Reports which provider and model a load of this name asks. Returns what the name says of modules, if
    /// that is right.
    pub(crate) async fn check_end(&self, name: &str, report: &mut CheckReport) -> Overrides {
        let resolved = self.upstreams.resolve(name, &Overrides::new());
        report.provider = Some(resolved.as_ref().map_or(name, |resolved| &resolved.provider).to_owned());
        let (model, overrides) = match resolved {
            Ok(ResolvedModel { provider, overrides, .. }) => {
                (self.upstreams.model_of(&provider, overrides.model.as_deref()), overrides)
            }
            Err(error) => (Err(error), Overrides::new()),
        };
        match model {
            Ok(model) => report.model = Some(model),
            Err(error) => report.problems.push(error.to_string()),
        }
        if self.config.models.contains_key(name)
            && let Err(error) = self.check_model(name).await
        {
            add(&mut report.problems, &error);
            return Overrides::new();
        }
        overrides
    }

    /// Checks that each `[models.NAME]` can be loaded: its model and what it says of modules. If the configuration is not
    /// trusted, what is wrong is a warning: trust may be all that is missing, and a load of another name works.
    pub(crate) async fn check_models(&self, report: &mut CheckReport) {
        let notes = if self.config.is_trusted() { &mut report.problems } else { &mut report.warnings };
        for name in self.config.models.keys() {
            if let Err(error) = self.check_model(name).await {
                add(notes, &error);
            }
        }
    }

    async fn check_model(&self, name: &str) -> Result<(), ConfigError> {
        let ResolvedModel { provider, overrides, .. } = self.upstreams.resolve(name, &Overrides::new())?;
        self.upstreams.model_of(&provider, overrides.model.as_deref())?;
        // Here the overrides stand in the file.
        let placed = |error: ConfigError| match &error.key {
            Some(key) if error.file.is_none() && key.starts_with("modules.") => {
                let (key, problem) = (format!("models.{name}.{key}"), error.problem.replace(IN_OVERRIDES, ""));
                self.config.document.error(Some(&key), problem).help(error.help.unwrap_or_default())
            }
            _ => error,
        };
        for module in self.loader.enabled(&overrides).await.map_err(placed)? {
            let EnabledModule { name, settings, overrides: module_overrides } = module;
            // What the configuration says of a module is in the module's own report.
            if module_overrides.is_some() {
                let prepared = self.loader.prepare(&name).await?;
                let settings =
                    ModuleSettings { module: &name, settings: &settings, overrides: module_overrides.as_ref() };
                self.loader.configured(&prepared, settings).await.map_err(placed)?;
            }
        }
        self.loader.check_disabled(&overrides).await.map_err(placed)
    }
}

/// Adds what is wrong, unless it is told already.
fn add(notes: &mut Vec<String>, error: &ConfigError) {
    let note = error.to_string();
    if !notes.contains(&note) {
        notes.push(note);
    }
}
