//! Keeps personal data from providers: rewrites it in requests and responses, arguments of tools included.
//!
//! What is personal is in [`find`], what becomes of it in [`Policy`]; this file only connects them to the host.

mod config;
pub mod find;
mod policy;

use arcllm_module::{Description, Error, Module, Request, Response, inner, types::ContentBlock};

pub use config::{Kind, Settings};
pub use policy::{Placeholders, Policy, json};

/// The module.
pub struct Redact {
    settings: Settings,
    policy: Policy,
}

impl Module for Redact {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("redact", env!("CARGO_PKG_VERSION"), "transformer")
    }

    fn new(settings: Settings) -> Self {
        let policy = Policy::new(&settings);
        Self { settings, policy }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let mut placeholders = Placeholders::default();
        let response = match self.rewritten(&request, &mut placeholders) {
            Some(rewritten) => inner::invoke(rewritten).await?,
            None => inner::invoke(request).await?,
        };
        Ok(self.answered(response, placeholders))
    }
}

impl Redact {
    /// The request without personal data, if it has any.
    fn rewritten(&self, request: &Request, placeholders: &mut Placeholders) -> Option<Request> {
        if !self.settings.requests {
            return None;
        }
        let mut parts = request.parts();
        if self.settings.restore {
            parts.texts_mut().for_each(|text| placeholders.avoid(text));
        }
        let blocks = parts.messages.iter_mut().flat_map(|message| message.content.iter_mut());
        let is_changed = rewrite(blocks, &mut |text| self.policy.redacted(text, placeholders));
        is_changed.then(|| request.derive(&parts))
    }

    /// The response without personal data of others than the caller's, which is put back if that is wanted.
    fn answered(&self, response: Response, mut placeholders: Placeholders) -> Response {
        let Settings { responses, restore, .. } = self.settings;
        if !responses && !restore {
            return response;
        }
        let mut parts = response.parts();
        let known = placeholders.known();
        let mut is_changed = false;
        if responses {
            is_changed |= rewrite(parts.content.iter_mut(), &mut |text| self.policy.redacted(text, &mut placeholders));
        }
        if restore {
            is_changed |= rewrite(parts.content.iter_mut(), &mut |text| placeholders.restored(text, &known));
        }
        if is_changed { response.derive(&parts) } else { response }
    }
}

/// Rewrites what is said in these blocks. Whether anything was.
fn rewrite<'a>(
    blocks: impl Iterator<Item = &'a mut ContentBlock>,
    change: &mut impl FnMut(&str) -> Option<String>,
) -> bool {
    let mut is_changed = false;
    for block in blocks {
        let is_json = matches!(block, ContentBlock::ToolUse(_));
        for text in block.texts_mut() {
            let changed = if is_json { json(text, change) } else { change(text) };
            if let Some(changed) = changed {
                *text = changed;
                is_changed = true;
            }
        }
    }
    is_changed
}

arcllm_module::export!(Redact);

#[cfg(test)]
mod tests {
    use arcllm_module::{
        testing::{World, text},
        types::{RequestParts, ResponseParts, ToolCall},
    };

    use super::*;

    fn said(parts: &RequestParts) -> String {
        parts.clone().texts_mut().map(|text| text.clone()).collect()
    }

    /// An answer that repeats the request, and calls a tool with it.
    fn repeated(parts: &RequestParts) -> ResponseParts {
        let said = said(parts);
        let mut answer = text(&format!("You said {said}, says 10.0.0.7"));
        answer.content.push(ContentBlock::ToolUse(ToolCall {
            id: "1".to_owned(),
            name: "send".to_owned(),
            arguments: format!(r#"{{"to": "{said}"}}"#),
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
    fn nobody_is_told_what_is_personal() {
        let (world, texts) = answer(Settings::default(), "a@b.com");
        assert_eq!(said(&world.asked()[0].parts), "[EMAIL_1]");
        assert_eq!(texts, ["You said [EMAIL_1], says [IP_1]", r#"{"to": "[EMAIL_1]"}"#]);
    }

    #[test]
    fn the_callers_own_is_put_back_if_wanted() {
        let (world, texts) = answer(Settings { restore: true, ..Settings::default() }, "a@b.com");
        assert_eq!(said(&world.asked()[0].parts), "[EMAIL_1]");
        assert_eq!(texts, ["You said a@b.com, says [IP_1]", r#"{"to":"a@b.com"}"#]);
    }

    #[test]
    fn either_way_can_be_left_alone() {
        let (world, texts) = answer(Settings { requests: false, responses: false, ..Settings::default() }, "a@b.com");
        assert_eq!(said(&world.asked()[0].parts), "a@b.com");
        assert!(texts[0].contains("a@b.com") && texts[0].contains("10.0.0.7"));
    }
}
