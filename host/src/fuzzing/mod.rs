//! The targets of `cargo xtask fuzz`. Each takes any bytes, and panics if a promise is broken.
//!
//! Part of the library only under `cfg(fuzzing)`, and of its own tests, which replay the corpus in `tests/fuzz/corpus`.

#![expect(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a panic reports a broken promise")]

use std::fmt::Debug;

use crate::{chat::wire_format::WireFormat, runtime};

pub(crate) mod agreement;
mod answers;
mod framing;
pub(crate) mod input;
mod script;
pub(crate) mod settings;
mod written_anthropic;
mod written_openai;
mod written_responses;

/// A function that takes any bytes.
pub type FuzzTarget = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, FuzzTarget); 8] = [
    ("agreement", agreement::agree),
    ("answers", answers::whole),
    ("config", settings::config),
    ("events", answers::streamed),
    ("hints", answers::hints),
    ("lifting", runtime::guest::convert::fuzzing::lift),
    ("metadata", settings::metadata),
    ("request", settings::request),
];

const FORMATS: [WireFormat; 3] = WireFormat::ALL;

/// Checks that a stranger's text in a message is short and does nothing to a terminal.
fn is_harmless(message: &str) {
    assert!(!message.chars().any(char::is_control), "control characters in a message: {message:?}");
    assert!(message.chars().count() < 2000, "a message of {} characters", message.chars().count());
}

/// Checks that two values are the same. NaN counts as itself, and the last digit of a fraction may differ
/// (`float_roundtrip` of `serde_json`).
pub(crate) fn stays<T: Debug>(value: &T, again: &T) {
    assert_eq!(rounded(&format!("{value:?}")), rounded(&format!("{again:?}")));
}

fn rounded(text: &str) -> String {
    let of_number = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | 'e' | '-' | '+');
    let mut rounded = String::with_capacity(text.len());
    for part in text.split_inclusive(|letter| !of_number(letter)) {
        let number = part.trim_end_matches(|letter| !of_number(letter));
        match number.parse::<f64>() {
            Ok(value) if number.contains(['.', 'e']) => {
                rounded.push_str(&format!("{value:.12e}{}", part.get(number.len()..).unwrap_or_default()));
            }
            _ => rounded.push_str(part),
        }
    }
    rounded
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Inputs that once broke something are among them.
    #[test]
    fn every_input_of_the_corpus_passes() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        for (name, target) in TARGETS {
            let folder = corpus.join(name);
            let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let mut inputs = 0;
            for file in files {
                let file = file.expect("an entry").path();
                let input = fs::read(&file).expect("a file");
                let survived = std::panic::catch_unwind(|| target(&input));
                assert!(survived.is_ok(), "cargo xtask fuzz {name} --input {}", file.display());
                inputs += 1;
            }
            assert!(inputs >= 4, "{name} has {inputs} inputs");
        }
    }
}
