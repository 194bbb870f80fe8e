//! A model server as people run it, in both formats. Nothing here runs unless `ARCLLM_TEST_SERVER` has its address, such as
//! that of llama.cpp: `llama-server -m model.gguf --port 8080`, and `ARCLLM_TEST_SERVER=http://127.0.0.1:8080`.

use std::env;

use arcllm::{Event, Message, Options, Overrides, Request, Response};
use arcllm_simulator::Format;
use futures::StreamExt as _;

use crate::{
    scene::{FAST, dead, soon},
    support::Chain,
};

/// As one who asks `a`, which is down, and is answered by the server.
async fn answers(format: Format, address: &str) -> (String, Response, Response) {
    let dead = dead().await;
    let address = if format == Format::OpenAi { format!("{address}/v1") } else { address.to_owned() };
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
async fn it_streams_and_answers_in_both_formats() {
    let Some(address) = env::var("ARCLLM_TEST_SERVER").ok().filter(|address| !address.is_empty()) else { return };
    for format in [Format::Anthropic, Format::OpenAi] {
        let (text, streamed, whole) = answers(format, address.trim_end_matches('/')).await;
        assert!(!text.is_empty() && streamed.usage.output_tokens > 1, "{format}: {streamed:?}");
        assert_eq!(streamed.text().unwrap(), text, "{format}");
        for response in [&streamed, &whole] {
            let asked: Vec<_> = response.trail.iter().map(|attempt| attempt.provider.as_str()).collect();
            assert_eq!((asked.as_slice(), response.provider.as_str()), (&["a", "b"][..], "b"), "{format}");
        }
        assert!(whole.text().is_some_and(|text| !text.is_empty()), "{format}: {whole:?}");
    }
}
