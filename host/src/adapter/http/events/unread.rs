//! Events that the client gets although no reader of their format can read them.

use serde_json::Value;

use super::Events;
use crate::{
    adapter::format::{beside::Beside, format::Progress, malformed::Unreadable},
    chat::{error::ErrorKind, response::Response},
};

impl Events {
    /// Lets an event go to the client that no reader of its format could read. From then on only what stands beside the content
    /// is read.
    ///
    /// # Errors
    ///
    /// If the client does not get the provider's own events, if it could not read this one either, or if it is an error.
    pub(super) fn pass_on(&mut self, unreadable: Unreadable, name: &str, data: &str) -> Result<Progress, Unreadable> {
        if !self.is_echoed() || self.unread.is_some() {
            return Err(unreadable);
        }
        let mut beside = Beside::new(self.asked.provider.adapter);
        match beside.read_event(name, data, &self.reader().budget()) {
            Ok(progress) if beside.lets_pass(&unreadable) => {
                self.answer.body = data.as_bytes().to_vec();
                let error = self.reader().unreadable(&self.answer, unreadable);
                self.answer.body = Vec::new();
                self.unread = Some((error, beside));
                Ok(progress)
            }
            _ => Err(unreadable),
        }
    }

    fn is_echoed(&self) -> bool {
        self.echo.is_some_and(|echo| !echo.is_rewritten)
    }

    /// Whether the answer is complete where its body ends.
    pub(super) fn progress_at_end(&mut self) -> Result<Progress, Unreadable> {
        let ended = match &self.unread {
            Some((_, beside)) if beside.has_ended() => return Ok(Progress::End),
            Some(_) => return Ok(Progress::CutShort),
            None => self.events.end(&mut self.ready),
        };
        // The answer has said why it ended before.
        ended.or_else(|unreadable| self.pass_on(unreadable, "", "[DONE]"))
    }

    /// The whole answer, or what is known of one whose content cannot be read.
    pub(super) fn response(&mut self, whole: &Value) -> Result<Response, ErrorKind> {
        match self.unread.take() {
            Some((error, beside)) => {
                let budget = self.reader().budget();
                let decoded = beside.after(whole, &budget).decoded(&budget);
                Ok(self.reader().unread(&self.answer, whole, decoded, error))
            }
            None => self.reader().read_body(&self.answer, whole, self.is_echoed()),
        }
    }
}
