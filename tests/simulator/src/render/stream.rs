//! Good answers as streams of events.

use super::{Asked, anthropic_events, openai_events};
use crate::answer::Answer;
use crate::event::Event;
use crate::event_stream::{EventStream, Piece, malformed};
use crate::fault::Fault;
use crate::format::Format;
use crate::pieces::Pieces;
use crate::place::Place;
use crate::reply::{Content, Reply};

/// How the texts of an answer go into events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts {
    pieces: Pieces,
    leaves_arguments_open: bool,
}

impl Texts {
    pub(super) fn pieces<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.pieces.of_text(text)
    }

    pub(super) fn argument_pieces<'a>(&self, arguments: &'a str) -> Vec<&'a str> {
        let arguments = if self.leaves_arguments_open { unclosed(arguments) } else { arguments };
        self.pieces.of_arguments(arguments)
    }
}

/// Without the brackets at the end or, where there are none, without the last character.
fn unclosed(arguments: &str) -> &str {
    let open = arguments.trim_end_matches(['}', ']']);
    if open.len() < arguments.len() { open } else { arguments.get(..arguments.len().saturating_sub(1)).unwrap_or("") }
}

/// The stream that this reply is, if it is one.
pub(super) fn stream(reply: &Reply, asked: &Asked<'_>) -> Option<EventStream> {
    let is_streamed = reply.streaming.is_streamed.unwrap_or(asked.stream);
    let mut pieces = match &reply.content {
        Content::Stream(pieces) => pieces.to_vec(),
        Content::Answer(answer) if is_streamed => answer_pieces(answer, reply, asked),
        Content::Usual if is_streamed && reply.status_code() < 400 => answer_pieces(&Answer::default(), reply, asked),
        Content::Answer(_) | Content::Usual | Content::Error(_) | Content::Body { .. } => return None,
    };
    for piece in pieces.iter_mut().skip(1) {
        piece.pause += reply.streaming.pace;
    }
    spoil(&mut pieces, reply, asked);
    Some(EventStream::new(pieces, reply))
}

fn answer_pieces(answer: &Answer, reply: &Reply, asked: &Asked<'_>) -> Vec<Piece> {
    let texts =
        Texts { pieces: reply.streaming.pieces, leaves_arguments_open: reply.fault == Some(Fault::OpenArguments) };
    let (events, ping, unknown) = match asked.format() {
        Format::Anthropic => {
            (anthropic_events::answer(answer, asked, &texts), anthropic_events::ping(), anthropic_events::unknown())
        }
        Format::OpenAi => {
            (openai_events::answer(answer, asked, &texts), openai_events::ping(answer, asked), openai_events::unknown())
        }
    };
    let style = reply.streaming.style;
    let piece = |event: &Event| Piece::unpaced(style.encode(event), 1);
    let mut others = Vec::new();
    others.extend(reply.streaming.pings.then(|| piece(&ping)));
    others.extend(reply.streaming.unknown_events.then(|| piece(&unknown)));
    let count = events.len();
    let all = events.iter().zip(1..).flat_map(|(event, number)| {
        let others = if number < count { others.clone() } else { Vec::new() };
        std::iter::once(piece(event)).chain(others)
    });
    all.collect()
}

/// Applies the fault to its event.
fn spoil(pieces: &mut Vec<Piece>, reply: &Reply, asked: &Asked<'_>) {
    let Some(fault @ (Fault::Malformed | Fault::ErrorEvent)) = reply.fault else { return };
    let middle = Place::BeforeEvent(pieces.len() / 2 + 1);
    let index = reply.fault_at.unwrap_or(middle).spot(pieces).pieces;
    let Some(piece) = pieces.get_mut(index) else { return };
    if fault == Fault::Malformed {
        return malformed(&mut piece.bytes);
    }
    let error = match asked.format() {
        Format::Anthropic => anthropic_events::error(asked),
        Format::OpenAi => openai_events::error(),
    };
    piece.bytes = reply.streaming.style.encode(&error);
    // Providers send nothing after an error.
    pieces.truncate(index + 1);
}
