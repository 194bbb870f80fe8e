//! A provider in a process of its own that answers at once, and what it is asked.

use std::{io::Read as _, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Events of a long answer.
pub(crate) const EVENTS: usize = 10_000;

/// The bytes of a request. `answer` says which one the provider gives: `short`, `long`, or `open`, which does not end.
pub(crate) fn body(streamed: bool, answer: &str) -> Arc<[u8]> {
    let question = "x".repeat(1 << 10);
    let messages = format!(r#"[{{"role":"user","content":"{question}"}}]"#);
    let json = format!(r#"{{"model":"a","messages":{messages},"stream":{streamed},"user":"{answer}"}}"#);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        json.len()
    );
    (head + &json).into_bytes().into()
}

/// A provider that answers at once: as fast as can be, so that it disturbs little.
#[expect(clippy::print_stdout, reason = "its parent reads the address")]
pub(crate) async fn provider() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::thread::spawn(|| {
        std::io::stdin().read_to_string(&mut String::new()).unwrap();
        std::process::exit(0);
    });
    let answers = Arc::new(Answers::new());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream, answers.clone()));
    }
}

struct Answers {
    whole: Vec<u8>,
    short: Vec<u8>,
    long: Vec<u8>,
    open: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}"#;
        let message = r#"{"role":"assistant","content":"Hello from here.","refusal":null}"#;
        let json = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{message},"finish_reason":"stop"}}],{usage}}}"#
        );
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let whole = format!("{head}content-length: {}\r\n\r\n{json}", json.len()).into_bytes();
        let (short, long) = (stream(3, true), stream(EVENTS, true));
        Self { whole, short, long, open: stream(1, false) }
    }
}

/// A streamed answer, each event in a chunk.
fn stream(events: usize, ends: bool) -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut chunk = |data: &str| {
        let event = format!("data: {data}\n\n");
        out.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
    };
    let event = |delta: &str, finish: &str, usage: &str| {
        format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}],"usage":{usage}}}"#
        )
    };
    chunk(&event(r#"{"role":"assistant","content":""}"#, "null", "null"));
    for _ in 0..events {
        chunk(&event(r#"{"content":" token"}"#, "null", "null"));
    }
    if ends {
        chunk(&event("{}", "\"stop\"", r#"{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}"#));
        chunk("[DONE]");
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let Ok(read) = stream.read(buffer.get_mut(filled..).unwrap()).await else { return };
        if read == 0 {
            return;
        }
        filled += read;
        let request = buffer.get(..filled).unwrap();
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(request.get(..end).unwrap()).unwrap().to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap();
        if filled < end + 4 + length {
            continue;
        }
        let body = std::str::from_utf8(request.get(end + 4..).unwrap()).unwrap();
        let has = |part: &str| body.contains(part);
        let answer = match has("\"stream\":true") {
            false => &answers.whole,
            true if has("\"user\":\"long\"") => &answers.long,
            true if has("\"user\":\"open\"") => &answers.open,
            true => &answers.short,
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
        filled = 0;
    }
}
