//! Standard output and standard error. That nobody reads them, or that a disk is full, is an error and no panic.

use std::{fmt, io::Write as _};

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

/// Writes to standard error; there is nowhere to report to if that fails.
pub(crate) fn tell(text: impl fmt::Display) {
    let _ = write!(anstream::stderr(), "{text}");
}
