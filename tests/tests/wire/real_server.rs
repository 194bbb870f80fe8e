//! A real model server, in both formats, at the default address of llama.cpp:
//! `llama-server -m model.gguf`, and then `cargo test --workspace --test all -- --ignored real_server`.

use arcllm::{Event, Message, Options, Overrides, Request, Response};
use arcllm_simulator::Format;
use futures::StreamExt as _;

use crate::{
    scene::{FAST, dead, soon},
    support::Chain,
};

const ADDRESS: &str = "http://127.0.0.1:8080";

/// The text of a stream, its last event, and the answer without streaming. They come from the server, since `a` is
/// down.
async fn answers(format: Format) -> (String, Response, Response) {
    let dead = dead().await;
    let address = if format == Format::OpenAi { format!("{ADDRESS}/v1") } else { ADDRESS.to_owned() };
    let chain = Chain::new().provider("a", Format::OpenAi, &dead.url()).provider("b", format, &address);
    let chain = chain.module("retry", FAST).module("fallback", "chain = [\"a\", \"b\"]");
    let model = chain.folder().unwrap().host().unwrap().load_model("a", Overrides::new()).await.unwrap();
    let options = Options::new().max_tokens(40).seed(1).temperature(0.0);
    let request = || Request::new(&[Message::user("Count from one to ten.")]).with_options(options.clone());
    let mut stream = model.stream_with(request());
    let mut text = String::new();
    let streamed = loop {
        match soon(stream.next()).await.unwrap().unwrap() {
            Event::Text(piece) => text.push_str(&piece),
            Event::End(response) => break *response,
            _ => {}
        }
    };
    (text, streamed, soon(model.invoke_with(request())).await.unwrap())
}

#[tokio::test]
#[ignore = "needs a model server at 127.0.0.1:8080"]
async fn it_streams_and_answers_in_both_formats() {
    for format in [Format::Anthropic, Format::OpenAi] {
        let (text, streamed, whole) = answers(format).await;
        assert!(!text.is_empty() && streamed.usage.output_tokens > 1, "{format}: {streamed:?}");
        assert_eq!(streamed.text().unwrap(), text, "{format}");
        for response in [&streamed, &whole] {
            let asked: Vec<_> = response.trail.iter().map(|attempt| attempt.provider.as_str()).collect();
            assert_eq!((asked.as_slice(), response.provider.as_str()), (&["a", "b"][..], "b"), "{format}");
        }
        assert!(whole.text().is_some_and(|text| !text.is_empty()), "{format}: {whole:?}");
    }
}
