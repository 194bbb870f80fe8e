//! Where in the body of a reply a fault happens.

use serde::Deserialize;

use crate::event_stream::Piece;

/// Where in a reply's body a fault happens. Events count from 1, including pings. In a stream that the script gives,
/// each piece counts as an event. A place after the end of the body is its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Place {
    /// After this many bytes of the body. If the fault breaks the connection, these are compressed bytes.
    Byte(usize),
    /// Before the event of this number.
    BeforeEvent(usize),
    /// In the data of the event of this number.
    InEvent(usize),
    /// After the first byte of the first character that has several, in the event of this number or a later one.
    InCharacter(usize),
    /// Before the last event, which is the one that marks the end.
    #[serde(rename = "before-end")]
    BeforeEnd,
}

/// A place between two bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// How many pieces come before it.
    pub(crate) pieces: usize,
    /// How many bytes of the next piece.
    pub(crate) bytes: usize,
}

impl Place {
    pub(crate) fn spot(self, pieces: &[Piece]) -> Spot {
        let before = |number: usize| number.saturating_sub(1);
        match self {
            Place::Byte(count) => byte(pieces, count),
            Place::BeforeEvent(number) => Spot { pieces: before(number), bytes: 0 },
            Place::InEvent(number) => {
                let middle = pieces.get(before(number)).map_or(0, |piece| middle_of_data(&piece.bytes));
                Spot { pieces: before(number), bytes: middle }
            }
            Place::InCharacter(number) => character(pieces, before(number)),
            Place::BeforeEnd => Spot { pieces: before(pieces.len()), bytes: 0 },
        }
    }
}

fn byte(pieces: &[Piece], count: usize) -> Spot {
    let mut left = count;
    for (index, piece) in pieces.iter().enumerate() {
        if left < piece.bytes.len() {
            return Spot { pieces: index, bytes: left };
        }
        left -= piece.bytes.len();
    }
    Spot { pieces: pieces.len(), bytes: 0 }
}

/// In the middle of the last line's value, so that a comment or the event's name is whole.
fn middle_of_data(bytes: &[u8]) -> usize {
    const NAME: &[u8] = b"data:";
    let start = bytes.windows(NAME.len()).rposition(|window| window == NAME).map_or(0, |at| at + NAME.len());
    (start + bytes.len()) / 2
}

fn character(pieces: &[Piece], first: usize) -> Spot {
    // 0xC0 and above begin a character of several bytes in UTF-8.
    let found = pieces.iter().enumerate().skip(first).find_map(|(index, piece)| {
        let at = piece.bytes.iter().position(|&byte| byte >= 0xC0)?;
        Some(Spot { pieces: index, bytes: at + 1 })
    });
    found.unwrap_or(Spot { pieces: pieces.len(), bytes: 0 })
}
