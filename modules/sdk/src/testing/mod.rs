//! A world for a module's unit tests, natively: a scripted inner, a virtual clock, seeded random numbers.
//!
//! Outside of WebAssembly the imports of a module ([`inner`](crate::inner), [`models`](crate::models),
//! [`state`](crate::state), [`clock`](crate::clock), [`random`](crate::random), [`log`](crate::log) and
//! [`stream`](crate::stream)) are those of the [`World`] that runs it, so that its `invoke` is tested as it is:
//!
//! ```
//! use arcllm_module::{Error, Request, Response, clock, inner, testing::{World, api, text}};
//!
//! async fn twice(request: Request) -> Result<Response, Error> {
//!     match inner::invoke(request.clone()).await {
//!         Ok(response) => Ok(response),
//!         Err(_) => {
//!             clock::wait_for(1_000_000_000).await;
//!             inner::invoke(request).await
//!         }
//!     }
//! }
//!
//! let world = World::new().answers([Err(api(529)), Ok(text("Hello"))]);
//! let answer = world.run(twice(world.request("Hi"))).unwrap();
//! assert_eq!(answer.parts().text(), "Hello");
//! assert_eq!(world.asked().len(), 2);
//! assert_eq!(world.now().as_secs(), 1);
//! ```

mod executor;
pub(crate) mod handles;
pub(crate) mod imports;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    future::poll_fn,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use crate::types::{ApiError, Attempt, Error, Failure, Outcome, Price, RequestParts, ResponseParts};
use handles::{Request, Target};

#[cfg(feature = "stream")]
pub(crate) use executor::spawn;

/// What a provider of a test answers.
pub type Answer = Result<ResponseParts, Error>;

/// Everything around a module under test. Clones are the same world.
#[derive(Clone)]
pub struct World(pub(crate) Rc<RefCell<Inside>>);

/// What a provider was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// After the beginning of the world.
    pub at: Duration,
    /// Who was asked.
    pub provider: String,
    /// What.
    pub parts: RequestParts,
}

/// What answers for a provider.
type Answering = Box<dyn FnMut(&RequestParts) -> Answer>;

/// The state of a world.
pub(crate) struct Inside {
    /// Nanoseconds since its beginning.
    pub(crate) now: u64,
    /// When somebody is to be woken.
    pub(crate) timers: BTreeSet<u64>,
    pub(crate) tasks: Vec<executor::Task>,
    pub(crate) random: u64,
    pub(crate) deadline: Option<u64>,
    pub(crate) streamed: bool,
    /// How long each answer takes, in nanoseconds.
    pub(crate) takes: u64,
    pub(crate) providers: HashMap<String, Answering>,
    pub(crate) prices: HashMap<(String, String), Price>,
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    /// How long each operation on these takes, in nanoseconds.
    pub(crate) state_takes: u64,
    /// How many of them there were.
    pub(crate) operations: usize,
    pub(crate) asked: Vec<Asked>,
    pub(crate) trail: Vec<Attempt>,
    pub(crate) logged: Vec<String>,
    /// Nanoseconds slept since the last attempt.
    pub(crate) waited: u64,
}

