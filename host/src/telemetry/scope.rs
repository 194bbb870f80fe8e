//! A span, or what there is where nobody listens: many are held at once, and most processes have no listener.

use std::sync::Arc;

use tracing::{Id, Span, Value, field::AsField, span::Entered};

/// A span, a word long.
#[derive(Clone, Default)]
pub(crate) struct Scope(Option<Arc<Span>>);

impl Scope {
    /// What others stand inside of.
    pub(crate) fn id(&self) -> Option<Id> {
        self.0.as_ref().and_then(|span| span.id())
    }

    /// Whether nobody listens.
    pub(crate) fn is_disabled(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn record(&self, field: &(impl AsField + ?Sized), value: impl Value) {
        if let Some(span) = &self.0 {
            span.record(field, value);
        }
    }

    /// What is done until the returned value is dropped, is done inside of the span.
    pub(crate) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|span| span.enter())
    }
}

impl From<Span> for Scope {
    fn from(span: Span) -> Self {
        Self((!span.is_disabled()).then(|| Arc::new(span)))
    }
}
