//! Chooses provider and model of a call by rules. The first rule that matches counts.
//!
//! [`Rule::matches`] decides which rule that is, [`choose`] which of its targets is asked, and [`Kept`] remembers outages and times.
//! This file connects them to the host.

mod call;
mod choice;
mod hours;
mod kept;
mod settings;

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Request, Response, Target, clock, endings, inner, log, random,
    state::{self, Update},
    types::{ApiError, Reason},
};

pub use call::Call;
pub use choice::{Candidate, Unfit, choose, price, unfit};
pub use hours::{Day, Hours};
pub use kept::Kept;
pub use settings::{OneOrMany, Order, RouteTarget, Rule, Settings};

/// The key of what is kept.
const KEY: &str = "targets";

/// The module.
pub struct Route {
    settings: Settings,
}

impl Module for Route {
    type Config = Settings;

    fn describe() -> Description {
        const BEHAVIOR: &[Behavior] = &[Behavior::AsksOthers, Behavior::ChangesRequests, Behavior::AnswersItself];
        Description::new("route", env!("CARGO_PKG_VERSION"), "router").behavior(BEHAVIOR)
    }

    fn new(settings: Settings) -> Self {
        Self { settings }
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
        // Without a choice there is nothing to read, to note or to avoid.
        let is_kept = rule.targets.len() > 1;
        let kept = if is_kept && candidates.len() > 1 { read().await } else { Kept::default() };
        let draw = || (random::get_insecure_random_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let Some(target) = choose(rule, &candidates, &call, (&kept, unix_now()), draw) else {
            return Err(nobody(&request, at, &unfit_ones));
        };
        let name = &target.model.0;
        request.note(&format!("rules[{at}] chose {name}"));
        let began = clock::now();
        let outcome = target.chain_target().ask(&request).await;
        if !is_kept {
            return outcome;
        }
        match &outcome {
            Ok(answer) => {
                let took = clock::nanoseconds(clock::now().saturating_sub(began));
                let took = (rule.order() == Order::Fastest).then_some(took);
                // A target that was not avoided and is not measured has nothing to note.
                if took.is_some() || kept != Kept::default() {
                    let name = name.clone();
                    endings::after(answer, async move |_| {
                        note(|kept| kept.answered(&name, took, unix_now())).await;
                    });
                }
            }
            Err(error) if is_outage(error) => {
                let until = unix_now().saturating_add(self.settings.avoid_seconds.nanoseconds());
                note(|kept| kept.failed(name, until)).await;
            }
            Err(_) => {}
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

/// Reads what is kept about the targets. If the state fails, all count as healthy.
async fn read() -> Kept {
    match state::get(KEY.to_owned()).await {
        Ok(kept) => Kept::read(kept.as_deref()),
        Err(problem) => {
            log::log(log::Level::Debug, "route", &format!("outages and times of targets are unknown: {problem}"));
            Kept::default()
        }
    }
}

/// Changes what is kept about the targets.
async fn note(change: impl Fn(&mut Kept)) {
    let changed = state::update(KEY, |before| {
        let mut kept = Kept::read(before);
        change(&mut kept);
        let after = kept.write();
        (if before == Some(&*after) { Update::Keep } else { Update::Set(after) }, ())
    });
    if let Err(problem) = changed.await {
        log::log(log::Level::Debug, "route", &format!("an outage or time of a target was not noted: {problem}"));
    }
}

/// Whether an error says that the target cannot work now.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::Api(api) => api.status == 429 || api.status >= 500,
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

/// The time since 1970 in nanoseconds, as the store keeps it.
fn unix_now() -> u64 {
    clock::nanoseconds(clock::unix_time())
}

arcllm_module::export!(Route);

#[cfg(test)]
mod tests;
