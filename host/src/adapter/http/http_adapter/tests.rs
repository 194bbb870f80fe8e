use std::{sync::atomic::Ordering, time::Duration};

use server::{Then, read_request, serve};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::{super::fixture, *};
use crate::chat::wire_format::WireFormat;

mod access;
mod server;

const SAYS_HI: &str = r#"{"choices":[{"message":{"content":"Hi"}}]}"#;

fn http(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn adapter(url: &str, change: impl FnOnce(&mut ProviderConfig)) -> HttpAdapter {
    let mut provider = fixture::provider(WireFormat::OpenAi, url);
    change(&mut provider);
    HttpAdapter::new(&provider, "m".into(), Some(fixture::key())).unwrap()
}

async fn send(adapter: HttpAdapter) -> Result<Response, ErrorKind> {
    Arc::new(adapter).send(Arc::new(says_hi())).await
}

fn says_hi() -> Request {
    serde_json::from_str(r#"{"messages": [{"role": "user", "content": "Hi"}]}"#).unwrap()
}

/// The error for this answer, which must have cost one request on one connection.
async fn error(answer: impl Into<Vec<u8>>, then: Then) -> ErrorKind {
    let mut server = serve(answer, then).await;
    let error = send(adapter(&server.url, |_| ())).await.unwrap_err();
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert!(server.requests.try_recv().is_ok() && server.requests.try_recv().is_err());
    assert!(!format!("{error:?}").contains("sk-secret"), "{error:?}");
    error
}

#[track_caller]
fn is_connection(error: &ErrorKind, says: &str) {
    assert!(matches!(error, ErrorKind::Connection(failure) if failure.message.contains(says)), "{error:?}");
}

#[tokio::test]
async fn a_request_on_the_wire() {
    let mut server = serve(http("200 OK\r\nx-request-id: req_1", SAYS_HI), Then::Hold).await;
    let adapter = adapter(&server.url, |_| ());
    let shown = format!("{adapter:?}");
    let response = send(adapter).await.unwrap();
    assert_eq!((response.text().as_deref(), response.request_id.as_deref()), (Some("Hi"), Some("req_1")));
    let request = server.requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    for line in [
        "authorization: Bearer sk-secret",
        "content-type: application/json",
        "accept: application/json",
        "accept-encoding: gzip",
        concat!("user-agent: arcllm/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}));
    assert!(!shown.contains("sk-secret"));
}

#[tokio::test]
async fn adapters_share_connections() {
    let server = serve(http("200 OK", SAYS_HI), Then::Hold).await;
    for _ in 0..3 {
        send(adapter(&server.url, |_| ())).await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_headers_of_anthropic() {
    let mut server = serve(http("200 OK", r#"{"content":[{"type":"text","text":"a"}]}"#), Then::Hold).await;
    let provider = fixture::provider(WireFormat::Anthropic, &server.url);
    send(HttpAdapter::new(&provider, "m".into(), Some(fixture::key())).unwrap()).await.unwrap();
    let request = server.requests.recv().await.unwrap();
    assert!(request.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("\r\nx-api-key: sk-secret\r\n") && request.contains("\r\nanthropic-version: 2023-06-01\r\n")
    );
    send(HttpAdapter::new(&provider, "m".into(), None).unwrap()).await.unwrap();
    assert!(!server.requests.recv().await.unwrap().contains("x-api-key"));
}

#[tokio::test]
async fn refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(adapter(&format!("http://{address}/v1?secret=1"), |_| ())).await.unwrap_err();
    is_connection(&error, &format!("cannot connect to {address}: "));
    is_connection(&error, "refused");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn reset_with_the_request_unread() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        connection.readable().await.unwrap();
        // Unread bytes make the system reset the connection when the socket closes.
        drop(connection);
        tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err()
    });
    is_connection(&send(adapter(&url, |_| ())).await.unwrap_err(), "broke");
    assert!(server.await.unwrap(), "a second connection");
}

#[tokio::test]
async fn broken_answers_are_broken_connections() {
    for (answer, says) in [
        ("", "connection closed"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "connection closed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\"", "broke off"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"cho\r\n", "broke off"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a size\r\n", "broke off"),
        ("HTTP/1.1 529 Overloaded\r\ncontent-length: 100\r\n\r\n{\"error\"", "broke off"),
        ("HTTP/1.1 200 OK\r\n\r\n{\"choices\": [{\"mess", "before the answer was whole"),
        ("SSH-2.0-OpenSSH_9.6\r\n", "broke"),
        ("\0\u{1}\u{2}\u{3} not HTTP at all\r\n\r\n", "broke"),
    ] {
        is_connection(&error(answer, Then::Close).await, says);
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_whole() {
    let server = serve(format!("HTTP/1.1 200 OK\r\n\r\n{SAYS_HI}"), Then::Close).await;
    assert!(send(adapter(&server.url, |_| ())).await.is_ok());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    // The last answer needs time to begin on a busy machine.
    for (answer, seconds, says) in [
        ("", 0.05, "no answer from 127.0.0.1:"),
        ("HTTP/1.1 200 OK\r\n", 0.05, "no answer from 127.0.0.1:"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", 1.5, "was not whole within 1.5 s"),
    ] {
        let server = serve(answer, Then::Hold).await;
        let timeout = Duration::from_secs_f64(seconds);
        let error = send(adapter(&server.url, |here| here.timeout = timeout)).await.unwrap_err();
        let ErrorKind::Timeout(failure) = &error else { panic!("{error:?}") };
        assert!(failure.message.contains(says), "{error}");
        let limit = format!("within {seconds} s (providers.here.timeout_seconds)");
        assert!(failure.message.ends_with(&limit), "{error}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    }
}

/// A listener with a full queue neither accepts nor refuses connections.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_connection_is_a_timeout() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued = TcpStream::connect(address).await.unwrap();
    let url = format!("http://{address}");
    let error = send(adapter(&url, |here| here.connect_timeout = Duration::from_millis(50))).await.unwrap_err();
    let expected = format!("here: no connection to {address} within 0.05 s (providers.here.connect_timeout_seconds)");
    assert!(matches!(error, ErrorKind::Timeout(_)), "{error:?}");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let answer = http("307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/elsewhere", "");
    let ErrorKind::Api(error) = error(answer, Then::Hold).await else { panic!() };
    assert_eq!(error.status, 307);
    assert!(error.message.contains("http://127.0.0.1:9/elsewhere"), "{}", error.message);
}

#[tokio::test]
async fn an_error_status() {
    let body = r#"{"error":{"message":"slow down, sk-secret"}}"#;
    let ErrorKind::Api(error) = error(http("429 Too Many\r\nretry-after-ms: 1500", body), Then::Hold).await else {
        panic!()
    };
    assert_eq!((error.status, error.message.as_str()), (429, "slow down, [redacted]"));
    assert_eq!(error.retry_after, Some(Duration::from_millis(1500)));
}

#[tokio::test]
async fn a_body_over_the_limit() {
    for answer in
        [http("200 OK", "x".repeat(2048)), b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999999\r\n\r\n".to_vec()]
    {
        let endless = [answer, "x".repeat(4096).into_bytes()].concat();
        let server = serve(endless, Then::Hold).await;
        let error = send(adapter(&server.url, |here| here.max_response_bytes = 1024)).await.unwrap_err();
        let ErrorKind::Parse(failure) = &error else { panic!("{error:?}") };
        assert!(failure.message.contains("longer than 0.0009765625 MiB (providers.here.max_response_mb)"), "{error}");
    }
}

#[tokio::test]
async fn compressed_bodies() {
    let whole = hex("1f8b0800000000000203ab564acec8cf4c4e2d56b28aae56ca4d2d2e4e4c4f55b2\
         aa564acecf2b49cd2b51b252aaca2c28484d51aaad8dad0500976d5d182e000000");
    let zipped = |body: &[u8]| http("200 OK\r\ncontent-encoding: gzip", body);
    let server = serve(zipped(&whole), Then::Hold).await;
    assert_eq!(send(adapter(&server.url, |_| ())).await.unwrap().text().as_deref(), Some("zipped"));
    is_connection(&error(zipped(&whole[..whole.len() - 12]), Then::Hold).await, "broke off");
    // The magic number, the data and the checksum.
    for at in [0, 15, whole.len() - 6] {
        let mut corrupt = whole.clone();
        corrupt[at] ^= 0xff;
        let error = error(zipped(&corrupt), Then::Hold).await;
        assert!(
            matches!(&error, ErrorKind::Parse(failure) if failure.message.contains("does not decompress")),
            "{error:?}"
        );
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_not_sent() {
    let server = serve(http("200 OK", SAYS_HI), Then::Hold).await;
    let mut request = says_hi();
    request.options.temperature = Some(f64::NAN);
    let error = Arc::new(adapter(&server.url, |_| ())).send(Arc::new(request)).await.unwrap_err();
    assert!(matches!(error, ErrorKind::Usage(_)), "{error:?}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adapter = adapter(&format!("http://{}", listener.local_addr().unwrap()), |_| ());
    let sending = tokio::spawn(async move { send(adapter).await });
    let (mut connection, _) = listener.accept().await.unwrap();
    read_request(&mut connection).await.unwrap();
    sending.abort();
    assert!(read_request(&mut connection).await.is_none());
}

#[tokio::test]
async fn servers_without_tls_and_names_without_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });
    let provider = fixture::provider(WireFormat::OpenAi, &format!("https://{address}"));
    // Needs the certificates of the system (ca-certificates).
    let refused = send(HttpAdapter::new(&provider, "m".into(), None).unwrap()).await.unwrap_err();
    is_connection(&refused, &format!("cannot connect to {address}: "));
    let nowhere = send(adapter("https://nowhere.invalid:9", |_| ())).await.unwrap_err();
    is_connection(&nowhere, "cannot connect to nowhere.invalid:9: ");
}
