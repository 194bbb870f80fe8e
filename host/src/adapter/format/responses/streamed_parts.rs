//! The parts of an item of a streamed answer, as far as they have arrived.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
};

use serde_json::{Map, Value};

use crate::adapter::format::{
    json::BLOCK,
    malformed::Malformed,
    responses::streamed_part::{PartList, StreamedPart},
    tree::MemoryBudget,
};

/// The list that a part stands in, and its index there.
pub(crate) type PartPlace = (PartList, u64);

/// The fields of an item with its parts.
pub(crate) const LISTS: [(&str, PartList); 2] = [("summary", PartList::Summary), ("content", PartList::Content)];

/// The parts of one item.
#[derive(Default)]
pub(crate) struct StreamedParts(BTreeMap<PartPlace, StreamedPart>);

impl StreamedParts {
    /// Whether this part has begun. Without an index, it is the one that began last.
    pub(crate) fn has(&self, list: PartList, index: Option<u64>) -> bool {
        self.0.contains_key(&(list, self.index(list, index)))
    }

    /// The index of the part that an event is about. Some servers leave it out, and mean the part that began last.
    pub(crate) fn index(&self, list: PartList, index: Option<u64>) -> u64 {
        index.or_else(|| self.last(list)).unwrap_or_default()
    }

    /// The index of the part that an event begins. Some servers leave it out.
    pub(crate) fn next_index(&self, list: PartList, index: Option<u64>) -> u64 {
        index.unwrap_or_else(|| self.last(list).map_or(0, |last| last.saturating_add(1)))
    }

    fn last(&self, list: PartList) -> Option<u64> {
        self.list(list).next_back().map(|(index, _)| index)
    }

    /// The parts of this list, with their indexes.
    fn list(&self, list: PartList) -> impl DoubleEndedIterator<Item = (u64, &StreamedPart)> {
        self.0.range((list, 0)..=(list, u64::MAX)).map(|((_, index), part)| (*index, part))
    }

    /// The parts behind this one.
    pub(crate) fn behind(&self, place: Option<PartPlace>) -> impl Iterator<Item = (PartPlace, &StreamedPart)> {
        let behind = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.range((behind, Bound::Unbounded)).map(|(place, part)| (*place, part))
    }

    /// Whether the provider has said that all of them are whole.
    pub(crate) fn are_whole(&self) -> bool {
        self.0.values().all(|part| part.is_whole)
    }

    /// Whether this place stands behind all parts.
    pub(crate) fn end_before(&self, place: PartPlace) -> bool {
        self.0.last_key_value().is_some_and(|(last, _)| *last < place)
    }

    /// The indexes of so many parts of the whole item. Some servers count those of pieces from one, or leave numbers out.
    pub(crate) fn indexes_of(&self, list: PartList, count: usize) -> Vec<u64> {
        let begun = self.list(list).map(|(index, _)| index);
        match self.last(list) {
            Some(last) if usize::try_from(last).map_or(true, |last| last >= count) => {
                begun.chain(last.saturating_add(1)..=u64::MAX).take(count).collect()
            }
            _ => (0..).take(count).collect(),
        }
    }

    /// The part at this place. If there is none, one of this type begins.
    pub(crate) fn get(
        &mut self,
        place: PartPlace,
        kind: &str,
        budget: &MemoryBudget,
    ) -> Result<&mut StreamedPart, Malformed> {
        Ok(match self.0.entry(place) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                budget.take(BLOCK)?;
                new.insert(StreamedPart::of_type(kind))
            }
        })
    }

    /// The fields that the item would have without streaming.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let lists = LISTS.map(|(name, list)| (name, self.list(list).map(|(_, part)| part.value()).collect()));
        let begun = lists.into_iter().filter(|(_, parts): &(_, Vec<Value>)| !parts.is_empty());
        begun.map(|(name, parts)| (name.to_owned(), parts.into())).collect()
    }

    /// Takes all of them, in their order.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (PartList, StreamedPart)> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|((list, _), part)| (list, part))
    }
}
