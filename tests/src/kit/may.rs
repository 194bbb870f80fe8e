//! What a module says that it may do. The kit demands no more than what is left.

/// What a module may do besides asking its inner once and handing on what it gets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct May {
    pub(super) ask_others: bool,
    pub(super) answer_itself: bool,
    pub(super) ask_again: bool,
    pub(super) change_requests: bool,
    pub(super) change_answers: bool,
    pub(super) hold_answers_back: bool,
}

impl May {
    /// Reads the words of a description. Words that are not known here allow nothing.
    pub(super) fn of(behavior: &[String]) -> Self {
        let says = |word: &str| behavior.iter().any(|says| says == word);
        Self {
            ask_others: says("asks-others"),
            answer_itself: says("answers-itself"),
            ask_again: says("asks-again"),
            change_requests: says("changes-requests"),
            change_answers: says("changes-answers"),
            hold_answers_back: says("holds-answers-back"),
        }
    }

    /// Whether it may send more than one request for a call.
    pub(super) fn ask_more(self) -> bool {
        self.ask_again || self.ask_others
    }

    /// Whether the caller may get another answer than the one that came.
    pub(super) fn differ(self) -> bool {
        self.change_answers || self.answer_itself
    }

    /// Whether it may go on with an answer that breaks off.
    pub(super) fn go_on(self) -> bool {
        self.ask_again && self.change_answers
    }

    /// Whether a streamed answer may come in other pieces than it was made in.
    pub(super) fn piece_anew(self) -> bool {
        self.differ() || self.hold_answers_back
    }

    /// Whether so many requests for one call are too many or too few. The result says what was expected.
    pub(super) fn wrong_count(self, count: usize) -> Option<&'static str> {
        match (count, self.answer_itself, self.ask_more()) {
            (1, ..) | (0, true, _) => None,
            (2.., _, true) => None,
            (_, false, false) => Some("There should be 1."),
            (_, true, false) => Some("There should be 1 at most."),
            (_, _, true) => Some("There should be 1 at least."),
        }
    }
}
