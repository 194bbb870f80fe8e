//! Tables on standard output.
#![expect(clippy::print_stdout, reason = "a benchmark reports")]

use std::time::Duration;

/// A table with a column of text and columns of figures.
pub(crate) struct Table {
    wide: usize,
}

impl Table {
    /// Prints the head.
    pub(crate) fn new(what: &str, columns: &[&str]) -> Self {
        let table = Self { wide: 54 };
        println!();
        table.row(what, columns);
        table
    }

    /// Prints a row.
    pub(crate) fn row(&self, what: &str, figures: &[impl AsRef<str>]) {
        let figures: String = figures.iter().map(|figure| format!(" {:>12}", figure.as_ref())).collect();
        println!("{what:<wide$}{figures}", wide = self.wide);
    }
}

pub(crate) fn micros(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// In the unit that reads better.
pub(crate) fn time(time: Duration) -> String {
    if time < Duration::from_millis(1) { micros(time) } else { millis(time) }
}
