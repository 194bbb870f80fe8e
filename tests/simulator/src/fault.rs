//! The ways in which a reply can fail.

use serde::Deserialize;

/// What goes wrong with a reply. A script names it `reset`, `reset-in-head` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The connection is reset (RST) before any byte of the reply.
    Reset,
    /// The first half of the head, then a reset.
    ResetInHead,
    /// The head and half of the body, then a reset.
    ResetInBody,
    /// A head that announces the whole body, half of the body, then an orderly close. Of a stream it leaves out the
    /// chunk that would end it.
    Truncate,
    /// An orderly close without a byte.
    Close,
    /// No byte ever. The connection stays open until the client goes away.
    Silence,
    /// The head and half of the body, then no byte ever.
    SilenceInBody,
    /// A whole reply whose JSON is cut off, with the length of what is left. In a stream, the JSON of one event is cut
    /// off: of the middle one if no place is set.
    Malformed,
    /// A stream that ends in good order but too early: before its last event if no place is set. An answer that is
    /// not streamed is malformed.
    EndEarly,
    /// An error instead of an event of a stream (the middle one if no place is set). The stream ends after it in good
    /// order. An answer that is not streamed is malformed.
    ErrorEvent,
    /// A stream that is whole, but the arguments of its tool calls lack the end. An answer that is not streamed is
    /// malformed.
    OpenArguments,
    /// Bytes that are not HTTP, then an orderly close.
    Garbage,
}

impl Fault {
    /// Whether nothing of the reply's content reaches the client, so that its format does not matter.
    pub(crate) fn sends_no_content(self) -> bool {
        match self {
            Fault::Reset | Fault::Close | Fault::Silence | Fault::Garbage => true,
            Fault::ResetInHead
            | Fault::ResetInBody
            | Fault::Truncate
            | Fault::SilenceInBody
            | Fault::Malformed
            | Fault::EndEarly
            | Fault::ErrorEvent
            | Fault::OpenArguments => false,
        }
    }

    /// Whether the body stops short of what the framing announces.
    pub(crate) fn breaks_off(self) -> bool {
        matches!(self, Fault::ResetInBody | Fault::Truncate | Fault::SilenceInBody)
    }

    /// Whether a body that is not a stream is sent whole but with broken JSON.
    pub(crate) fn is_malformed(self) -> bool {
        matches!(self, Fault::Malformed | Fault::EndEarly | Fault::ErrorEvent | Fault::OpenArguments)
    }

    /// Whether it has a place in the body.
    pub(crate) fn has_place(self) -> bool {
        self.breaks_off() || matches!(self, Fault::Malformed | Fault::EndEarly | Fault::ErrorEvent)
    }

    /// The name of the fault in a script.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Reset => "reset",
            Fault::ResetInHead => "reset-in-head",
            Fault::ResetInBody => "reset-in-body",
            Fault::Truncate => "truncate",
            Fault::Close => "close",
            Fault::Silence => "silence",
            Fault::SilenceInBody => "silence-in-body",
            Fault::Malformed => "malformed",
            Fault::EndEarly => "end-early",
            Fault::ErrorEvent => "error-event",
            Fault::OpenArguments => "open-arguments",
            Fault::Garbage => "garbage",
        }
    }
}
