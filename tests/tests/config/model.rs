//! What a loaded model says of itself, and whether it can be asked.

use std::fs;

use arcllm::{Host, Overrides, ProviderConfig};

use crate::support::{Folder, built_in_module};

const CONFIG: &str = r#"
[host]
order = ["mine"]
modules_dir = "modules"

[modules.mine]
enabled = true
sandbox.allow = ["state"]

[providers.a]
adapter = "openai"
base_url = "http://127.0.0.1:9"
default_model = "tiny"
api_key_file = "key"
"#;

#[tokio::test]
async fn validate_config_checks_the_key_and_every_module() {
    let folder = Folder::new(CONFIG).unwrap();
    let key = folder.write("key", "sk-secret").unwrap();
    fs::create_dir_all(folder.path().join("modules")).unwrap();
    let module = folder.write("modules/mine.wasm", fs::read(built_in_module("retry")).unwrap()).unwrap();
    let host = folder.host().unwrap();
    let model = host.load_model("a", Overrides::new()).await.unwrap();
    assert_eq!((model.provider(), model.name(), model.model()), ("a", "a", "tiny"));
    assert_eq!(model.validate_config(), Ok(()));

    fs::remove_file(&key).unwrap();
    let error = model.validate_config().unwrap_err();
    assert_eq!(error.key.as_deref(), Some("providers.a.api_key_file"));
    assert!(!error.to_string().contains("secret"), "{error}");
    fs::write(&key, "sk-other").unwrap();
    assert_eq!(model.validate_config(), Ok(()));

    fs::remove_file(&module).unwrap();
    assert_eq!(host.reload().await.removed, ["mine"]);
    let error = model.validate_config().unwrap_err();
    assert_eq!(error.key.as_deref(), Some("modules.mine"));
}

/// A program's own client is used for every request, in place of the library's.
#[tokio::test]
async fn a_client_of_the_program_sends_the_requests() {
    let server = crate::scene::replies([]).await;
    // reqwest takes it from the program, unless a feature chooses one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().user_agent("a program").build().unwrap();
    let provider = ProviderConfig::openai(&server.url()).unwrap().model("tiny");
    let host = Host::builder().provider("a", provider).http_client(client).build().unwrap();
    let model = host.load_model("a/big", Overrides::new()).await.unwrap();
    assert_eq!((model.provider(), model.model()), ("a", "big"));
    model.invoke(&[arcllm::Message::user("Hi")], &[]).await.unwrap();
    assert_eq!(server.requests()[0].header("user-agent"), Some("a program"));
}
