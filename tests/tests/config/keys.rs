//! Where keys come from, and what else requests carry.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arcllm::{Config, ErrorKind, Host, Message, Overrides, Response};
use arcllm_simulator::{Format, Reply, Simulator};
use insta::assert_snapshot;

use crate::{
    scene::{dead, replies, soon},
    support::{Chain, Folder, Output},
};

/// A folder whose provider has these settings.
fn folder(server: &Simulator, settings: &str) -> Folder {
    Folder::new(&Chain::new().provider_with("a", Format::OpenAi, &server.url(), settings).to_string()).unwrap()
}

async fn run(folder: &Folder, arguments: &[&str]) -> Output {
    let command = folder.arcllm(arguments).unwrap().trusted().env("TEST_SECRET", "s3cret/+ value");
    soon(command.run()).await.unwrap()
}

/// The error of a refused question. Checks that nothing was sent.
async fn refused(settings: &str) -> String {
    let server = replies([]).await;
    let output = run(&folder(&server, settings), &["invoke", "Hi"]).await;
    assert_eq!((output.code, output.stdout.as_str(), server.connections()), (2, "", 0), "{output:?}");
    output.stderr
}

async fn ask(host: &Host) -> Result<Response, arcllm::Error> {
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// A command that prints another key each time: `key-1`, `key-2` and so on.
#[cfg(unix)]
const COUNTS: &str = r#"api_key_command = ["sh", "-c", "echo x >> \"$0\"; echo key-$(wc -l < \"$0\")", "COUNT"]"#;

#[cfg(unix)]
fn counting(server: &Simulator) -> (Folder, impl Fn() -> usize) {
    let folder = folder(server, "");
    let count = folder.path().join("count");
    let settings = COUNTS.replace("COUNT", &count.display().to_string());
    let chain = Chain::new().provider_with("a", Format::OpenAi, &server.url(), &settings);
    folder.write("config.toml", chain.to_string()).unwrap();
    (folder, move || fs::read_to_string(&count).map_or(0, |text| text.lines().count()))
}

#[tokio::test]
async fn a_key_in_a_file() {
    let server = replies([]).await;
    let folder = folder(&server, "api_key_file = \"secrets/key\"");
    folder.write("secrets/key", "sk-file\r\n").unwrap();
    let file = folder.path().join("config.toml").display().to_string();
    let elsewhere = Folder::new("").unwrap();
    // Relative to the configuration, wherever the caller is.
    let output = run(&elsewhere, &["invoke", "--config", &file, "Hi"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(server.requests()[0].authorized_with("sk-file"));
}

#[tokio::test]
async fn a_file_without_a_key() {
    assert_snapshot!(refused("api_key_file = \"nowhere\"").await, @r#"
    error: config.toml:10: `providers.a.api_key_file` names the file "nowhere", which cannot be read: No such file or directory (os error 2)
      help: name a file that holds only the key of a
    "#);
    let server = replies([]).await;
    let folder = folder(&server, "api_key_file = \"key\"");
    for (content, says) in [("\n", "which is empty"), ("sk-one\nsk-two", "characters that no key has")] {
        folder.write("key", content).unwrap();
        let output = run(&folder, &["invoke", "Hi"]).await;
        assert!(output.code == 2 && output.stderr.contains(says) && !output.stderr.contains("sk-"), "{output:?}");
        let output = run(&folder, &["check"]).await;
        assert!(output.code == 0 && output.stdout.contains(says), "{output:?}");
    }
    assert_eq!(server.connections(), 0);
}

/// Another source replaces the variable of a preset.
#[tokio::test]
async fn a_provider_has_one_key() {
    assert_snapshot!(refused("api_key_env = \"HOME\"\napi_key_file = \"key\"").await, @"
    error: config.toml:11: `providers.a.api_key_file` is set beside `api_key_env`, but a provider has one key
      help: set one of api_key_env, api_key_file and api_key_command
    ");
    let both = refused("api_key_file = \"key\"\napi_key_command = [\"pass\"]").await;
    assert!(both.contains("`providers.a.api_key_command` is set beside `api_key_file`"), "{both}");
    let server = replies([]).await;
    let config = format!(
        "[defaults]\nprovider = \"openai\"\n[providers.openai]\nbase_url = \"{}\"\napi_key_file = \"key\"",
        server.url()
    );
    let folder = Folder::new(&config).unwrap();
    folder.write("key", "sk-file").unwrap();
    assert_eq!(run(&folder, &["invoke", "Hi"]).await.code, 0);
    assert!(server.requests()[0].authorized_with("sk-file"));
}

#[tokio::test]
async fn malformed_key_commands() {
    let settings = |value: &str| format!("api_key_command = {value}");
    let help = "help: a program and its arguments, such as";
    for (value, says) in [
        ("\"pass show key\"", "is the text \"pass show key\""),
        ("[]", "is an empty list"),
        ("[\"\"]", "begins with an empty text"),
        ("[\"pass\", 1]", "is a list"),
        ("[\"pass\", \"\\u0000\"]", "holds a zero byte"),
    ] {
        let said = refused(&settings(value)).await;
        assert!(said.contains("`providers.a.api_key_command`") && said.contains(says), "{said}");
        assert!(said.contains(help) || said.contains("help: a list of texts"), "{said}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_failing_command_is_reported_without_its_output() {
    let settings = r#"api_key_command = ["sh", "-c", "echo sk-secret; printf 'locked\\033[31m' >&2; sleep 0.2; exit 3", "argument"]"#;
    assert_snapshot!(refused(settings).await, @r#"
    error: config.toml:10: `providers.a.api_key_command` ran "sh", which failed (exit status: 3): locked\u{1b}[31m
      help: name a program that prints only the key of a
    "#);
    let slow = "api_key_command = [\"sleep\", \"600\"]\napi_key_timeout_seconds = 0.1";
    let said = refused(slow).await;
    assert!(said.contains("api_key_timeout_seconds)"), "{said}");
    let nowhere = refused("api_key_command = [\"./no-such-program\", \"sk-argument\"]").await;
    assert!(
        nowhere.contains("no-such-program\", which cannot be run") && !nowhere.contains("sk-argument"),
        "{nowhere}"
    );
    let nothing = refused("api_key_command = [\"true\"]").await;
    assert!(nothing.contains("ran a command whose output is empty"), "{nothing}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_runs_once_and_again_after_a_401() {
    let server = replies([Reply::default(), Reply::default(), Reply::error(401, "expired key-1")]).await;
    let (folder, ran) = counting(&server);
    let host = folder.host().unwrap();
    assert_eq!(soon(host.check(Some("a"))).await.problems, Vec::<String>::new());
    assert_eq!(ran(), 0, "to check is not to ask for a key");
    ask(&host).await.unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap();
    assert_eq!(ran(), 1, "of two loads and two calls");
    let error = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err();
    let ErrorKind::Api(api) = &error.kind else { panic!("{error}") };
    assert_eq!((api.status, api.message.as_str(), error.trail.len()), (401, "expired [redacted]", 1));
    // The same model, in several calls at once.
    let hi = [Message::user("Hi")];
    let calls = (0..8).map(|_| model.invoke(&hi, &[]));
    soon(futures::future::join_all(calls)).await.into_iter().for_each(|answer| drop(answer.unwrap()));
    assert_eq!(ran(), 2);
    let keys = server.requests().iter().map(|request| request.authorized_with("key-2")).collect::<Vec<_>>();
    assert_eq!(keys, [&[false; 3][..], &[true; 8]].concat());
}

/// A key is not asked for before it is needed.
#[cfg(unix)]
#[tokio::test]
async fn the_key_command_of_a_fallback_runs_when_it_is_needed() {
    let (a, b) = (replies([Reply::default(), Reply::status(503)]).await, replies([]).await);
    let folder = Folder::new("").unwrap();
    let count = folder.path().join("count");
    let chain = Chain::new()
        .provider("a", Format::OpenAi, &a.url())
        .provider_with("b", Format::Anthropic, &b.url(), &COUNTS.replace("COUNT", &count.display().to_string()))
        .module("fallback", "chain = [\"b\"]");
    folder.write("config.toml", chain.to_string()).unwrap();
    let host = folder.host().unwrap();
    let model = soon(host.load_model("a", Overrides::new())).await.unwrap();
    let ask = async || soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap().provider;
    assert_eq!((ask().await.as_str(), count.exists()), ("a", false));
    assert_eq!((ask().await.as_str(), count.exists()), ("b", true));
    assert!(b.requests()[0].authorized_with("key-1"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_relative_program_is_that_of_the_configurations_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = replies([]).await;
    let mine = folder(&server, "api_key_command = [\"./key\"]");
    let elsewhere = Folder::new("").unwrap();
    for (folder, key) in [(&mine, "sk-mine"), (&elsewhere, "sk-evil")] {
        let script = folder.write("key", format!("#!/bin/sh\necho {key}\n")).unwrap();
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let file = mine.path().join("config.toml").display().to_string();
    assert_eq!(run(&elsewhere, &["invoke", "--config", &file, "Hi"]).await.code, 0);
    assert!(server.requests()[0].authorized_with("sk-mine"));
}

#[tokio::test]
async fn a_key_resolver_in_code_provides_keys() {
    let server = replies([Reply::default(), Reply::error(401, "no program-a-0")]).await;
    let variable = "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";
    let config = Chain::new()
        .provider_with("a", Format::OpenAi, &server.url(), variable)
        .provider_with("b", Format::OpenAi, &server.url(), variable)
        .to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let host = Host::builder().config(Config::parse(&config, None).unwrap()).key_resolver(move |provider| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match provider.as_str() {
                "a" => Ok::<_, String>(Some(format!("program-a-{number}"))),
                _ => Ok(None),
            }
        }
    });
    let host = host.build().unwrap();
    ask(&host).await.unwrap();
    let error = ask(&host).await.unwrap_err().to_string();
    assert!(error.contains("no [redacted]"), "{error}");
    ask(&host).await.unwrap();
    let requests = server.requests();
    let carried = ["program-a-0", "program-a-0", "program-a-1"];
    assert!(requests.iter().zip(carried).all(|(request, key)| request.authorized_with(key)));
    assert_eq!((requests.len(), asked.load(Ordering::SeqCst)), (3, 2));
    // If it returns nothing, the configuration counts.
    let error = soon(host.load_model("b", Overrides::new())).await.unwrap_err().to_string();
    assert!(error.contains("ARCLLM_TEST_NO_SUCH_KEY, which is not set"), "{error}");
}

// Headers and query parameters.

#[tokio::test]
async fn headers_and_query_parameters_are_sent() {
    let server = replies([]).await;
    let settings = "api_key_env = \"TEST_SECRET\"\napi_key_header = \"Api-Key\"
        headers.X-Team = \"blue\"\nheaders.x-org = { env = \"TEST_SECRET\" }
        query.api-version = \"2025-01-01\"\nquery.sig = { env = \"TEST_SECRET\" }";
    let output = run(&folder(&server, settings), &["invoke", "Hi"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let request = &server.requests()[0];
    assert_eq!((request.header("x-team"), request.header("x-org")), (Some("blue"), Some("s3cret/+ value")));
    assert!(request.authorized_with("s3cret/+ value") && request.header("authorization").is_none());
    assert!(request.path.ends_with("?api-version=2025-01-01&sig=s3cret%2F%2B+value"), "{}", request.path);
}

#[tokio::test]
async fn values_from_the_environment_are_in_no_error() {
    let settings = "headers.x-org = { env = \"TEST_SECRET\" }\nquery.sig = { env = \"TEST_SECRET\" }";
    let echo = "you sent s3cret/+ value and ?sig=s3cret%2F%2B+value and {\"a\": \"s3cret\\/+ value\"}";
    for reply in
        [Reply::error(400, echo), Reply::body("text/html", echo).with_status(502), Reply::body("text/plain", echo)]
    {
        let server = replies([reply.header("x-request-id", "s3cret/+ value")]).await;
        let output = run(&folder(&server, settings), &["invoke", "--json", "--trace", "Hi"]).await;
        assert_eq!((output.code, server.requests().len()), (1, 1), "{output:?}");
        assert!(output.stdout.contains("[redacted]"), "{output:?}");
        assert!(!format!("{output:?}").contains("s3cret"), "{output:?}");
    }
    let server = dead().await;
    let output = run(&folder(&server, settings), &["invoke", "Hi"]).await;
    assert!(output.code == 1 && !output.stderr.contains("sig") && !output.stderr.contains("s3cret"), "{output:?}");
}

#[tokio::test]
async fn wrong_headers_and_parameters() {
    assert_snapshot!(refused("headers.Authorization = \"Bearer sk-0123\"").await, @"
    error: config.toml:10: `providers.a.headers.Authorization` sets the header `authorization`, which the adapter sets itself
      help: another header; the key comes from api_key_env, api_key_file or api_key_command, and api_key_header names a header of its own for it
    ");
    assert_snapshot!(refused("headers.x-org = { env = \"ARCLLM_TEST_NO_SUCH_KEY\" }").await, @"
    error: config.toml:10: `providers.a.headers.x-org` names the environment variable ARCLLM_TEST_NO_SUCH_KEY, which is not set
    ");
    for (settings, key, says) in [
        ("headers.Host = \"evil.example\"", "headers.Host", "which the adapter sets itself"),
        ("headers.content-type = \"text/plain\"", "headers.content-type", "which the adapter sets itself"),
        ("headers.Content-Length = \"0\"", "headers.Content-Length", "which the adapter sets itself"),
        ("headers.transfer-encoding = \"chunked\"", "headers.transfer-encoding", "which the adapter sets itself"),
        ("api_key_header = \"Authorization\"", "api_key_header", "which the adapter sets itself"),
        ("api_key_header = \"x api key\"", "api_key_header", "is not the name of a header"),
        ("headers.\"x\\r\\nhost\" = \"a\"", "headers.\"x\\r\\nhost\"", "is not the name of a header"),
        ("headers.x-a = \"sk-0123\\r\\nhost: evil\"", "headers.x-a", "holds characters that no header can have"),
        ("headers.x-a = \"schlüssel-sk-0123\"", "headers.x-a", "holds characters that no header can have"),
        ("headers.x-a = \"\"", "headers.x-a", "is an empty text"),
        ("headers.x-a = 5", "headers.x-a", "is the number 5"),
        ("headers.x-a = [\"sk-0123\"]", "headers.x-a", "is a list"),
        (
            "headers.x-a = { env = \"sk-0123\" }",
            "headers.x-a",
            "is a table without the name of an environment variable",
        ),
        (
            "headers.x-a = { env = \"A\", or = \"sk-0123\" }",
            "headers.x-a",
            "is a table without the name of an environment variable",
        ),
        ("headers.x-a = {}", "headers.x-a", "is a table without the name of an environment variable"),
        ("headers = \"x-a\"", "headers", "is the text \"x-a\""),
        ("headers.x-a = \"1\"\nheaders.X-A = \"2\"", "headers.", "is set twice"),
        ("query.a = true", "query.a", "is true"),
        ("query.\"\" = \"a\"", "query.\"\"", "is not a name"),
        ("query.a = { env = \"ARCLLM_TEST_NO_SUCH_KEY\" }", "query.a", "which is not set"),
        ("api_key_timeout_seconds = 0", "api_key_timeout_seconds", "is the number 0"),
    ] {
        let said = refused(settings).await;
        assert!(said.contains(&format!("`providers.a.{key}")) && said.contains(says), "{settings}: {said}");
        assert!(!said.contains("sk-0123"), "{said}");
    }
    let server = replies([]).await;
    let twice = folder(&server, "query.a = \"2\"");
    let config = fs::read_to_string(twice.path().join("config.toml"))
        .unwrap()
        .replace(&server.url(), &format!("{}?a=1", server.url()));
    twice.write("config.toml", config).unwrap();
    let output = run(&twice, &["invoke", "Hi"]).await;
    assert!(output.code == 2 && output.stderr.contains("`providers.a.query.a` is in base_url too"), "{output:?}");
}
