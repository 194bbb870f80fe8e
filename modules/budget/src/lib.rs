//! Limits the money and tokens of calls, by label and window.
//!
//! [`Policy`] decides which limits a call has, [`Worst`] what it may use and has used. This file connects them to the host.

mod amounts;
mod lost;
mod policy;
mod reservation;
mod settings;
mod warned;

use std::rc::Rc;

use arcllm_module::{
    Behavior, Description, Error, Module, Request, Response, clock, endings, inner, log,
    types::{ApiError, Failure, Price, Reason, Usage},
};

use lost::Lost;
use reservation::{Outcome, Reservation};
use warned::Warned;

pub use amounts::{Amounts, Worst, millionths};
pub use policy::{Counter, Policy, Unit};
pub use settings::{Decision, Limit, Settings, Window, WithoutLabel};

/// The module.
pub struct Budget {
    policy: Policy,
    lost: Lost,
    warned: Rc<Warned>,
}

impl Module for Budget {
    type Config = Settings;

    fn describe() -> Description {
        Description::new("budget", env!("CARGO_PKG_VERSION"), "budget").behavior(&[Behavior::AnswersItself])
    }

    fn new(settings: Settings) -> Self {
        let lost = Lost::new(settings.reservation_seconds.duration());
        Self { policy: Policy::new(settings), lost, warned: Rc::default() }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let counters = self.policy.counters(|label| request.label(label)).map_err(|why| unfit(&request, &why))?;
        let mut call = self.begin(&request, &counters)?;
        let amounts = call.worst.at(call.price.as_ref());
        let (reservation, waits) = match Reservation::make(counters.clone(), amounts, &self.lost).await {
            Ok(Outcome::Made(reservation, counts)) => {
                note(&request, &reservation, &counts);
                let waits = reservation.is_tight(&counts);
                (reservation, waits)
            }
            Ok(Outcome::Refused { counter, count, ends_in }) => {
                let why = counter.refusal(count, counter.part(amounts), ends_in);
                return Err(refused(&request, 429, Reason::Quota, ends_in.map(clock::nanoseconds), &why));
            }
            Err(problem) if self.policy.settings().on_store_failure == Decision::Allow => {
                log::log(log::Level::Debug, "budget", &format!("a call goes on without a reservation: {problem}"));
                (Reservation::none(counters), false)
            }
            Err(problem) => {
                let why = format!("it cannot count what it may use: {problem}");
                return Err(refused(&request, 503, Reason::Overloaded, Some(WAIT), &why));
            }
        };
        call.reservation = Some(reservation);
        let response = match inner::invoke(request.clone()).await {
            Ok(response) => response,
            Err(error) => {
                call.end(None).await;
                return Err(error);
            }
        };
        // The next call may need what this one gives back. Otherwise the answer does not wait for it.
        if waits && response.is_whole() {
            call.end(Some(&response.usage())).await;
        } else {
            endings::after(&response, async move |ended| {
                call.end(ended.as_ref().ok().map(|ending| &ending.usage)).await;
            });
        }
        Ok(response)
    }
}

/// How long a call is asked to wait while the store fails, in nanoseconds.
const WAIT: u64 = 1_000_000_000;

impl Budget {
    /// Begins to count a call. Fails if its price is not known, and must be.
    fn begin(&self, request: &Request, counters: &[Counter]) -> Result<Call, Error> {
        let settings = self.policy.settings();
        let (provider, model) = (request.provider(), request.model());
        let facts = request.facts(&format!("{provider}/{model}"));
        let needs_price = counters.iter().any(|counter| counter.unit == Unit::Cost);
        let price = facts.as_ref().and_then(|facts| facts.price.clone());
        if needs_price && price.is_none() && settings.unknown_price == Decision::Refuse {
            let message = format!(
                "the module budget refuses this call: the price of `{provider}/{model}` is unknown. Set cost_input_per_1m and \
                 cost_output_per_1m in [providers.{provider}.models.{model:?}], or unknown_price = \"allow\" in [modules.budget]"
            );
            return Err(Error::Config(Failure::new(provider, message)));
        }
        let of_model = facts.and_then(|facts| facts.max_output_tokens);
        let asked = request.options().max_tokens.map(u64::from);
        let output = asked.or(of_model).unwrap_or(settings.max_output_tokens.get().into());
        let size = request.size();
        let worst = Worst { input: size.estimated_tokens, output: output.saturating_mul(size.answers()) };
        let before = request.attempt_count();
        Ok(Call {
            request: request.clone(),
            before,
            worst,
            price,
            needs_price,
            reservation: None,
            warned: self.warned.clone(),
        })
    }
}

/// A call that is counted.
struct Call {
    request: Request,
    /// The length of the trail before the call.
    before: u32,
    /// What one attempt may use.
    worst: Worst,
    /// The price of the model that was asked for.
    price: Option<Price>,
    needs_price: bool,
    reservation: Option<Reservation>,
    warned: Rc<Warned>,
}

impl Call {
    /// Counts what was used in place of what was reserved.
    async fn end(self, answered: Option<&Usage>) {
        let Some(reservation) = self.reservation else { return };
        let attempts = self.request.attempts(self.before);
        let price = |provider: &str, model: &str| self.request.facts(&format!("{provider}/{model}"))?.price;
        let used = self.worst.used(&attempts, answered, |attempt| {
            let known = price(&attempt.provider, &attempt.model);
            if known.is_none() && self.needs_price {
                let (provider, model) = (&attempt.provider, &attempt.model);
                let message =
                    format!("`{provider}/{model}` has no known price, and counts as the model that was asked for");
                log::log(log::Level::Warn, "budget", &message);
            }
            known.or_else(|| self.price.clone())
        });
        match reservation.settle(used).await {
            Ok(counters) => {
                for (counter, count) in counters.iter().filter(|(counter, count)| counter.is_near(*count)) {
                    self.warned.warn(counter, *count).await;
                }
            }
            Err(problem) => {
                let message = format!("what a call used is not counted, and what it reserved stays: {problem}");
                log::log(log::Level::Debug, "budget", &message);
            }
        }
    }
}

/// Notes in the trail which limits are near with this call.
fn note(request: &Request, reservation: &Reservation, counts: &[i64]) {
    let near = reservation.counters().zip(counts).filter(|(counter, count)| counter.is_near(**count));
    for (counter, count) in near {
        request.note(&format!("with what this call may use, {} is used", counter.share(*count)));
    }
}

/// Refuses a call that does not say whose it is.
fn unfit(request: &Request, why: &str) -> Error {
    refused(request, 400, Reason::InvalidRequest, None, why)
}

fn refused(request: &Request, status: u16, reason: Reason, retry_after: Option<u64>, why: &str) -> Error {
    let message = format!("the module budget refuses this call: {why}");
    match Error::refused(request, "budget", status, 0, message) {
        Error::Api(error) => Error::Api(ApiError { reason, retry_after, ..error }),
        other => other,
    }
}

arcllm_module::export!(Budget);

#[cfg(test)]
mod tests;
