//! How a text is rewritten.

/// Rewrites a text. Returns none if it does not change.
pub(crate) type Rewrite<'r> = dyn FnMut(&str) -> Option<String> + 'r;

/// Rewrites a text in place, and returns whether it has changed.
pub(crate) fn set(text: &mut String, rewrite: impl FnOnce(&str) -> Option<String>) -> bool {
    let rewritten = rewrite(text);
    let is_changed = rewritten.is_some();
    if let Some(rewritten) = rewritten {
        *text = rewritten;
    }
    is_changed
}
