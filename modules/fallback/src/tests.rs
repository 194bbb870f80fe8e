use arcllm_module::{
    ChainTarget, Count, Listed,
    testing::{World, api, text},
    types::{ResponseParts, StopReason},
};

use super::*;

fn module(chain: Vec<ChainTarget>) -> Fallback {
    let chain = chain.into_iter().map(Listed).collect();
    Fallback::new(Settings { chain, on_truncated: true, ..Settings::default() })
}

fn cut(said: &str) -> ResponseParts {
    ResponseParts { stop_reason: StopReason::MaxTokens, ..text(said) }
}

fn said(world: &World, module: &Fallback) -> Result<String, Error> {
    world.run(module.invoke(world.request("Hi"))).map(|response| response.parts().text())
}

#[test]
fn the_options_of_a_target_are_sent_to_it_alone() {
    let world = World::new().answers([Err(api(500))]).provider("a", [Err(api(500))]).provider("b", [Ok(text("b"))]);
    let small = ChainTarget { max_tokens: Some(Count::new(9)), ..ChainTarget::new("a") };
    assert_eq!(said(&world, &module(vec![small, ChainTarget::new("b")])).unwrap(), "b");
    let asked: Vec<_> = world.asked().iter().map(|asked| asked.parts.options.max_tokens).collect();
    assert_eq!(asked, [None, Some(9), None]);
}

#[test]
fn if_all_answers_fail_the_last_one_comes_back_before_any_error() {
    let names = || module(vec![ChainTarget::new("a"), ChainTarget::new("b")]);
    let world = World::new().answers([Ok(cut("one"))]);
    let all = world.provider("a", [Ok(cut("two"))]).provider("b", [Ok(cut("three"))]);
    assert_eq!(said(&all, &names()).unwrap(), "three");
    let world = World::new().answers([Ok(cut("one"))]);
    let error_last = world.provider("a", [Ok(cut("two"))]).provider("b", [Err(api(500))]);
    assert_eq!(said(&error_last, &names()).unwrap(), "two");
    let good_last =
        World::new().answers([Ok(cut("one"))]).provider("a", [Err(api(500))]).provider("b", [Ok(text("b"))]);
    assert_eq!(said(&good_last, &names()).unwrap(), "b");
}
