//! Keys never appear in output.

use crate::scene::{replies, soon};
use crate::support::{Chain, Output};
use crate::wire::stage::{FORMATS, SECRET, folder};
use arcllm::{Config, Message, Overrides};
use arcllm_simulator::{Format, Reply};

#[tokio::test]
async fn keys_are_in_no_output() {
    for format in FORMATS {
        // Providers repeat keys in their errors, as they are and escaped as in JSON.
        let escaped = SECRET.replace('/', "\\/");
        let told = format!("{{\"error\": {{\"message\": \"no such key: {escaped}\", \"code\": \"{SECRET}\"}}}}");
        let provider = replies([
            Reply::text("Hello"),
            Reply::error(401, format!("the key {SECRET} is unknown")).header("request-id", SECRET),
            Reply::body("application/json", told).with_status(401),
            Reply::body("text/plain", format!("Bearer {SECRET}")),
        ])
        .await;
        let folder = folder(format, &provider);
        for number in 0..4 {
            let arguments = ["invoke", "--trace", "Hi"];
            let arguments = if number % 2 == 0 { &arguments[..] } else { &["invoke", "--json", "--trace", "Hi"][..] };
            let command =
                folder.arcllm(arguments).unwrap().trusted().env("MAIN_KEY", SECRET).env("ARCLLM_LOG", "trace");
            let Output { code, stdout, stderr } = soon(command.run()).await.unwrap();
            assert!(code < 2 && stderr.contains("attempt"), "{stdout}\n{stderr}");
            for text in [stdout, stderr] {
                assert!(!text.contains(SECRET) && !text.contains("0123456789"), "{text}");
            }
        }
        assert!(provider.requests().iter().all(|request| request.authorized_with(SECRET)));
    }
}

/// The key is a variable that Cargo sets for each test.
#[tokio::test]
async fn keys_are_in_no_debug_output() {
    let secret = env!("CARGO_MANIFEST_DIR");
    let provider = replies([Reply::error(401, format!("what is {secret}?"))]).await;
    let settings = "api_key_env = \"CARGO_MANIFEST_DIR\"";
    let folder = Chain::new().provider_with("main", Format::Anthropic, &provider.url(), settings).folder().unwrap();
    let host = folder.host().unwrap();
    let model = soon(host.load_model("main", Overrides::new())).await.unwrap();
    let error = soon(model.invoke(&[Message::user("Hi")], &[])).await.unwrap_err();
    assert!(provider.requests()[0].authorized_with(secret));
    let config: &Config = host.config();
    let shown = [format!("{host:?}"), format!("{config:?}"), format!("{model:?}"), format!("{error:?}")];
    for text in shown.into_iter().chain([error.to_string()]) {
        assert!(!text.contains(secret), "{text}");
    }
}
