//! Warns of orders that defeat a module's purpose. It knows modules by their kinds, not by their names.

use crate::{assembly::host::HostInner, chat::config_error::ConfigError, check::report::ModuleReport};

/// A module that should not stand outside of others, and why.
struct Rule {
    outside: &'static str,
    inside: &'static [&'static str],
    why: &'static str,
}

/// By the kinds of modules. See `Description::new` in the SDK.
const RULES: [Rule; 5] = [
    Rule {
        outside: "limiter",
        inside: &["retry", "fallback"],
        why: "so that it does not count or delay the further attempts",
    },
    Rule { outside: "limiter", inside: &["breaker"], why: "so that calls that the breaker refuses use up the limit" },
    Rule {
        outside: "breaker",
        inside: &["fallback"],
        why: "so that the other providers have no circuit of their own and are not asked while it is open",
    },
    Rule {
        outside: "retry",
        inside: &["observer"],
        why: "so that it sees each attempt as a call, and no waits between them",
    },
    Rule {
        outside: "fallback",
        inside: &["observer"],
        why: "so that it sees each provider's attempt as a call of its own",
    },
];

impl HostInner {
    /// The warnings about the order of the modules that are on.
    pub(crate) fn order_warnings(&self, modules: &[ModuleReport]) -> Vec<ConfigError> {
        let mut on: Vec<_> = modules.iter().filter(|module| module.position.is_some()).collect();
        on.sort_by_key(|module| module.position);
        let is =
            |module: &ModuleReport, kinds: &[&str]| module.kind.as_deref().is_some_and(|kind| kinds.contains(&kind));
        let mut warnings = Vec::new();
        for (at, outer) in on.iter().enumerate() {
            for rule in RULES.iter().filter(|rule| is(outer, &[rule.outside])) {
                // One warning for each rule, about the outermost inner module.
                let Some(inner) = on.iter().skip(at + 1).find(|inner| is(inner, rule.inside)) else { continue };
                let (outer, inner) = (&outer.name, &inner.name);
                // An observer stands too far in; in the other rules, the outer module stands too far out.
                let is_observer = rule.inside == ["observer"];
                let problem = match is_observer {
                    true => format!("has `{inner}` inside of `{outer}`, {}", rule.why),
                    false => format!("has `{outer}` outside of `{inner}`, {}", rule.why),
                };
                let help = match is_observer {
                    true => format!("put `{inner}` before `{outer}`"),
                    false => format!("put `{outer}` after `{inner}`"),
                };
                warnings.push(self.config.document.error(Some("host.order"), problem).help(help));
            }
        }
        warnings
    }
}
