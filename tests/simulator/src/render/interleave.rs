//! Tool calls of which a stream sends a piece each in turn.

use crate::event::Event;

/// Mixes the events of tool calls. `call` says which call an event belongs to; those of no call keep their places, which
/// are before and after all calls.
pub(super) fn interleave(events: Vec<Event>, call: impl Fn(&Event) -> Option<u64>) -> Vec<Event> {
    let mut calls: Vec<(u64, Vec<Event>)> = Vec::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for event in events {
        match (call(&event), calls.last_mut()) {
            (Some(number), Some((last, events))) if *last == number => events.push(event),
            (Some(number), _) => calls.push((number, vec![event])),
            (None, None) => before.push(event),
            (None, Some(_)) => after.push(event),
        }
    }
    let mut calls: Vec<_> = calls.into_iter().map(|(_, events)| events.into_iter()).collect();
    loop {
        let count = before.len();
        before.extend(calls.iter_mut().filter_map(Iterator::next));
        if before.len() == count {
            before.extend(after);
            return before;
        }
    }
}
