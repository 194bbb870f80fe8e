//! The tool calls of a streamed answer. They arrive in pieces; finding the call of a piece takes the same time however many
//! there are.
//!
//! Servers number calls in ways of their own: all with the same index, none with an index, or with an index that changes from
//! piece to piece. So a piece belongs to the call of its index, else to the call of its id, else to the call that is open. A
//! call begins with a name and with an id that is new at its index, or after complete arguments: nothing can follow them.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::{
    adapter::format::{
        malformed::Malformed,
        openai::{
            streamed_fields::FIELD,
            streamed_tool_call::{Piece, StreamedToolCall},
        },
        tree::MemoryBudget,
    },
    chat::event::Event,
};

/// The tool calls that have begun.
#[derive(Default)]
pub(crate) struct StreamedToolCalls {
    /// In the order in which they began.
    all: Vec<StreamedToolCall>,
    /// The place of the last call with each index.
    by_index: HashMap<u64, usize>,
    /// The place of the last call with each id.
    by_id: HashMap<String, usize>,
    /// The place of the last call with each index and id.
    by_both: HashMap<(u64, String), usize>,
    /// The place of the call that the last piece belongs to.
    current: Option<usize>,
    /// The places of the calls with pieces since the answer was last said to be finished.
    touched: Vec<usize>,
}

impl StreamedToolCalls {
    /// The place of the call that the piece continues. `None` if it begins a call.
    pub(crate) fn find(&self, piece: &Piece<'_, '_>) -> Option<usize> {
        let at_index = piece.index.and_then(|index| self.by_index.get(&index).copied());
        let of_id = piece.id.and_then(|id| match piece.index {
            Some(index) => self.by_both.get(&(index, id.to_owned())).copied(),
            None => self.by_id.get(id).copied(),
        });
        match piece.name {
            "" => self.find_unnamed(piece, of_id.or(at_index)),
            _ => self.find_named(piece, of_id, at_index),
        }
    }

    fn find_named(&self, piece: &Piece<'_, '_>, of_id: Option<usize>, at_index: Option<usize>) -> Option<usize> {
        let at = match (of_id, at_index, piece.index, piece.id) {
            (Some(at), ..) => at,
            // An id that is new at this index, unless it is the id of a call that has none yet.
            (None, Some(at), _, Some(_)) => Some(at).filter(|at| self.lacks_id(*at))?,
            (None, Some(at), _, None) => at,
            (None, None, Some(_), _) => return None,
            (None, None, None, Some(_)) => {
                let same_name = |call: &StreamedToolCall| call.name.text == piece.name;
                self.current.filter(|at| self.lacks_id(*at) && self.all.get(*at).is_some_and(same_name))?
            }
            (None, None, None, None) => self.current?,
        };
        let call = self.all.get(at)?;
        let is_placeholder = of_id.is_some() && call.is_empty_object();
        let goes_on = !call.is_complete() || piece.is_blank() || call.is_repeated_in(piece) || is_placeholder;
        // A name of another tool after complete arguments begins a call, too.
        let is_other = call.is_complete() && of_id.is_none() && !["", piece.name].contains(&&*call.name.text);
        (goes_on && !is_other).then_some(at)
    }

    fn find_unnamed(&self, piece: &Piece<'_, '_>, found: Option<usize>) -> Option<usize> {
        let call = |at: usize| self.all.get(at);
        let takes = |at: &usize| {
            call(*at).is_some_and(|call| {
                let is_full = call.is_complete() && !call.is_repeated_in(piece) && !call.is_empty_object();
                piece.is_blank() || !(is_full || call.name.text.is_empty())
            })
        };
        let of_id = || piece.id.and_then(|id| self.by_id.get(id).copied());
        let open = || self.current.filter(|at| call(*at).is_some_and(StreamedToolCall::is_open));
        if let Some(at) = found.filter(takes) {
            return Some(at);
        }
        let is_announced = found.is_none() && piece.is_blank() && piece.index.is_some() && piece.id.is_some();
        match of_id() {
            None if is_announced && !self.all.is_empty() => None,
            of_id => of_id.filter(takes).or_else(open).or(found).or(self.current),
        }
    }

