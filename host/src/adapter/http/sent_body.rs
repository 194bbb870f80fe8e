//! The body of a request, on its way to a provider.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Below this many bytes a body is sent in one piece: to copy it costs less than to write several pieces.
const SMALL: usize = 16 << 10;

/// A body in pieces, which may belong to the body that a client has sent.
pub(crate) struct SentBody {
    pieces: Vec<Bytes>,
}

impl SentBody {
    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The bytes, for the HTTP client.
    pub(crate) fn sending(&self) -> reqwest::Body {
        match self.pieces.as_slice() {
            [whole] => whole.clone().into(),
            _ => reqwest::Body::wrap(Sending { left: self.len(), pieces: self.pieces.clone().into_iter() }),
        }
    }
}

impl From<Vec<Bytes>> for SentBody {
    fn from(pieces: Vec<Bytes>) -> Self {
        let body = Self { pieces };
        if body.len() < SMALL { Self { pieces: vec![body.pieces.concat().into()] } } else { body }
    }
}

/// The pieces that are not sent yet.
struct Sending {
    left: usize,
    pieces: vec::IntoIter<Bytes>,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    /// Exact, so that the provider is told the length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
