//! Arguments and requests that are wrong.

use crate::bad_input::stage::{GOOD, Scene, given};
use crate::scene::soon;
use insta::assert_snapshot;

#[tokio::test]
async fn wrong_overrides() {
    assert_snapshot!(given(&["--module", "retry=1", "Hi"]).await, @r#"
    error: invalid value 'retry=1' for '--module <NAME=on|off|{json}>': expected NAME=on, NAME=off or NAME={"key": value}

    For more information, try '--help'.
    "#);
    assert_snapshot!(given(&["--module", "retry", "Hi"]).await, @r#"
    error: invalid value 'retry' for '--module <NAME=on|off|{json}>': expected NAME=on, NAME=off or NAME={"key": value}

    For more information, try '--help'.
    "#);
    assert_snapshot!(given(&["--module", "retry={max_retries: 1}", "Hi"]).await, @r#"
    error: invalid value 'retry={max_retries: 1}' for '--module <NAME=on|off|{json}>': expected NAME=on, NAME=off or NAME={"key": value}; the JSON is wrong: key must be a string at line 1 column 2

    For more information, try '--help'.
    "#);
    assert_snapshot!(given(&["--module", "retry={\"max_retires\": 1}", "Hi"]).await, @"
    error: `modules.retry.max_retires` is not a setting (in the overrides of this load)
      help: did you mean `max_retries`?
    ");
    assert_snapshot!(given(&["--module", "retry={\"max_retries\": -1}", "Hi"]).await, @"
    error: `modules.retry.max_retries` is -1 (in the overrides of this load)
      help: How often a call is tried again after its first attempt: a whole number, zero or more.
    ");
    assert_snapshot!(given(&["--module", "retry={\"enabled\": 1}", "Hi"]).await, @"
    error: `modules.retry.enabled` is the number 1 in the overrides of this load
      help: true or false
    ");
    assert_snapshot!(given(&["--module", "retry={\"sandbox\": {}}", "Hi"]).await, @"
    error: `modules.retry.sandbox` is a table in the overrides of this load
      help: the sandbox is set in the config file alone
    ");
    assert_snapshot!(given(&["--module", "fallback={\"chain\": [\"mian\"]}", "Hi"]).await, @"
    error: `modules.fallback.chain[0]` names the unknown provider or model `mian` (in the overrides of this load)
      help: did you mean `main`?
    ");
}

#[tokio::test]
async fn malformed_requests() {
    let request = async |json: &str| {
        Scene::of(GOOD).await.file("request.json", json).refuses(&["invoke", "--request", "request.json"]).await
    };
    assert_snapshot!(request("{\"messages\": [").await, @r#"
    error: request.json:1: is not JSON: a list is not closed
      help: expected {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("[]").await, @r#"
    error: request.json:1: is a list
      help: expected {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("{\"messages\": []}").await, @"
    error: request.json: `messages` is empty, and there is no PROMPT
      help: give a PROMPT, or --request FILE
    ");
    assert_snapshot!(request("{\"messages\": \"Hi\"}").await, @r#"
    error: request.json:1: `messages` is the text "Hi"
      help: a list
    "#);
    assert_snapshot!(request("{\"messages\": [{\"role\": \"usr\", \"content\": \"Hi\"}]}").await, @r#"
    error: request.json:1: `messages[0].role` is "usr", which is not a value that it can have
      help: did you mean `user`?
    "#);
    assert_snapshot!(request("{\"messages\": [{\"role\": \"user\", \"content\": [{\"text\": \"Hi\"}]}]}").await, @r#"
    error: request.json:1: `messages[0].content[0]`: a block is an object with a `type` that is a string
      help: expected {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(request("{\"message\": []}").await, @"
    error: request.json:1: `message` is not a key
      help: did you mean `messages`?
    ");
    let image = "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"data\": \"!\"}]}]}";
    assert_snapshot!(request(image).await, @r#"
    error: request.json:1: `messages[0].content[0]`: `data` needs its `media_type` (1 characters given)
      help: expected {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    let options = |options: &str| {
        format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"\"}}], \"options\": {options}}}")
    };
    assert_snapshot!(request(&options("{\"temprature\": 1}")).await, @"
    error: request.json:1: `options.temprature` is not a key
      help: did you mean `temperature`?
    ");
    assert_snapshot!(request(&options("{\"deadline_seconds\": -1}")).await, @r#"
    error: request.json:1: `options.deadline_seconds`: -1 is not a number of seconds
      help: expected {"messages": [{"role": "user", "content": "…"}], "tools": […], "options": {…}}
    "#);
    assert_snapshot!(given(&["--request", "nowhere.json"]).await, @"
    error: nowhere.json: cannot be read: No such file or directory (os error 2)
      help: give a file with the JSON of a request; `arcllm invoke --help` shows one
    ");
    assert_snapshot!(given(&["--request", "-", "-"]).await, @"
    error: PROMPT and --request are both `-`, but only one can read standard input
      help: put the request into a file: --request FILE
    ");
}

/// The fields of a request have names and no order.
#[tokio::test]
async fn a_list_instead_of_a_request() {
    let list = "[[{\"role\": \"user\", \"content\": \"Hi\"}], [], {}, {}]";
    let scene = Scene::of(GOOD).await.file("request.json", list);
    let told = scene.refuses(&["invoke", "--request", "request.json"]).await;
    assert!(told.starts_with("error: request.json:1: is a list\n  help: expected {"), "{told}");
}

#[tokio::test]
async fn nothing_to_ask() {
    assert_snapshot!(given(&[]).await, @"
    error: there is no question
      help: give a PROMPT, or --request FILE
    ");
    assert_snapshot!(given(&[""]).await, @"
    error: there is no question
      help: give a PROMPT, or --request FILE
    ");
}

#[tokio::test]
async fn wrong_settings_of_a_module_that_the_call_switches_off() {
    assert_snapshot!(given(&["--module", "retry={\"enabled\": false, \"max_retris\": 1}", "Hi"]).await, @"
    error: `modules.retry.max_retris` is not a setting (in the overrides of this load)
      help: did you mean `max_retries`?
    ");
}

#[tokio::test]
async fn options_out_of_range() {
    for options in [r#"{"max_tokens": 0}"#, r#"{"temperature": -3}"#, r#"{"deadline_seconds": 0}"#] {
        let request = format!(r#"{{"messages": [{{"role": "user", "content": "Hi"}}], "options": {options}}}"#);
        let scene = Scene::of(GOOD).await.file("request.json", request.as_bytes());
        let output = soon(scene.folder.arcllm(["invoke", "--request", "request.json"]).unwrap().run()).await.unwrap();
        assert_eq!((output.code, scene.provider.connections()), (2, 0), "{options}: {output:?}");
    }
}
