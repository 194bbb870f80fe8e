use super::*;

/// `small`, `large` and `vast` have the model `m` of a provider of this name; `b/x` is the model `x` of `b`, with an unknown
/// window, and the default of `b`.
fn known(name: &str) -> Option<Known> {
    let window = |provider: &str| match provider {
        "small" => Some(1000),
        "large" => Some(2000),
        "vast" => Some(9000),
        _ => None,
    };
    let (provider, model) = match name.split_once('/') {
        Some(parts) => parts,
        None if name == "b" => ("b", "x"),
        None if name == "nonsense" => return None,
        None => (name, "m"),
    };
    Some(Known { identity: Identity::of((provider, model)), window: window(provider) })
}

fn chain(names: &[&str]) -> Vec<ChainTarget> {
    names.iter().map(|name| ChainTarget::new(name)).collect()
}

fn rest(mut round: Round<'_>) -> Vec<String> {
    std::iter::from_fn(|| round.next(known).map(|target| target.model.0.clone())).collect()
}

fn primary(provider: &str) -> Identity {
    Identity::of((provider, "m"))
}

#[test]
fn the_failed_one_and_repetitions_are_skipped_by_provider_and_model() {
    let names = chain(&["b", "a", "a/m", "a/other", "b/x", "b/y", "nonsense", "nonsense"]);
    assert_eq!(rest(Round::new(&names, primary("a"))), ["b", "a/other", "b/y", "nonsense"]);
}

#[test]
fn after_an_overflow_windows_that_are_not_larger_are_skipped() {
    let names = chain(&["small", "large", "b", "vast"]);
    let mut round = Round::new(&names, primary("large"));
    round.did_not_fit(known);
    assert_eq!(rest(round), ["b", "vast"]);
}

#[test]
fn a_model_with_an_unknown_window_skips_nothing_and_forgets_nothing() {
    let names = chain(&["b", "small", "large", "vast"]);
    let mut round = Round::new(&names, primary("unknown"));
    round.did_not_fit(known);
    assert_eq!(round.next(known).map(|target| &*target.model.0), Some("b"));
    round.did_not_fit(known);
    assert_eq!(round.next(known).map(|target| &*target.model.0), Some("small"));
    round.did_not_fit(known);
    assert_eq!(rest(round), ["large", "vast"]);

    let mut round = Round::new(&names, primary("large"));
    round.did_not_fit(known);
    assert_eq!(round.next(known).map(|target| &*target.model.0), Some("b"));
    round.did_not_fit(known);
    assert_eq!(rest(round), ["vast"]);
}
