//! Searches a text for everything to replace, from left to right.

use std::ops::Range;

use crate::{
    characters::{Characters, is_word},
    find::Finder,
    placeholders::{Known, is_name},
    policy::Policy,
    settings::Kind,
};

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Personal data of this kind.
    Kind(Kind),
    /// A match of the pattern with this index.
    Pattern(usize),
    /// A placeholder with a known value.
    Placeholder,
}

/// The next step of a search.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// A finding.
    Found(Range<usize>, Finding),
    /// Nothing begins before this place. From there on it is not certain yet.
    Nothing(usize),
}

impl Next {
    fn start(&self) -> usize {
        match self {
            Next::Found(range, _) => range.start,
            Next::Nothing(from) => *from,
        }
    }

    /// Orders steps by where they begin. In the same place, an uncertain one comes first, and then the longest finding.
    fn rank(&self) -> (usize, bool, std::cmp::Reverse<usize>) {
        match self {
            Next::Found(range, _) => (range.start, true, std::cmp::Reverse(range.end)),
            Next::Nothing(from) => (*from, false, std::cmp::Reverse(0)),
        }
    }
}

/// Searches a text from left to right.
pub(crate) struct Search<'a> {
    policy: &'a Policy,
    /// Placeholders to look for.
    known: &'a Known,
    pub(crate) text: Characters<'a>,
    /// Whether nothing follows the text.
    is_whole: bool,
    /// Everything before this place is done.
    at: usize,
    /// Where the last finding ends. It will be replaced, so its characters no longer count.
    cut: Option<usize>,
    finder: Finder<'a>,
    /// The next step without patterns.
    next: Next,
    /// A finding right after another one. Before that was replaced, this one was inside of a word. `next` does not know of
    /// it, because a match of a pattern came before `next`.
    behind: Option<Next>,
    /// The next step of each pattern.
    patterns: Vec<Next>,
}

impl<'a> Search<'a> {
    /// Searches from the place `at` on. If `is_cut`, a finding ends there. If the text `is_whole`, nothing follows it.
    pub(crate) fn new(
        policy: &'a Policy,
        known: &'a Known,
        (text, is_whole): (&'a str, bool),
        (at, is_cut): (usize, bool),
    ) -> Self {
        let (finder, cut) = (Finder::new(&policy.kinds), is_cut.then_some(at));
        let (next, behind, patterns) = (Next::Nothing(at), None, Vec::new());
        let mut search =
            Self { policy, known, text: Characters::new(text), is_whole, at, cut, finder, next, behind, patterns };
        search.next = search.next_from(at);
        search.patterns = policy.patterns.iter().enumerate().map(|(index, _)| search.pattern_from(index, at)).collect();
        search
    }

    /// Returns the next finding, or up to where there is certainly none.
    pub(crate) fn next(&mut self) -> Next {
        if self.next.start() < self.at {
            self.next = self.next_from(self.at);
        }
        for index in 0..self.patterns.len() {
            if self.patterns.get(index).is_some_and(|next| next.start() < self.at) {
                let next = self.pattern_from(index, self.at);
                if let Some(place) = self.patterns.get_mut(index) {
                    *place = next;
                }
            }
        }
        self.behind = self.behind.take().filter(|next| next.start() >= self.at);
        let first = self.patterns.iter().chain(&self.behind).chain([&self.next]).min_by_key(|next| next.rank());
        let first = first.cloned().unwrap_or(Next::Nothing(self.at));
        if let Next::Found(range, _) = &first {
            (self.at, self.cut) = (range.end, Some(range.end));
            if self.next.start() > range.end {
                self.behind = self.behind(range.end);
            }
        }
        first
    }

    /// Returns whether the last finding ends here.
    pub(crate) fn is_cut(&self, at: usize) -> bool {
        self.cut == Some(at)
    }

    fn behind(&mut self, at: usize) -> Option<Next> {
        // The finder of this search is already further on.
        let finder = std::mem::replace(&mut self.finder, Finder::new(&self.policy.kinds));
        let begins = self.begins(at, None);
        self.finder = finder;
        begins
    }

    /// Returns the next step from here on, without patterns.
    fn next_from(&mut self, from: usize) -> Next {
        if self.policy.kinds.is_empty() && self.known.is_empty() {
            return Next::Nothing(self.text.text.len());
        }
        let mut at = from;
        let mut before = if self.is_cut(at) { None } else { self.text.before(at) };
        while let Some((character, length)) = self.text.look(at) {
            let is_inside = before.is_some_and(is_word);
            let may_begin = (is_word(character) || matches!(character, b'+' | b'(')) && !is_inside;
            if (may_begin || character == b'[')
                && let Some(next) = self.begins(at, before)
            {
                return next;
            }
            before = Some(character);
            at += length;
        }
        Next::Nothing(at)
    }

    /// Returns what begins here; none if certainly nothing does.
    fn begins(&mut self, at: usize, before: Option<u8>) -> Option<Next> {
        self.text.ran_out();
        let found = match self.text.at(at) {
            Some(b'[') => self.placeholder(at).map(|end| (Finding::Placeholder, end)),
            _ => self.finder.begins(&self.text, at, before).map(|(kind, end)| (Finding::Kind(kind), end)),
        };
        if self.text.ran_out() && !self.is_whole {
            return Some(Next::Nothing(at));
        }
        found.map(|(what, end)| Next::Found(at..end, what))
    }

    /// Returns where the placeholder ends that stands here.
    fn placeholder(&self, at: usize) -> Option<usize> {
        let mut end = at + 1;
        while end - at < self.known.longest()
            && let Some(character) = self.text.at(end)
        {
            end += 1;
            match character {
                b']' => return self.known.get(self.text.text.get(at..end)?).map(|_| end),
                character if is_name(character) => {}
                _ => return None,
            }
        }
        None
    }

    /// Returns the next step of a pattern.
    fn pattern_from(&self, index: usize, from: usize) -> Next {
        let (text, length) = (self.text.text, self.text.text.len());
        let Some(pattern) = self.policy.patterns.get(index) else { return Next::Nothing(length) };
        let certain = match (self.is_whole, pattern.longest) {
            (true, _) => length,
            // A pattern may look at one character after its match.
            (false, Some(longest)) => text.floor_char_boundary(length.saturating_sub(longest + 4)),
            (false, None) => from,
        };
        if certain <= from && !self.is_whole {
            return Next::Nothing(from);
        }
        let mut start = from;
        while let Some(found) = pattern.regex.find_at(text, start) {
            if found.start() >= certain && !self.is_whole {
                break;
            }
            if !found.is_empty() {
                return Next::Found(found.range(), Finding::Pattern(index));
            }
            // There is nothing to replace in an empty match.
            let Some(next) = text.get(found.start()..).and_then(|rest| rest.chars().next()) else { break };
            start = found.start() + next.len_utf8();
        }
        Next::Nothing(certain)
    }
}
