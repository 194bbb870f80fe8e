//! Counters as text.

/// Reads a counter: decimal text as `write` makes it.
pub(crate) fn read(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Writes a counter.
pub(crate) fn write(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}