    fn lacks_id(&self, at: usize) -> bool {
        self.all.get(at).is_some_and(|call| call.id.is_none())
    }

    /// Begins a call and returns its place. Tells the call before it, if that is complete.
    pub(crate) fn begin(
        &mut self,
        index: Option<u64>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<usize, Malformed> {
        let at = self.all.len();
        if let Some(call) = self.all.last_mut().filter(|call| call.is_complete() && call.is_open()) {
            call.tell(at - 1, false, false, budget, events)?;
        }
        if let Some(index) = index {
            self.by_index.insert(index, at);
        }
        self.all.push(StreamedToolCall::new(index));
        Ok(at)
    }

    /// Reads a piece of the call at this place. Tells the call if it is complete and another one has begun.
    pub(crate) fn read(
        &mut self,
        at: usize,
        piece: &Piece<'_, '_>,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let (is_last, is_only) = (at + 1 == self.all.len(), self.all.len() == 1);
        let Some(call) = self.all.get_mut(at) else { return Ok(()) };
        if call.is_told && (piece.is_blank() || call.is_repeated_in(piece)) {
            return call.read_fields(piece, budget);
        }
        if self.touched.last() != Some(&at) {
            self.touched.push(at);
        }
        let had_id = call.id.is_some();
        call.read(at, piece, budget, events)?;
        if is_only || !call.is_bare() {
            self.current = Some(at);
        }
        if !is_last && call.is_complete() && call.is_open() {
            call.tell(at, false, false, budget, events)?;
        }
        if let Some(id) = piece.id.filter(|_| !had_id) {
            budget.take(2 * FIELD)?;
            self.by_id.insert(id.to_owned(), at);
            if let Some(index) = piece.index.or(call.index) {
                self.by_both.insert((index, id.to_owned()), at);
            }
        }
        Ok(())
    }

    /// Tells the calls that are complete: the server has said that the answer is.
    pub(crate) fn finish(&mut self, budget: &MemoryBudget, events: &mut VecDeque<Event>) -> Result<(), Malformed> {
        let touched = std::mem::take(&mut self.touched);
        let order = self.in_their_order(touched.into_iter());
        let told = order.iter().try_for_each(|at| match self.all.get_mut(*at).filter(|call| call.is_open()) {
            Some(call) if call.is_complete() => call.tell(*at, false, false, budget, events),
            Some(call) => {
                call.start(*at, events);
                Ok(())
            }
            None => Ok(()),
        });
        self.tell_the_rest(told, order, events)
    }

    /// Tells the other calls: nothing follows. `cut` says that the answer was cut.
    pub(crate) fn end(
        &mut self,
        cut: bool,
        budget: &MemoryBudget,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let order = self.in_their_order(0..self.all.len());
        let last = order.last().copied();
        let told = order.iter().try_for_each(|at| match self.all.get_mut(*at).filter(|call| !call.is_told) {
            Some(call) => call.tell(*at, cut, Some(*at) == last, budget, events),
            None => Ok(()),
        });
        self.tell_the_rest(told, order, events)
    }

    /// Tells the arguments of all these calls if one cannot be read: the error holds what was received.
    fn tell_the_rest(
        &mut self,
        told: Result<(), Malformed>,
        order: Vec<usize>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        if told.is_err() {
            for at in order {
                if let Some(call) = self.all.get_mut(at).filter(|call| call.is_open()) {
                    call.tell_arguments(at, events);
                }
            }
        }
        told
    }

    /// These places in the order of the index. Leaves out what has neither a name nor arguments.
    fn in_their_order(&self, places: impl Iterator<Item = usize>) -> Vec<usize> {
        let calls = places.filter_map(|at| Some((at, self.all.get(at).filter(|call| !call.is_bare())?)));
        let mut order: Vec<_> = calls.map(|(at, call)| (call.index.unwrap_or(at as u64), at)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, at)| at).collect()
    }

    /// The calls as they would be without streaming.
    pub(crate) fn take_values(&mut self) -> Vec<Value> {
        let order = self.in_their_order(0..self.all.len());
        let calls = order.into_iter().filter_map(|at| self.all.get_mut(at).map(StreamedToolCall::take_value));
        calls.collect()
    }
}
