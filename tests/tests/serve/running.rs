//! How the server runs and ends.

use std::{net::TcpListener, time::Duration};

use arcllm_simulator::{Format, Reply, Simulator};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    scene::{replies, soon},
    serve::gateway::{Gateway, client},
    support::{Arcllm, Chain, Folder},
};

const CHAT: &str = "/v1/chat/completions";

fn question(streamed: bool) -> Value {
    json!({ "model": "sim", "stream": streamed, "messages": [{ "role": "user", "content": "Hi" }] })
}

fn chain(provider: &Simulator) -> Chain {
    Chain::new().provider("sim", Format::OpenAi, &provider.url())
}

/// An answer that takes longer than any test.
fn slow() -> Reply {
    Reply::text("Hi").delay(Duration::from_secs(100))
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_call() {
    let provider = replies([slow(), Reply::text("a b c").pace(Duration::from_secs(100))]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    for (number, streamed) in [false, true].into_iter().enumerate() {
        let question = question(streamed);
        let asking = gateway.post(CHAT, &question);
        tokio::select! {
            answer = asking => panic!("{answer:?}"),
            _ = provider.wait_for_requests(number + 1) => {}
        }
        soon(provider.wait_until(|requests| requests.get(number).is_some_and(|request| request.dropped()))).await;
    }
    soon(async {
        while !gateway.get("/metrics").await.body.contains("status=\"499\"} 2") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let log = gateway.stop().await.stdout;
    let left = |line: &&str| line.contains(" 499 POST /v1/chat/completions") && line.contains(" attempts=1 ");
    assert_eq!(log.lines().filter(left).count(), 2, "{log}");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_behind_what_nobody_reads() {
    let body = question(false).to_string();
    let request = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // An end of line too many, the next requests, and more than the server reads before it answers. It fits into the buffers of
    // the system, which else cannot send the end of the connection.
    let behind = ["\r\n".to_owned(), request.repeat(3), format!("{request}{}", "x".repeat(30_000))];
    let provider = replies(std::iter::repeat_n(slow(), behind.len())).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    for (number, behind) in behind.into_iter().enumerate() {
        let mut connection = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
        connection.write_all((request.clone() + &behind).as_bytes()).await.unwrap();
        soon(provider.wait_for_requests(number + 1)).await;
        drop(connection);
        soon(provider.wait_until(|requests| requests.get(number).is_some_and(|request| request.dropped()))).await;
    }
    let log = gateway.stop().await.stdout;
    assert_eq!((provider.requests().len(), log.matches(" 499 POST ").count()), (3, 3), "{log}");
}

#[tokio::test]
async fn a_call_too_many_is_told_when_to_come_back() {
    let provider = replies([slow()]).await;
    let gateway = Gateway::start(&chain(&provider).table("serve", "max_in_flight = 1")).await;
    let question = question(false);
    let running = gateway.post(CHAT, &question);
    let others = async {
        provider.wait_for_requests(1).await;
        let answer = gateway.post(CHAT, &question).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
        assert_eq!(gateway.get("/v1/models").await.status, 200);
    };
    tokio::select! {
        answer = running => panic!("{answer:?}"),
        () = others => {}
    }
    // The place is free again as soon as the first client has left.
    soon(async { while gateway.post(CHAT, &question).await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_connection_too_many_is_told_when_to_come_back() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider).table("serve", "max_connections = 2")).await;
    let connect = || TcpStream::connect(gateway.url.trim_start_matches("http://"));
    let ask = async |connection: &mut TcpStream| {
        // One that is too many may be closed before it has asked.
        let _ = connection.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = vec![0; 4096];
        let length = soon(connection.read(&mut answer)).await.unwrap_or_default();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let (mut first, mut second) = (connect().await.unwrap(), connect().await.unwrap());
    for connection in [&mut first, &mut second] {
        assert!(ask(connection).await.starts_with("HTTP/1.1 200 OK"));
    }
    let refused = ask(&mut connect().await.unwrap()).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 200 OK"), "the others are not disturbed");
    drop(second);
    soon(async { while !ask(&mut connect().await.unwrap()).await.starts_with("HTTP/1.1 200 OK") {} }).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_stopped_finishes_what_runs() {
    let provider = replies([Reply::text("a b c d").pace(Duration::from_millis(30))]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    let question = question(true);
    let streaming = gateway.post(CHAT, &question);
    let stopping = async {
        provider.wait_for_requests(1).await;
        gateway.signal("TERM");
    };
    let (answer, ()) = tokio::join!(streaming, stopping);
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
    let output = soon(gateway.running.end()).await.unwrap();
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains(" 200 POST /v1/chat/completions"), "{output:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_time_ends_it_too() {
    for (settings, signals, code) in [("shutdown_seconds = 100", 2, 1), ("shutdown_seconds = 0.05", 1, 0)] {
        let provider = replies([slow()]).await;
        let gateway = Gateway::start(&chain(&provider).table("serve", settings)).await;
        let mut asking = Box::pin({
            let (client, url) = (client(), format!("{}{CHAT}", gateway.url));
            let body = question(false).to_string();
            async move { client.request(Method::POST, url).body(body).send().await.map(|answer| answer.status().as_u16()) }
        });
        tokio::select! {
            answer = &mut asking => panic!("{answer:?}"),
            _ = provider.wait_for_requests(1) => {}
        }
        for _ in 0..signals {
            gateway.signal("INT");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let output = soon(gateway.running.end()).await.unwrap();
        assert_eq!(output.code, code, "{settings}: {output:?}");
        assert_eq!(soon(asking).await.unwrap(), 503, "the client is told");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_body_that_the_end_cuts_off_is_told() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider).table("serve", "shutdown_seconds = 0.05")).await;
    let mut connection = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{");
    connection.write_all(head.as_bytes()).await.unwrap();
    soon(async { while !gateway.get("/metrics").await.body.contains("\narcllm_serve_calls 1\n") {} }).await;
    gateway.signal("TERM");
    let mut answer = String::new();
    soon(connection.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the gateway stops"), "{answer}");
    let output = soon(gateway.running.end()).await.unwrap();
    assert!(output.code == 0 && output.stdout.contains(" 503 POST /v1/chat/completions "), "{output:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn an_answer_that_the_end_cuts_off_ends_with_an_error_of_its_format() {
    for (path, error) in [
        (CHAT, "data: {\"error\":"),
        ("/v1/messages", "event: error\ndata: {\"type\":\"error\""),
        ("/v1/responses", "event: response.failed\n"),
    ] {
        for format in [Format::OpenAi, Format::Anthropic, Format::Responses] {
            let provider = replies([Reply::text("a b c d").pieces(4).pace(Duration::from_secs(100))]).await;
            let chain = Chain::new().provider("sim", format, &provider.url());
            let gateway = Gateway::start(&chain.table("serve", "shutdown_seconds = 0.05")).await;
            let mut body = question(true);
            body["max_tokens"] = json!(9);
            body["input"] = json!("Hi");
            let asking = gateway.post(path, &body);
            let stopping = async {
                provider.wait_for_requests(1).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                gateway.signal("TERM");
            };
            let (answer, ()) = tokio::join!(asking, stopping);
            let ends = answer.status == 503 || answer.body.contains(error);
            assert!(ends, "{path} {format}: {answer:?}");
            let output = soon(gateway.running.end()).await.unwrap();
            assert!(output.code == 0 && output.stdout.contains(" attempts=1 "), "{output:?}");
        }
    }
}

#[tokio::test]
async fn what_does_not_start_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, config, words) in [
        (&["serve", "--listen", &address][..], "", &["cannot listen on", "in use"][..]),
        (&["serve"], "[serve]\nlisten = \"x\"", &["config.toml:2", "serve.listen"]),
        (&["serve"], "[serve]\ntls = { certificate = \"none.pem\", key = \"k\" }", &["none.pem"]),
        (&["serve", "--config", "none.toml"], "", &["none.toml"]),
        (&["serve", "--listen", "localhost:4000"], "", &["an IP address and a port, such as 127.0.0.1:4000"]),
        (&["serve", "--log", "xml"], "", &["`arcllm serve` also takes human or json"]),
        (&["serve", "key", "two words"], "", &["letters, digits"]),
    ] {
        let folder = Folder::new(config).unwrap().trusted();
        let output = folder.arcllm(arguments).unwrap().run().await.unwrap();
        assert_eq!(output.code, 2, "{arguments:?} {output:?}");
        for word in words {
            assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
        }
    }
    // A second server does not share the port of the first one.
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    let address = gateway.url.trim_start_matches("http://");
    let output = gateway.folder.arcllm(["serve", "--listen", address]).unwrap().run().await.unwrap();
    assert_eq!(output.code, 2, "{output:?}");
    if cfg!(target_os = "linux") {
        assert!(output.stderr.contains(&format!("arcllm (process {})", gateway.running.id())), "{}", output.stderr);
    }
}

#[tokio::test]
async fn a_line_of_the_log_is_one_line() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    let hostile = "sim/a\n2026 200 POST \u{1b}[2J\u{202e}x";
    let body = json!({ "model": hostile, "messages": [{ "role": "user", "content": "Secret words" }] });
    assert_eq!(gateway.post(CHAT, &body).await.status, 200);
    let log = gateway.stop().await.stdout;
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(
        log.contains("model=\"sim/a\\\\n2026 200 POST ") && !log.contains('\u{1b}') && !log.contains('\u{202e}'),
        "{log:?}"
    );
    assert!(!log.contains("Secret"), "{log}");
}

#[tokio::test]
async fn a_name_makes_up_no_field_of_the_log() {
    let provider = replies([]).await;
    let gateway = Gateway::start(&chain(&provider)).await;
    let forged = [
        r#"sim/x key=admin tokens=9+9 1.0 ms"#,
        r#"sim/x" key="admin"#,
        r#"sim/x\" key=admin"#,
        "sim/x\u{a0}key=admin",
    ];
    for model in forged {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }] });
        assert_eq!(gateway.post(CHAT, &body).await.status, 200);
    }
    let log = gateway.stop().await.stdout;
    for line in log.lines().skip(1) {
        // What stands outside of quotes.
        let (mut outside, mut is_quoted, mut letters) = (String::new(), false, line.chars());
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if is_quoted => drop(letters.next()),
                '"' => is_quoted = !is_quoted,
                letter if !is_quoted => outside.push(letter),
                _ => {}
            }
        }
        assert!(!outside.contains("admin") && outside.contains("model= by= tokens="), "{line}");
    }
}

#[tokio::test]
async fn output_that_nobody_reads_stops_no_call() {
    let quiet: fn(Arcllm) -> Arcllm = Arcllm::with_stalled_pipe;
    for stalled in [quiet, Arcllm::with_stalled_pipes] {
        let provider = replies([]).await;
        let folder = chain(&provider).folder().unwrap().trusted();
        // Not a free port, since nobody can read which one it is.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let command = folder.arcllm(["serve", "--listen", &address, "--log", "human", "--log", "debug"]).unwrap();
        let running = stalled(command).start().unwrap();
        soon(running.has_written()).await.unwrap();
        let gateway = Gateway { url: format!("http://{address}"), folder, running };
        // More than a pipe holds.
        let path = format!("/{}", "x".repeat(200));
        let client = client();
        for _ in 0..400 {
            let answer = soon(client.get(format!("{}{path}", gateway.url)).send()).await.unwrap();
            assert_eq!(answer.status(), 404);
            assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
        }
        assert_eq!(gateway.stop().await.code, 0);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_cannot_say_where_it_listens_does_not_start() {
    let folder = chain(&replies([]).await).folder().unwrap().trusted();
    let command = folder.arcllm(["serve", "--listen", "127.0.0.1:0"]).unwrap().with_full_disk();
    let output = soon(command.run()).await.unwrap();
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("cannot write to standard output: "), "{output:?}");
}

/// An answer that has been handed over is not sent yet: its end takes as long as the client does.
#[cfg(unix)]
#[tokio::test]
async fn an_answer_on_its_way_comes_whole() {
    // More than the buffers of the system hold.
    let text = "x ".repeat(6 << 20);
    for way in ["the server is stopped", "the client has no more to ask", "the client reads slowly"] {
        let provider = replies([Reply::text(text.as_str())]).await;
        let chain = chain(&provider).table("serve", "idle_timeout_seconds = 0.3");
        let gateway = Gateway::start(&chain).await;
        let body = question(false).to_string();
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut connection = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
        connection.write_all((head + &body).as_bytes()).await.unwrap();
        soon(async {
            while !gateway.running.stdout().unwrap().contains(" 200 POST /v1/chat/completions") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        match way {
            "the server is stopped" => gateway.signal("TERM"),
            "the client has no more to ask" => connection.shutdown().await.unwrap(),
            _ => {}
        }
        let mut answer = Vec::new();
        let mut pauses = 8;
        while soon(connection.read_buf(&mut answer)).await.is_ok_and(|count| count > 0) {
            if answer.len() >= text.len() && answer.ends_with(b"}") {
                break;
            }
            if pauses > 0 {
                pauses -= 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        assert!(answer.len() > text.len() && answer.ends_with(b"}"), "{way}: {} of {}", answer.len(), text.len());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_start_waits_for_nobody_who_reads() {
    use std::io::Write as _;

    let provider = replies([]).await;
    let folder = chain(&provider).folder().unwrap().trusted();
    let (_reader, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let command = folder.arcllm(["serve", "--listen", &address]).unwrap().with_stdout(writer.into());
    let gateway = Gateway { url: format!("http://{address}"), folder, running: command.start().unwrap() };
    soon(async { while client().get(&gateway.url).send().await.is_err() {} }).await;
    assert_eq!(gateway.post(CHAT, &question(false)).await.status, 200);
    assert_eq!(gateway.stop().await.code, 0);
}

/// Others who share an output can make a write to it end at once where it would wait.
#[cfg(unix)]
#[tokio::test]
async fn a_log_whose_reader_pauses_goes_on() {
    use std::io::Read as _;

    let provider = replies([]).await;
    let folder = chain(&provider).folder().unwrap().trusted();
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    reader.set_nonblocking(true).unwrap();
    let command = folder.arcllm(["serve", "--listen", "127.0.0.1:0"]).unwrap().with_stdout(writer.into());
    let running = command.start().unwrap();
    let mut log = Vec::new();
    let mut read = async |log: &mut Vec<u8>, words: &str| {
        soon(async {
            while !(String::from_utf8_lossy(log).contains(words) && log.ends_with(b"\n")) {
                let mut piece = [0; 4096];
                match reader.read(&mut piece) {
                    Ok(count) => log.extend_from_slice(&piece[..count]),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
        .await;
    };
    read(&mut log, "Ctrl-C").await;
    let url = String::from_utf8_lossy(&log)
        .split(['n', ';'])
        .find_map(|part| part.find("http").map(|at| part[at..].to_owned()));
    let gateway = Gateway { url: url.unwrap(), folder, running };
    // More than the pipe holds, and less than what waits.
    let path = format!("/{}", "x".repeat(190));
    for _ in 0..2500 {
        assert_eq!(gateway.get(&path).await.status, 404);
    }
    assert_eq!(gateway.get("/the-last-one").await.status, 404);
    read(&mut log, "/the-last-one").await;
    assert_eq!(String::from_utf8_lossy(&log).lines().filter(|line| line.ends_with(" ms")).count(), 2501);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    // More than the buffers of the system hold.
    let long = Reply::text("x ".repeat(6 << 20)).pieces(1000);
    let provider = replies([long]).await;
    let gateway = Gateway::start(&chain(&provider).table("serve", "write_timeout_seconds = 0.2")).await;
    let body = question(true).to_string();
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut connection = tokio::net::TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut connection, (head + &body).as_bytes()).await.unwrap();
    soon(async {
        while !gateway.running.stdout().unwrap().contains(" 499 POST /v1/chat/completions") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    drop(connection);
}

/// The system takes more of an answer only once much of what it has is sent.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_reads_slowly_all_the_time_is_kept() {
    let text = "x ".repeat(6 << 20);
    let provider = replies([Reply::text(text.as_str())]).await;
    let gateway = Gateway::start(&chain(&provider).table("serve", "write_timeout_seconds = 1")).await;
    let body = question(false).to_string();
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut connection = socket.connect(gateway.url.trim_start_matches("http://").parse().unwrap()).await.unwrap();
    connection.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = vec![0; 4 << 10];
    for _ in 0..250 {
        soon(connection.read_exact(&mut answer)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut rest = Vec::new();
    while soon(connection.read_buf(&mut rest)).await.is_ok_and(|count| count > 0) && !rest.ends_with(b"}") {}
    assert!(rest.ends_with(b"}"), "{} of {}", rest.len(), text.len());
}
