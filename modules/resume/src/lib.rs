//! Goes on with a streamed answer that broke off after it had begun.
//!
//! [`Policy`] decides after which errors more is asked, whom and how. [`Answer`] puts one answer together from the pieces of
//! several, and [`Seam`] joins their texts. This file connects them to the host.

mod answer;
mod policy;
mod question;
mod seam;
mod settings;

use std::rc::Rc;

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Request, Response, Target, inner, models,
    stream::{self, Event, Writer},
    types::Failure,
};

pub use answer::Answer;
pub use policy::{Policy, Turns, Whom, is_json};
pub use question::question;
pub use seam::{Asked, Seam};
pub use settings::{Mode, Prefix, Settings};

/// The module.
pub struct Resume {
    policy: Rc<Policy>,
}

impl Module for Resume {
    type Config = Settings;

    fn describe() -> Description {
        const BEHAVIOR: &[Behavior] = &[
            Behavior::AsksOthers,
            Behavior::AsksAgain,
            Behavior::ChangesRequests,
            Behavior::ChangesAnswers,
            Behavior::HoldsAnswersBack,
        ];
        Description::new("resume", env!("CARGO_PKG_VERSION"), "resume").behavior(BEHAVIOR)
    }

    fn new(settings: Settings) -> Self {
        Self { policy: Rc::new(Policy::new(settings)) }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let response = inner::invoke(request.clone()).await?;
        // An answer that is whole cannot break off.
        if !request.streamed() || response.is_whole() {
            return Ok(response);
        }
        match self.policy.settings.mode {
            Mode::Hold => hold(&self.policy, &request, response).await,
            Mode::Continue => {
                let (policy, request) = (self.policy.clone(), request);
                let (answered, asking) = (request.clone(), response);
                Ok(stream::written(&answered, async move |writer| go_on(&policy, &request, asking, writer).await))
            }
        }
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        self.policy.worst_case(inner, others)
    }
}

/// The model that answers, as `provider/model`.
fn model_of(response: &Response) -> String {
    format!("{}/{}", response.provider(), response.model())
}

fn turns<'a>(policy: &'a Policy, request: &Request) -> Turns<'a> {
    policy.turns(format!("{}/{}", request.provider(), request.model()))
}

/// Asks one that may answer.
async fn ask(whom: &Whom, request: &Request, with: Request) -> Result<Response, Error> {
    match whom {
        Whom::Inner => inner::invoke(with).await,
        Whom::Target(name) => models::load(request, name.clone()).await?.invoke(with).await,
    }
}

/// Asks until an answer is whole, and hands that out.
async fn hold(policy: &Policy, request: &Request, first: Response) -> Result<Response, Error> {
    let (mut turns, mut response) = (turns(policy, request), first);
    loop {
        let mut asked = model_of(&response);
        match stream::whole(&stream::read(response)).await {
            Ok(events) => {
                return Ok(stream::written(request, async move |writer| stream::write_all(writer, events).await));
            }
            Err(error) if Policy::is_broken(&error) => {
                let question = Question { request, said: "", instruction: "" };
                (response, _) = question.ask(&mut turns, &mut asked, error).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Hands out an answer as it comes. Asks for the rest each time that it breaks off.
async fn go_on(policy: &Policy, request: &Request, first: Response, writer: &Writer) -> Result<(), Error> {
    let (mut turns, mut response, mut answer) = (turns(policy, request), first, Answer::default());
    // As long as they are there, the provider's own events of later answers are not taken for those of the first.
    let (mut broken, mut is_begun) = (Vec::new(), false);
    let must_be_json = is_json(&request.options());
    loop {
        let (mut asked, reader) = (model_of(&response), stream::read(response));
        let error = loop {
            let events = match reader.read().await {
                Ok(events) if events.is_empty() => break ended_early(),
                Ok(events) => answer.events(events),
                Err(error) => break error,
            };
            let end = match events.last() {
                Some(Event::End(parts)) => Some(parts.stop_reason.clone()),
                _ => None,
            };
            if let Some(stop) = &end
                && must_be_json
                && !answer.is_joined_json(stop)
            {
                return Err(not_json());
            }
            is_begun |= !events.is_empty();
            if !events.is_empty() {
                writer.write(events).await?;
            }
            if end.is_some() {
                return Ok(());
            }
        };
        let rest = answer.broken();
        if !rest.is_empty() {
            writer.write(rest).await?;
        }
        if !Policy::is_broken(&error) {
            return Err(error);
        }
        if is_begun {
            broken.push(reader);
        } else {
            drop(reader);
        }
        let how;
        let question = Question { request, said: answer.said(), instruction: &policy.settings.instruction };
        (response, how) = question.ask(&mut turns, &mut asked, error).await?;
        answer.resume(how);
    }
}

/// A request for an answer that has broken off, of which `said` was handed out.
struct Question<'a> {
    request: &'a Request,
    said: &'a str,
    instruction: &'a str,
}

impl Question<'_> {
    /// Asks until a model begins to answer. Fails with the error that broke the answer off. `asked` is the model that did.
    async fn ask(&self, turns: &mut Turns<'_>, asked: &mut String, broke: Error) -> Result<(Response, Asked), Error> {
        let Self { request, said, .. } = self;
        let kind = broke.kind();
        let from = asked.clone();
        while let Some(whom) = turns.next(asked, |name| request.facts(name)) {
            loop {
                let (with, how) = self.with(turns, &whom);
                match ask(&whom, request, with).await {
                    Ok(response) => {
                        let (to, length) = (model_of(&response), said.len());
                        let kind = serde_json::to_string(&kind).unwrap_or_default().replace('"', "");
                        request.note(&match length {
                            0 => format!("the answer of {from} broke off ({kind}): asked {to} again"),
                            _ => format!("the answer of {from} broke off after {length} bytes of text ({kind}): went on with {to}"),
                        });
                        return Ok((response, how));
                    }
                    Err(error) if !Policy::is_failed(&error) => return Err(error),
                    Err(error) if turns.failed(how, &error) && turns.again() => {}
                    Err(_) => break,
                }
            }
            if let Whom::Target(name) = whom {
                *asked = name;
            }
        }
        let resumes = turns.resumes();
        request.note(&format!("the answer of {from} broke off: gave up after {resumes} more requests"));
        Err(broke)
    }

    /// Makes the request, and says how it asks.
    fn with(&self, turns: &Turns<'_>, whom: &Whom) -> (Request, Asked) {
        let Self { request, said, instruction } = self;
        if said.trim().is_empty() {
            return (Request::clone(request), Asked::WithPrefix);
        }
        let how = turns.asked(whom, &request.options(), |name| request.facts(name));
        (request.derive(&question(request.parts(), said, how, instruction)), how)
    }
}

fn ended_early() -> Error {
    Error::Connection(Failure::new("", "the answer ended before it was whole"))
}

fn not_json() -> Error {
    let message = "the answer broke off, and what the next model went on with does not make JSON of it: ask again, or set \
                   mode = \"hold\" of the module resume";
    Error::Parse(Failure::new("", message))
}

arcllm_module::export!(Resume);
