//! Follows the chain of a journal from line to line, and finds the first place where it is wrong.

use serde::Serialize;

use crate::journal::{
    head,
    line::{Line, Link, Own},
};

/// Where a line is: the number of its file, and its number in that, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: u64,
}

/// What a place of a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A line as the host has written it.
    Line(Line),
    /// Something else, in a line of its own.
    Other,
    /// The end of the file, in the middle of a line.
    Torn,
}

/// What is wrong with a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JournalFault {
    /// A line is not as it was written.
    Changed,
    /// Records are missing.
    Removed,
    /// A line stands there that does not belong there.
    Inserted,
    /// A line stands at the place of another.
    OutOfOrder,
    /// The file ends in the middle of a line.
    Torn,
    /// A record that should be there is not: the end was cut off, or it is another journal.
    Unknown,
}

/// The first place where a chain is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) place: Place,
    pub(crate) fault: JournalFault,
    pub(crate) message: String,
}

/// A chain as far as it was followed.
#[derive(Debug)]
pub(crate) struct Chain {
    /// How many lines were right.
    pub(crate) records: u64,
    pub(crate) first: Option<Line>,
    pub(crate) last: Option<Line>,
    /// Where the first line is.
    pub(crate) begins: Option<Place>,
    /// The lines before this number were deleted, as the configuration says.
    pub(crate) deleted_before: u64,
    place: Option<Place>,
}

impl Chain {
    /// A chain before its first line.
    pub(crate) fn new() -> Self {
        Self { records: 0, first: None, last: None, begins: None, deleted_before: 0, place: None }
    }

    /// Follows the chain through these lines, as far as it is right. `seen` gets the link of each right line.
    pub(crate) fn follow<E>(
        &mut self,
        lines: &mut impl Iterator<Item = Result<(Place, Found), E>>,
        mut seen: impl FnMut(Link),
    ) -> Result<Option<Break>, E> {
        while let Some(next) = lines.next() {
            let (place, found) = next?;
            match found {
                Found::Torn => return Ok(Some(torn(place))),
                Found::Other => {
                    let after = lines.next().transpose()?.map(|(_, found)| found);
                    return Ok(Some(self.not_a_line(place, after.as_ref())));
                }
                Found::Line(line) if self.goes_on_with(&line) => {
                    match line.own {
                        Some(Own::Lost(noted)) => return Ok(Some(lost(place, line.link.sequence, noted))),
                        Some(Own::HeadMissing) => return Ok(Some(head_missing(place))),
                        Some(Own::Deleted(before)) => self.deleted_before = self.deleted_before.max(before),
                        None => {}
                    }
                    seen(line.link);
                    self.records += 1;
                    self.begins.get_or_insert(place);
                    self.place = Some(place);
                    self.first.get_or_insert_with(|| line.clone());
                    self.last = Some(line);
                }
                Found::Line(line) => return self.wrong(place, &line, lines).map(Some),
            }
        }
        Ok(None)
    }

    /// Where the chain has come to.
    fn link(&self) -> Link {
        self.last.as_ref().map_or(Link::START, |line| line.link)
    }

    /// Whether this line follows.
    fn goes_on_with(&self, line: &Line) -> bool {
        let Link { sequence, hash } = self.link();
        // The files before the first one that is there may have been deleted.
        let begins_later = self.last.is_none() && line.link.sequence > 1;
        begins_later || (line.link.sequence == sequence.saturating_add(1) && line.prev == hash)
    }

    /// Whether this line follows the same one as the last line, and is another one.
    fn is_twin(&self, line: &Line) -> bool {
        let twin = |last: &Line| last.link.sequence == line.link.sequence && last.prev == line.prev;
        self.last.as_ref().is_some_and(|last| twin(last) && last.link.hash != line.link.hash)
    }

    fn not_a_line(&self, place: Place, after: Option<&Found>) -> Break {
        let goes_on = matches!(after, Some(Found::Line(line)) if self.last.is_some() && self.goes_on_with(line));
        match goes_on {
            true => Break {
                place,
                fault: JournalFault::Inserted,
                message: "this line was inserted: the next one follows the one before it".to_owned(),
            },
            false => Break {
                place,
                fault: JournalFault::Changed,
                message: "this line was changed: its hash does not fit its text".to_owned(),
            },
        }
    }

    /// Tells why a line that is as it was written does not follow.
    fn wrong<E>(
        &self,
        place: Place,
        line: &Line,
        lines: &mut impl Iterator<Item = Result<(Place, Found), E>>,
    ) -> Result<Break, E> {
        let (number, expected) = (line.link.sequence, self.link().sequence.saturating_add(1));
        if number > expected {
            for later in lines {
                if let (_, Found::Line(later)) = later?
                    && later.link.sequence == expected
                {
                    let message = format!("record {number} stands here, and record {expected} comes later");
                    return Ok(Break { place, fault: JournalFault::OutOfOrder, message });
                }
            }
            let message = match number - expected {
                1 => format!("record {expected} is missing before this line, which is record {number}"),
                _ => format!("records {expected} to {} are missing before this line", number - 1),
            };
            return Ok(Break { place, fault: JournalFault::Removed, message });
        }
        let next = lines.next().transpose()?.map(|(_, found)| found);
        let goes_on = matches!(&next, Some(Found::Line(next)) if next.prev == line.link.hash);
        let before = self.place.unwrap_or(place);
        Ok(match (number == expected, goes_on) {
            (true, true) if self.last.is_some() => Break {
                place: before,
                fault: JournalFault::Changed,
                message: format!("this line was changed and has a new hash: record {number} follows another one"),
            },
            (true, _) => Break {
                place,
                fault: JournalFault::Changed,
                message: "this line was changed and has a new hash: it does not follow the one before it".to_owned(),
            },
            (false, true) if self.is_twin(line) => Break {
                place: before,
                fault: JournalFault::Inserted,
                message: format!(
                    "this line was inserted: the next one is record {number}, too, and the rest follows that"
                ),
            },
            (false, _) => Break {
                place,
                fault: JournalFault::Inserted,
                message: format!("this line was inserted: it is record {number}, and record {expected} comes next"),
            },
        })
    }
}

fn lost(place: Place, number: u64, noted: u64) -> Break {
    let message = match noted.checked_sub(number) {
        Some(0) => {
            format!("record {noted} was here before this line was written: it was cut off, or a loss of power took it")
        }
        Some(_) => format!(
            "records {number} to {noted} were here before this line was written: they were cut off, or a loss of power took them"
        ),
        None => format!("record {noted} was another one before this line was written: it was changed"),
    };
    Break { place, fault: JournalFault::Removed, message }
}

fn head_missing(place: Place) -> Break {
    let message = format!(
        "{} was missing, or was not the host's, when this line was written: records before it may have been cut off",
        head::NAME
    );
    Break { place, fault: JournalFault::Removed, message }
}

fn torn(place: Place) -> Break {
    let message = "the file ends in the middle of this line: its process was cut off, or is writing it now";
    Break { place, fault: JournalFault::Torn, message: message.to_owned() }
}
