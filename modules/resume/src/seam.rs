//! Joins a text to one that broke off, so that nothing is doubled.
//!
//! A model that is told to go on may repeat the end of what it said, all of it, or its last word, perhaps after a few words of its
//! own. What it repeats is found and left out. What could as well be the next part of the text stays: a line that the text has had
//! before, or dashes after dashes.

/// The bytes that are looked at before anything is handed out, if the model was told to go on.
const LOOK: usize = 200;
/// The same if it was given the beginning of its answer: then it repeats nothing as a rule.
const LOOK_AFTER_PREFIX: usize = 64;
/// The fewest bytes that count as repeated.
const REPEATED: usize = 8;
/// The same for a model that was given the beginning of its answer.
const REPEATED_AFTER_PREFIX: usize = 12;
/// The fewest bytes of a word that count as repeated.
const WORD: usize = 3;
/// The fewest bytes that count as repeated after words of the model's own.
const REPEATED_LATER: usize = 16;
/// The most bytes of such words.
const OWN_WORDS: usize = 100;
/// The most places that are followed at once.
const FOLLOWED: usize = 32;

/// How the model was asked to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was given what was received as the beginning of its answer, without white space at the end.
    WithPrefix,
    /// It was told to go on.
    WithInstruction,
}

/// Something that may be a repetition.
#[derive(Debug, Clone, Copy)]
struct Repetition {
    /// How many bytes of the model's own words come before it.
    own: usize,
    /// Where in the text before it stands.
    at: usize,
}

/// The place where the text of one answer goes on in another.
#[derive(Debug)]
pub struct Seam {
    before: String,
    asked: Asked,
    /// What has come and was not handed out.
    head: String,
    /// Where the model may be repeating `before`. Absent as long as too little has come.
    following: Option<Vec<Repetition>>,
    is_joined: bool,
}

impl Seam {
    /// Begins to join a text to `before`.
    pub fn new(before: String, asked: Asked) -> Self {
        Self { before, asked, head: String::new(), following: None, is_joined: false }
    }

    /// Returns whether it is known where the texts meet.
    pub fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// Takes a piece, and returns what can be handed out.
    pub fn add(&mut self, piece: &str) -> String {
        if self.is_joined {
            return piece.to_owned();
        }
        self.head.push_str(piece);
        let look = match self.asked {
            Asked::WithPrefix => LOOK_AFTER_PREFIX,
            Asked::WithInstruction => LOOK,
        };
        if self.head.len() < look || self.is_repeating(piece.len()) {
            return String::new();
        }
        self.end()
    }

    /// Returns what was not handed out: no more comes.
    pub fn end(&mut self) -> String {
        if self.is_joined {
            return String::new();
        }
        self.is_joined = true;
        let mut head = std::mem::take(&mut self.head);
        let repeated = self.repeated(&head);
        head.drain(..head.floor_char_boundary(repeated));
        head
    }

    /// Returns what was not handed out and is certainly new: the text has broken off again, and goes on in yet another. What may
    /// be the beginning of a repetition is thrown away, since the next text goes on before it.
    pub fn broken(&mut self) -> String {
        if self.may_repeat() {
            self.head.clear();
        }
        self.end()
    }

    /// Whether all that has come, but for a few words of the model's own, stands in `before`.
    fn may_repeat(&self) -> bool {
        let (before, head) = (self.before.as_str(), self.head.as_str());
        let mut rests = own_words(head).filter_map(|at| head.get(at..));
        before.contains(head) || rests.any(|rest| rest.len() >= REPEATED_LATER && before.contains(rest))
    }

    /// Whether all that has come, but for words of the model's own, stands in `before`, and more follows there.
    fn is_repeating(&mut self, added: usize) -> bool {
        let (before, head) = (self.before.as_str(), self.head.as_str());
        // What stands in `before` behind this many bytes of the repetition.
        let after =
            |Repetition { own, at }: &Repetition, length: usize| before.get(at + length - own..).unwrap_or_default();
        match &mut self.following {
            None => {
                let own = own_words(head).filter(|_| self.asked == Asked::WithInstruction);
                let places = [0].into_iter().chain(own).flat_map(|own| {
                    let said = head.get(own..).filter(|said| own == 0 || said.len() >= REPEATED_LATER);
                    said.into_iter()
                        .flat_map(move |said| before.match_indices(said).map(move |(at, _)| Repetition { own, at }))
                });
                let places = places.filter(|place| !after(place, head.len()).is_empty());
                self.following = Some(places.take(FOLLOWED).collect());
            }
            Some(places) => {
                let piece = head.get(head.len() - added..).unwrap_or_default();
                places.retain(|place| {
                    let expected = after(place, head.len() - added);
                    expected.len() > piece.len() && expected.starts_with(piece)
                });
            }
        }
        self.following.as_ref().is_some_and(|places| !places.is_empty())
    }

