//! The ways in which a reply can fail, and their names.

/// Defines the faults. The first line of each fault's documentation is what `Fault::description` returns.
macro_rules! faults {
    (
        $(#[$of_enum:meta])*
        pub enum Fault { $($(#[doc = $line:literal])+ $fault:ident = $name:literal,)+ }
    ) => {
        $(#[$of_enum])*
        pub enum Fault {
            $($(#[doc = $line])+ $fault,)+
        }

        impl Fault {
            /// All faults: first those of connections, then those of bodies, streams, errors, tool calls and text.
            pub const ALL: &[Fault] = &[$(Fault::$fault,)+];

            /// The name of the fault in a script.
            pub fn name(self) -> &'static str {
                match self {
                    $(Fault::$fault => $name,)+
                }
            }

            /// What happens, in one sentence.
            pub fn description(self) -> &'static str {
                let lines: &[&str] = match self {
                    $(Fault::$fault => &[$($line),+],)+
                };
                lines.first().copied().unwrap_or_default().trim()
            }
        }
    };
}

faults! {
    /// What goes wrong with a reply. A script names it `reset`, `reset-in-head` and so on.
    ///
    /// Where a fault has no effect in one of the formats, or on answers that are whole, its description says so.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Fault {
        /// The connection is reset (RST) before any byte of the reply.
        Reset = "reset",
        /// The first half of the head comes, then a reset.
        ResetInHead = "reset-in-head",
        /// The head and half of the body come, then a reset.
        ResetInBody = "reset-in-body",
        /// The head announces the whole body, half of it comes, then an orderly close.
        ///
        /// Of a stream it leaves out the chunk that would end it.
        Truncate = "truncate",
        /// The connection is closed in good order, without a byte.
        Close = "close",
        /// No byte ever comes, and the connection stays open until the client leaves.
        Silence = "silence",
        /// The head and half of the body come, then no byte ever.
        SilenceInBody = "silence-in-body",
        /// Bytes that are not HTTP come, then an orderly close.
        Garbage = "garbage",
        /// The reply is whole, and the connection, which the reply promises to keep open, is closed behind it.
        ClosedPooledConnection = "closed-pooled-connection",

        /// The reply is whole, but its JSON, or that of one event of a stream, is cut off.
        ///
        /// The length is right. In a stream it is the middle event if no place is set.
        Malformed = "malformed",
        /// The body is empty, or a stream without an event.
        EmptyBody = "empty-body",
        /// The body is an HTML page: a login page or, with a status from 400 on, the error page of a CDN with a ray id.
        HtmlBody = "html-body",
        /// The body is a line of plain text.
        TextBody = "text-body",
        /// `choices` (Anthropic: `content`, Responses: `output`) is null and there is no usage.
        NullChoices = "null-choices",
        /// `choices` (Anthropic: `content`, Responses: `output`) is an empty list and there is no usage.
        EmptyChoices = "empty-choices",
        /// The message has no content and ends with `max_tokens` or `length`, as when thinking used up all tokens.
        ///
        /// The usage is there, and so is the thinking that the script gives.
        NoContent = "no-content",

        /// A stream ends in good order but too early; an answer that is not streamed is malformed.
        ///
        /// It ends before its last event if no place is set.
        EndEarly = "end-early",
        /// A stream has no `[DONE]`, `message_stop` or `response.completed`, and its framing says that it is whole.
        NoDone = "no-done",
        /// A stream of Anthropic's format ends with `[DONE]` instead of `message_stop`.
        DoneInsteadOfStop = "done-instead-of-stop",
        /// The finish reason, or stop reason, is null to the end.
        ///
        /// Responses: the status is `in_progress`, and a stream has no `response.completed`.
        NoFinishReason = "no-finish-reason",

        /// A stream breaks off with an error instead of its middle event; an answer that is not streamed is an error.
        ///
        /// The HTTP status stays 200, and the stream ends in good order. [`Reply::fault_at`](crate::Reply::fault_at) names
        /// another event.
        ErrorEvent = "error-event",
        /// An error comes with the HTTP status 200, in a stream as its first event.
        ///
        /// It is the error of the reply's status and message, or that of an overloaded provider.
        ErrorIn200 = "error-in-200",
        /// The same as `error-in-200`, with an error type that no documentation has.
        UnknownErrorIn200 = "unknown-error-in-200",
        /// An error is `{"error": "text"}`, in a stream as its first event; the HTTP status is that of the reply.
        ErrorAsText = "error-as-text",

        /// The arguments of a stream's tool calls lack the end; an answer that is not streamed is malformed.
        OpenArguments = "open-arguments",
        /// A stream begins all tool calls, and then sends a piece of each in turn.
        InterleavedToolCalls = "interleaved-tool-calls",
        /// A stream sends the name of each tool in two pieces (OpenAI's format).
        ToolNameInPieces = "tool-name-in-pieces",
        /// A stream repeats the id and the name of a tool call with each piece (OpenAI's format).
        ToolNameRepeated = "tool-name-repeated",
        /// A stream gives each further piece of a tool call an empty id and an empty name (OpenAI's format).
        ToolNameEmpty = "tool-name-empty",
        /// The tool calls of a stream have no `index` (OpenAI's formats).
        ToolCallsWithoutIndex = "tool-calls-without-index",
        /// All tool calls of a stream have the index 0 (OpenAI's formats).
        ToolCallsAtOneIndex = "tool-calls-at-one-index",
        /// The first tool call is in the old field `function_call`, and there are no others (OpenAI's format).
        FunctionCall = "function-call",

        /// A character beyond U+FFFF is two `\u` escapes, which a stream sends in two events.
        ///
        /// This holds for text, thinking and arguments. If the text has no such character, one is added at its end.
        SplitSurrogate = "split-surrogate",
        /// Half of a surrogate pair is in the text, as the escape `\ud83d`.
        ///
        /// It takes the place of each U+FFFD in text, thinking and arguments. If the text has none, it is added at its end.
        LoneSurrogate = "lone-surrogate",
        /// The body begins with a byte order mark.
        ByteOrderMark = "byte-order-mark",
        /// Each JSON object has numbers beyond 64 bits, in fields that nobody reads.
        HugeNumber = "huge-number",
    }
}

impl Fault {
    /// Whether nothing of the reply's content reaches the client, so that its format does not matter.
    pub(crate) fn sends_no_content(self) -> bool {
        matches!(self, Fault::Reset | Fault::Close | Fault::Silence | Fault::Garbage)
    }

    /// Whether the body stops short of what the framing announces.
    pub(crate) fn breaks_off(self) -> bool {
        matches!(self, Fault::ResetInBody | Fault::Truncate | Fault::SilenceInBody)
    }

    /// Whether a body that is not a stream is sent whole but with broken JSON.
    pub(crate) fn is_malformed(self) -> bool {
        matches!(self, Fault::Malformed | Fault::EndEarly | Fault::OpenArguments)
    }

    /// Whether an error takes the place of the answer, or of an event of a stream.
    pub(crate) fn is_error(self) -> bool {
        matches!(self, Fault::ErrorEvent | Fault::ErrorAsText) || self.is_error_in_200()
    }

    /// Whether the HTTP status is 200, although the reply is an error.
    pub(crate) fn is_error_in_200(self) -> bool {
        matches!(self, Fault::ErrorIn200 | Fault::UnknownErrorIn200)
    }

    /// Whether it has a place in the body.
    pub(crate) fn has_place(self) -> bool {
        self.breaks_off() || self.is_error() || matches!(self, Fault::Malformed | Fault::EndEarly)
    }

    /// Whether it changes an answer, so that it has no effect on a body that the script gives.
    pub(crate) fn needs_answer(self) -> bool {
        let works_on_any_body = self.sends_no_content() || self.breaks_off() || self.is_malformed();
        let others = [Fault::ResetInHead, Fault::ClosedPooledConnection, Fault::ErrorEvent, Fault::ByteOrderMark];
        !works_on_any_body && !others.contains(&self)
    }

    /// How many tool calls an answer must have for the fault to show.
    pub(crate) fn needs_tool_calls(self) -> usize {
        match self {
            Fault::InterleavedToolCalls | Fault::ToolCallsAtOneIndex => 2,
            Fault::ToolNameInPieces | Fault::ToolNameRepeated | Fault::ToolNameEmpty => 1,
            Fault::ToolCallsWithoutIndex | Fault::FunctionCall => 1,
            _ => 0,
        }
    }
}
