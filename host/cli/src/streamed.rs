//! `arcllm invoke --stream`: an answer that is written as it comes.

use std::pin::Pin;

use arcllm::{Error, ErrorKind, Event, Response, ResponseStream};
use futures::StreamExt as _;

use crate::{
    failure::Failure,
    output::{Text, json},
    pace::Pace,
    progress::Spinner,
};

/// How an answer is written while it comes.
pub(crate) struct Streamed {
    json: bool,
    text: Text,
    pub(crate) pace: Pace,
}

impl Streamed {
    /// As JSON, an event a line, or as the text alone.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, text: Text::new(), pace: Pace::begin() }
    }

    /// Writes what comes, until the answer is whole, fails, or `interrupt` is ready. Its end is left to be written.
    pub(crate) async fn follow(
        &mut self,
        mut answer: ResponseStream,
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
        spinner: &mut Spinner,
    ) -> Result<Response, Failure> {
        self.pace = Pace::begin();
        loop {
            let event = tokio::select! {
                // First, so that it is looked out for before anything is sent, and in events that never pause.
                biased;
                () = interrupt.as_mut() => Err(answer.stop().unwrap_or_else(cancelled)),
                event = answer.next() => event.unwrap_or_else(|| Err(cancelled())),
            };
            match event {
                Ok(Event::End(response)) => {
                    // As the whole text would be written: with a line end after it, whatever it ends with.
                    if !self.json && response.text().is_some() {
                        self.text.write("\n")?;
                    }
                    return Ok(*response);
                }
                Ok(event) => {
                    self.pace.event();
                    self.write(&event, spinner)?;
                }
                Err(error) => {
                    // Why the answer is not whole is worth more than that this cannot be written.
                    let _ = self.text.end_line();
                    return Err(error.into());
                }
            }
        }
    }

    fn write(&mut self, event: &Event, spinner: &mut Spinner) -> Result<(), Failure> {
        match event {
            _ if self.json => json(event),
            Event::Text(piece) => {
                // Until now it turned where the text is to stand.
                spinner.stop();
                self.text.say(piece)
            }
            _ => Ok(()),
        }
    }
}

/// Of an answer that had ended before: it does not happen, since nothing is asked of it after its end.
fn cancelled() -> Error {
    ErrorKind::Cancelled.into()
}
