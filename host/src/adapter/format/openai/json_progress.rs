//! Finds out when JSON that arrives in pieces is complete. Each byte is read once.

/// How far the JSON has arrived.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonProgress {
    /// How many objects and lists are open.
    depth: usize,
    in_text: bool,
    after_backslash: bool,
    is_complete: bool,
}

impl JsonProgress {
    /// Reads a piece.
    pub(crate) fn read(&mut self, piece: &str) {
        for byte in piece.bytes() {
            self.byte(byte);
        }
    }

    /// Whether an object or a list has begun and has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn byte(&mut self, byte: u8) {
        if self.in_text {
            self.in_text = self.after_backslash || byte != b'"';
            self.after_backslash = byte == b'\\' && !self.after_backslash;
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.is_complete = self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_at_the_last_brace() {
        for (json, is_complete) in [
            ("", false),
            ("{", false),
            ("{}", true),
            (" {\"a\": [1, {}]} ", true),
            ("{\"a\": \"}", false),
            ("{\"a\": \"\\\"}\"", false),
            ("{\"a\": \"\\\\\"}", true),
            ("null", false),
        ] {
            let (mut whole, mut pieces) = (JsonProgress::default(), JsonProgress::default());
            whole.read(json);
            json.chars().for_each(|letter| pieces.read(&letter.to_string()));
            assert_eq!((whole, whole.is_complete()), (pieces, is_complete), "{json}");
        }
    }
}
