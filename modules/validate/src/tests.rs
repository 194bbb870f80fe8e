use arcllm_module::{
    Config as _,
    stream::read,
    testing::{World, text},
    types::{ContentBlock, FunctionTool, JsonSchema, OutputFormat, RequestParts, Role, StopReason, Tool, ToolCall},
};

use super::*;

const SCHEMA: &str = r#"{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}"#;

fn request(world: &World) -> Request {
    let mut parts = RequestParts::from_text("How old?");
    parts.options.output = Some(OutputFormat::JsonSchema(JsonSchema {
        name: "person".to_owned(),
        description: String::new(),
        schema: SCHEMA.to_owned(),
        strict: None,
        extensions: Vec::new(),
    }));
    world.request("").derive(&parts)
}

fn counted(said: &str) -> ResponseParts {
    let mut parts = text(said);
    (parts.usage.input_tokens, parts.usage.total_tokens) = (5, 5);
    parts
}

fn said(parts: &RequestParts) -> String {
    let mut last = parts.messages.last().unwrap().clone();
    last.content.iter_mut().flat_map(|block| block.texts_mut()).map(|text| text.clone()).collect()
}

#[test]
fn it_asks_again_with_what_was_wrong_and_the_tokens_add_up() {
    for streamed in [false, true] {
        let world = World::new().answers([Ok(counted("{\"age\": \"old\"}")), Ok(counted("{\"age\": 7}"))]);
        let world = if streamed { world.streamed() } else { world };
        let module = Validate::new(Settings::default());
        let response = world.run(module.invoke(request(&world))).unwrap();
        assert_eq!((response.parts().text().as_str(), response.usage().input_tokens), ("{\"age\": 7}", 10));
        let asked = &world.asked()[1].parts;
        assert_eq!(asked.messages.len(), 3);
        assert!(matches!(asked.messages[1].role, Role::Assistant) && matches!(asked.messages[2].role, Role::User));
        assert!(said(asked).contains("$.age: must be integer, not string"), "{}", said(asked));
        assert_eq!(world.notes().len(), 2);
    }
}

#[test]
fn after_the_last_try_the_error_says_what_is_wrong_by_path() {
    let world = World::new().answers([Ok(text("Seven."))]);
    let module = Validate::new(Settings { max_retries: 1, ..Settings::default() });
    let error = world.run(module.invoke(request(&world))).err().unwrap();
    let Error::Parse(failure) = &error else { panic!("{error:?}") };
    assert!(failure.message.contains("(person), after 2 requests: $: is not JSON"), "{}", failure.message);
    assert_eq!((world.asked().len(), failure.provider.as_str()), (2, "inner"));
}

#[test]
fn calls_without_a_schema_pass_untouched() {
    let world = World::new().answers([Ok(text("Seven."))]).streamed();
    let response = world.run(Validate::new(Settings::default()).invoke(world.request("Hi"))).unwrap();
    assert_eq!((response.parts().text().as_str(), world.notes().len()), ("Seven.", 0));
}

#[test]
fn what_is_cut_or_declined_is_not_judged() {
    for stop in [StopReason::MaxTokens, StopReason::Refusal, StopReason::ContentFilter, StopReason::PauseTurn] {
        let world = World::new().answers([Ok(ResponseParts { stop_reason: stop, ..text("{\"age\": ") })]);
        world.run(Validate::new(Settings::default()).invoke(request(&world))).unwrap();
        assert_eq!(world.asked().len(), 1);
    }
}

#[test]
fn tool_calls_are_checked_if_set() {
    let call = |id: &str, arguments: &str| {
        let (name, arguments) = ("look".to_owned(), arguments.to_owned());
        ContentBlock::ToolUse(ToolCall { id: id.to_owned(), name, arguments, cache: None, extensions: Vec::new() })
    };
    let answer =
        |calls: Vec<ContentBlock>| Ok(ResponseParts { content: calls, stop_reason: StopReason::ToolUse, ..text("") });
    let wrong = || vec![call("1", "{\"age\": 1}"), call("2", "{}")];
    for (tools, requests) in [(true, 2), (false, 1)] {
        let world = World::new().answers([answer(wrong()), answer(vec![call("3", "{\"age\": 2}")])]);
        let mut parts = RequestParts::from_text("Look");
        parts.tools.push(Tool::Function(FunctionTool {
            name: "look".to_owned(),
            description: String::new(),
            parameters: SCHEMA.to_owned(),
            strict: None,
            cache: None,
            extensions: Vec::new(),
        }));
        let request = world.request("").derive(&parts);
        world.run(Validate::new(Settings { tools, ..Settings::default() }).invoke(request)).unwrap();
        assert_eq!(world.asked().len(), requests);
        if tools {
            let told = said(&world.asked()[1].parts);
            assert!(told.contains("not run") && told.contains("$: lacks the property \"age\""), "{told}");
        }
    }
}

