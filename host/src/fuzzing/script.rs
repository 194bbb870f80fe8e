//! An answer, from which a whole body and a stream are made.

use serde_json::{Value, json};

use crate::fuzzing::input::Input;

/// A piece of a text, in units of UTF-16. It may begin and end with half a character.
pub(crate) type Piece = Vec<u16>;

/// The content of an answer.
pub(crate) struct AnswerScript {
    pub(crate) blocks: Vec<ScriptBlock>,
    pub(crate) stop: &'static str,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

pub(crate) enum ScriptBlock {
    Text(Vec<Piece>),
    Thinking(Vec<Piece>),
    Call(ScriptCall),
}

pub(crate) struct ScriptCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
    /// The arguments as text.
    pub(crate) pieces: Vec<Piece>,
}

impl AnswerScript {
    /// An answer that ends with one of these words.
    pub(crate) fn new(input: &mut Input<'_>, stops: &[&'static str]) -> Self {
        let mut calls = 0;
        let blocks = (0..input.below(6)).map(|_| match input.below(3) {
            0 => ScriptBlock::Text(pieces(&text(input), input)),
            1 => ScriptBlock::Thinking(pieces(&text(input), input)),
            _ => {
                calls += 1;
                let arguments = json!({text(input): text(input), "n": input.number(), "deep": [{"a": "}\""}]});
                let pieces = pieces(&arguments.to_string(), input);
                let id = format!("call-{calls}");
                ScriptBlock::Call(ScriptCall { id, name: format!("tool-{}", input.byte()), arguments, pieces })
            }
        });
        let blocks = blocks.collect();
        let stop = stops[usize::from(input.byte()) % stops.len()];
        Self { blocks, stop, input_tokens: (input.number() >> 32) + 1, output_tokens: input.number() >> 32 }
    }
}

/// A text that is short enough for an event, with characters of all lengths.
fn text(input: &mut Input<'_>) -> String {
    const LETTERS: [char; 10] = ['a', '"', '\\', '\n', '\u{0}', 'ü', '→', '😀', '\u{10ffff}', '\u{feff}'];
    let chosen = (0..input.below(12)).map(|_| LETTERS[usize::from(input.below(10))]).collect();
    if input.flag() { chosen } else { String::from_utf8_lossy(input.bytes()).chars().take(24).collect() }
}

/// Cuts a text into pieces of these lengths, also in the middle of a character.
fn pieces(text: &str, input: &mut Input<'_>) -> Vec<Piece> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut rest = &units[..];
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(input.below(20)) + 1;
        // Without input that is left, pieces have one unit: that takes long.
        let length = if input.0.is_empty() { 40 } else { length };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

/// The whole text.
pub(crate) fn joined(pieces: &[Piece]) -> String {
    String::from_utf16_lossy(&pieces.concat())
}

/// A piece as JSON.
pub(crate) fn quoted(piece: &[u16]) -> String {
    let mut json = String::from("\"");
    for unit in char::decode_utf16(piece.iter().copied()) {
        match unit {
            Ok(letter) if u32::from(letter) > 0xFFFF => {
                let units =
                    letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                json.push_str(&units);
            }
            Ok(letter) => {
                let quoted = Value::from(letter.to_string()).to_string();
                json.push_str(&quoted[1..quoted.len() - 1]);
            }
            Err(half) => json.push_str(&format!("\\u{:04X}", half.unpaired_surrogate())),
        }
    }
    json + "\""
}
