use std::{collections::BTreeMap, time::Duration};

use arcllm_module::{
    Config as _, Count, Listed, ModelName,
    testing::{World, api, text},
    types::{ModelFacts, RequestParts},
};

use super::*;

fn rule(targets: &[&str]) -> Rule {
    let target = |name: &&str| Listed(ModelName((*name).to_owned()).into());
    Rule { targets: targets.iter().map(target).collect(), ..Rule::default() }
}

fn route(rules: Vec<Rule>) -> Route {
    Route::new(Settings { rules, ..Settings::default() })
}

fn world() -> World {
    World::new().provider("a", [Ok(text("a"))]).provider("b", [Ok(text("b"))])
}

fn said(world: &World, module: &Route, parts: RequestParts) -> Result<String, Error> {
    world.run(module.invoke(world.request_of(parts))).map(|answer| answer.parts().text())
}

fn hi() -> RequestParts {
    RequestParts::from_text("Hi")
}

fn facts(name: &str, window: u64, capability: Option<(&str, bool)>) -> ModelFacts {
    ModelFacts {
        name: name.to_owned(),
        provider: name.to_owned(),
        model: "m".to_owned(),
        context_window: Some(window),
        max_output_tokens: None,
        price: None,
        capabilities: capability.into_iter().map(|(word, can)| (word.to_owned(), can)).collect(),
        extensions: Vec::new(),
    }
}

#[test]
fn the_first_rule_that_matches_counts_and_without_one_the_inner_is_asked() {
    let labels = BTreeMap::from([("team".to_owned(), OneOrMany::Many(vec!["x".to_owned(), "y".to_owned()]))]);
    let rules = vec![Rule { min_input_tokens: Some(Count::new(100)), ..rule(&["a"]) }, Rule { labels, ..rule(&["b"]) }];
    let (world, module) = (world(), route(rules));
    assert_eq!(said(&world, &module, hi()).unwrap(), "Hello");
    assert_eq!(said(&world, &module, RequestParts::from_text(&"long ".repeat(100))).unwrap(), "a");
    let mut labelled = hi();
    labelled.options.labels.push(("team".to_owned(), "y".to_owned()));
    assert_eq!(said(&world, &module, labelled).unwrap(), "b");
    assert_eq!(world.state_operations(), 0, "rules of one target keep nothing");
    assert_eq!(world.notes(), ["rules[0] chose a", "rules[1] chose b"]);
}

#[test]
fn targets_that_cannot_serve_the_call_are_skipped_and_if_none_is_left_the_error_says_why() {
    let module = route(vec![rule(&["a", "b"])]);
    let mut parts = hi();
    parts.options.max_tokens = Some(500);
    let small = world().facts(facts("a", 400, None));
    assert_eq!(said(&small, &module, parts.clone()).unwrap(), "b", "what is unknown does not exclude");
    let both = small.facts(facts("b", 500, None));
    let Err(Error::Api(error)) = said(&both, &module, parts.clone()) else { panic!("no error") };
    assert_eq!((error.status, error.reason.as_str()), (400, "context_length"));
    assert!(error.message.contains("`a` takes 400 tokens and the call needs 501"), "{}", error.message);
    parts.options.reasoning = Some(arcllm_module::types::Reasoning::Auto);
    let lacking = both.facts(facts("b", 5000, Some(("reasoning", false))));
    let Err(Error::Api(error)) = said(&lacking, &module, parts) else { panic!("no error") };
    assert_eq!(error.reason.as_str(), "invalid_request");
    assert!(error.message.contains("`b` does not have `reasoning`"), "{}", error.message);
}

#[test]
fn a_target_with_an_outage_is_avoided_for_a_while() {
    for error in
        [api(503), api(429), api(401), api(404), Error::Timeout(arcllm_module::types::Failure::new("a", "late"))]
    {
        let world = World::new().provider("a", [Err(error), Ok(text("a"))]).provider("b", [Ok(text("b"))]);
        let module = route(vec![rule(&["a", "b"])]);
        assert!(said(&world, &module, hi()).is_err());
        assert_eq!(said(&world, &module, hi()).unwrap(), "b");
        world.run(clock::wait_for(Duration::from_secs(31)));
        assert_eq!(said(&world, &module, hi()).unwrap(), "a");
    }
    let world = World::new().provider("a", [Err(api(400)), Ok(text("a"))]).provider("b", []);
    let module = route(vec![rule(&["a", "b"])]);
    assert!(said(&world, &module, hi()).is_err());
    assert_eq!(said(&world, &module, hi()).unwrap(), "a", "a wrong request is no outage");
}

