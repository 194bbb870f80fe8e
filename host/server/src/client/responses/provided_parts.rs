//! The parts of a message of the provider, and which of them stands for which part that is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::client::{
    kept::{FollowedText, are_of, items, text},
    waiting::Room,
};

/// How many parts with a text are told from those without one. Behind them, each part stands for the one with the same place.
const MOST_SPOKEN: usize = 256;

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
            let parts: Vec<_> = event.get("item").into_iter().flat_map(|item| items(item, "content")).collect();
            // Some servers count the parts of pieces from one, or leave numbers out.
            let is_numbered = self.last.is_none_or(|last| usize::try_from(last).is_ok_and(|last| last < parts.len()));
            for (place, part) in (0..).zip(parts).filter(|(_, part)| is_numbered && says_something(part)) {
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
            self.speak(place);
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
        self.speak(place);
        self.texts.entry(place).or_insert_with(|| {
            let mut followed = FollowedText::default();
            followed.read(text, None, room);
            followed
        });
    }

    /// Notes that a part has a text.
    fn speak(&mut self, place: u64) {
        if self.spoken.len() < MOST_SPOKEN {
            self.spoken.insert(place);
        }
    }

    /// The place of the part that stands for the one that is written at this place.
    pub(crate) fn theirs(&self, ours: u64) -> u64 {
        let spoken = usize::try_from(ours).ok().and_then(|ours| self.spoken.iter().nth(ours));
        spoken.copied().unwrap_or(ours)
    }

    /// The place at which a part of the provider is written.
    pub(crate) fn ours(&self, theirs: u64) -> u64 {
        let is_beyond = self.spoken.len() >= MOST_SPOKEN && self.spoken.last() < Some(&theirs);
        if self.spoken.is_empty() || is_beyond {
            return theirs;
        }
        u64::try_from(self.spoken.range(..theirs).count()).unwrap_or(theirs)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_without_a_text_shift_the_others() {
        let (mut parts, mut room) = (ProvidedParts::default(), Room::default());
        let delta = |place: u64, piece: &str| json!({"content_index": place, "delta": piece});
        for (place, piece) in [(0, ""), (1, "a"), (2, ""), (3, "b")] {
            let read = parts.read("response.output_text.delta", &delta(place, piece), &mut room);
            assert_eq!(read, Some(place));
        }
        assert_eq!([parts.theirs(0), parts.theirs(1)], [1, 3]);
        assert_eq!([parts.ours(1), parts.ours(3)], [0, 1]);
        for place in 4..2000 {
            parts.read("response.output_text.delta", &delta(place, "x"), &mut room);
        }
        assert_eq!((parts.theirs(1999), parts.ours(1999)), (1999, 1999), "beyond, each has its own place");
    }

    #[test]
    fn an_event_without_a_place_is_about_the_part_that_began_last() {
        let (mut parts, mut room) = (ProvidedParts::default(), Room::default());
        let read = |parts: &mut ProvidedParts, kind: &str, room: &mut Room| {
            parts.read(&format!("response.{kind}"), &json!({"delta": "x", "part": {}}), room)
        };
        for (kind, place) in [
            ("content_part.added", 0),
            ("output_text.delta", 0),
            ("content_part.done", 0),
            ("content_part.added", 1),
            ("refusal.delta", 1),
        ] {
            assert_eq!(read(&mut parts, kind, &mut room), Some(place), "{kind}");
        }
        assert_eq!(parts.read("response.output_item.added", &json!({}), &mut room), None);
    }
}