#[test]
fn a_call_of_a_tool_that_the_request_does_not_have_is_wrong() {
    let call = |name: &str| {
        let (id, name, arguments) = ("1".to_owned(), name.to_owned(), "{}".to_owned());
        ContentBlock::ToolUse(ToolCall { id, name, arguments, cache: None, extensions: Vec::new() })
    };
    let answer =
        |name: &str| Ok(ResponseParts { content: vec![call(name)], stop_reason: StopReason::ToolUse, ..text("") });
    let function = Tool::Function(FunctionTool {
        name: "look".to_owned(),
        description: String::new(),
        parameters: "{}".to_owned(),
        strict: None,
        cache: None,
        extensions: Vec::new(),
    });
    let other = |json: &str| Tool::Other(json.to_owned());
    let custom = r#"{"type": "custom", "custom": {"name": "shell"}}"#;
    for (tools, called, checks, requests) in [
        (vec![function.clone()], "zzz", true, 2),
        (vec![function.clone()], "zzz", false, 1),
        (vec![function.clone(), other(r#"{"type": "bash_20250124", "name": "bash"}"#)], "bash", true, 1),
        (vec![function.clone(), other(custom)], "shell", true, 1),
        (vec![function.clone(), other(custom)], "zzz", true, 2),
        // A tool whose name is not known may have been called.
        (vec![function, other(r#"{"type": "odd"}"#)], "zzz", true, 1),
    ] {
        let world = World::new().answers([answer(called), answer("look")]);
        let mut parts = RequestParts::from_text("Look");
        parts.tools = tools;
        let request = world.request("").derive(&parts);
        world.run(Validate::new(Settings { tools: checks, ..Settings::default() }).invoke(request)).unwrap();
        assert_eq!(world.asked().len(), requests, "{called}");
        if requests == 2 {
            let told = said(&world.asked()[1].parts);
            assert!(told.contains("\"zzz\": is no tool of the request, which has `look`"), "{told}");
        }
    }
}

#[test]
fn a_schema_that_cannot_be_checked_is_refused_before_anything_is_asked_or_passes_if_set() {
    for (uncheckable, requests) in [(Uncheckable::Refuse, 0), (Uncheckable::Pass, 1)] {
        let world = World::new();
        let mut parts = RequestParts::from_text("Hi");
        let schema = r#"{"$ref": "http://example.test/schema"}"#.to_owned();
        let (name, description) = ("s".to_owned(), String::new());
        let json = JsonSchema { name, description, schema, strict: None, extensions: Vec::new() };
        parts.options.output = Some(OutputFormat::JsonSchema(json));
        let request = world.request("").derive(&parts);
        let result = world.run(Validate::new(Settings { uncheckable, ..Settings::default() }).invoke(request));
        assert_eq!((world.asked().len(), result.is_ok()), (requests, requests == 1));
        if let Err(error) = result {
            assert!(
                matches!(&error, Error::Api(api) if api.status == 400 && api.message.contains("schema of `s`")),
                "{error:?}"
            );
        }
    }
}

#[test]
fn any_json_object_will_do_without_a_schema() {
    let world = World::new().answers([Ok(text("[1]")), Ok(text("```json\n{}\n```")), Ok(text(" {\"a\": 1}\n"))]);
    let mut parts = RequestParts::from_text("Hi");
    parts.options.output = Some(OutputFormat::Json);
    let request = world.request("").derive(&parts);
    world.run(Validate::new(Settings::default()).invoke(request)).unwrap();
    assert!(said(&world.asked()[1].parts).contains("must be a JSON object"));
    assert!(said(&world.asked()[2].parts).contains("fence"), "nothing is repaired");
}

#[test]
fn an_answer_that_breaks_off_is_an_error_of_the_call() {
    let broken = Error::Connection(Failure::new("", "reset"));
    let world = World::new().answers([Ok(text("{\"age\": 7}"))]).streamed().breaks_off([(1, broken)]);
    assert!(matches!(world.run(Validate::new(Settings::default()).invoke(request(&world))), Err(Error::Connection(_))));
    // The next one is whole.
    let response = world.run(Validate::new(Settings::default()).invoke(request(&world))).unwrap();
    let events = world.run(async { read(response).read().await }).unwrap();
    assert!(matches!(events.last(), Some(Event::End(_))));
}

#[test]
fn a_wrong_setting_is_named() {
    let errors = Settings { max_retries: 17, ..Settings::default() }.check();
    assert_eq!(errors[0].key, "max_retries");
    let target = Target {
        name: String::new(),
        provider: String::new(),
        model: String::new(),
        most: Cost { attempts: 4, waiting: u64::MAX },
    };
    let most = Validate::new(Settings::default()).worst_case(&target, &[]);
    assert_eq!((most.attempts, most.waiting), (12, u64::MAX));
}
