//! The page for people. `cargo test --workspace --test all -- --ignored serve::page` looks at it in a browser.

use std::time::Duration;

use arcllm_simulator::{Format, Reply, Simulator, Usage};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    scene::{FAST, dead, replies, soon},
    serve::{
        browser::Browser,
        gateway::{Answer, Gateway},
    },
    support::{Chain, Folder},
};

/// A name that a page must not take as markup.
const HOSTILE: &str = "<img src=x onerror=\"document.title='taken'\">";

/// The JSON at this path, for the holder of this key.
async fn json_at(gateway: &Gateway, key: &str, path: &str) -> Value {
    let answer = get(gateway, key, path).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.body);
    answer.json()
}

/// The calls after those that `seen` tells, once there are so many.
async fn calls_after(gateway: &Gateway, key: &str, seen: &Value, count: usize) -> Value {
    let path = format!("/api/calls?after={}", seen["cursor"].as_str().unwrap());
    let look = async {
        loop {
            let calls = json_at(gateway, key, &path).await;
            if calls["calls"].as_array().unwrap().len() >= count {
                return calls;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(look).await
}

async fn get(gateway: &Gateway, key: &str, path: &str) -> Answer {
    gateway.send(Method::GET, path, &[("x-api-key", key)], "").await
}

/// Asks this model, and gives the status of the answer.
async fn call(gateway: &Gateway, key: &str, model: &str, streamed: bool) -> u16 {
    let message = json!({ "role": "user", "content": "the secret question" });
    let body = json!({ "model": model, "stream": streamed, "messages": [message] });
    gateway.post_with("/v1/chat/completions", &[("x-api-key", key)], &body).await.status
}

/// Two providers behind fallback and retry. The first is down.
async fn failover(keys: &str) -> (Gateway, [Simulator; 2]) {
    let usage = Usage { input_tokens: 1_000_000, output_tokens: 500_000, ..Usage::default() };
    let (down, good) = (dead().await, replies([Reply::text("the secret answer").usage(usage)]).await);
    let prices = "query = { code = \"the-secret-code\" }\n[providers.good.models.good-model]\ncost_input_per_1m = 2.0\ncost_output_per_1m = 4.0";
    let chain = Chain::new()
        .provider_with("down", Format::Anthropic, &down.url(), "headers = { x-token = \"the-secret-token\" }")
        .provider_with("good", Format::OpenAi, &good.url(), prices)
        .host("order = [\"fallback\", \"retry\"]")
        .module("retry", &format!("max_retries = 1\n{FAST}"))
        .module("fallback", "chain = [\"down\", \"good\"]")
        .table("serve", keys);
    (Gateway::start(&chain).await, [down, good])
}

#[tokio::test(flavor = "multi_thread")]
async fn its_routes_tell_the_course_of_a_call_and_no_content() {
    let (gateway, _providers) = failover("").await;
    let page = get(&gateway, "", "/").await;
    let policy = page.header("content-security-policy");
    let nonce = policy.split('\'').find_map(|word| word.strip_prefix("nonce-")).unwrap();
    assert_eq!(page.body.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "one script and one style");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_ne!(get(&gateway, "", "/").await.body, page.body, "each page has a nonce of its own");

    let before = json_at(&gateway, "", "/api/calls").await;
    assert_eq!((&before["running"], &before["calls"]), (&json!(0), &json!([])));
    assert_eq!(call(&gateway, "", "down", false).await, 200);
    assert_eq!(call(&gateway, "", HOSTILE, true).await, 404);
    let news = calls_after(&gateway, "", &before, 2).await;
    let (missing, answered) = (&news["calls"][0], &news["calls"][1]);
    assert_eq!(
        (&missing["asked"], &missing["outcome"], &missing["status"]),
        (&json!(HOSTILE), &json!("refused"), &json!(404))
    );
    assert_eq!((&answered["asked"], &answered["outcome"]), (&json!("down"), &json!("answered")));
    assert_eq!((&answered["provider"], &answered["attempts"]), (&json!("good"), &json!(3)));
    assert_eq!(answered["cost"], json!(4.0), "one million tokens for 2.0, half a million for 2.0");
    let trail = answered["trail"].as_array().unwrap();
    let course: Vec<_> = trail.iter().map(|attempt| [&attempt["provider"], &attempt["outcome"]]).collect();
    assert_eq!(json!(course), json!([["down", "connection"], ["down", "connection"], ["good", "ok"]]));
    assert_eq!((&trail[1]["waited_by"], &trail[2]["loaded_by"]), (&json!("retry"), &json!("fallback")));
    assert_eq!(calls_after(&gateway, "", &news, 0).await["calls"], json!([]), "a call is told once");

    let overview = json_at(&gateway, "", "/api/overview").await;
    assert_eq!(overview["models"][0]["modules"], json!(["fallback", "retry"]));
    assert_eq!(overview["modules"][0]["asks"], json!(["down", "good"]));
    for told in [page.body, news.to_string(), overview.to_string()] {
        assert!(!told.contains("the-secret") && !told.contains("the secret"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_who_signed_a_module() {
    let good = replies([]).await;
    let chain = Chain::new()
        .provider("good", Format::OpenAi, &good.url())
        .host("order = [\"mine\", \"retry\"]")
        .module("mine", "")
        .module("retry", "");
    let folder = chain.folder().unwrap().trusted();
    folder.write("modules/mine.wasm", std::fs::read(crate::support::test_module("upper")).unwrap()).unwrap();
    let gateway = Gateway::of(folder, &[]).await;
    let overview = json_at(&gateway, "", "/api/overview").await;
    let signature = |name: &str| {
        let modules = overview["modules"].as_array().unwrap();
        modules.iter().find(|module| module["name"] == name).unwrap()["signature"].clone()
    };
    assert_eq!(signature("mine"), "not signed", "{overview}");
    // With modules just built, all of them are files.
    if std::env::var_os("ARCLLM_TEST_MODULES").is_none() {
        assert_eq!(signature("retry"), Value::Null, "what is built in needs no signature");
    }
    let page = get(&gateway, "", "/").await.body;
    assert!(page.contains("[\"signature\", module.signature]"), "the page has a row for it");
}

/// The table of these keys, each with a list of the models that it may use.
fn keys(keys: &[(&str, &str)]) -> String {
    let key = |(key, models): &(&str, &str)| {
        let sha256 = format!("{:x}", Sha256::digest(key));
        format!("keys.{key} = {{ sha256 = \"{sha256}\"{models} }}\n")
    };
    keys.iter().map(key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_what_it_may_use() {
    let (gateway, _providers) = failover(&keys(&[("all", ""), ("one", ", models = [\"good\"]")])).await;
    for path in ["/api/overview", "/api/calls"] {
        for key in ["", "none"] {
            assert_eq!(get(&gateway, key, path).await.status, 401, "{path}");
        }
    }
    assert_eq!(get(&gateway, "", "/").await.status, 200, "the page asks for the key");
    assert_eq!((call(&gateway, "all", "down", false).await, call(&gateway, "one", "good", false).await), (200, 200));
    assert_eq!(call(&gateway, "one", "down", false).await, 403);

    let asked = async |key, count| {
        let calls = calls_after(&gateway, key, &json!({ "cursor": "" }), count).await["calls"].take();
        let calls = calls.as_array().unwrap().iter().map(|call| json!([call["key"], call["asked"], call["outcome"]]));
        Value::from(calls.collect::<Vec<_>>())
    };
    let own = [json!(["one", "down", "refused"]), json!(["one", "good", "answered"])];
    assert_eq!(asked("one", 2).await, json!(own));
    assert_eq!(asked("all", 3).await, json!([own[0], own[1], ["all", "down", "answered"]]));

    let (all, one) = (json_at(&gateway, "all", "/api/overview").await, json_at(&gateway, "one", "/api/overview").await);
    assert_eq!(all["models"].as_array().unwrap().len(), 2);
    assert_eq!((&one["models"][0]["name"], &one["models"][1]), (&json!("good"), &Value::Null));
    assert_eq!(one["modules"][0]["asks"], json!(["good"]));
    assert!(all.to_string().contains("\"down\"") && !one.to_string().contains("\"down\""), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_person_sees_the_chain_and_each_call_as_it_ends() {
    let gateway = Gateway::of(Folder::new("").unwrap(), &["--demo"]).await;
    let mut browser = Browser::start();
    let origin = gateway.url.clone();
    browser.open(&origin);
    // A gateway without calls says what to do first.
    browser.until("document.querySelector('#connect').open && !document.querySelector('#none').hidden");
    let text = browser.text();
    for words in ["Ready", "fallback", "retry", "busy/busy-large", "No calls yet", &format!("base_url=\"{origin}/v1\"")]
    {
        assert!(text.contains(words), "no `{words}`: {text}");
    }

    // The first call of the demo: `busy` gives up, `dead` refuses, `spare` answers.
    assert_eq!(call(&gateway, "", "demo", false).await, 200);
    browser.until("document.querySelectorAll('#list > li').length === 1");
    let row = browser.value("document.querySelector('#list summary').innerText").to_string();
    assert!(row.contains("spare") && row.contains("failover") && row.contains("22 → 13"), "{row}");
    browser.value("document.querySelector('#list summary').focus()");
    let enter =
        json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r" });
    browser.ask("Input.dispatchKeyEvent", &enter);
    browser.until("document.querySelector('#list details').open && document.querySelector('.timeline')");
    let timeline = browser.value("document.querySelector('.timeline').innerText").to_string();
    for words in
        ["status 529", "retry waits", "fallback switches to dead", "fallback switches to spare", "answered by spare"]
    {
        assert!(timeline.contains(words), "no `{words}`: {timeline}");
    }
    let bars = "[...document.querySelectorAll('.timeline .span:not(.first)')].map(bar => bar.getBoundingClientRect())";
    assert_eq!(
        browser.value(&format!("{bars}.every((bar, at, all) => at === 0 || bar.left >= all[at - 1].left)")),
        true
    );

    // Names of clients stay text, and the next calls come by themselves.
    assert_eq!(call(&gateway, "", HOSTILE, false).await, 404);
    assert_eq!(call(&gateway, "", "demo", true).await, 200);
    browser.until("document.querySelectorAll('#list > li').length === 3");
    assert!(browser.text().contains(HOSTILE));
    assert_eq!(browser.value("document.querySelectorAll('img').length"), 0);
    assert!(!browser.text().contains("secret"));

    for (width, scheme) in
        [(1280, "light"), (1280, "dark"), (700, "light"), (400, "light"), (400, "dark"), (320, "light")]
    {
        browser.show(width, scheme);
        browser.until(&format!("innerWidth === {width} && matchMedia('(prefers-color-scheme: {scheme})').matches"));
        let widest = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(widest <= width.into(), "{widest} pixels at {width}");
        let faint = browser.value(CONTRAST);
        assert_eq!(faint, json!([]), "{width}, {scheme}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let elsewhere = |url: &&&str| !url.starts_with(&origin) && !url.starts_with("data:");
    assert_eq!(browser.asked().iter().filter(elsewhere).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn where_keys_are_set_the_page_asks_for_one_and_forgets_it() {
    let (gateway, _providers) = failover(&keys(&[("all", "")])).await;
    let mut browser = Browser::start();
    browser.open(&gateway.url);
    for (key, outcome) in
        [("wrong", "!document.querySelector('#key-wrong').hidden"), ("all", "!document.querySelector('#main').hidden")]
    {
        browser.until("!document.querySelector('#key-form').hidden && document.activeElement.id === 'key'");
        browser.ask("Input.insertText", &json!({ "text": key }));
        browser.value("document.querySelector('#key-form').requestSubmit()");
        browser.until(outcome);
    }
    assert_eq!(call(&gateway, "all", "down", true).await, 200);
    browser.until("document.querySelector('#list summary').innerText.includes('all')");
    assert_eq!(browser.value("[document.cookie, localStorage.length, sessionStorage.length]"), json!(["", 0, 1]));
}

/// The texts whose contrast to their background is less than 4.5.
const CONTRAST: &str = r"(() => {
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const light = (color) => parts(color).slice(0, 3)
    .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return (parts(color)[3] ?? 1) > 0.99 || !element.parentElement ? color : behind(element.parentElement);
  };
  const texts = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility()
    && [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((element) => {
    const [one, other] = [getComputedStyle(element).color, behind(element)].map(light);
    return [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), element.innerText];
  }).filter(([contrast]) => contrast < 4.5);
})()";
