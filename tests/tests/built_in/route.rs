//! `route` over real sockets: rules, streams, windows and outages.

use arcllm::{ErrorKind, Message, Options, Overrides, Request};
use arcllm_simulator::Reply;

use crate::scene::{around_both, count, load, replies, say_hi, soon, steps};

const BY_LABEL: &str =
    "[[modules.route.rules]]\nlabels = { tier = \"small\" }\ntargets = [{ model = \"b\", max_tokens = 7 }]";

#[tokio::test]
async fn a_rule_chooses_the_model_and_its_options_and_other_calls_go_on_as_asked() {
    let (a, b) = (replies([]).await, replies([]).await);
    let folder = around_both(&a, &b).module("route", BY_LABEL).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    soon(say_hi(&model)).await.unwrap();
    assert_eq!((count(&a), count(&b)), (1, 0));
    let labelled = || Request::new([Message::user("Hi")]).with_options(Options::new().label("tier", "small"));
    let answer = soon(model.invoke_with(labelled())).await.unwrap();
    assert_eq!(steps(&answer.trail), ["route asks b: ok"]);
    soon(model.stream_with(labelled()).collect()).await.unwrap();
    assert_eq!((count(&a), count(&b)), (1, 2));
    assert!(b.requests().iter().all(|request| request.body["max_tokens"] == 7));
}

#[tokio::test]
async fn a_target_with_an_outage_is_avoided_by_the_next_calls() {
    let (a, b) = (replies([Reply::status(503)]).await, replies([]).await);
    let rule = "[[modules.route.rules]]\ntargets = [\"a\", \"b\"]";
    let folder = around_both(&a, &b).module("route", rule).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    assert!(soon(say_hi(&model)).await.is_err());
    for _ in 0..3 {
        assert_eq!(steps(&soon(say_hi(&model)).await.unwrap().trail), ["route asks b: ok"]);
    }
    assert_eq!((count(&a), count(&b)), (1, 3));
}

#[tokio::test]
async fn if_all_windows_are_too_small_the_error_says_so_and_nothing_is_asked() {
    let (a, b) = (replies([]).await, replies([]).await);
    let rule = "[[modules.route.rules]]\ntargets = [\"b\"]";
    let chain = around_both(&a, &b).module("route", rule).table("providers.b.models.b-model", "context_window = 10");
    let model = load(&chain.folder().unwrap(), Overrides::new()).await;
    let error = soon(model.invoke(&[Message::user("long ".repeat(500))], &[])).await.unwrap_err();
    let ErrorKind::Api(api) = &error.kind else { panic!("{error}") };
    assert_eq!((api.status, api.reason.as_str(), error.trail.len()), (400, "context_length", 0));
    assert!(error.to_string().contains("`b` takes 10 tokens"), "{error}");
    assert_eq!((count(&a), count(&b)), (0, 0));
}

#[tokio::test]
async fn the_worst_case_is_that_of_one_target_and_mistakes_name_their_key() {
    let (a, b) = (replies([]).await, replies([]).await);
    let rule = "[[modules.route.rules]]\ntargets = [\"a\", \"b\"]";
    let chain = around_both(&a, &b).module("route", rule).module("retry", "max_retries = 2");
    let check = soon(chain.folder().unwrap().host().unwrap().check(Some("a"))).await;
    assert_eq!((check.problems, check.worst_case_attempts), (Vec::new(), 3));
    for (rules, key) in [
        ("{ targets = [] }", "rules[0].targets"),
        ("{ targets = [\"bb\"] }", "rules[0].targets[0]"),
        ("{ targets = [{ model = \"b\", weight = 0 }] }", "rules[0].targets[0].weight"),
        ("{ targets = [\"a\"] }, { targets = [\"b\"] }", "rules[1]"),
        ("{ min_input_tokens = 9, max_input_tokens = 5, targets = [\"a\"] }", "rules[0].min_input_tokens"),
        ("{ time = { from = \"25:00\" }, targets = [\"a\"] }", "rules[0].time"),
        ("{ target = [\"a\"] }", "rules[0].target"),
    ] {
        let folder = around_both(&a, &b).module("route", &format!("rules = [{rules}]")).folder().unwrap();
        let error = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap_err();
        assert_eq!(error.key, Some(format!("modules.route.{key}")), "{error}");
    }
}
