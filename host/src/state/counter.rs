//! Counters as text.

/// Reads a counter: decimal text as `write` makes it.
pub(crate) fn read(value: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    // As in a Redis, which takes no `+1` and no `01`.
    (write(number) == value).then_some(number)
}

/// Writes a counter.
pub(crate) fn write(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}
