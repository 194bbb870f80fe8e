//! What `cargo xtask fuzz` feeds: each target takes any bytes, and panics where a promise is broken.
//!
//! Part of the library only under `cfg(fuzzing)`, and of its own tests, which replay the corpus in `tests/fuzz/corpus`.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a promise that is broken is told by a panic"
)]

use crate::{config::WireFormat, runtime};

mod agreement;
mod answers;
mod input;
mod settings;

pub(crate) use input::Input;
pub(crate) use settings::is_written;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("agreement", agreement::agree),
    ("answers", answers::whole),
    ("config", settings::config),
    ("events", answers::streamed),
    ("hints", answers::hints),
    ("lifting", runtime::lift),
    ("metadata", settings::metadata),
    ("request", settings::request),
];

const FORMATS: [WireFormat; 2] = [WireFormat::Anthropic, WireFormat::OpenAi];

/// A stranger's text in a message is short, and does nothing to a terminal.
fn is_harmless(message: &str) {
    assert!(!message.chars().any(char::is_control), "control characters in a message: {message:?}");
    assert!(message.chars().count() < 2000, "a message of {} characters", message.chars().count());
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Those that were found to break something are among them.
    #[test]
    fn every_input_of_the_corpus_is_survived() {
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
