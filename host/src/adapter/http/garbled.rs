//! Bytes of a text that are none. Each becomes a replacement character of three bytes, so that an answer of nothing else
//! would grow to three times its size.

use std::str::from_utf8;

/// The most such bytes of an answer: some may be a server's mistake.
const MOST: usize = 64 * 1024;

/// Counts the bytes that are no UTF-8, in a text that comes in any pieces.
#[derive(Default)]
pub(crate) struct Garbled {
    count: usize,
    /// A character that has begun.
    begun: Vec<u8>,
}

impl Garbled {
    /// Looks at the next piece. Tells whether there are too many by now.
    pub(crate) fn exceeds(&mut self, piece: &[u8]) -> bool {
        let mut rest = piece;
        while !self.begun.is_empty() {
            let Some((byte, after)) = rest.split_first() else { return false };
            self.begun.push(*byte);
            match from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => {
                    // The byte may begin something else.
                    self.count += self.begun.len() - 1;
                    self.begun.clear();
                    break;
                }
            }
            rest = after;
        }
        while let Err(error) = from_utf8(rest) {
            rest = rest.get(error.valid_up_to()..).unwrap_or_default();
            let Some(length) = error.error_len() else {
                self.begun.extend_from_slice(rest);
                break;
            };
            self.count += length;
            rest = rest.get(length..).unwrap_or_default();
        }
        self.count > MOST
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> usize {
        let mut garbled = Garbled::default();
        for piece in pieces {
            garbled.exceeds(piece);
        }
        garbled.count
    }

    #[test]
    fn too_many_are_told() {
        let mut garbled = Garbled::default();
        assert!(!garbled.exceeds(&[0xff; MOST]));
        assert!(!garbled.exceeds("ü".repeat(MOST).as_bytes()));
        assert!(garbled.exceeds(b"\xc3\x28"));
    }

    proptest! {
        #[test]
        fn text_is_not_garbled_however_it_comes(text: String, size in 1..5_usize) {
            prop_assert_eq!(count(text.as_bytes().chunks(size)), 0);
        }

        #[test]
        fn bytes_are_as_garbled_in_pieces_as_in_one(bytes in proptest::collection::vec(0x70..=0xff_u8, 0..40), size in 1..5_usize) {
            let invalid: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
            let unfinished = match from_utf8(bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid())) {
                Err(error) if error.error_len().is_none() => bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len()),
                _ => 0,
            };
            prop_assert_eq!(count(bytes.chunks(size)), invalid - unfinished);
            prop_assert_eq!(count(std::iter::once(&*bytes)), invalid - unfinished);
        }
    }
}
