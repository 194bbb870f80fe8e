//! What is looked for. Knows nothing of WebAssembly.

use regex_lite::Regex;

use crate::settings::{Kind, Settings};

/// The longest match of a pattern that an answer is held back for, in bytes. One that may find more is looked for when the
/// text is whole.
pub(crate) const LONGEST_PATTERN: usize = 1024;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) patterns: Vec<Pattern>,
}

/// What config looks for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// What its placeholders are called.
    pub(crate) label: String,
    pub(crate) regex: Regex,
    /// The most bytes that it can find at once. None if that is not known, or is more than [`LONGEST_PATTERN`].
    pub(crate) longest: Option<usize>,
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        let label = |name: &str| name.to_ascii_uppercase().replace('-', "_");
        let pattern = |(name, pattern): (&String, &String)| {
            // One that is none has been refused with the settings.
            let regex = Regex::new(pattern).ok()?;
            Some(Pattern { label: label(name), regex, longest: longest(pattern) })
        };
        Self {
            kinds: Kind::ALL.into_iter().filter(|kind| settings.kinds.contains(kind)).collect(),
            patterns: settings.patterns.iter().filter_map(pattern).collect(),
        }
    }

    /// One that looks for nothing.
    pub(crate) fn nothing() -> Self {
        Self { kinds: Vec::new(), patterns: Vec::new() }
    }

    /// Whether it looks for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.patterns.is_empty()
    }
}

/// No more bytes than that are found by a regular expression: each of its characters finds one at most, as often as its
/// repetitions say. None if one of these has no end, or is written in a way that is not understood here.
fn longest(pattern: &str) -> Option<usize> {
    if pattern.contains(['*', '+']) {
        return None;
    }
    let mut longest = pattern.chars().count().checked_mul(char::MAX.len_utf8())?;
    for braces in pattern.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default()) {
        let most = braces.split_once(',').map_or(braces, |(_, most)| most);
        match most.parse::<usize>() {
            Ok(most) => longest = longest.checked_mul(most.max(1))?,
            // As in `\b{start}`.
            Err(_) if !braces.is_empty() && braces.chars().all(|letter| letter.is_ascii_alphabetic()) => {}
            Err(_) => return None,
        }
    }
    (longest <= LONGEST_PATTERN).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_longest_match_is_waited_for() {
        for (pattern, expected) in [
            ("T-17", Some(16)),
            ("T-[0-9]{2}", Some(80)),
            ("(a{2}b){3}", Some(240)),
            ("x{0}y", Some(20)),
            ("a{1,3}", Some(72)),
            ("T-[0-9]+", None),
            ("a*", None),
            ("a{2,}", None),
            ("a{ 2 , }", None),
            ("a{1000}", None),
            ("a{99999999999999999999}", None),
        ] {
            let regex = Regex::new(pattern);
            assert!(regex.is_err() || longest(pattern) == expected, "{pattern}: {:?}", longest(pattern));
        }
    }
}
