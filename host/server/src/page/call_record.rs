//! What is kept of a call that has ended.

use std::time::{Duration, SystemTime};

use arcllm::{Attempt, ErrorReason};

use crate::gateway::caller::{Ending, Told};

/// The longest name that is kept, in bytes. A client may ask for a model with a name of any length.
const LONGEST_NAME: usize = 200;

/// The most attempts that are kept of one call.
const MOST_ATTEMPTS: usize = 64;

/// A call that has ended: who was asked and how it went, without a word of what was said.
#[derive(Debug)]
pub(crate) struct CallRecord {
    /// When it came.
    pub(crate) at: SystemTime,
    /// How long it took, until the last byte of its answer was written.
    pub(crate) took: Duration,
    /// The name of the client's key.
    pub(crate) key: Option<String>,
    /// The model, as the client named it.
    pub(crate) asked: String,
    pub(crate) streamed: bool,
    /// The status that the client got.
    pub(crate) status: u16,
    pub(crate) ending: Ending,
    /// How many requests were sent. [`trail`](Self::trail) may hold fewer.
    pub(crate) attempts: usize,
    pub(crate) trail: Vec<Attempt>,
}

impl CallRecord {
    /// The record of a call, if a model was asked for.
    pub(crate) fn of(told: Told, status: u16, key: Option<&str>, at: SystemTime, took: Duration) -> Option<Self> {
        let Told { asked, streamed, ending, trail, .. } = told;
        let mut call = Self {
            at,
            took,
            key: key.map(str::to_owned),
            asked: asked?,
            streamed,
            status,
            ending: ending?,
            attempts: trail.len(),
            trail,
        };
        call.shorten();
        Some(call)
    }

    /// Cuts what a client or a provider may have made large.
    fn shorten(&mut self) {
        self.trail.truncate(MOST_ATTEMPTS);
        cut(&mut self.asked);
        if let Ending::Answered { provider, model, usage } = &mut self.ending {
            [provider, model].into_iter().for_each(cut);
            usage.extensions.clear();
        }
        for attempt in &mut self.trail {
            [&mut attempt.provider, &mut attempt.model].into_iter().for_each(cut);
            if let Some(ErrorReason::Other(word)) = &mut attempt.reason {
                cut(word);
            }
            // The page does not show it.
            attempt.request_id = None;
            if let Some(usage) = &mut attempt.usage {
                usage.extensions.clear();
            }
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let ending = match &self.ending {
            Ending::Answered { provider, model, .. } => provider.len() + model.len(),
            Ending::Failed(_) | Ending::Left => 0,
        };
        let trail = self.trail.iter().map(attempt_bytes).sum::<usize>();
        size_of::<Self>() + self.asked.len() + self.key.as_ref().map_or(0, String::len) + ending + trail
    }
}

fn attempt_bytes(attempt: &Attempt) -> usize {
    let modules = [&attempt.asked_by, &attempt.loaded_by, &attempt.waited_by];
    let modules = modules.into_iter().flatten().map(String::len).sum::<usize>();
    size_of::<Attempt>() + attempt.provider.len() + attempt.model.len() + modules
}

fn cut(name: &mut String) {
    if name.len() > LONGEST_NAME {
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        name.push('…');
        name.shrink_to_fit();
    }
}
