//! `route` over real sockets: rules, orders, streams, windows and outages.

use std::time::{Duration, SystemTime};

use arcllm::{
    Config, ContentBlock, ErrorKind, Host, Media, MediaSource, Message, Model, Options, Overrides, Request, Role, Tool,
};
use arcllm_simulator::{Reply, Simulator};
use futures::future::join_all;
use serde_json::json;

use crate::{
    scene::{around_both, count, load, replies, say_hi, soon, steps},
    support::{Elsewhere, Odd},
};

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

fn with(block: ContentBlock) -> Request {
    Request::new([Message::new(Role::User, vec![ContentBlock::text("Hi"), block])])
}

fn media(media_type: &str) -> Media {
    Media::new(media_type, MediaSource::Data(b"data".to_vec()))
}

fn labelled(key: &str, value: &str) -> Request {
    Request::new([Message::user("Hi")]).with_options(Options::new().label(key, value))
}

/// The model of `a` behind these rules.
async fn ruled(a: &Simulator, b: &Simulator, rules: &str) -> Model {
    load(&around_both(a, b).module("route", rules).folder().unwrap(), Overrides::new()).await
}

#[tokio::test]
async fn each_condition_is_read_from_the_call() {
    let (a, b) = (replies([]).await, replies([]).await);
    let hi = || Request::new([Message::user("Hi")]);
    let long = || Request::new([Message::user("long ".repeat(300))]);
    let tools = || hi().with_tools([Tool::new("look", "", json!({"type": "object"}))]);
    let image = || with(ContentBlock::Image(media("image/png")));
    let document = || with(ContentBlock::Document(media("application/pdf")));
    let audio = || with(ContentBlock::Audio(media("audio/wav")));
    for (condition, matching, other) in [
        ("min_input_tokens = 200", long(), hi()),
        ("max_input_tokens = 200", hi(), long()),
        ("images = true", image(), document()),
        ("images = false", hi(), image()),
        ("documents = true", document(), image()),
        ("documents = false", image(), document()),
        ("audio = false", image(), audio()),
        ("tools = true", tools(), hi()),
        ("tools = false", hi(), tools()),
        ("labels = { team = \"x\" }", labelled("team", "x"), labelled("team", "y")),
        ("labels = { team = [\"x\", \"y\"] }", labelled("team", "y"), labelled("other", "y")),
        ("labels = { team = \"x\" }\ntools = false", labelled("team", "x"), hi()),
    ] {
        let model = ruled(&a, &b, &format!("[[modules.route.rules]]\n{condition}\ntargets = [\"b\"]")).await;
        let before = (count(&a), count(&b));
        // A provider may refuse what it does not take; here it counts who is asked.
        let _ = soon(model.invoke_with(matching.clone())).await;
        let _ = soon(model.stream_with(matching).collect()).await;
        assert_eq!((count(&a), count(&b)), (before.0, before.1 + 2), "{condition}");
        let notes = soon(model.invoke_with(other)).await.map(|answer| answer.notes).unwrap_or_else(|error| error.notes);
        assert!(notes.is_empty() && count(&b) == before.1 + 2, "{condition}: {notes:?}");
    }
    for (models, matches) in [("a-model", true), ("a", true), ("a/*", true), ("*-model", true), ("b", false)] {
        let model = ruled(&a, &b, &format!("rules = [{{ models = [{models:?}], targets = [\"b\"] }}]")).await;
        let before = count(&b);
        soon(say_hi(&model)).await.unwrap();
        assert_eq!(count(&b) - before, usize::from(matches), "{models}");
    }
    let model = ruled(&a, &b, "rules = [{ streamed = true, targets = [\"b\"] }]").await;
    let before = count(&b);
    soon(say_hi(&model)).await.unwrap();
    soon(model.stream_with(hi()).collect()).await.unwrap();
    assert_eq!(count(&b) - before, 1);
}

#[tokio::test]
async fn the_time_of_day_chooses() {
    let (a, b) = (replies([]).await, replies([]).await);
    let night = "rules = [{ time = { days = [\"fri\"], from = \"22:00\", to = \"06:00\", utc_offset = \"+02:00\" }, targets = [\"b\"] }]";
    let folder = around_both(&a, &b).module("route", night).folder().unwrap();
    // Friday, the second of January 1970, at so many minutes past midnight there.
    for (minutes, matches) in [(1319, false), (1320, true), (1440, true), (1799, true), (1800, false), (300, false)] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 + minutes * 60 - 2 * 3600);
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let host = Host::builder().config(config).clock(move || now).build().unwrap();
        let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
        let before = count(&b);
        soon(say_hi(&model)).await.unwrap();
        assert_eq!(count(&b) - before, usize::from(matches), "{minutes}");
    }
}

