//! How answers of a world end, in place of the host's handles.

use std::{future::poll_fn, task::Poll};

use crate::{
    testing::{pipe::Pipe, response::Response},
    types::{Ending, Error, ResponseParts},
};

/// Watches an answer.
pub struct Watch {
    parts: ResponseParts,
    pipe: Option<Pipe>,
}

impl Watch {
    /// Watches this answer.
    pub fn new(answer: &Response) -> Self {
        Self { parts: answer.parts.clone(), pipe: answer.pipe.clone() }
    }

    /// Waits until the answer has ended.
    pub async fn ended(&self) -> Result<Ending, Error> {
        let Some(pipe) = &self.pipe else { return Ok(ending(&self.parts)) };
        poll_fn(|_| {
            let events = pipe.borrow();
            match (&events.failed, &events.end) {
                (Some(error), _) => Poll::Ready(Err(error.clone())),
                (None, Some(end)) => Poll::Ready(Ok(ending(end))),
                (None, None) => Poll::Pending,
            }
        })
        .await
    }
}

fn ending(parts: &ResponseParts) -> Ending {
    let ResponseParts { usage, stop_reason, model, provider, extensions, .. } = parts.clone();
    Ending { usage, stop_reason, model, provider, extensions }
}

/// Returns the answer. The answers of a world's providers are whole.
pub async fn begun(answer: Response) -> Result<Response, Error> {
    Ok(answer)
}
