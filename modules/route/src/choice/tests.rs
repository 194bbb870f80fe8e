use arcllm_module::{Amount, Listed, ModelName, testing::World, types::RequestParts};
use proptest::prelude::*;

use super::*;
use crate::kept::Times;

fn rule(targets: &[(&str, f64)]) -> Rule {
    let target = |(name, weight): &(&str, f64)| {
        Listed(RouteTarget { weight: Some(Amount::new(*weight)), ..ModelName((*name).to_owned()).into() })
    };
    Rule { targets: targets.iter().map(target).collect(), ..Rule::default() }
}

fn call(label: &str) -> Call {
    let mut parts = RequestParts::from_text("Hi");
    parts.options.labels.push(("user".to_owned(), label.to_owned()));
    Call::of(&World::new().request_of(parts))
}

fn chosen<'a>(rule: &'a Rule, label: &str, kept: &Kept, random: impl FnMut() -> f64) -> &'a str {
    let candidates: Vec<_> = rule.targets().map(|target| Candidate { target, price: None }).collect();
    &choose(rule, &candidates, &call(label), kept, random).unwrap().model.0
}

#[test]
fn weights_are_kept_over_many_draws() {
    for unit in [1.0, 1e307, 1e-300] {
        weights_are_kept(&rule(&[("a", unit), ("b", 2.0 * unit), ("c", 5.0 * unit)]));
    }
}

fn weights_are_kept(rule: &Rule) {
    let draws = 8000;
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    for draw in 0..draws {
        *counts.entry(chosen(rule, "", &Kept::default(), || f64::from(draw) / f64::from(draws))).or_default() += 1;
    }
    for (name, expected) in [("a", 1000_u32), ("b", 2000), ("c", 5000)] {
        assert!(counts[name].abs_diff(expected) <= 2, "{counts:?}");
    }
}

#[test]
fn sticky_values_follow_the_weights_and_only_those_of_a_lost_target_move() {
    let sticky = |targets: &[(&str, f64)]| Rule { sticky: Some("user".to_owned()), ..rule(targets) };
    let (all, fewer) = (sticky(&[("a", 1.0), ("b", 1.0), ("c", 2.0)]), sticky(&[("a", 1.0), ("c", 2.0)]));
    let mut unhealthy = Kept::default();
    unhealthy.avoid("b");
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    for value in 0..4000 {
        let value = value.to_string();
        let target = chosen(&all, &value, &Kept::default(), || 0.0);
        *counts.entry(target).or_default() += 1;
        for after in [chosen(&fewer, &value, &Kept::default(), || 0.0), chosen(&all, &value, &unhealthy, || 0.0)] {
            assert!(after == target || target == "b", "{value} moved from {target} to {after}");
        }
    }
    for (name, expected) in [("a", 1000_u32), ("b", 1000), ("c", 2000)] {
        assert!(counts[name].abs_diff(expected) < 150, "{counts:?}");
    }
}

proptest! {
    #[test]
    fn a_healthy_target_is_chosen_if_there_is_one(
        weights in prop::collection::vec(0.001..1e6_f64, 1..8), failed: u8, random in 0.0..1.0_f64, order in 0..4, is_sticky: bool,
    ) {
        let names: Vec<String> = (0..weights.len()).map(|at| at.to_string()).collect();
        let targets: Vec<_> = names.iter().map(String::as_str).zip(weights).collect();
        let orders = [Order::Listed, Order::Weighted, Order::Cheapest, Order::Fastest];
        let order = orders.get(usize::try_from(order).unwrap()).copied();
        let rule = Rule { order, sticky: is_sticky.then(|| "user".to_owned()), ..rule(&targets) };
        let mut kept = Kept::default();
        let is_failed = |name: &str| failed >> name.parse::<u32>().unwrap() & 1 == 1;
        names.iter().filter(|name| is_failed(name)).for_each(|name| kept.avoid(name));
        let target = chosen(&rule, "x", &kept, || random);
        prop_assert!(!is_failed(target) || names.iter().all(|name| is_failed(name)));
    }
}

#[test]
fn the_fastest_is_chosen_and_the_unmeasured_get_a_small_share() {
    let rule = Rule { order: Some(Order::Fastest), ..rule(&[("slow", 1.0), ("fast", 1.0), ("new", 1.0)]) };
    let mut kept = Kept::default();
    let one = |sum| Times { sum, count: 1 };
    kept.measured("slow", one(2_000), Times::default());
    kept.measured("fast", one(1_000), Times::default());
    let new = (0..1000).filter(|draw| chosen(&rule, "", &kept, || f64::from(*draw) / 1000.0) == "new").count();
    assert_eq!(new, 100);
    assert_eq!(chosen(&rule, "", &kept, || 0.5), "fast");
    kept.measured("fast", one(9_000), one(1_000));
    assert_eq!(chosen(&rule, "", &kept, || 0.5), "slow");
}

#[test]
fn the_cheapest_is_chosen_and_one_without_a_price_comes_last() {
    let rule = Rule { order: Some(Order::Cheapest), ..rule(&[("unknown", 1.0), ("dear", 1.0), ("cheap", 1.0)]) };
    let prices = [None, Some(9.0), Some(3.0)];
    let candidates: Vec<_> = rule.targets().zip(prices).map(|(target, price)| Candidate { target, price }).collect();
    let of = |candidates: &[Candidate<'_>]| {
        choose(&rule, candidates, &call(""), &Kept::default(), || 0.0).unwrap().model.0.clone()
    };
    assert_eq!(
        (of(&candidates), of(&candidates[..2]), of(&candidates[..1])),
        ("cheap".into(), "dear".into(), "unknown".into())
    );
}
