//! Texts in pieces, as models write them.

/// The length of a piece of a tool call's arguments, unless the script sets it. Arguments have no words.
const ARGUMENTS_PIECE: usize = 8;

/// Where a text is cut. Characters stay whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pieces {
    /// Before the spaces between words.
    #[default]
    Words,
    /// Into this many pieces of about the same length, or fewer if there are not as many characters.
    Count(usize),
    /// After this many bytes at the most, but at least one character.
    Bytes(usize),
}

impl Pieces {
    /// The pieces of a text; an empty one has none.
    pub(crate) fn of_text(self, text: &str) -> Vec<&str> {
        match self {
            Pieces::Words => words(text),
            Pieces::Count(count) => by_count(text, count.min(text.len()).max(1)),
            Pieces::Bytes(bytes) => by_bytes(text, bytes),
        }
    }

    /// The pieces of the JSON text of a tool call's arguments.
    pub(crate) fn of_arguments(self, text: &str) -> Vec<&str> {
        match self {
            Pieces::Words => by_bytes(text, ARGUMENTS_PIECE),
            Pieces::Count(_) | Pieces::Bytes(_) => self.of_text(text),
        }
    }
}

fn words(text: &str) -> Vec<&str> {
    let starts = text.char_indices().zip(text.chars().skip(1)).filter_map(|((at, before), after)| {
        let is_start = !before.is_whitespace() && after.is_whitespace();
        is_start.then_some(at + before.len_utf8())
    });
    at_each(text, starts)
}

fn by_count(text: &str, count: usize) -> Vec<&str> {
    let length = text.len();
    // Each piece is as long as what is left allows, so that the last ones are not empty.
    let ends = (1..count).map(|piece| text.ceil_char_boundary((length / count) * piece + (length % count).min(piece)));
    at_each(text, ends)
}

fn by_bytes(text: &str, bytes: usize) -> Vec<&str> {
    let mut start = 0_usize;
    let ends = std::iter::from_fn(|| {
        let floor = text.floor_char_boundary(start.saturating_add(bytes));
        start = if floor > start { floor } else { text.ceil_char_boundary(start + 1) };
        (start < text.len()).then_some(start)
    });
    at_each(text, ends)
}

/// Cuts at these places, which ascend. Empty pieces are left out.
fn at_each(text: &str, places: impl Iterator<Item = usize>) -> Vec<&str> {
    let mut start = 0;
    let mut pieces = Vec::new();
    for end in places.chain([text.len()]) {
        pieces.extend(text.get(start..end).filter(|piece| !piece.is_empty()));
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_the_space_before_them() {
        assert_eq!(Pieces::Words.of_text("It rains  a lot.\n\nYes"), ["It", " rains", "  a", " lot.", "\n\nYes"]);
        assert_eq!(Pieces::Words.of_text(" a "), [" a", " "]);
        assert!(Pieces::Words.of_text("").is_empty());
    }

    #[test]
    fn a_count_is_kept_where_there_are_enough_characters() {
        assert_eq!(Pieces::Count(3).of_text("abcdefgh"), ["abc", "def", "gh"]);
        assert_eq!(Pieces::Count(5).of_text("ab"), ["a", "b"]);
        assert_eq!(Pieces::Count(usize::MAX).of_text("ab"), ["a", "b"]);
        assert_eq!(Pieces::Count(1).of_text("ab"), ["ab"]);
        assert_eq!(Pieces::Count(4).of_text("äöü").concat(), "äöü");
    }

    #[test]
    fn lengths_never_cut_a_character() {
        assert_eq!(Pieces::Bytes(3).of_text("abcdefgh"), ["abc", "def", "gh"]);
        assert_eq!(Pieces::Bytes(1).of_text("a€b"), ["a", "€", "b"]);
        assert_eq!(Pieces::Bytes(3).of_text("aöö"), ["aö", "ö"]);
        assert_eq!(Pieces::Bytes(usize::MAX).of_text("ab"), ["ab"]);
    }
}
