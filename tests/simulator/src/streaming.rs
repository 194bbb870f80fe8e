//! How an answer is streamed.

use std::sync::Arc;
use std::time::Duration;

use crate::event::{EventStyle, LineEnd};
use crate::event_stream::Piece;
use crate::pieces::Pieces;
use crate::place::Place;
use crate::reply::{Content, Reply};

/// The settings of a reply for its stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Streaming {
    /// Whether the answer is streamed. `None`: if the request asks for it.
    pub(crate) is_streamed: Option<bool>,
    pub(crate) pace: Duration,
    pub(crate) pieces: Pieces,
    pub(crate) style: EventStyle,
    pub(crate) pings: bool,
    pub(crate) unknown_events: bool,
    pub(crate) coalesced: bool,
    pub(crate) gzip: bool,
}

/// Streams. A good answer to a request for a stream is streamed, one event in each chunk. These settings have no effect
/// on answers that are not streamed, on errors, and on bodies that the script gives.
impl Reply {
    /// A stream that the script gives: status 200, `text/event-stream`, and these pieces unchanged, each after its
    /// pause and in its own chunk. The request can have any format, and need not ask for a stream.
    ///
    /// ```
    /// use arcllm_simulator::Reply;
    /// use std::time::Duration;
    ///
    /// let pause = Duration::from_millis(5);
    /// let split = Reply::event_stream([(Duration::ZERO, "data: {\"a\":"), (pause, "1}\n\n")]);
    /// ```
    pub fn event_stream<B: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = (Duration, B)>) -> Reply {
        let pieces = pieces.into_iter().map(|(pause, bytes)| Piece { pause, bytes: bytes.into(), events: 1 });
        Reply::default().with_content(Content::Stream(pieces.collect::<Arc<[_]>>()))
    }

    /// Streams the answer even if the request does not ask for it.
    #[must_use]
    pub fn streamed(self) -> Reply {
        self.streaming(|streaming| streaming.is_streamed = Some(true))
    }

    /// Sends the answer as one JSON body even if the request asks for a stream.
    #[must_use]
    pub fn unstreamed(self) -> Reply {
        self.streaming(|streaming| streaming.is_streamed = Some(false))
    }

    /// Waits between two events, or before a piece that the script gives, in addition to its pause. Waits shorter than
    /// a millisecond are added up. For a wait before the first event see [`Reply::body_delay`].
    #[must_use]
    pub fn pace(self, pace: Duration) -> Reply {
        self.streaming(|streaming| streaming.pace = pace)
    }

    /// Sends each text (of the answer, of its thinking, of a tool call's arguments) in this many pieces of about the
    /// same length, if it is long enough. By default texts are cut into words, and arguments after a few characters.
    #[must_use]
    pub fn pieces(self, count: usize) -> Reply {
        self.streaming(|streaming| streaming.pieces = Pieces::Count(count))
    }

    /// Sends each text in pieces of at most this many bytes, but of at least one character.
    #[must_use]
    pub fn piece_bytes(self, bytes: usize) -> Reply {
        self.streaming(|streaming| streaming.pieces = Pieces::Bytes(bytes))
    }

    /// What ends the lines of the stream.
    #[must_use]
    pub fn line_end(self, line_end: LineEnd) -> Reply {
        self.streaming(|streaming| streaming.style.line_end = line_end)
    }

    /// Puts the comment `: keep-alive` before each event, in the same chunk.
    #[must_use]
    pub fn comments(self) -> Reply {
        self.streaming(|streaming| streaming.style.comments = true)
    }

    /// Spreads the data of each event over several `data:` lines, cut where JSON allows a line end.
    #[must_use]
    pub fn split_data(self) -> Reply {
        self.streaming(|streaming| streaming.style.split_data = true)
    }

    /// Sends a ping after each event but the last: Anthropic's event of that name and, as OpenAI's format has none, a
    /// chunk without choices.
    #[must_use]
    pub fn pings(self) -> Reply {
        self.streaming(|streaming| streaming.pings = true)
    }

    /// Sends an event of an unknown kind after each event but the last.
    #[must_use]
    pub fn unknown_events(self) -> Reply {
        self.streaming(|streaming| streaming.unknown_events = true)
    }

    /// Sends events that have no wait between them in one chunk.
    #[must_use]
    pub fn coalesced(self) -> Reply {
        self.streaming(|streaming| streaming.coalesced = true)
    }

    /// Compresses the stream and flushes after each event, whatever the request accepts.
    #[must_use]
    pub fn gzip(self) -> Reply {
        self.streaming(|streaming| streaming.gzip = true)
    }

    /// Where in the body the fault of [`Reply::with_fault`] happens, if it has a place. A body that is not streamed has no events: for it
    /// only [`Place::Byte`] has a meaning, and any other place is the middle.
    #[must_use]
    pub fn fault_at(mut self, place: Place) -> Reply {
        self.fault_at = Some(place);
        self
    }

    fn streaming(mut self, change: impl FnOnce(&mut Streaming)) -> Reply {
        change(&mut self.streaming);
        self
    }

    /// What is wrong with the stream or the place of the fault, if anything.
    pub(crate) fn check_streaming(&self) -> Result<(), String> {
        match (self.streaming.pieces, self.fault, self.fault_at) {
            (Pieces::Count(0), ..) => Err("`pieces` is 0: give 1 or more".to_owned()),
            (Pieces::Bytes(0), ..) => Err("`piece_bytes` is 0: give 1 or more".to_owned()),
            (_, None, Some(_)) => Err("`fault_at` says where a `fault` happens, which is missing: add it".to_owned()),
            (_, Some(fault), Some(_)) if !fault.has_place() => Err(format!(
                "`fault_at` says where in the body a fault happens, and `{}` has no place there: leave one of them out",
                fault.name()
            )),
            _ => Ok(()),
        }
    }
}
