//! The parts of a message of the provider, and which of them stands for which part that is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::client::{
    kept::{FollowedText, are_of, items, text},
    waiting::Room,
};

/// The parts of one message, by their places at the provider.
#[derive(Default)]
pub(crate) struct ProvidedParts {
    /// Those with a text. Only they are written, in their order.
    spoken: BTreeSet<u64>,
    /// The one that began last.
    last: Option<u64>,
    texts: BTreeMap<u64, FollowedText>,
    whole: BTreeMap<u64, Value>,
}

impl ProvidedParts {
    /// Reads an event of the provider. Returns the place of the part that it is about.
    pub(crate) fn read(&mut self, kind: &str, event: &Value, room: &mut Room) -> Option<u64> {
        let name = kind.strip_prefix("response.").unwrap_or_default();
        if name == "output_item.done" {
            let parts = event.get("item").into_iter().flat_map(|item| items(item, "content"));
            for (place, part) in (0..).zip(parts).filter(|(_, part)| says_something(part)) {
                self.read_whole(place, text(part, "text"), room);
            }
        }
        let is_of_part = ["content_part.", "output_text.", "refusal."].iter().any(|begin| name.starts_with(begin));
        let place = event.get("content_index").and_then(Value::as_u64);
        if !is_of_part {
            return place;
        }
        // Some servers leave the place out, and mean the part that began last.
        let next = self.last.filter(|_| name == "content_part.added").map(|last| last.saturating_add(1));
        let place = place.or(next).or(self.last).unwrap_or_default();
        self.last = self.last.max(Some(place));
        let part = event.get("part");
        if !text(event, "delta").is_empty() {
            self.spoken.insert(place);
        }
        if says_something(part.unwrap_or(event)) {
            self.read_whole(place, text(part.unwrap_or(event), "text"), room);
        }
        match name {
            "output_text.delta" => {
                let is_of = |list: &&Value| list.is_array() && are_of(Some(list), text(event, "delta"));
                let logprobs = event.get("logprobs").filter(is_of).cloned();
                self.texts.entry(place).or_default().read(text(event, "delta"), logprobs, room);
            }
            "content_part.done" => drop(self.whole.insert(place, part.cloned().unwrap_or_default())),
            _ => {}
        }
        Some(place)
    }

    /// Reads the whole text of a part. Of some no pieces came.
    fn read_whole(&mut self, place: u64, text: &str, room: &mut Room) {
        self.spoken.insert(place);
        self.texts.entry(place).or_insert_with(|| {
            let mut followed = FollowedText::default();
            followed.read(text, None, room);
            followed
        });
    }

    /// The place of the part that stands for the one that is written at this place.
    pub(crate) fn theirs(&self, ours: u64) -> u64 {
        let spoken = usize::try_from(ours).ok().and_then(|ours| self.spoken.iter().nth(ours));
        spoken.copied().unwrap_or(ours)
    }

    /// The place at which a part of the provider is written.
    pub(crate) fn ours(&self, theirs: u64) -> u64 {
        let before = || u64::try_from(self.spoken.range(..theirs).count()).unwrap_or(theirs);
        if self.spoken.is_empty() { theirs } else { before() }
    }

    /// Whether any part has a text.
    pub(crate) fn say_something(&self) -> bool {
        !self.spoken.is_empty()
    }

    /// Notes what the module hands on of a part. Returns what belongs to the pieces.
    pub(crate) fn write(&mut self, theirs: u64, piece: &str, room: &mut Room) -> Vec<Value> {
        self.texts.entry(theirs).or_default().write(piece, room)
    }

    /// Whether a text was handed on as it came.
    pub(crate) fn is_same(&self, theirs: u64) -> bool {
        self.texts.get(&theirs).is_none_or(FollowedText::is_same)
    }

    /// The whole part of the provider, if it was sent.
    pub(crate) fn whole(&self, theirs: u64) -> Option<&Value> {
        self.whole.get(&theirs)
    }
}

/// Whether a part of a message has a text. Others are not told.
pub(crate) fn says_something(part: &Value) -> bool {
    ["text", "refusal"].iter().any(|name| !text(part, name).is_empty())
}
