use std::time::Duration;

use arcllm_module::{
    Count, clock, stream,
    testing::{World, api, text},
    types::{ModelFacts, Price, Reason, RequestParts, ResponseParts},
};
use serde_json::{Value, json};

use super::*;

fn module(settings: Settings) -> Audit {
    Audit::new(settings)
}

fn by_default() -> Audit {
    module(Settings::default())
}

fn allowing() -> Audit {
    module(Settings { on_journal_failure: OnJournalFailure::Allow, ..Settings::default() })
}

fn records(world: &World) -> Vec<Value> {
    world.journal().iter().map(|record| serde_json::from_str(record).expect("JSON")).collect()
}

/// The records of a call: that of its beginning and that of its end.
fn both(world: &World) -> [Value; 2] {
    let [begin, end] = records(world).try_into().expect("two records");
    assert_eq!((&begin["event"], &end["event"], &begin["call"]), (&json!("begin"), &json!("end"), &end["call"]));
    assert_eq!(begin["call"].as_str().map(str::len), Some(32));
    [begin, end]
}

fn paid() -> ResponseParts {
    let mut parts = text("secret answer");
    (parts.usage.input_tokens, parts.usage.output_tokens) = (1000, 200);
    parts
}

fn priced(world: World) -> World {
    let (cache_read, cache_write, cache_write_hour, extensions) = Default::default();
    let price = Some(Price { input: 3.0, output: 15.0, cache_read, cache_write, cache_write_hour, extensions });
    let (context_window, max_output_tokens, capabilities, extensions) = Default::default();
    let (name, provider, model) = ("inner/scripted".into(), "inner".into(), "scripted".into());
    let facts =
        ModelFacts { name, provider, model, context_window, max_output_tokens, price, capabilities, extensions };
    world.facts(facts)
}

fn labelled() -> RequestParts {
    let mut parts = RequestParts::from_text("secret question");
    parts.options.labels = vec![("team".into(), "search".into()), ("long".into(), "é".repeat(1000))];
    parts.options.user = Some("u-7".into());
    parts
}