    /// How many bytes of `head` stand in `before` already, or introduce what does.
    fn repeated(&self, head: &str) -> usize {
        // It began anew, and ended before it came as far.
        if head.len() >= REPEATED_LATER && self.before.len() > head.len() && self.before.starts_with(head) {
            return head.len();
        }
        let repeated = overlaps(&self.before, head).into_iter().find(|overlap| self.is_certain(head, overlap));
        if let Some(overlap) = repeated {
            return overlap.length;
        }
        match self.asked {
            Asked::WithPrefix => self.white_space(head),
            Asked::WithInstruction => self.introduced(head).unwrap_or_else(|| self.space(head)),
        }
    }

    fn is_certain(&self, head: &str, overlap: &Overlap) -> bool {
        let (Some(text), Some(at)) = (head.get(..overlap.length), self.before.len().checked_sub(overlap.length)) else {
            return false;
        };
        if overlap.is_periodic() || !text.contains(char::is_alphanumeric) {
            return false;
        }
        let least = match self.asked {
            Asked::WithPrefix => REPEATED_AFTER_PREFIX,
            Asked::WithInstruction => REPEATED,
        };
        let is_all = at == 0 && self.asked == Asked::WithInstruction;
        let is_long = overlap.length >= least && self.before.find(text) == Some(at);
        is_all || is_long || self.asked == Asked::WithInstruction && self.is_word(text, at)
    }

    /// Whether this is a word, or its beginning, that would stand twice in a row.
    fn is_word(&self, text: &str, at: usize) -> bool {
        let before = self.before.get(..at).unwrap_or_default();
        let begins = before.is_empty() || before.ends_with(char::is_whitespace);
        let is_usual = before.trim_end().ends_with(text);
        text.len() >= WORD && text.chars().all(char::is_alphabetic) && begins && !is_usual
    }

    /// How many bytes of words of the model's own come before what it repeats, and of that.
    fn introduced(&self, head: &str) -> Option<usize> {
        own_words(head).find_map(|at| {
            let rest = head.get(at..)?;
            let rest = rest.get(..rest.floor_char_boundary(self.before.len())).unwrap_or_default();
            let is_certain = |overlap: &Overlap| {
                let text = rest.get(..overlap.length).unwrap_or_default();
                let at = self.before.len().checked_sub(overlap.length);
                overlap.length >= REPEATED_LATER && !overlap.is_periodic() && self.before.find(text) == at
            };
            overlaps(&self.before, rest).into_iter().find(is_certain).map(|overlap| at + overlap.length)
        })
    }

    /// How much of the white space at the end of `before`, which the model did not see, it has written itself.
    fn white_space(&self, head: &str) -> usize {
        let unseen = self.before.get(self.before.trim_end().len()..).unwrap_or_default();
        unseen
            .char_indices()
            .map(|(at, _)| unseen.len() - at)
            .find(|length| unseen.get(unseen.len() - length..).is_some_and(|space| head.starts_with(space)))
            .unwrap_or_default()
    }

    /// How many bytes of a space are too many: one between two words is enough.
    fn space(&self, head: &str) -> usize {
        let ends = self.before.strip_suffix(' ').is_some_and(|before| !before.ends_with(char::is_whitespace));
        let begins = head.strip_prefix(' ').is_some_and(|head| !head.starts_with(char::is_whitespace));
        usize::from(ends && begins)
    }
}

/// Where words of the model's own may end.
fn own_words(head: &str) -> impl Iterator<Item = usize> {
    let places = head.char_indices().map(|(at, _)| at).skip(1).take_while(|at| *at <= OWN_WORDS);
    places.filter(|at| {
        let own = head.get(..*at).unwrap_or_default();
        own.ends_with([' ', '\n', ':', '"', '…', '.', '`']) && own.contains(char::is_alphabetic)
    })
}

/// An end of one text that another begins with.
struct Overlap {
    /// In bytes.
    length: usize,
    /// After so many bytes it repeats itself.
    period: usize,
}

impl Overlap {
    /// Whether it is the same several times, such as dashes: then it may well go on like that.
    fn is_periodic(&self) -> bool {
        self.length > 1 && self.period * 2 <= self.length
    }
}

/// Finds all ends of `before` that `head` begins with, the longest first (Knuth, Morris and Pratt).
fn overlaps(before: &str, head: &str) -> Vec<Overlap> {
    let (before, head) = (before.as_bytes(), head.as_bytes());
    // For each beginning of `head`, the longest shorter beginning that it ends with.
    let mut borders = vec![0; head.len()];
    let longer = |borders: &[usize], mut length: usize, byte: u8| loop {
        if head.get(length) == Some(&byte) {
            return length + 1;
        }
        match length.checked_sub(1).and_then(|last| borders.get(last)) {
            Some(border) => length = *border,
            None => return 0,
        }
    };
    for at in 1..head.len() {
        let (Some(last), Some(byte)) = (borders.get(at - 1).copied(), head.get(at)) else { break };
        let length = longer(&borders, last, *byte);
        borders.get_mut(at).into_iter().for_each(|border| *border = length);
    }
    let end = before.get(before.len().saturating_sub(head.len())..).unwrap_or_default();
    let mut length = end.iter().fold(0, |length, byte| longer(&borders, length, *byte));
    let mut found = Vec::new();
    while length > 0 {
        let border = borders.get(length - 1).copied().unwrap_or_default();
        found.push(Overlap { length, period: length - border });
        length = border;
    }
    found
}

#[cfg(test)]
mod tests;
