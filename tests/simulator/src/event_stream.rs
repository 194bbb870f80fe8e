//! A body that is a stream of events: its pieces, and where a fault breaks it off.

use std::time::Duration;

use crate::fault::Fault;
use crate::gzip;
use crate::place::Place;
use crate::reply::Reply;

/// What is sent at one time, in a chunk of its own: usually an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// How long to wait before it.
    pub(crate) pause: Duration,
    pub(crate) bytes: Vec<u8>,
    /// How many events have been sent whole with it.
    pub(crate) events: u64,
}

impl Piece {
    pub(crate) fn unpaced(bytes: Vec<u8>, events: u64) -> Piece {
        Piece { pause: Duration::ZERO, bytes, events }
    }
}

/// A stream, as far as it is sent.
#[derive(Debug)]
pub(crate) struct EventStream {
    pub(crate) pieces: Vec<Piece>,
    /// How many bytes of the last chunk are announced and never sent.
    pub(crate) missing: usize,
    /// Whether the body is ended as its framing asks.
    pub(crate) is_ended: bool,
}

impl EventStream {
    /// The stream of these pieces, or what the reply's fault leaves of it.
    pub(crate) fn new(mut pieces: Vec<Piece>, reply: &Reply) -> EventStream {
        let is_broken_off = reply.fault.is_some_and(Fault::breaks_off);
        let is_by_byte = matches!(reply.fault_at, None | Some(Place::Byte(_)));
        let mut rest = Vec::new();
        // Bytes are counted as they are sent, and events can be told apart only before that.
        if reply.fault == Some(Fault::EndEarly) || (is_broken_off && !is_by_byte) {
            rest = cut(&mut pieces, reply.fault_at.unwrap_or(Place::BeforeEnd));
        }
        if reply.streaming.gzip {
            gzip::compress(&mut pieces, &mut rest, !is_broken_off || is_by_byte);
        }
        if is_broken_off && is_by_byte {
            let half = pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() / 2;
            rest = cut(&mut pieces, reply.fault_at.unwrap_or(Place::Byte(half)));
        }
        if reply.streaming.coalesced {
            pieces = coalesced(pieces);
        }
        EventStream { pieces, missing: if is_broken_off { rest.len() } else { 0 }, is_ended: !is_broken_off }
    }
}

/// Cuts the stream at this place. Returns what is missing of the piece that is cut, if one is.
fn cut(pieces: &mut Vec<Piece>, place: Place) -> Vec<u8> {
    let spot = place.spot(pieces);
    let mut rest = Vec::new();
    if let Some(piece) = pieces.get_mut(spot.pieces).filter(|piece| (1..piece.bytes.len()).contains(&spot.bytes)) {
        rest = piece.bytes.split_off(spot.bytes);
        piece.events = 0;
    }
    pieces.truncate(spot.pieces + usize::from(!rest.is_empty()));
    rest
}

/// Makes one piece of those that have no pause between them.
fn coalesced(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut together: Vec<Piece> = Vec::new();
    for piece in pieces {
        match together.last_mut() {
            Some(last) if piece.pause.is_zero() => {
                last.bytes.extend_from_slice(&piece.bytes);
                last.events += piece.events;
            }
            Some(_) | None => together.push(piece),
        }
    }
    together
}

/// An event whose JSON is not whole: without its last brace or, where there is none, its last character.
pub(crate) fn malformed(bytes: &mut Vec<u8>) {
    let last = bytes.iter().rposition(|&byte| byte == b'}');
    let last = last.or_else(|| bytes.iter().rposition(|byte| !byte.is_ascii_whitespace()));
    if let Some(last) = last {
        bytes.remove(last);
    }
}
