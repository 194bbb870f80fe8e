//! Good answers as streams of events.

use super::{
    Asked, anthropic_events, anthropic_faults, changed, errors, halves, openai_events, openai_faults, responses_events,
    responses_faults, text_fault,
};
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
    splits_surrogates: bool,
}

impl Texts {
    pub(super) fn pieces<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.cut_halves(self.pieces.of_text(text))
    }

    pub(super) fn argument_pieces<'a>(&self, arguments: &'a str) -> Vec<&'a str> {
        let arguments = if self.leaves_arguments_open { unclosed(arguments) } else { arguments };
        self.cut_halves(self.pieces.of_arguments(arguments))
    }

    fn cut_halves<'a>(&self, pieces: Vec<&'a str>) -> Vec<&'a str> {
        if self.splits_surrogates { pieces.into_iter().flat_map(halves::cut).collect() } else { pieces }
    }
}

/// Without the brackets at the end or, where there are none, without the last character.
fn unclosed(arguments: &str) -> &str {
    let open = arguments.trim_end_matches(['}', ']']);
    if open.len() < arguments.len() { open } else { arguments.get(..arguments.len().saturating_sub(1)).unwrap_or("") }
}

/// The stream that this reply is, if it is one.
pub(super) fn stream(reply: &Reply, asked: &Asked<'_>) -> Option<EventStream> {
    let is_streamed = reply.streaming.is_streamed.unwrap_or(asked.stream) && !is_page(reply);
    let is_error = reply.status_code() >= 400;
    let is_broken_by_error = reply.fault.is_some_and(Fault::is_error);
    let mut pieces = match &reply.content {
        Content::Stream(pieces) => pieces.to_vec(),
        Content::Answer(answer) if is_streamed => answer_pieces(answer, reply, asked),
        Content::Usual if is_streamed && !is_error => answer_pieces(&Answer::default(), reply, asked),
        Content::Error(_) if is_streamed && !is_error && is_broken_by_error => {
            answer_pieces(&Answer::default(), reply, asked)
        }
        Content::Answer(_) | Content::Usual | Content::Error(_) | Content::Body { .. } => return None,
    };
    for piece in pieces.iter_mut().skip(1) {
        piece.pause += reply.streaming.pace;
    }
    spoil(&mut pieces, reply, asked);
    Some(EventStream::new(pieces, reply))
}

/// Whether the fault sends something that no client takes for a stream.
fn is_page(reply: &Reply) -> bool {
    matches!(reply.fault, Some(Fault::HtmlBody | Fault::TextBody))
}

fn answer_pieces(answer: &Answer, reply: &Reply, asked: &Asked<'_>) -> Vec<Piece> {
    let style = reply.streaming.style;
    let piece = |event: &Event| Piece::unpaced(style.encode(event), 1);
    let events = events(answer, reply, asked);
    let (ping, unknown) = match asked.format {
        Format::Anthropic => (anthropic_events::ping(), anthropic_events::unknown()),
        Format::OpenAi => (openai_events::ping(answer, asked), openai_events::unknown()),
        Format::Responses => (responses_events::ping(answer, asked), responses_events::unknown()),
    };
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

/// The events of the answer, as the fault changes them.
fn events(answer: &Answer, reply: &Reply, asked: &Asked<'_>) -> Vec<Event> {
    let texts = Texts {
        pieces: reply.streaming.pieces,
        leaves_arguments_open: reply.fault == Some(Fault::OpenArguments),
        splits_surrogates: matches!(reply.fault, Some(Fault::SplitSurrogate | Fault::LoneSurrogate)),
    };
    let answer = changed(answer, reply.fault);
    match asked.format {
        _ if reply.fault == Some(Fault::EmptyBody) => Vec::new(),
        Format::Anthropic => anthropic_faults::stream(anthropic_events::answer(&answer, asked, &texts), reply.fault),
        Format::OpenAi => openai_faults::stream(openai_events::answer(&answer, asked, &texts), reply.fault),
        Format::Responses => responses_faults::stream(responses_events::answer(&answer, asked, &texts), reply.fault),
    }
}

/// Applies a fault of bytes, or an error, to the events that it strikes.
fn spoil(pieces: &mut Vec<Piece>, reply: &Reply, asked: &Asked<'_>) {
    match reply.fault {
        Some(Fault::Malformed) => {
            let index = struck(pieces, reply);
            if let Some(piece) = pieces.get_mut(index) {
                malformed(&mut piece.bytes);
            }
        }
        Some(fault) if fault.is_error() => {
            let index = struck(pieces, reply);
            let Some(piece) = pieces.get_mut(index) else { return };
            piece.bytes = reply.streaming.style.encode(&errors::event(reply, asked));
            // Providers send nothing after an error.
            pieces.truncate(index + 1);
        }
        fault => {
            for (index, piece) in pieces.iter_mut().enumerate() {
                piece.bytes = text_fault::spoil(std::mem::take(&mut piece.bytes), fault, index == 0);
            }
        }
    }
}

/// The index of the event at the place of the fault.
fn struck(pieces: &[Piece], reply: &Reply) -> usize {
    let usual = match reply.fault {
        Some(Fault::Malformed | Fault::ErrorEvent) => pieces.len() / 2 + 1,
        _ => 1,
    };
    reply.fault_at.unwrap_or(Place::BeforeEvent(usual)).spot(pieces).pieces
}
