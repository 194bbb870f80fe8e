//! The format.

use arcllm::{Response, WireFormat};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::client::{
    chat_completions::{
        answer,
        chunks::Chunks,
        error,
        kept::{self, ChunkKeeper},
        request,
    },
    client::{Asked, ClientFormat, EventWriter, Heading},
    kept::Keeper,
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

    fn keep(&self, answer: &mut Value, original: Value) {
        kept::keep(answer, original);
    }

    fn keeper(&self) -> Box<dyn Keeper> {
        Box::new(ChunkKeeper::default())
    }

    fn error(&self, problem: &Problem) -> Vec<u8> {
        error::write(problem)
    }
}
