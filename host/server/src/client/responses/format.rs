//! The format.

use arcllm::{Response, WireFormat};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::client::{
    client::{Asked, ClientFormat, EventWriter, Heading},
    kept::Keeper,
    problem::Problem,
    responses::{
        error,
        events::Events,
        items,
        kept::{self, EventKeeper},
        names::Names,
        object,
        object::Head,
        output, request,
    },
};

/// OpenAI Responses.
pub(crate) struct Responses;

impl ClientFormat for Responses {
    fn wire(&self) -> WireFormat {
        WireFormat::OpenAiResponses
    }

    fn read(&self, _headers: &HeaderMap, body: &Bytes) -> Result<Asked, Problem> {
        request::read(body)
    }

    fn answer(&self, heading: &Heading, response: &Response) -> Vec<u8> {
        let names = Names::of(object::tools(&heading.echo));
        let items = output::of(&heading.id, response, &names);
        let mut written = Vec::new();
        for item in &items {
            written.push(items::json(item));
        }
        let mut out = Vec::new();
        Head::new(heading).write(&object::State::of(response), &written, &mut out);
        out
    }

    fn events(&self, heading: Heading) -> Box<dyn EventWriter> {
        Box::new(Events::new(&heading))
    }

    fn keep(&self, answer: &mut Value, original: Value) {
        kept::keep(answer, original);
    }

    fn keeper(&self) -> Box<dyn Keeper> {
        Box::new(EventKeeper::default())
    }

    fn error(&self, problem: &Problem) -> Vec<u8> {
        error::body(problem).to_string().into_bytes()
    }
}
