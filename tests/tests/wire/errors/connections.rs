//! A kept connection of HTTP/1 that the server has closed. What the server may have read is not sent again.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use arcllm::{Error, ErrorKind, Model, Overrides, Response};
use arcllm_simulator::{Fault, Format, Reply};

use crate::{
    scene::{FAST, around, count, load, replies, say_hi, soon, steps},
    support::Chain,
};

const ANSWER: &str = r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;

/// When the server closes the first connection.
#[derive(Debug, Clone, Copy)]
enum Closes {
    /// Right after its first answer, which says that the connection stays open.
    AfterTheAnswer,
    /// The same, with a reset.
    AfterTheAnswerWithReset,
    /// Right after its first answer, an error that is retried.
    AfterAnError,
    /// When the second request arrives. It does not read it, so that the client gets a reset.
    WithoutReading,
    /// When it has read the second request.
    AfterReading,
}

/// A server with threads of its own. It goes on while a program blocks the thread of its runtime.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Requests that were read.
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start(closes: Closes) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let server = Self { address, connections: connections.clone(), requests: requests.clone() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
                let requests = requests.clone();
                thread::spawn(move || serve(stream.unwrap(), is_first.then_some(closes), &requests));
            }
        });
        server
    }

    /// How many connections and requests came.
    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }

    fn chain(&self) -> Chain {
        Chain::new().provider("a", Format::OpenAi, &format!("http://{}", self.address))
    }
}

fn serve(mut stream: TcpStream, closes: Option<Closes>, requests: &AtomicUsize) {
    for number in 0.. {
        let is_second = number == 1;
        if is_second && matches!(closes, Some(Closes::WithoutReading)) {
            let _ = stream.peek(&mut [0]);
            return;
        }
        if !read_request(&mut stream) {
            return;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        if is_second && matches!(closes, Some(Closes::AfterReading)) {
            return;
        }
        let status = if matches!(closes, Some(Closes::AfterAnError)) { "529 Overloaded" } else { "200 OK" };
        let answer =
            format!("HTTP/1.1 {status}\r\nconnection: keep-alive\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
        stream.write_all(answer.as_bytes()).unwrap();
        match closes {
            Some(Closes::AfterTheAnswer | Closes::AfterAnError) => return,
            Some(Closes::AfterTheAnswerWithReset) => return reset(stream),
            Some(Closes::WithoutReading | Closes::AfterReading) | None => {}
        }
    }
}

fn reset(stream: TcpStream) {
    // What was sent must arrive before.
    thread::sleep(Duration::from_millis(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        stream.set_nonblocking(true).unwrap();
        tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap();
    });
}

/// Reads a whole request; false at the end of the connection.
fn read_request(stream: &mut TcpStream) -> bool {
    let (mut request, mut bytes) = (String::new(), [0; 4096]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return false,
            Ok(length) => request.push_str(std::str::from_utf8(&bytes[..length]).unwrap()),
        }
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return true;
        }
    }
}

async fn model(chain: &Chain) -> Model {
    load(&chain.folder().unwrap(), Overrides::new()).await
}

#[track_caller]
fn is_answered_at_once(result: Result<Response, Error>) {
    let response = result.unwrap();
    assert_eq!(
        (response.text().as_deref(), steps(&response.trail)),
        (Some("Hello"), vec!["the caller asks a: ok".to_owned()])
    );
}

#[tokio::test]
async fn one_that_was_closed_before_is_not_used() {
    for closes in [Closes::AfterTheAnswer, Closes::AfterTheAnswerWithReset] {
        let server = Server::start(closes);
        let model = model(&server.chain()).await;
        is_answered_at_once(soon(say_hi(&model)).await);
        // The end of the connection is on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        is_answered_at_once(soon(say_hi(&model)).await);
        assert_eq!(server.counts(), (2, 2), "{closes:?}");
    }
}

/// Between two calls nothing of the runtime runs, so it has not heard of the end of the connection when the second begins.
#[test]
fn one_that_was_closed_while_the_program_blocked_its_thread_is_not_used() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for closes in [Closes::AfterTheAnswer, Closes::AfterTheAnswerWithReset].repeat(10) {
        let server = Server::start(closes);
        let model = runtime.block_on(model(&server.chain()));
        is_answered_at_once(runtime.block_on(soon(say_hi(&model))));
        thread::sleep(Duration::from_millis(50));
        is_answered_at_once(runtime.block_on(soon(say_hi(&model))));
        assert_eq!(server.counts(), (2, 2), "{closes:?}");
    }
}

#[tokio::test]
async fn one_that_was_closed_between_two_attempts_is_not_used() {
    // Time for the server to close.
    let patient = "backoff_base_seconds = 0.1\nbudget_min_per_second = 1e6";
    for _ in 0..3 {
        let server = Server::start(Closes::AfterAnError);
        let model = model(&server.chain().module("retry", patient)).await;
        let response = soon(say_hi(&model)).await.unwrap();
        assert_eq!(steps(&response.trail), ["retry asks a: 529", "retry waits, retry asks a: ok"]);
        assert_eq!(server.counts(), (2, 2));
    }
}

/// HTTP/1 cannot tell whether the server has read a request that was written.
#[tokio::test]
async fn what_was_written_is_not_sent_again() {
    for (closes, read) in [(Closes::WithoutReading, 1), (Closes::AfterReading, 2)] {
        let server = Server::start(closes);
        let model = model(&server.chain()).await;
        is_answered_at_once(soon(say_hi(&model)).await);
        let error = soon(say_hi(&model)).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Connection(_)), "{error:?}");
        assert_eq!(steps(&error.trail), ["the caller asks a: connection"]);
        assert_eq!(server.counts(), (1, read), "{closes:?}");
    }
}

/// There the policy decides, and the trail shows both attempts.
#[tokio::test]
async fn a_retry_sends_it_again() {
    for closes in [Closes::WithoutReading, Closes::AfterReading] {
        let server = Server::start(closes);
        let model = model(&server.chain().module("retry", FAST)).await;
        soon(say_hi(&model)).await.unwrap();
        let response = soon(say_hi(&model)).await.unwrap();
        let expected = ["retry asks a: connection", "retry waits, retry asks a: ok"];
        assert_eq!(steps(&response.trail), expected, "{closes:?}");
        assert_eq!(server.counts().0, 2);
    }
}

/// As the simulator plays it, which users script.
#[tokio::test]
async fn a_connection_that_the_simulator_closes_costs_no_attempt() {
    let closed = |reply: Reply| reply.with_fault(Fault::ClosedPooledConnection);
    let a = replies([closed(Reply::status(500)), closed(Reply::text("first")), Reply::text("second")]).await;
    let model = load(&around(&a).module("retry", FAST).folder().unwrap(), Overrides::new()).await;
    let first = soon(say_hi(&model)).await.unwrap();
    assert_eq!((first.text().as_deref(), first.trail.len()), (Some("first"), 2), "{:?}", first.trail);
    let second = soon(say_hi(&model)).await.unwrap();
    assert_eq!((second.text().as_deref(), second.trail.len(), count(&a)), (Some("second"), 1, 3));
}