#[tokio::test]
async fn orders_choose_by_list_price_and_weight() {
    let (a, b) = (replies([]).await, replies([]).await);
    let priced = |order: &str| {
        let rule = format!("rules = [{{ targets = [\"a\", \"b\"]{order} }}]");
        let price = |cost: f64| format!("cost_input_per_1m = {cost:?}\ncost_output_per_1m = {cost:?}");
        let chain = around_both(&a, &b).module("route", &rule);
        chain.table("providers.a.models.a-model", &price(3.0)).table("providers.b.models.b-model", &price(1.0))
    };
    for (order, expected) in [("", "a"), (", order = \"listed\"", "a"), (", order = \"cheapest\"", "b")] {
        let model = load(&priced(order).folder().unwrap(), Overrides::new()).await;
        let answer = soon(say_hi(&model)).await.unwrap();
        assert_eq!(answer.provider, expected, "{order}");
    }
    for (weights, at_b) in [((9.0, 1.0), 1..100), ((1e308, 1e308), 50..150), ((1e308, 1e-300), 0..1)] {
        let rule = format!(
            "rules = [{{ targets = [{{ model = \"a\", weight = {:?} }}, {{ model = \"b\", weight = {:?} }}] }}]",
            weights.0, weights.1
        );
        let model = ruled(&a, &b, &rule).await;
        let before = count(&b);
        let answers = soon(join_all((0..200).map(|_| say_hi(&model)))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert!(at_b.contains(&(count(&b) - before)), "{weights:?}: {} of 200", count(&b) - before);
    }
}

/// Streamed and whole answers have times of their own. The time of a stream is that until its first event.
#[tokio::test]
async fn the_fastest_is_the_one_that_begins_first() {
    for streamed in [false, true] {
        let late = Reply::text("a").delay(Duration::from_secs(2)).times(1000);
        // It begins soon, and then takes longer than the other.
        let (a, b) = (replies([late]).await, replies([]).await);
        let model = ruled(&a, &b, "rules = [{ targets = [\"a\", \"b\"], order = \"fastest\" }]").await;
        let ask = async || match streamed {
            true => model.stream(&[Message::user("Hi")], &[]).collect().await,
            false => say_hi(&model).await,
        };
        let measured = soon(join_all((0..40).map(|_| ask()))).await;
        assert!(measured.iter().all(Result::is_ok) && count(&a) > 0 && count(&b) > 0);
        // What is noted after an answer may come a little later.
        soon(async { while ask().await.unwrap().provider != "b" {} }).await;
        for _ in 0..10 {
            assert_eq!(soon(ask()).await.unwrap().provider, "b");
        }
    }
}

#[tokio::test]
async fn a_value_sticks_to_its_target_while_that_is_healthy_and_comes_back_afterwards() {
    let (a, b) = (replies([]).await, replies([Reply::text("b").times(5), Reply::status(503)]).await);
    let rule = "avoid_seconds = 3.0\nrules = [{ targets = [\"a\", \"b\"], sticky = \"user\" }]";
    let folder = around_both(&a, &b).module("route", rule).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let whom =
        async |model: &Model, user: &str| soon(model.invoke_with(labelled("user", user))).await.map(|a| a.provider);
    let mut of_b = None;
    for user in 0.. {
        if whom(&model, &user.to_string()).await.unwrap() == "b" {
            of_b = Some(user.to_string());
            break;
        }
    }
    let user = of_b.unwrap();
    // Another process chooses the same.
    let other = load(&folder, Overrides::new()).await;
    for model in [&model, &other, &model, &other] {
        assert_eq!(whom(model, &user).await.unwrap(), "b");
    }
    assert!(whom(&model, &user).await.is_err());
    assert_eq!(whom(&model, &user).await.unwrap(), "a", "b had an outage");
    soon(async {
        while whom(&model, &user).await.unwrap() == "a" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(whom(&model, &user).await.unwrap(), "b", "it is back");
    let huge = "x".repeat(1 << 20);
    let first = whom(&model, &huge).await.unwrap();
    assert_eq!(whom(&model, &huge).await.unwrap(), first);
}

/// A target whose streams die is avoided as one that does not answer.
#[tokio::test]
async fn a_stream_that_breaks_off_is_an_outage() {
    use arcllm_simulator::{Fault, Place};
    let cut = Reply::text("One two three").with_fault(Fault::Truncate).fault_at(Place::BeforeEnd);
    let (a, b) = (replies([cut]).await, replies([]).await);
    let model = ruled(&a, &b, "rules = [{ targets = [\"a\", \"b\"] }]").await;
    assert!(soon(model.stream(&[Message::user("Hi")], &[]).collect()).await.is_err());
    soon(async { while say_hi(&model).await.unwrap().provider != "b" {} }).await;
}

#[tokio::test]
async fn targets_that_cannot_serve_the_call_are_skipped() {
    let (a, b) = (replies([]).await, replies([]).await);
    let long = Request::new([Message::user("long ".repeat(300))]);
    let tools = Request::new([Message::user("Hi")]).with_tools([Tool::new("look", "", json!({"type": "object"}))]);
    for (facts, request) in [
        ("context_window = 100", long),
        ("supports_tools = false", tools),
        ("supports_vision = false", with(ContentBlock::Image(media("image/png")))),
        ("supports_documents = false", with(ContentBlock::Document(media("application/pdf")))),
    ] {
        let chain = around_both(&a, &b).module("route", "rules = [{ targets = [\"a\", \"b\"] }]");
        let folder = chain.table("providers.a.models.a-model", facts).folder().unwrap();
        let model = load(&folder, Overrides::new()).await;
        let before = (count(&a), count(&b));
        let _ = soon(model.invoke_with(request)).await;
        assert_eq!((count(&a), count(&b)), (before.0, before.1 + 1), "{facts}");
        soon(say_hi(&model)).await.unwrap();
        assert_eq!(count(&a), before.0 + 1, "{facts}: a call that it can serve");
    }
}

#[tokio::test]
async fn a_store_that_fails_stops_no_call() {
    let (a, b) = (replies([Reply::status(503)]).await, replies([]).await);
    for order in ["listed", "fastest", "cheapest", "weighted"] {
        let rule = format!("rules = [{{ targets = [\"a\", \"b\"], order = {order:?}, sticky = \"user\" }}]");
        let folder = around_both(&a, &b).module("route", &rule).folder().unwrap();
        let config = Config::load(&folder.path().join("config.toml")).unwrap();
        let store = Elsewhere::new(Odd::Fails);
        let host = Host::builder().config(config).state_store(store).build().unwrap();
        let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
        let outcomes = [soon(say_hi(&model)).await, soon(say_hi(&model)).await];
        assert!(outcomes.iter().any(Result::is_ok), "{order}: {outcomes:?}");
    }
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
        ("{ time = { from = \"24:00\" }, targets = [\"a\"] }", "rules[0].time"),
        ("{ time = { from = \"09:00\", utc_offset = \"Europe/Oslo\" }, targets = [\"a\"] }", "rules[0].time"),
        ("{ time = { days = [\"mo\"] }, targets = [\"a\"] }", "rules[0].time.days[0]"),
        ("{ target = [\"a\"] }", "rules[0].target"),
        ("{ targets = [{ model = \"b\", weight = -1 }] }", "rules[0].targets[0].weight"),
        ("{ targets = [\"\"] }", "rules[0].targets[0]"),
        ("{ targets = [\"a\"], order = \"fastst\" }", "rules[0].order"),
        ("{ models = [\"\"], targets = [\"a\"] }", "rules[0].models"),
        ("{ labels = { team = [] }, targets = [\"a\"] }", "rules[0].labels.team"),
        ("{ images = true, targets = [\"a\"] }, { images = true, tools = true, targets = [\"b\"] }", "rules[1]"),
    ] {
        let folder = around_both(&a, &b).module("route", &format!("rules = [{rules}]")).folder().unwrap();
        let error = soon(folder.host().unwrap().load_model("a", Overrides::new())).await.unwrap_err();
        assert_eq!(error.key, Some(format!("modules.route.{key}")), "{error}");
    }
}
