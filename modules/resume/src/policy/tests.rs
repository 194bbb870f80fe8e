use arcllm_module::{
    ModelName,
    testing::{World, api, text},
    types::{Failure, ModelFacts, RequestParts, Role},
};

use super::*;
use crate::{Mode, Resume};
use arcllm_module::{Module as _, Response};

fn connection() -> Error {
    Error::Connection(Failure::new("inner", "reset"))
}

fn facts(name: &str, prefix: bool) -> ModelFacts {
    let (provider, model) = name.split_once('/').unwrap();
    ModelFacts {
        name: name.to_owned(),
        provider: provider.to_owned(),
        model: model.to_owned(),
        context_window: None,
        max_output_tokens: None,
        price: None,
        capabilities: vec![("prefix".to_owned(), prefix)],
        extensions: Vec::new(),
    }
}

fn module(mode: Mode, targets: &[&str]) -> Resume {
    let targets = targets.iter().map(|name| ModelName((*name).to_owned())).collect();
    Resume::new(Settings { mode, targets, ..Settings::default() })
}

fn said(world: &World, module: &Resume) -> Result<String, Error> {
    let response: Response = world.run(module.invoke(world.request("Hi")))?;
    let (text, failed) = world.run(async {
        let reader = arcllm_module::stream::read(response);
        let mut text = String::new();
        loop {
            match reader.read().await {
                Ok(events) if events.is_empty() => return (text, None),
                Ok(events) => events.into_iter().for_each(|event| {
                    if let arcllm_module::stream::Event::Text(piece) = event {
                        text += &piece;
                    }
                }),
                Err(error) => return (text, Some(error)),
            }
        }
    });
    failed.map_or(Ok(text), Err)
}

#[test]
fn the_same_is_asked_again_and_nothing_is_doubled() {
    for mode in [Mode::Hold, Mode::Continue] {
        for after in 0..4 {
            let world = World::new().answers([Ok(text("Once upon a time."))]).streamed();
            let world = world.breaks_off([(after, connection()), (after, connection())]);
            assert_eq!(said(&world, &module(mode, &[])).unwrap(), "Once upon a time.", "{mode:?} {after}");
            assert_eq!((world.asked().len(), world.notes().len()), (3, 2));
            assert!(world.notes()[0].contains("broke off"), "{:?}", world.notes());
        }
    }
}

#[test]
fn the_next_target_is_given_what_came_and_told_to_go_on() {
    let world = World::new().answers([Ok(text("Once upon "))]).provider("b", [Ok(text("a time."))]).streamed();
    let world = world.breaks_off([(1, connection())]).facts(facts("b/scripted", false));
    assert_eq!(said(&world, &module(Mode::Continue, &["b/scripted"])).unwrap(), "Once upon a time.");
    let asked = &world.asked()[1].parts;
    assert_eq!((world.asked()[1].provider.as_str(), asked.messages.len()), ("b", 3));
    assert!(matches!(asked.messages[1].role, Role::Assistant) && matches!(asked.messages[2].role, Role::User));
    let world = World::new().answers([Ok(text("Once upon "))]).provider("b", [Ok(text(" a time."))]).streamed();
    let world = world.breaks_off([(1, connection())]).facts(facts("b/scripted", true));
    assert_eq!(said(&world, &module(Mode::Continue, &["b/scripted"])).unwrap(), "Once upon a time.");
    let asked = world.asked()[1].parts.clone();
    let ResponseText(begun) = ResponseText::of(&asked);
    assert_eq!((asked.messages.len(), begun.as_str()), (2, "Once upon"), "without white space at the end");
}

/// The text of the last message.
struct ResponseText(String);

impl ResponseText {
    fn of(parts: &RequestParts) -> Self {
        let mut last = parts.messages.last().unwrap().clone();
        Self(last.content.iter_mut().flat_map(|block| block.texts_mut()).map(|text| text.clone()).collect())
    }
}

#[test]
fn a_model_that_refuses_a_beginning_is_told_instead() {
    let world = World::new().answers([Ok(text("Once "))]).streamed().breaks_off([(1, connection())]);
    let world = world.provider_with("b", |parts| match parts.messages.last().map(|message| &message.role) {
        Some(Role::Assistant) => Err(api(400)),
        _ => Ok(text("upon a time.")),
    });
    let world = world.facts(facts("b/scripted", true));
    assert_eq!(said(&world, &module(Mode::Continue, &["b/scripted"])).unwrap(), "Once upon a time.");
    assert_eq!(world.asked().len(), 3);
}

