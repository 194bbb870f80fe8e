//! Faults that JSON values cannot show, only their text.

use super::halves;
use crate::fault::Fault;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Beyond 64 bits, and beyond the largest `f64`.
const HUGE_NUMBERS: &[u8] = br#","simulated_count":123456789012345678901234567890,"simulated_size":1e999"#;

/// Spoils a body, or an event of a stream, that is text by now. `is_first` says whether the body begins with it.
pub(super) fn spoil(bytes: Vec<u8>, fault: Option<Fault>, is_first: bool) -> Vec<u8> {
    match fault {
        Some(Fault::SplitSurrogate | Fault::LoneSurrogate) => halves::escape(&bytes),
        Some(Fault::ByteOrderMark) if is_first => [BYTE_ORDER_MARK, &bytes].concat(),
        Some(Fault::HugeNumber) => with_huge_numbers(bytes),
        _ => bytes,
    }
}

/// Adds the numbers at the end of the JSON object, if there is one.
fn with_huge_numbers(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().rposition(|&byte| byte == b'}') {
        bytes.splice(end..end, HUGE_NUMBERS.iter().copied());
    }
    bytes
}
