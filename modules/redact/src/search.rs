//! What is to be replaced in a text, from left to right.

use std::ops::Range;

use crate::{
    find::Finder,
    placeholders::{Known, is_name},
    policy::Policy,
    settings::Kind,
    text::{Text, is_word},
};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Personal data of this kind.
    Kind(Kind),
    /// What this pattern looks for.
    Pattern(usize),
    /// A placeholder that stands for something.
    Placeholder,
}

/// What comes next.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// This.
    Found(Range<usize>, What),
    /// Nothing begins before this place, and from there on it is not known yet.
    Nothing(usize),
}

impl Next {
    fn start(&self) -> usize {
        match self {
            Next::Found(range, _) => range.start,
            Next::Nothing(from) => *from,
        }
    }

    /// What comes first, comes first: of what begins in the same place that which is not certain, and then the longest.
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
    pub(crate) text: Text<'a>,
    /// Whether nothing follows the text.
    is_whole: bool,
    /// Everything before is done with.
    at: usize,
    /// Where the last thing that was found ends. It is not looked at any more, since it is replaced.
    cut: Option<usize>,
    finder: Finder<'a>,
    /// The next one that no pattern looks for.
    next: Next,
    /// What begins right behind what a pattern has found, and did not as long as that was a part of its word.
    behind: Option<Next>,
    /// The next one of each pattern.
    patterns: Vec<Next>,
}

impl<'a> Search<'a> {
    /// Searches from this place on, where something ends that was found if `is_cut`. Where the text `is_whole`, nothing
    /// follows it.
    pub(crate) fn new(
        policy: &'a Policy,
        known: &'a Known,
        (text, is_whole): (&'a str, bool),
        (at, is_cut): (usize, bool),
    ) -> Self {
        let (finder, cut) = (Finder::new(&policy.kinds), is_cut.then_some(at));
        let (next, behind, patterns) = (Next::Nothing(at), None, Vec::new());
        let mut search =
            Self { policy, known, text: Text::new(text), is_whole, at, cut, finder, next, behind, patterns };
        search.next = search.next_from(at);
        search.patterns = policy.patterns.iter().enumerate().map(|(index, _)| search.pattern_from(index, at)).collect();
        search
    }

    /// The next thing to be replaced, or up to where there is none. Nothing is known of what follows there.
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
        if let Next::Found(range, what) = &first {
            (self.at, self.cut) = (range.end, Some(range.end));
            if matches!(what, What::Pattern(_)) && self.next.start() > range.end {
                self.behind = self.behind(range.end);
            }
        }
        first
    }

    /// Whether something was found that ends here.
    pub(crate) fn is_cut(&self, at: usize) -> bool {
        self.cut == Some(at)
    }

    fn behind(&mut self, at: usize) -> Option<Next> {
        // The other one is further.
        let finder = std::mem::replace(&mut self.finder, Finder::new(&self.policy.kinds));
        let begins = self.begins(at, None);
        self.finder = finder;
        begins
    }

    /// The next one from here on that no pattern looks for.
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

    /// What begins here. None if certainly nothing does.
    fn begins(&mut self, at: usize, before: Option<u8>) -> Option<Next> {
        self.text.ran_out();
        let found = match self.text.at(at) {
            Some(b'[') => self.placeholder(at).map(|end| (What::Placeholder, end)),
            _ => self.finder.begins(&self.text, at, before).map(|(kind, end)| (What::Kind(kind), end)),
        };
        if self.text.ran_out() && !self.is_whole {
            return Some(Next::Nothing(at));
        }
        found.map(|(what, end)| Next::Found(at..end, what))
    }

    /// Where the placeholder ends that stands here.
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

    /// The next one of a pattern.
    fn pattern_from(&self, index: usize, from: usize) -> Next {
        let (text, length) = (self.text.text, self.text.text.len());
        let Some(pattern) = self.policy.patterns.get(index) else { return Next::Nothing(length) };
        let certain = match (self.is_whole, pattern.longest) {
            (true, _) => length,
            // A pattern may look at one character more.
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
                return Next::Found(found.range(), What::Pattern(index));
            }
            // Where nothing was found there is nothing to be replaced.
            let Some(next) = text.get(found.start()..).and_then(|rest| rest.chars().next()) else { break };
            start = found.start() + next.len_utf8();
        }
        Next::Nothing(certain)
    }
}
