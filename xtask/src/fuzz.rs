//! `cargo xtask fuzz`: feeds the fuzz targets of the host with inputs of libFuzzer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::workspace::{Workspace, cargo};

/// The committed inputs, with a folder for each target.
const CORPUS: &str = "tests/fuzz/corpus";

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// How many seconds to feed each target
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Feed only this file, to repeat a failure
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
    /// A folder of tests/fuzz/corpus [default: all of them]
    #[arg(value_name = "TARGET")]
    target: Option<String>,
}

pub(crate) fn run(fuzz: &Fuzz) -> Result<()> {
    let workspace = Workspace::read()?;
    let known = targets(&workspace.root.join(CORPUS))?;
    let targets = match &fuzz.target {
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(target) => bail!("unknown target `{target}`; the targets are {}", known.join(", ")),
        None => known,
    };
    let fuzzer = build(&workspace.root)?;
    let bench = Bench { fuzzer, workspace };
    if let Some(input) = &fuzz.input {
        return bench.replay(targets.first().context("a target")?, input);
    }
    let broken: Vec<String> = targets
        .into_iter()
        .map(|target| Ok((bench.feed(&target, fuzz.seconds)?, target)))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter_map(|(survived, target)| (!survived).then_some(target))
        .collect();
    ensure!(broken.is_empty(), "some inputs break {}", broken.join(", "));
    Ok(())
}

/// The names of the folders.
fn targets(corpus: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(corpus).with_context(|| corpus.display().to_string())?;
    let mut names = entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names.into_iter().flatten().collect())
}

/// Builds the fuzzer and returns its path. Only the host is compiled for it, not its dependencies.
fn build(root: &Path) -> Result<PathBuf> {
    /// What cargo prints about a file that it has made.
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let mut command = Command::new(cargo());
    command.env("RUSTC_WORKSPACE_WRAPPER", root.join("tests/fuzz/rustc")).current_dir(root);
    command.args(["test", "--workspace", "--features", "arcllm-fuzz/libfuzzer", "--test", "fuzz", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().context("cargo test")?;
    ensure!(output.status.success(), "the fuzzer does not build");
    let messages = String::from_utf8(output.stdout).context("cargo test")?;
    let mut made = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable);
    made.next().context("cargo made no fuzzer")
}

struct Bench {
    fuzzer: PathBuf,
    workspace: Workspace,
}

impl Bench {
    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(&self.fuzzer);
        command.env("ARCLLM_FUZZ", target);
        command
    }

    /// Feeds a target for some seconds, starting from the committed inputs and those of earlier runs. Returns whether it
    /// survived.
    fn feed(&self, target: &str, seconds: u64) -> Result<bool> {
        let found = self.workspace.target.join("fuzz").join(target);
        let (inputs, broken) = (found.join("corpus"), found.join("broken"));
        for folder in [&inputs, &broken] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut command = self.command(target);
        // libFuzzer adds what it finds to the first folder.
        command.arg(&inputs).arg(self.workspace.root.join(CORPUS).join(target));
        command.arg(format!("-artifact_prefix={}/", broken.display())).arg(format!("-max_total_time={seconds}"));
        command.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024", "-max_len=8192", "-verbosity=1"]);
        let output = command.stdout(Stdio::inherit()).output().context("the fuzzer")?;
        let log = String::from_utf8_lossy(&output.stderr);
        eprintln!("{target}: {}", summary(&log));
        if !output.status.success() {
            let from = log.find("panicked at").or_else(|| log.find("==ERROR")).or_else(|| log.find("ERROR:"));
            eprintln!("{}", log.get(from.unwrap_or_default()..).unwrap_or(&log));
            match log.split("Test unit written to ").nth(1).and_then(|rest| rest.lines().next()) {
                Some(input) => eprintln!("to repeat: cargo xtask fuzz {target} --input {input}"),
                None => bail!("the fuzzer ended with {}", output.status),
            }
        }
        Ok(output.status.success())
    }

    /// Feeds a target one file.
    fn replay(&self, target: &str, input: &Path) -> Result<()> {
        let status = self.command(target).arg(input).status().context("the fuzzer")?;
        ensure!(status.success(), "{} breaks {target}", input.display());
        eprintln!("{target} survives {}", input.display());
        Ok(())
    }
}

/// Reads the number of runs and the coverage from the fuzzer's last lines: `#123  DONE  cov: 45 ft: 67 corp: 8/9b …`.
fn summary(log: &str) -> String {
    let runs = log.split("stat::number_of_executed_units:").nth(1).and_then(|rest| rest.lines().next());
    let last = log.lines().rev().find(|line| line.contains(" cov: "));
    let after = |name: &str| last.and_then(|line| line.split(name).nth(1)?.split_whitespace().next()).unwrap_or("?");
    let runs = runs.map_or("?", str::trim);
    format!("{runs} inputs, {} edges, {} features, {} inputs kept", after(" cov: "), after(" ft: "), after(" corp: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuzzers_last_lines_are_read() {
        let log = "#2\tINITED cov: 1 ft: 2 corp: 3/4b\n#90\tDONE   cov: 45 ft: 67 corp: 8/9b lim: 4 exec/s: 3 rss: 2Mb\n\
                   Done 90 runs in 3 second(s)\nstat::number_of_executed_units: 90\nstat::average_exec_per_sec: 30\n";
        assert_eq!(summary(log), "90 inputs, 45 edges, 67 features, 8/9b inputs kept");
        assert_eq!(summary(""), "? inputs, ? edges, ? features, ? inputs kept");
    }
}
