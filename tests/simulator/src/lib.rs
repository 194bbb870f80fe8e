//! A scripted model provider: a real HTTP/1.1 server on loopback that speaks the wire formats of Anthropic's
//! Messages and of OpenAI's Chat Completions, answers from a [`Script`], and misbehaves on request.
//!
//! What a client must survive happens below HTTP as often as in it, so a [`Fault`] is made at the byte level: a
//! connection reset in the middle of the head, a body that is shorter than announced, silence.
//!
//! ```
//! use arcllm_simulator::{Format, Reply, Script, Simulator};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let script = Script::new([Reply::status(429).header("retry-after", "1"), Reply::text("Hello")]);
//! let simulator = Simulator::start(script).await?;
//!
//! let mut client = tokio::net::TcpStream::connect(simulator.address()).await?;
//! client
//!     .write_all(b"POST /v1/messages HTTP/1.1\r\nconnection: close\r\ncontent-length: 14\r\n\r\n{\"model\": \"m\"}")
//!     .await?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer).await?;
//!
//! assert!(answer.starts_with("HTTP/1.1 429"));
//! let requests = simulator.requests();
//! assert_eq!(requests[0].format, Some(Format::Anthropic));
//! assert_eq!(requests[0].body["model"], "m");
//! # Ok(())
//! # }
//! ```
//!
//! # Which requests take a reply
//!
//! A `POST` whose path ends in `/v1/messages` or `/chat/completions` takes the next reply, whichever connection it
//! comes over; replies are handed out in the order in which requests are whole. Any other request is answered with
//! 404 without using up a reply: unless the next reply needs no format (it has a body of its own, or a fault that sends
//! nothing of an answer), for then it is taken.
//!
//! # Streams
//!
//! A good answer to a request whose body says `"stream": true` is a stream of server-sent events in the request's
//! format, which says what the answer in one piece would say. How fast and in what shape they come, and where they
//! fail, is said by the calls from [`Reply::streamed`] to [`Reply::fault_at`].
//!
//! # What is the same in every run
//!
//! Everything but the port, the `date` header and the time things take: ids count up from 1 in each simulator.

mod answer;
mod connection;
mod credentials;
mod delivery;
mod error;
mod event;
mod event_stream;
mod fault;
mod format;
mod gzip;
mod link;
mod pieces;
mod place;
mod queue;
mod record;
mod render;
mod reply;
mod request;
mod request_body;
mod script;
mod script_file;
mod server;
mod state;
mod stream_delivery;
mod streaming;
mod toml_json;

pub use answer::{ToolCall, Usage};
pub use error::Error;
pub use event::LineEnd;
pub use fault::Fault;
pub use format::Format;
pub use place::Place;
pub use record::{Recorded, RequestLog};
pub use reply::Reply;
pub use script::{Script, Then};
pub use server::Simulator;
