//! Writes to standard output and standard error. A closed pipe or a full disk is an error, and no panic.

use std::{
    borrow::Cow,
    fmt,
    io::{IsTerminal as _, Stdout, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str, stream::RawStream};
use arcllm::plain;
use arcllm_server::Output;
use serde::Serialize;

use crate::failure::Failure;

/// Writes a line to standard output, with colours only on a terminal.
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

/// Writes one line of JSON to standard output. Control characters in its texts are escaped.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::usage(error.to_string()))?;
    write_line(format_args!("{}", plain::json(&text)))
}

/// Writes a model's text, and a line end.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    let mut output = Text::new();
    output.say(text)?;
    output.write("\n")
}

/// Makes one harmless line of a name from a config file, a file system, a provider or a model.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    plain::line(text, 1000)
}

/// Whether this is a server, which waits for nobody who reads.
static IS_SERVER: AtomicBool = AtomicBool::new(false);

/// From here on no write to standard error waits for its reader.
pub(crate) fn serve() {
    IS_SERVER.store(true, Ordering::Relaxed);
}

/// Writes to standard error. There is nowhere to report to if that fails.
pub(crate) fn tell(text: impl fmt::Display) {
    if !IS_SERVER.load(Ordering::Relaxed) {
        let _ = write!(anstream::stderr(), "{text}");
        return;
    }
    add(Output::Error, &std::io::stderr(), text.to_string().trim_end());
    let _ = Output::Error.drain();
}

/// Adds lines to an output of a server, with colours only on a terminal.
pub(crate) fn add(output: Output, stream: &impl RawStream, text: &str) {
    match AutoStream::choice(stream) {
        ColorChoice::Never => output.add(&strip_str(text).to_string()),
        _ => output.add(text),
    }
}

/// A text that is written to standard output piece by piece.
pub(crate) struct Text {
    output: AutoStream<Stdout>,
    is_terminal: bool,
    in_line: bool,
}

impl Text {
    pub(crate) fn new() -> Self {
        Self { output: anstream::stdout(), is_terminal: std::io::stdout().is_terminal(), in_line: false }
    }

    /// Writes the command's own text, which may have colours.
    pub(crate) fn write(&mut self, piece: &str) -> Result<(), Failure> {
        self.note_line(piece);
        let written = self.output.write_all(piece.as_bytes());
        written.and_then(|()| self.output.flush()).map_err(Failure::Output)
    }

    /// Writes a model's text unchanged, or to a terminal without the control characters that it would obey.
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

    /// Ends the line if one has begun.
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        if self.in_line { self.write("\n") } else { Ok(()) }
    }
}
