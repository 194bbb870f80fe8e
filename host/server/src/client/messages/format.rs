//! The format.

use arcllm::{Response, WireFormat};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::client::{
    client::{Asked, ClientFormat, EventWriter, Heading},
    kept::Keeper,
    messages::{
        answer, error,
        events::Events,
        kept::{self, EventKeeper},
        request,
    },
    problem::Problem,
};

/// Anthropic Messages.
pub(crate) struct Messages;

impl ClientFormat for Messages {
    fn wire(&self) -> WireFormat {
        WireFormat::Anthropic
    }

    fn read(&self, headers: &HeaderMap, body: &Bytes) -> Result<Asked, Problem> {
        request::read(headers, body)
    }

    fn answer(&self, heading: &Heading, response: &Response) -> Vec<u8> {
        answer::write(heading, response)
    }

    fn events(&self, heading: Heading) -> Box<dyn EventWriter> {
        Box::new(Events::new(heading))
    }

    fn keep(&self, answer: &mut Value, original: Value) {
        kept::keep(answer, original);
    }

    fn keeper(&self) -> Box<dyn Keeper> {
        Box::new(EventKeeper::default())
    }

    fn error(&self, problem: &Problem) -> Vec<u8> {
        error::json(problem).to_string().into_bytes()
    }
}
