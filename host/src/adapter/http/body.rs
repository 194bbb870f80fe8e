//! The body of an answer as it comes, up to the most that its provider may send.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};

use crate::{
    adapter::http::{failure, http_adapter::HttpAdapter, reader::HttpAnswer},
    chat::error::ErrorKind,
};

/// How many times as long as what it says a streamed answer may be.
const AROUND: usize = 15;

/// A body, decompressed.
pub(crate) struct Body {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    adapter: Arc<HttpAdapter>,
    /// What was read to see how it begins.
    begins: Bytes,
    /// How many more bytes there may be.
    room: usize,
    /// How many of those that came may be given back.
    returnable: usize,
    /// Why there is no more of it, where that is known.
    ended: Option<Result<(), Flaw>>,
}

/// Why a body is not all there.
pub(crate) enum Flaw {
    /// The connection broke.
    Broken(ErrorKind),
    /// The connection held, and yet it cannot be read.
    Unreadable(String),
}

impl Body {
    pub(crate) fn new(head: reqwest::Response, adapter: Arc<HttpAdapter>) -> Self {
        Self::of(head.bytes_stream().boxed(), adapter)
    }

    /// A body that comes in these chunks.
    pub(crate) fn of(chunks: BoxStream<'static, reqwest::Result<Bytes>>, adapter: Arc<HttpAdapter>) -> Self {
        let room = adapter.provider.max_response_bytes;
        let returnable = room.saturating_mul(AROUND);
        Self { chunks, room, returnable, adapter, begins: Bytes::new(), ended: None }
    }

    /// What it begins with: nothing only if it says nothing. White space before it says nothing in either format, and some
    /// servers send a lot of it while they think.
    pub(crate) async fn peek(&mut self) -> &[u8] {
        while self.begins.trim_ascii_start().is_empty() && self.ended.is_none() {
            match poll_fn(|context| self.poll_more(context)).await {
                Ok(Some(more)) => self.begins = more,
                end => {
                    self.ended = Some(end.map(drop));
                    break;
                }
            }
        }
        &self.begins
    }

    /// The next bytes, none at the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Flaw>> {
        if !self.begins.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.begins))));
        }
        match self.ended.take() {
            Some(end) => Poll::Ready(end.map(|()| None)),
            None => self.poll_more(context),
        }
    }

    /// Gives back bytes that count for nothing: what stands around a piece of a streamed answer may be a hundred times as
    /// long, and is not kept. An answer that never ends has an end all the same.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.returnable);
        self.returnable -= bytes;
        self.room = self.room.saturating_add(bytes);
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Flaw>> {
        Poll::Ready(match ready!(self.chunks.poll_next_unpin(context)) {
            Some(Ok(mut chunk)) => {
                if chunk.len() > self.room {
                    chunk.truncate(self.room);
                    self.ended = Some(Err(Flaw::Unreadable(self.too_long())));
                }
                self.room -= chunk.len();
                Ok(Some(chunk))
            }
            None => Ok(None),
            Some(Err(error)) => Err(match failure::corrupt(&error) {
                Some(flaw) => Flaw::Unreadable(flaw),
                None => Flaw::Broken(failure::reading(&self.adapter.provider, error)),
            }),
        })
    }

    /// Reads all of it.
    pub(crate) async fn read_into(mut self, answer: &mut HttpAnswer) -> Result<(), ErrorKind> {
        loop {
            match poll_fn(|context| self.poll_next(context)).await {
                Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
                Ok(None) => return Ok(()),
                Err(Flaw::Unreadable(flaw)) => {
                    answer.flaw = Some(flaw);
                    return Ok(());
                }
                Err(Flaw::Broken(error)) => return Err(error),
            }
        }
    }

    fn too_long(&self) -> String {
        let provider = &self.adapter.provider;
        let mebibytes = provider.max_response_bytes as f64 / (1024.0 * 1024.0);
        format!("the body is longer than {mebibytes} MiB (providers.{}.max_response_mb)", provider.name)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::{adapter::http::fixture, config::wire_format::WireFormat};

    fn body(chunks: impl Iterator<Item = &'static str> + Send + 'static) -> Body {
        let provider = fixture::provider(WireFormat::OpenAi, "http://localhost:1");
        let adapter = Arc::new(HttpAdapter::new(&provider, "asked".into(), None).unwrap());
        let chunks = stream::iter(chunks.map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))));
        Body::of(chunks.boxed(), adapter)
    }

    #[tokio::test]
    async fn white_space_before_an_answer_is_not_kept() {
        let mut body = body(std::iter::repeat_n(" \n", 100_000).chain(["\n {", "}"]));
        assert_eq!(body.peek().await, b"\n {");
        let mut rest = Vec::new();
        while let Ok(Some(chunk)) = poll_fn(|context| body.poll_next(context)).await {
            rest.extend(chunk);
        }
        assert_eq!(rest, b"\n {}");
    }

    #[tokio::test]
    async fn white_space_counts_like_anything_else() {
        let mut body = body(std::iter::repeat(" \n"));
        body.peek().await;
        let flaw = loop {
            if let Err(flaw) = poll_fn(|context| body.poll_next(context)).await {
                break flaw;
            }
        };
        assert!(matches!(flaw, Flaw::Unreadable(flaw) if flaw.contains("providers.here.max_response_mb")));
    }
}
