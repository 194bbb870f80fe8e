//! Decides what becomes of a call whose record cannot be written. Plain Rust, without WebAssembly.

use crate::settings::{OnJournalFailure, Settings};

/// Decides when a record says that a call begins, and what follows if a record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    refuses: bool,
    begin_record: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on.
    GoOn,
    /// It fails.
    Fail,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        let Settings { on_journal_failure, begin_record, .. } = settings;
        Self { refuses: *on_journal_failure == OnJournalFailure::Refuse, begin_record: *begin_record }
    }

    /// Returns whether a record says that this call begins.
    ///
    /// Parts of a streamed answer cannot be taken back at its end. So where a call without a record must fail, one that is streamed
    /// proves before it that the journal can be written.
    pub fn writes_begin(self, streamed: bool) -> bool {
        self.begin_record || (self.refuses && streamed)
    }

    /// Returns what becomes of a call whose beginning could not be recorded. Nothing has been sent yet.
    pub fn without_begin(self) -> Then {
        if self.refuses { Then::Fail } else { Then::GoOn }
    }

    /// Returns what becomes of an answer whose record could not be written. Of a streamed answer everything is out already, and
    /// an error is no answer.
    pub fn without_end(self, is_whole_answer: bool) -> Then {
        if self.refuses && is_whole_answer { Then::Fail } else { Then::GoOn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_leaves_without_a_trace_unless_that_is_allowed() {
        for begin_record in [true, false] {
            let policy =
                |on_journal_failure| Policy::new(&Settings { on_journal_failure, begin_record, ..Settings::default() });
            let refuse = policy(OnJournalFailure::Refuse);
            assert_eq!((refuse.writes_begin(true), refuse.writes_begin(false)), (true, begin_record));
            assert_eq!((refuse.without_begin(), refuse.without_end(true)), (Then::Fail, Then::Fail));
            assert_eq!(refuse.without_end(false), Then::GoOn);
            let allow = policy(OnJournalFailure::Allow);
            assert_eq!((allow.writes_begin(true), allow.writes_begin(false)), (begin_record, begin_record));
            assert_eq!((allow.without_begin(), allow.without_end(true)), (Then::GoOn, Then::GoOn));
        }
    }
}
