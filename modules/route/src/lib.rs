//! Chooses provider and model of a call by rules. The first rule that matches counts.
//!
//! [`Rule::matches`] decides which rule that is, [`choose`] which of its targets is asked, and [`Memory`] remembers outages and times.
//! This file connects them to the host.

mod call;
mod choice;
mod hours;
mod kept;
mod memory;
mod settings;

use std::rc::Rc;

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Request, Response, Target, clock, endings, inner, random,
    types::{ApiError, Reason},
};

pub use call::Call;
pub use choice::{Candidate, Unfit, choose, price, unfit};
pub use hours::{Day, Hours};
pub use kept::{Kept, Times};
pub use memory::{Memory, Way};
pub use settings::{OneOrMany, Order, RouteTarget, Rule, Settings};

/// The module.
pub struct Route {
    settings: Settings,
    memory: Rc<Memory>,
}

impl Module for Route {
    type Config = Settings;

    fn describe() -> Description {
        const BEHAVIOR: &[Behavior] = &[Behavior::AsksOthers, Behavior::ChangesRequests, Behavior::AnswersItself];
        Description::new("route", env!("CARGO_PKG_VERSION"), "router").behavior(BEHAVIOR)
    }

    fn new(settings: Settings) -> Self {
        Self { memory: Rc::new(Memory::new(settings.avoid_seconds.nanoseconds())), settings }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let call = Call::of(&request);
        let seconds = clock::unix_time().as_secs();
        let matching = self.settings.rules.iter().enumerate().find(|(_, rule)| rule.matches(&call, seconds));
        let Some((at, rule)) = matching else { return inner::invoke(request).await };
        let mut candidates = Vec::new();
        let mut unfit_ones = Vec::new();
        for target in rule.targets() {
            let facts = request.facts(&target.model.0);
            match unfit(&call, target, facts.as_ref()) {
                Some(why) => unfit_ones.push((target, why)),
                None => candidates.push(Candidate { target, price: price(&call, target, facts.as_ref()) }),
            }
        }
        let way = if call.streamed { Way::Streamed } else { Way::Whole };
        let way = (rule.order() == Order::Fastest).then_some(way);
        // Without a choice there is nothing to read, to note or to avoid.
        let is_kept = rule.targets.len() > 1;
        let kept = match is_kept && candidates.len() > 1 {
            true => self.memory.read(&names(&candidates), way).await,
            false => Kept::default(),
        };
        let draw = || (random::get_insecure_random_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let Some(target) = choose(rule, &candidates, &call, &kept, draw) else {
            return Err(nobody(&request, at, &unfit_ones));
        };
        let name = &target.model.0;
        request.note(&format!("rules[{at}] chose {name}"));
        let began = clock::now();
        let outcome = target.chain_target().ask(&request).await;
        match &outcome {
            Ok(answer) if is_kept => {
                let took = clock::nanoseconds(clock::now().saturating_sub(began));
                self.note(answer, name.clone(), kept.is_avoided(name), way.map(|way| (way, took)));
            }
            // A retry outside must find it noted.
            Err(error) if is_kept && is_outage(error) => self.memory.failed(name).await,
            _ => {}
        }
        outcome
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        let target = |name: &str| {
            let by_provider = || others.iter().find(|other| name.starts_with(&format!("{}/", other.provider)));
            others.iter().find(|other| other.name == name).or_else(by_provider).unwrap_or(inner)
        };
        let targets = self.settings.rules.iter().flat_map(Rule::targets).map(|one| target(&one.model.0));
        targets.chain([inner]).fold(Cost { attempts: 0, waiting: 0 }, |most, one| Cost {
            attempts: most.attempts.max(one.most.attempts),
            waiting: most.waiting.max(one.most.waiting),
        })
    }
}

impl Route {
    /// Notes what an answer shows, once it has ended: no caller waits for it.
    fn note(&self, answer: &Response, target: String, was_avoided: bool, took: Option<(Way, u64)>) {
        let memory = Rc::clone(&self.memory);
        endings::after(answer, async move |ended| {
            match ended {
                // It broke off.
                Err(error) if is_outage(&error) => memory.failed(&target).await,
                Ok(_) if was_avoided => memory.is_back(&target).await,
                _ => {}
            }
            if let Some((way, took)) = took {
                memory.began(&target, way, took).await;
            }
        });
    }
}

fn names<'a>(candidates: &[Candidate<'a>]) -> Vec<&'a str> {
    candidates.iter().map(|candidate| candidate.target.model.0.as_str()).collect()
}

/// The statuses below 500 after which a target cannot work now: its key is wrong or has no credit, it does not have the model, or it
/// is asked too often.
const OUTAGES: [u16; 4] = [401, 402, 404, 429];

/// Whether an error says that the target cannot work now.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::Api(api) => api.status >= 500 || OUTAGES.contains(&api.status),
        Error::Connection(_) | Error::Timeout(_) => true,
        Error::Parse(_)
        | Error::Config(_)
        | Error::Module(_)
        | Error::Other(_)
        | Error::Cancelled
        | Error::DeadlineExceeded => false,
    }
}

/// The error of a call that no target of its rule can serve.
fn nobody(request: &Request, rule: usize, unfit: &[(&RouteTarget, Unfit)]) -> Error {
    let is_long = unfit.iter().all(|(_, why)| matches!(why, Unfit::Window(..)));
    let why = unfit.iter().map(|(target, why)| match why {
        Unfit::Window(window, needed) => {
            format!("`{}` takes {window} tokens and the call needs {needed}", target.model.0)
        }
        Unfit::Lacks(what) => format!("`{}` does not have `{what}`", target.model.0),
    });
    let why = why.collect::<Vec<_>>().join("; ");
    Error::Api(ApiError {
        status: 400,
        reason: if is_long { Reason::ContextLength } else { Reason::InvalidRequest },
        message: format!("the module route has no target in rules[{rule}] that can serve this call: {why}"),
        provider: request.provider(),
        model: request.model(),
        request_id: None,
        retry_after: None,
        should_retry: Some(false),
        extensions: vec![("arcllm.refused-by".to_owned(), "\"route\"".to_owned())],
    })
}

arcllm_module::export!(Route);

#[cfg(test)]
mod tests;
