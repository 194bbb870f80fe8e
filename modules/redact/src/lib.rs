//! Keeps personal data from providers: replaces it in requests and answers, and in the arguments and results of tools.
//!
//! [`find`] knows the kinds of personal data, and [`Policy`] what to look for. A [`Rewriter`] replaces it with placeholders
//! in texts, an [`AnswerRewriter`] in the events of an answer. This file connects them to the host.

mod answer;
mod characters;
mod document;
pub mod find;
mod json;
mod json_block;
mod pieces;
mod placeholders;
mod places;
mod policy;
mod quotes;
mod rewrite;
mod rewriter;
mod search;
mod settings;

use std::rc::Rc;

use arcllm_module::{
    Behavior, Description, Error, Module, Request, Response, inner,
    stream::{self, Event, Reader, Writer},
};

pub use answer::{AnswerRewriter, Rules};
pub use json::json;
pub use pieces::Pieces;
pub use placeholders::{Known, Placeholders};
pub use policy::Policy;
pub use rewriter::Rewriter;
pub use settings::{Kind, Settings};

/// The module.
pub struct Redact {
    /// What is looked for in requests.
    requests: Policy,
    /// What is looked for in responses.
    responses: Rc<Policy>,
    restore: bool,
}

impl Module for Redact {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("redact", env!("CARGO_PKG_VERSION"), "transformer")
            .behavior(&[Behavior::ChangesRequests, Behavior::ChangesAnswers])
    }

    fn new(settings: Settings) -> Self {
        let policy = |wanted: bool| if wanted { Policy::new(&settings) } else { Policy::nothing() };
        let (requests, responses) = (policy(settings.requests), Rc::new(policy(settings.responses)));
        Self { requests, responses, restore: settings.restore }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let mut placeholders = Placeholders::default();
        let rewritten = self.rewritten(&request, &mut placeholders);
        let known = if self.restore { placeholders.known() } else { Known::default() };
        let rules = Rules { policy: self.responses.clone(), placeholders, known };
        let streamed = request.streamed().then(|| request.clone());
        let response = inner::invoke(rewritten.unwrap_or(request)).await?;
        Ok(match streamed {
            _ if rules.is_idle() => response,
            Some(request) => {
                let reader = stream::read(response);
                stream::written(&request, async move |writer| rewrite(reader, writer, AnswerRewriter::new(rules)).await)
            }
            None => whole(response, rules),
        })
    }
}

impl Redact {
    /// Returns the request without personal data; none if it has no personal data.
    fn rewritten(&self, request: &Request, placeholders: &mut Placeholders) -> Option<Request> {
        if self.requests.is_empty() {
            return None;
        }
        let mut parts = request.parts();
        if self.restore {
            for message in &mut parts.messages {
                places::message(message, &mut |text| {
                    placeholders.avoid(text);
                    None
                });
            }
        }
        let mut rewriter = Rewriter { policy: &self.requests, placeholders, known: &Known::default() };
        let mut is_changed = false;
        for message in &mut parts.messages {
            is_changed |= rewriter.message(message);
        }
        is_changed.then(|| request.derive(&parts))
    }
}

/// Rewrites a whole response. Puts the caller's own data back if `restore` is set.
fn whole(response: Response, mut rules: Rules) -> Response {
    let mut parts = response.parts();
    if rules.rewriter().answer(&mut parts) { response.derive(&parts) } else { response }
}

/// Rewrites a response as it comes.
async fn rewrite(reader: Reader, writer: &Writer, mut answer: AnswerRewriter) -> Result<(), Error> {
    loop {
        let events = match reader.read().await {
            Ok(events) => events,
            Err(error) => {
                let rest = answer.broken();
                if !rest.is_empty() {
                    // If nobody reads it any more, the answer still ends with its own error.
                    let _ = writer.write(rest).await;
                }
                return Err(error);
            }
        };
        let is_over = matches!(events.last(), None | Some(Event::End(_)));
        let rewritten = answer.events(events);
        if !rewritten.is_empty() {
            writer.write(rewritten).await?;
        }
        if is_over {
            return Ok(());
        }
    }
}

arcllm_module::export!(Redact);

#[cfg(test)]
mod tests {
    use arcllm_module::{
        testing::{World, text},
        types::{ContentBlock, RequestParts, ResponseParts, ToolCall},
    };

    use super::*;

    fn said(parts: &RequestParts) -> String {
        parts.clone().texts_mut().map(|text| text.clone()).collect()
    }

    /// Makes an answer that repeats the request, and calls a tool with it.
    fn repeated(parts: &RequestParts) -> ResponseParts {
        let said = said(parts);
        let mut answer = text(&format!("You said {said}, says 10.0.0.7"));
        answer.content.push(ContentBlock::ToolUse(ToolCall {
            id: "1".to_owned(),
            name: "send".to_owned(),
            arguments: format!(r#"{{"to": "{said}"}}"#),
            cache: None,
            extensions: Vec::new(),
        }));
        answer
    }

    fn answer(settings: Settings, request: &str) -> (World, Vec<String>) {
        let world = World::new().answers_with(|parts| Ok(repeated(parts)));
        let answer = world.run(Redact::new(settings).invoke(world.request(request))).unwrap();
        let texts = answer.parts().texts_mut().map(|text| text.clone()).collect();
        (world, texts)
    }

    #[test]
    fn personal_data_is_replaced_in_requests_and_answers() {
        let (world, texts) = answer(Settings::default(), "a@b.com");
        assert_eq!(said(&world.asked()[0].parts), "[EMAIL_1]");
        assert_eq!(texts, ["You said [EMAIL_1], says [IP_1]", r#"{"to": "[EMAIL_1]"}"#]);
    }

    #[test]
    fn the_callers_own_data_is_put_back_if_restore_is_set() {
        let (world, texts) = answer(Settings { restore: true, ..Settings::default() }, "a@b.com");
        assert_eq!(said(&world.asked()[0].parts), "[EMAIL_1]");
        assert_eq!(texts, ["You said a@b.com, says [IP_1]", r#"{"to":"a@b.com"}"#]);
    }

    #[test]
    fn requests_and_answers_can_be_left_alone() {
        let (world, texts) = answer(Settings { requests: false, responses: false, ..Settings::default() }, "a@b.com");
        assert_eq!(said(&world.asked()[0].parts), "a@b.com");
        assert!(texts[0].contains("a@b.com") && texts[0].contains("10.0.0.7"));
    }
}
