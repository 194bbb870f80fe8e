//! Faults by their names, as scripts have them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::fault::Fault;

/// A name that no fault has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown fault `{name}`: did you mean {}? docs/simulate.md and `arcllm simulate --help` list all faults",
    Alternatives(nearest)
)]
pub struct UnknownFault {
    name: String,
    nearest: Vec<&'static str>,
}

/// Names in backticks, with "or" before the last one.
struct Alternatives<'a>(&'a [&'static str]);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            formatter.write_str(if index == 0 { "" } else { " or " })?;
            write!(formatter, "`{name}`")?;
        }
        Ok(())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Fault, UnknownFault> {
        let known = Fault::ALL.iter().copied().find(|fault| fault.name() == name);
        known.ok_or_else(|| UnknownFault { name: name.to_owned(), nearest: nearest(name) })
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The names that are as near as the nearest one, at most three.
fn nearest(name: &str) -> Vec<&'static str> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let names = || Fault::ALL.iter().map(|fault| fault.name());
    let least = names().map(distance).min();
    names().filter(|known| Some(distance(known)) == least).take(3).collect()
}
