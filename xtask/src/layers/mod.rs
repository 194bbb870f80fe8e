//! `cargo xtask layers`: checks that the files of a crate import each other in one direction.
//!
//! A file imports another one if it names something that the other one defines. A path through a re-export leads to the
//! file with the definition, and the re-export itself is no import.

mod graph;
mod order;
mod read;
mod resolve;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::{
    layers::{graph::Graph, order::Order, read::Crate},
    workspace::Workspace,
};

/// The crate that has rooms, and an order of them.
const HOST: &str = "host/src";

/// Crates in which only circles are looked for.
const OTHERS: [&str; 5] = ["host/cli/src", "host/registry/src", "host/server/src", "modules/sdk/src", "tests/src"];

/// Where the order of the rooms is written.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Checks the host and the other crates of the workspace.
pub(crate) fn run() -> Result<()> {
    let root = Workspace::read()?.root;
    let mut problems = host(&root)?;
    for folder in OTHERS {
        problems.extend(other(&root, folder)?);
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// What is wrong with the imports of the host.
fn host(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(ARCHITECTURE)).context(ARCHITECTURE)?;
    check(&root.join(HOST), Some(&text))
}

/// The circles of another crate.
fn other(root: &Path, folder: &str) -> Result<Vec<String>> {
    let problems = check(&root.join(folder), None)?;
    Ok(problems.into_iter().map(|problem| format!("{folder}: {problem}")).collect())
}

/// What is wrong with the imports of the crates in a folder. `architecture` is the text that has the order of its rooms.
fn check(folder: &Path, architecture: Option<&str>) -> Result<Vec<String>> {
    let order = architecture.map(Order::read).transpose()?;
    let mut problems = match &order {
        Some(order) => order.unknown(folder)?,
        None => Vec::new(),
    };
    let roots: Vec<_> = ["lib.rs", "main.rs"].into_iter().filter(|root| folder.join(root).is_file()).collect();
    ensure!(!roots.is_empty(), "{}: neither lib.rs nor main.rs is there", folder.display());
    for root in roots {
        let graph = Graph::new(&Crate::read(folder, root)?);
        problems.extend(graph.circles());
        problems.extend(order.iter().flat_map(|order| order.violations(&graph)));
    }
    Ok(problems)
}

#[cfg(test)]
mod tests;
