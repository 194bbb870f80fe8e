//! `arcllm invoke --stream`: prints the answer while it arrives.

use std::pin::Pin;

use arcllm::{Error, ErrorKind, Event, Response, ResponseStream};
use futures::StreamExt as _;

use crate::{
    event_rate::EventRate,
    failure::Failure,
    output::{Text, json},
    progress::Spinner,
};

/// Prints an answer while it arrives.
pub(crate) struct Streamed {
    json: bool,
    text: Text,
    pub(crate) rate: EventRate,
}

impl Streamed {
    /// Prints a line of JSON for each event, or only the text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, text: Text::new(), rate: EventRate::begin() }
    }

    /// Prints the events until the answer is whole, fails, or `interrupt` is ready. The caller prints the end.
    pub(crate) async fn follow(
        &mut self,
        mut answer: ResponseStream,
        mut interrupt: Pin<&mut impl Future<Output = ()>>,
        spinner: &mut Spinner,
    ) -> Result<Response, Failure> {
        self.rate = EventRate::begin();
        loop {
            let event = tokio::select! {
                // Ctrl-C is checked first: before anything is sent, and between events that never pause.
                biased;
                () = interrupt.as_mut() => Err(answer.stop().unwrap_or_else(cancelled)),
                event = answer.next() => event.unwrap_or_else(|| Err(cancelled())),
            };
            match event {
                Ok(Event::End(response)) => {
                    // Without --stream a line end follows the text too, whatever the text ends with.
                    if !self.json && response.text().is_some() {
                        self.text.write("\n")?;
                    }
                    return Ok(*response);
                }
                Ok(event) => {
                    self.rate.event();
                    self.write(&event, spinner)?;
                }
                Err(error) => {
                    // The error of the call matters more than one of the line end.
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
                // The spinner stands where the text goes.
                spinner.stop();
                self.text.say(piece)
            }
            _ => Ok(()),
        }
    }
}

/// The error of an answer that has ended before. Nothing reads on after the end, so it does not happen.
fn cancelled() -> Error {
    ErrorKind::Cancelled.into()
}
