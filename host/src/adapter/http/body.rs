//! The body of an answer as it arrives, up to the size that the configuration allows.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};

use crate::{
    adapter::http::{asked::Asked, failure, reader::HttpAnswer},
    chat::error::ErrorKind,
};

/// Some servers begin a text with it. It means nothing in either format.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many times as long as its content a streamed answer may be.
const WRAPPING: usize = 15;

/// A body, decompressed.
pub(crate) struct Body {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    asked: Arc<Asked>,
    /// What `peek` has read.
    peeked: Bytes,
    /// How many more bytes may come.
    room: usize,
    /// How many bytes may still be given back.
    returnable: usize,
    /// How the body ends, once `peek` or the limit has found out.
    end: Option<Result<(), Flaw>>,
}

/// Why a body is incomplete.
pub(crate) enum Flaw {
    /// The connection broke.
    Broken(ErrorKind),
    /// The connection held, but the body cannot be read.
    Unreadable(String),
}

impl Body {
    pub(crate) fn new(head: reqwest::Response, asked: Arc<Asked>) -> Self {
        Self::of(head.bytes_stream().boxed(), asked)
    }

    /// A body that arrives in these chunks.
    pub(crate) fn of(chunks: BoxStream<'static, reqwest::Result<Bytes>>, asked: Arc<Asked>) -> Self {
        let room = asked.provider.max_response_bytes;
        let returnable = room.saturating_mul(WRAPPING);
        Self { chunks, asked, peeked: Bytes::new(), room, returnable, end: None }
    }

    /// The first chunk with more than white space and a byte order mark. Empty if the body ends before.
    ///
    /// White space at the start means nothing in either format. Some servers send much of it while the model thinks.
    pub(crate) async fn peek(&mut self) -> &[u8] {
        while self.has_not_begun() && self.end.is_none() {
            match poll_fn(|context| self.poll_chunk(context)).await {
                Ok(Some(chunk)) if self.peeked.trim_ascii_start().is_empty() => self.peeked = chunk,
                // A part of a byte order mark.
                Ok(Some(chunk)) => self.peeked = [&self.peeked[..], &chunk[..]].concat().into(),
                end => self.end = Some(end.map(drop)),
            }
        }
        &self.peeked
    }

    /// Whether only white space and a byte order mark, or a part of one, has arrived. Takes the mark out.
    fn has_not_begun(&mut self) -> bool {
        let begins = self.peeked.trim_ascii_start();
        if begins.starts_with(BYTE_ORDER_MARK) {
            self.peeked = self.peeked.slice_ref(begins).slice(BYTE_ORDER_MARK.len()..);
        }
        BYTE_ORDER_MARK.starts_with(self.peeked.trim_ascii_start())
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Flaw>> {
        if !self.peeked.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.peeked))));
        }
        match self.end.take() {
            Some(end) => Poll::Ready(end.map(|()| None)),
            None => self.poll_chunk(context),
        }
    }

    /// Lets this many more bytes come. The JSON around a piece of a streamed answer may be a hundred times as long as the
    /// piece, and is not kept. The total is limited, so that every answer ends.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.returnable);
        self.returnable -= bytes;
        self.room = self.room.saturating_add(bytes);
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Flaw>> {
        Poll::Ready(match ready!(self.chunks.poll_next_unpin(context)) {
            Some(Ok(mut chunk)) => {
                if chunk.len() > self.room {
                    chunk.truncate(self.room);
                    self.end = Some(Err(Flaw::Unreadable(self.too_long())));
                }
                self.room -= chunk.len();
                Ok(Some(chunk))
            }
            None => Ok(None),
            Some(Err(error)) => Err(match failure::corrupt(&error) {
                Some(flaw) => Flaw::Unreadable(flaw),
                None => Flaw::Broken(failure::reading(&self.asked.provider, error)),
            }),
        })
    }

    /// Reads the rest into `answer`.
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
        let provider = &self.asked.provider;
        let mebibytes = provider.max_response_bytes as f64 / (1024.0 * 1024.0);
        format!("the body is longer than {mebibytes} MiB (providers.{}.max_response_mb)", provider.name)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::{adapter::http::fixture, chat::wire_format::WireFormat};

    fn body(chunks: impl Iterator<Item = &'static str> + Send + 'static) -> Body {
        let chunks = stream::iter(chunks.map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))));
        Body::of(chunks.boxed(), fixture::asked(WireFormat::OpenAi, |_| ()))
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
    async fn a_byte_order_mark_is_taken_out_in_pieces_too() {
        for chunks in [vec!["\u{feff}{"], vec![" \n\u{feff}", " ", "{"], vec!["\u{feff} {"]] {
            assert_eq!(body(chunks.into_iter()).peek().await.trim_ascii_start(), b"{");
        }
        let pieces = [&b"\xef"[..], b"\xbb", b"\xbf{}"].map(|piece| Ok(Bytes::from_static(piece)));
        let mut body = Body::of(stream::iter(pieces).boxed(), fixture::asked(WireFormat::OpenAi, |_| ()));
        assert_eq!(body.peek().await, b"{}");
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
