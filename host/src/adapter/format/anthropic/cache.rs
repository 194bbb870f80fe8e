//! Writes cache marks as `cache_control` of Anthropic Messages:
//! <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>.

use std::{cell::RefCell, time::Duration};

use crate::{
    adapter::format::{extensions::ANTHROPIC, outline::Object},
    chat::cache_mark::CacheMark,
};

/// The most marks that the API takes.
const MOST: usize = 4;

/// The longest time that the shorter mark keeps a conversation.
const SHORT: Duration = Duration::from_secs(300);

/// The marks of one request.
#[derive(Default)]
pub(crate) struct CacheMarks {
    /// How many of the first marks are left out.
    skipped: usize,
    /// How many of the first marks hold for an hour, whatever they ask for: none may be longer than one before it.
    hours: usize,
    /// The marks so far: whether each asks for an hour.
    seen: RefCell<Vec<bool>>,
}

impl CacheMarks {
    /// Adds the mark of a block or a tool, if it has one and if the API takes it.
    pub(crate) fn add<'a>(&self, object: &mut Object<'a>, mark: Option<&'a CacheMark>) {
        let Some(mark) = mark else { return };
        let place = self.seen.borrow().len();
        let is_hour = mark.ttl.is_some_and(|ttl| ttl > SHORT);
        self.seen.borrow_mut().push(is_hour);
        if place < self.skipped {
            return;
        }
        let mut control = Object::new([("type", "ephemeral".into())]);
        match mark.ttl {
            _ if is_hour || place < self.hours => control.insert("ttl", "1h"),
            Some(_) => control.insert("ttl", "5m"),
            None => {}
        }
        object.insert("cache_control", control.extended(&mark.extensions, ANTHROPIC));
    }

    /// The marks for another try, if the API would refuse those that were added: the last ones count.
    pub(crate) fn corrected(&self) -> Option<Self> {
        let seen = self.seen.borrow();
        let hours = seen.iter().rposition(|is_hour| *is_hour).map_or(0, |last| last + 1);
        let skipped = seen.len().saturating_sub(MOST);
        let is_wrong =
            skipped > self.skipped || (hours > self.hours && seen.iter().take(hours).any(|is_hour| !is_hour));
        is_wrong.then(|| Self { skipped, hours, seen: RefCell::default() })
    }
}
