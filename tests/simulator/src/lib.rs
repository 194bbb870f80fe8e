//! A scripted model provider: a real HTTP/1.1 server on loopback that speaks the wire formats of Anthropic's
//! Messages and of OpenAI's Chat Completions and Responses, answers from a [`Script`], and misbehaves on request.
//!
//! Many faults happen below HTTP, so a [`Fault`] works on bytes: a connection reset in the middle of the head, a body
//! that is shorter than announced, silence. Others are what real servers send in valid HTTP: tool calls in odd pieces,
//! errors with status 200, half a character. [`Fault::ALL`] has them all. It does not speak HTTP/2.
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
//! A `POST` whose path ends in `/v1/messages`, `/chat/completions` or `/responses` takes the next reply, over any
//! connection. Replies are given in the order in which requests are whole. A `POST` to a path that ends in
//! `/v1/messages/count_tokens` gets a count of tokens. A `POST` or a `GET` to another path gets a 404, and every other
//! request a 405. These take no reply, except that a `GET` takes the next one if that needs no format: a reply with a
//! body that the script gives, or with a fault that sends nothing of an answer.
//!
//! # Streams
//!
//! A good answer to a request with `"stream": true` is a stream of server-sent events in the request's format, with
//! the same content as the whole answer. The methods from [`Reply::streamed`] to [`Reply::fault_at`] set its pace, its
//! shape, and where it fails.
//!
//! # What is the same in every run
//!
//! Everything but the port, the `date` header and durations. Ids count from 1 in each simulator.

mod answer;
mod connection;
mod credentials;
mod delivery;
mod error;
mod event;
mod event_stream;
mod fault;
mod fault_name;
mod format;
mod gzip;
mod link;
mod pieces;
mod place;
mod queue;
mod record;
mod refusal;
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
pub use fault_name::UnknownFault;
pub use format::Format;
pub use place::Place;
pub use record::{Recorded, RequestLog};
pub use reply::Reply;
pub use script::{Script, Then};
pub use server::Simulator;