#[test]
fn a_state_that_fails_stops_no_call() {
    let world = world().state_fails("it is down");
    assert_eq!(said(&world, &route(vec![rule(&["a", "b"])]), hi()).unwrap(), "a");
    assert!(world.logged()[0].contains("it is down"));
}

#[test]
fn the_fastest_target_becomes_known() {
    let fastest = Rule { order: Some(Order::Fastest), ..rule(&["a", "b"]) };
    let world = world().provider_after("a", Duration::from_secs(3)).provider_after("b", Duration::from_secs(1)).seed(7);
    let module = route(vec![fastest]);
    for _ in 0..200 {
        said(&world, &module, hi()).unwrap();
    }
    let of_b = world.asked()[100..].iter().filter(|asked| asked.provider == "b").count();
    assert!(of_b > 85, "{of_b} of 100 at the faster one");
}

#[test]
fn rules_that_can_never_match_are_refused() {
    let errors = |rules: Vec<Rule>| {
        let errors = Settings { rules, ..Settings::default() }.check();
        errors.into_iter().map(|error| error.key).collect::<Vec<_>>()
    };
    let count = |count| Some(Count::new(count));
    assert_eq!(errors(vec![rule(&["a"]), rule(&["b"])]), ["rules[1]"]);
    assert_eq!(
        errors(vec![Rule { min_input_tokens: count(9), max_input_tokens: count(5), ..rule(&["a"]) }]),
        ["rules[0].min_input_tokens"]
    );
    assert_eq!(errors(vec![rule(&[])]), ["rules[0].targets"]);
    let mut zero = rule(&["a"]);
    zero.targets[0].0.weight = Some(arcllm_module::Amount::new(0.0));
    assert_eq!(errors(vec![zero]), ["rules[0].targets[0].weight"]);
    assert_eq!(errors(vec![Rule { tools: Some(true), ..rule(&["a"]) }, rule(&["b"])]), [""; 0]);
    assert_eq!(errors(vec![Rule { models: vec![String::new()], ..rule(&["a"]) }]), ["rules[0].models"]);
}

#[test]
fn a_rule_whose_calls_an_earlier_one_takes_is_refused() {
    let read = |text: &str| serde_json::from_str::<Rule>(&text.replace('}', ", \"targets\": [\"a\"]}")).unwrap();
    let is_taken = |first: &str, then: &str| {
        let errors = Settings { rules: vec![read(first), read(then)], ..Settings::default() }.check();
        assert!(errors.iter().all(|error| error.key == "rules[1]"), "{errors:?}");
        !errors.is_empty()
    };
    let pairs = [
        (r#"{"min_input_tokens": 10}"#, r#"{"min_input_tokens": 20}"#),
        (r#"{"max_input_tokens": 20}"#, r#"{"max_input_tokens": 10}"#),
        (r#"{"models": ["a", "b/*"]}"#, r#"{"models": ["b/*"]}"#),
        (r#"{"tools": true}"#, r#"{"tools": true, "images": false}"#),
    ];
    for (wide, narrow) in pairs {
        assert!(is_taken(wide, narrow) && is_taken(wide, wide), "{wide} {narrow}");
        assert!(!is_taken(narrow, wide), "{narrow} {wide}");
    }
    let label = |value: OneOrMany| Rule { labels: BTreeMap::from([("team".to_owned(), value)]), ..rule(&["a"]) };
    let (one, both) = (OneOrMany::One("x".to_owned()), OneOrMany::Many(vec!["y".to_owned(), "x".to_owned()]));
    let check = |rules: Vec<Rule>| Settings { rules, ..Settings::default() }.check().len();
    assert_eq!((check(vec![label(both.clone()), label(one.clone())]), check(vec![label(one), label(both)])), (1, 0));
    assert!(
        !is_taken(r#"{"tools": true}"#, r#"{"tools": false}"#)
            && !is_taken(r#"{"tools": true}"#, r#"{"images": true}"#)
    );
}
