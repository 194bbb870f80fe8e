//! The JSON of a request or of an answer, as its author wrote it.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::chat::{error::ErrorKind, wire_format::WireFormat};

/// The extension of a `parse` error whose answer the caller may read all the same.
const UNREAD: &str = "arcllm.unread";

/// A request or an answer in a wire format, byte by byte as its author wrote it. Its `Debug` shows no content.
///
/// A gateway gives a request its original. If the provider speaks the same format and nothing has changed the request, the
/// provider is sent the original, and what the provider answers comes back as an original, too.
///
/// ```
/// use arcllm::{Message, Original, Options, Request, WireFormat};
///
/// let body = r#"{"model": "fast", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}"#;
/// let original = Original::new(WireFormat::Anthropic, body).header("anthropic-beta", "context-management-2025-06-27");
/// let request = Request::new([Message::user("Hi")]).with_options(Options::new().max_tokens(9)).with_original(original);
/// # let _ = request;
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Original {
    /// The wire format of the body.
    pub format: WireFormat,
    /// A JSON object.
    pub body: Bytes,
    /// Headers that go with the request to providers of this format. A header that the provider's table sets goes as it is
    /// there; lists such as `anthropic-beta` are joined.
    pub headers: Vec<(String, String)>,
}

impl Original {
    /// A body in this format, without headers.
    pub fn new(format: WireFormat, body: impl Into<Bytes>) -> Self {
        Self { format, body: body.into(), headers: Vec::new() }
    }

    /// Adds a header that goes with the request to providers of this format.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for Original {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (format, bytes) = (&self.format, self.body.len());
        formatter.debug_struct("Original").field("format", format).field("bytes", &bytes).finish_non_exhaustive()
    }
}

/// The original of a request or of an answer, if it has one. It says the same as the fields beside it, so it makes no
/// difference when two of them are compared.
#[derive(Clone, Default)]
pub(crate) struct KeptOriginal {
    original: Option<Arc<Original>>,
    /// In its place the events of an answer that came in events, and that a module has read as a whole.
    events: Option<Arc<[Bytes]>>,
    /// Whether the fields say something else by now.
    is_changed: bool,
    /// Whether it says more than the fields, such as several answers.
    says_more: bool,
    /// Why the content beside the original is missing, where only the client can read it.
    unread: Option<Arc<ErrorKind>>,
}

impl KeptOriginal {
    /// An original that says what the fields say.
    pub(crate) fn of(original: Original) -> Self {
        Self { original: Some(Arc::new(original)), ..Self::default() }
    }

    /// The original of an answer that came in these events.
    pub(crate) fn of_events(events: Vec<Bytes>, is_changed: bool) -> Self {
        Self { events: (!events.is_empty()).then(|| events.into()), is_changed, ..Self::default() }
    }

    /// The events in which the answer came, and whether the fields say something else by now.
    pub(crate) fn events(&self) -> (&[Bytes], bool) {
        (self.events.as_deref().unwrap_or_default(), self.is_changed)
    }

    /// Notes that the content could not be read, and why.
    pub(crate) fn unread(&mut self, error: ErrorKind) {
        let error = match error {
            ErrorKind::Parse(failure) => ErrorKind::Parse(failure.with_extension(UNREAD, true)),
            error => error,
        };
        self.unread = Some(Arc::new(error));
    }

    /// Notes that the original says more than the fields.
    pub(crate) fn say_more(&mut self) {
        self.says_more = true;
    }

    /// Whether the original says more than the fields.
    pub(crate) fn says_more(&self) -> bool {
        self.says_more
    }

    /// Whether the content could not be read.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Why the content could not be read, if it could not.
    pub(crate) fn take_unread(&mut self) -> Option<ErrorKind> {
        self.unread.take().map(Arc::unwrap_or_clone)
    }

    /// The original, if it still says what the fields say.
    pub(crate) fn unchanged(&self) -> Option<&Original> {
        self.original.as_deref().filter(|_| !self.is_changed)
    }

    /// The original, even if the fields say something else by now.
    pub(crate) fn given(&self) -> Option<&Original> {
        self.original.as_deref()
    }

    /// Notes that the fields say something else.
    pub(crate) fn change(&mut self) {
        self.is_changed = true;
    }

    /// The same original for other fields.
    pub(crate) fn changed(&self) -> Self {
        Self { is_changed: true, unread: None, ..self.clone() }
    }
}

impl PartialEq for KeptOriginal {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for KeptOriginal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unchanged().fmt(formatter)
    }
}
