//! The format.

use arcllm::{Response, WireFormat};
use bytes::Bytes;
use http::HeaderMap;

use crate::client::{
    chat_completions::{answer, chunks::Chunks, error, request},
    client::{Asked, ClientFormat, EventWriter, Heading},
    problem::Problem,
};

/// OpenAI Chat Completions.
pub(crate) struct ChatCompletions;

impl ClientFormat for ChatCompletions {
    fn wire(&self) -> WireFormat {
        WireFormat::OpenAi
    }

    fn read(&self, _headers: &HeaderMap, body: &Bytes) -> Result<Asked, Problem> {
        request::read(body)
    }

    fn answer(&self, heading: &Heading, response: &Response) -> Vec<u8> {
        answer::write(heading, response)
    }

    fn events(&self, heading: Heading) -> Box<dyn EventWriter> {
        Box::new(Chunks::new(heading))
    }

    fn error(&self, problem: &Problem) -> Vec<u8> {
        error::write(problem)
    }
}
