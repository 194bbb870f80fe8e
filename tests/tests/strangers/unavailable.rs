//! Models that do not load.

use crate::strangers::stage::{BLOCKING, ask, hostile, prebuilt, run};
use crate::{
    scene::{around, count, replies},
    support::Folder,
};
use arcllm_simulator::{Format, Reply};

#[tokio::test]
async fn the_caller_learns_why_a_model_does_not_load_and_the_module_does_not() {
    let (a, b) = (replies([Reply::status(500).times(4)]).await, replies([]).await);
    let chain = || {
        let key = "api_key_env = \"ARCLLM_TEST_NO_SUCH_KEY\"";
        around(&a).provider_with("b", Format::OpenAi, &b.url(), key)
    };
    for provider in ["b", "nobody"] {
        let folder = hostile(chain(), &format!("load = \"{provider}\"\ntell = true"), &[]);
        let told = ask(&folder).await.unwrap().text().unwrap();
        says_nothing(&told, provider, &folder);
        let folder = hostile(chain(), &format!("load = \"{provider}\""), &[]);
        let error = ask(&folder).await.unwrap_err();
        assert_eq!((error.kind.as_str(), error.kind.provider()), ("config", Some(provider)));
        let why = if provider == "b" { "ARCLLM_TEST_NO_SUCH_KEY" } else { "unknown model or provider `nobody`" };
        assert!(error.to_string().contains(why) && error.to_string().contains("config.toml"), "{error}");
    }
    // The same in the blocking world, where an unknown provider is found earlier.
    let order = "order = [\"blocking\"]\nwatch = false";
    for (tell, code) in [("tell = true", 0), ("", 2)] {
        let chain = chain().host(order).module("blocking", &format!("other = \"b\"\n{tell}"));
        let folder =
            Folder::new(&chain.table("modules.blocking.sandbox", "allow = [\"models\", \"state\"]").to_string())
                .unwrap();
        folder.write("modules/blocking.wasm", prebuilt(BLOCKING)).unwrap();
        let output = run(&folder, &["invoke", "--json", "Hi"]).await;
        assert_eq!(output.code, code, "{output:?}");
        let json = output.json().unwrap();
        match code {
            0 => says_nothing(json["content"].as_str().unwrap(), "b", &folder),
            _ => assert!(json["error"]["message"].as_str().unwrap().contains("ARCLLM_TEST_NO_SUCH_KEY"), "{json}"),
        }
    }
    assert_eq!(count(&b), 0);
}

#[track_caller]
fn says_nothing(told: &str, provider: &str, folder: &Folder) {
    assert!(told.contains(&format!("the model of `{provider}` is not available")), "{told}");
    let path = folder.path().display().to_string();
    for secret in ["ARCLLM_TEST_NO_SUCH_KEY", "config.toml", "anthropic", "known are", &path] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}
