//! Child processes, for what can be measured only once in a process: its memory, its first compilation.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

const CHILD: &str = "--child";

/// The arguments of this process, if it is a child.
pub(crate) fn child_arguments() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == CHILD).then(|| arguments.collect())
}

/// This program in another process.
pub(crate) struct Child {
    process: std::process::Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Child {
    pub(crate) fn start(arguments: &[String], environment: &[(&str, &std::path::Path)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(CHILD).args(arguments).envs(environment.iter().copied());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// Reads the next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The processor time that it has taken.
    pub(crate) fn cpu_time(&self) -> std::time::Duration {
        super::measure::cpu_time_of(self.process.id())
    }

    /// Its resident memory in kilobytes.
    pub(crate) fn resident_kb(&self) -> u64 {
        super::measure::resident_kb_of(&self.process.id().to_string())
    }

    /// Closes its input, and returns the rest of its output.
    pub(crate) fn finish(mut self) -> String {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "a child failed");
        rest.trim().to_owned()
    }

    /// Runs it to its end, and returns the figures that it prints.
    pub(crate) fn figures(arguments: &[String], environment: &[(&str, &std::path::Path)]) -> Vec<f64> {
        let printed = Self::start(arguments, environment).finish();
        printed.split_whitespace().map(|figure| figure.parse().unwrap()).collect()
    }
}