#[test]
fn an_answer_is_recorded_with_who_asked_what_and_what_it_cost() {
    let world = priced(World::new().answers([Ok(paid())]).answers_after(Duration::from_secs(2)));
    let answer = world.run(by_default().invoke(world.request_of(labelled()))).unwrap();
    assert_eq!(answer.parts().text(), "secret answer");
    let [begin, end] = both(&world);
    for record in [&begin, &end] {
        assert_eq!((&record["labels"]["team"], &record["user"]), (&json!("search"), &json!("u-7")));
        assert_eq!(record["labels"]["long"].as_str().map(str::len), Some(1024));
        assert_eq!((&record["provider"], &record["model"]), (&json!("inner"), &json!("scripted")));
        assert_eq!((&record["size"]["messages"], &record["size"]["text_bytes"]), (&json!(1), &json!(15)));
        assert_eq!(record["digest"].as_str().map(str::len), Some(64));
        assert_eq!(record["streamed"], json!(false));
    }
    assert!(begin.get("outcome").is_none());
    assert_eq!((&end["outcome"], &end["stop_reason"]), (&json!("ok"), &json!("end_turn")));
    assert_eq!(end["answered_by"], json!({"provider": "inner", "model": "scripted"}));
    assert_eq!((&end["usage"]["input_tokens"], &end["usage"]["output_tokens"]), (&json!(1000), &json!(200)));
    assert_eq!((&end["cost"], &end["seconds"]), (&json!(0.006), &json!(2.0)));
    let attempts = end["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["outcome"]), (1, &json!("ok")));
    assert!(!world.journal().concat().contains("secret"), "no content: {:?}", world.journal());
}

#[test]
fn without_a_price_there_is_no_cost() {
    let world = World::new().answers([Ok(paid())]);
    world.run(by_default().invoke(world.request("Hi"))).unwrap();
    assert_eq!(both(&world)[1]["cost"], Value::Null);
}

#[test]
fn an_error_is_recorded_and_comes_back_unchanged() {
    let world = World::new().answers([Err(api(529))]);
    let outcome = world.run(by_default().invoke(world.request("Hi")));
    assert!(matches!(outcome, Err(Error::Api(error)) if error.status == 529));
    let [_, end] = both(&world);
    assert_eq!((&end["outcome"], &end["status"], &end["reason"]), (&json!("api"), &json!(529), &json!("overloaded")));
    // A provider may repeat what was asked.
    assert_eq!(end["message"], Value::Null);
}

#[test]
fn content_is_recorded_only_if_it_is_asked_for_and_is_cut() {
    let settings = Settings { content: true, content_kb: Count::new(1), ..Settings::default() };
    let world = World::new().answers([Err(api(400))]);
    let asked = format!("{} end", "é".repeat(1000));
    assert!(world.run(module(settings).invoke(world.request(&asked))).is_err());
    let [begin, end] = both(&world);
    let [message] = begin["content"]["messages"].as_array().unwrap().as_slice() else { panic!("{begin}") };
    let text = message["content"].as_str().unwrap();
    assert!(asked.starts_with(text) && (256..1024).contains(&text.len()), "{message}");
    assert_eq!(end["content"], begin["content"]);
    assert!(end["message"].is_string());
}

/// An answer that is streamed through the module, and ends so after a second.
fn streamed(world: &World, module: &Audit, end: Result<(), Error>) {
    world.run(async {
        let request = world.request("Hi");
        let (response, writer) = stream::write(&request);
        record_end(Call::begin(&request, &module.settings), &response);
        assert_eq!(records(world).len(), 0);
        clock::wait_for(Duration::from_secs(1)).await;
        match end {
            Ok(()) => writer.write(vec![stream::Event::End(text("Hi"))]).await.unwrap(),
            Err(error) => writer.fail(&error),
        }
    });
}

#[test]
fn a_streamed_answer_is_recorded_when_it_has_ended() {
    for (end, outcome) in [
        (Ok(()), "ok"),
        (Err(Error::Cancelled), "cancelled"),
        (Err(Error::Connection(Failure::new("inner", "broke off"))), "connection"),
    ] {
        let world = World::new().streamed();
        streamed(&world, &by_default(), end);
        let [end] = records(&world).try_into().unwrap();
        assert_eq!((&end["outcome"], &end["seconds"], &end["streamed"]), (&json!(outcome), &json!(1.0), &json!(true)));
    }
}

#[test]
fn a_call_that_cannot_be_recorded_is_not_sent_unless_that_is_allowed() {
    let world = World::new().journal_fails("the disk is full");
    let Err(Error::Api(error)) = world.run(by_default().invoke(world.request("Hi"))) else { panic!("no refusal") };
    assert_eq!((error.status, error.retry_after), (503, Some(WAIT)));
    assert!(matches!(error.reason, Reason::Overloaded) && error.message.contains("the disk is full"), "{error:?}");
    assert!(world.asked().is_empty());
    assert!(world.run(allowing().invoke(world.request("Hi"))).is_ok());
    assert_eq!((world.asked().len(), world.logged().len()), (1, 3));
    // It goes on as soon as there is room.
    let world = world.journal_works();
    assert!(world.run(by_default().invoke(world.request("Hi"))).is_ok());
    both(&world);
}

#[test]
fn an_answer_that_cannot_be_recorded_is_withheld_unless_that_is_allowed() {
    let after_it_began = |module: Audit| {
        let world = World::new();
        let broken = world.clone();
        let world = world.answers_with(move |_| {
            // The disk fills up while the provider answers.
            let _ = broken.clone().journal_fails("the disk is full");
            Ok(text("Hi"))
        });
        (world.run(module.invoke(world.request("Hi"))).map(|answer| answer.parts().text()), records(&world).len())
    };
    let (Err(Error::Module(failure)), 1) = after_it_began(by_default()) else { panic!("not withheld") };
    assert!(failure.message.contains("withholds the answer of inner"), "{failure:?}");
    let (answer, begun) = after_it_began(allowing());
    assert_eq!((answer.unwrap().as_str(), begun), ("Hi", 1));
}

#[test]
fn a_streamed_call_proves_before_that_it_can_be_recorded() {
    let settings = || Settings { begin_record: false, ..Settings::default() };
    let world = World::new().streamed();
    world.run(module(settings()).invoke(world.request("Hi"))).unwrap();
    both(&world);
    let world = World::new();
    world.run(module(settings()).invoke(world.request("Hi"))).unwrap();
    let [end] = records(&world).try_into().unwrap();
    assert_eq!(end["event"], "end");
}

#[test]
fn the_largest_record_fits_the_journal() {
    const MOST: usize = 1 << 20;
    let settings = Settings { content: true, content_kb: Count::new(512), ..Settings::default() };
    for letter in ["\u{1}", "\"", "é", "x"] {
        let mut parts = RequestParts::from_text(&letter.repeat(1 << 20));
        let label = |number| (format!("{number}{}", letter.repeat(5000)), letter.repeat(5000));
        parts.options.labels = (0..1000).map(label).collect();
        parts.options.user = Some(letter.repeat(5000));
        let world = World::new();
        world.run(module(settings.clone()).invoke(world.request_of(parts))).unwrap();
        let longest = world.journal().iter().map(String::len).max().unwrap_or_default();
        assert!((MOST / 4..MOST).contains(&longest), "{letter:?}: {longest}");
    }
}

#[test]
fn a_module_that_refuses_is_named() {
    let world = World::new().answers([Err(api(529))]);
    let refused = Error::refused(&world.request("Hi"), "budget", 429, 0, "no money".to_owned());
    let world = World::new().answers([Err(refused)]);
    assert!(world.run(by_default().invoke(world.request("Hi"))).is_err());
    let [_, end] = both(&world);
    assert_eq!((&end["refused_by"], &end["status"]), (&json!("budget"), &json!(429)));
}
