//! What to look for. Plain Rust, without WebAssembly.

use regex_lite::Regex;

use crate::settings::{Kind, Settings};

/// The longest match for which an answer is held back, in bytes. A pattern with longer matches is searched when the text is
/// whole.
pub(crate) const LONGEST_PATTERN: usize = 1024;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) patterns: Vec<Pattern>,
}

/// A pattern of config.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// The name of its placeholders.
    pub(crate) label: String,
    pub(crate) regex: Regex,
    /// The length of its longest match, in bytes. None if that is unknown, or more than [`LONGEST_PATTERN`].
    pub(crate) longest: Option<usize>,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        let label = |name: &str| name.to_ascii_uppercase().replace('-', "_");
        let pattern = |(name, pattern): (&String, &String)| {
            // A wrong one was refused with the settings.
            let regex = Regex::new(pattern).ok()?;
            Some(Pattern { label: label(name), regex, longest: longest(pattern) })
        };
        Self {
            kinds: Kind::ALL.into_iter().filter(|kind| settings.kinds.contains(kind)).collect(),
            patterns: settings.patterns.iter().filter_map(pattern).collect(),
        }
    }

    /// Makes a policy that looks for nothing.
    pub(crate) fn nothing() -> Self {
        Self { kinds: Vec::new(), patterns: Vec::new() }
    }

    /// Returns whether it looks for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.patterns.is_empty()
    }
}

/// Returns an upper limit for the length of a match: each character of the pattern matches at most one character, as often as
/// its repetitions say. None if a repetition has no limit, or is written in a way that is not understood here.
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
    fn the_longest_match_is_known_for_limited_patterns() {
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