#[test]
fn it_gives_up_with_the_error_that_broke_the_answer_off() {
    for mode in [Mode::Hold, Mode::Continue] {
        let world = World::new().streamed().breaks_off([(1, connection())]).provider("b", [Err(api(500))]);
        let world = world.facts(facts("b/scripted", false));
        let error = said(&world, &module(mode, &["b/scripted"])).unwrap_err();
        assert!(matches!(error, Error::Connection(_)), "{error:?}");
        assert_eq!(world.asked().len(), 3);
        assert!(world.notes().last().unwrap().contains("gave up after 2"), "{:?}", world.notes());
    }
}

#[test]
fn some_errors_are_final() {
    let refused = |reason| match api(400) {
        Error::Api(api) => Error::Api(arcllm_module::types::ApiError { reason, ..api }),
        other => other,
    };
    for error in [Error::Cancelled, Error::DeadlineExceeded, refused(Reason::ContentFilter), refused(Reason::Quota)] {
        let world = World::new().streamed().breaks_off([(1, error.clone())]);
        let failed = said(&world, &module(Mode::Continue, &[])).unwrap_err();
        assert_eq!((failed.kind(), world.asked().len()), (error.kind(), 1));
    }
    for error in [refused(Reason::Overloaded), Error::Timeout(Failure::new("", "")), Error::Parse(Failure::new("", ""))]
    {
        let world = World::new().streamed().breaks_off([(1, error)]);
        said(&world, &module(Mode::Continue, &[])).unwrap();
    }
}

#[test]
fn an_unstreamed_call_and_an_error_before_the_answer_pass() {
    let world = World::new().answers([Err(connection()), Ok(text("Hello"))]).streamed();
    assert!(said(&world, &module(Mode::Hold, &[])).is_err());
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn targets_take_turns_and_the_broken_one_is_skipped() {
    let policy = |targets: &[&str], max_resumes| {
        let targets = targets.iter().map(|name| ModelName((*name).to_owned())).collect();
        Policy::new(Settings { targets, max_resumes, ..Settings::default() })
    };
    let none = |_: &str| None;
    let of = |name: &str| Some(Whom::Target(name.to_owned()));
    let three = policy(&["a/m", "b/m"], 3);
    let mut turns = three.turns("a/m".to_owned());
    assert_eq!(turns.next("a/m", none), of("b/m"));
    assert_eq!(turns.next("b/m", none), of("a/m"));
    assert_eq!(turns.next("a/m", none), of("b/m"));
    assert_eq!(turns.next("b/m", none), None);
    let one = policy(&["a/m"], 2);
    assert_eq!(one.turns(String::new()).next("a/m", none), of("a/m"), "there is no other");
    assert_eq!(policy(&[], 1).turns(String::new()).next("a/m", none), Some(Whom::Inner));
}

#[test]
fn the_worst_case_counts_every_resume() {
    let target = |name: &str, attempts| Target {
        name: name.to_owned(),
        provider: name.to_owned(),
        model: String::new(),
        most: Cost { attempts, waiting: attempts },
    };
    let policy = |targets: &[&str]| {
        let targets = targets.iter().map(|name| ModelName((*name).to_owned())).collect();
        Policy::new(Settings { targets, ..Settings::default() })
    };
    let (inner, others) = (target("", 4), [target("a", 4), target("b", 9)]);
    assert_eq!(policy(&[]).worst_case(&inner, &others).attempts, 12);
    assert_eq!(policy(&["a", "b/x"]).worst_case(&inner, &others).attempts, 22);
    let most = policy(&[]).worst_case(&target("", u64::MAX), &[]);
    assert_eq!((most.attempts, most.waiting), (u64::MAX, u64::MAX));
}

#[test]
fn wrong_settings_are_named() {
    use arcllm_module::Config as _;
    let keys = |settings: Settings| settings.check().into_iter().map(|error| error.key).collect::<Vec<_>>();
    assert_eq!(keys(Settings { max_resumes: 0, ..Settings::default() }), ["max_resumes"]);
    assert_eq!(keys(Settings { instruction: " ".to_owned(), ..Settings::default() }), ["instruction"]);
    assert_eq!(keys(Settings::default()), [""; 0]);
}
