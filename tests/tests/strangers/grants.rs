//! A module needs a grant for what it adds to a request.

use crate::scene::{around, around_both, load, replies, soon};
use crate::strangers::stage::{EVIL, ask, body, hostile, run};
use arcllm::{ErrorKind, Overrides};
use serde_json::json;

#[tokio::test]
async fn a_module_adds_addresses_and_extensions_only_with_their_grants() {
    let extension = "key = \"anthropic.service_tier\"\ntext = '\"auto\"'";
    let url = format!("text = \"{EVIL}\"");
    let media_type = format!("text = \"image/png {EVIL}\"");
    for (add, settings, grant, other) in [
        ("image", &url[..], "urls", "extensions"),
        ("image-in-result", &url, "urls", "extensions"),
        ("block", &url, "urls", "extensions"),
        ("block-in-result", &url, "urls", "extensions"),
        ("source", &url, "urls", "extensions"),
        ("media-type", &media_type, "urls", "extensions"),
        ("reference", &url, "urls", "extensions"),
        ("extension", extension, "extensions", "urls"),
        ("options-extension", extension, "extensions", "urls"),
        ("message-extension", extension, "extensions", "urls"),
        ("block-extension", extension, "extensions", "urls"),
        ("tool-extension", extension, "extensions", "urls"),
    ] {
        let a = replies([]).await;
        let settings = format!("add = \"{add}\"\n{settings}");
        for (settings, allow) in
            [(settings.clone(), vec![]), (settings.clone(), vec![other]), (format!("{settings}\ntwice = true"), vec![])]
        {
            let error = ask(&hostile(around(&a), &settings, &allow)).await.unwrap_err();
            let ErrorKind::Module(failure) = &error.kind else { panic!("{add}: {error:?}") };
            assert_eq!(
                (&failure.extensions["module"], &failure.extensions["grant"]),
                (&json!("hostile"), &json!(grant))
            );
            let help = format!("allow = [\"{grant}\"] under [modules.hostile.sandbox]");
            assert!(failure.message.contains("`hostile`") && failure.message.contains(&help), "{failure}");
            assert!(!failure.message.contains("evil"), "what was added may be a secret: {failure}");
        }
        assert_eq!(a.connections(), 0, "{add}");
        let granted = ask(&hostile(around(&a), &settings, &[grant])).await;
        if add.ends_with("-in-result") {
            // It has the grant, and its result has no call.
            assert!(granted.unwrap_err().to_string().contains("a result of the tool call \"t\""));
            continue;
        }
        granted.unwrap();
        let sent = body(&a).to_string();
        assert!(sent.contains(EVIL) || sent.contains("service_tier"), "{add}: {sent}");
    }
}

#[tokio::test]
async fn content_of_the_request_can_stay_move_or_go() {
    let (plain, a) = (replies([]).await, replies([]).await);
    ask(&around(&plain).folder().unwrap()).await.unwrap();
    for twice in ["", "twice = true"] {
        ask(&hostile(around(&a), &format!("add = \"nothing\"\n{twice}"), &[])).await.unwrap();
        assert_eq!(body(&a), body(&plain));
        ask(&hostile(around(&a), &format!("add = \"move\"\n{twice}"), &[])).await.unwrap();
        assert!(body(&a).to_string().contains("https://example.com/a.png"));
    }
    // Changing the value of an extension counts as adding one.
    let settings = "add = \"extension\"\nkey = \"trace.id\"\ntext = \"8\"";
    assert_eq!(ask(&hostile(around(&a), settings, &[])).await.unwrap_err().kind.as_str(), "module");
}

#[tokio::test]
async fn an_address_in_an_extension_needs_both_grants() {
    let a = replies([]).await;
    let settings = format!("add = \"extension\"\nkey = \"anthropic.mcp_servers\"\ntext = '[{{\"url\": \"{EVIL}\"}}]'");
    for (allow, grant) in [(vec!["urls"], "extensions"), (vec!["extensions"], "urls")] {
        let error = ask(&hostile(around(&a), &settings, &allow)).await.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Module(failure) if failure.extensions["grant"] == grant), "{error:?}");
    }
    assert_eq!(a.connections(), 0);
    ask(&hostile(around(&a), &settings, &["urls", "extensions"])).await.unwrap();
    assert_eq!(body(&a)["mcp_servers"][0]["url"], EVIL);
}

#[tokio::test]
async fn without_a_grant_the_module_gets_an_error_and_nothing_is_sent() {
    let (a, b) = (replies([]).await, replies([]).await);
    for asks in ["", "load = \"b\""] {
        let settings = format!("add = \"image\"\ntext = \"{EVIL}\"\ntell = true\n{asks}");
        let answer = ask(&hostile(around_both(&a, &b), &settings, &[])).await.unwrap();
        let told = answer.text().unwrap();
        assert!(told.contains("Module") && told.contains("urls"), "{told}");
    }
    assert_eq!((a.connections(), b.connections()), (0, 0));
    // The next call of the same instance is served.
    let folder = hostile(around(&a), &format!("add = \"image\"\ntext = \"{EVIL}\""), &[]);
    let model = load(&folder, Overrides::new()).await;
    for _ in 0..2 {
        let error = soon(model.invoke(&[arcllm::Message::user("Hi")], &[])).await.unwrap_err();
        assert!(error.to_string().contains("urls"), "{error}");
    }
}

#[tokio::test]
async fn the_command_shows_what_a_module_may_add() {
    let a = replies([]).await;
    let folder = hostile(around(&a), "", &["urls"]);
    let output = run(&folder, &["modules", "--json"]).await;
    let modules = output.json().unwrap();
    let hostile = modules["modules"].as_array().unwrap().iter().find(|module| module["name"] == "hostile").unwrap();
    assert_eq!(hostile["granted"], json!(["models", "urls"]));
    let may = hostile["may"].to_string();
    for words in ["rewrite what is asked", "the grant `urls`", "the grant `extensions`"] {
        assert!(may.contains(words), "{may}");
    }
    let output = run(&folder, &["modules"]).await;
    assert!(output.stdout.contains("granted  models, urls"), "{}", output.stdout);
    // The built-in modules have none of these grants.
    let retry = modules["modules"].as_array().unwrap().iter().find(|module| module["name"] == "retry").unwrap();
    assert!(!retry["granted"].to_string().contains("urls") && !retry["may"].to_string().contains("urls"), "{retry}");
    let folder = self::hostile(around(&a), "", &["url"]);
    let error = folder.host().unwrap_err();
    assert!(error.help.unwrap().contains("\"extensions\""));
}
