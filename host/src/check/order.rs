//! Warns of orders that defeat a module's purpose. It knows modules by what they say that they may do, not by their names.

use std::collections::BTreeSet;

use crate::{
    assembly::{
        behavior::{ANSWERS_ITSELF, ASKS_AGAIN, ASKS_OTHERS, CHANGES_ANSWERS, CHANGES_REQUESTS},
        host::HostInner,
    },
    chat::config_error::ConfigError,
    check::report::ModuleReport,
};

/// Two modules in the wrong order, and why it is wrong.
struct Rule {
    outside: fn(&ModuleReport) -> bool,
    inside: fn(&ModuleReport) -> bool,
    why: &'static str,
    /// Whether the inner one stands too far in. Else the outer one stands too far out.
    move_inner: bool,
}

const RULES: [Rule; 16] = [
    Rule {
        outside: hedges,
        inside: |inner| (inner.may(ASKS_AGAIN) || inner.may(ASKS_OTHERS)) && !hedges(inner),
        why: "so that it takes a call that is tried again, or elsewhere, for a slow one",
        move_inner: false,
    },
    Rule {
        outside: |outer| outer.may(ASKS_OTHERS) && outer.kind.as_deref() == Some("fallback"),
        inside: |inner| inner.may(ASKS_OTHERS) && inner.kind.as_deref() == Some("router"),
        why: "so that it chooses again for each provider, and may choose the one that failed",
        move_inner: true,
    },
    Rule {
        outside: is_limiter,
        inside: |inner| inner.may(ASKS_AGAIN) || inner.may(ASKS_OTHERS),
        why: "so that it does not count or delay the further attempts",
        move_inner: false,
    },
    Rule {
        outside: is_limiter,
        inside: is_breaker,
        why: "so that calls that the breaker refuses use up the limit",
        move_inner: false,
    },
    Rule {
        outside: is_breaker,
        inside: |inner| inner.may(ASKS_OTHERS),
        why: "so that the other providers have no circuit of their own and are not asked while it is open",
        move_inner: false,
    },
    Rule {
        outside: |outer| asks_more(outer) && !validates(outer) && !resumes(outer),
        inside: resumes,
        why: "so that the requests by which it resumes an answer are not tried again or elsewhere",
        move_inner: true,
    },
    Rule {
        outside: |outer| is_limiter(outer) || is_breaker(outer),
        inside: caches,
        why: "so that calls that it answers count as requests to the provider",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ASKS_AGAIN) || outer.may(ASKS_OTHERS),
        inside: caches,
        why: "so that it is looked into for each attempt, and the answer of another model is not kept for the one that was asked for",
        move_inner: true,
    },
    Rule {
        outside: |outer| asks_more(outer) && !validates(outer),
        inside: validates,
        why: "so that it asks again for each of its attempts, and takes an answer that does not fit for a failure",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ASKS_AGAIN),
        inside: observes,
        why: "so that it sees each attempt as a call, and no waits between them",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ASKS_OTHERS),
        inside: observes,
        why: "so that it sees each provider's attempt as a call of its own",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ANSWERS_ITSELF) && !audits(outer),
        inside: observes,
        why: "so that it does not see the calls that are refused or answered outside of it",
        move_inner: true,
    },
    Rule {
        outside: |outer| rewrites(outer) && !outer.may(ANSWERS_ITSELF),
        inside: observes,
        why: "so that it does not see the time that the rewriting takes",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ASKS_AGAIN) || outer.may(ASKS_OTHERS),
        inside: is_budget,
        why: "so that each attempt reserves anew, and a call that the budget refuses is tried again",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ASKS_AGAIN),
        inside: transforms,
        why: "so that it rewrites again for each attempt",
        move_inner: true,
    },
    Rule {
        outside: |outer| outer.may(ASKS_OTHERS),
        inside: transforms,
        why: "so that it rewrites again for each provider",
        move_inner: true,
    },
];

/// A module that refuses calls, by the word for how it does.
fn is_limiter(module: &ModuleReport) -> bool {
    module.may(ANSWERS_ITSELF) && module.kind.as_deref() == Some("limiter")
}

fn is_breaker(module: &ModuleReport) -> bool {
    module.may(ANSWERS_ITSELF) && module.kind.as_deref() == Some("breaker")
}

/// A module that asks a second one beside a slow one.
fn hedges(module: &ModuleReport) -> bool {
    (module.may(ASKS_AGAIN) || module.may(ASKS_OTHERS)) && module.kind.as_deref() == Some("hedge")
}

/// A module that refuses calls which may cost more than is left.
fn is_budget(module: &ModuleReport) -> bool {
    module.may(ANSWERS_ITSELF) && module.kind.as_deref() == Some("budget")
}

/// A module that only looks on. One of another kind may have its place inside.
fn observes(module: &ModuleReport) -> bool {
    (module.behavior.is_empty() && module.kind.as_deref() == Some("observer")) || audits(module)
}

/// A module that looks on, and refuses calls only where it cannot do that.
fn audits(module: &ModuleReport) -> bool {
    module.kind.as_deref() == Some("audit") && module.behavior.iter().all(|behavior| behavior == ANSWERS_ITSELF)
}

fn asks_more(module: &ModuleReport) -> bool {
    module.may(ASKS_AGAIN) || module.may(ASKS_OTHERS)
}

/// A module that asks again after answers that do not fit.
fn validates(module: &ModuleReport) -> bool {
    module.may(ASKS_AGAIN) && module.kind.as_deref() == Some("validator")
}

/// A module that goes on with answers that broke off.
fn resumes(module: &ModuleReport) -> bool {
    module.may(ASKS_AGAIN) && module.kind.as_deref() == Some("resume")
}

/// A module that answers from what was answered before.
fn caches(module: &ModuleReport) -> bool {
    module.may(ANSWERS_ITSELF) && module.kind.as_deref() == Some("cache")
}

fn rewrites(module: &ModuleReport) -> bool {
    module.may(CHANGES_REQUESTS) || module.may(CHANGES_ANSWERS)
}

/// A module that rewrites for all providers alike. One of another kind may have its place inside, as one that fits requests to
/// a single provider.
fn transforms(module: &ModuleReport) -> bool {
    rewrites(module) && module.kind.as_deref() == Some("transformer")
}

impl HostInner {
    /// The warnings about the order of the modules that are on.
    pub(crate) fn order_warnings(&self, modules: &[ModuleReport]) -> Vec<ConfigError> {
        let mut on: Vec<_> = modules.iter().filter(|module| module.position.is_some()).collect();
        on.sort_by_key(|module| module.position);
        let mut warnings = Vec::new();
        for (at, outer) in on.iter().enumerate() {
            let mut named = BTreeSet::new();
            for rule in RULES.iter().filter(|rule| (rule.outside)(outer)) {
                // One warning for each rule, about the outermost inner module, and for each two modules.
                let Some(inner) = on.iter().skip(at + 1).find(|inner| (rule.inside)(inner)) else { continue };
                if !named.insert(&inner.name) {
                    continue;
                }
                let (outer, inner) = (&outer.name, &inner.name);
                let (problem, help) = match rule.move_inner {
                    true => (
                        format!("has `{inner}` inside of `{outer}`, {}", rule.why),
                        format!("put `{inner}` before `{outer}`"),
                    ),
                    false => (
                        format!("has `{outer}` outside of `{inner}`, {}", rule.why),
                        format!("put `{outer}` after `{inner}`"),
                    ),
                };
                warnings.push(self.config.document.error(Some("host.order"), problem).help(help));
            }
        }
        warnings
    }
}
