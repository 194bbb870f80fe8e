//! Suggests where a module stands in `host.order`: by its kind, and by what it may do.

use crate::{
    assembly::behavior::{
        ANSWERS_ITSELF, ASKS_AGAIN, ASKS_OTHERS, CHANGES_ANSWERS, CHANGES_REQUESTS, HOLDS_ANSWERS_BACK,
    },
    config::config::DEFAULT_ORDER,
};

/// The kinds of the modules of the default order, outermost first.
const KINDS: [&str; 14] = [
    "audit",
    "observer",
    "budget",
    "cache",
    "transformer",
    "validator",
    "resume",
    "router",
    "retry",
    "fallback",
    "hedge",
    "breaker",
    "limiter",
    "chaos",
];

/// How far in a module stands.
pub(crate) type Depth = usize;

/// How far in a module of this kind stands that may do this. A kind that nobody knows says nothing.
pub(crate) fn depth(kind: &str, behavior: &[String]) -> Depth {
    let may = |word: &str| behavior.iter().any(|one| one == word);
    let of = |kind: &str| KINDS.iter().position(|known| *known == kind).unwrap_or_default();
    match KINDS.iter().position(|known| *known == kind) {
        Some(depth) => depth,
        None if may(ASKS_AGAIN) => of("retry"),
        None if may(ASKS_OTHERS) => of("fallback"),
        None if [CHANGES_REQUESTS, CHANGES_ANSWERS, ANSWERS_ITSELF, HOLDS_ANSWERS_BACK].into_iter().any(may) => {
            of("transformer")
        }
        None => of("observer"),
    }
}

/// How far in a built-in module stands.
pub(crate) fn built_in_depth(name: &str) -> Option<Depth> {
    DEFAULT_ORDER.iter().position(|known| *known == name)
}

/// The default order with this module at its place.
pub(crate) fn default_order_with(name: &str, depth: Depth) -> Vec<String> {
    let order: Vec<String> =
        DEFAULT_ORDER.iter().filter(|known| **known != name).map(|&known| known.to_owned()).collect();
    let depths: Vec<_> = order.iter().map(|name| built_in_depth(name)).collect();
    with(&order, name, Some(depth), &depths)
}

/// An order for a module that `host.order` lacks. Of built-in modules the names say where they stand.
pub(crate) fn built_in_order_with(order: &[String], name: &str) -> Vec<String> {
    let depths: Vec<_> = order.iter().map(|name| built_in_depth(name)).collect();
    with(order, name, built_in_depth(name), &depths)
}

/// This order with one module more: outside of all that stand further in than it does, and else behind the last that does not.
/// A module of unknown depth comes last.
pub(crate) fn with(order: &[String], name: &str, depth: Option<Depth>, depths: &[Option<Depth>]) -> Vec<String> {
    let is_further_in = |other: &Option<Depth>| depth.is_some() && *other > depth;
    let last = || depths.iter().rposition(|other| other.is_some() && depth.is_some()).map(|at| at + 1);
    let at = depths.iter().position(is_further_in).or_else(last).unwrap_or(order.len());
    let (outside, inside) = order.split_at_checked(at).unwrap_or((order, &[]));
    [outside, &[name.to_owned()], inside].concat()
}

/// What to do about a module that the order lacks.
pub(crate) fn place_help(order: &[String]) -> String {
    format!("list it at its place, outermost first, such as order = {order:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn built_in_modules_get_the_place_of_the_default_order() {
        for name in DEFAULT_ORDER {
            let others: Vec<String> = names(&DEFAULT_ORDER).into_iter().filter(|other| other != name).collect();
            assert_eq!(built_in_order_with(&others, name), DEFAULT_ORDER);
            assert_eq!(default_order_with(name, built_in_depth(name).unwrap()), DEFAULT_ORDER);
        }
        let order = |order: &[&str], name| built_in_order_with(&names(order), name);
        assert_eq!(order(&["retry"], "fallback"), ["retry", "fallback"]);
        assert_eq!(order(&["fallback"], "retry"), ["retry", "fallback"]);
        assert_eq!(order(&["fallback", "retry"], "chaos"), ["fallback", "retry", "chaos"]);
        assert_eq!(order(&["retry", "mine"], "fallback"), ["retry", "fallback", "mine"]);
        assert_eq!(order(&["mine"], "telemetry"), ["mine", "telemetry"]);
        assert_eq!(order(&["retry"], "mine"), ["retry", "mine"]);
        assert_eq!(order(&[], "mine"), ["mine"]);
    }

    #[test]
    fn a_module_of_a_kind_stands_where_that_kind_does() {
        let order = |kind, behavior: &[&str]| default_order_with("mine", depth(kind, &names(behavior)));
        let at = |order: Vec<String>| order.iter().position(|name| name == "mine").unwrap();
        assert_eq!(at(order("audit", &["answers-itself"])), 1);
        assert_eq!(at(order("observer", &[])), 2);
        assert_eq!(at(order("budget", &["answers-itself"])), 3);
        assert_eq!(at(order("transformer", &["changes-requests"])), 5);
        assert_eq!(at(order("hedge", &["asks-again"])), 11);
        assert_eq!(at(order("router", &["asks-others"])), 8);
        assert_eq!(at(order("limiter", &[])), 13);
        assert_eq!(at(order("cache", &["answers-itself"])), 4);
        assert_eq!(at(order("", &[])), 2);
    }
}
