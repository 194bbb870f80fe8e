//! A span that takes one word where nothing listens: calls hold many, and most processes have no listener.

use std::sync::Arc;

use tracing::{Id, Span, Value, field::AsField, span::Entered};

/// A span, or nothing if nothing listens.
#[derive(Clone, Default)]
pub(crate) struct Scope(Option<Arc<Span>>);

impl Scope {
    /// The parent for spans inside of this one.
    pub(crate) fn id(&self) -> Option<Id> {
        self.0.as_ref().and_then(|span| span.id())
    }

    /// Whether nothing listens.
    pub(crate) fn is_disabled(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn record(&self, field: &(impl AsField + ?Sized), value: impl Value) {
        if let Some(span) = &self.0 {
            span.record(field, value);
        }
    }

    /// Enters the span until the returned value is dropped.
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|span| span.enter())
    }
}

impl From<Span> for Scope {
    fn from(span: Span) -> Self {
        Self((!span.is_disabled()).then(|| Arc::new(span)))
    }
}
