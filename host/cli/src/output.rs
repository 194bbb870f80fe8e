//! Standard output and standard error. That nobody reads them, or that a disk is full, is an error and no panic.

use std::{
    borrow::Cow,
    fmt,
    io::{IsTerminal as _, Stdout, Write as _},
};

use anstream::AutoStream;
use arcllm::plain;
use serde::Serialize;

use crate::failure::Failure;

/// Writes a line to standard output. Colours are left out where it is no terminal.
macro_rules! line {
    ($($argument:tt)*) => {
        $crate::output::write_line(format_args!($($argument)*))
    };
}
pub(crate) use line;

/// What [`line!`] calls.
pub(crate) fn write_line(line: fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = anstream::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(Failure::Output)
}

/// Writes one line of JSON to standard output. Its content is exact, and harmless to a terminal.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::usage(error.to_string()))?;
    write_line(format_args!("{}", plain::json(&text)))
}

/// Writes what a model says, on lines of its own.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    let mut output = Text::new();
    output.say(text)?;
    output.write("\n")
}

/// A name or another word of a config file, a file system, a provider or a model, on one line.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    plain::line(text, 1000)
}

/// Writes to standard error; there is nowhere to report to if that fails.
pub(crate) fn tell(text: impl fmt::Display) {
    let _ = write!(anstream::stderr(), "{text}");
}

/// A text that is written to standard output piece by piece, to be seen as it comes.
pub(crate) struct Text {
    output: AutoStream<Stdout>,
    is_terminal: bool,
    in_line: bool,
}

impl Text {
    pub(crate) fn new() -> Self {
        Self { output: anstream::stdout(), is_terminal: std::io::stdout().is_terminal(), in_line: false }
    }

    /// Writes what is the command's own, colours included.
    pub(crate) fn write(&mut self, piece: &str) -> Result<(), Failure> {
        self.note_line(piece);
        let written = self.output.write_all(piece.as_bytes());
        written.and_then(|()| self.output.flush()).map_err(Failure::Output)
    }

    /// Writes what a model says: as it is, unless it goes to a terminal, which would obey it.
    pub(crate) fn say(&mut self, piece: &str) -> Result<(), Failure> {
        if self.is_terminal {
            return self.write(&plain::answer(piece));
        }
        self.note_line(piece);
        let mut output = std::io::stdout().lock();
        output.write_all(piece.as_bytes()).and_then(|()| output.flush()).map_err(Failure::Output)
    }

    fn note_line(&mut self, piece: &str) {
        if let Some(last) = piece.chars().next_back() {
            self.in_line = last != '\n';
        }
    }

    /// Ends the line, if it is in the midst of one.
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        if self.in_line { self.write("\n") } else { Ok(()) }
    }
}
