//! What modules remark about a call: in the library, in JSON, for a person and in the head of a gateway's answer.

use arcllm::Note;
use arcllm_simulator::{Fault, Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::{replies, soon},
    serve::gateway::Gateway,
    support::{Chain, Folder, test_module},
};

/// A chain over `a` and `b` with a module that remarks with a tab and a line break in it.
async fn remarking(first: impl IntoIterator<Item = Reply>) -> (impl Sized, Folder) {
    let (a, b) = (replies(first).await, replies([]).await);
    let chain = Chain::new().provider("a", Format::OpenAi, &a.url()).provider("b", Format::Anthropic, &b.url());
    let chain = chain.host("order = [\"look\"]").module("look", "job = \"look\"\nother = \"b\"");
    let folder = chain.table("modules.look.sandbox", "allow = [\"models\", \"state\"]").folder().unwrap();
    folder.write("modules/look.wasm", std::fs::read(test_module("everything")).unwrap()).unwrap();
    ((a, b), folder.trusted())
}

fn is_the_remark(notes: &[Note]) {
    let [note] = notes else { panic!("{notes:?}") };
    assert_eq!((&*note.module, &*note.text), ("look", r"looks at\teverything"));
}

#[tokio::test]
async fn come_with_answers_and_errors() {
    for (first, key) in [(vec![], None), (vec![Reply::fault(Fault::Reset)], Some("error"))] {
        let (_providers, folder) = remarking(first).await;
        let output = soon(folder.arcllm(["invoke", "--json", "--trace", "Hi"]).unwrap().run()).await.unwrap();
        let json = output.json().unwrap();
        let json = key.map_or(&json, |key| &json[key]);
        is_the_remark(&serde_json::from_value::<Vec<Note>>(json["notes"].clone()).unwrap());
        let keys: Vec<&String> = json["notes"][0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["module", "after_seconds", "text"]);
        let line = output.stderr.lines().find(|line| line.contains("look: looks at"));
        assert!(line.is_some_and(|line| line.ends_with(r"looks at\teverything")), "{}", output.stderr);
    }
}

#[tokio::test]
async fn come_in_the_head_of_a_gateways_answer_if_asked() {
    for (first, streamed) in [(None, false), (None, true), (Some(Reply::fault(Fault::Reset)), true)] {
        let (_providers, folder) = remarking(first).await;
        let gateway = Gateway::of(folder, &[]).await;
        let question: Value =
            json!({"model": "a", "stream": streamed, "messages": [{"role": "user", "content": "Hi"}]});
        let chat = "/v1/chat/completions";
        let answer = gateway.post_with(chat, &[("x-arcllm-trail", "1")], &question).await;
        is_the_remark(&serde_json::from_str::<Vec<Note>>(answer.header("x-arcllm-notes")).unwrap());
        assert!(!gateway.post(chat, &question).await.headers.contains_key("x-arcllm-notes"));
    }
}
