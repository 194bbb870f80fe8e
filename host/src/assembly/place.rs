//! Asks modules where they stand, for an order that lacks one.

use crate::{
    assembly::{
        enabled::{EnabledModule, NotEnabled, enabled},
        loader::ModuleLoader,
        order::{self, Depth},
    },
    chat::config_error::ConfigError,
    config::overrides::Overrides,
    runtime::guest::origin::Origin,
};

impl ModuleLoader {
    /// The modules that are on, outermost first.
    ///
    /// # Errors
    ///
    /// Where a module does not exist or is missing from `host.order`. Then the error suggests its place.
    pub(crate) async fn enabled(&self, overrides: &Overrides) -> Result<Vec<EnabledModule>, ConfigError> {
        match enabled(&self.source, overrides) {
            Ok(enabled) => Ok(enabled),
            Err(NotEnabled::Misplaced { name, error }) => {
                let order = &self.source.config().order;
                let mut depths = Vec::new();
                for name in order {
                    depths.push(self.depth(name).await);
                }
                let order = order::with(order, &name, self.depth(&name).await, &depths);
                Err(error.help(order::place_help(&order)))
            }
            Err(NotEnabled::Wrong(error)) => Err(error),
        }
    }

    /// How far in a module stands. `None` if it cannot be asked.
    async fn depth(&self, name: &str) -> Option<Depth> {
        let found = self.source.find(name).await.ok()?;
        if found.origin == Origin::BuiltIn {
            return order::built_in_depth(name);
        }
        let prepared = self.compile(name, found).await.ok()?;
        let (_, description) = self.started(name, &prepared).await.ok()?;
        Some(order::depth(&description.kind, &description.behavior))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        assembly::{host::Host, order::depth},
        config::config::{Config, DEFAULT_ORDER},
    };

    /// Kinds and names say the same. For a kind of one's own, what it may do says nearly the same.
    #[tokio::test]
    async fn the_default_order_is_that_of_the_kinds() {
        let host = Host::builder().config(Config::built_in().unwrap()).build().unwrap();
        for (at, name) in DEFAULT_ORDER.into_iter().enumerate() {
            let found = host.inner.source.find(name).await.unwrap();
            let prepared = host.inner.loader.compile(name, found).await.unwrap();
            let (_, description) = host.inner.loader.started(name, &prepared).await.unwrap();
            assert_eq!(depth(&description.kind, &description.behavior), at, "{name}");
            let by_behavior = [4, 1, 4, 4, 4, 8, 8, 9, 8, 9, 8, 4, 4, 4][at];
            assert_eq!(depth("a word of its own", &description.behavior), by_behavior, "{name}");
        }
    }
}