/// The provider at the end of a module's chain.
const INNER: &str = "inner";
/// The model that every provider of a world is asked for.
const MODEL: &str = "scripted";

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world in which the inner, called `inner`, answers `Hello`.
    pub fn new() -> Self {
        let inside = Inside {
            now: 0,
            timers: BTreeSet::new(),
            tasks: Vec::new(),
            random: 0,
            deadline: None,
            streamed: false,
            takes: 0,
            providers: HashMap::new(),
            prices: HashMap::new(),
            values: BTreeMap::new(),
            state_takes: 0,
            operations: 0,
            asked: Vec::new(),
            trail: Vec::new(),
            logged: Vec::new(),
            waited: 0,
        };
        Self(Rc::new(RefCell::new(inside))).answers([Ok(text("Hello"))])
    }

    /// Has the inner answer so, in this order; the last answer is repeated.
    #[must_use]
    pub fn answers(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.provider(INNER, answers)
    }

    /// Adds a provider that a module can [load](crate::models::load), and that answers so; the last answer is repeated.
    #[must_use]
    pub fn provider(self, name: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter().peekable();
        let mut last = None;
        self.provider_with(name, move |_| {
            last = answers.next().or_else(|| last.take());
            last.clone().unwrap_or_else(|| Ok(text("Hello")))
        })
    }

    /// Has the inner answer by what it is asked.
    #[must_use]
    pub fn answers_with(self, answer: impl FnMut(&RequestParts) -> Answer + 'static) -> Self {
        self.provider_with(INNER, answer)
    }

    fn provider_with(self, name: &str, answer: impl FnMut(&RequestParts) -> Answer + 'static) -> Self {
        self.0.borrow_mut().providers.insert(name.to_owned(), Box::new(answer));
        self
    }

    /// Has each answer take so long.
    #[must_use]
    pub fn answers_after(self, time: Duration) -> Self {
        self.0.borrow_mut().takes = nanoseconds(time);
        self
    }

    /// Has each operation on what the module keeps take so long, as a store elsewhere does: others come in between.
    #[must_use]
    pub fn state_after(self, time: Duration) -> Self {
        self.0.borrow_mut().state_takes = nanoseconds(time);
        self
    }

    /// Sets the caller's deadline, counted from now on.
    #[must_use]
    pub fn deadline(self, time: Duration) -> Self {
        {
            let mut inside = self.0.borrow_mut();
            inside.deadline = Some(inside.now.saturating_add(nanoseconds(time)));
        }
        self
    }

    /// Has the caller read answers as they come.
    #[must_use]
    pub fn streamed(self) -> Self {
        self.0.borrow_mut().streamed = true;
        self
    }

    /// Says what a model costs, as config would.
    #[must_use]
    pub fn price(self, provider: &str, model: &str, price: Price) -> Self {
        self.0.borrow_mut().prices.insert((provider.to_owned(), model.to_owned()), price);
        self
    }

    /// Draws random numbers from this seed instead of zero.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.0.borrow_mut().random = seed;
        self
    }

    /// A call whose conversation is this text of the user's.
    pub fn request(&self, text: &str) -> Request {
        self.request_of(RequestParts::from_text(text))
    }

    /// A call of this content.
    pub fn request_of(&self, parts: RequestParts) -> Request {
        Request { world: self.clone(), parts: Rc::new(parts), target: Target::inner() }
    }

    /// Runs this and all that it leaves behind to their end, in virtual time.
    ///
    /// # Panics
    ///
    /// Where it waits for something that cannot happen, and where another world runs on this thread.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        executor::run(self, future)
    }

    /// Runs all of these at once, as an instance does with calls, and returns what they come to, in their order.
    ///
    /// # Panics
    ///
    /// As [`run`](World::run).
    pub fn run_all<T>(&self, futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
        let mut running: Vec<_> = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
        self.run(poll_fn(move |context| {
            for (future, outcome) in &mut running {
                if let Some(Poll::Ready(value)) = future.as_mut().map(|future| future.as_mut().poll(context)) {
                    (*future, *outcome) = (None, Some(value));
                }
            }
            match running.iter().all(|(future, _)| future.is_none()) {
                true => Poll::Ready(running.drain(..).filter_map(|(_, outcome)| outcome).collect()),
                false => Poll::Pending,
            }
        }))
    }

    /// How much time has passed since the beginning.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.borrow().now)
    }

    /// What providers were asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.0.borrow().asked.clone()
    }

    /// What was logged, in order.
    pub fn logged(&self) -> Vec<String> {
        self.0.borrow().logged.clone()
    }

    /// What the module keeps under this key.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().values.get(key).cloned()
    }

    /// How many operations there were on what the module keeps.
    pub fn state_operations(&self) -> usize {
        self.0.borrow().operations
    }

    /// Asks a provider.
    pub(crate) async fn ask(&self, provider: &str, parts: &RequestParts) -> Answer {
        let (started, takes, waited) = {
            let mut inside = self.0.borrow_mut();
            let asked = Asked { at: Duration::from_nanos(inside.now), provider: provider.into(), parts: parts.clone() };
            inside.asked.push(asked);
            (inside.now, inside.takes, std::mem::take(&mut inside.waited))
        };
        executor::sleep(self, takes).await;
        // Taken out, since it may look at the world.
        let answering = self.0.borrow_mut().providers.remove(provider);
        let Some(mut answering) = answering else {
            let message = "there is no such provider in this world".to_owned();
            return Err(Error::Config(Failure { message, provider: provider.to_owned(), extensions: Vec::new() }));
        };
        let mut answer = answering(parts);
        let mut inside = self.0.borrow_mut();
        inside.providers.insert(provider.to_owned(), answering);
        match &mut answer {
            Ok(parts) => provider.clone_into(&mut parts.provider),
            Err(Error::Api(error)) => provider.clone_into(&mut error.provider),
            Err(_) => {}
        }
        let attempt = Attempt {
            provider: provider.to_owned(),
            model: MODEL.to_owned(),
            asked_by: "module".to_owned(),
            started_after: started,
            took: inside.now.saturating_sub(started),
            waited,
            waited_by: if waited > 0 { "module".to_owned() } else { String::new() },
            outcome: outcome(&answer),
            retry_after: match &answer {
                Err(Error::Api(error)) => error.retry_after,
                _ => None,
            },
            should_retry: match &answer {
                Err(Error::Api(error)) => error.should_retry,
                _ => None,
            },
            extensions: Vec::new(),
        };
        inside.trail.push(attempt);
        answer
    }
}

fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Ok(_) => Outcome::Ok,
        Err(Error::Api(error)) => Outcome::Api(error.status),
        Err(Error::Connection(_)) => Outcome::Connection,
        Err(Error::Timeout(_)) => Outcome::Timeout,
        Err(Error::Parse(_)) => Outcome::Parse,
        Err(Error::Module(_)) => Outcome::Module,
        Err(Error::Cancelled) => Outcome::Cancelled,
        Err(Error::DeadlineExceeded) => Outcome::DeadlineExceeded,
        Err(Error::Config(_) | Error::Other(_)) => Outcome::Other("other".to_owned()),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// An answer of this text.
pub fn text(text: &str) -> ResponseParts {
    ResponseParts::from_text(INNER, MODEL, text)
}

/// An error of this status, without a hint.
pub fn api(status: u16) -> Error {
    Error::Api(ApiError {
        status,
        message: format!("status {status}"),
        provider: INNER.to_owned(),
        model: MODEL.to_owned(),
        request_id: None,
        retry_after: None,
        should_retry: None,
        extensions: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
