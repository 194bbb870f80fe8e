//! Counters as text.

/// Reads a counter: decimal text as `write` makes it. As in a Redis, `+1`, `01` and `-0` are none.
pub(crate) fn read(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    match digits {
        [b'1'..=b'9', ..] => {}
        b"0" if digits.len() == value.len() => {}
        _ => return None,
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Writes a counter.
pub(crate) fn write(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_read_only_as_it_is_written(number: i64, text in "[-+0-9 ]{0,4}") {
            prop_assert_eq!(read(&write(number)), Some(number));
            let read = read(text.as_bytes());
            prop_assert!(read.is_none_or(|number| write(number) == text.as_bytes()));
            prop_assert_eq!(read.is_some(), text.parse().is_ok_and(|number: i64| number.to_string() == text));
        }
    }
}
