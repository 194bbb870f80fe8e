//! Checks answers against the schema of the request, and asks again with what was wrong.
//!
//! [`Schema`] and [`problems`] know JSON Schema, [`Rules`] judges answers. This file connects them to the host.

mod check;
mod keywords;
mod number;
mod policy;
mod schema;
mod settings;
mod shown;

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Request, Response, Target, inner,
    stream::{self, Event},
    types::{ApiError, Failure, ResponseParts, Usage},
};

pub use check::{Problem, TooLong, problems};
pub use policy::{Rules, Verdict, Wrong, corrected, listed};
pub use schema::Schema;
pub use settings::{Settings, Uncheckable};

/// The module.
pub struct Validate {
    settings: Settings,
}

impl Module for Validate {
    type Config = Settings;

    fn describe() -> Description {
        const BEHAVIOR: &[Behavior] = &[
            Behavior::AnswersItself,
            Behavior::AsksAgain,
            Behavior::ChangesRequests,
            Behavior::ChangesAnswers,
            Behavior::HoldsAnswersBack,
        ];
        Description::new("validate", env!("CARGO_PKG_VERSION"), "validator").behavior(BEHAVIOR)
    }

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let rules = self.rules(&request).map_err(|problem| refused(&request, problem))?;
        if rules.is_idle() {
            return inner::invoke(request).await;
        }
        let (mut asked, mut spent) = (request.clone(), None::<Usage>);
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = Answer::read(&request, inner::invoke(asked.clone()).await?).await?;
            let wrong = match rules.judge(&answer.parts) {
                Verdict::Wrong(wrong) => wrong,
                Verdict::Fits => {
                    if tries > 1 {
                        request.note(&format!("the answer fits the schema at try {tries}"));
                    }
                    return Ok(answer.handed_out(&request, spent));
                }
                Verdict::Unknown if self.settings.uncheckable == Uncheckable::Pass => {
                    request.note("the answer takes too long to check, and passes unchecked");
                    return Ok(answer.handed_out(&request, spent));
                }
                Verdict::Unknown => return Err(refused(&request, TOO_LONG.to_owned())),
            };
            let listed = listed(&wrong);
            if tries > self.settings.max_retries {
                return Err(unfit(&answer.parts, &rules, tries, &listed));
            }
            request.note(&format!("the answer does not fit the schema ({listed}): asked again"));
            spent = Some(match spent {
                Some(spent) => spent.plus(&answer.parts.usage),
                None => answer.parts.usage.clone(),
            });
            // Each try has the last answer alone, so that requests do not grow.
            asked = request.derive(&corrected(request.parts(), &answer.parts, &wrong));
        }
    }

    fn worst_case(&self, inner: &Target, _: &[Target]) -> Cost {
        let times = u64::from(self.settings.max_retries) + 1;
        Cost { attempts: inner.most.attempts.saturating_mul(times), waiting: inner.most.waiting.saturating_mul(times) }
    }
}

const TOO_LONG: &str = "the answer takes too long to check against its schema. Make the schema simpler, or set uncheckable = \
                        \"pass\" of the module validate";

impl Validate {
    /// What the answers of this call must be. The conversation is copied only if tool calls are checked and there are tools.
    fn rules(&self, request: &Request) -> Result<Rules, String> {
        let tools = match self.settings.tools && request.size().tools > 0 {
            true => request.parts().tools,
            false => Vec::new(),
        };
        Rules::new(&request.options(), &tools, &self.settings)
    }
}

/// The error about a schema that cannot be checked: the request is wrong.
fn refused(request: &Request, problem: String) -> Error {
    match Error::refused(request, "validate", 400, 0, problem) {
        Error::Api(api) => Error::Api(ApiError { retry_after: None, should_retry: Some(false), ..api }),
        other => other,
    }
}

fn unfit(answer: &ResponseParts, rules: &Rules, tries: u32, listed: &str) -> Error {
    let plural = if tries == 1 { "" } else { "s" };
    let message =
        format!("the answer does not fit the schema ({}), after {tries} request{plural}: {listed}", rules.name());
    // A gateway tells its client what is wrong only if a module says it.
    let extensions = vec![("arcllm.checked-by".to_owned(), "\"validate\"".to_owned())];
    Error::Parse(Failure { extensions, ..Failure::new(answer.provider.clone(), message) })
}

/// A whole answer.
struct Answer {
    parts: ResponseParts,
    from: From,
}

/// How an answer came.
enum From {
    /// Whole.
    Whole(Box<Response>),
    /// In these events.
    Events(Vec<Event>),
}

impl Answer {
    /// Reads an answer, and waits for its end.
    async fn read(request: &Request, response: Response) -> Result<Self, Error> {
        if !request.streamed() || response.is_whole() {
            return Ok(Self { parts: response.parts(), from: From::Whole(Box::new(response)) });
        }
        let events = stream::whole(&stream::read(response)).await?;
        let end = events.iter().rev().find_map(|event| match event {
            Event::End(parts) => Some(parts.clone()),
            _ => None,
        });
        let early = || Error::Connection(Failure::new("", "the answer ended before it was whole"));
        Ok(Self { parts: end.ok_or_else(early)?, from: From::Events(events) })
    }

    /// Hands the answer on, with the tokens of those before it.
    fn handed_out(self, request: &Request, spent: Option<Usage>) -> Response {
        let Self { mut parts, from } = self;
        match (from, spent) {
            (From::Whole(response), None) => *response,
            (From::Whole(response), Some(spent)) => {
                parts.usage = spent.plus(&parts.usage);
                response.derive(&parts)
            }
            (From::Events(mut events), spent) => {
                for event in &mut events {
                    if let (Event::Usage(usage) | Event::End(ResponseParts { usage, .. }), Some(spent)) =
                        (event, &spent)
                    {
                        *usage = spent.plus(usage);
                    }
                }
                stream::written(request, async move |writer| stream::write_all(writer, events).await)
            }
        }
    }
}

arcllm_module::export!(Validate);

#[cfg(test)]
mod tests;
